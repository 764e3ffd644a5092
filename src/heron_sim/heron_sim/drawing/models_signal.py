"""Traffic lights: masts, arms and boxes that always stand there, and the lamps that are lit now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from heron_core.arrays import read_only
from heron_sim.drawing.models_car import RGB, Rows
from heron_sim.drawing.shapes import COLUMNS, F32, ID, Form, Material, placed, shape
from heron_sim.roads.network import RoadNetwork, SignalHead
from heron_sim.truth import Lamp

SIGNAL_ID = 60_000  # instance id of the first head
LENS_M = 0.15  # radius of a drivers' lamp
LIT: dict[Lamp, RGB] = {Lamp.RED: (3.2, 0.07, 0.04), Lamp.YELLOW: (3.0, 1.45, 0.04), Lamp.GREEN: (0.04, 2.5, 1.25)}
_DARK: dict[Lamp, RGB] = {Lamp.RED: (0.055, 0.008, 0.007), Lamp.YELLOW: (0.055, 0.035, 0.005), Lamp.GREEN: (0.008, 0.045, 0.03)}
_BOX: RGB = (0.11, 0.12, 0.12)
_BLACK: RGB = (0.008, 0.008, 0.008)
_STEEL: RGB = (0.28, 0.29, 0.30)
_PITCH_M = 0.39
_ORDER = (Lamp.GREEN, Lamp.YELLOW, Lamp.RED)  # of a lying box, from the kerb to the middle of the road


def _lens_places(left_hand: bool) -> dict[Lamp, tuple[float, float]]:
    """Lamp → (y, z) in the head's axes. Lying where traffic keeps left, red towards the middle of the road; else standing, red above."""
    if left_hand:
        return {lamp: ((k - 1) * _PITCH_M, 0.0) for k, lamp in enumerate(_ORDER)}
    return {lamp: (0.0, (k - 1) * _PITCH_M) for k, lamp in enumerate(_ORDER)}


def _drivers_box(left_hand: bool) -> Rows:
    half_y, half_z = (1.5 * _PITCH_M + 0.04, 0.225) if left_hand else (0.225, 1.5 * _PITCH_M + 0.04)
    rows: Rows = [
        shape(Form.BOX, Material.PLAIN, (-0.06, 0.0, 0.0), (0.09, half_y, half_z), _BOX),
        shape(Form.BOX, Material.PLAIN, (0.028, 0.0, 0.0), (0.004, half_y - 0.02, half_z - 0.02), _BLACK),
    ]
    for lamp, (y, z) in _lens_places(left_hand).items():
        rows.append(shape(Form.CYLINDER, Material.PAINT, (0.04, y, z), (LENS_M, LENS_M, 0.010), _DARK[lamp], lying=True))
        rows.append(shape(Form.BOX, Material.PLAIN, (0.14, y, z + LENS_M + 0.015), (0.11, 0.5 * LENS_M, 0.006), _BLACK))
        for side in (1.0, -1.0):
            rows.append(shape(Form.BOX, Material.PLAIN, (0.12, y + side * 0.77 * LENS_M, z + 0.72 * LENS_M), (0.09, 0.25 * LENS_M, 0.030), _BLACK))
    return rows


def _walkers_box() -> Rows:
    rows: Rows = [shape(Form.BOX, Material.PLAIN, (0.0, 0.0, 0.0), (0.10, 0.19, 0.36), _BOX)]
    for z, lamp in ((0.17, Lamp.RED), (-0.17, Lamp.GREEN)):
        rows.append(shape(Form.BOX, Material.PAINT, (0.10, 0.0, z), (0.005, 0.14, 0.14), _DARK[lamp]))
        rows.append(shape(Form.BOX, Material.PLAIN, (0.16, 0.0, z + 0.155), (0.08, 0.17, 0.006), _BLACK))
    return rows


def _mast(head: SignalHead) -> Rows:
    """In the world: the mast, and its arm to the head."""
    dx, dy = head.x_m - head.mast_x_m, head.y_m - head.mast_y_m
    reach = math.hypot(dx, dy)
    top = head.z_m + (0.55 if head.pedestrian else 0.30)
    radius = 0.05 if head.pedestrian else 0.11
    x, y = head.mast_x_m, head.mast_y_m
    if head.pedestrian and reach < 0.2:  # the pole stands behind the box
        x, y = x - 0.16 * math.cos(head.yaw_rad), y - 0.16 * math.sin(head.yaw_rad)
    rows: Rows = [shape(Form.CYLINDER, Material.PLAIN, (x, y, top / 2.0), (radius, radius, top / 2.0), _STEEL)]
    if reach > 0.3:
        back = 0.20
        x, y = (head.x_m + x) / 2.0 - back * math.cos(head.yaw_rad), (head.y_m + y) / 2.0 - back * math.sin(head.yaw_rad)
        yaw = math.atan2(dy, dx)
        rows.append(shape(Form.CYLINDER, Material.PLAIN, (x, y, head.z_m + 0.08), (0.055, 0.055, reach / 2.0 + 0.3), _STEEL, yaw_rad=yaw, lying=True))
    return rows


def signal_shapes(network: RoadNetwork) -> F32:
    """Masts, arms and boxes of all signals in the world, dark; head i has the id SIGNAL_ID + i."""
    parts: list[F32] = [np.zeros((0, COLUMNS), np.float32)]
    for index, head in enumerate(network.heads):
        box = np.array(_walkers_box() if head.pedestrian else _drivers_box(network.left_hand), np.float32)
        rows = np.concatenate([placed(box, head.x_m, head.y_m, head.yaw_rad, head.z_m), np.array(_mast(head), np.float32)])
        rows[:, ID] = SIGNAL_ID + index
        parts.append(rows)
    return np.concatenate(parts)


def lamp_shapes(network: RoadNetwork, lamps: Mapping[int, Lamp]) -> F32:
    """The lit lamps in the world, (n, COLUMNS): one row per head whose group is in `lamps`; ids as `signal_shapes`."""
    parts: list[F32] = [np.zeros((0, COLUMNS), np.float32)]
    for index, head in enumerate(network.heads):
        lamp = lamps.get(head.group)
        if lamp is None:
            continue
        rows = placed(_lit(lamp, head.pedestrian, network.left_hand), head.x_m, head.y_m, head.yaw_rad, head.z_m)
        rows[:, ID] = SIGNAL_ID + index
        parts.append(rows)
    return np.concatenate(parts)


@lru_cache(maxsize=32)
def _lit(lamp: Lamp, pedestrian: bool, left_hand: bool) -> F32:
    if pedestrian:  # walkers are told by red and green alone; a green that ends blinks on a real street, here it is red already
        z = -0.17 if lamp is Lamp.GREEN else 0.17
        colour = LIT[Lamp.GREEN if lamp is Lamp.GREEN else Lamp.RED]
        rows = [
            shape(Form.CYLINDER, Material.EMISSIVE, (0.105, 0.0, z + 0.09), (0.035, 0.035, 0.006), colour, lying=True),
            shape(Form.BOX, Material.EMISSIVE, (0.105, 0.0, z), (0.006, 0.045, 0.06), colour),
            shape(Form.BOX, Material.EMISSIVE, (0.105, 0.03, z - 0.085), (0.006, 0.018, 0.04), colour),
            shape(Form.BOX, Material.EMISSIVE, (0.105, -0.03, z - 0.085), (0.006, 0.018, 0.04), colour),
        ]
    else:
        y, z = _lens_places(left_hand)[lamp]
        colour = LIT[lamp]
        rows = [shape(Form.CYLINDER, Material.EMISSIVE, (0.048, y, z), (LENS_M - 0.004, LENS_M - 0.004, 0.010), colour, lying=True)]
    return read_only(np.array(rows, np.float32))
