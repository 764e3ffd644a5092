"""What the ray-caster knows: convex shapes in rows of numbers, in one table of float32."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


class Form(IntEnum):
    """Geometry of a shape; sizes are half sizes, in its own axes (turned about z by its yaw)."""

    BOX = 0  # taper: the top is narrower than the middle by k per metre of height (front, rear, sides)
    CYLINDER = 1  # radius HX, half length HZ; axis z, or the shape's own x with AXIS_X = 1
    ELLIPSOID = 2


class Material(IntEnum):
    """How a shape is shaded."""

    PLAIN = 0
    FACADE = 1  # windows by storeys, lit at night
    EMISSIVE = 2  # a lamp: its colour does not depend on light
    GLASS = 3  # windscreens and windows; roof in the body's colour
    LEAF = 4
    PAINT = 5  # shiny bodywork
    SKIN = 6  # people and cloth: matt
    REFLECTIVE = 7  # vests, cones' stripes, signs: bright in headlights


# Columns of a row.
FORM, MATERIAL = 0, 1
CX, CY, CZ = 2, 3, 4  # middle in the world (or in the model, before placing)
COS, SIN = 5, 6  # of its yaw
HX, HY, HZ = 7, 8, 9  # half sizes
TAPER_FRONT, TAPER_REAR, TAPER_SIDE = 10, 11, 12  # of boxes: how far a face leans inwards per metre of height; TAPER_FRONT 1: the cylinder lies
RED, GREEN, BLUE = 13, 14, 15  # linear, 0 … 1 and above for lamps
RADIUS = 16  # bounding sphere about the middle
ID = 17  # instance: actors 1 … 9999, everything else from 10000; 0: never labelled
LOOK = 18  # free for the material: seed of windows, …
COLUMNS = 19


def shape(
    form: Form,
    material: Material,
    middle: tuple[float, float, float],
    half: tuple[float, float, float],
    colour: tuple[float, float, float],
    *,
    yaw_rad: float = 0.0,
    taper: tuple[float, float, float] = (0.0, 0.0, 0.0),
    lying: bool = False,
    identity: int = 0,
    look: float = 0.0,
) -> list[float]:
    """One row.

    Args:
        form: geometry.
        material: how it is shaded.
        middle: metres.
        half: half sizes, metres; of a cylinder (radius, radius, half length).
        colour: linear red, green, blue.
        yaw_rad: direction of its x axis.
        taper: of a box: front, rear, sides.
        lying: a cylinder's axis is its own x.
        identity: instance id.
        look: for the material.
    """
    lean = (1.0, 0.0, 0.0) if lying else taper
    radius = float(np.linalg.norm(half)) * (1.0 + max(0.0, *(-value for value in lean)))
    turn = float(np.cos(yaw_rad)), float(np.sin(yaw_rad))
    return [float(form), float(material), *middle, *turn, *half, *lean, *colour, radius, float(identity), look]


def placed(rows: F32, x_m: float, y_m: float, yaw_rad: float, z_m: float = 0.0) -> F32:
    """A model's rows (n, COLUMNS) turned by `yaw_rad` and moved to (x, y, z)."""
    c, s = np.float32(np.cos(yaw_rad)), np.float32(np.sin(yaw_rad))
    out = rows.copy()
    out[:, CX] = x_m + c * rows[:, CX] - s * rows[:, CY]
    out[:, CY] = y_m + s * rows[:, CX] + c * rows[:, CY]
    out[:, CZ] += z_m
    out[:, COS] = c * rows[:, COS] - s * rows[:, SIN]
    out[:, SIN] = s * rows[:, COS] + c * rows[:, SIN]
    return out
