"""CAN frames in batches, as parallel arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLAG_TX = 1
FLAG_EXTENDED = 2
FLAG_FD = 4
FLAG_ERROR = 8
FLAG_REMOTE = 16
FLAG_BITRATE_SWITCH = 32


@dataclass(frozen=True)
class CanBatch:
    """CAN frames of about 10 ms, received and sent, in order of time.

    Attributes:
        channel: bus name in `can.yaml`.
        stamp_ns: (n,) int64.
        ids: (n,) uint32 arbitration ids.
        flags: (n,) uint8, FLAG_* bits.
        length: (n,) uint8 payload bytes, 0..64.
        data: (sum(length),) uint8, payloads one after the other.
    """

    channel: str
    stamp_ns: NDArray[np.int64]
    ids: NDArray[np.uint32]
    flags: NDArray[np.uint8]
    length: NDArray[np.uint8]
    data: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if not len(self.stamp_ns) == len(self.ids) == len(self.flags) == len(self.length):
            raise ValueError("arrays of a CAN batch differ in length")
        if int(self.length.sum()) != len(self.data):
            raise ValueError(f"CAN batch holds {len(self.data)} payload bytes, its lengths add up to {int(self.length.sum())}")

    def __len__(self) -> int:
        return len(self.ids)

    def payloads(self) -> list[bytes]:
        """Payload of each frame."""
        raw = self.data.tobytes()
        ends = np.cumsum(self.length, dtype=np.int64)
        return [raw[end - size : end] for end, size in zip(ends.tolist(), self.length.tolist(), strict=True)]
