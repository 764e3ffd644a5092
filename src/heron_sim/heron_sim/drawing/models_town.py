"""A town's shapes: houses, trees, street lights, signs, parked cars, masts of the signals."""

from __future__ import annotations

import numpy as np

from heron_sim.drawing.models_car import Lit, car_rows
from heron_sim.drawing.models_house import house_rows, tree_rows
from heron_sim.drawing.models_signal import SIGNAL_ID, signal_shapes
from heron_sim.drawing.models_street import sign_rows, street_light_rows
from heron_sim.drawing.shapes import COLUMNS, F32, ID, placed
from heron_sim.roads.town import PARKED_M, Town

STATIC_ID = 10_000  # instance id of the first thing that stands about
PARKED_HEIGHTS_M = (1.50, 1.45, 1.90, 1.80)  # by the body that the look picks


def town_shapes(town: Town, lamps_on: bool) -> F32:
    """What stands about in a town, in the world, (n, COLUMNS).

    Ids go up from `STATIC_ID`: buildings, trees, lights, signs, parked cars in the town's order; heads of signals from `SIGNAL_ID`.

    Args:
        town: whose.
        lamps_on: street lights and boards shine.

    Raises:
        ValueError: more things than ids.
    """
    parts: list[F32] = [np.zeros((0, COLUMNS), np.float32)]

    def add(rows: list[list[float]], x_m: float, y_m: float, yaw_rad: float) -> None:
        placed_rows = placed(np.array(rows, np.float32), x_m, y_m, yaw_rad)
        placed_rows[:, ID] = STATIC_ID + len(parts) - 1
        parts.append(placed_rows)

    for building in town.buildings:
        rows = house_rows(building.length_m, building.width_m, building.height_m, building.look, lamps_on)
        add(rows, building.x_m, building.y_m, building.yaw_rad)
    for tree in town.trees:
        add(tree_rows(tree.height_m, tree.look), tree.x_m, tree.y_m, 0.0)
    for light in town.lights:
        add(street_light_rows(light.height_m, lamps_on), light.x_m, light.y_m, light.yaw_rad)
    for sign in town.signs:
        add(sign_rows(sign.kind), sign.x_m, sign.y_m, sign.yaw_rad)
    for parked in town.parked:
        add(car_rows(*PARKED_M, PARKED_HEIGHTS_M[parked.look % len(PARKED_HEIGHTS_M)], parked.look, Lit()), parked.x_m, parked.y_m, parked.yaw_rad)
    if len(parts) - 1 > SIGNAL_ID - STATIC_ID:
        raise ValueError(f"{len(parts) - 1} things stand in town {town.name}, at most {SIGNAL_ID - STATIC_ID}; make it smaller")
    return np.concatenate([*parts, signal_shapes(town.network)])
