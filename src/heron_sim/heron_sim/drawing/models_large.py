"""Trucks and buses; x forward, the middle of the box on the ground is the origin."""

from __future__ import annotations

from heron_sim.drawing.models_car import (
    AMBER_LIT,
    AMBER_OFF,
    BLACK,
    BRAKE_LIT,
    HEAD_LIT,
    HEAD_OFF,
    RGB,
    TAIL_LIT,
    TAIL_OFF,
    WHITE,
    Lit,
    Rows,
    lamp_box,
    wheel,
)
from heron_sim.drawing.shapes import Form, Material, shape

_PANE: RGB = (0.014, 0.017, 0.020)
_GREEN_PLATE: RGB = (0.02, 0.20, 0.08)
_CABS: tuple[RGB, ...] = ((0.70, 0.70, 0.68), (0.03, 0.16, 0.42), (0.05, 0.28, 0.16), (0.55, 0.06, 0.04), (0.18, 0.32, 0.50))
_CARGO: tuple[RGB, ...] = ((0.62, 0.63, 0.64), (0.70, 0.70, 0.67), (0.40, 0.42, 0.44), (0.10, 0.20, 0.34))
_BUSES: tuple[tuple[RGB, RGB], ...] = (
    ((0.70, 0.68, 0.60), (0.45, 0.05, 0.04)),
    ((0.60, 0.66, 0.70), (0.03, 0.14, 0.45)),
    ((0.68, 0.70, 0.62), (0.04, 0.28, 0.12)),
)


def _lamps(half: float, side: float, front_z: float, rear_z: float, lit: Lit) -> Rows:
    rows: Rows = []
    for y, blink in ((1.0, lit.left), (-1.0, lit.right)):
        rows.append(lamp_box((half - 0.03, y * (side - 0.34), front_z), (0.03, 0.16, 0.09), lit.lights, HEAD_LIT, HEAD_OFF))
        rows.append(lamp_box((half - 0.035, y * (side - 0.10), front_z), (0.03, 0.06, 0.08), blink, AMBER_LIT, AMBER_OFF))
        red = lit.brake or lit.lights
        rows.append(lamp_box((-half + 0.03, y * (side - 0.20), rear_z), (0.03, 0.10, 0.09), red, BRAKE_LIT if lit.brake else TAIL_LIT, TAIL_OFF))
        rows.append(lamp_box((-half + 0.03, y * (side - 0.40), rear_z), (0.03, 0.09, 0.09), blink, AMBER_LIT, AMBER_OFF))
    return rows


def truck_rows(length_m: float, width_m: float, height_m: float, look: int, lit: Lit) -> Rows:
    """A lorry with a closed body."""
    half, side = length_m / 2.0, width_m / 2.0
    cab_m = min(2.0, 0.3 * length_m)
    cab_top = 0.80 * height_m
    cab, cargo = _CABS[look % len(_CABS)], _CARGO[(look // 2) % len(_CARGO)]
    x = half - cab_m / 2.0
    bottom = 0.45
    rows: Rows = [
        shape(
            Form.BOX,
            Material.PAINT,
            (x, 0.0, (bottom + cab_top) / 2.0),
            (cab_m / 2.0, side - 0.06, (cab_top - bottom) / 2.0),
            cab,
            taper=(0.06, 0.0, 0.02),
        ),
        shape(Form.BOX, Material.PAINT, (half - 0.12, 0.0, 0.73 * cab_top), (0.105, side - 0.18, 0.15 * cab_top), _PANE, taper=(0.06, 0.0, 0.0)),
        shape(Form.BOX, Material.PAINT, (half - 0.75, 0.0, 0.73 * cab_top), (0.38, side - 0.065, 0.14 * cab_top), _PANE),
        shape(Form.BOX, Material.PLAIN, (half - 0.07, 0.0, 0.40 * cab_top), (0.06, 0.55 * side, 0.05 * cab_top), BLACK),
        shape(Form.BOX, Material.PLAIN, (half - 0.10, 0.0, bottom + 0.08), (0.10, side - 0.05, 0.16), (0.05, 0.05, 0.055)),
    ]
    rear_end, body_front = -half, half - cab_m - 0.12
    body = (body_front + rear_end) / 2.0
    floor = 0.95
    rows.append(
        shape(Form.BOX, Material.PAINT, (body, 0.0, (floor + height_m) / 2.0), ((body_front - rear_end) / 2.0, side, (height_m - floor) / 2.0), cargo)
    )
    stripe = _CABS[(look + 2) % len(_CABS)]
    rows.append(
        shape(
            Form.BOX,
            Material.PLAIN,
            (body, 0.0, floor + 0.42 * (height_m - floor)),
            ((body_front - rear_end) / 2.0 - 0.25, side + 0.004, 0.16),
            stripe,
        )
    )
    rows.append(shape(Form.BOX, Material.PLAIN, (rear_end, 0.0, (floor + height_m) / 2.0), (0.006, 0.012, (height_m - floor) / 2.0 - 0.05), BLACK))
    for y in (0.25, -0.25):
        rows.append(
            shape(
                Form.CYLINDER,
                Material.PLAIN,
                (rear_end + 0.01, y, (floor + height_m) / 2.0),
                (0.02, 0.02, 0.46 * (height_m - floor)),
                (0.25, 0.25, 0.26),
            )
        )
    rows.append(shape(Form.BOX, Material.PLAIN, (-0.1 * length_m, 0.0, 0.78), (0.39 * length_m, 0.45, 0.12), (0.03, 0.03, 0.03)))
    rows.append(shape(Form.BOX, Material.PLAIN, (rear_end + 0.06, 0.0, 0.52), (0.05, side - 0.1, 0.06), (0.2, 0.03, 0.03)))
    rows.append(shape(Form.BOX, Material.REFLECTIVE, (rear_end + 0.004, 0.0, 0.72), (0.01, 0.22, 0.11), _GREEN_PLATE))
    rows.append(shape(Form.BOX, Material.REFLECTIVE, (half - 0.004, 0.0, 0.62), (0.004, 0.22, 0.11), _GREEN_PLATE))
    for axle in (half - 0.75 * cab_m, -half + 0.22 * length_m):
        for y in (side - 0.02, -side + 0.02):
            rows += wheel(axle, y, 0.46, 0.32)
    rows += _lamps(half, side - 0.02, 0.62, 0.74, lit)
    for y in (side - 0.06, -side + 0.06):
        rows.append(shape(Form.BOX, Material.PLAIN, (half - 0.08, y, 0.74 * cab_top), (0.05, 0.055, 0.2), BLACK))
    return rows


def bus_rows(length_m: float, width_m: float, height_m: float, look: int, lit: Lit) -> Rows:
    """A city bus."""
    half, side = length_m / 2.0, width_m / 2.0
    colour, stripe = _BUSES[look % len(_BUSES)]
    low = 0.32
    z, tall = (low + height_m) / 2.0, (height_m - low) / 2.0
    rows: Rows = [
        shape(Form.BOX, Material.PAINT, (0.0, 0.0, z), (half - 0.02, side - 0.02, tall), colour, taper=(0.02, 0.01, 0.015)),
        shape(Form.BOX, Material.PLAIN, (0.0, 0.0, low + 0.5), (half - 0.012, side - 0.006, 0.12), stripe),
        shape(Form.BOX, Material.PAINT, (half - 0.085, 0.0, 0.60 * height_m), (0.08, side - 0.13, 0.21 * height_m), _PANE),
        shape(Form.BOX, Material.EMISSIVE, (half - 0.06, 0.0, 0.885 * height_m), (0.052, 0.55 * side, 0.1), (1.5, 0.75, 0.12)),
        shape(Form.BOX, Material.PAINT, (-half + 0.085, 0.0, 0.66 * height_m), (0.08, side - 0.25, 0.13 * height_m), _PANE),
        shape(Form.BOX, Material.PLAIN, (half - 0.05, 0.0, 0.42), (0.05, side - 0.015, 0.12), (0.06, 0.06, 0.065)),
        shape(Form.BOX, Material.REFLECTIVE, (-half + 0.004, 0.0, 0.75), (0.02, 0.22, 0.11), WHITE),
        shape(Form.BOX, Material.REFLECTIVE, (half - 0.006, 0.0, 0.48), (0.006, 0.22, 0.11), WHITE),
        shape(Form.BOX, Material.PLAIN, (-0.1 * length_m, 0.0, height_m - 0.05), (0.2 * length_m, 0.6 * side, 0.049), (0.5, 0.5, 0.5)),
    ]
    windows = max(3, int((length_m - 1.2) / 1.45))
    step = (length_m - 1.0) / windows
    for i in range(windows):
        x = -half + 0.5 + (i + 0.5) * step
        rows.append(shape(Form.BOX, Material.PAINT, (x, 0.0, 0.64 * height_m), (step / 2.0 - 0.05, side - 0.004, 0.15 * height_m), _PANE))
    for axle in (half - 0.23 * length_m, -half + 0.24 * length_m):
        for y in (side, -side):
            rows += wheel(axle, y, 0.47, 0.3)
    return rows + _lamps(half, side, 0.72, 0.95, lit)
