"""Traffic keeps out of everybody's way, obeys signals, never jams for good, and is the same for the same seed."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from heron_core.errors import InputError
from heron_sim.config import RouteConfig, TownConfig, TrafficConfig, WorkZoneConfig
from heron_sim.roads.load import load_town
from heron_sim.roads.network import Lamp
from heron_sim.roads.route import Route
from heron_sim.roads.router import plan_route
from heron_sim.roads.simple import cross_town
from heron_sim.roads.town import Town
from heron_sim.traffic.spawn import CARS
from heron_sim.traffic.traffic import Traffic
from heron_sim.truth import Actor, ActorKind, EgoTruth, GuideSign

DT_S = 0.05
VEHICLES = (ActorKind.CAR, ActorKind.TRUCK, ActorKind.BUS, ActorKind.BICYCLE)
Box = tuple[float, float, float, float, float]


def box_of(actor: Actor) -> Box:
    return actor.x_m, actor.y_m, actor.yaw_rad, actor.length_m / 2.0, actor.width_m / 2.0


def overlap(a: Box, b: Box) -> bool:
    """Separating axes of two oriented boxes (x, y, yaw, half length, half width)."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    if math.hypot(dx, dy) > math.hypot(a[3], a[4]) + math.hypot(b[3], b[4]):
        return False
    for axis in (a[2], a[2] + math.pi / 2.0, b[2], b[2] + math.pi / 2.0):
        c, s = math.cos(axis), math.sin(axis)
        reach = sum(abs(m[3] * math.cos(m[2] - axis)) + abs(m[4] * math.sin(m[2] - axis)) for m in (a, b))
        if abs(dx * c + dy * s) > reach:
            return False
    return True


def standing(route: Route, s_m: float = 1.5, speed_mps: float = 0.0) -> EgoTruth:
    place = route.line.at(s_m)
    return EgoTruth(place.x, place.y, place.yaw, speed_mps, route_s_m=s_m)


def ego_box(ego: EgoTruth) -> Box:
    ahead = (ego.front_m - ego.rear_m) / 2.0
    return ego.x_m + ahead * math.cos(ego.yaw_rad), ego.y_m + ahead * math.sin(ego.yaw_rad), ego.yaw_rad, 2.35, ego.half_width_m


def drive(traffic: Traffic, seconds: float, ego: Callable[[float], EgoTruth]) -> Iterator[tuple[float, EgoTruth]]:
    for k in range(round(seconds / DT_S)):
        now = ego(k * DT_S)
        traffic.step(DT_S, k * DT_S, now)
        yield (k + 1) * DT_S, ego((k + 1) * DT_S)


def touching(traffic: Traffic, ego: EgoTruth) -> list[str]:
    actors = traffic.actors
    boxes = [box_of(actor) for actor in actors]
    found = [f"{actor.kind.value} {actor.id} and the ego car" for actor, box in zip(actors, boxes, strict=True) if overlap(box, ego_box(ego))]
    places = np.array([(box[0], box[1]) for box in boxes])
    for i, actor in enumerate(actors):
        if actor.kind in VEHICLES:
            for j in np.flatnonzero(np.abs(places - places[i]).sum(axis=1) < 18.0):
                other = actors[j]
                if other.id != actor.id and (other.kind not in VEHICLES or other.id > actor.id) and overlap(boxes[i], boxes[j]):
                    found.append(f"{actor.kind.value} {actor.id} and {other.kind.value} {other.id} at {places[i].round(1)}")
    return found


def generated(seed: int, left_hand: bool = True) -> tuple[Town, Route]:
    town = load_town(TownConfig(left_hand=left_hand), seed, Path())
    return town, plan_route(town.network, RouteConfig(), seed)


def crossroads(left_hand: bool = True, lanes: int = 1) -> tuple[Town, Route]:
    town = cross_town(left_hand, lanes=lanes)
    return town, plan_route(town.network, RouteConfig(length_m=200.0), 1)


class Watch:
    """Collects what must not happen."""

    def __init__(self, town: Town) -> None:
        self.network = town.network
        self.faults: list[str] = []
        self.moved_s: dict[int, float] = {}
        self._before: dict[int, tuple[int, float]] = {}

    def look(self, time_s: float, traffic: Traffic) -> None:
        for actor in traffic.actors:
            if actor.lane < 0:
                continue
            if actor.speed_mps > 0.2 or actor.id not in self.moved_s:
                self.moved_s[actor.id] = time_s
            front = actor.lane_s_m + actor.length_m / 2.0
            lane, last = self._before.get(actor.id, (-1, 0.0))
            stop = self.network.lanes[actor.lane].stop_s_m
            if lane == actor.lane and stop is not None and last <= stop < front:
                groups = {self.network.lanes[k].signal for k in self.network.lanes[lane].successors} - {None}
                if groups and all(self.network.lamp(group, time_s) is Lamp.RED for group in groups if group is not None):
                    self.faults.append(
                        f"{actor.kind.value} {actor.id} runs the red light of lane {lane} at {time_s:.2f} s with {actor.speed_mps:.1f} m/s"
                    )
            self._before[actor.id] = actor.lane, front

    def longest_wait_s(self, time_s: float, traffic: Traffic) -> float:
        return max((time_s - self.moved_s[actor.id] for actor in traffic.actors if actor.lane >= 0), default=0.0)


def check_run(town: Town, route: Route, config: TrafficConfig, seed: int, seconds: float) -> None:
    traffic, watch = Traffic(town, route, config, seed), Watch(town)
    away = standing(route)
    traffic.step(DT_S, 0.0, away)
    for k in range(1, round(seconds / DT_S)):
        traffic.step(DT_S, k * DT_S, away)
        watch.look((k + 1) * DT_S, traffic)
        if k % 4 == 0:
            watch.faults += [f"{text} at {k * DT_S:.2f} s" for text in touching(traffic, away)]
        assert not watch.faults, watch.faults


@pytest.mark.parametrize("left_hand", [True, False])
@pytest.mark.parametrize("lanes", [1, 2])
def test_crossroads_without_collision_or_red_light_run(left_hand: bool, lanes: int) -> None:
    town, route = crossroads(left_hand, lanes)
    check_run(town, route, TrafficConfig(cars=16, pedestrians=24), 3, 60.0)


@pytest.mark.parametrize("seed", range(3))
def test_town_without_collision_or_red_light_run(seed: int) -> None:
    check_run(*generated(seed, left_hand=seed != 1), TrafficConfig(cars=24, trucks=4, bicycles=5, pedestrians=30), seed, 60.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 27))
def test_many_towns_without_collision_or_red_light_run(seed: int) -> None:
    check_run(*generated(seed, left_hand=seed % 2 == 0), TrafficConfig(cars=30, trucks=5, bicycles=6, pedestrians=40), seed, 120.0)


def test_a_town_does_not_jam() -> None:
    town, route = generated(2)
    traffic, watch = Traffic(town, route, TrafficConfig(cars=24, pedestrians=30), 2), Watch(town)
    here = route.line.at(0.0)
    for now, _ in drive(traffic, 150.0, lambda _: EgoTruth(here.x - 12.0, here.y, here.yaw, 0.0)):
        watch.look(now, traffic)
    assert watch.longest_wait_s(150.0, traffic) < 75.0  # a red light and a long queue, no more


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_traffic import digest
print(digest(int(sys.argv[2])))
"""


def digest(seed: int) -> str:
    town, route = generated(0)
    traffic = Traffic(town, route, TrafficConfig(crossing_pedestrian_m=150.0, work_zone=WorkZoneConfig()), seed)
    seen = hashlib.sha256()
    for k, _ in enumerate(drive(traffic, 20.0, lambda t: standing(route, 1.5 + 4.0 * t, 4.0))):
        if k % 10 == 0:
            seen.update(repr(traffic.actors).encode())
    return seen.hexdigest()


def test_same_seed_same_actors_in_another_process() -> None:
    there = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), "7"],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert there.stdout.strip() == digest(7) != digest(8)


def test_nobody_runs_into_a_car_that_stands_in_the_lane() -> None:
    town, route = crossroads()
    traffic = Traffic(town, route, TrafficConfig(cars=20, bicycles=4), 5)
    behind = 0
    for _, ego in drive(traffic, 60.0, lambda _: standing(route, 60.0)):
        assert not [text for text in touching(traffic, ego) if "ego" in text]
        near = [a for a in traffic.actors if a.lane == route.lanes[0] and a.speed_mps < 0.1 and math.hypot(a.x_m - ego.x_m, a.y_m - ego.y_m) < 15.0]
        behind = max(behind, len(near))
    assert behind >= 1  # somebody came, and waits


def test_ids_are_never_used_again() -> None:
    town, route = crossroads()
    traffic = Traffic(town, route, TrafficConfig(), 1)
    gone: set[int] = set()
    before: set[int] = set()
    for _ in drive(traffic, 90.0, lambda _: standing(route)):
        now = [actor.id for actor in traffic.actors]
        assert now == sorted(set(now))
        assert not gone & set(now)
        gone |= before - set(now)
        before = set(now)
    assert gone


def test_vehicles_stay_on_their_lanes_and_walkers_off_the_road() -> None:
    town, route = generated(1)
    network = town.network
    middles = np.concatenate([lane.line.points for lane in network.lanes])
    traffic = Traffic(town, route, TrafficConfig(pedestrians=40), 1)
    for k, _ in enumerate(drive(traffic, 40.0, lambda _: standing(route))):
        if k % 20:
            continue
        for actor in traffic.actors:
            if actor.lane >= 0:
                lane = network.lanes[actor.lane]
                assert abs(lane.line.nearest(actor.x_m, actor.y_m, actor.lane_s_m)[1]) < 1.9, actor
                assert math.cos(actor.yaw_rad - lane.line.at(actor.lane_s_m).yaw) > 0.85, actor
            elif np.hypot(middles[:, 0] - actor.x_m, middles[:, 1] - actor.y_m).min() < 1.5:
                assert any(abs(c.line.nearest(actor.x_m, actor.y_m)[1]) < c.width_m / 2.0 for c in network.crossings), actor


def test_a_car_has_the_size_of_the_body_that_is_drawn() -> None:
    town, route = generated(0)
    cars = [actor for actor in Traffic(town, route, TrafficConfig(cars=40), 1).actors if actor.kind is ActorKind.CAR]
    assert {car.look % len(CARS) for car in cars} == set(range(len(CARS)))
    for car in cars:
        size = (car.length_m, car.width_m, car.height_m)
        assert all(low <= value <= high for value, (low, high) in zip(size, CARS[car.look % len(CARS)], strict=True))


def test_the_lead_car_stops_when_told() -> None:
    town, route = crossroads()
    traffic = Traffic(town, route, TrafficConfig(cars=0, trucks=0, bicycles=0, pedestrians=0, lead_car=True, lead_stops_s=4.0), 1)
    speed = {round(now, 2): traffic.actors[0].speed_mps for now, _ in drive(traffic, 14.0, lambda _: standing(route))}
    assert speed[4.0] > 3.0 and speed[9.0] == 0.0 and speed[14.0] > 2.0


def test_a_pedestrian_steps_out_as_the_car_comes_and_it_could_still_stop() -> None:
    town, route = crossroads()
    traffic = Traffic(town, route, TrafficConfig(cars=0, trucks=0, bicycles=0, pedestrians=0, crossing_pedestrian_m=100.0), 1)
    kerb = next(actor for actor in traffic.actors)
    left_at = None
    for now, ego in drive(traffic, 14.0, lambda t: standing(route, 1.5 + 9.0 * t, 9.0)):
        walker = next(actor for actor in traffic.actors)
        if left_at is None and math.hypot(walker.x_m - kerb.x_m, walker.y_m - kerb.y_m) > 0.5:
            left_at = now
            crossing = min(town.network.crossings, key=lambda c: abs(c.line.nearest(walker.x_m, walker.y_m)[1]))
            middle = crossing.line.at(crossing.line.length_m / 2.0)
            gap = math.hypot(middle.x - ego.x_m, middle.y - ego.y_m) - ego.front_m - crossing.width_m / 2.0
            assert 9.0**2 / (2.0 * 3.0) < gap < 50.0
    assert left_at is not None


def test_the_guide_stops_the_ego_car_and_lets_it_go_and_nobody_meets_head_on() -> None:
    town, route = generated(0)
    traffic = Traffic(town, route, TrafficConfig(cars=20, work_zone=WorkZoneConfig(at_m=110.0, stop_s=8.0, go_s=20.0)), 0)
    zone = traffic.zone
    assert zone is not None
    place, shown = [zone.stop_m - 70.0], []
    ego = standing(route, place[0])
    for k in range(2400):
        traffic.step(DT_S, k * DT_S, ego)
        sign = next(
            actor.sign for actor in traffic.actors if actor.kind is ActorKind.GUIDE and (actor.x_m, actor.y_m) == (zone.guide.x_m, zone.guide.y_m)
        )
        room = zone.stop_m - 1.0 - place[0] - ego.front_m
        speed = 8.0 if sign is GuideSign.GO or room < 0.0 else min(8.0, max(room, 0.0))
        shown += [sign] if not shown or shown[-1] is not sign else []
        place[0] = min(place[0] + speed * DT_S, zone.end_m + 12.0)
        at, left = route.line.at(place[0]), zone.lateral_m(place[0])
        ego = EgoTruth(at.x - left * math.sin(at.yaw), at.y + left * math.cos(at.yaw), at.yaw, speed, route_s_m=place[0])
        if zone.begin_m < place[0] < zone.end_m:
            assert not [text for text in touching(traffic, ego) if "ego" in text and "cone" not in text]
            others = [a for a in traffic.actors if a.lane == zone.beside and zone.beside_stop_m + 4.0 < a.lane_s_m < zone.beside_end_m]
            assert not others
        if place[0] > zone.end_m + 10.0:
            break
    assert shown[:3] == [GuideSign.GO, GuideSign.STOP, GuideSign.GO]
    assert place[0] > zone.end_m + 10.0
    assert zone.lateral_m((zone.full_m + zone.leave_m) / 2.0) == pytest.approx(zone.left_m)
    assert zone.lateral_m(zone.begin_m) == zone.lateral_m(zone.end_m + 1.0) == 0.0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (TrafficConfig(cut_in_s=5.0), "two lanes"),
        (TrafficConfig(work_zone=WorkZoneConfig(length_m=190.0)), "no room for a work zone of 190 m"),
    ],
)
def test_what_has_no_place_is_refused_in_a_sentence(config: TrafficConfig, said: str) -> None:
    town, route = crossroads()
    with pytest.raises(InputError, match=said):
        Traffic(town, route, config, 1)


def test_a_car_from_the_neighbour_lane_cuts_in() -> None:
    town, route = crossroads(lanes=2)
    quiet = TrafficConfig(cars=0, trucks=0, bicycles=0, pedestrians=0, cut_in_s=5.0)
    town_lane = town.network.lanes[route.lanes[0]]
    assert (town_lane.left, town_lane.right) != (None, None), "the route begins on a street with one lane"
    traffic = Traffic(town, route, quiet, 1)
    lanes = [actor.lane for _ in drive(traffic, 12.0, lambda t: standing(route, 1.5 + 7.0 * t, 7.0)) for actor in traffic.actors]
    assert route.lanes[0] in lanes and lanes[0] != route.lanes[0]


def test_what_does_not_fit_is_said() -> None:
    town, route = crossroads()
    assert any("car" in note for note in Traffic(town, route, TrafficConfig(cars=190, around_m=60.0), 1).notes)
