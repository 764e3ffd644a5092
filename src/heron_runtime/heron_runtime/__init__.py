"""The bridge between Heron and ROS 2: components, transport, time, launch."""
