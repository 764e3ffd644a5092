"""The expert on the crossing: its plans are ones that control accepts, and it does what the situation asks for."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest

from heron_control.plan_check import implausibility, reverse
from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory
from heron_sim.config import RouteConfig
from heron_sim.driving.expert import Expert, ExpertPlan
from heron_sim.driving.explain import Reason
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.route import Route
from heron_sim.roads.router import plan_route
from heron_sim.roads.simple import cross_town
from heron_sim.roads.town import Town
from heron_sim.truth import Actor, ActorKind, EgoTruth, GuideSign, Lamp, Truth

DEMO = Path(__file__).parents[3] / "config/vehicle/demo"
CAR = LoopCar.load(DEMO)
GREEN = dict.fromkeys(range(4), Lamp.GREEN)
RED = dict.fromkeys(range(4), Lamp.RED)
STEP_NS = 100_000_000


@pytest.fixture(scope="module", params=[True, False], ids=["left", "right"])
def town(request: pytest.FixtureRequest) -> Town:
    return cross_town(request.param)


def _route(town: Town, turn: Manoeuvre) -> Route:
    return plan_route(town.network, RouteConfig(turns=(turn,), length_m=200.0), 3)


def _ego(route: Route, s_m: float, speed: float, left_m: float = 0.0, turned: float = 0.0) -> EgoTruth:
    pose = route.line.at(s_m)
    x, y = pose.x - left_m * math.sin(pose.yaw), pose.y + left_m * math.cos(pose.yaw)
    return EgoTruth(x, y, pose.yaw + turned, speed, engaged=True, route_s_m=s_m)


def _beside(
    route: Route, s_m: float, left_m: float, kind: ActorKind, size: tuple[float, float, float], speed: float = 0.0, turned: float = 0.0, **more
) -> Actor:
    pose = route.line.at(s_m)
    x, y = pose.x - left_m * math.sin(pose.yaw), pose.y + left_m * math.cos(pose.yaw)
    return Actor(7, kind, x, y, pose.yaw + turned, speed, *size, **more)


def _plan(town: Town, route: Route, truth: Truth) -> ExpertPlan:
    return Expert(town, route, CAR.model, CAR.limits).plan(truth)


def _stop_line(town: Town, route: Route) -> float:
    lane = town.network.lanes[route.lanes[0]]
    assert lane.stop_s_m is not None
    return route.turns[0].begin_m - (lane.line.length_m - lane.stop_s_m)


@pytest.mark.parametrize("turn", [Manoeuvre.LEFT, Manoeuvre.STRAIGHT, Manoeuvre.RIGHT])
def test_plans_are_the_motion_of_a_car(town: Town, turn: Manoeuvre) -> None:
    route = _route(town, turn)
    for s_m in np.arange(2.0, route.line.length_m - 5.0, 9.0):
        for speed, left, turned in ((0.0, 0.0, 0.0), (6.0, 0.4, 0.05), (9.0, -0.3, -0.04)):
            plan = _plan(town, route, Truth(0, _ego(route, float(s_m), speed, left, turned), (), GREEN))
            assert plan.points.shape == (40, 4)
            assert plan.points.dtype == np.float32
            assert not plan.points.flags.writeable
            sealed = Trajectory.make(0, plan.points, 0, "", Stages())
            assert sealed.fault() is None
            assert reverse(sealed) is None
            assert implausibility(sealed) is None
            assert abs(plan.points[0, 1]) < 0.1  # it starts where the car is
            assert abs(plan.points[0, 0] - speed * 0.1) < 0.1
            ahead = np.diff(plan.points[:, 3].astype(np.float64)) / 0.1
            assert ahead.min() > -3.6
            assert ahead.max() < 2.0


def test_curves_are_taken_within_comfort(town: Town) -> None:
    route = _route(town, Manoeuvre.LEFT)
    expert = Expert(town, route, CAR.model, CAR.limits)
    bends = expert._map.curvature_per_m
    assert np.abs(bends).max() > 0.03  # there is a curve
    assert (np.abs(bends) * expert._map.limit_mps**2).max() < 1.8 or expert._map.limit_mps.min() == pytest.approx(2.0)


def test_it_stops_before_the_line_at_red(town: Town) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    line = _stop_line(town, route)
    expert, ego, said = Expert(town, route, CAR.model, CAR.limits), _ego(route, line - 60.0, 10.0), set()
    for i in range(250):  # an ideal car: it is where its plan says 0.1 s later
        plan = expert.plan(Truth(i * STEP_NS, ego, (), RED))
        said.add(plan.explanation.reason)
        accel = (float(plan.points[0, 3]) - ego.speed_mps) / 0.1
        s_m = ego.route_s_m + float(plan.points[0, 0])
        pose = route.line.at(s_m)
        ego = EgoTruth(pose.x, pose.y, pose.yaw, float(plan.points[0, 3]), accel, engaged=True, route_s_m=s_m)
    assert ego.speed_mps == 0.0
    assert 0.8 < line - (ego.route_s_m + ego.front_m) < 2.0
    assert {Reason.SLOW_RED, Reason.WAIT_RED} <= said
    standing = expert.plan(Truth(250 * STEP_NS, ego, (), RED)).points
    assert np.abs(standing).max() < 1e-3
    start = expert.plan(Truth(251 * STEP_NS, ego, (), GREEN)).points
    assert start[-1, 0] > 8.0  # briskly


@pytest.mark.parametrize(("before_m", "goes"), [(36.0, False), (6.0, True)])
def test_a_yellow_light_is_for_who_can_stop(town: Town, before_m: float, goes: bool) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    ego = _ego(route, _stop_line(town, route) - before_m - 3.7, 10.0)
    yellow = dict.fromkeys(range(4), Lamp.YELLOW)
    plan = _plan(town, route, Truth(0, ego, (), yellow))
    assert (plan.points[-1, 0] > before_m) == goes
    assert (plan.points[-1, 3] > 8.0) == goes


def test_a_late_yellow_does_not_stop_and_a_red_light_then_neither(town: Town) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    expert, at = Expert(town, route, CAR.model, CAR.limits), _stop_line(town, route) - 3.7
    assert expert.plan(Truth(0, _ego(route, at - 8.0, 10.0), (), dict.fromkeys(range(4), Lamp.YELLOW))).points[-1, 3] > 8.0
    assert expert.plan(Truth(STEP_NS, _ego(route, at - 7.0, 10.0), (), RED)).points[-1, 3] > 8.0


@pytest.mark.parametrize(("over_m", "speed", "waits"), [(0.7, 0.0, True), (0.7, 1.0, True), (0.7, 5.0, False), (1.2, 0.0, False)])
def test_a_nose_over_the_line_still_waits_at_red(town: Town, over_m: float, speed: float, waits: bool) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    at = _stop_line(town, route) + over_m - _ego(route, 0.0, 0.0).front_m
    plan = _plan(town, route, Truth(0, _ego(route, at, speed), (), RED)).points
    assert (plan[-1, 3] < 0.01 and plan[-1, 0] < 1.0) == waits


def test_who_meant_to_pass_at_yellow_and_became_slow_stops_after_all(town: Town) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    yellow = dict.fromkeys(range(4), Lamp.YELLOW)
    expert, at = Expert(town, route, CAR.model, CAR.limits), _stop_line(town, route) - 3.7
    assert expert.plan(Truth(0, _ego(route, at - 12.0, 10.0), (), yellow)).points[-1, 3] > 8.0
    plan = expert.plan(Truth(STEP_NS, _ego(route, at - 10.0, 5.0), (), yellow)).points
    assert plan[-1, 3] < 1.0 and plan[-1, 0] < 10.0


def test_a_red_light_is_braked_for_as_long_as_the_front_axle_can_stop_before_it(town: Town) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    expert, at = Expert(town, route, CAR.model, CAR.limits), _stop_line(town, route) - 3.7
    assert expert.plan(Truth(0, _ego(route, at - 8.0, 10.0), (), dict.fromkeys(range(4), Lamp.YELLOW))).points[-1, 3] > 8.0
    assert expert.plan(Truth(STEP_NS, _ego(route, at - 4.0, 4.5), (), RED)).points[-1, 3] < 0.01


def test_it_follows_and_stops_behind_a_car(town: Town) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    ego = _ego(route, 10.0, 8.0)
    car = _beside(route, 35.0, 0.0, ActorKind.CAR, (4.4, 1.8, 1.5))
    plan = _plan(town, route, Truth(0, ego, (car,), GREEN))
    assert plan.points[:, 0].max() + ego.front_m < 25.0 - 2.2 - 1.0
    free = _plan(town, route, Truth(0, ego, (), GREEN))
    assert free.points[-1, 0] > plan.points[-1, 0] + 5.0


def test_a_car_in_the_other_lane_is_no_matter(town: Town) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    side = -3.25 if town.network.left_hand else 3.25
    oncoming = _beside(route, 40.0, side, ActorKind.CAR, (4.4, 1.8, 1.5), 9.0, math.pi)
    ego = _ego(route, 10.0, 8.0)
    assert np.array_equal(_plan(town, route, Truth(0, ego, (oncoming,), GREEN)).points, _plan(town, route, Truth(0, ego, (), GREEN)).points)


def test_who_walks_into_the_way_is_braked_for(town: Town) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    side = 2.0 if town.network.left_hand else -2.0
    walker = _beside(route, 32.0, side, ActorKind.PEDESTRIAN, (0.5, 0.5, 1.7), 1.4, -math.copysign(math.pi / 2.0, side))
    plan = _plan(town, route, Truth(0, _ego(route, 10.0, 8.0), (walker,), GREEN))
    assert plan.points[:, 0].max() + 3.7 < 22.0 - 0.5


def test_a_turn_across_oncoming_traffic_waits_for_a_gap(town: Town) -> None:
    across = Manoeuvre.RIGHT if town.network.left_hand else Manoeuvre.LEFT
    route = _route(town, across)
    turn = route.turns[0]
    mine = town.network.lanes[turn.lane]
    other = next(town.network.lanes[lane] for lane in mine.yields_to if town.network.lanes[lane].turn is Manoeuvre.STRAIGHT)
    road = town.network.lanes[other.predecessors[0]]
    pose = road.line.at(road.line.length_m - 20.0)
    coming = Actor(9, ActorKind.CAR, pose.x, pose.y, pose.yaw, 10.0, 4.4, 1.8, 1.5, lane=road.id, lane_s_m=road.line.length_m - 20.0)
    ego = _ego(route, turn.begin_m - 8.0, 4.0)
    held = _plan(town, route, Truth(0, ego, (coming,), GREEN))
    free = _plan(town, route, Truth(0, ego, (), GREEN))
    assert free.points[-1, 3] > 3.0
    assert held.points[-1, 3] < 1.5
    gone = road.line.at(20.0)
    far = Actor(9, ActorKind.CAR, gone.x, gone.y, gone.yaw, 8.0, 4.4, 1.8, 1.5, lane=road.id, lane_s_m=20.0)
    assert np.array_equal(_plan(town, route, Truth(0, ego, (far,), GREEN)).points, free.points)


def test_a_guide_stops_and_cones_are_passed(town: Town) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    kerb = 1.0 if town.network.left_hand else -1.0
    guide = _beside(route, 45.0, kerb * 2.2, ActorKind.GUIDE, (0.7, 1.2, 1.85), 0.0, math.pi, sign=GuideSign.STOP)
    cones = tuple(_beside(route, 52.0 + 3.0 * i, kerb * (1.0 - 0.5 * i), ActorKind.CONE, (0.36, 0.36, 0.7)) for i in range(4))
    ego = _ego(route, 20.0, 6.0)
    stopped = _plan(town, route, Truth(0, ego, (guide, *cones), GREEN))
    assert stopped.points[-1, 0] + ego.front_m < 25.0 - 3.0
    go = _beside(route, 45.0, kerb * 2.2, ActorKind.GUIDE, (0.7, 1.2, 1.85), 0.0, math.pi, sign=GuideSign.GO)
    ahead = _plan(town, route, Truth(0, _ego(route, 42.0, 4.0), (go, *cones), GREEN))
    assert ahead.points[-1, 0] > 9.0
    assert -kerb * ahead.points[-1, 1] > 0.8  # away from the kerb
    away = _beside(route, 45.0, kerb * 2.2, ActorKind.GUIDE, (0.7, 1.2, 1.85), 0.0, 0.0, sign=GuideSign.STOP)  # shown to the others
    assert _plan(town, route, Truth(0, ego, (away,), GREEN)).points[-1, 3] > 5.0


def test_it_overtakes_a_cyclist_where_there_is_room(town: Town) -> None:
    route = _route(town, Manoeuvre.STRAIGHT)
    kerb = 1.0 if town.network.left_hand else -1.0
    cyclist = _beside(route, 25.0, kerb * 1.3, ActorKind.BICYCLE, (1.75, 0.6, 1.7), 3.5)
    ego = _ego(route, 8.0, 6.0)
    passing = _plan(town, route, Truth(0, ego, (cyclist,), GREEN))
    assert -kerb * passing.points[-1, 1] > 0.5
    oncoming = _beside(route, 70.0, -kerb * 3.25, ActorKind.CAR, (4.4, 1.8, 1.5), 10.0, math.pi)
    behind = _plan(town, route, Truth(0, ego, (cyclist, oncoming), GREEN))
    assert np.abs(behind.points[:, 1]).max() < 0.1
    assert behind.points[-1, 0] < passing.points[-1, 0]


def test_the_same_truths_give_the_same_plans_quickly(town: Town) -> None:
    route = _route(town, Manoeuvre.RIGHT)
    truths = [Truth(i * STEP_NS, _ego(route, 5.0 + 0.8 * i, 8.0), (), GREEN) for i in range(60)]
    first, second = (Expert(town, route, CAR.model, CAR.limits) for _ in range(2))
    plans = [first.plan(truth) for truth in truths]
    begin = time.process_time()
    again = [second.plan(truth) for truth in truths]
    assert (time.process_time() - begin) / len(truths) < 5e-3  # 0.4 ms on a quiet machine
    assert all(np.array_equal(one.points, two.points) and one.explanation == two.explanation for one, two in zip(plans, again, strict=True))
