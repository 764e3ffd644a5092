"""Planar rigid motions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TURN_RAD = 2.0 * math.pi


def wrap_angle(angle_rad: float) -> float:
    """The same direction in (-pi, pi]."""
    wrapped = math.remainder(angle_rad, TURN_RAD)
    return math.pi if wrapped == -math.pi else wrapped


@dataclass(frozen=True, slots=True)
class SE2:
    """A pose (or motion): x forward, y left in metres, yaw in radians, left positive."""

    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0

    def compose(self, other: SE2) -> SE2:
        """This motion, then `other` seen from here."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return SE2(self.x + c * other.x - s * other.y, self.y + s * other.x + c * other.y, wrap_angle(self.yaw + other.yaw))

    def inverse(self) -> SE2:
        """The motion that undoes this one."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return SE2(-c * self.x - s * self.y, s * self.x - c * self.y, wrap_angle(-self.yaw))

    def between(self, other: SE2) -> SE2:
        """`other` expressed in this frame."""
        c, s, back = math.cos(self.yaw), math.sin(self.yaw), wrap_angle(-self.yaw)
        x, y = -c * self.x - s * self.y, s * self.x - c * self.y  # of this motion's inverse, which goes first
        c, s = math.cos(back), math.sin(back)
        return SE2(x + c * other.x - s * other.y, y + s * other.x + c * other.y, wrap_angle(back + other.yaw))

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) points of this frame expressed in the parent frame."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        moved: NDArray[np.float64] = points @ np.array([[c, s], [-s, c]]) + np.array([self.x, self.y])
        return moved
