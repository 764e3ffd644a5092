"""LiDAR clouds of a recording: sensor_msgs/PointCloud2 as plain points, and where the sensor is on the car."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_bag.errors import BagError
from heron_bag.native import static_transforms
from heron_bag.reader import Bag, Message
from heron_core.rig import pose_in_base
from heron_core.se3 import SE3

POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
COLUMNS = ("x", "y", "z", "intensity", "ring")
# numpy's types of sensor_msgs/PointField.datatype, as sensor_msgs_py.point_cloud2 has them.
_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}


@dataclass(frozen=True, eq=False)
class PointCloud:
    """One cloud.

    Attributes:
        frame_id: of its points.
        stamp_ns: of the sensor.
        points: (n, 5) float32 `COLUMNS`, metres in the sensor's frame; what the sensor does not tell is 0. Points that are not finite are left out.
    """

    frame_id: str
    stamp_ns: int
    points: NDArray[np.float32]


def cloud_topics(bag: Bag) -> list[str]:
    """Topics with clouds."""
    return [topic for topic, info in bag.topics.items() if info.ros_type == POINT_CLOUD and info.count]


def point_cloud(bag: Bag, message: Message) -> PointCloud:
    """A message of a topic of clouds, as `Bag.messages` gives it.

    Raises:
        BagError: it has no x, y, z, or less data than it says.
    """
    topic, ros_type, _, raw = message
    told = bag.decode(ros_type, raw)
    stamp_ns = int(told.header.stamp.sec) * 1_000_000_000 + int(told.header.stamp.nanosec)
    rows = _rows(told, f"{bag.path}: {topic}: the cloud of {stamp_ns} ns")
    points = np.zeros((len(rows), len(COLUMNS)), np.float32)
    for column, name in enumerate(COLUMNS):
        if name in (rows.dtype.names or ()):
            points[:, column] = rows[name]
    return PointCloud(told.header.frame_id, stamp_ns, points[np.isfinite(points).all(1)])


def _rows(told: Any, what: str) -> NDArray[Any]:
    """(n,) its points as numpy records."""
    order = ">" if told.is_bigendian else "<"
    fields = {each.name: (order + _KINDS[each.datatype], each.offset) for each in told.fields if each.name in COLUMNS and each.datatype in _KINDS}
    missing = [name for name in COLUMNS[:3] if name not in fields]
    if missing:
        raise BagError(f"{what} has no {', '.join(missing)}; its fields are {', '.join(each.name for each in told.fields) or 'none'}")
    height, width, step, row_step = (int(each) for each in (told.height, told.width, told.point_step, told.row_step))
    data = np.ascontiguousarray(told.data)
    if max(offset + np.dtype(kind).itemsize for kind, offset in fields.values()) > step or row_step < width * step or len(data) < row_step * height:
        raise BagError(f"{what} has {len(data)} bytes, which are not {height} rows of {row_step} bytes with {width} points of {step}")
    names, formats, offsets = list(fields), [kind for kind, _ in fields.values()], [offset for _, offset in fields.values()]
    kind = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": step})
    return np.ndarray((height, width), kind, data, strides=(row_step, step)).reshape(-1)


def lidar_pose(bag: Bag, topic: str) -> SE3:
    """Pose in base_link of the sensor of a topic of clouds, by /tf_static.

    Raises:
        BagError: /tf_static does not tell it, or the topic is empty.
    """
    message = next(bag.messages([topic]), None)
    if message is None:
        raise BagError(f"{bag.path}: {topic} holds no clouds")
    try:
        return pose_in_base(bag.decode(message[1], message[3]).header.frame_id, static_transforms(bag))
    except ValueError as error:  # a quaternion that is none
        raise BagError(f"{bag.path}: {topic}: /tf_static: {error}") from error
