"""Houses and trees; the origin is the middle of the foot on the ground."""

from __future__ import annotations

import math

import numpy as np

from heron_sim.drawing.models_people import limb
from heron_sim.drawing.shapes import TAPER_FRONT, TAPER_SIDE, Form, Material, shape

RGB = tuple[float, float, float]
Rows = list[list[float]]

FACADES = 5  # styles of walls that `materials.facade` knows, told apart by look % 5
_CURTAIN = 3  # the style of glass
WALLS: tuple[RGB, ...] = (
    (0.56, 0.50, 0.41),
    (0.62, 0.61, 0.58),
    (0.36, 0.18, 0.12),
    (0.40, 0.40, 0.39),
    (0.50, 0.38, 0.26),
    (0.66, 0.60, 0.48),
    (0.30, 0.27, 0.24),
    (0.47, 0.52, 0.55),
    (0.58, 0.44, 0.36),
)
_GLASSY: tuple[RGB, ...] = ((0.10, 0.13, 0.15), (0.16, 0.17, 0.18), (0.09, 0.11, 0.10))
_TILES: tuple[RGB, ...] = ((0.07, 0.075, 0.085), (0.16, 0.07, 0.05), (0.05, 0.08, 0.09), (0.12, 0.11, 0.10))
_BOARDS: tuple[RGB, ...] = ((0.62, 0.05, 0.04), (0.04, 0.18, 0.55), (0.70, 0.70, 0.66), (0.05, 0.40, 0.16), (0.75, 0.45, 0.02), (0.40, 0.05, 0.30))
_LEAVES: tuple[RGB, ...] = ((0.075, 0.155, 0.035), (0.06, 0.13, 0.04), (0.11, 0.18, 0.035), (0.09, 0.15, 0.055))
_BLOSSOM: RGB = (0.62, 0.36, 0.40)
_BARK: RGB = (0.075, 0.055, 0.04)


def house_rows(length_m: float, width_m: float, height_m: float, look: int, lights: bool) -> Rows:
    """A building: small ones with a hipped roof, large ones flat with what stands on flat roofs; shops have boards that hang out."""
    rng = np.random.default_rng([look, 91])
    style = look % FACADES
    walls = _GLASSY if style == _CURTAIN else WALLS
    tint = float(rng.uniform(0.88, 1.08))
    wall = walls[int(rng.integers(len(walls)))]
    wall = (wall[0] * tint, wall[1] * tint, wall[2] * tint)
    half, side = length_m / 2.0, width_m / 2.0
    rows: Rows = []
    if height_m < 8.5:  # a dwelling
        rise = min(0.42 * side, 2.2)
        walls_m = height_m - rise + 0.5
        kind = float(5 * (look // 5) + (0, 4)[look % 2])
        rows.append(shape(Form.BOX, Material.FACADE, (0.0, 0.0, walls_m / 2.0), (half, side, walls_m / 2.0), wall, look=kind))
        eave = 0.45
        lean = (side + eave - 0.12) / rise
        tiles = _TILES[int(rng.integers(len(_TILES)))]
        rows.append(
            shape(
                Form.BOX,
                Material.PLAIN,
                (0.0, 0.0, walls_m + rise / 2.0),
                (half + eave, side + eave, rise / 2.0),
                tiles,
                taper=(0.8 * lean, 0.8 * lean, lean),
            )
        )
        rows.append(shape(Form.BOX, Material.PLAIN, (0.0, 0.0, walls_m - 0.04), (half + eave, side + eave, 0.06), (0.35, 0.33, 0.30)))
        for y in (1.0, -1.0):
            x = float(rng.uniform(-0.5, 0.5)) * half
            rows.append(shape(Form.BOX, Material.PLAIN, (x, y * (side + 0.4), 2.75), (1.1, 0.5, 0.06), tiles))
        return rows
    rows.append(shape(Form.BOX, Material.FACADE, (0.0, 0.0, height_m / 2.0), (half, side, height_m / 2.0), wall, look=float(look)))
    trim = (wall[0] * 0.85, wall[1] * 0.85, wall[2] * 0.85)
    rows.append(shape(Form.BOX, Material.PLAIN, (0.0, 0.0, height_m - 0.12), (half + 0.12, side + 0.12, 0.16), trim))
    x, y = float(rng.uniform(-0.4, 0.4)) * half, float(rng.uniform(-0.3, 0.3)) * side
    rows.append(shape(Form.BOX, Material.PLAIN, (x, y, height_m + 1.3), (min(2.4, 0.4 * half), min(2.0, 0.4 * side), 1.3), trim))
    if rng.random() < 0.5:
        rows.append(shape(Form.CYLINDER, Material.PLAIN, (-x, -y, height_m + 1.1), (1.0, 1.0, 1.1), (0.55, 0.56, 0.57)))
    if style in (2, 4) and height_m < 40.0:
        rows.append(shape(Form.BOX, Material.PLAIN, (0.0, 0.0, 3.75), (half + 0.25, side + 0.25, 0.12), trim))
    if style != 2:
        for y in (1.0, -1.0):
            if rng.random() < 0.55:  # a board that hangs out over the pavement, as at every shop here
                board = _BOARDS[int(rng.integers(len(_BOARDS)))]
                x = (half - 0.6) * (1.0 if rng.random() < 0.5 else -1.0)
                tall = min(2.2, (height_m - 5.5) / 2.0)
                middle = (x, y * (side + 0.32), 4.2 + tall)
                shine = 0.9 if lights and rng.random() < 0.6 else 0.0
                material = Material.EMISSIVE if shine > 0.0 else Material.PLAIN
                rows.append(shape(Form.BOX, material, middle, (0.09, 0.30, tall), board))
                ink = 0.75 if sum(board) < 1.5 else 0.05
                for k in range(4):  # its characters
                    z = 4.2 + tall * (0.3 + 0.47 * k)
                    size = min(0.19, 0.17 * tall)
                    rows.append(shape(Form.BOX, material, (x, middle[1], z), (0.095, 0.17, 0.30 * size), (ink, ink, ink)))
                    rows.append(shape(Form.BOX, material, (x, middle[1], z), (0.095, 0.035, size), (ink, ink, ink)))
            if rng.random() < 0.45:  # an awning
                cloth = _BOARDS[int(rng.integers(len(_BOARDS)))]
                at = float(rng.uniform(-0.5, 0.5)) * half
                wide = min(2.4, 0.35 * half)
                rows.append(shape(Form.BOX, Material.SKIN, (at, y * (side + 0.1), 2.85), (wide, 0.75, 0.22), cloth, taper=(0.0, 0.0, 1.2)))
    if style == 2:  # partition walls between balconies
        for y in (1.0, -1.0):
            rows.append(shape(Form.BOX, Material.PLAIN, (0.0, y * (side + 0.2), height_m / 2.0 + 1.6), (0.10, 0.22, height_m / 2.0 - 2.3), trim))
    return rows


def tree_rows(height_m: float, look: int) -> Rows:
    """A tree: a trunk that forks, and a crown of many balls, within 0.3 of its height from the trunk."""
    rng = np.random.default_rng([look, 92])
    leaves = _BLOSSOM if look % 11 == 0 else _LEAVES[look % len(_LEAVES)]
    tint = float(rng.uniform(0.85, 1.15))
    crown = 0.30 * height_m
    trunk = 0.032 * height_m
    fork = 0.40 * height_m
    rows: Rows = [shape(Form.CYLINDER, Material.SKIN, (0.0, 0.0, fork / 2.0 + 0.1), (trunk, trunk, fork / 2.0 + 0.1), _BARK)]
    turn = float(rng.uniform(0.0, 2.0 * math.pi))
    for k in range(3):
        angle = turn + k * 2.1
        end = (0.5 * crown * math.cos(angle), 0.5 * crown * math.sin(angle), 0.66 * height_m)
        rows += limb((0.0, 0.0, fork), end, 0.5 * trunk, _BARK, 3)
    balls = 17
    for k in range(balls):
        share = k / (balls - 1.0)
        angle = turn + k * 2.4
        z = (0.44 + 0.43 * share) * height_m
        wide = math.sin(math.pi * (0.24 + 0.66 * share))
        out = 0.66 * crown * wide * float(rng.uniform(0.75, 1.0)) if k < balls - 1 else 0.0
        radius = crown * (0.29 + 0.11 * float(rng.random())) * (0.75 + 0.25 * wide)
        shade = tint * float(rng.uniform(0.86, 1.14))
        colour = (leaves[0] * shade, leaves[1] * shade, leaves[2] * shade)
        middle = (out * math.cos(angle), out * math.sin(angle), z)
        row = shape(Form.ELLIPSOID, Material.LEAF, middle, (radius, radius, 0.88 * radius), colour, look=crown)
        # Leaves are shaded by their place in the crown, which the columns that balls do not need carry.
        row[TAPER_FRONT : TAPER_SIDE + 1] = [middle[0], middle[1], z - 0.66 * height_m]
        rows.append(row)
    core = (leaves[0] * 0.8 * tint, leaves[1] * 0.8 * tint, leaves[2] * 0.8 * tint)
    rows.append(shape(Form.ELLIPSOID, Material.LEAF, (0.0, 0.0, 0.66 * height_m), (0.62 * crown, 0.62 * crown, 0.24 * height_m), core))
    return rows
