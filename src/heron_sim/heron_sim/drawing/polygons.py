"""Polygons onto a raster with their exact coverage, and the outlines of shapes' shadows."""

from __future__ import annotations

import math

import numpy as np

from heron_sim.drawing.compiled import compiled
from heron_sim.drawing.shapes import COS, CX, CY, CZ, F32, FORM, HX, HY, HZ, SIN, TAPER_FRONT, TAPER_REAR, TAPER_SIDE, Form

_BOX, _CYLINDER = int(Form.BOX), int(Form.CYLINDER)
POINTS = 16  # vertices of an outline, at most


@compiled
def _span(sums: F32, y: int, x: float, xn: float, d: float) -> None:
    """Adds the part of an edge in row y from x to xn (both inside the raster) that covers the signed height d: everything to its right is filled."""
    x0, x1 = min(x, xn), max(x, xn)
    first = int(x0)
    last = math.ceil(x1)
    if last <= first + 1:
        middle = 0.5 * (x0 + x1) - first
        sums[y, first] += d - d * middle
        sums[y, first + 1] += d * middle
        return
    # The coverage of pixel i is the integral of the edge's progress over it.
    slope = 1.0 / (x1 - x0)
    before = 0.0
    for i in range(first, last):
        a, b = max(float(i), x0) - x0, min(float(i + 1), x1) - x0
        grown = slope * (0.5 * (b * b - a * a) + b * (i + 1 - x0 - b))
        sums[y, i] += d * (grown - before)
        before = grown
    sums[y, last] += d * (1.0 - before)


@compiled
def add_edge(sums: F32, height: int, width: int, xa: float, ya: float, xb: float, yb: float) -> None:
    """Adds an edge of a ring to `sums` (at least height, width + 2): the running sums along its rows are the coverage, up to its sign."""
    if ya == yb:
        return
    sign = 1.0
    if ya > yb:
        xa, ya, xb, yb, sign = xb, yb, xa, ya, -1.0
    if yb <= 0.0 or ya >= height:
        return
    slope = (xb - xa) / (yb - ya)
    top, bottom = max(ya, 0.0), min(yb, float(height))
    for y in range(int(top), math.ceil(bottom)):
        low, high = max(top, float(y)), min(bottom, float(y + 1))
        d = sign * (high - low)
        x, xn = xa + slope * (low - ya), xa + slope * (high - ya)
        left, right = min(x, xn), max(x, xn)
        if right <= 0.0:
            sums[y, 0] += d
        elif left >= width:
            continue
        elif left >= 0.0 and right <= width:
            _span(sums, y, x, xn, d)
        else:
            whole = right - left
            if left < 0.0:
                sums[y, 0] += d * (-left / whole)
            inside_left, inside_right = max(left, 0.0), min(right, float(width))
            _span(sums, y, inside_left, inside_right, d * (inside_right - inside_left) / whole)


@compiled
def blur(image: F32, scratch: F32, height: int, width: int, radius: int) -> None:
    """Two passes of a running mean over 2 * radius + 1 pixels along both axes, in place; what lies outside repeats the edge."""
    if radius < 1:
        return
    share = 1.0 / (2 * radius + 1)
    for _ in range(2):
        for y in range(height):
            total = 0.0
            for k in range(-radius, radius + 1):
                total += image[y, min(max(k, 0), width - 1)]
            for x in range(width):
                scratch[y, x] = total * share
                total += image[y, min(x + radius + 1, width - 1)] - image[y, max(x - radius, 0)]
        for x in range(width):
            total = 0.0
            for k in range(-radius, radius + 1):
                total += scratch[min(max(k, 0), height - 1), x]
            for y in range(height):
                image[y, x] = total * share
                total += scratch[min(y + radius + 1, height - 1), x] - scratch[max(y - radius, 0), x]


@compiled
def _hull(points: F32, n: int, out: F32) -> int:
    """Convex hull of points[:n] into out, counter-clockwise; gives its size (Andrew's monotone chain)."""
    for i in range(1, n):
        x, y = points[i, 0], points[i, 1]
        j = i - 1
        while j >= 0 and (points[j, 0] > x or (points[j, 0] == x and points[j, 1] > y)):
            points[j + 1, 0], points[j + 1, 1] = points[j, 0], points[j, 1]
            j -= 1
        points[j + 1, 0], points[j + 1, 1] = x, y
    chain = np.empty((2 * n + 2, 2), np.float32)
    k = 0
    for turn in range(2):
        base = k + 1
        for step in range(n):
            i = step if turn == 0 else n - 1 - step
            while k > base and (chain[k - 1, 0] - chain[k - 2, 0]) * (points[i, 1] - chain[k - 2, 1]) <= (chain[k - 1, 1] - chain[k - 2, 1]) * (
                points[i, 0] - chain[k - 2, 0]
            ):
                k -= 1
            chain[k, 0], chain[k, 1] = points[i, 0], points[i, 1]
            k += 1
        k -= 1
    k = min(k, POINTS)
    out[:k] = chain[:k]
    return k


@compiled
def outlines(rows: F32, kx: float, ky: float) -> tuple[F32, F32]:
    """Where shapes darken the ground.

    Args:
        rows: (n, COLUMNS) shapes in the world.
        kx: metres that the shadow moves along x for each metre of height (minus the light's x over its z).
        ky: the same along y.

    Returns:
        (n, POINTS, 2) vertices, counter-clockwise, the last one repeated; (n, 4) bounds: x from, y from, x to, y to.
    """
    count = len(rows)
    vertices = np.zeros((count, POINTS, 2), np.float32)
    bounds = np.empty((count, 4), np.float32)
    points = np.empty((POINTS, 2), np.float32)
    for i in range(count):
        c, s = rows[i, COS], rows[i, SIN]
        hx, hy, hz = rows[i, HX], rows[i, HY], rows[i, HZ]
        form = int(rows[i, FORM])
        n = 0
        if form == _BOX:
            for corner in range(8):
                up = hz if corner & 1 else -hz
                rise = up + hz
                x = hx - rows[i, TAPER_FRONT] * rise if corner & 2 else -hx + rows[i, TAPER_REAR] * rise
                y = hy - rows[i, TAPER_SIDE] * rise
                if corner & 4:
                    y = -y
                points[n, 0], points[n, 1] = c * x - s * y + kx * up, s * x + c * y + ky * up
                n += 1
        elif form == _CYLINDER:
            lying = rows[i, TAPER_FRONT] > 0.5
            for k in range(8):
                u, v = hx * math.cos(k * math.pi / 4.0) * 1.04, hx * math.sin(k * math.pi / 4.0) * 1.04
                for end in (-hz, hz):
                    x, y, z = (end, u, v) if lying else (u, v, end)
                    points[n, 0], points[n, 1] = c * x - s * y + kx * z, s * x + c * y + ky * z
                    n += 1
        else:
            # The shadow of an ellipsoid is an ellipse: the image of the unit sphere under a 2 x 3 matrix.
            a0, a1, a2 = c * hx, -s * hy, kx * hz
            b0, b1, b2 = s * hx, c * hy, ky * hz
            for k in range(16):
                u, v = math.cos(k * math.pi / 8.0), math.sin(k * math.pi / 8.0)
                p, q, r = a0 * u + b0 * v, a1 * u + b1 * v, a2 * u + b2 * v
                length = math.sqrt(p * p + q * q + r * r) + 1e-9
                points[n, 0], points[n, 1] = (a0 * p + a1 * q + a2 * r) / length, (b0 * p + b1 * q + b2 * r) / length
                n += 1
        size = _hull(points, n, vertices[i])
        mx, my = rows[i, CX] + kx * rows[i, CZ], rows[i, CY] + ky * rows[i, CZ]
        bounds[i, 0], bounds[i, 1], bounds[i, 2], bounds[i, 3] = 1e9, 1e9, -1e9, -1e9
        for k in range(POINTS):
            j = min(k, size - 1)
            if k < size:
                vertices[i, k, 0] += mx
                vertices[i, k, 1] += my
            else:
                vertices[i, k] = vertices[i, j]
            bounds[i, 0], bounds[i, 2] = min(bounds[i, 0], vertices[i, k, 0]), max(bounds[i, 2], vertices[i, k, 0])
            bounds[i, 1], bounds[i, 3] = min(bounds[i, 1], vertices[i, k, 1]), max(bounds[i, 3], vertices[i, k, 1])
    return vertices, bounds
