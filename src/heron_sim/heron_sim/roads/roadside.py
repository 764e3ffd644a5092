"""What stands beside the streets: houses, trees, lights, signs, parked cars; nothing of it hides a traffic light. Traffic keeps left here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from heron_sim.roads.build import Built
from heron_sim.roads.layout import Street
from heron_sim.roads.line import F64
from heron_sim.roads.town import Building, ParkedCar, Sign, SignKind, StreetLight, Town, Tree

SIGHT_M = 75.0  # from a traffic light: who is nearer to the stop line sees it
_CROWN = 0.3  # of a tree's height: radius of its crown
_LIMITS = {30: SignKind.LIMIT_30, 40: SignKind.LIMIT_40, 50: SignKind.LIMIT_50, 60: SignKind.LIMIT_60}


@dataclass(frozen=True)
class Sights:
    """Straight views from drivers to traffic lights: (k, 2) begins and ends."""

    begin: F64
    end: F64

    def distance(self, places: F64, reach_m: float) -> float:
        """Least distance of any of `places` (n, 2), which lie within `reach_m` of their mean, from any view; metres, inf if far from all."""
        if not len(self.begin):
            return math.inf
        mean = places.mean(axis=0)
        near = self._distances(mean[None], self.begin, self.end)[0] < reach_m + 2.0
        return float(self._distances(places, self.begin[near], self.end[near]).min()) if near.any() else math.inf

    @staticmethod
    def _distances(places: F64, begin: F64, end: F64) -> F64:
        """(n, k) from places to segments."""
        step = end - begin
        gap = places[:, None, :] - begin
        share = np.clip((gap * step).sum(axis=2) / (step**2).sum(axis=1), 0.0, 1.0)
        found: F64 = np.sqrt(((gap - share[:, :, None] * step) ** 2).sum(axis=2))
        return found


def sights_of(built: Built) -> Sights:
    """From each lane that leads to traffic lights, up to `SIGHT_M` before its stop line, to the lights over it."""
    lanes, heads = built.network.lanes, [head for head in built.network.heads if not head.pedestrian]
    begins, ends = [], []
    for lane in lanes:
        group = lanes[lane.successors[0]].signal if lane.successors and lane.junction is None else None
        if group is None or lane.stop_s_m is None:
            continue
        last = lane.line.at(lane.line.length_m)
        facing = [h for h in heads if h.group == group and abs(math.remainder(h.yaw_rad - last.yaw - math.pi, 2.0 * math.pi)) < 0.5]
        if not facing:
            continue
        gaps = [math.hypot(h.x_m - last.x, h.y_m - last.y) for h in facing]
        over = facing[gaps.index(min(gaps))]
        at = np.arange(lane.stop_s_m, max(lane.stop_s_m - SIGHT_M, 0.0), -5.0)
        begins.append(lane.line.poses(at)[:, :2])
        ends.append(np.tile([over.x_m, over.y_m], (len(at), 1)))
    if not begins:
        return Sights(np.zeros((0, 2)), np.zeros((0, 2)))
    return Sights(np.concatenate(begins), np.concatenate(ends))


class Roadside:
    """Places things beside the streets of a town, by a seed."""

    def __init__(self, built: Built, rng: np.random.Generator) -> None:
        """Of `built`, drawn from `rng`."""
        self._built, self._rng = built, rng
        self._sights = sights_of(built)
        self._arms = {(arm.street, arm.at_end): arm for arms in built.arms for arm in arms}
        every = [street.centre.poses(np.arange(0.0, street.centre.length_m, 3.0)) for street in built.layout.streets]
        self._axes = np.concatenate([poses[:, :2] for poses in every])
        self._halves = np.concatenate([np.full(len(poses), street.half_m) for poses, street in zip(every, built.layout.streets, strict=True)])
        self._pavement = built.layout.kerb_m + built.layout.sidewalk_m

    def furnish(self, town: Town) -> Town:
        """The town with its roadside."""
        buildings = self._buildings()
        trees, lights, signs, parked = self._trees(buildings), self._lights(), self._signs(), self._parked()
        return replace(town, buildings=tuple(buildings), trees=tuple(trees), lights=tuple(lights), signs=tuple(signs), parked=tuple(parked))

    def _clear_m(self, x: F64, y: F64) -> float:
        """Least distance of places from the edge of any carriageway, about."""
        gaps = np.sqrt((self._axes[:, 0] - x[:, None]) ** 2 + (self._axes[:, 1] - y[:, None]) ** 2) - self._halves
        return float(gaps.min())

    def _beside(self, street: Street, s_m: float, left_m: float) -> tuple[float, float, float]:
        pose = street.centre.at(s_m)
        return pose.x - left_m * math.sin(pose.yaw), pose.y + left_m * math.cos(pose.yaw), pose.yaw

    def _buildings(self) -> list[Building]:
        rng, placed = self._rng, _Boxes()
        for index, street in enumerate(self._built.layout.streets):
            begin, end = self._built.spans[index]
            for side in (1.0, -1.0):
                s = begin - 6.0 + float(rng.uniform(0.0, 6.0))
                while s < end + 4.0:
                    city = street.centrality
                    length = float(rng.uniform(9.0, 13.0) + city * rng.uniform(0.0, 13.0))
                    depth = float(rng.uniform(8.0, 11.0) + city * rng.uniform(0.0, 6.0))
                    height = 3.1 * int(rng.integers(2, 4) + city * rng.uniform(0.0, 9.0)) + 0.6
                    setback = float(rng.uniform(0.4, 1.2) + (1.0 - city) * rng.uniform(0.5, 5.0))
                    gap = float(rng.uniform(0.3, 1.5) + (1.0 - city) * rng.uniform(1.0, 12.0))
                    look = int(rng.integers(0, 1 << 16))
                    x, y, yaw = self._beside(street, s + length / 2.0, side * (street.half_m + self._pavement + setback + depth / 2.0))
                    house = Building(x, y, yaw, length, depth, height, look)
                    if self._fits(house, placed):
                        placed.add(house)
                        s += length + gap
                    else:
                        s += 4.0
        return placed.things

    def _fits(self, house: Building, placed: _Boxes) -> bool:
        c, s = math.cos(house.yaw_rad), math.sin(house.yaw_rad)
        u, v = np.meshgrid(np.linspace(-0.5, 0.5, 5) * house.length_m, np.linspace(-0.5, 0.5, 4) * house.width_m)
        x, y = house.x_m + c * u.ravel() - s * v.ravel(), house.y_m + s * u.ravel() + c * v.ravel()
        if placed.meets(house) or self._clear_m(x, y) < self._pavement + 0.2:
            return False
        return self._sights.distance(np.stack([x, y], axis=1), 0.5 * math.hypot(house.length_m, house.width_m)) > 1.0

    def _trees(self, buildings: list[Building]) -> list[Tree]:
        rng = self._rng
        trees: list[Tree] = []
        middles = np.array([(b.x_m, b.y_m, b.yaw_rad, b.length_m / 2.0, b.width_m / 2.0) for b in buildings]).reshape(-1, 5)
        for index, street in enumerate(self._built.layout.streets):
            begin, end = self._built.spans[index]
            if rng.random() < 0.25:
                continue
            for side in (1.0, -1.0):
                for s in np.arange(begin + 9.0, end - 9.0, 11.0):
                    place = float(s + rng.uniform(-1.5, 1.5))
                    height, look, kept = float(rng.uniform(3.8, 6.5)), int(rng.integers(0, 1 << 16)), rng.random() < 0.8
                    x, y, _ = self._beside(street, place, side * (street.half_m + 1.3))
                    near_crossing = street.crossing_m is not None and abs(place - street.crossing_m) < 9.0
                    if kept and not near_crossing and self._stands_free(x, y, _CROWN * height, middles):
                        trees.append(Tree(x, y, height, look))
        return trees

    def _stands_free(self, x: float, y: float, crown_m: float, boxes: F64) -> bool:
        if self._sights.distance(np.array([[x, y]]), crown_m) < crown_m + 0.5 or self._clear_m(np.array([x]), np.array([y])) < 1.0:
            return False
        dx, dy = x - boxes[:, 0], y - boxes[:, 1]
        c, s = np.cos(boxes[:, 2]), np.sin(boxes[:, 2])
        outside = np.hypot(np.maximum(np.abs(c * dx + s * dy) - boxes[:, 3], 0.0), np.maximum(np.abs(c * dy - s * dx) - boxes[:, 4], 0.0))
        return not len(boxes) or float(outside.min()) > 0.6

    def _lights(self) -> list[StreetLight]:
        lights: list[StreetLight] = []
        for index, street in enumerate(self._built.layout.streets):
            begin, end = self._built.spans[index]
            count = max(int((end - begin) / 26.0), 1)
            for k in range(count):
                side = 1.0 if k % 2 == 0 else -1.0
                x, y, yaw = self._beside(street, begin + (k + 0.5) * (end - begin) / count, side * (street.half_m + 0.7))
                lights.append(StreetLight(x, y, math.remainder(yaw - side * math.pi / 2.0, 2.0 * math.pi)))
        return lights

    def _signs(self) -> list[Sign]:
        """Limits where streets begin, stop or yield where they end without lamps and without priority, crossings between junctions."""
        signs: list[Sign] = []
        for (index, at_end), arm in sorted(self._arms.items()):
            street, node = self._built.layout.streets[index], self._built.layout.nodes[arm.node]
            forth = -1.0 if at_end else 1.0  # away from the junction along the street's middle
            base = street.centre.length_m - arm.mouth_m if at_end else arm.mouth_m
            if not node.signals and index not in node.main:
                kind = SignKind.STOP if len(self._built.arms[arm.node]) > 3 or (index + arm.node) % 2 else SignKind.YIELD
                signs.append(self._sign(street, kind, base + forth * (arm.stop_m + 0.3), -forth))
            limit = _LIMITS[min(_LIMITS, key=lambda kmh: abs(kmh - street.speed_mps * 3.6))]
            signs.append(self._sign(street, limit, base + forth * 14.0, forth))
        for street in self._built.layout.streets:
            if street.crossing_m is not None:
                signs += [self._sign(street, SignKind.CROSSING, street.crossing_m - forth * 3.0, forth) for forth in (1.0, -1.0)]
        return signs

    def _sign(self, street: Street, kind: SignKind, s_m: float, travel: float) -> Sign:
        """A sign for drivers who go along the street's middle (1) or against it (-1), on their left, facing them."""
        x, y, yaw = self._beside(street, s_m, travel * (street.half_m + 0.5))
        return Sign(kind, x, y, math.remainder(yaw + (math.pi if travel > 0.0 else 0.0), 2.0 * math.pi))

    def _parked(self) -> list[ParkedCar]:
        rng = self._rng
        cars: list[ParkedCar] = []
        for index, street in enumerate(self._built.layout.streets):
            if not street.parking:
                continue
            begin, end = self._built.spans[index]
            for side in (1.0, -1.0):
                for s in np.arange(begin + 24.0, end - 24.0, 6.4):
                    kept, look, aside = rng.random() < 0.5, int(rng.integers(0, 1 << 16)), float(rng.uniform(-0.08, 0.08))
                    if kept and not (street.crossing_m is not None and abs(float(s) - street.crossing_m) < 12.0):
                        x, y, yaw = self._beside(street, float(s), side * (street.half_m - 1.15 + aside))
                        cars.append(ParkedCar(x, y, math.remainder(yaw + (0.0 if side > 0.0 else math.pi), 2.0 * math.pi), look))
        return cars


class _Boxes:
    """Houses so far, and whether another one meets them (separating axes)."""

    def __init__(self) -> None:
        self.things: list[Building] = []
        self._rows = np.zeros((0, 5))

    def add(self, house: Building) -> None:
        self.things.append(house)
        self._rows = np.concatenate([self._rows, [self._row(house)]])

    @staticmethod
    def _row(house: Building) -> tuple[float, float, float, float, float]:
        return house.x_m, house.y_m, house.yaw_rad, house.length_m / 2.0 + 0.1, house.width_m / 2.0 + 0.1

    def meets(self, house: Building) -> bool:
        one = np.array(self._row(house))
        reach = np.hypot(self._rows[:, 3], self._rows[:, 4]) + math.hypot(one[3], one[4])
        gap = self._rows[:, :2] - one[:2]
        rows = self._rows[np.hypot(gap[:, 0], gap[:, 1]) < reach]
        gap = rows[:, :2] - one[:2]
        apart = np.zeros(len(rows), bool)
        turn = rows[:, 2] - one[2]
        c, s = np.abs(np.cos(turn)), np.abs(np.sin(turn))
        for yaw, own, other in (
            (np.full(len(rows), one[2]), (one[3], one[4]), (rows[:, 3] * c + rows[:, 4] * s, rows[:, 3] * s + rows[:, 4] * c)),
            (rows[:, 2], (rows[:, 3], rows[:, 4]), (one[3] * c + one[4] * s, one[3] * s + one[4] * c)),
        ):
            along = np.abs(gap[:, 0] * np.cos(yaw) + gap[:, 1] * np.sin(yaw))
            across = np.abs(gap[:, 1] * np.cos(yaw) - gap[:, 0] * np.sin(yaw))
            apart |= (along > own[0] + other[0]) | (across > own[1] + other[1])
        return bool((~apart).any())
