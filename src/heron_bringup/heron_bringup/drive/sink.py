"""The recording of a lock-step run: every message but images, in canonical bytes."""

from __future__ import annotations

from typing import Any

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_core.frames import CameraFrame, FrameSet


class OutputBag:
    """Writes what a scheduler publishes; images stay in the recording that they came from."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer
        self._known: set[str] = set()

    def write(self, topic: str, time_ns: int, message: Any) -> None:
        """One message at its time of publication."""
        if isinstance(message, (CameraFrame, FrameSet)):
            return
        if topic not in self._known:
            self._known.add(topic)
            self._writer.add_topic(topic, ros_type_of(message))
        self._writer.write(topic, time_ns, serialise(message))
