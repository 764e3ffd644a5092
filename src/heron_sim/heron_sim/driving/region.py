"""A piece of the ground made of many polygons: whether a place is on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from heron_sim.driving.geometry import Polygon

CELL_M = 2.0
SEAM_M = 0.05  # neighbouring polygons may leave a gap of twice this between them


class Region:
    """The union of polygons, with a grid of cells that are filled when first asked for: exact everywhere, fast away from edges."""

    def __init__(self, polygons: Sequence[NDArray[np.float64]]) -> None:
        """Of simple polygons (n, 2), either way round."""
        self._polygons = tuple(Polygon(polygon) for polygon in polygons)
        boxes = [(*polygon.min(axis=0), *polygon.max(axis=0)) for polygon in polygons]
        self._boxes = np.array(boxes, np.float64).reshape(len(boxes), 4)
        self._cells: dict[tuple[int, int], bool | tuple[int, ...]] = {}

    def contains(self, x_m: float, y_m: float, within_m: float = SEAM_M) -> bool:
        """Whether a place is on the region, or at most `within_m` beside it."""
        key = (math.floor(x_m / CELL_M), math.floor(y_m / CELL_M))
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = self._filled(key)
        if cell is True:
            return True
        candidates = cell if within_m <= CELL_M else self._near(x_m, y_m, within_m)
        return any(self._polygons[i].signed_distance(x_m, y_m) >= -within_m for i in candidates or ())

    def all_inside(self, places: Iterable[tuple[float, float]], within_m: float = SEAM_M) -> bool:
        """Whether all of the places are on it."""
        return all(self.contains(x, y, within_m) for x, y in places)

    def signed_distance(self, x_m: float, y_m: float, reach_m: float = 50.0) -> float:
        """Metres to the region's edge, positive inside: exact outside (at most `reach_m`); inside: to the edge of the deepest polygon."""
        return max((self._polygons[i].signed_distance(x_m, y_m) for i in self._near(x_m, y_m, reach_m)), default=-reach_m)

    def _near(self, x_m: float, y_m: float, reach_m: float) -> tuple[int, ...]:
        boxes = self._boxes
        near = (boxes[:, 0] - reach_m <= x_m) & (x_m <= boxes[:, 2] + reach_m) & (boxes[:, 1] - reach_m <= y_m) & (y_m <= boxes[:, 3] + reach_m)
        return tuple(int(i) for i in np.flatnonzero(near))

    def _filled(self, key: tuple[int, int]) -> bool | tuple[int, ...]:
        """True: all of the cell is inside one polygon; else the polygons that come within `CELL_M` of it."""
        x, y, half_m = (key[0] + 0.5) * CELL_M, (key[1] + 0.5) * CELL_M, CELL_M * math.sqrt(0.5)
        touching = []
        for i in self._near(x, y, half_m + CELL_M):
            depth = self._polygons[i].signed_distance(x, y)
            if depth >= half_m:
                return True
            if depth >= -half_m - CELL_M:
                touching.append(i)
        return tuple(touching)
