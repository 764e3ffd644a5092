"""Paints tiles of the ground: polygons with exact coverage, the unevenness of their surfaces, shadows of what stands there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled, compiled_parallel
from heron_sim.drawing.polygons import POINTS, add_edge, blur
from heron_sim.drawing.shapes import F32
from heron_sim.drawing.texture import grain, hashed

if TYPE_CHECKING:
    prange = range
else:
    from numba import prange

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

TILE_PX = 64


@compiled
def _uneven(x: float, y: float, pixel_m: float, rough: float) -> float:
    """Factor of a place's colour: patches of metres, of decimetres, grains; each only where pixels are fine enough to show it."""
    n = 0.45 * grain(x * 0.11, y * 0.11)
    if pixel_m < 0.7:
        n += 0.40 * grain(x * 0.53 + 9.0, y * 0.53)
    if pixel_m < 0.15:
        n += 0.35 * grain(x * 2.9, y * 2.9 - 5.0)
    if pixel_m < 0.06:
        n += 0.45 * (hashed(math.floor(x / pixel_m), math.floor(y / pixel_m)) - 0.5)
    return 1.0 + rough * n


@compiled
def _paint_one(
    level: int,
    tx: int,
    ty: int,
    pixel_m: float,
    radius: int,
    levels: I64,
    texels: U8,
    grass: F32,
    vertices: F32,
    starts: I64,
    first: I64,
    colours: F32,
    paints: I64,
    shadows: F32,
    casting: I64,
) -> None:
    n = TILE_PX
    x0, y0 = tx * n * pixel_m, ty * n * pixel_m
    colour = np.empty((n, n, 4), np.float32)
    colour[:, :] = grass
    sums = np.empty((n, n + 2), np.float32)
    for k in paints:
        sums[:] = 0.0
        for ring in range(first[k], first[k + 1]):
            for v in range(starts[ring], starts[ring + 1] - 1):
                add_edge(
                    sums,
                    n,
                    n,
                    (vertices[v, 0] - x0) / pixel_m,
                    (vertices[v, 1] - y0) / pixel_m,
                    (vertices[v + 1, 0] - x0) / pixel_m,
                    (vertices[v + 1, 1] - y0) / pixel_m,
                )
        for y in range(n):
            total = 0.0
            for x in range(n):
                total += sums[y, x]
                cover = min(abs(total), 1.0)
                if cover > 1e-4:
                    for band in range(4):
                        colour[y, x, band] += cover * (colours[k, band] - colour[y, x, band])
    margin = 2 * radius + 1
    wide = n + 2 * margin
    lit = np.ones((wide, wide), np.float32)
    if len(casting):
        sums = np.empty((wide, wide + 2), np.float32)
        sx, sy = x0 - margin * pixel_m, y0 - margin * pixel_m
        for k in casting:
            sums[:] = 0.0
            for v in range(POINTS):
                w = (v + 1) % POINTS
                add_edge(
                    sums,
                    wide,
                    wide,
                    (shadows[k, v, 0] - sx) / pixel_m,
                    (shadows[k, v, 1] - sy) / pixel_m,
                    (shadows[k, w, 0] - sx) / pixel_m,
                    (shadows[k, w, 1] - sy) / pixel_m,
                )
            for y in range(wide):
                total = 0.0
                for x in range(wide):
                    total += sums[y, x]
                    lit[y, x] *= 1.0 - min(abs(total), 1.0)
        blur(lit, np.empty((wide, wide), np.float32), wide, wide, radius)
    side = levels[level, 1]
    begin = levels[level, 0]
    row, column = (ty * n) % side, (tx * n) % side
    for y in range(n):
        for x in range(n):
            shade = _uneven(x0 + (x + 0.5) * pixel_m, y0 + (y + 0.5) * pixel_m, pixel_m, colour[y, x, 3])
            # Spreads the rounding to whole numbers, so that even surfaces show no steps.
            dither = hashed(tx * n + x + 7919 * level, ty * n + y)
            at = begin + (row + y) * side + column + x
            for band in range(3):
                texels[at, band] = int(min(255.0, math.sqrt(max(colour[y, x, band] * shade, 0.0)) * 255.0 + dither))
            texels[at, 3] = int(lit[y + margin, x + margin] * 255.0 + 0.5)


@compiled_parallel
def paint_tiles(
    jobs: I64,
    pixel_m: F64,
    radius: I64,
    levels: I64,
    texels: U8,
    grass: F32,
    vertices: F32,
    starts: I64,
    first: I64,
    colours: F32,
    paint_starts: I64,
    paints: I64,
    shadows: F32,
    shadow_starts: I64,
    casting: I64,
) -> None:
    """Paints tiles into `texels`.

    Args:
        jobs: (n, 3) level, tile's place along x and y.
        pixel_m: (n,) metres of its pixels.
        radius: (n,) how far shadows' edges are blurred, pixels.
        levels: see `GroundMap`.
        texels: see `GroundMap`.
        grass: (4,) colour and roughness of what no polygon covers.
        vertices: (m, 2) of all rings; each ring ends with its first vertex.
        starts: where each ring begins.
        first: the first ring of each polygon; further ones are holes and turn the other way.
        colours: (polygons, 4) colour and roughness.
        paint_starts: where each job's polygons begin in `paints`.
        paints: indices of polygons, in order of painting.
        shadows: (shapes, POINTS, 2) outlines of shadows.
        shadow_starts: where each job's shadows begin in `casting`.
        casting: indices of shadows.
    """
    for job in prange(len(jobs)):
        _paint_one(
            jobs[job, 0], jobs[job, 1], jobs[job, 2], pixel_m[job], radius[job], levels, texels, grass, vertices, starts, first, colours,
            paints[paint_starts[job] : paint_starts[job + 1]], shadows, casting[shadow_starts[job] : shadow_starts[job + 1]],
        )  # fmt: skip
