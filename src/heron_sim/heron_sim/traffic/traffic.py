"""Everybody else on the road: vehicles, bicycles, pedestrians, and what a scenario has them do."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heron_sim.config import TrafficConfig
from heron_sim.drawing.compiled import compiled
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.traffic.ego import EgoRow
from heron_sim.traffic.following import accelerate
from heron_sim.traffic.guide import Guide
from heron_sim.traffic.lanes import LaneTable, lane_table
from heron_sim.traffic.passing import steer_aside
from heron_sim.traffic.pedestrians import ABSENT, ARRIVED, WAIT, WALK, Walkers, WayTable, bands_taken, no_walkers, walk, way_table
from heron_sim.traffic.permits import permit
from heron_sim.traffic.records import columns
from heron_sim.traffic.scripts import CutIn, LeadCar, StepsOut
from heron_sim.traffic.signals import SignalTable, signal_table
from heron_sim.traffic.spawn import Spawner
from heron_sim.traffic.vehicles import NONE, TRAFFIC, Shift, Vehicles, move, no_vehicles
from heron_sim.traffic.walking import walk_graph
from heron_sim.traffic.workzone import NO_SHIFT, Prop, WorkZone, work_zone
from heron_sim.truth import Actor, ActorKind, EgoTruth, GuideSign

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
SEED_OF_TRAFFIC = 4101
NEAR_VIEW_M = 65.0  # nobody appears nearer to the ego car
FREE_AT_START_M = 16.0  # around the ego car when the world begins
BEYOND_M = 30.0  # who is this much further away than `around_m` goes
LOOK_EVERY = 10  # steps between looks for those
WALKER_SIZE = (0.5, 0.5)
CROSSING_SHARE = 0.55  # of walkers who come to a crossing take it


@compiled
def step_all(
    net: LaneTable,
    ways: WayTable,
    signals: SignalTable,
    shift: Shift,
    gates: F64,
    cars: Vehicles,
    walkers: Walkers,
    block: I64,
    waits: I64,
    danger: I64,
    inner: int,
    time_s: float,
    dt: float,
) -> tuple[int, int]:
    """One step of everybody; how many vehicles have run out of lanes, and how many walkers wait to be told where to go."""
    danger[:] = 0
    bands_taken(net, ways, walkers, block, waits)
    permit(net, signals, cars, time_s, dt)
    steer_aside(net, cars, inner, shift)
    accelerate(net, shift, gates, cars, block, waits, ways.crossings.guarded, ways.crossings.seconds, danger)
    gone = move(net, shift, cars, dt)
    return gone, walk(ways, signals, walkers, danger, time_s, dt)


class Traffic:
    """All actors of one run; the same for the same town, route, settings, seed and ego car.

    Attributes:
        zone: the work zone, or None.
        notes: what did not fit, in sentences.
    """

    def __init__(self, town: Town, route: Route, config: TrafficConfig, seed: int) -> None:
        """Places everybody.

        Raises:
            InputError: something that the scenario demands has no place on this route.
        """
        self._config, self._network = config, town.network
        self._rng = np.random.default_rng([seed, SEED_OF_TRAFFIC])
        self._net, self._signals = lane_table(town.network), signal_table(town.network)
        self._graph = walk_graph(town.network)
        self._ways = way_table(self._graph, town.network, self._net)
        self.zone: WorkZone | None = None
        self._guide: Guide | None = None
        self.notes: tuple[str, ...] = ()
        if config.work_zone is not None:
            self.zone = work_zone(town.network, self._net, route, config.work_zone)
            self._guide = Guide(self.zone, config.work_zone, np.array(self._net.lanes.length))
        shift = NO_SHIFT if self.zone is None else self.zone.shift
        self._shift, self._gates = shift, np.zeros((0 if self.zone is None else 2, 3))
        closed = () if self.zone is None else (self.zone.lane, self.zone.beside)
        self._spawner = Spawner(town.network, self._net, self._ways, shift, closed, self._rng)
        self._centre = route.line.at(0.0).x, route.line.at(0.0).y
        self._inner = -1 if town.network.left_hand else 1
        self._steps = 0
        self._actors: tuple[Actor, ...] | None = None
        self._begin_vehicles(route)
        self._begin_walkers(route)
        self._block = np.zeros(len(self._net.bands), np.int64)
        self._waits = np.zeros(len(self._net.bands), np.int64)
        self._danger = np.zeros(len(town.network.crossings), np.int64)
        self._props = self._begin_props()
        self._look_up_columns()

    def _begin_vehicles(self, route: Route) -> None:
        config = self._config
        scripted_cars = int(config.lead_car) + int(config.cut_in_s is not None)
        kinds = [ActorKind.CAR] * (config.cars + scripted_cars)
        kinds += [ActorKind.BUS if k % 3 == 2 else ActorKind.TRUCK for k in range(config.trucks)]
        kinds += [ActorKind.BICYCLE] * config.bicycles
        self._kinds = kinds
        self._next_id = 1
        self._cars = no_vehicles(len(kinds) + 1)
        self._ids = np.zeros(len(kinds), np.int64)
        self._looks = np.zeros(len(kinds), np.int64)
        self._heights = np.zeros(len(kinds))
        self._ends = np.zeros(len(kinds), np.bool_)
        self._reserved = np.zeros(len(kinds), np.bool_)
        start = route.line.at(1.5)
        half, front, rear = 2.35, 3.7, 1.0
        self._ego = EgoRow(route, self._cars)
        self._ego.update(EgoTruth(start.x, start.y, start.yaw, 0.0, front_m=front, rear_m=rear, half_width_m=half / 2.0))
        cars, spawner = self._cars, self._spawner
        self._lead: LeadCar | None = None
        self._cut_in: CutIn | None = None
        for i in range(len(kinds)):
            self._renew(i)
        row = config.cars
        if config.lead_car:
            self._lead = LeadCar(cars, row, spawner, route, config.lead_stops_s)
            row += 1
        if config.cut_in_s is not None:
            self._cut_in = CutIn(cars, row, spawner, self._network, self._net, route, config.cut_in_s)
            self._reserved[row] = True
        missing: dict[str, int] = {}
        for i, kind in enumerate(kinds):
            if cars.role[i] == NONE and not self._reserved[i] and not spawner.vehicle(cars, i, self._centre, (FREE_AT_START_M, config.around_m), 40):
                missing[kind.value] = missing.get(kind.value, 0) + 1
        self._note(missing)

    def _begin_walkers(self, route: Route) -> None:
        config = self._config
        scripted = int(config.crossing_pedestrian_m is not None)
        count = config.pedestrians + scripted
        self._walkers = no_walkers(count)
        self._walker_ids = np.zeros(count, np.int64)
        self._walker_heights = self._rng.uniform(1.55, 1.88, count)
        self._steps_out: StepsOut | None = None
        if config.crossing_pedestrian_m is not None:
            self._steps_out = StepsOut(self._walkers, count - 1, self._spawner, self._network, self._ways, route, config.crossing_pedestrian_m)
        missing = 0
        for i in range(count):
            self._walker_ids[i] = self._identity()
            if self._walkers.mode[i] == ABSENT and not self._spawner.walker(self._walkers, i, self._centre, (0.0, config.around_m), 20):
                missing += 1
        self._note({"pedestrian": missing} if missing else {})

    def _begin_props(self) -> tuple[tuple[Actor, ...], tuple[int, int]]:
        """Actors of the work zone that never change, and the ids of its guides."""
        if self.zone is None:
            return (), (0, 0)
        props = tuple(prop.actor(self._identity()) for prop in self.zone.props)
        return props, (self._identity(), self._identity())

    def _look_up_columns(self) -> None:
        """What is read of everybody in every step."""
        count, cars, walkers = len(self._kinds), columns(self._cars), columns(self._walkers)
        known = (cars.role, self._ids, cars.x, cars.y, cars.yaw, cars.v, cars.length, cars.width, self._heights, cars.a, cars.yaw_rate)
        more = (cars.brake, cars.indicator, cars.stride, self._looks, cars.lane, cars.s)
        self._vehicle_columns = tuple(column[:count] for column in (*known, *more))
        self._walker_columns = (walkers.mode, self._walker_ids, walkers.x, walkers.y, walkers.yaw, walkers.v, self._walker_heights, walkers.stride)
        self._role, self._far_lane, self._ego_length = cars.role[:count], cars.path[:count, 4], cars.length[count:]
        self._walker_mode = walkers.mode

    def _note(self, missing: dict[str, int]) -> None:
        many = {"bus": "buses"}
        self.notes += tuple(
            f"{number} of the wished {many.get(kind, kind + 's')} found no room within {self._config.around_m:g} m of the route"
            for kind, number in missing.items()
        )

    def _identity(self) -> int:
        identity = self._next_id
        self._next_id += 1
        if identity > 9999:
            raise RuntimeError("more than 9999 actors have appeared in one run")
        return identity

    def _renew(self, i: int) -> None:
        """A new vehicle in row `i`, not yet anywhere."""
        self._heights[i], self._looks[i] = self._spawner.build(self._cars, i, self._kinds[i])
        self._ids[i] = self._identity()
        self._ends[i] = False

    def step(self, dt_s: float, time_s: float, ego: EgoTruth) -> None:
        """Moves everybody from `time_s` to `time_s + dt_s`, as they see the ego car at `time_s`."""
        cars, walkers = self._cars, self._walkers
        self._actors = None
        self._ego.update(ego)
        row = len(self._kinds)
        front_m = self._ego.route_s_m + float(self._ego_length[0]) / 2.0
        if self._lead is not None:
            self._lead.step(time_s)
        if self._cut_in is not None:
            self._cut_in.step(time_s, row)
        if self._steps_out is not None:
            self._steps_out.step(front_m, ego.speed_mps)
        if self._guide is not None:
            zone = self._guide.zone
            self._guide.step(cars, time_s, dt_s, zone.stop_m - front_m, ego.speed_mps)
            self._gates[0] = zone.lane, zone.stop_m - zone.lane_start_m, float(self._guide.stop)
            self._gates[1] = zone.beside, zone.beside_stop_m, float(self._guide.others_stop)
        _, arrived = step_all(
            self._net,
            self._ways,
            self._signals,
            self._shift,
            self._gates,
            cars,
            walkers,
            self._block,
            self._waits,
            self._danger,
            self._inner,
            time_s,
            dt_s,
        )
        if arrived:
            for i in np.flatnonzero(self._walker_mode == ARRIVED):
                self._turn_off(int(i))
        short = (self._role == TRAFFIC) & (self._far_lane < 0) & ~self._ends
        for i in np.flatnonzero(short):
            self._ends[i] = not self._spawner.extend(cars, int(i))
        self._steps += 1
        if self._steps % LOOK_EVERY == 0:
            self._replace()

    def _turn_off(self, i: int) -> None:
        """A walker at a node: takes one of the other ways there, or turns round."""
        walkers, graph = self._walkers, self._graph
        came = int(walkers.way[i])
        node = graph.ways[came].end if walkers.ahead[i] > 0 else graph.ways[came].start
        others = [way for way in graph.at[node] if way != came]
        crossings = [way for way in others if graph.ways[way].crossing >= 0 or any(graph.ways[w].crossing >= 0 for w in self._beyond(way, node))]
        plain = [way for way in others if way not in crossings]
        if crossings and (not plain or self._rng.random() < CROSSING_SHARE):
            others = crossings
        elif plain:
            others = plain
        way = others[int(self._rng.integers(len(others)))] if others else came
        ahead = 1 if graph.ways[way].start == node else -1
        walkers.way[i], walkers.ahead[i], walkers.clock[i] = way, ahead, 0.0
        walkers.s[i] = 0.0 if ahead > 0 else self._ways.edges.length[way]
        walkers.mode[i] = WAIT if graph.ways[way].crossing >= 0 else WALK

    def _beyond(self, way: int, node: int) -> tuple[int, ...]:
        """Ways at the other end of a short way."""
        edge = self._graph.ways[way]
        far = edge.end if edge.start == node else edge.start
        return tuple(w for w in self._graph.at[far] if w != way) if edge.line.length_m < 8.0 else ()

    def _replace(self) -> None:
        """Lets those who are far away or gone appear anew elsewhere."""
        cars, walkers, config = self._cars, self._walkers, self._config
        row = len(self._kinds)
        centre = float(cars.x[row]), float(cars.y[row])
        reach = config.around_m + BEYOND_M
        between = (min(NEAR_VIEW_M, 0.6 * config.around_m), config.around_m)
        away = np.hypot(cars.x[:row] - centre[0], cars.y[:row] - centre[1])
        cars.role[:row][(away > reach) & (cars.role[:row] == TRAFFIC)] = NONE
        for i in np.flatnonzero((cars.role[:row] == NONE) & ~self._reserved):
            self._renew(int(i))
            self._spawner.vehicle(cars, int(i), centre, between, 2)
        away = np.hypot(walkers.x - centre[0], walkers.y - centre[1])
        for i in np.flatnonzero((away > reach) | (walkers.mode == ABSENT)):
            walkers.mode[i] = ABSENT
            if self._spawner.walker(walkers, int(i), centre, between, 2):
                self._walker_ids[i] = self._identity()

    @property
    def actors(self) -> tuple[Actor, ...]:
        """Everybody as they are now, by id."""
        if self._actors is None:
            found = [*self._vehicle_actors(), *self._walker_actors(), *self._zone_actors()]
            found.sort(key=lambda actor: actor.id)
            self._actors = tuple(found)
        return self._actors

    def _vehicle_actors(self) -> list[Actor]:
        rows = zip(self._kinds, *(column.tolist() for column in self._vehicle_columns), strict=True)
        return [
            Actor(identity, kind, x, y, yaw, v, long, wide, high, a, turn, brake == 1, indicator, stride, look, GuideSign.NONE, lane, s)
            for kind, role, identity, x, y, yaw, v, long, wide, high, a, turn, brake, indicator, stride, look, lane, s in rows
            if role == TRAFFIC
        ]

    def _walker_actors(self) -> list[Actor]:
        rows = zip(*(column.tolist() for column in self._walker_columns), strict=True)
        return [
            Actor(identity, ActorKind.PEDESTRIAN, x, y, math.remainder(yaw, 2.0 * math.pi), v, *WALKER_SIZE, high, stride_m=stride, look=identity)
            for mode, identity, x, y, yaw, v, high, stride in rows
            if mode != ABSENT
        ]

    def _zone_actors(self) -> list[Actor]:
        if self.zone is None or self._guide is None:
            return []
        props, ids = self._props
        found = [*props, self._guide_actor(self.zone.guide, ids[0], self._guide.stop)]
        if self.zone.far_guide is not None:
            found.append(self._guide_actor(self.zone.far_guide, ids[1], self._guide.others_stop))
        return found

    @staticmethod
    def _guide_actor(prop: Prop, identity: int, stop: bool) -> Actor:
        return replace(prop.actor(identity), sign=GuideSign.STOP if stop else GuideSign.GO)
