"""Everything that is drawn, as rows of shapes in the world: actors as they are now, the town as it always is."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from heron_core.arrays import read_only
from heron_sim.drawing.models_car import Lit, Rows, car_rows
from heron_sim.drawing.models_large import bus_rows, truck_rows
from heron_sim.drawing.models_people import STRIDES, bicycle_rows, walker_rows
from heron_sim.drawing.models_signal import lamp_shapes
from heron_sim.drawing.models_town import town_shapes
from heron_sim.drawing.models_work import barrier_rows, cone_rows, guide_rows
from heron_sim.drawing.shapes import F32, ID, placed
from heron_sim.truth import Actor, ActorKind, GuideSign

__all__ = ["actor_shapes", "lamp_shapes", "town_shapes"]

_STEP_M = 1.4  # two steps of a walker, one turn of a cyclist's pedals over about 5 m
_PEDAL_M = 5.0
_BLINK_HZ = 1.5


def actor_shapes(actor: Actor, time_s: float = 0.0, lamps_on: bool = False) -> F32:
    """An actor's shapes in the world, (n, COLUMNS); they fill its box.

    Args:
        actor: who.
        time_s: of the world, for what blinks and waves.
        lamps_on: vehicles drive with their lights, batons shine.
    """
    blink = (time_s * _BLINK_HZ) % 1.0 < 0.5
    lit = Lit(actor.brake, blink and actor.indicator in (1, 2), blink and actor.indicator in (-1, 2), lamps_on)
    pose = 0
    if actor.kind is ActorKind.PEDESTRIAN:
        pose = round(actor.stride_m / _STEP_M * STRIDES) % STRIDES if actor.speed_mps > 0.05 else -1
    elif actor.kind is ActorKind.BICYCLE:
        pose = round(actor.stride_m / _PEDAL_M * STRIDES) % STRIDES
    elif actor.kind is ActorKind.GUIDE:
        pose = int(time_s * 16.0) % STRIDES if actor.sign is GuideSign.GO else 0
    elif actor.kind is ActorKind.BARRIER:
        pose = int(blink)
    rows = _model(actor.kind, round(actor.length_m, 3), round(actor.width_m, 3), round(actor.height_m, 3), actor.look, lit, pose, actor.sign)
    out = placed(rows, actor.x_m, actor.y_m, actor.yaw_rad)
    out[:, ID] = actor.id
    return out


@lru_cache(maxsize=4096)
def _model(kind: ActorKind, length_m: float, width_m: float, height_m: float, look: int, lit: Lit, pose: int, sign: GuideSign) -> F32:
    size = length_m, width_m, height_m
    phase = pose * 2.0 * math.pi / STRIDES
    rows: Rows
    if kind is ActorKind.CAR:
        rows = car_rows(*size, look, lit)
    elif kind is ActorKind.TRUCK:
        rows = truck_rows(*size, look, lit)
    elif kind is ActorKind.BUS:
        rows = bus_rows(*size, look, lit)
    elif kind is ActorKind.BICYCLE:
        rows = bicycle_rows(*size, look, phase, lit.lights)
    elif kind is ActorKind.PEDESTRIAN:
        rows = walker_rows(*size, look, max(phase, 0.0), pose >= 0)
    elif kind is ActorKind.GUIDE:
        rows = guide_rows(*size, look, sign, phase, lit.lights)
    elif kind is ActorKind.CONE:
        rows = cone_rows(*size)
    else:
        rows = barrier_rows(*size, pose == 1)
    return read_only(np.array(rows, np.float32))
