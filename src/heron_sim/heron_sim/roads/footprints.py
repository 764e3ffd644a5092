"""Which ground is taken: by carriageways, by houses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from heron_sim.roads.line import F64
from heron_sim.roads.town import Building


class Distance:
    """Distance of places from the union of polygons, from a grid."""

    def __init__(self, polygons: Sequence[F64], reach_m: float = 25.0, cells: int = 3000) -> None:
        """Of `polygons`, up to `reach_m` outside of their bounds; at most `cells` in a row, and none below 0.35 m."""
        corners = np.concatenate(list(polygons))
        self._low = corners.min(axis=0) - reach_m
        span = corners.max(axis=0) + reach_m - self._low
        self.cell_m = max(0.35, float(span.max()) / cells)
        mask = np.ones((int(span[1] / self.cell_m) + 2, int(span[0] / self.cell_m) + 2), np.uint8)
        for polygon in polygons:
            cv2.fillPoly(mask, [np.round((polygon - self._low) / self.cell_m * 16.0).astype(np.int32)], 0, cv2.LINE_8, 4)
        self._field = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5) * np.float32(self.cell_m)

    def least(self, places: F64) -> float:
        """Least distance of any of `places` (n, 2), metres, 0 inside; about a cell too large at most, `reach_m` at most where the grid ends."""
        cell = np.round((places - self._low) / self.cell_m).astype(int)
        rows, columns = np.clip(cell[:, 1], 0, self._field.shape[0] - 1), np.clip(cell[:, 0], 0, self._field.shape[1] - 1)
        return float(self._field[rows, columns].min())


class Houses:
    """Houses so far, and whether another one meets them (separating axes)."""

    def __init__(self) -> None:
        self.things: list[Building] = []
        self._rows = np.zeros((0, 5))

    def add(self, house: Building) -> None:
        """One more house."""
        self.things.append(house)
        self._rows = np.concatenate([self._rows, [self._row(house)]])

    @staticmethod
    def _row(house: Building) -> tuple[float, float, float, float, float]:
        return house.x_m, house.y_m, house.yaw_rad, house.length_m / 2.0 + 0.1, house.width_m / 2.0 + 0.1

    def distance(self, x_m: float, y_m: float) -> float:
        """From a place to the nearest house, metres; inf without houses."""
        if not len(self._rows):
            return math.inf
        dx, dy = x_m - self._rows[:, 0], y_m - self._rows[:, 1]
        c, s = np.cos(self._rows[:, 2]), np.sin(self._rows[:, 2])
        along, across = np.abs(c * dx + s * dy) - self._rows[:, 3], np.abs(c * dy - s * dx) - self._rows[:, 4]
        return float(np.hypot(np.maximum(along, 0.0), np.maximum(across, 0.0)).min())

    def meets(self, house: Building) -> bool:
        """Whether it comes within about 0.2 m of another one."""
        one = np.array(self._row(house))
        reach = np.hypot(self._rows[:, 3], self._rows[:, 4]) + math.hypot(one[3], one[4])
        gap = self._rows[:, :2] - one[:2]
        rows = self._rows[np.hypot(gap[:, 0], gap[:, 1]) < reach]
        gap = rows[:, :2] - one[:2]
        apart = np.zeros(len(rows), bool)
        turn = rows[:, 2] - one[2]
        c, s = np.abs(np.cos(turn)), np.abs(np.sin(turn))
        for yaw, own, other in (
            (np.full(len(rows), one[2]), (one[3], one[4]), (rows[:, 3] * c + rows[:, 4] * s, rows[:, 3] * s + rows[:, 4] * c)),
            (rows[:, 2], (rows[:, 3], rows[:, 4]), (one[3] * c + one[4] * s, one[3] * s + one[4] * c)),
        ):
            along = np.abs(gap[:, 0] * np.cos(yaw) + gap[:, 1] * np.sin(yaw))
            across = np.abs(gap[:, 1] * np.cos(yaw) - gap[:, 0] * np.sin(yaw))
            apart |= (along > own[0] + other[0]) | (across > own[1] + other[1])
        return bool((~apart).any())
