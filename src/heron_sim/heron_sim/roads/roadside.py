"""What stands beside the streets: houses, trees, lights; nothing of it hides a traffic light or stands on the road."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from heron_sim.roads.footprints import Distance, Houses
from heron_sim.roads.line import F64, Line
from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.sights import sights_of
from heron_sim.roads.town import Building, StreetLight, Town, Tree

_CROWN = 0.3  # of a tree's height: radius of its crown
_TREES_M, _LIGHTS_M = 11.0, 52.0  # from one to the next on the same side
_SPREAD = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 11), np.linspace(-0.5, 0.5, 7)), axis=2).reshape(-1, 2)  # places all over a house of 1 x 1 m


@dataclass(frozen=True)
class Kerb:
    """One side of a street.

    Attributes:
        line: a line along the street.
        begin_m, end_m: the part of it that is meant.
        side: 1: the left of `line`, -1: its right.
        edge_m: from the line to the kerb.
        centrality: 0 outskirts … 1 city: size and distance of houses.
        keep_m: arc lengths (crossings) around which nothing stands.
    """

    line: Line
    begin_m: float
    end_m: float
    side: float
    edge_m: float
    centrality: float
    keep_m: tuple[float, ...] = ()

    def place(self, s_m: float, away_m: float) -> tuple[float, float, float]:
        """x, y `away_m` behind the kerb, and the street's direction."""
        pose, left = self.line.at(s_m), self.side * (self.edge_m + away_m)
        return pose.x - left * math.sin(pose.yaw), pose.y + left * math.cos(pose.yaw), pose.yaw


class Roadside:
    """Places things beside the streets of a town, by a seed."""

    def __init__(self, network: RoadNetwork, kerbs: Sequence[Kerb], pavement_m: float, rng: np.random.Generator) -> None:
        """Beside `kerbs`, whose pavements are `pavement_m` wide (kerb included), drawn from `rng`."""
        self._kerbs, self._pavement_m, self._rng = kerbs, pavement_m, rng
        self._sights, self._road, self._houses = sights_of(network), Distance(network.drivable), Houses()

    def furnish(self, town: Town) -> Town:
        """The town with its roadside."""
        for kerb in self._kerbs:
            self._build(kerb)
        trees = tuple(tree for kerb in self._kerbs for tree in self._trees(kerb))
        lights = tuple(light for k, kerb in enumerate(self._kerbs) for light in self._lights(kerb, k % 2))
        return replace(town, buildings=tuple(self._houses.things), trees=trees, lights=lights)

    def _build(self, kerb: Kerb) -> None:
        rng, city = self._rng, kerb.centrality
        s = kerb.begin_m - 6.0 + float(rng.uniform(0.0, 6.0))
        while s < kerb.end_m + 4.0:
            length = float(rng.uniform(9.0, 13.0) + city * rng.uniform(0.0, 13.0))
            depth = float(rng.uniform(8.0, 11.0) + city * rng.uniform(0.0, 6.0))
            height = 3.1 * int(rng.integers(2, 4) + city * rng.uniform(0.0, 9.0)) + 0.6
            setback = float(rng.uniform(0.4, 1.2) + (1.0 - city) * rng.uniform(0.5, 5.0))
            gap = float(rng.uniform(0.3, 1.5) + (1.0 - city) * rng.uniform(1.0, 12.0))
            look = int(rng.integers(0, 1 << 16))
            x, y, yaw = kerb.place(s + length / 2.0, self._pavement_m + setback + depth / 2.0)
            house = Building(x, y, yaw, length, depth, height, look)
            if self._fits(house):
                self._houses.add(house)
                s += length + gap
            else:
                s += 4.0

    def _fits(self, house: Building) -> bool:
        c, s = math.cos(house.yaw_rad), math.sin(house.yaw_rad)
        places: F64 = _SPREAD * (house.length_m, house.width_m) @ np.array([[c, s], [-s, c]]) + (house.x_m, house.y_m)
        if self._road.least(places) < self._pavement_m + 0.2 + self._road.cell_m or self._houses.meets(house):
            return False
        return self._sights.distance(places, 0.5 * math.hypot(house.length_m, house.width_m)) > 1.0

    def _trees(self, kerb: Kerb) -> list[Tree]:
        rng = self._rng
        trees: list[Tree] = []
        if rng.random() < 0.25:
            return trees
        for s in np.arange(kerb.begin_m + 9.0, kerb.end_m - 9.0, _TREES_M):
            at = float(s + rng.uniform(-1.5, 1.5))
            height, look, kept = float(rng.uniform(3.8, 6.5)), int(rng.integers(0, 1 << 16)), rng.random() < 0.8
            x, y, _ = kerb.place(at, 1.3)
            if kept and all(abs(at - keep) > 9.0 for keep in kerb.keep_m) and self._stands_free(x, y, _CROWN * height):
                trees.append(Tree(x, y, height, look))
        return trees

    def _stands_free(self, x_m: float, y_m: float, crown_m: float) -> bool:
        place = np.array([[x_m, y_m]])
        hides = self._sights.distance(place, crown_m) < crown_m + 0.5
        return not hides and self._road.least(place) > 1.0 and self._houses.distance(x_m, y_m) > 0.6

    def _lights(self, kerb: Kerb, odd: int) -> list[StreetLight]:
        """Street lights along a kerb; those of the other side stand between them."""
        lights: list[StreetLight] = []
        count = max(round((kerb.end_m - kerb.begin_m) / _LIGHTS_M), 1)
        for k in range(count):
            x, y, yaw = kerb.place(kerb.begin_m + (k + (0.75 if odd else 0.25)) * (kerb.end_m - kerb.begin_m) / count, 0.7)
            if self._road.least(np.array([[x, y]])) > 0.4:
                lights.append(StreetLight(x, y, math.remainder(yaw - kerb.side * math.pi / 2.0, 2.0 * math.pi)))
        return lights
