"""The way that the expert is about to take: from where the car is, smoothly onto its route, with room around what stands beside it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heron_sim.driving.expert_route import GRID_M, RouteMap
from heron_sim.truth import EgoTruth

F64 = NDArray[np.float64]

LOOK_AHEAD_M = 100.0
BLEND_S = 1.5  # an error is led back over this time of travel
BLEND_MIN_M = 6.0

_COUNT: F64 = np.arange(int(LOOK_AHEAD_M / GRID_M) + 1, dtype=np.float64)
_GRID: F64 = _COUNT * GRID_M


class PathAhead:
    """Samples of the way ahead, every `GRID_M` along the route from beside the car on.

    Attributes:
        s_m: (n,) arc length on the route; the first is where the car is.
        x_m, y_m, yaw_rad: (n,) in the world; yaw unwrapped.
        along_m: (n,) way of base_link from the car.
        limit_mps: (n,) speed to have on an empty road.
        offset_m, heading_rad: of the car from the route, left positive.
    """

    def __init__(self, route: RouteMap, ego: EgoTruth, s_m: float, aside: F64 | None = None) -> None:
        """From the car on.

        Args:
            route: to follow.
            ego: the car.
            s_m: arc length of the route beside the car.
            aside: (m,) wished place left of the route's line at each sample of `route.s_m`; None: on it.
        """
        count = len(_COUNT)
        self.s_m: F64 = s_m + _GRID
        first = s_m / GRID_M
        last = len(route.s_m) - 1
        exact = np.minimum(np.maximum(first + _COUNT, 0.0), last)
        index = np.minimum(exact.astype(np.int64), last - 1)
        part, after = exact - index, index + 1

        def mix(values: F64) -> F64:
            here: F64 = values[index]
            mixed: F64 = here + part * (values[after] - here)
            return mixed

        yaw, curvature = mix(route.yaw_rad), mix(route.curvature_per_m)
        beyond = np.maximum(self.s_m - route.s_m[-1], 0.0)
        cos, sin = np.cos(yaw), np.sin(yaw)
        x, y = mix(route.x_m) + beyond * cos, mix(route.y_m) + beyond * sin
        self.limit_mps = mix(route.limit_mps)
        wished = np.zeros(count) if aside is None else mix(aside)
        dx, dy = ego.x_m - float(x[0]), ego.y_m - float(y[0])
        c, s = math.cos(float(yaw[0])), math.sin(float(yaw[0]))
        self.offset_m = c * dy - s * dx
        self.heading_rad = math.remainder(ego.yaw_rad - float(yaw[0]), 2.0 * math.pi)
        first_slope = float(wished[1] - wished[0]) / GRID_M
        slope = math.tan(min(max(self.heading_rad, -1.0), 1.0)) * (1.0 - float(curvature[0]) * self.offset_m)
        away = self.offset_m - float(wished[0])
        length_m = blend_length(ego.speed_mps)
        offset = wished + blend(away, slope - first_slope, length_m, np.minimum(_COUNT * (GRID_M / length_m), 1.0))
        slopes = np.empty(count)
        slopes[1:-1] = (offset[2:] - offset[:-2]) / (2.0 * GRID_M)
        slopes[-1] = (offset[-1] - offset[-2]) / GRID_M
        slopes[0] = slope
        bend = 1.0 - curvature * offset
        self.x_m: F64 = x - sin * offset
        self.y_m: F64 = y + cos * offset
        self.yaw_rad: F64 = yaw + np.arctan2(slopes, np.maximum(bend, 0.2))
        steps = np.hypot(self.x_m[1:] - self.x_m[:-1], self.y_m[1:] - self.y_m[:-1])
        self.along_m: F64 = np.zeros(count)
        np.cumsum(steps, out=self.along_m[1:])

    def along_at(self, s_m: float) -> float:
        """Way of base_link from the car to beside arc length `s_m` of the route; negative behind."""
        if s_m < self.s_m[0]:
            return s_m - float(self.s_m[0])
        if s_m > self.s_m[-1]:
            return float(self.along_m[-1]) + s_m - float(self.s_m[-1])
        exact = (s_m - float(self.s_m[0])) / GRID_M
        i = min(int(exact), len(self.s_m) - 2)
        return float(self.along_m[i] + (exact - i) * (self.along_m[i + 1] - self.along_m[i]))

    def seen_from(self, ego: EgoTruth, driven_m: F64) -> F64:
        """(n,) ways of base_link → (n, 3) x, y, yaw in the base_link of `ego`."""
        x = np.interp(driven_m, self.along_m, self.x_m) - ego.x_m
        y = np.interp(driven_m, self.along_m, self.y_m) - ego.y_m
        yaw = np.interp(driven_m, self.along_m, self.yaw_rad)
        c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        turned = yaw - ego.yaw_rad
        turned -= 2.0 * math.pi * round(float(turned[0]) / (2.0 * math.pi))
        return np.stack([c * x + s * y, c * y - s * x, turned], axis=1)


def blend_length(speed_mps: float) -> float:
    """Over how many metres an error is led back."""
    return max(BLEND_MIN_M, BLEND_S * speed_mps)


def blend(offset_m: float, slope: float, length_m: float, part: F64) -> F64:
    """A quintic from (offset, slope, 0) to (0, 0, 0) over `length_m`.

    Args:
        offset_m: at its begin.
        slope: at its begin.
        length_m: of it.
        part: of the length, 0 … 1, at which it is wanted.
    """
    cube = part * part * part
    found: F64 = offset_m * (1.0 - cube * (10.0 - part * (15.0 - 6.0 * part))) + slope * length_m * (part - cube * (6.0 - part * (8.0 - 3.0 * part)))
    return found
