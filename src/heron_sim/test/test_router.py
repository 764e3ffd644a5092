"""Routes: asked and drawn turns, changes of lane, and clear errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from heron_core.errors import InputError
from heron_sim.config import RouteConfig, TownConfig
from heron_sim.roads.generate import generate_town
from heron_sim.roads.network import Manoeuvre, RoadNetwork
from heron_sim.roads.route import Route
from heron_sim.roads.router import START_ROOM_M, plan_route
from heron_sim.roads.simple import cross_town

LEFT, RIGHT, STRAIGHT, FOLLOW = Manoeuvre.LEFT, Manoeuvre.RIGHT, Manoeuvre.STRAIGHT, Manoeuvre.FOLLOW


@pytest.fixture(scope="module", params=[True, False], ids=["left", "right"])
def network(request: pytest.FixtureRequest) -> RoadNetwork:
    return generate_town(TownConfig(left_hand=request.param), 8).network


def _place(route: Route, s_m: float) -> tuple[float, float]:
    pose = route.line.at(s_m)
    return pose.x, pose.y


def _changes(network: RoadNetwork, route: Route) -> list[int]:
    return [k for k, (one, two) in enumerate(zip(route.lanes[:-1], route.lanes[1:], strict=True)) if two not in network.lanes[one].successors]


def test_a_route_makes_the_turns_that_are_asked_for(network: RoadNetwork) -> None:
    for seed in range(15):
        turns = (LEFT, STRAIGHT, RIGHT, LEFT)
        route = plan_route(network, RouteConfig(turns=turns), seed)
        assert tuple(turn.manoeuvre for turn in route.turns[:4]) == turns
        assert route.line.length_m >= 900.0
        assert all(one.end_m < two.begin_m for one, two in zip(route.turns[:-1], route.turns[1:], strict=True))
        for turn in route.turns:
            assert network.lanes[turn.lane].turn is turn.manoeuvre
            assert network.lanes[turn.lane].junction == turn.junction
            assert route.instructed_at(turn.begin_m - 30.0) is not FOLLOW
            bend = math.remainder(route.line.at(turn.end_m).yaw - route.line.at(turn.begin_m).yaw, 2 * math.pi)
            assert (bend > 0.7, bend < -0.7) == (turn.manoeuvre is LEFT, turn.manoeuvre is RIGHT)


def test_a_route_is_smooth_and_lies_on_its_lanes(network: RoadNetwork) -> None:
    changed = 0
    for seed in range(25):
        route = plan_route(network, RouteConfig(), seed)
        assert np.abs(route.line.curvature_per_m).max() < 0.15
        assert np.abs(np.diff(route.line.curvature_per_m)).max() < 0.04
        assert np.diff(route.line.s_m).max() < 1.3
        changes = _changes(network, route)
        changed += len(changes)
        for k in changes:
            one, two = route.lanes[k], route.lanes[k + 1]
            assert two in (network.lanes[one].left, network.lanes[one].right)
        for s in np.arange(0.0, route.line.length_m, 3.7):
            lane, on_lane = route.lane_at(float(s))
            pose, middle = route.line.at(float(s)), network.lanes[lane].line.at(on_lane)
            assert math.hypot(pose.x - middle.x, pose.y - middle.y) < (1.85 if changes else 0.05)
            assert abs(math.remainder(pose.yaw - middle.yaw, 2 * math.pi)) < 0.2
        first = network.lanes[route.lanes[0]]
        assert route.offsets_m[0] > 5.0
        assert first.stop_s_m is not None
        assert first.stop_s_m - route.offsets_m[0] >= START_ROOM_M
    assert changed > 3  # towns have streets with two lanes, and turns that need the other one


def test_a_change_of_lane_is_told_before_it_begins(network: RoadNetwork) -> None:
    changed = 0
    for seed in range(25):
        route = plan_route(network, RouteConfig(), seed)
        ended_m = 0.0
        for turn in route.turns:
            if turn.change_m is None:
                assert turn.told_m == turn.begin_m - 60.0
            else:
                changed += 1
                assert ended_m <= turn.change_m < turn.begin_m - 8.0
                assert turn.told_m <= turn.change_m - 20.0
                told_m = max(turn.told_m, ended_m)  # a junction before it comes first
                assert route.instructed_at(told_m + 0.01) is turn.manoeuvre
                assert route.instructed_at(turn.change_m) is turn.manoeuvre
                lane = network.lanes[route.lane_at(turn.change_m - 1.0)[0]].line
                aside = [abs(lane.nearest(*_place(route, turn.change_m + ahead))[1]) for ahead in (0.0, 30.0)]
                assert aside[0] < 0.05 < 1.0 < aside[1]
            assert route.turning_at(turn.begin_m - 19.0, 20.0) is not FOLLOW
            ended_m = turn.end_m
    assert changed > 3


def test_routes_come_from_the_seed(network: RoadNetwork) -> None:
    one, again, other = (plan_route(network, RouteConfig(), seed) for seed in (4, 4, 5))
    assert one.lanes == again.lanes
    assert np.array_equal(one.line.points, again.line.points)
    assert one.lanes != other.lanes


def test_a_turn_that_the_map_lacks_is_named() -> None:
    network = cross_town().network
    assert [turn.manoeuvre for turn in plan_route(network, RouteConfig(turns=(RIGHT,), length_m=200.0), 0).turns] == [RIGHT]
    with pytest.raises(InputError, match=r"no way to turn right after left, tried from 4 roads; .* there is only: the road ends"):
        plan_route(network, RouteConfig(turns=(LEFT, RIGHT)), 0)
    only_straight = replace(
        network,
        lanes=tuple(
            replace(lane, successors=tuple(k for k in lane.successors if network.lanes[k].turn is not LEFT)) if lane.junction is None else lane
            for lane in network.lanes
        ),
    )
    with pytest.raises(InputError, match=r"no way to turn left as the first turn.* there is only: right, straight"):
        plan_route(only_straight, RouteConfig(turns=(LEFT,)), 0)


def test_a_route_longer_than_the_map_and_a_follow_are_refused() -> None:
    network = cross_town().network
    with pytest.raises(InputError, match=r"no route of 900 m in this network: the longest found has 2\d\d m; set route.length_m lower"):
        plan_route(network, RouteConfig(), 0)
    with pytest.raises(InputError, match="'follow', which is no turn"):
        plan_route(network, RouteConfig(turns=(FOLLOW,)), 0)
    with pytest.raises(InputError, match="no road has room to start"):
        plan_route(cross_town(length_m=60.0).network, RouteConfig(), 0)


def test_a_junction_without_choice_is_followed() -> None:
    network = cross_town().network
    lanes = tuple(
        replace(lane, successors=tuple(k for k in lane.successors if network.lanes[k].turn is STRAIGHT)) if lane.junction is None else lane
        for lane in network.lanes
    )
    route = plan_route(replace(network, lanes=lanes), RouteConfig(length_m=200.0), 1)
    assert [turn.manoeuvre for turn in route.turns] == [FOLLOW]
