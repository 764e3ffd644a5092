"""Lamps of a town at night: street lights, vehicles' lamps and traffic lights, sorted into cells of the ground around the ego car."""

from __future__ import annotations

import math

import numpy as np

from heron_sim.config import WeatherConfig
from heron_sim.drawing.light import (
    AIM_X,
    AIM_Y,
    BEAM,
    F32,
    GRID_N,
    GRID_PITCH,
    GRID_X,
    GRID_Y,
    LAMP_COLUMNS,
    LAMP_X,
    LAMP_Y,
    REACH,
    WET,
    Lamps,
    Light,
    light_of,
)
from heron_sim.drawing.models_house import FACADES
from heron_sim.drawing.models_signal import LIT
from heron_sim.drawing.models_street import LAMP_OUT_M
from heron_sim.roads.town import Town
from heron_sim.truth import ActorKind, EgoTruth, Truth

CELLS = 40  # along each side of the square around the ego car
CELL_M = 6.0
AROUND_M = 110.0  # vehicles beyond light nothing
_STREET = (6.8, 5.5, 3.7)
_SHOP = (1.15, 0.85, 0.52)
_HEAD = (118.0, 112.0, 98.0)
_BRAKE = (1.0, 0.03, 0.02)
_TAIL = (0.20, 0.006, 0.004)
_VEHICLES = frozenset({ActorKind.CAR, ActorKind.TRUCK, ActorKind.BUS})


def _lamp(
    place: tuple[float, float, float],
    aim: tuple[float, float, float],
    edge_deg: float,
    full_deg: float,
    colour: tuple[float, float, float],
    reach_m: float,
    mirrored: float,
    beam: bool = False,
) -> list[float]:
    edge, full = math.cos(math.radians(edge_deg)), math.cos(math.radians(full_deg))
    return [*place, *aim, edge, full, *colour, reach_m, float(beam), mirrored]


class Lighting:
    """What shines in a town in one weather.

    Attributes:
        light: sun, sky and air.
    """

    def __init__(self, town: Town, weather: WeatherConfig) -> None:
        """Of `town` in `weather`."""
        self.light: Light = light_of(weather)
        self._dark = weather.light == "night"
        self._shines = self.light.lamps_on or bool(self.light.values[WET] > 0.0)
        self._heads = [head for head in town.network.heads if not head.pedestrian]
        rows = []
        if self.light.lamps_on:
            for lamp in town.lights:
                x, y = lamp.x_m + LAMP_OUT_M * math.cos(lamp.yaw_rad), lamp.y_m + LAMP_OUT_M * math.sin(lamp.yaw_rad)
                rows.append(_lamp((x, y, lamp.height_m - 0.1), (0.0, 0.0, -1.0), 84.0, 50.0, _STREET, 25.0, 0.6))
            for house in town.buildings:
                if house.height_m < 8.5 or house.look % FACADES == 2:
                    continue  # dwellings have no shops
                c, s = math.cos(house.yaw_rad), math.sin(house.yaw_rad)
                for side in (1.0, -1.0):
                    out = side * (house.width_m / 2.0 + 0.3)
                    rows.append(_lamp((house.x_m - s * out, house.y_m + c * out, 2.6), (-s * side, c * side, 0.0), 100.0, 40.0, _SHOP, 12.0, 0.25))
        self._street: F32 = np.array(rows, np.float32).reshape(-1, LAMP_COLUMNS)

    def at(self, truth: Truth) -> Lamps:
        """The lamps that matter around the ego car now."""
        if not self._shines:
            return self.light.without_lamps()
        ego = truth.ego
        rows = _vehicle(ego, self.light.lamps_on)
        for actor in truth.actors:
            if actor.kind not in _VEHICLES or math.hypot(actor.x_m - ego.x_m, actor.y_m - ego.y_m) > AROUND_M:
                continue
            c, s, half = math.cos(actor.yaw_rad), math.sin(actor.yaw_rad), actor.length_m / 2.0
            rows += _lamps_of(actor.x_m, actor.y_m, c, s, half, half, actor.brake, self.light.lamps_on)
        for head in self._heads:
            shown = truth.lamps.get(head.group)
            if shown is not None and math.hypot(head.x_m - ego.x_m, head.y_m - ego.y_m) < AROUND_M:
                c, s = math.cos(head.yaw_rad), math.sin(head.yaw_rad)
                r, g, b = LIT[shown]
                place = (head.x_m + 0.3 * c, head.y_m + 0.3 * s, head.z_m)
                rows.append(_lamp(place, (c, s, 0.0), 85.0, 20.0, (0.3 * r, 0.3 * g, 0.3 * b), 34.0, 2.0))
        near = np.abs(self._street[:, LAMP_X : LAMP_Y + 1] - np.array([ego.x_m, ego.y_m], np.float32)).max(axis=1) < CELLS * CELL_M / 2.0 + 20.0
        lamps = np.concatenate([self._street[near], np.array(rows, np.float32).reshape(-1, LAMP_COLUMNS)])
        return _in_cells(self.light.values, lamps, ego)


def _vehicle(ego: EgoTruth, lights: bool) -> list[list[float]]:
    c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    return _lamps_of(ego.x_m, ego.y_m, c, s, ego.front_m, ego.rear_m, ego.accel_mps2 < -0.5, lights)


def _lamps_of(x: float, y: float, c: float, s: float, front_m: float, rear_m: float, brake: bool, lights: bool) -> list[list[float]]:
    """Of one vehicle: both head lamps as one low beam, both rear lamps as one red one."""
    rows = []
    if lights:
        rows.append(_lamp((x + (front_m + 0.02) * c, y + (front_m + 0.02) * s, 0.68), (c, s, 0.0), 60.0, 20.0, _HEAD, 48.0, 0.005, beam=True))
    if brake or lights:
        rows.append(_lamp((x - (rear_m + 0.1) * c, y - (rear_m + 0.1) * s, 0.8), (-c, -s, 0.0), 88.0, 30.0, _BRAKE if brake else _TAIL, 9.0, 1.6))
    return rows


def _in_cells(values: F32, lamps: F32, ego: EgoTruth) -> Lamps:
    """Sorts lamps into the cells that their light reaches."""
    own = values.copy()
    # Cells lie on whole multiples of their size, so that a lamp's cells do not slide with the car.
    corner_x = math.floor(ego.x_m / CELL_M - CELLS / 2.0) * CELL_M
    corner_y = math.floor(ego.y_m / CELL_M - CELLS / 2.0) * CELL_M
    own[GRID_X], own[GRID_Y], own[GRID_PITCH], own[GRID_N] = corner_x, corner_y, CELL_M, CELLS
    # A beam lights a circle before it, other lamps one around them.
    ahead = np.where(lamps[:, BEAM] > 0.0, 0.5 * lamps[:, REACH], 0.0)
    radius = np.where(lamps[:, BEAM] > 0.0, 0.5 * lamps[:, REACH] + 3.0, lamps[:, REACH])
    middle_x, middle_y = lamps[:, LAMP_X] + ahead * lamps[:, AIM_X], lamps[:, LAMP_Y] + ahead * lamps[:, AIM_Y]
    centres = (np.arange(CELLS) + 0.5) * CELL_M
    dx = np.maximum(np.abs(corner_x + centres[:, None] - middle_x[None, :]) - CELL_M / 2.0, 0.0)
    dy = np.maximum(np.abs(corner_y + centres[:, None] - middle_y[None, :]) - CELL_M / 2.0, 0.0)
    meets = (dy * dy)[:, None, :] + (dx * dx)[None, :, :] < (radius * radius)[None, None, :]
    meets = meets.reshape(CELLS * CELLS, len(lamps))
    starts = np.concatenate([[0], np.cumsum(meets.sum(axis=1))]).astype(np.int32)
    items = np.nonzero(meets)[1].astype(np.int32)
    return Lamps(own, lamps, starts, items if len(items) else np.zeros(1, np.int32))
