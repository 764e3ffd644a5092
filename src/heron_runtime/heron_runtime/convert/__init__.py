"""Native types of heron_core ↔ ROS messages, one pair of functions per row of the topic table."""
