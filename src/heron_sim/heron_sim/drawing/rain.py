"""Rain between the lens and the scene: drops that sit on the glass, streaks in the air."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled
from heron_sim.drawing.shapes import F32
from heron_sim.drawing.texture import hashed


def drops_of(width: int, height: int, seed: int) -> tuple[NDArray[np.int32], F32]:
    """Where drops sit on the glass.

    Returns:
        (height, width) which drop covers a pixel, 0: none; (n, 5) x, y, radius in pixels, phase and how many of 90 frames it stays; row 0 is no drop.
    """
    rng = np.random.default_rng([abs(seed), 93])
    count = 26
    drops = np.zeros((count + 1, 5), np.float32)
    drops[1:, 0] = rng.uniform(0.0, width, count)
    drops[1:, 1] = rng.uniform(0.0, height, count)
    drops[1:, 2] = width / 640.0 * (2.5 + 7.5 * rng.random(count) ** 2.5)
    drops[1:, 3] = rng.uniform(0.0, 90.0, count)
    drops[1:, 4] = rng.uniform(25.0, 80.0, count)
    covers = np.zeros((height, width), np.int32)
    ys, xs = np.mgrid[0:height, 0:width]
    for k in range(1, count + 1):
        x, y, radius = (float(value) for value in drops[k, :3])
        covers[(xs - x) ** 2 + ((ys - y) / 1.15) ** 2 < radius * radius] = k
    return covers, drops


@compiled
def streak(x: int, y: int, frame: int, height: int) -> float:
    """0 … 1: how much of a falling drop's streak lies before a pixel; in three distances, all anew in each frame."""
    total = 0.0
    for layer in range(3):
        wide = height * (0.0035 + 0.002 * layer)
        u = (x + (0.10 + 0.03 * layer) * y) / wide
        column = math.floor(u)
        across = 1.0 - 2.0 * abs(u - column - 0.5)
        long = height * (0.10 + 0.07 * layer)
        v = y / long + 11.0 * hashed(int(column), 977 * frame + layer)
        cell = math.floor(v)
        if hashed(int(column) * 3 + layer, int(cell) + 31 * frame) > 0.965:
            along = v - cell
            total += across * 4.0 * along * (1.0 - along)
    return min(total, 1.0)
