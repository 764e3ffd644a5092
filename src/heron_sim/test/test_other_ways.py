"""The other ways of a route at its next junction: the same lane before it, another manoeuvre in it."""

from __future__ import annotations

import math

import pytest

from heron_sim.config import RouteConfig, TownConfig
from heron_sim.roads.generate import generate_town
from heron_sim.roads.network import Manoeuvre, RoadNetwork
from heron_sim.roads.other_ways import BEYOND_M, other_ways
from heron_sim.roads.router import plan_route


@pytest.fixture(scope="module", params=[True, False], ids=["left", "right"])
def network(request: pytest.FixtureRequest) -> RoadNetwork:
    return generate_town(TownConfig(left_hand=request.param), 8).network


def test_other_ways_come_by_the_same_lane_and_turn_otherwise(network: RoadNetwork) -> None:
    found = set()
    for seed in range(12):
        route = plan_route(network, RouteConfig(), seed)
        for turn in route.turns:
            for manoeuvre, way in other_ways(network, route, turn).items():
                found.add((turn.manoeuvre, manoeuvre))
                first = next(each for each in way.turns if each.junction == turn.junction and each.lane != turn.lane)
                assert first.manoeuvre is manoeuvre is network.lanes[first.lane].turn and manoeuvre is not turn.manoeuvre
                for back_m in (0.0, 10.0, 20.0):  # a change of lane is over by then
                    here, there = route.line.at(turn.begin_m - back_m), way.line.at(first.begin_m - back_m)
                    assert math.hypot(here.x - there.x, here.y - there.y) < 0.4
                bend = math.remainder(way.line.at(first.end_m).yaw - way.line.at(first.begin_m).yaw, 2 * math.pi)
                assert (bend > 0.7, bend < -0.7) == (manoeuvre is Manoeuvre.LEFT, manoeuvre is Manoeuvre.RIGHT)
                assert way.line.length_m > first.end_m + 20.0
                assert way.instructed_at(first.begin_m - 10.0) is manoeuvre
    assert len(found) >= 4  # of the six pairs of left, straight and right
    assert BEYOND_M > 60.0  # further than a plan of 4 s goes in a town


def test_where_the_lane_leaves_no_choice_there_is_no_other_way(network: RoadNetwork) -> None:
    alone = 0
    for seed in range(12):
        route = plan_route(network, RouteConfig(), seed)
        for turn in route.turns:
            before = network.lanes[turn.lane].predecessors[0]
            if len(network.lanes[before].successors) == 1:
                alone += 1
                assert not other_ways(network, route, turn)
    assert alone
