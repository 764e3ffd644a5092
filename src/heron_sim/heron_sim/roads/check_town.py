"""Finds what stands in the wrong place in a town: houses on pavements, trees on the road, parked cars in lanes, anything before a traffic light."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from heron_sim.roads.line import F64
from heron_sim.roads.sights import sights_of
from heron_sim.roads.town import PARKED_M, Building, ParkedCar, Sign, StreetLight, Surface, Town, Tree

CROWN = 0.3  # of a tree's height: radius of its crown
_CELL_M = 0.15
_SPREAD = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 25), np.linspace(-0.5, 0.5, 17)), axis=2).reshape(-1, 2)


def town_faults(town: Town) -> list[str]:
    """Sentences about everything that stands wrong; empty: nothing."""
    return [*_standing(town), *_hiding(town)]


class _Mask:
    """Whether places lie on one of some polygons."""

    def __init__(self, polygons: list[F64], low: F64, high: F64) -> None:
        size = np.ceil((high - low) / _CELL_M).astype(int)
        self._low, self._mask = low, np.zeros((int(size[1]), int(size[0])), np.uint8)
        for polygon in polygons:
            cv2.fillPoly(self._mask, [np.round((polygon - low) / _CELL_M * 16.0).astype(np.int32)], 1, cv2.LINE_8, 4)

    def share(self, places: F64) -> float:
        """Of (n, 2) places: how many lie on the polygons."""
        cell = np.round((places - self._low) / _CELL_M).astype(int)
        inside = ((cell >= 0) & (cell < self._mask.shape[::-1])).all(axis=1)
        return float(self._mask[cell[inside, 1], cell[inside, 0]].sum()) / len(places)


def _places(thing: Building | ParkedCar, length_m: float, width_m: float) -> F64:
    """Places all over a box."""
    c, s = math.cos(thing.yaw_rad), math.sin(thing.yaw_rad)
    found: F64 = _SPREAD * (length_m, width_m) @ np.array([[c, s], [-s, c]]) + (thing.x_m, thing.y_m)
    return found


def _standing(town: Town) -> Iterator[str]:
    network = town.network
    roads = list(network.drivable)
    taken = [paint.polygon for paint in town.paints if paint.surface in (Surface.SIDEWALK, Surface.KERB, Surface.ASPHALT)]
    bands = []
    for lane in network.lanes:
        normal = np.stack([-np.sin(lane.line.yaw_rad), np.cos(lane.line.yaw_rad)], axis=1) * lane.width_m / 2.0
        bands.append(np.concatenate([lane.line.points - normal, (lane.line.points + normal)[::-1]]))
    corners = np.concatenate(taken + roads)
    low, high = corners.min(axis=0) - 1.0, corners.max(axis=0) + 1.0
    ground, carriageway, lanes = _Mask(taken, low, high), _Mask(roads, low, high), _Mask(bands, low, high)
    for k, house in enumerate(town.buildings):
        if ground.share(_places(house, house.length_m, house.width_m)) > 0.0:
            yield f"building {k} at ({house.x_m:.1f}, {house.y_m:.1f}) stands on the pavement or the road"
    posts: dict[str, tuple[Tree | StreetLight | Sign, ...]] = {"tree": town.trees, "light": town.lights, "sign": town.signs}
    for name, things in posts.items():
        for k, thing in enumerate(things):
            if carriageway.share(np.array([[thing.x_m, thing.y_m]])) > 0.0:
                yield f"{name} {k} at ({thing.x_m:.1f}, {thing.y_m:.1f}) stands on the road"
    for k, head in enumerate(network.heads):
        if carriageway.share(np.array([[head.mast_x_m, head.mast_y_m]])) > 0.0:
            yield f"the mast of signal head {k} at ({head.mast_x_m:.1f}, {head.mast_y_m:.1f}) stands on the road"
    for k, car in enumerate(town.parked):
        places = _places(car, *PARKED_M)
        if lanes.share(places) > 0.0 or carriageway.share(places) < 1.0:
            yield f"parked car {k} at ({car.x_m:.1f}, {car.y_m:.1f}) stands in a lane or on the pavement"


def _hiding(town: Town) -> Iterator[str]:
    """What stands between a driver and the lights."""
    sights = sights_of(town.network)
    for k, house in enumerate(town.buildings):
        if sights.distance(_places(house, house.length_m, house.width_m), 0.5 * math.hypot(house.length_m, house.width_m)) < 0.3:
            yield f"building {k} at ({house.x_m:.1f}, {house.y_m:.1f}) hides a traffic light"
    for k, tree in enumerate(town.trees):
        if sights.distance(np.array([[tree.x_m, tree.y_m]]), 1.0) < CROWN * tree.height_m:
            yield f"tree {k} at ({tree.x_m:.1f}, {tree.y_m:.1f}) hides a traffic light"
