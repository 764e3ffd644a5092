"""Where vehicles and walkers appear: on lanes and ways near the ego car, with room around them, out of its near view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.network import RoadNetwork
from heron_sim.traffic.lanes import LaneTable
from heron_sim.traffic.pedestrians import STAND, WALK, Walkers, WayTable, walker_place
from heron_sim.traffic.vehicles import NONE, PATH, TRAFFIC, Shift, Vehicles, pose
from heron_sim.truth import ActorKind

F64 = NDArray[np.float64]
GAP_M = 9.0
TIGHT_MPS = 4.5  # connectors slower than this are not for trucks, if there is another way
STANDING = 0.12  # share of walkers who stand about


Range = tuple[float, float]


@dataclass(frozen=True)
class Build:
    """What a kind of vehicle is like.

    Attributes:
        bodies: ranges of length, width, height; the actor's look picks one, as drawing does.
        wheelbase: over the length.
        pull_mps2, headway_s: of IDM.
        top_mps: range of the highest speed.
    """

    bodies: tuple[tuple[Range, Range, Range], ...]
    wheelbase: float
    pull_mps2: float
    headway_s: float
    top_mps: Range


CARS = (  # in the order of drawing.models_car
    ((4.0, 4.2), (1.68, 1.72), (1.48, 1.53)),  # hatchback
    ((4.5, 4.7), (1.77, 1.83), (1.43, 1.48)),  # saloon
    ((3.3, 3.4), (1.46, 1.48), (1.65, 1.75)),  # kei car
    ((4.5, 4.7), (1.72, 1.78), (1.80, 1.90)),  # minivan
)
BUILDS = {
    ActorKind.CAR: Build(CARS, 0.6, 1.5, 1.3, (25.0, 35.0)),
    ActorKind.TRUCK: Build((((6.2, 7.2), (2.15, 2.25), (2.7, 3.1)),), 0.56, 1.0, 1.6, (19.0, 23.0)),
    ActorKind.BUS: Build((((8.6, 9.0), (2.3, 2.35), (2.95, 3.05)),), 0.5, 0.9, 1.6, (17.0, 19.0)),
    ActorKind.BICYCLE: Build((((1.7, 1.8), (0.55, 0.6), (1.65, 1.8)),), 0.6, 0.8, 1.2, (4.0, 6.0)),
}


class Spawner:
    """Draws places and ways; every draw comes from the one generator, in a fixed order."""

    def __init__(self, network: RoadNetwork, net: LaneTable, ways: WayTable, shift: Shift, closed: tuple[int, ...], rng: np.random.Generator) -> None:
        """`closed`: lanes on which nobody appears."""
        self._network, self._net, self._ways, self._shift, self._rng = network, net, ways, shift, rng
        roads = [lane for lane in network.lanes if lane.junction is None and lane.line.length_m > 25.0 and lane.id not in closed]
        self._roads = np.array([lane.id for lane in roads], np.int64)
        kerb = [lane.id for lane in roads if (lane.left if network.left_hand else lane.right) is None]
        self._kerb_roads = np.array(kerb, np.int64)
        self._middles = np.array([(place.x, place.y) for place in (lane.line.at(lane.line.length_m / 2.0) for lane in network.lanes)]).reshape(-1, 2)
        self._walks = np.flatnonzero((ways.edges.crossing < 0) & (ways.edges.length > 4.0))
        middle = ways.edges.first + ways.edges.count // 2
        self._way_middles = np.stack([ways.cells.x[middle], ways.cells.y[middle]], axis=1) if len(middle) else np.zeros((0, 2))
        self._across = -1 if network.left_hand else 1  # a turn over the other direction's lanes

    def build(self, cars: Vehicles, i: int, kind: ActorKind) -> tuple[float, int]:
        """Draws body and temper of row `i`; its height and look."""
        rng, like = self._rng, BUILDS[kind]
        look = int(rng.integers(1 << 16))
        length_m, width_m, height_m = like.bodies[look % len(like.bodies)]
        cars.bicycle[i] = kind is ActorKind.BICYCLE
        cars.length[i], cars.width[i] = rng.uniform(*length_m), rng.uniform(*width_m)
        cars.wheelbase[i] = like.wheelbase * cars.length[i]
        cars.pull[i], cars.headway[i] = like.pull_mps2 * rng.uniform(0.85, 1.15), like.headway_s * rng.uniform(0.85, 1.2)
        cars.top[i], cars.factor[i] = rng.uniform(*like.top_mps), rng.uniform(0.82, 1.0)
        return float(rng.uniform(*height_m)), look

    def extend(self, cars: Vehicles, i: int) -> bool:
        """Continues the path of row `i` until it is full; False if it ends before."""
        lane = int(cars.lane[i])
        for k in range(PATH):
            if cars.path[i, k] < 0:
                following = self._choose(lane, cars, i)
                if following < 0:
                    return False
                cars.path[i, k] = following
            lane = int(cars.path[i, k])
        return True

    def _choose(self, lane: int, cars: Vehicles, i: int) -> int:
        choices = self._network.lanes[lane].successors
        if len(choices) > 1:
            net = self._net
            if cars.bicycle[i] == 1:
                choices = tuple(c for c in choices if net.lanes.turn[c] != self._across) or choices
            elif cars.length[i] > 6.0:
                wide = tuple(c for c in choices if net.cells.allow[net.lanes.first[c] : net.lanes.first[c] + net.lanes.count[c]].min() > TIGHT_MPS)
                choices = wide or choices
        return int(choices[int(self._rng.integers(len(choices)))]) if choices else -1

    def vehicle(self, cars: Vehicles, i: int, centre: tuple[float, float], between_m: tuple[float, float], tries: int) -> bool:
        """Puts row `i` on a lane at a distance from `centre` within `between_m`, if one of `tries` draws finds room."""
        roads = self._kerb_roads if cars.bicycle[i] == 1 else self._roads
        away = np.hypot(self._middles[roads, 0] - centre[0], self._middles[roads, 1] - centre[1])
        near = roads[(away > between_m[0] - 60.0) & (away < between_m[1] + 60.0)]
        for _ in range(tries if len(near) else 0):
            lane = int(near[int(self._rng.integers(len(near)))])
            low, high = cars.length[i] / 2.0 + 4.0, self._net.lanes.stop[lane] - cars.length[i] / 2.0 - 3.0
            s = float(self._rng.uniform(low, high)) if high > low else -1.0
            if s > 0.0 and self.put(cars, i, lane, s, centre, between_m):
                return True
        return False

    def put(self, cars: Vehicles, i: int, lane: int, s_m: float, centre: tuple[float, float], between_m: tuple[float, float]) -> bool:
        """Puts row `i` there, if the place is within `between_m` of `centre` and there is room."""
        network = self._network
        place = network.lanes[lane].line.at(s_m)
        if not between_m[0] <= math.hypot(place.x - centre[0], place.y - centre[1]) <= between_m[1]:
            return False
        others = (cars.role != NONE) & (np.arange(len(cars.role)) != i)
        reach = (cars.length + cars.length[i]) / 2.0
        ahead = cars.s - s_m
        needed = GAP_M + np.where(ahead < 0.0, 1.2 * cars.v, 0.0)
        if (others & (cars.lane == lane) & (np.abs(ahead) - reach < needed)).any():
            return False
        crossings = self._net.bands.s[self._net.lanes.band_first[lane] : self._net.lanes.band_first[lane + 1]] - s_m
        if ((crossings > -cars.length[i] / 2.0 - 3.0) & (crossings < cars.length[i] / 2.0 + 8.0)).any():
            return False
        if (others & (np.hypot(cars.x - place.x, cars.y - place.y) < reach + 3.0)).any():
            return False
        cars.role[i] = TRAFFIC
        cars.lane[i], cars.s[i] = lane, s_m
        cars.path[i, :], cars.prev[i, :] = -1, -1
        net = self._net
        leaders = others & (cars.lane == lane) & (ahead > 0.0)
        walked = float(np.min(crossings[crossings > 0.0], initial=net.lanes.stop[lane] - s_m)) - cars.length[i] / 2.0 - 3.0
        room = min(float(np.min((ahead - reach)[leaders], initial=1e9)) - 3.0, walked)
        allowed = float(net.cells.allow[net.lanes.first[lane] + int(s_m / net.lanes.step[lane])])
        cars.v[i] = min(0.75 * allowed, float(cars.top[i]), math.sqrt(2.0 * 1.4 * max(room, 0.0)))
        for column in (cars.a, cars.wait, cars.lat, cars.lat_goal, cars.yaw_rate, cars.stride):
            column[i] = 0.0
        for flag in (cars.blocked, cars.hold, cars.passing):
            flag[i] = 0
        cars.grant[i], cars.pace[i] = -1, -1.0
        if cars.bicycle[i] == 1:
            cars.lat[i] = self._across * max(float(net.lanes.width[lane]) / 2.0 - 0.35, 0.0) * -1.0
        self.extend(cars, i)
        pose(net, self._shift, cars, i, 0.0)
        return True

    def walker(self, walkers: Walkers, i: int, centre: tuple[float, float], between_m: tuple[float, float], tries: int) -> bool:
        """Puts walker `i` on a sidewalk at a distance from `centre` within `between_m`, if one of `tries` draws hits."""
        away = np.hypot(self._way_middles[self._walks, 0] - centre[0], self._way_middles[self._walks, 1] - centre[1])
        near = self._walks[(away > between_m[0] - 40.0) & (away < between_m[1] + 40.0)]
        if len(near) == 0:
            return False
        shares = np.cumsum(self._ways.edges.length[near])
        for _ in range(tries):
            way = int(near[int(np.searchsorted(shares, self._rng.uniform(0.0, float(shares[-1]))))])
            s = float(self._rng.uniform(1.0, float(self._ways.edges.length[way]) - 1.0))
            x, y, _ = walker_place(self._ways, way, s, 1, 0.0)
            if between_m[0] <= math.hypot(x - centre[0], y - centre[1]) <= between_m[1]:
                self.place_walker(walkers, i, way, s, 1 if self._rng.random() < 0.5 else -1)
                if self._rng.random() < STANDING:
                    walkers.mode[i], walkers.clock[i] = STAND, float(self._rng.uniform(20.0, 90.0))
                return True
        return False

    def place_walker(self, walkers: Walkers, i: int, way: int, s_m: float, ahead: int) -> None:
        """Puts walker `i` there, drawing its temper."""
        walkers.mode[i], walkers.way[i], walkers.s[i], walkers.ahead[i] = WALK, way, s_m, ahead
        walkers.pace[i] = self._rng.uniform(1.05, 1.55)
        keep = 1.0 if self._network.left_hand else -1.0
        walkers.side[i] = keep * self._rng.uniform(0.15, 1.0)
        walkers.clock[i], walkers.v[i], walkers.script[i] = 0.0, 0.0, 0
        walkers.stride[i] = self._rng.uniform(0.0, 2.0)
        walkers.x[i], walkers.y[i], walkers.yaw[i] = walker_place(self._ways, way, s_m, ahead, float(walkers.side[i]))
