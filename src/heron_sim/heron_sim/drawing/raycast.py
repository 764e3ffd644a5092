"""The ray-caster: for each ray the nearest shape or the ground, its colour, its distance, and smooth edges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled, compiled_parallel, inlined
from heron_sim.drawing.hits import EYE_X, EYE_Y, EYE_Z, NEAREST, NO_HIT, SPHERE, TO_X, TO_Y, TO_Z, TURN_C, TURN_S, hit, normal
from heron_sim.drawing.light import F32, I32
from heron_sim.drawing.rays import TILE
from heron_sim.drawing.shading import fogged, ground_colour, shape_colour
from heron_sim.drawing.shapes import ID
from heron_sim.drawing.sky import sky_colour

if TYPE_CHECKING:
    prange = range
else:
    from numba import prange

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

# What a ray met: below 0 as named here, else index of the shape * 8 + face.
GROUND, SKY, BLIND = -1, -2, -3
_TAPS = 4  # samples of the ground along the view, where it is seen at a slant
_FIRST_STATIC_ID = 10000
_FAINT = 0.04  # edges of less contrast than this (Michelson) stay as they are
_BRIGHTEST = 6.0  # a sample of an edge counts at most this: a lamp's rim stays smooth


class Scene(NamedTuple):
    """What one camera sees.

    Attributes:
        rows: (n, COLUMNS) shapes, nearest first (by `NEAREST`).
        seen: (n, SEEN) the same from the camera.
        texels, levels, windows, beyond: see `ground.GroundMap`.
        lit, lit_place: see `shadow.ShadowMap`.
        towards: (3,) unit vector towards the light that casts shadows.
        values, lamps, starts, items: see `light.Lamps`.
    """

    rows: F32
    seen: F64
    texels: U8
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
def _ground_at(
    x: float, y: float, hx: float, hy: float, along: float, across: float, texels: U8, levels: I64, windows: F64, beyond: F32
) -> tuple[float, float, float, float]:
    """Linear colour of the ground around (x, y), and how lit it is by what stands there.

    The pixel covers `along` metres in the direction (hx, hy), and `across` metres beside it.
    """
    finest = windows[0, 0]
    taps = min(_TAPS, max(1, math.ceil(0.6 * along / max(across, finest))))
    size = max(across, along / taps) * 0.75
    level, last = 0, len(windows) - 1
    while level < last and (
        size > windows[level, 0] or max(abs(x - windows[level, 1]), abs(y - windows[level, 2])) + 0.5 * along > windows[level, 3]
    ):
        level += 1
    pixel, reach = windows[level, 0], windows[level, 3]
    if max(abs(x - windows[level, 1]), abs(y - windows[level, 2])) > reach:
        return beyond[0], beyond[1], beyond[2], 1.0
    begin, mask = levels[level, 0], levels[level, 1] - 1
    side = mask + 1
    r, g, b, lit = 0.0, 0.0, 0.0, 0.0
    for k in range(taps):
        step = along * ((k + 0.5) / taps - 0.5)
        u, v = (x + hx * step) / pixel - 0.5, (y + hy * step) / pixel - 0.5
        i, j = math.floor(u), math.floor(v)
        fu, fv = u - i, v - j
        i0, j0 = int(i) & mask, int(j) & mask
        i1, j1 = (i0 + 1) & mask, (j0 + 1) & mask
        t00, t01 = begin + j0 * side + i0, begin + j0 * side + i1
        t10, t11 = begin + j1 * side + i0, begin + j1 * side + i1
        w01, w10, w11 = fu * (1.0 - fv), (1.0 - fu) * fv, fu * fv
        w00 = 1.0 - w01 - w10 - w11
        p, q, m, n = float(texels[t00, 0]), float(texels[t01, 0]), float(texels[t10, 0]), float(texels[t11, 0])
        r += w00 * p * p + w01 * q * q + w10 * m * m + w11 * n * n
        p, q, m, n = float(texels[t00, 1]), float(texels[t01, 1]), float(texels[t10, 1]), float(texels[t11, 1])
        g += w00 * p * p + w01 * q * q + w10 * m * m + w11 * n * n
        p, q, m, n = float(texels[t00, 2]), float(texels[t01, 2]), float(texels[t10, 2]), float(texels[t11, 2])
        b += w00 * p * p + w01 * q * q + w10 * m * m + w11 * n * n
        lit += w00 * texels[t00, 3] + w01 * texels[t01, 3] + w10 * texels[t10, 3] + w11 * texels[t11, 3]
    scale = 1.0 / (65025.0 * taps)
    return r * scale, g * scale, b * scale, lit / (255.0 * taps)


@compiled
def _standing_lit(x: float, y: float, texels: U8, levels: I64, windows: F64) -> float:
    """How lit the ground at (x, y) is by what stands there, without filtering."""
    for level in range(2, len(windows)):
        if max(abs(x - windows[level, 1]), abs(y - windows[level, 2])) < windows[level, 3]:
            side = levels[level, 1]
            i = math.floor(x / windows[level, 0]) & (side - 1)
            j = math.floor(y / windows[level, 0]) & (side - 1)
            return float(texels[levels[level, 0] + j * side + i, 3]) / 255.0
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
    ex: float, ey: float, ez: float, dx: float, dy: float, dz: float, pixel: float, scene: Scene, mine: I32, count: int
) -> tuple[float, float, float, float, int]:
    """Red, green, blue, distance (infinite in the sky) and what was met along one ray from (ex, ey, ez)."""
    best = -ez / dz if dz < -1e-5 else NO_HIT
    met, face = -1, 0
    for k in range(count):
        i = mine[k]
        p = scene.seen[i]
        if p[NEAREST] >= best:
            break
        x, y, z = p[TO_X], p[TO_Y], p[TO_Z]
        along = x * dx + y * dy + z * dz
        if x * x + y * y + z * z - along * along > p[SPHERE]:
            continue
        t, f = hit(p, dx, dy, dz)
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
        p = scene.seen[met]
        c, s = p[TURN_C], p[TURN_S]
        lx, ly, lz = p[EYE_X] + best * (c * dx + s * dy), p[EYE_Y] + best * (-s * dx + c * dy), p[EYE_Z] + best * dz
        nx, ny, nz = normal(p, face, lx, ly, lz)
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


@compiled_parallel
def cast(
    scene: Scene, eye: F64, c: float, s: float, rays: F32, pixel_rad: F32, order: I64, counts: I32, lists: I32, radiance: F32, depth: F32, met: I32
) -> None:
    """One colour, distance and what was met for each ray.

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
        radiance: (h, w, 3) red, green, blue; written.
        depth: (h, w) metres along the ray, infinite in the sky, 0 where the pixel sees nothing; written.
        met: (h, w) GROUND, SKY, BLIND, or shape * 8 + face; written.
    """
    height, width = rays.shape[:2]
    columns = (width + TILE - 1) // TILE
    for turn in prange(len(order)):
        tile = order[turn]
        x0, y0 = tile % columns * TILE, tile // columns * TILE
        for y in range(y0, min(y0 + TILE, height)):
            for x in range(x0, min(x0 + TILE, width)):
                a, b, dz = float(rays[y, x, 0]), float(rays[y, x, 1]), float(rays[y, x, 2])
                if a == 0.0 and b == 0.0 and dz == 0.0:
                    radiance[y, x, 0], radiance[y, x, 1], radiance[y, x, 2] = 0.0, 0.0, 0.0
                    depth[y, x], met[y, x] = 0.0, BLIND
                    continue
                red, green, blue, far, what = _trace(
                    eye[0], eye[1], eye[2], c * a - s * b, s * a + c * b, dz, pixel_rad[y, x], scene, lists[tile], counts[tile]
                )
                radiance[y, x, 0], radiance[y, x, 1], radiance[y, x, 2] = red, green, blue
                depth[y, x], met[y, x] = far, what


@compiled
def _differs(what: int, green: float, other: int, other_green: float) -> bool:
    """Whether an edge that can be seen lies between two neighbours."""
    return other != what and abs(green - other_green) > _FAINT * (green + other_green)


@compiled_parallel
def smooth_edges(
    scene: Scene,
    eye: F64,
    c: float,
    s: float,
    rays: F32,
    pixel_rad: F32,
    order: I64,
    counts: I32,
    lists: I32,
    radiance: F32,
    met: I32,
    smooth: F32,
) -> None:
    """Writes `radiance` into `smooth`, with three more rays averaged into each pixel at a visible edge; the other arguments as of `cast`."""
    height, width = rays.shape[:2]
    columns = (width + TILE - 1) // TILE
    for turn in prange(len(order)):
        tile = order[turn]
        x0, y0 = tile % columns * TILE, tile // columns * TILE
        for y in range(y0, min(y0 + TILE, height)):
            for x in range(x0, min(x0 + TILE, width)):
                what, green = met[y, x], radiance[y, x, 1]
                red, blue = radiance[y, x, 0], radiance[y, x, 2]
                smooth[y, x, 0], smooth[y, x, 1], smooth[y, x, 2] = red, green, blue
                left, right, low, high = max(x - 1, 0), min(x + 1, width - 1), max(y - 1, 0), min(y + 1, height - 1)
                if not (
                    _differs(what, green, met[y, left], radiance[y, left, 1])
                    or _differs(what, green, met[y, right], radiance[y, right, 1])
                    or _differs(what, green, met[low, x], radiance[low, x, 1])
                    or _differs(what, green, met[high, x], radiance[high, x, 1])
                ):
                    continue
                if what == BLIND or met[y, left] == BLIND or met[y, right] == BLIND or met[low, x] == BLIND or met[high, x] == BLIND:
                    continue
                red, green, blue = min(red, _BRIGHTEST), min(green, _BRIGHTEST), min(blue, _BRIGHTEST)
                for k in range(3):
                    u = (-0.098, -0.269, 0.367)[k] / (right - left)
                    v = (0.367, -0.269, -0.098)[k] / (high - low)
                    a = rays[y, x, 0] + u * (rays[y, right, 0] - rays[y, left, 0]) + v * (rays[high, x, 0] - rays[low, x, 0])
                    e = rays[y, x, 1] + u * (rays[y, right, 1] - rays[y, left, 1]) + v * (rays[high, x, 1] - rays[low, x, 1])
                    dz = rays[y, x, 2] + u * (rays[y, right, 2] - rays[y, left, 2]) + v * (rays[high, x, 2] - rays[low, x, 2])
                    r, g, b, _, _ = _trace(
                        eye[0], eye[1], eye[2], c * a - s * e, s * a + c * e, dz, pixel_rad[y, x], scene, lists[tile], counts[tile]
                    )
                    red, green, blue = red + min(r, _BRIGHTEST), green + min(g, _BRIGHTEST), blue + min(b, _BRIGHTEST)
                smooth[y, x, 0], smooth[y, x, 1], smooth[y, x, 2] = 0.25 * red, 0.25 * green, 0.25 * blue
