"""Colour of the sky along a ray."""

from __future__ import annotations

import math

from heron_sim.drawing import light as li
from heron_sim.drawing.compiled import compiled
from heron_sim.drawing.light import F32, RGB
from heron_sim.drawing.texture import grain, hashed


@compiled
def sky_glossy(dx: float, dy: float, dz: float, values: F32) -> RGB:
    """The sky as a shiny surface mirrors it: without clouds and sun. (dx, dy, dz): unit direction, dz >= 0."""
    high = 1.0 - max(dz, 0.0)
    high *= high
    f = high * high
    return (
        values[li.ZENITH_R] + (values[li.HORIZON_R] - values[li.ZENITH_R]) * f,
        values[li.ZENITH_G] + (values[li.HORIZON_G] - values[li.ZENITH_G]) * f,
        values[li.ZENITH_B] + (values[li.HORIZON_B] - values[li.ZENITH_B]) * f,
    )


@compiled
def sky_colour(dx: float, dy: float, dz: float, values: F32) -> RGB:
    """The sky along a unit direction, red, green, blue; below the horizon its colour at the horizon. The air before it is part of it."""
    r, g, b = sky_glossy(dx, dy, dz, values)
    along = dx * values[li.SUN_X] + dy * values[li.SUN_Y] + dz * values[li.SUN_Z]
    glow = values[li.GLOW]
    if glow > 0.0 and along > 0.0:
        wide = along * along
        wide *= wide
        halo = glow * (0.22 * wide + 0.5 * wide * wide * wide * wide)
        if along > 0.9995:
            halo += 12.0 * min(1.0, (along - 0.9995) / 0.0002)
        r, g, b = r + halo * values[li.GLOW_R], g + halo * values[li.GLOW_G], b + halo * values[li.GLOW_B]
    clouds = values[li.CLOUDS]
    if clouds > 0.0 and dz > 0.02:
        reach = 1.0 / (dz + 0.12)
        x, y = dx * reach * 2.2, dy * reach * 2.2
        n = 0.52 * grain(x, y) + 0.29 * grain(2.1 * x + 7.0, 2.1 * y - 3.0) + 0.19 * grain(4.7 * x - 5.0, 4.7 * y + 9.0)
        cover = min(max((n + clouds * 1.1 - 0.45) * 1.9, 0.0), 1.0)
        cover = cover * cover * (3.0 - 2.0 * cover) * min(1.0, (dz - 0.02) * 7.0)
        if clouds >= 1.0:
            cover = 0.35 * (0.5 + n) * min(1.0, (dz - 0.02) * 5.0)
        else:
            cover *= 0.85
        r, g, b = r + cover * (values[li.CLOUD_R] - r), g + cover * (values[li.CLOUD_G] - g), b + cover * (values[li.CLOUD_B] - b)
    if values[li.NIGHT] >= 1.0 and clouds < 1.0 and values[li.EXTINCTION] < 1e-3 and dz > 0.05:
        i, j = math.floor(math.atan2(dy, dx) * 180.0), math.floor(dz * 180.0)
        if hashed(i, j) > 0.996:
            spark = 0.12 * hashed(j, i + 11)
            r, g, b = r + spark, g + spark, b + spark
    return r, g, b
