"""The recording of a lock-step run: every message but images, in canonical bytes."""

from __future__ import annotations

from typing import Any

from heron_bag.serialise import serialise
from heron_bag.writer import BagWriter
from heron_runtime.topics import topic_row

IMAGES = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image", "foxglove_msgs/msg/CompressedVideo", "heron_msgs/msg/FrameSet")


class OutputBag:
    """Writes what a scheduler publishes; images stay in the recording that they came from."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer
        self._types: dict[str, str] = {}

    def write(self, topic: str, time_ns: int, message: Any) -> None:
        """One message at its time of publication."""
        if topic not in self._types:
            self._types[topic] = topic_row(topic).ros_type
            if self._types[topic] not in IMAGES:
                self._writer.add_topic(topic, self._types[topic])
        if self._types[topic] not in IMAGES:
            self._writer.write(topic, time_ns, serialise(topic, message))
