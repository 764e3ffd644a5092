"""One CAN frame, and batches of them as parallel arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from heron_core.arrays import read_only
from heron_core.canbus import FLAG_EXTENDED, CanBatch

EXTENDED_KEY = 1 << 31


class Frame(NamedTuple):
    """A CAN frame.

    Attributes:
        stamp_ns: when it was on the bus.
        id: arbitration id, 11 or 29 bits.
        data: payload, 0..64 bytes.
        flags: FLAG_* bits of `heron_core.canbus`.
    """

    stamp_ns: int
    id: int
    data: bytes
    flags: int = 0

    @property
    def key(self) -> int:
        """The id, different for 11 and 29 bits of equal value."""
        return self.id | EXTENDED_KEY if self.flags & FLAG_EXTENDED else self.id


def to_batch(channel: str, frames: Iterable[Frame]) -> CanBatch:
    """Frames as one batch of the bus `channel`, in order of time (equal stamps keep their order), arrays read-only."""
    ordered = sorted(frames, key=lambda frame: frame.stamp_ns)
    return CanBatch(
        channel=channel,
        stamp_ns=read_only(np.array([frame.stamp_ns for frame in ordered], dtype=np.int64)),
        ids=read_only(np.array([frame.id for frame in ordered], dtype=np.uint32)),
        flags=read_only(np.array([frame.flags for frame in ordered], dtype=np.uint8)),
        length=read_only(np.array([len(frame.data) for frame in ordered], dtype=np.uint8)),
        data=read_only(np.frombuffer(b"".join(frame.data for frame in ordered), dtype=np.uint8)),
    )


def from_batch(batch: CanBatch) -> list[Frame]:
    """The frames of a batch."""
    return list(map(Frame, batch.stamp_ns.tolist(), batch.ids.tolist(), batch.payloads(), batch.flags.tolist()))
