"""Colour of what a ray meets, one pixel at a time: scalar arithmetic, no allocation, the same bits everywhere.

All colours are linear radiance as `light` defines it. Arguments that come up again and again:
    wx, wy, wz: the place, world; dx, dy, dz: unit direction of the ray, world; distance: metres along it;
    pixel: radians that the pixel spans; lit: 0 in a cast shadow … 1 in the sun;
    values, lamps, starts, items: the fields of `light.Lamps`.
"""

from __future__ import annotations

import math

from heron_sim.drawing import light as li
from heron_sim.drawing.compiled import compiled
from heron_sim.drawing.light import F32, I32, RGB
from heron_sim.drawing.materials import facade, glass, leaf
from heron_sim.drawing.shapes import BLUE, COS, GREEN, LOOK, MATERIAL, RED, SIN, TAPER_FRONT, TAPER_REAR, TAPER_SIDE, Material
from heron_sim.drawing.sky import sky_glossy
from heron_sim.drawing.texture import grain

Six = tuple[float, float, float, float, float, float]

_FACADE, _EMISSIVE, _GLASS, _LEAF = int(Material.FACADE), int(Material.EMISSIVE), int(Material.GLASS), int(Material.LEAF)
_PAINT, _REFLECTIVE = int(Material.PAINT), int(Material.REFLECTIVE)


@compiled
def lamp_light(
    wx: float,
    wy: float,
    wz: float,
    nx: float,
    ny: float,
    nz: float,
    dx: float,
    dy: float,
    dz: float,
    gloss: float,
    retro: float,
    values: F32,
    lamps: F32,
    starts: I32,
    items: I32,
) -> Six:
    """What the lamps of this place's cell give a white surface with the unit normal n, and what they mirror in it.

    `gloss` is the strength of the mirrored lamps, 0 matt … 1 wet; `retro` how much brighter the surface sends light back to where it came from.
    Gives diffuse red, green, blue, then mirrored red, green, blue.
    """
    r, g, b, mr, mg, mb = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    n = int(values[li.GRID_N])
    if n == 0:
        return r, g, b, mr, mg, mb
    i = int((wx - values[li.GRID_X]) / values[li.GRID_PITCH])
    j = int((wy - values[li.GRID_Y]) / values[li.GRID_PITCH])
    if i < 0 or j < 0 or i >= n or j >= n:
        return r, g, b, mr, mg, mb
    cell = j * n + i
    for k in range(starts[cell], starts[cell + 1]):
        m = items[k]
        tx, ty, tz = lamps[m, li.LAMP_X] - wx, lamps[m, li.LAMP_Y] - wy, lamps[m, li.LAMP_Z] - wz
        square = tx * tx + ty * ty + tz * tz
        reach = lamps[m, li.REACH]
        if square > reach * reach:
            continue
        away = math.sqrt(square) + 1e-6
        tx, ty, tz = tx / away, ty / away, tz / away
        cosine = -(tx * lamps[m, li.AIM_X] + ty * lamps[m, li.AIM_Y] + tz * lamps[m, li.AIM_Z])
        if lamps[m, li.BEAM] > 0.0:
            cone = _low_beam(cosine, tz)
        else:
            cone = (cosine - lamps[m, li.COS_EDGE]) / (lamps[m, li.COS_FULL] - lamps[m, li.COS_EDGE])
            cone = min(max(cone, 0.0), 1.0)
            cone = cone * cone * (3.0 - 2.0 * cone)
        fade = 1.0 - square / (reach * reach)
        strength = fade * fade * 25.0 / (square + 4.0)
        facing = tx * nx + ty * ny + tz * nz
        if cone > 0.0 and facing > 0.0:
            s = strength * cone * facing
            if retro > 0.0:
                back = -(dx * tx + dy * ty + dz * tz)
                if back > 0.985:
                    s *= 1.0 + retro * (back - 0.985) / 0.015
            r += s * lamps[m, li.LAMP_R]
            g += s * lamps[m, li.LAMP_G]
            b += s * lamps[m, li.LAMP_B]
        if gloss > 0.0 and facing > 0.0 and cosine > 0.0:
            # A wet road mirrors a lamp as a streak towards the eye: wide along the view, narrow across it.
            hx, hy, hz = tx - dx, ty - dy, tz - dz
            length = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6
            half = (hx * nx + hy * ny + hz * nz) / length
            power = half * half
            power *= power
            power *= power
            power *= power
            power *= power
            power *= power
            power *= power
            s = gloss * power * fade * (0.25 + 0.75 * cone) * lamps[m, li.MIRRORED]
            mr += s * lamps[m, li.LAMP_R]
            mg += s * lamps[m, li.LAMP_G]
            mb += s * lamps[m, li.LAMP_B]
    # Near a lamp the light is held back, as an eye and a good camera do.
    held = 1.0 / (1.0 + 0.5 * (r + g + b) / 3.0)
    return r * held, g * held, b * held, mr, mg, mb


@compiled
def _low_beam(cosine: float, down: float) -> float:
    """Share of a head lamp's strength in a direction: `cosine` to its aim, `down` the sine of the angle below the lamp.

    Strongest just below the horizon and falling with the cube further down, so that the road is lit evenly; little above the cut-off (UN R112).
    """
    if cosine <= 0.0:
        return 0.0
    aside = max(0.0, 1.0 - cosine * cosine - down * down)
    wide = max(0.0, 1.0 - aside / 0.45)
    wide *= wide
    if down < 0.0:
        steep = min(1.0, 1.0 + down / 0.012)
        return wide * (0.035 + 0.12 * max(0.0, steep))
    depth = down / 0.06
    fall = 1.0 + depth * depth
    return wide * min(1.0, 0.155 + down / 0.012) / (fall * math.sqrt(fall))


@compiled
def fogged(r: float, g: float, b: float, distance: float, values: F32) -> RGB:
    """A colour seen through `distance` metres of air: Koschmieder, contrast falls by exp(-EXTINCTION * distance)."""
    clear = math.exp(-values[li.EXTINCTION] * distance)
    veil = 1.0 - clear
    return r * clear + values[li.AIR_R] * veil, g * clear + values[li.AIR_G] * veil, b * clear + values[li.AIR_B] * veil


@compiled
def ground_colour(
    red: float,
    green: float,
    blue: float,
    wx: float,
    wy: float,
    dx: float,
    dy: float,
    dz: float,
    distance: float,
    pixel: float,
    lit: float,
    values: F32,
    lamps: F32,
    starts: I32,
    items: I32,
) -> RGB:
    """The ground at (wx, wy, 0) whose dry, linear colour there is (red, green, blue); without the air between."""
    foot = distance * pixel
    near = 1.0 - foot / 0.04
    if near > 0.0:
        rough = 1.0 + 0.16 * near * grain(wx * 38.0, wy * 38.0)
        red, green, blue = red * rough, green * rough, blue * rough
    wet = values[li.WET]
    mirror = 0.0
    if wet > 0.0:
        puddle = min(max(0.55 + 0.75 * grain(wx * 0.23, wy * 0.23) + 0.25 * grain(wx * 1.1, wy * 1.1), 0.0), 1.0) * wet
        soak = 1.0 - 0.45 * wet
        red, green, blue = red * soak, green * soak, blue * soak
        grazing = 1.0 + dz
        grazing *= grazing
        grazing *= grazing
        mirror = (0.03 + 0.55 * grazing) * (0.25 + 0.75 * puddle)
    shade = 1.0 - values[li.SHADE] * (1.0 - lit)
    sun = lit * max(values[li.SUN_Z], 0.0)
    lr = values[li.SUN_R] * sun + values[li.UP_R] * shade
    lg = values[li.SUN_G] * sun + values[li.UP_G] * shade
    lb = values[li.SUN_B] * sun + values[li.UP_B] * shade
    mr, mg, mb = 0.0, 0.0, 0.0
    if values[li.GRID_N] > 0.0:
        pr, pg, pb, mr, mg, mb = lamp_light(wx, wy, 0.0, 0.0, 0.0, 1.0, dx, dy, dz, 1.8 * mirror, 0.0, values, lamps, starts, items)
        under = 0.25 + 0.75 * lit
        lr, lg, lb = lr + pr * under, lg + pg * under, lb + pb * under
    r, g, b = red * lr + mr, green * lg + mg, blue * lb + mb
    if mirror > 0.0:
        sr, sg, sb = sky_glossy(dx, dy, -dz, values)
        keep = 1.0 - mirror
        mirror *= 0.35 + 0.65 * lit
        r, g, b = r * keep + sr * mirror, g * keep + sg * mirror, b * keep + sb * mirror
    return r, g, b


@compiled
def shape_colour(
    shapes: F32,
    index: int,
    lx: float,
    ly: float,
    lz: float,
    nx: float,
    ny: float,
    nz: float,
    wx: float,
    wy: float,
    wz: float,
    dx: float,
    dy: float,
    dz: float,
    distance: float,
    pixel: float,
    lit: float,
    values: F32,
    lamps: F32,
    starts: I32,
    items: I32,
) -> RGB:
    """A place on a shape; without the air between.

    `shapes[index]` is the shape, (lx, ly, lz) the place in its own axes from its middle, (nx, ny, nz) the outward normal there in these axes, of any
    length.
    """
    material = int(shapes[index, MATERIAL])
    r, g, b = float(shapes[index, RED]), float(shapes[index, GREEN]), float(shapes[index, BLUE])
    if material == _EMISSIVE:
        return r, g, b
    c, s = float(shapes[index, COS]), float(shapes[index, SIN])
    scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    ux, uy, uz = c * nx - s * ny, s * nx + c * ny, nz
    mirror = 0.0
    own = 0.0  # light of its own, for lit windows and signs
    er, eg, eb = 0.0, 0.0, 0.0
    dull = 1.0
    foot = distance * pixel
    if material == _FACADE:
        r, g, b, mirror, own, er, eg, eb, dull = facade(shapes, index, lx, ly, lz, nx, ny, nz, ux, uy, dx, dy, dz, foot, values[li.NIGHT])
    elif material == _GLASS:
        r, g, b, mirror = glass(shapes, index, lx, ly, lz, nx, ny, nz, foot)
    elif material == _LEAF:
        r, g, b, dull = leaf(shapes, index, lx, ly, lz, wx, wy, wz, foot)
    elif material == _PAINT:
        mirror = 0.045
    if material == _LEAF and shapes[index, LOOK] > 0.0:  # lit as a part of its crown more than as a ball
        ox, oy, oz = lx + float(shapes[index, TAPER_FRONT]), ly + float(shapes[index, TAPER_REAR]), lz + float(shapes[index, TAPER_SIDE])
        weight = 1.3 / (float(shapes[index, LOOK]) + 1e-6)
        ux, uy, uz = ux + weight * (c * ox - s * oy), uy + weight * (s * ox + c * oy), uz + weight * oz
        scale = 1.0 / math.sqrt(ux * ux + uy * uy + uz * uz + 1e-9)
        ux, uy, uz = ux * scale, uy * scale, uz * scale
    facing = dx * ux + dy * uy + dz * uz
    low = min(1.0, 0.6 + 0.55 * wz)  # near the ground less of the sky is seen
    up = 0.5 + 0.5 * uz
    shade = dull * (1.0 - values[li.SHADE] * (1.0 - lit)) * low
    sun = max(0.0, ux * values[li.SUN_X] + uy * values[li.SUN_Y] + uz * values[li.SUN_Z]) * lit
    if material == _LEAF:
        sun = 0.75 * sun + 0.25 * lit * max(values[li.SUN_Z], 0.2)
        sun *= dull
    lr = values[li.SUN_R] * sun + (values[li.UP_R] * up + values[li.DOWN_R] * (1.0 - up)) * shade
    lg = values[li.SUN_G] * sun + (values[li.UP_G] * up + values[li.DOWN_G] * (1.0 - up)) * shade
    lb = values[li.SUN_B] * sun + (values[li.UP_B] * up + values[li.DOWN_B] * (1.0 - up)) * shade
    mr, mg, mb = 0.0, 0.0, 0.0
    if values[li.GRID_N] > 0.0:
        gloss = 0.06 if mirror > 0.0 and material != _FACADE else 0.0
        retro = 14.0 if material == _REFLECTIVE else 0.0
        pr, pg, pb, mr, mg, mb = lamp_light(wx, wy, wz, ux, uy, uz, dx, dy, dz, gloss, retro, values, lamps, starts, items)
        leafy = dull if material == _LEAF else 1.0
        lr, lg, lb = lr + pr * leafy, lg + pg * leafy, lb + pb * leafy
    r, g, b = r * lr + mr, g * lg + mg, b * lb + mb
    if mirror > 0.0:
        grazing = max(0.0, 1.0 + facing)
        grazing *= grazing
        share = min(mirror + (1.0 - mirror) * grazing * grazing * 0.8, 1.0)
        rx, ry, rz = dx - 2.0 * facing * ux, dy - 2.0 * facing * uy, dz - 2.0 * facing * uz
        if rz > 0.0:
            sr, sg, sb = sky_glossy(rx, ry, rz, values)
            along = rx * values[li.SUN_X] + ry * values[li.SUN_Y] + rz * values[li.SUN_Z]
            if along > 0.96 and lit > 0.0:
                spark = (along - 0.96) / 0.04
                spark *= spark
                spark *= spark * 6.0 * lit
                sr, sg, sb = sr + spark * values[li.SUN_R], sg + spark * values[li.SUN_G], sb + spark * values[li.SUN_B]
            blocked = 0.35 + 0.65 * min(1.0, rz * 3.0)  # houses stand before the low sky
            sr, sg, sb = sr * blocked, sg * blocked, sb * blocked
        else:
            sr, sg, sb = 0.12 * values[li.UP_R], 0.12 * values[li.UP_G], 0.12 * values[li.UP_B]
        keep = 1.0 - share
        r, g, b = r * keep + sr * share, g * keep + sg * share, b * keep + sb * share
    return r + own * er, g + own * eg, b + own * eb
