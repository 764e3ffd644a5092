"""Patterns as functions of a place: hashes, smooth noise, and rows of bands with their exact mean over a pixel."""

from __future__ import annotations

import math

import numpy as np

from heron_sim.drawing.compiled import compiled

_MASK = 0x7FFFFFFF


@compiled
def hashed(i: int, j: int) -> float:
    """0 … 1, the same for the same two whole numbers."""
    n = (np.int64(i) * 374761393 + np.int64(j) * 668265263) & _MASK
    n = ((n ^ (n >> 13)) * 1274126177) & _MASK
    n = (n ^ (n >> 16)) & 0xFFFF
    return float(n) / 65536.0


@compiled
def grain(x: float, y: float) -> float:
    """Smooth noise, -1 … 1, that changes over about one unit."""
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    i, j = int(i), int(j)
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    low = hashed(i, j) * (1.0 - u) + hashed(i + 1, j) * u
    high = hashed(i, j + 1) * (1.0 - u) + hashed(i + 1, j + 1) * u
    return 2.0 * (low * (1.0 - v) + high * v) - 1.0


@compiled
def grain3(x: float, y: float, z: float) -> float:
    """Smooth noise in space, -1 … 1."""
    k = math.floor(z)
    w = z - k
    w = w * w * (3.0 - 2.0 * w)
    return grain(x + 17.3 * k, y - 29.7 * k) * (1.0 - w) + grain(x + 17.3 * (k + 1.0), y - 29.7 * (k + 1.0)) * w


@compiled
def band(x: float, low: float, high: float, width: float) -> float:
    """Share of x - width/2 … x + width/2 that lies in low … high of its unit cell (0 <= low < high <= 1): a row of stripes, anti-aliased."""
    if width < 1e-4:
        f = x - math.floor(x)
        return 1.0 if low <= f < high else 0.0
    a, b = x - 0.5 * width, x + 0.5 * width
    fa, fb = math.floor(a), math.floor(b)
    span = high - low
    inside = (fb - fa) * span + min(max(b - fb - low, 0.0), span) - min(max(a - fa - low, 0.0), span)
    return inside / width
