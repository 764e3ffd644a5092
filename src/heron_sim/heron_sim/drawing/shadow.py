"""Shadows of what moves, on the ground around the ego car: a small map that is drawn anew for each picture."""

from __future__ import annotations

import math

import numpy as np

from heron_sim.drawing.compiled import compiled
from heron_sim.drawing.light import Light
from heron_sim.drawing.polygons import POINTS, add_edge, blur, outlines
from heron_sim.drawing.shapes import F32, RADIUS

_REACH_M = 60.0
_SMALLEST_M = 0.05  # shapes below this cast nothing that could be seen


@compiled
def _draw(lit: F32, vertices: F32, bounds: F32, x0: float, y0: float, pixel_m: float, radius: int) -> None:
    """Multiplies `lit` (n, n) by what the shadows let through, then blurs around them."""
    n = len(lit)
    lit[:] = 1.0
    for k in range(len(vertices)):
        left, low = max(math.floor((bounds[k, 0] - x0) / pixel_m), 0), max(math.floor((bounds[k, 1] - y0) / pixel_m), 0)
        right, high = min(math.ceil((bounds[k, 2] - x0) / pixel_m), n), min(math.ceil((bounds[k, 3] - y0) / pixel_m), n)
        if right <= left or high <= low:
            continue
        sums = np.zeros((high - low, right - left + 2), np.float32)
        for v in range(POINTS):
            w = (v + 1) % POINTS
            add_edge(
                sums,
                high - low,
                right - left,
                (vertices[k, v, 0] - x0) / pixel_m - left,
                (vertices[k, v, 1] - y0) / pixel_m - low,
                (vertices[k, w, 0] - x0) / pixel_m - left,
                (vertices[k, w, 1] - y0) / pixel_m - low,
            )
        for y in range(high - low):
            total = 0.0
            for x in range(right - left):
                total += sums[y, x]
                lit[low + y, left + x] *= 1.0 - min(abs(total), 1.0)
    if radius > 0:
        blur(lit, np.empty((n, n), np.float32), n, n, radius)


class ShadowMap:
    """How much of the sun (or of a grey sky) moving shapes let through to the ground around the ego car.

    Attributes:
        lit: (n, n) float32, 0 dark … 1; row along y, column along x.
        place: (3,) float64: world x and y of its corner, metres of a pixel.
    """

    def __init__(self, light: Light) -> None:
        lx, ly, lz = light.shadow_from
        self._kx, self._ky = -lx / lz, -ly / lz
        pixel_m = min(max(0.1, 0.5 * light.shadow_soft_m), 0.25)
        self._radius = round(0.5 * light.shadow_soft_m / pixel_m)
        n = int(2 * _REACH_M / pixel_m)
        self.lit: F32 = np.ones((n, n), np.float32)
        self.place = np.array([0.0, 0.0, pixel_m])

    def draw(self, rows: F32, x_m: float, y_m: float) -> None:
        """Draws the shadows of `rows` (n, COLUMNS, world) around (x, y)."""
        pixel_m = float(self.place[2])
        # On whole pixels, so that a shadow that stands does not shimmer as the car moves.
        self.place[:2] = np.floor((np.array([x_m, y_m]) - _REACH_M) / pixel_m) * pixel_m
        vertices, bounds = outlines(rows[rows[:, RADIUS] > _SMALLEST_M], self._kx, self._ky)
        _draw(self.lit, vertices, bounds, float(self.place[0]), float(self.place[1]), pixel_m, self._radius)
