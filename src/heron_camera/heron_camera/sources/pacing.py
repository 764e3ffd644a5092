"""Shared by all sources: the frame iterator's type, and the exposure mid-point."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from heron_core.frames import CameraFrame

# (when it is due on the one clock, or None: now; the frame)
DueFrame = tuple[int | None, CameraFrame]
Frames = Iterator[DueFrame]
Lost = Callable[[str, str], None]  # (camera, reason): called when a source loses frames or its device


def at_exposure(frames: Frames, offset_ns: int) -> Frames:
    """`frames` with stamps moved by `offset_ns` to the exposure mid-point."""
    if offset_ns == 0:
        return frames
    return ((due_ns, dataclasses.replace(frame, stamp_ns=frame.stamp_ns + offset_ns)) for due_ns, frame in frames)
