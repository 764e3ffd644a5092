"""A policy on another computer: sealed messages over DDS, clocks, the link, and the components at both ends."""
