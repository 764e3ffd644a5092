"""The plan: 40 points at t = 0.1 … 4.0 s in base_link at the plan's stamp."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import read_only
from heron_core.stages import Stages

POINTS = 40
STEP_S = 0.1
HORIZON_S = POINTS * STEP_S
TIMES_S: NDArray[np.float64] = read_only(np.arange(1, POINTS + 1) * STEP_S)


@dataclass(frozen=True)
class Trajectory:
    """A plan in `base_link` at `stamp_ns`.

    Attributes:
        stamp_ns: oldest exposure of the frame set that the plan was made from.
        points: (N, 4) float32, read-only: x forward (m), y left (m), yaw (rad, left positive), speed (m/s) at t = 0.1, 0.2, … s after the stamp.
        sequence: counts plans of one policy run.
        policy: digest of the policy folder.
        crc: CRC-32 over stamp, sequence and points as sent; a truncated or altered plan differs from `expected_crc`.
        stages: times of what the plan came from.
    """

    stamp_ns: int
    points: NDArray[np.float32]
    sequence: int = 0
    policy: str = ""
    crc: int = 0
    stages: Stages = field(default_factory=Stages)

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 4:
            raise ValueError(f"trajectory points have shape {self.points.shape}, expected (N, 4)")

    @staticmethod
    def make(stamp_ns: int, points: NDArray[np.float32], sequence: int, policy: str, stages: Stages) -> Trajectory:
        """A sealed plan: points made contiguous float32, read-only, CRC set."""
        sealed = read_only(np.array(points, dtype=np.float32, order="C"))
        return Trajectory(stamp_ns, sealed, sequence, policy, expected_crc(stamp_ns, sequence, sealed), stages)

    def fault(self) -> str | None:
        """Why this plan must not be followed, or None: point count, CRC, and every value finite.

        This is the check of the message; whether the motion is allowed is the business of control and gate.
        """
        if len(self.points) != POINTS:
            return f"{len(self.points)} points instead of {POINTS}"
        if self.crc != expected_crc(self.stamp_ns, self.sequence, self.points):
            return "CRC does not match"
        if not np.isfinite(self.points).all():
            return "not finite"
        return None


def expected_crc(stamp_ns: int, sequence: int, points: NDArray[np.float32]) -> int:
    """CRC-32 (zlib) over stamp (int64), sequence (uint32), point count (uint16), then points row by row (float32), little-endian."""
    head = struct.pack("<qIH", stamp_ns, sequence & 0xFFFFFFFF, len(points))
    return zlib.crc32(np.ascontiguousarray(points, dtype="<f4").tobytes(), zlib.crc32(head))
