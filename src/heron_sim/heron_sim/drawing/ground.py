"""The painted ground of a whole town in bounded memory: windows of finer and finer pixels that wander with the ego car and are painted as it comes.

Level k has pixels of `_PIXEL_M[k]` metres and a square window around the car that wraps at its edges (a clipmap: Tanner, Migdal, Jones 1998). A tile
of a window is painted once, from the town's polygons with exact coverage, when the car comes near: the same place always gets the same colours.
Red, green, blue are square roots of linear albedo; the fourth number is how much light the standing shapes let through to the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.ground_paint import TILE_PX, paint_tiles
from heron_sim.drawing.light import Light
from heron_sim.drawing.polygons import outlines
from heron_sim.drawing.shapes import F32
from heron_sim.roads.town import Surface, Town

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]

# Linear albedo, then how uneven the surface looks.
COLOURS: dict[Surface, tuple[float, float, float, float]] = {
    Surface.GRASS: (0.070, 0.120, 0.035, 0.30),
    Surface.SIDEWALK: (0.270, 0.260, 0.245, 0.07),
    Surface.KERB: (0.360, 0.355, 0.340, 0.05),
    Surface.ASPHALT: (0.070, 0.070, 0.073, 0.13),
    Surface.GRAVEL: (0.200, 0.185, 0.160, 0.20),
    Surface.WHITE: (0.620, 0.620, 0.600, 0.09),
    Surface.YELLOW: (0.620, 0.360, 0.040, 0.09),
}
_PIXEL_M = (0.05, 0.10, 0.20, 0.40, 0.80, 1.60)
_SIDE_PX = (2048, 2048, 2048, 2048, 1024, 1024)
_SMALL_PX = (1024,) * 6  # enough for a policy's small pictures, and half the paint per metre


@dataclass(frozen=True)
class GroundMap:
    """What the ray-caster reads.

    Attributes:
        texels: all levels one after the other, (n, 4) uint8.
        levels: (levels, 2) int64: where a level begins in `texels`, pixels along its side (a power of two).
        windows: (levels, 4) float64: metres of a pixel, middle x, y, and how far from it the window reaches.
        beyond: (4,) float32 linear colour outside all windows.
    """

    texels: U8
    levels: I64
    windows: NDArray[np.float64]
    beyond: F32


@dataclass(frozen=True)
class _Rings:
    """Polygons as one table of vertices: ring i is vertices[starts[i]:starts[i + 1]], paint k has rings first[k]:first[k + 1]."""

    vertices: F32
    starts: I64
    first: I64
    colours: F32
    bounds: F32


class Ground:
    """The ground of a town around a car.

    Args:
        town: whose ground.
        standing: shapes that stand there always, for their shadows.
        light: where shadows fall.
        small: for small pictures: finest pixels reach half as far.
    """

    def __init__(self, town: Town, standing: F32, light: Light, small: bool = False) -> None:
        self._sides = _SMALL_PX if small else _SIDE_PX
        self._rings = _rings_of(town)
        lx, ly, lz = light.shadow_from
        self._shadows, self._shadow_bounds = outlines(standing, -lx / lz, -ly / lz)
        self._soft_m = light.shadow_soft_m
        sides = np.array(self._sides, np.int64)
        begins = np.concatenate([[0], np.cumsum(sides * sides)[:-1]])
        windows = np.zeros((len(sides), 4))
        windows[:, 0] = _PIXEL_M
        beyond = np.array(COLOURS[Surface.GRASS], np.float32)
        self.map = GroundMap(np.zeros((int((sides * sides).sum()), 4), np.uint8), np.stack([begins, sides], axis=1), windows, beyond)
        self._held = [np.full((side // TILE_PX, side // TILE_PX, 2), np.iinfo(np.int64).min, np.int64) for side in self._sides]
        self._middles: list[tuple[int, int] | None] = [None] * len(self._sides)

    def move_to(self, x_m: float, y_m: float) -> None:
        """Brings the windows to the car at (x, y); paints what is new."""
        jobs = []
        for level, (pixel_m, side) in enumerate(zip(_PIXEL_M, self._sides, strict=True)):
            tile_m, across = pixel_m * TILE_PX, side // TILE_PX
            middle = int(np.floor(x_m / tile_m + 0.5)), int(np.floor(y_m / tile_m + 0.5))
            self.map.windows[level, 1:] = middle[0] * tile_m, middle[1] * tile_m, (across // 2) * tile_m - pixel_m
            if self._middles[level] == middle:
                continue
            self._middles[level] = middle
            tx = middle[0] - across // 2 + np.arange(across)
            ty = middle[1] - across // 2 + np.arange(across)
            wanted = np.stack(np.meshgrid(tx, ty), axis=-1).reshape(-1, 2)
            slots = wanted % across
            held = self._held[level]
            new = (held[slots[:, 1], slots[:, 0]] != wanted).any(axis=1)
            wanted, slots = wanted[new], slots[new]
            held[slots[:, 1], slots[:, 0]] = wanted
            jobs.append(np.column_stack([np.full(len(wanted), level), wanted]))
        if jobs and sum(len(job) for job in jobs):
            self._paint(np.concatenate(jobs).astype(np.int64))

    def _paint(self, jobs: I64) -> None:
        pixel_m = np.array(_PIXEL_M)[jobs[:, 0]]
        radius = np.clip(np.rint(self._soft_m / pixel_m), 0, 12).astype(np.int64)
        low = jobs[:, 1:] * (pixel_m * TILE_PX)[:, None]
        high = low + (pixel_m * TILE_PX)[:, None]
        margin = (pixel_m * (2 * radius + 1))[:, None]
        rings = self._rings
        paint_starts, paints = _overlaps(low, high, rings.bounds)
        shadow_starts, shadows = _overlaps(low - margin, high + margin, self._shadow_bounds)
        grass = np.array(COLOURS[Surface.GRASS], np.float32)
        paint_tiles(
            jobs, pixel_m, radius, self.map.levels, self.map.texels, grass,
            rings.vertices, rings.starts, rings.first, rings.colours, paint_starts, paints,
            self._shadows, shadow_starts, shadows,
        )  # fmt: skip


def _overlaps(low: NDArray[np.float64], high: NDArray[np.float64], bounds: F32) -> tuple[I64, I64]:
    """Which of `bounds` (n, 4) touch each of the rectangles low … high (m, 2): starts (m + 1,) and indices, in order."""
    starts, found = [0], []
    if len(bounds) == 0:
        return np.zeros(len(low) + 1, np.int64), np.zeros(1, np.int64)
    for part in range(0, len(low), 256):
        lo, hi = low[part : part + 256], high[part : part + 256]
        touch = (bounds[None, :, 0] < hi[:, None, 0]) & (bounds[None, :, 2] > lo[:, None, 0])
        touch &= (bounds[None, :, 1] < hi[:, None, 1]) & (bounds[None, :, 3] > lo[:, None, 1])
        tile, which = np.nonzero(touch)
        found.append(which)
        starts += (starts[-1] + np.cumsum(np.bincount(tile, minlength=len(lo)))).tolist()
    return np.array(starts, np.int64), np.concatenate([*found, [0]]).astype(np.int64)


def _rings_of(town: Town) -> _Rings:
    vertices, starts, first, colours, bounds = [], [0], [0], [], []
    for paint in town.paints:
        for k, ring in enumerate((paint.polygon, *paint.holes)):
            x, y = ring[:, 0], ring[:, 1]
            left = float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) > 0
            closed = ring if left == (k == 0) else ring[::-1]  # holes turn the other way
            vertices.append(np.vstack([closed, closed[:1]]))
            starts.append(starts[-1] + len(closed) + 1)
        first.append(len(starts) - 1)
        colours.append(COLOURS[paint.surface])
        bounds.append([*paint.polygon.min(axis=0), *paint.polygon.max(axis=0)])
    if not vertices:
        return _Rings(
            np.zeros((1, 2), np.float32), np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)
        )
    return _Rings(
        np.concatenate(vertices).astype(np.float32),
        np.array(starts, np.int64),
        np.array(first, np.int64),
        np.array(colours, np.float32),
        np.array(bounds, np.float32),
    )
