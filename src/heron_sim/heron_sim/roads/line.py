"""A curve on the ground by arc length."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import read_only
from heron_core.se2 import SE2

F64 = NDArray[np.float64]


class Line:
    """A polyline in the world, close enough to a smooth curve: heading and curvature are interpolated between its points.

    Attributes:
        points: (n, 2) x, y, metres, read-only; neighbours at most about 1 m apart, none of them equal.
        s_m: (n,) arc length of each point, from 0.
        yaw_rad: (n,) direction of travel, unwrapped.
        curvature_per_m: (n,) left positive.
        length_m: of the whole.
    """

    def __init__(self, points: F64) -> None:
        """Through `points` (n, 2), n >= 2.

        Raises:
            ValueError: fewer than two points, not finite, or two equal neighbours.
        """
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
            raise ValueError(f"a line needs (n, 2) finite points, n >= 2; got shape {points.shape}")
        steps = np.diff(points, axis=0)
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        if not (lengths > 1e-9).all():
            raise ValueError(f"points {int(np.argmin(lengths))} and the next of a line are equal: {points[int(np.argmin(lengths))]}")
        self.points: F64 = read_only(np.array(points, np.float64, order="C"))
        self.s_m: F64 = read_only(np.concatenate([[0.0], np.cumsum(lengths)]))
        self.length_m = float(self.s_m[-1])
        course = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        middles = (self.s_m[:-1] + self.s_m[1:]) / 2.0
        if len(course) == 1:
            yaw, curvature = np.full(2, course[0]), np.zeros(2)
        else:
            slopes = np.diff(course) / np.diff(middles)
            ends = course[0] - slopes[0] * middles[0], course[-1] + slopes[-1] * (self.length_m - middles[-1])
            yaw = np.concatenate([[ends[0]], np.interp(self.s_m[1:-1], middles, course), [ends[1]]])
            curvature = np.concatenate([slopes[:1], slopes, slopes[-1:]])
        self.yaw_rad: F64 = read_only(yaw)
        self.curvature_per_m: F64 = read_only(curvature)

    def at(self, s_m: float) -> SE2:
        """The pose at `s_m`; beyond the ends it goes straight on."""
        s = min(max(s_m, 0.0), self.length_m)
        along, xs, ys, yaws = self._rows
        i = min(max(bisect_right(along, s) - 1, 0), len(along) - 2)
        share = (s - along[i]) / (along[i + 1] - along[i])
        yaw = yaws[i] + share * (yaws[i + 1] - yaws[i])
        beyond = s_m - s
        x = xs[i] + share * (xs[i + 1] - xs[i]) + beyond * math.cos(yaw)
        y = ys[i] + share * (ys[i + 1] - ys[i]) + beyond * math.sin(yaw)
        return SE2(x, y, math.remainder(yaw, 2.0 * math.pi))

    def poses(self, s_m: F64) -> F64:
        """(m,) arc lengths → (m, 3) x, y, yaw (unwrapped); beyond the ends it goes straight on."""
        s = np.clip(s_m, 0.0, self.length_m)
        yaw = np.interp(s, self.s_m, self.yaw_rad)
        x = np.interp(s, self.s_m, self.points[:, 0]) + (s_m - s) * np.cos(yaw)
        y = np.interp(s, self.s_m, self.points[:, 1]) + (s_m - s) * np.sin(yaw)
        return np.stack([x, y, yaw], axis=1)

    def curvature_at(self, s_m: F64) -> F64:
        """(m,) arc lengths → (m,) curvature, left positive."""
        found: F64 = np.interp(s_m, self.s_m, self.curvature_per_m)
        return found

    def nearest(self, x_m: float, y_m: float, near_s_m: float | None = None, reach_m: float = 15.0) -> tuple[float, float]:
        """Arc length of the foot of (x, y), and its distance from the line, left positive.

        Args:
            x_m: of a place in the world.
            y_m: of a place in the world.
            near_s_m: look only within `reach_m` of this arc length (where the line comes near itself, and for speed).
            reach_m: see `near_s_m`.
        """
        first, last = 0, len(self.s_m) - 1
        if near_s_m is not None:
            places = self._rows[0]
            first = max(bisect_left(places, near_s_m - reach_m) - 1, 0)
            last = min(bisect_left(places, near_s_m + reach_m) + 1, len(places) - 1)
            first = min(first, last - 1)
        here_x, here_y, step_x, step_y, lengths = self._pieces[:, first:last]
        dx, dy = x_m - here_x, y_m - here_y
        along = np.minimum(np.maximum((dx * step_x + dy * step_y) / lengths, 0.0), lengths)
        dx -= along * step_x / lengths
        dy -= along * step_y / lengths
        i = int((dx * dx + dy * dy).argmin())
        left, ahead = float(dy[i]), float(dx[i])
        side = float(step_x[i]) * left - float(step_y[i]) * ahead
        return float(self.s_m[first + i] + along[i]), math.copysign(math.hypot(ahead, left), side)

    def within(self, x_m: float, y_m: float, reach_m: float) -> bool:
        """Whether (x, y) is at most `reach_m` outside of the upright rectangle around the line: if not, the line is further away than that."""
        left, bottom, right, top = self._bounds
        return left - reach_m <= x_m <= right + reach_m and bottom - reach_m <= y_m <= top + reach_m

    def offset(self, left_m: float) -> Line:
        """The line `left_m` to the left of this one (negative: right), with the same points; only for offsets below the radius of its curves."""
        normal = np.stack([-np.sin(self.yaw_rad), np.cos(self.yaw_rad)], axis=1)
        return Line(self.points + left_m * normal)

    @cached_property
    def _rows(self) -> tuple[list[float], list[float], list[float], list[float]]:
        """Arc length, x, y, yaw of each point."""
        return self.s_m.tolist(), self.points[:, 0].tolist(), self.points[:, 1].tolist(), self.yaw_rad.tolist()

    @cached_property
    def _pieces(self) -> F64:
        """(5, n - 1) x and y of where each piece begins, its way east and north, its length."""
        steps = np.diff(self.points, axis=0)
        return np.stack([*self.points[:-1].T, *steps.T, np.hypot(steps[:, 0], steps[:, 1])])

    @cached_property
    def _bounds(self) -> tuple[float, float, float, float]:
        low, high = self.points.min(axis=0).tolist(), self.points.max(axis=0).tolist()
        return low[0], low[1], high[0], high[1]
