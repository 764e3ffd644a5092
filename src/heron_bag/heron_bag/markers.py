"""Labelled boxes ↔ visualization_msgs/MarkerArray, which every viewer draws: a CUBE each, `ns` its kind, `id` its number as 32 bits with sign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from heron_bag.definitions import require
from heron_bag.errors import BagError
from heron_bag.reader import Bag
from heron_core.labels import LabelledBox, Labels
from heron_core.se3 import SE3
from heron_core.truth import ActorKind

LABELS_TOPIC = "/labels/boxes"
MARKERS = "visualization_msgs/msg/MarkerArray"
_CUBE = 1
_RGBA = (1.0, 0.6, 0.0, 0.4)
_IDS = 1 << 32


def labels(bag: Bag, topic: str = LABELS_TOPIC) -> Iterator[tuple[int, Labels]]:
    """(log_ns, labels) of a topic that `labels_message` wrote; nothing when the recording has no such topic, or nothing is labelled.

    Raises:
        BagError: markers that are no boxes in base_link of one moment.
    """
    if topic not in bag.topics:
        return
    for _, ros_type, log_ns, raw in bag.messages([topic]):
        markers = bag.decode(ros_type, raw).markers
        stamps = {marker.header.stamp.sec * 1_000_000_000 + marker.header.stamp.nanosec for marker in markers}
        if len(stamps) > 1 or any(marker.type != _CUBE or marker.header.frame_id != "base_link" for marker in markers):
            raise BagError(f"{bag.path}: {topic} at {log_ns}: expected boxes (CUBE) in base_link of one moment")
        if stamps:
            yield log_ns, Labels(stamps.pop(), tuple(_box(bag, topic, marker) for marker in markers))


def labels_message(found: Labels) -> Any:
    """The message of labels; without a box it has no stamp."""
    return _make(MARKERS, markers=[_marker(found.stamp_ns, box) for box in found.boxes])


def _box(bag: Bag, topic: str, marker: Any) -> LabelledBox:
    place, turned, size = marker.pose.position, marker.pose.orientation, marker.scale
    try:
        pose = SE3.from_quaternion_wxyz((turned.w, turned.x, turned.y, turned.z), (place.x, place.y, place.z))
        return LabelledBox(marker.id % _IDS, ActorKind(marker.ns), pose, size.x, size.y, size.z)
    except ValueError as error:
        raise BagError(f"{bag.path}: {topic}: box {marker.id % _IDS}: {error}") from error


def _marker(stamp_ns: int, box: LabelledBox) -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = _make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    w, x, y, z = box.pose.to_quaternion_wxyz()
    position = dict(zip("xyz", map(float, box.pose.translation), strict=True))
    empty = np.empty(0, np.uint8)
    return _make(
        "visualization_msgs/msg/Marker",
        header=_make("std_msgs/msg/Header", stamp=stamp, frame_id="base_link"),
        ns=box.kind.value,
        id=box.id - _IDS if box.id >= _IDS // 2 else box.id,
        type=_CUBE,
        action=0,
        pose=_make(
            "geometry_msgs/msg/Pose",
            position=_make("geometry_msgs/msg/Point", **position),
            orientation=_make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        ),
        scale=_make("geometry_msgs/msg/Vector3", x=box.length_m, y=box.width_m, z=box.height_m),
        color=_make("std_msgs/msg/ColorRGBA", **dict(zip("rgba", _RGBA, strict=True))),
        lifetime=_make("builtin_interfaces/msg/Duration", sec=0, nanosec=0),
        frame_locked=False,
        points=[],
        colors=[],
        texture_resource="",
        texture=_make(
            "sensor_msgs/msg/CompressedImage",
            header=_make("std_msgs/msg/Header", stamp=_make("builtin_interfaces/msg/Time", sec=0, nanosec=0), frame_id=""),
            format="",
            data=empty,
        ),
        uv_coordinates=[],
        text="",
        mesh_resource="",
        mesh_file=_make("visualization_msgs/msg/MeshFile", filename="", data=empty),
        mesh_use_embedded_materials=False,
    )


def _make(ros_type: str, **fields: Any) -> Any:
    return require(ros_type).types[ros_type](**fields)
