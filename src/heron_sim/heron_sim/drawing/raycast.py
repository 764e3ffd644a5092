"""The ray-caster: for each ray the nearest shape or the ground, its colour, its distance, and smooth edges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled, compiled_parallel, inlined
from heron_sim.drawing.hits import EYE_X, EYE_Y, EYE_Z, MISS, NEAREST, NO_HIT, TO_X, TO_Y, TO_Z, TURN_C, TURN_S, hit, normal
from heron_sim.drawing.light import F32, I32
from heron_sim.drawing.rays import TILE
from heron_sim.drawing.shading import fogged, ground_colour, shape_colour
from heron_sim.drawing.shapes import ID
from heron_sim.drawing.sky import sky_colour

if TYPE_CHECKING:
    prange = range
else:
    from numba import prange

U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

# What a ray met: below 0 as named here, else index of the shape * 8 + face.
GROUND, SKY, BLIND = -1, -2, -3
_TAPS = 4  # samples of the ground along the view, where it is seen at a slant
_AFAR = float(1 << 40)  # 16ths of a texel, a whole number of every window
_FIRST_STATIC_ID = 10000
_FAINT = 0.04  # edges of less contrast than this (Michelson) stay as they are
_BRIGHTEST = 6.0  # a sample of an edge counts at most this: a lamp's rim stays smooth


class Scene(NamedTuple):
    """What one camera sees.

    Attributes:
        rows: (n, COLUMNS) shapes, nearest first (by `NEAREST`).
        seen: (n, SEEN) the same from the camera.
        texels, levels, windows, beyond: see `ground.GroundMap`; the four bytes of a texel as one number.
        lit, lit_place: see `shadow.ShadowMap`.
        towards: (3,) unit vector towards the light that casts shadows.
        values, lamps, starts, items: see `light.Lamps`.
    """

    rows: F32
    seen: F64
    texels: U32
    levels: I64
    windows: F64
    beyond: F32
    lit: F32
    lit_place: F64
    towards: F64
    values: F32
    lamps: F32
    starts: I32
    items: I32


@compiled
def _spread(texel: int) -> int:
    """The four bytes of a texel, 16 bits for each."""
    t = np.int64(texel)
    low, high = t & 0x00FF00FF, (t >> 8) & 0x00FF00FF
    return int((low & 0xFF) | ((high & 0xFF) << 16) | ((low & 0xFF0000) << 16) | ((high & 0xFF0000) << 32))


@compiled
def _ground_at(
    x: float, y: float, hx: float, hy: float, along: float, across: float, texels: U32, levels: I64, windows: F64, beyond: F32
) -> tuple[float, float, float, float]:
    """Linear colour of the ground around (x, y), and how lit it is by what stands there.

    The pixel covers `along` metres in the direction (hx, hy), and `across` metres beside it.
    """
    ratio = 0.6 * along / max(across, windows[0, 0])
    taps = _TAPS if ratio > _TAPS - 1.0 else int(ratio) + 1
    share = 1.0 / taps
    size = max(across, along * share) * 0.75
    level, last = 0, len(windows) - 1
    while level < last and (
        size > windows[level, 0] or max(abs(x - windows[level, 1]), abs(y - windows[level, 2])) + 0.5 * along > windows[level, 3]
    ):
        level += 1
    if max(abs(x - windows[level, 1]), abs(y - windows[level, 2])) > windows[level, 3]:
        return beyond[0], beyond[1], beyond[2], 1.0
    begin, side = levels[level, 0], levels[level, 1]
    mask = side - 1
    # Places in 16ths of a texel, moved by whole windows so that none is below zero.
    scale = 16.0 / windows[level, 0]
    step = along * share * scale
    first = -0.5 * step * (taps - 1)
    u, v = x * scale - 8.0 + hx * first + _AFAR, y * scale - 8.0 + hy * first + _AFAR
    du, dv = hx * step, hy * step
    r, g, b, lit = 0.0, 0.0, 0.0, 0.0
    for _ in range(taps):
        i, j = np.int64(u), np.int64(v)
        u, v = u + du, v + dv
        # Four numbers of a texel at once, 16 bits for each; weights in 256ths.
        fu, fv = i & 15, j & 15
        i0, j0 = (i >> 4) & mask, (j >> 4) & mask
        i1, j1 = (i0 + 1) & mask, (j0 + 1) & mask
        row0, row1 = begin + j0 * side, begin + j1 * side
        mixed = (
            _spread(texels[row0 + i0]) * ((16 - fu) * (16 - fv))
            + _spread(texels[row0 + i1]) * (fu * (16 - fv))
            + _spread(texels[row1 + i0]) * ((16 - fu) * fv)
            + _spread(texels[row1 + i1]) * (fu * fv)
        )
        p, q, m = float(mixed & 0xFFFF), float((mixed >> 16) & 0xFFFF), float((mixed >> 32) & 0xFFFF)
        r, g, b = r + p * p, g + q * q, b + m * m
        lit += float((mixed >> 48) & 0xFFFF)
    scale = share / (65280.0 * 65280.0)
    return r * scale, g * scale, b * scale, lit * share / 65280.0


@compiled
def _standing_lit(x: float, y: float, texels: U32, levels: I64, windows: F64) -> float:
    """How lit the ground at (x, y) is by what stands there, without filtering."""
    for level in range(2, len(windows)):
        if max(abs(x - windows[level, 1]), abs(y - windows[level, 2])) < windows[level, 3]:
            side = levels[level, 1]
            i = math.floor(x / windows[level, 0]) & (side - 1)
            j = math.floor(y / windows[level, 0]) & (side - 1)
            return float(np.int64(texels[levels[level, 0] + j * side + i]) >> 24) / 255.0
    return 1.0


@compiled
def _moving_lit(x: float, y: float, lit: F32, place: F64) -> float:
    """How lit the ground at (x, y) is by what moves."""
    u, v = (x - place[0]) / place[2] - 0.5, (y - place[1]) / place[2] - 0.5
    n = len(lit)
    if u < 0.0 or v < 0.0 or u >= n - 1 or v >= n - 1:
        return 1.0
    i, j = int(u), int(v)
    fu, fv = u - i, v - j
    return float((lit[j, i] * (1.0 - fu) + lit[j, i + 1] * fu) * (1.0 - fv) + (lit[j + 1, i] * (1.0 - fu) + lit[j + 1, i + 1] * fu) * fv)


@inlined
def _trace(
    ex: float, ey: float, ez: float, dx: float, dy: float, dz: float, pixel: float, scene: Scene, lists: I32, tile: int, count: int
) -> tuple[float, float, float, float, int]:
    """Red, green, blue, distance (infinite in the sky) and what was met along one ray from (ex, ey, ez)."""
    best = -ez / dz if dz < -1e-5 else NO_HIT
    met, face = -1, 0
    for k in range(count):
        i = lists[tile, k]
        if scene.seen[i, NEAREST] >= best:
            break
        along = scene.seen[i, TO_X] * dx + scene.seen[i, TO_Y] * dy + scene.seen[i, TO_Z] * dz
        if along * abs(along) < scene.seen[i, MISS]:
            continue
        t, f = hit(scene.seen, i, dx, dy, dz)
        if t < best:
            best, met, face = t, i, f
    if best >= NO_HIT:
        r, g, b = sky_colour(dx, dy, dz, scene.values)
        return r, g, b, np.inf, SKY
    wx, wy, wz = ex + best * dx, ey + best * dy, ez + best * dz
    if met < 0:
        flat = math.sqrt(dx * dx + dy * dy) + 1e-9
        across = best * pixel
        r, g, b, lit = _ground_at(wx, wy, dx / flat, dy / flat, across / -dz, across, scene.texels, scene.levels, scene.windows, scene.beyond)
        lit *= _moving_lit(wx, wy, scene.lit, scene.lit_place)
        r, g, b = ground_colour(r, g, b, wx, wy, dx, dy, dz, best, pixel, lit, scene.values, scene.lamps, scene.starts, scene.items)
    else:
        c, s = scene.seen[met, TURN_C], scene.seen[met, TURN_S]
        lx, ly = scene.seen[met, EYE_X] + best * (c * dx + s * dy), scene.seen[met, EYE_Y] + best * (-s * dx + c * dy)
        lz = scene.seen[met, EYE_Z] + best * dz
        nx, ny, nz = normal(scene.seen, met, face, lx, ly, lz)
        lit = 1.0
        if scene.rows[met, ID] < _FIRST_STATIC_ID:
            # Where the light through this place reaches the ground: a house in its way darkens both.
            down = wz / max(scene.towards[2], 0.05)
            lit = _standing_lit(wx - down * scene.towards[0], wy - down * scene.towards[1], scene.texels, scene.levels, scene.windows)
        r, g, b = shape_colour(
            scene.rows, met, lx, ly, lz, nx, ny, nz, wx, wy, wz, dx, dy, dz, best, pixel, lit, scene.values, scene.lamps, scene.starts, scene.items
        )
    r, g, b = fogged(r, g, b, best, scene.values)
    return r, g, b, best, GROUND if met < 0 else met * 8 + face


@compiled
def _differs(radiance: F32, met: I32, y: int, x: int, v: int, u: int) -> bool:
    """Whether an edge that can be seen lies between the neighbours (y, x) and (v, u)."""
    if met[y, x] == met[v, u]:
        return False
    green, other = radiance[y, x, 1], radiance[v, u, 1]
    return bool(abs(green - other) > _FAINT * (green + other))


@compiled_parallel
def cast(
    scene: Scene,
    eye: F64,
    c: float,
    s: float,
    rays: F32,
    pixel_rad: F32,
    order: I64,
    counts: I32,
    lists: I32,
    edges: bool,
    radiance: F32,
    depth: F32,
    met: I32,
    smooth: F32,
) -> None:
    """One colour, distance and what was met for each ray; with `edges`, in a second call, three more rays for each pixel at a visible edge.

    Args:
        scene: what there is.
        eye: (3,) the camera in the world.
        c: cosine of the car's yaw.
        s: sine of the car's yaw.
        rays: (h, w, 3), see `rays.View`.
        pixel_rad: (h, w), see `rays.View`.
        order: of the tiles, so that cores share easy and hard ones.
        counts: see `culling.TileLists`.
        lists: see `culling.TileLists`.
        edges: whether to write `smooth` from `radiance` and `met`, else to write these and `depth`.
        radiance: (h, w, 3) red, green, blue.
        depth: (h, w) metres along the ray, infinite in the sky, 0 where the pixel sees nothing.
        met: (h, w) GROUND, SKY, BLIND, or shape * 8 + face.
        smooth: (h, w, 3) `radiance` with smooth edges.
    """
    height, width = rays.shape[:2]
    columns = (width + TILE - 1) // TILE
    ex, ey, ez = eye[0], eye[1], eye[2]
    for turn in prange(len(order)):
        tile = order[turn]
        x0, y0 = tile % columns * TILE, tile // columns * TILE
        count = counts[tile]
        for y in range(y0, min(y0 + TILE, height)):
            for x in range(x0, min(x0 + TILE, width)):
                left, right, low, high = max(x - 1, 0), min(x + 1, width - 1), max(y - 1, 0), min(y + 1, height - 1)
                red, green, blue, many = 0.0, 0.0, 0.0, 1
                if edges:
                    red, green, blue = float(radiance[y, x, 0]), float(radiance[y, x, 1]), float(radiance[y, x, 2])
                    smooth[y, x, 0], smooth[y, x, 1], smooth[y, x, 2] = red, green, blue
                    if not (
                        _differs(radiance, met, y, x, y, left)
                        or _differs(radiance, met, y, x, y, right)
                        or _differs(radiance, met, y, x, low, x)
                        or _differs(radiance, met, y, x, high, x)
                    ):
                        continue
                    if min(met[y, x], met[y, left], met[y, right], met[low, x], met[high, x]) == BLIND:
                        continue
                    red, green, blue, many = min(red, _BRIGHTEST), min(green, _BRIGHTEST), min(blue, _BRIGHTEST), 3
                elif rays[y, x, 0] == 0.0 and rays[y, x, 1] == 0.0 and rays[y, x, 2] == 0.0:
                    radiance[y, x, 0], radiance[y, x, 1], radiance[y, x, 2] = 0.0, 0.0, 0.0
                    depth[y, x], met[y, x] = 0.0, BLIND
                    continue
                for k in range(many):
                    a, b, dz = float(rays[y, x, 0]), float(rays[y, x, 1]), float(rays[y, x, 2])
                    if edges:
                        u = (-0.098, -0.269, 0.367)[k] / (right - left)
                        v = (0.367, -0.269, -0.098)[k] / (high - low)
                        a += u * (rays[y, right, 0] - rays[y, left, 0]) + v * (rays[high, x, 0] - rays[low, x, 0])
                        b += u * (rays[y, right, 1] - rays[y, left, 1]) + v * (rays[high, x, 1] - rays[low, x, 1])
                        dz += u * (rays[y, right, 2] - rays[y, left, 2]) + v * (rays[high, x, 2] - rays[low, x, 2])
                    r, g, e, far, what = _trace(ex, ey, ez, c * a - s * b, s * a + c * b, dz, pixel_rad[y, x], scene, lists, tile, count)
                    if edges:
                        red, green, blue = red + min(r, _BRIGHTEST), green + min(g, _BRIGHTEST), blue + min(e, _BRIGHTEST)
                    else:
                        radiance[y, x, 0], radiance[y, x, 1], radiance[y, x, 2] = r, g, e
                        depth[y, x], met[y, x] = far, what
                if edges:
                    smooth[y, x, 0], smooth[y, x, 1], smooth[y, x, 2] = 0.25 * red, 0.25 * green, 0.25 * blue
