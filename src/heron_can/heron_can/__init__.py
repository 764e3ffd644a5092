"""DBC bytes to signals and back; vehicle state and odometry; counters and checksums."""
