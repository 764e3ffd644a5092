"""Cars: four bodies, in the colours of a street; x forward, the middle of the box on the ground is the origin."""

from __future__ import annotations

import math
from dataclasses import dataclass

from heron_sim.drawing.shapes import Form, Material, shape

RGB = tuple[float, float, float]
Rows = list[list[float]]

COLOURS: tuple[RGB, ...] = (
    (0.78, 0.78, 0.76),
    (0.36, 0.37, 0.39),
    (0.014, 0.014, 0.016),
    (0.09, 0.10, 0.11),
    (0.42, 0.025, 0.022),
    (0.025, 0.07, 0.26),
    (0.74, 0.73, 0.68),
    (0.30, 0.42, 0.50),
    (0.46, 0.38, 0.24),
    (0.05, 0.13, 0.09),
    (0.60, 0.22, 0.03),
)
BLACK: RGB = (0.012, 0.012, 0.013)
RUBBER: RGB = (0.018, 0.018, 0.019)
WHITE: RGB = (0.72, 0.72, 0.68)
HEAD_LIT: RGB = (2.6, 2.5, 2.2)
HEAD_OFF: RGB = (0.55, 0.58, 0.60)
BRAKE_LIT: RGB = (3.0, 0.10, 0.05)
TAIL_LIT: RGB = (0.85, 0.02, 0.012)
TAIL_OFF: RGB = (0.22, 0.008, 0.008)
AMBER_LIT: RGB = (2.6, 0.95, 0.05)
AMBER_OFF: RGB = (0.30, 0.12, 0.02)


@dataclass(frozen=True)
class Lit:
    """Which lamps of a vehicle are on; left and right indicators as they blink at this moment."""

    brake: bool = False
    left: bool = False
    right: bool = False
    lights: bool = False


@dataclass(frozen=True)
class _Body:
    """Shares of the length, and tapers.

    Attributes:
        belt: height of the windows' lower edge over the height.
        cabin_front, cabin_rear: where the windows begin and end at the belt, from the middle, over the length.
        windscreen, rear_window: how far they lean, metres per metre.
        nose, tail: how far the body's ends lean.
        plate: colour of the number plates.
    """

    belt: float
    cabin_front: float
    cabin_rear: float
    windscreen: float
    rear_window: float
    nose: float
    tail: float
    plate: RGB = WHITE


_BODIES = (
    _Body(0.60, 0.20, -0.485, 1.15, 0.42, 0.16, 0.05),  # hatchback
    _Body(0.60, 0.18, -0.36, 1.15, 0.95, 0.16, 0.10),  # saloon
    _Body(0.53, 0.33, -0.495, 0.55, 0.05, 0.10, 0.01, (0.72, 0.52, 0.03)),  # kei car: tall, and yellow plates
    _Body(0.55, 0.36, -0.495, 0.62, 0.10, 0.14, 0.02),  # minivan
)


def wheel(x: float, y_outer: float, radius: float, width: float) -> Rows:
    """One wheel whose outer face is at `y_outer` (its sign tells the side): tyre, rim and hub."""
    side = math.copysign(1.0, y_outer)
    turned = math.pi / 2.0
    tyre = (x, y_outer - side * (width / 2.0 + 0.004), radius)
    return [
        shape(Form.CYLINDER, Material.PLAIN, tyre, (radius, radius, width / 2.0), RUBBER, yaw_rad=turned, lying=True),
        shape(
            Form.CYLINDER,
            Material.PLAIN,
            (x, y_outer - side * 0.05, radius),
            (0.64 * radius, 0.64 * radius, 0.048),
            (0.34, 0.35, 0.36),
            yaw_rad=turned,
            lying=True,
        ),
        shape(
            Form.CYLINDER,
            Material.PLAIN,
            (x, y_outer - side * 0.05, radius),
            (0.30 * radius, 0.30 * radius, 0.05),
            (0.07, 0.07, 0.07),
            yaw_rad=turned,
            lying=True,
        ),
    ]


def lamp_box(middle: RGB, half: RGB, lit: bool, on: RGB, off: RGB) -> list[float]:
    """A lamp's glass: shines or not."""
    return shape(Form.BOX, Material.EMISSIVE if lit else Material.PAINT, middle, half, on if lit else off)


def car_rows(length_m: float, width_m: float, height_m: float, look: int, lit: Lit) -> Rows:
    """A car that fills its box; `look` picks body and colour."""
    body = _BODIES[look % len(_BODIES)]
    colour = COLOURS[(look // len(_BODIES) + look) % len(COLOURS)]
    half, side = length_m / 2.0, width_m / 2.0
    belt, sill = body.belt * height_m, 0.17
    radius = min(0.215 * height_m, 0.33)
    low = (belt - sill) / 2.0
    middle = sill + low
    rows: Rows = []
    # Lower body, with a dark skirt below and the windows above it.
    rows.append(shape(Form.BOX, Material.PAINT, (0.0, 0.0, middle), (half, side - 0.006, low), colour, taper=(body.nose, body.tail, 0.06)))
    rows.append(shape(Form.BOX, Material.PLAIN, (0.0, 0.0, sill + 0.02), (half - 0.05, side - 0.04, 0.06), BLACK))
    front, rear = body.cabin_front * length_m, body.cabin_rear * length_m
    cabin_low = belt - 0.012
    cabin = (height_m - cabin_low) / 2.0
    rows.append(
        shape(
            Form.BOX,
            Material.GLASS,
            ((front + rear) / 2.0, 0.0, cabin_low + cabin),
            ((front - rear) / 2.0, side - 0.006 - 0.06 * 2.0 * low - 0.012, cabin),
            colour,
            taper=(body.windscreen, body.rear_window, 0.22),
        )
    )
    axle = 0.5 * length_m - max(0.19 * length_m, radius + 0.22)
    for x in (axle, -axle):
        for y in (side, -side):
            arch = (x, math.copysign(side - 0.062, y), radius + 0.046)
            rows.append(
                shape(Form.CYLINDER, Material.PLAIN, arch, (radius + 0.045, radius + 0.045, 0.0535), BLACK, yaw_rad=math.pi / 2.0, lying=True)
            )
            rows += wheel(x, y, radius, 0.2)
    # What the ends carry follows their lean.
    lamp_z = sill + 1.36 * low
    nose_x = half - body.nose * (lamp_z - sill)
    tail_z = sill + 1.5 * low if belt < 0.57 * height_m else sill + 1.56 * low
    tail_x = -half + body.tail * (tail_z - sill)
    for y, blink in ((1.0, lit.left), (-1.0, lit.right)):
        rows.append(lamp_box((nose_x - 0.075, y * (side - 0.27), lamp_z), (0.09, 0.17, 0.068), lit.lights, HEAD_LIT, HEAD_OFF))
        rows.append(lamp_box((nose_x - 0.10, y * (side - 0.068), lamp_z), (0.10, 0.045, 0.06), blink, AMBER_LIT, AMBER_OFF))
        red = lit.brake or lit.lights
        tall = 0.15 if body.tail < 0.03 else 0.075
        rows.append(lamp_box((tail_x + 0.06, y * (side - 0.19), tail_z), (0.072, 0.12, tall), red, BRAKE_LIT if lit.brake else TAIL_LIT, TAIL_OFF))
        rows.append(lamp_box((tail_x + 0.06, y * (side - 0.19), tail_z - tall - 0.045), (0.075, 0.12, 0.04), blink, AMBER_LIT, AMBER_OFF))
        rows.append(shape(Form.BOX, Material.PAINT, (front - 0.12, y * (side - 0.045), belt + 0.09), (0.06, 0.042, 0.075), colour))
    rows.append(shape(Form.BOX, Material.PLAIN, (half - 0.055, 0.0, sill + 0.62 * low), (0.05, 0.62 * side, 0.26 * low), BLACK))
    rows.append(shape(Form.BOX, Material.PAINT, (nose_x - 0.05, 0.0, lamp_z), (0.06, 0.42 * side, 0.035), (0.10, 0.10, 0.11)))
    rows.append(shape(Form.BOX, Material.REFLECTIVE, (half - 0.012, 0.0, sill + 0.60 * low), (0.011, 0.165, 0.0825), body.plate))
    rows.append(shape(Form.BOX, Material.PLAIN, (-half + 0.06, 0.0, sill + 0.28 * low), (0.058, 0.85 * side, 0.16 * low), (0.03, 0.03, 0.032)))
    plate_z = sill + 1.0 * low
    rows.append(
        shape(Form.BOX, Material.REFLECTIVE, (-half + body.tail * (plate_z - sill) + 0.008, 0.0, plate_z), (0.012, 0.165, 0.0825), body.plate)
    )
    if lit.brake:
        top = height_m - 0.085
        rows.append(shape(Form.BOX, Material.EMISSIVE, (rear + body.rear_window * (top - cabin_low) + 0.0, 0.0, top), (0.02, 0.2, 0.025), BRAKE_LIT))
    return rows
