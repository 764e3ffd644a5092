"""From a trajectory to frames that a car may be given: tracking, engagement, the gate."""
