"""Patterns of the materials that have one: facades, glazing, leaves; each gives a surface's own colour, before light falls on it."""

from __future__ import annotations

import math

from heron_sim.drawing.compiled import compiled
from heron_sim.drawing.shapes import BLUE, F32, GREEN, HX, HY, HZ, LOOK, RED, TAPER_FRONT, TAPER_REAR, TAPER_SIDE
from heron_sim.drawing.texture import band, grain, grain3, hashed

Four = tuple[float, float, float, float]
Nine = tuple[float, float, float, float, float, float, float, float, float]


@compiled
def facade(
    shapes: F32,
    index: int,
    lx: float,
    ly: float,
    lz: float,
    nx: float,
    ny: float,
    nz: float,
    ux: float,
    uy: float,
    dx: float,
    dy: float,
    dz: float,
    foot: float,
    night: float,
) -> Nine:
    """A wall with windows by storeys, a ground floor with shops, a flat roof.

    Returns:
        red, green, blue, share that mirrors the sky, strength of its own light, red, green, blue of that light, share of the sky that it sees.
    """
    r, g, b = float(shapes[index, RED]), float(shapes[index, GREEN]), float(shapes[index, BLUE])
    look = int(shapes[index, LOOK])
    hx, hy, hz = float(shapes[index, HX]), float(shapes[index, HY]), float(shapes[index, HZ])
    if nz > 0.5 or nz < -0.5:
        grey = 0.24 + 0.02 * grain(lx * 0.9, ly * 0.9)
        return grey, grey, grey * 0.97, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0
    style = look % 5
    across, half = (ly, hy) if abs(nx) > 0.5 else (lx, hx)
    side = 2 * int(abs(nx) > 0.5) + int(nx + ny > 0.0)
    up = lz + hz
    ground_m = 3.8
    storeys = max(1.0, math.floor((2.0 * hz - ground_m - 0.5) / 3.1 + 0.3))
    storey_m = max((2.0 * hz - ground_m - 0.7) / storeys, 2.2)
    pitch_m = 1.7 if style == 3 else (3.3 if style == 2 else 2.5)
    columns = max(1.0, math.floor(2.0 * half / pitch_m))
    pitch_m = 2.0 * half / columns
    # A pixel's footprint grows where the wall is seen at a slant.
    slant = abs(ux * dx + uy * dy) + 0.03
    wide = min(foot / slant, foot * 12.0)
    tall = foot / math.sqrt(max(1.0 - dz * dz, 0.05))
    stain = 0.05 * grain(across * 0.35 + 31.0 * look, up * 0.18)
    if foot < 0.05:
        stain += 0.035 * grain(across * 6.0, up * 6.0)
    r, g, b = r * (1.0 + stain), g * (1.0 + stain), b * (1.0 + stain)
    low = min(1.0, 0.72 + 0.1 * up)
    if up < ground_m:
        shops = max(1.0, math.floor(2.0 * half / 5.2))
        u = (across + half) / (2.0 * half) * shops
        k = math.floor(u)
        w = wide / (2.0 * half) * shops
        v = up / ground_m
        q = hashed(int(k) + 7 * side, look)
        pane = band(u, 0.06, 0.94, w) * band(v, 0.09, 0.70, tall / ground_m)
        bars = band(u * 4.0, 0.0, 0.06, w * 4.0)
        pane *= 1.0 - bars
        board = band(u, 0.04, 0.96, w) * band(v, 0.75, 0.92, tall / ground_m)
        if style == 2 or q < 0.3:  # a house without shops: doors and garage walls
            pane *= 0.35 if q > 0.15 else 0.0
            board = 0.0
        hue = hashed(int(k) + 13 * side, look + 5)
        br = 0.05 + 0.6 * (hue if q > 0.6 else 0.15)
        bg = 0.06 + 0.35 * (1.0 - abs(2.0 * hue - 1.0))
        bb = 0.05 + 0.5 * ((1.0 - hue) if q < 0.85 else 0.1)
        near = max(0.0, 1.0 - foot / 0.12)
        stuff = 0.09 + near * (
            0.05 * grain(across * 2.7, up * 3.1 + look) + 0.09 * (hashed(math.floor(across * 2.4), math.floor(up * 2.9) + look) - 0.5)
        )
        r += pane * (stuff - r)
        g += pane * (stuff * 0.95 - g)
        b += pane * (stuff * 0.85 - b)
        r += board * (br - r)
        g += board * (bg - g)
        b += board * (bb - b)
        own = night * (pane * (0.85 if q > 0.45 else 0.08) * (0.55 + 0.45 * stuff / 0.09) + board * (0.9 if q > 0.55 else 0.0))
        warm = board / (pane + board + 1e-6)
        er, eg, eb = 0.75 * (1.0 - warm) + br * warm, 0.58 * (1.0 - warm) + bg * warm, 0.36 * (1.0 - warm) + bb * warm
        return r, g, b, pane * 0.06, own, er, eg, eb, low
    u = (across + half) / pitch_m
    v = (up - ground_m) / storey_m
    k, floor = math.floor(u), math.floor(v)
    if v >= storeys:  # the parapet
        return r * 0.92, g * 0.92, b * 0.92, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0
    wu, wv = wide / pitch_m, tall / storey_m
    if style == 0:
        left, right, bottom, top = 0.24, 0.76, 0.28, 0.80
    elif style == 1:
        left, right, bottom, top = 0.0, 1.0, 0.34, 0.78
    elif style == 2:
        left, right, bottom, top = 0.10, 0.90, 0.10, 0.80
    elif style == 3:
        left, right, bottom, top = 0.03, 0.97, 0.05, 0.95
    else:
        left, right, bottom, top = 0.16, 0.84, 0.30, 0.74
    pane = (band(u, left, right, wu) if right - left < 1.0 else 1.0) * band(v, bottom, top, wv)
    middle = 0.5 * (left + right)
    frame = band(u, middle - 0.025, middle + 0.025, wu) if style != 3 else 0.0
    rim = band(u, max(left - 0.035, 0.0), min(right + 0.035, 1.0), wu) * band(v, bottom - 0.05, top + 0.05, wv) - pane
    if style != 3 and rim > 0.0:
        r, g, b = r * (1.0 + 0.22 * rim), g * (1.0 + 0.22 * rim), b * (1.0 + 0.22 * rim)
    slab = band(v, 0.0, 0.05, wv)
    r, g, b = r * (1.0 - 0.25 * slab), g * (1.0 - 0.25 * slab), b * (1.0 - 0.25 * slab)
    rail = 0.0
    if style == 2:  # balconies: a light parapet before each storey's windows, deep shade above it
        rail = band(v, 0.02, 0.38, wv)
    far = min(1.0, max(0.0, wu - 0.5))
    q = hashed(int(k) + 41 * side, int(floor) + 17 * look) * (1.0 - far) + 0.5 * far
    glassy = 0.035 + 0.05 * q
    if q > 0.62 and style != 3:  # curtains
        glassy += 0.16 * (q - 0.4) * (1.0 - far)
    pane *= 1.0 - frame
    r += pane * (glassy - r)
    g += pane * (glassy * 1.04 - g)
    b += pane * (glassy * 1.10 - b)
    if rail > 0.0:
        tone = 0.86
        r += rail * (float(shapes[index, RED]) * tone - r)
        g += rail * (float(shapes[index, GREEN]) * tone - g)
        b += rail * (float(shapes[index, BLUE]) * tone - b)
        pane *= 1.0 - rail
    own = 0.0
    if night > 0.0:
        p = hashed(int(k) * 3 + 19 * side, int(floor) * 5 + 23 * look)
        glow = (1.0 if p < 0.36 else 0.0) * (1.0 - far) + 0.36 * far
        own = night * pane * glow * (0.25 + 0.6 * q) * (0.65 + 0.5 * (v - floor))
    cool = hashed(int(k) + 3, int(floor) + look)
    return r, g, b, pane * (0.10 if style != 3 else 0.22), own, 0.85, 0.62 + 0.15 * cool, 0.30 + 0.4 * cool, low


@compiled
def glass(shapes: F32, index: int, lx: float, ly: float, lz: float, nx: float, ny: float, nz: float, foot: float) -> Four:
    """The upper part of a car, a box that leans inwards: windows all around, roof and pillars in the body's colour.

    Returns:
        red, green, blue, share that mirrors the sky.
    """
    r, g, b = float(shapes[index, RED]), float(shapes[index, GREEN]), float(shapes[index, BLUE])
    hx, hy, hz = float(shapes[index, HX]), float(shapes[index, HY]), float(shapes[index, HZ])
    if nz > 0.9 or nz < -0.9:
        return r, g, b, 0.045
    up = lz + hz
    edge = max(foot, 0.004)
    front = hx - float(shapes[index, TAPER_FRONT]) * up
    rear = -hx + float(shapes[index, TAPER_REAR]) * up
    side = hy - float(shapes[index, TAPER_SIDE]) * up
    inset = min(up - 0.03, 2.0 * hz - 0.07 - up)
    if abs(ny) > abs(nx):
        inset = min(inset, min(front - 0.07 - lx, lx - rear - 0.09))
        middle = 0.5 * (front + rear) - 0.02
        inset = min(inset, abs(lx - middle) - 0.04)
    else:
        inset = min(inset, side - 0.05 - abs(ly))
    pane = min(max(0.5 + inset / edge, 0.0), 1.0)
    return r + pane * (0.012 - r), g + pane * (0.015 - g), b + pane * (0.018 - b), 0.045 + 0.045 * pane


@compiled
def leaf(shapes: F32, index: int, lx: float, ly: float, lz: float, wx: float, wy: float, wz: float, foot: float) -> Four:
    """Leaves: clumps in soft light and dark, finer ones near by; dark deep in the crown (LOOK: its radius; TAPER_…: from its middle to the ball's).

    Returns:
        red, green, blue, share of the light that reaches it.
    """
    r, g, b = float(shapes[index, RED]), float(shapes[index, GREEN]), float(shapes[index, BLUE])
    clump = grain3(wx * 2.3, wy * 2.3, wz * 2.3)
    fine = 0.0
    near = 1.0 - foot / 0.09
    if near > 0.0:
        fine = near * (0.6 * grain3(wx * 9.0, wy * 9.0, wz * 9.0) + 0.5 * grain3(wx * 21.0, wy * 21.0, wz * 21.0))
    deep = 0.85 + 0.15 * lz / float(shapes[index, HZ])
    crown = float(shapes[index, LOOK])
    if crown > 0.0:
        ox, oy, oz = lx + float(shapes[index, TAPER_FRONT]), ly + float(shapes[index, TAPER_REAR]), lz + float(shapes[index, TAPER_SIDE])
        out = math.sqrt(ox * ox + oy * oy + oz * oz) / crown
        deep *= min(max(1.5 * out - 0.55 + 0.2 * oz / crown, 0.22), 1.05)
    dull = max(deep + 0.30 * clump + 0.48 * fine, 0.12)
    yellow = 1.0 + 0.18 * clump
    return r * yellow, g, b, dull
