"""Rigid motions in space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import as_float64

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SE3:
    """A pose of a child frame in a parent frame: `parent = rotation @ child + translation`.

    Attributes:
        rotation: (3, 3) proper rotation, read-only.
        translation: (3,) metres, read-only.

    Raises:
        ValueError: wrong shapes, values that are not finite, or a matrix that is no rotation.
    """

    rotation: Array
    translation: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "rotation", as_float64(self.rotation, (3, 3), "rotation"))
        object.__setattr__(self, "translation", as_float64(self.translation, (3,), "translation"))
        if not (np.isfinite(self.rotation).all() and np.isfinite(self.translation).all()):
            raise ValueError("a pose must hold finite numbers only")
        if not np.allclose(self.rotation @ self.rotation.T, np.eye(3), atol=1e-6) or np.linalg.det(self.rotation) < 0:
            raise ValueError(f"{self.rotation.tolist()} is not a rotation matrix")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SE3):
            return NotImplemented
        return np.array_equal(self.rotation, other.rotation) and np.array_equal(self.translation, other.translation)

    def __hash__(self) -> int:
        return hash((self.rotation.tobytes(), self.translation.tobytes()))

    @staticmethod
    def identity() -> SE3:
        """The motion that changes nothing."""
        return SE3(np.eye(3), np.zeros(3))

    @staticmethod
    def from_quaternion_wxyz(quaternion: Sequence[float], translation: Sequence[float] = (0.0, 0.0, 0.0)) -> SE3:
        """From a quaternion (w, x, y, z) of length 1 within 1 % (then normalised) and a translation in metres."""
        q = as_float64(quaternion, (4,), "quaternion")
        length = float(np.linalg.norm(q))
        if not abs(length - 1.0) < 0.01:
            raise ValueError(f"quaternion {list(map(float, q))} has length {length:.4g}, expected 1")
        w, x, y, z = q / length
        rotation = np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ])  # fmt: skip
        return SE3(rotation, np.asarray(translation, dtype=np.float64))

    @staticmethod
    def from_rpy(roll: float, pitch: float, yaw: float, translation: Sequence[float] = (0.0, 0.0, 0.0)) -> SE3:
        """Rotation about x (roll), then y (pitch), then z (yaw) of the parent frame, in radians (REP-103: fixed axes)."""
        cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (math.cos, math.sin))
        rotation = np.array([
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ])  # fmt: skip
        return SE3(rotation, np.asarray(translation, dtype=np.float64))

    def to_quaternion_wxyz(self) -> tuple[float, float, float, float]:
        """Unit quaternion (w, x, y, z) with w >= 0 (Shepperd's method: the largest component first)."""
        m = self.rotation
        squares = np.array(
            [
                1 + m[0, 0] + m[1, 1] + m[2, 2],
                1 + m[0, 0] - m[1, 1] - m[2, 2],
                1 - m[0, 0] + m[1, 1] - m[2, 2],
                1 - m[0, 0] - m[1, 1] + m[2, 2],
            ]
        )
        biggest = int(np.argmax(squares))
        differences = {
            0: (squares[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]),
            1: (m[2, 1] - m[1, 2], squares[1], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]),
            2: (m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], squares[2], m[1, 2] + m[2, 1]),
            3: (m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], squares[3]),
        }
        q = np.array(differences[biggest]) / (2.0 * math.sqrt(squares[biggest]))
        q = (-q if q[0] < 0 else q) / np.linalg.norm(q)
        return float(q[0]), float(q[1]), float(q[2]), float(q[3])

    def compose(self, other: SE3) -> SE3:
        """This pose, then `other` seen from here."""
        return SE3(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)

    def inverse(self) -> SE3:
        """The pose of the parent seen from the child."""
        return SE3(self.rotation.T, -self.rotation.T @ self.translation)

    def apply(self, points: Array) -> Array:
        """(n, 3) points of the child frame expressed in the parent frame."""
        return np.asarray(points, dtype=np.float64) @ self.rotation.T + self.translation

    def angle_to(self, other: SE3) -> float:
        """Angle in radians between the two orientations."""
        relative = self.rotation.T @ other.rotation
        sine = np.linalg.norm([relative[2, 1] - relative[1, 2], relative[0, 2] - relative[2, 0], relative[1, 0] - relative[0, 1]]) / 2.0
        return math.atan2(float(sine), float((np.trace(relative) - 1.0) / 2.0))
