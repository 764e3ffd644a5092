"""DBC bytes to signals and back; vehicle state and odometry; counters and checksums."""

from heron_can.lean_import import keep_python_can_light

keep_python_can_light()
