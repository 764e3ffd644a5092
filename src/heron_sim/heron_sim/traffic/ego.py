"""The ego car as a row among the vehicles: where it is on its route, so that others can yield to it and follow it."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled
from heron_sim.roads.route import Route
from heron_sim.traffic.records import columns
from heron_sim.traffic.vehicles import EGO, PATH, Vehicles
from heron_sim.truth import EgoTruth

F64 = NDArray[np.float64]
OFF_ROUTE_M = 5.0
REACH_CELLS = 60


@compiled
def nearest_cell(x: F64, y: F64, px: float, py: float, first: int, last: int) -> tuple[int, float]:
    """The point of x, y among rows first … last - 1 nearest to (px, py), and its distance."""
    best, found = 1e18, first
    for i in range(first, last):
        d = (x[i] - px) ** 2 + (y[i] - py) ** 2
        if d < best:
            best, found = d, i
    return found, math.sqrt(best)


class EgoRow:
    """Keeps the last row of `Vehicles` at the ego car."""

    def __init__(self, route: Route, cars: Vehicles) -> None:
        self._row = len(cars.role) - 1
        self._cars, self._route = columns(cars), route
        self._step = route.line.length_m / max(int(route.line.length_m / 0.5), 1)
        poses = route.line.poses(np.arange(max(int(route.line.length_m / 0.5), 1) + 1) * self._step)
        self._x, self._y, self._yaw = poses[:, 0].copy(), poses[:, 1].copy(), poses[:, 2].copy()
        self._cell: int | None = None
        self.route_s_m = 0.0

    def update(self, ego: EgoTruth) -> None:
        """Takes over where the ego car is now."""
        cars, i = self._cars, self._row
        c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        ahead = (ego.front_m - ego.rear_m) / 2.0
        x, y = ego.x_m + ahead * c, ego.y_m + ahead * s
        first, last = (0, len(self._x)) if self._cell is None else (max(self._cell - REACH_CELLS, 0), min(self._cell + REACH_CELLS, len(self._x)))
        self._cell, away = nearest_cell(self._x, self._y, x, y, first, last)
        k = self._cell
        yaw = float(self._yaw[k])
        self.route_s_m = k * self._step + (x - float(self._x[k])) * math.cos(yaw) + (y - float(self._y[k])) * math.sin(yaw)
        cars.role[i] = EGO
        cars.x[i], cars.y[i], cars.yaw[i] = x, y, ego.yaw_rad
        cars.v[i], cars.a[i], cars.yaw_rate[i] = max(ego.speed_mps, 0.0), ego.accel_mps2, ego.yaw_rate_rps
        cars.length[i], cars.width[i] = ego.front_m + ego.rear_m, 2.0 * ego.half_width_m
        cars.path[i, :] = -1
        cars.prev[i, :] = -1
        if away > OFF_ROUTE_M or math.cos(ego.yaw_rad - yaw) < 0.3:
            cars.lane[i] = -1
            return
        lanes, starts = self._route.lanes, self._route.starts_m
        offsets = self._route.offsets_m
        at = max(bisect_right(starts, self.route_s_m) - 1, 0)
        cars.lane[i], cars.s[i] = lanes[at], self.route_s_m - starts[at] + (offsets[at] if offsets else 0.0)
        following, before = lanes[at + 1 : at + 1 + PATH], lanes[max(at - 2, 0) : at][::-1]
        cars.path[i, : len(following)] = following
        cars.prev[i, : len(before)] = before
