"""The topic table: every topic's native type, ROS type and quality of service. The only place that decides them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, cast

from heron_core.errors import ConfigError


@dataclass(frozen=True)
class Quality:
    """Quality of service of one topic.

    Attributes:
        depth: messages that wait for a slow reader; older ones are dropped and counted.
        reliable: resend what was lost.
        latched: late readers get the last message (transient local).
    """

    depth: int
    reliable: bool
    latched: bool = False


SENSOR = Quality(depth=5, reliable=False)
STATE = Quality(depth=50, reliable=True)  # half a second: a pause of the reader must not tear the policy's ego history
LATCHED = Quality(depth=1, reliable=True, latched=True)
COMMAND = Quality(depth=1, reliable=True)
LOG = Quality(depth=100, reliable=True)


@dataclass(frozen=True)
class Topic:
    """One row: name pattern, ROS type such as `sensor_msgs/msg/Imu`, quality, and the module of `heron_runtime.convert` that adapts it.

    `many`: a ROS message holds any number of native ones; it is sent with one, and its `from_ros` gives a tuple, handed to readers one by one.
    """

    pattern: str
    ros_type: str
    quality: Quality
    adapter: str
    many: bool = False

    def ros_class(self) -> Any:
        """The generated message class."""
        return ros_class(self.ros_type)

    def to_ros(self) -> Callable[[Any], Any]:
        """Native message → ROS message."""
        return cast(Callable[[Any], Any], self._function("to_ros"))

    def from_ros(self) -> Callable[[Any, str, int], Any]:
        """(ROS message, topic name, arrival ns) → native message, or a tuple of them where `many`."""
        return cast(Callable[[Any, str, int], Any], self._function("from_ros"))

    def arrivals(self) -> Callable[[Any, str, int], tuple[Any, ...]]:
        """(ROS message, topic name, arrival ns) → the native messages that readers get, one after the other."""
        convert = self.from_ros()
        return convert if self.many else lambda message, topic, received_ns: (convert(message, topic, received_ns),)

    def from_raw(self) -> Callable[[bytes], Any] | None:
        """CDR bytes → native message, for types that are frequent enough to deserve a way of their own."""
        return cast("Callable[[bytes], Any] | None", self._function("from_raw", None))

    def _function(self, direction: str, *default: Any) -> Any:
        module, _, name = self.adapter.partition(":")
        return getattr(importlib.import_module(f"heron_runtime.convert.{module}"), f"{name}_{direction}", *default)


TOPICS = (
    Topic("/camera/*/image/compressed", "sensor_msgs/msg/CompressedImage", SENSOR, "camera:compressed_image"),
    Topic("/camera/*/video", "foxglove_msgs/msg/CompressedVideo", Quality(depth=60, reliable=True), "camera:compressed_video"),
    Topic("/camera/*/image", "sensor_msgs/msg/Image", SENSOR, "camera:image"),
    Topic("/camera/*/camera_info", "sensor_msgs/msg/CameraInfo", LATCHED, "camera:camera_info"),
    Topic("/tf_static", "tf2_msgs/msg/TFMessage", LATCHED, "camera:static_transforms"),
    Topic("/frames", "heron_msgs/msg/FrameSet", SENSOR, "camera:frame_set"),
    Topic("/can/tap", "heron_msgs/msg/CanBatch", LOG, "vehicle:can_batch"),
    Topic("/vehicle/state", "heron_msgs/msg/VehicleState", STATE, "vehicle:vehicle_state"),
    Topic("/odom", "nav_msgs/msg/Odometry", STATE, "vehicle:odometry"),
    Topic("/imu", "sensor_msgs/msg/Imu", STATE, "vehicle:imu"),
    Topic("/gnss/fix", "sensor_msgs/msg/NavSatFix", STATE, "vehicle:gnss_fix"),
    Topic("/instruction", "heron_msgs/msg/Instruction", LATCHED, "plan:instruction"),
    Topic("/plan/trajectory", "heron_msgs/msg/Trajectory", COMMAND, "plan:trajectory"),
    Topic("/plan/explanation", "heron_msgs/msg/Explanation", LATCHED, "plan:explanation"),
    Topic("/sim/truth", "heron_msgs/msg/Truth", STATE, "sim:truth"),
    Topic("/control/status", "heron_msgs/msg/ControlStatus", STATE, "plan:control_status"),
    Topic("/events", "heron_msgs/msg/Event", LOG, "plan:event"),
    Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", LOG, "health:health", many=True),
    Topic("/clock", "rosgraph_msgs/msg/Clock", SENSOR, "plan:clock"),
)

SEALED = "heron_msgs/msg/Sealed"
REMOTE_TOPICS = {
    "/remote/request": Quality(depth=2, reliable=True),
    "/remote/answer": Quality(depth=2, reliable=True),
    "/remote/to_server": Quality(depth=8, reliable=True),
    "/remote/to_vehicle": Quality(depth=8, reliable=True),
}
"""Between hosts, each of type `SEALED`; no component reads them, only the gateways of `heron_remote` do. What is lost is sent again while it is among
the newest: a request for a plan and one that asks what an instruction means; of small messages a few more."""


def topic_row(name: str) -> Topic:
    """The row for a resolved topic name.

    Raises:
        ConfigError: the table has no such topic.
    """
    for row in TOPICS:
        if fnmatchcase(name, row.pattern) and name.count("/") == row.pattern.count("/"):
            return row
    raise ConfigError(f"topic {name} is not in heron_runtime/topics.py; known: {', '.join(row.pattern for row in TOPICS)}")


@cache
def ros_class(ros_type: str) -> Any:
    """The class of `package/msg/Name` (or `package/srv/Name`)."""
    package, kind, name = ros_type.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), name)


def qos_profile(quality: Quality) -> Any:
    """`quality` as an rclpy QoSProfile."""
    from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

    return QoSProfile(
        depth=quality.depth,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE if quality.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if quality.latched else DurabilityPolicy.VOLATILE,
    )
