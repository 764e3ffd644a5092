"""A command names the turn, not the place at which to change lane for it: who changes late, in time, keeps the commanded way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from judged import GREEN_S, ego_at, judged

from heron_sim.config import RouteConfig, TownConfig
from heron_sim.driving.judge import DrivingResult, Judge
from heron_sim.roads.generate import generate_town
from heron_sim.roads.lane_change import LaneChange, lane_changes
from heron_sim.roads.route import Route
from heron_sim.roads.router import plan_route
from heron_sim.roads.town import Town
from heron_sim.truth import EgoTruth

SEED = 3  # its route changes lane where there is much room
SPEED_MPS, BEFORE_M = 8.0, 12.0


@dataclass(frozen=True)
class Way:
    town: Town
    route: Route
    change: LaneChange


@pytest.fixture(scope="module")
def way() -> Way:
    town = replace(generate_town(TownConfig(), SEED), parked=())
    route = plan_route(town.network, RouteConfig(), SEED)
    change = next(change for change in lane_changes(town.network, route) if change is not None)
    assert change.room_m > 30.0
    return Way(town, route, change)


def driven(way: Way, left_m: Callable[[float], float], engaged: bool = True) -> DrivingResult:
    """From shortly before the change to the junction, so far left of the route at each arc length."""
    from_m = float(way.change.s_m[0]) - BEFORE_M

    def ego(t: float) -> EgoTruth:
        s_m = from_m + SPEED_MPS * t
        return replace(ego_at(s_m, SPEED_MPS, left_m(s_m), route=way.route), engaged=engaged)

    seconds = (way.change.junction_m - 0.5 - from_m) / SPEED_MPS
    return judged(ego, seconds, route=way.route, judge=Judge(way.town, way.route))


def later(way: Way, later_m: float) -> Callable[[float], float]:
    return lambda s_m: float(way.change.later_at(s_m, later_m))


def test_the_change_is_where_the_route_has_it(way: Way) -> None:
    change, turn = way.change, next(turn for turn in way.route.turns if turn.change_m is not None)
    assert turn.change_m == change.s_m[0] and change.junction_m == turn.begin_m
    assert change.s_m[0] < change.reached_m < change.junction_m and change.room_m == change.junction_m - change.reached_m
    assert abs(change.beside_m[0]) < 0.05 and abs(change.beside_m[-1]) == pytest.approx(3.25, abs=0.15)
    assert [each is None for each in lane_changes(way.town.network, way.route)] == [turn.change_m is None for turn in way.route.turns]


def test_who_changes_later_is_in_the_old_lane_and_then_in_the_new_one(way: Way) -> None:
    change = way.change
    assert not change.later_at(change.s_m, 0.0).any()
    beside = change.later_at(change.s_m, change.room_m)
    assert abs(beside[0]) < 0.05 and abs(beside).max() > 2.5 and abs(beside[-1]) < 0.15
    assert change.later_at(change.reached_m, 1000.0) == pytest.approx(-float(np.interp(change.reached_m, change.s_m, change.beside_m)), abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.7, 1.0])
def test_a_change_in_time_is_neither_intervention_nor_departure_however_late(way: Way, share: float) -> None:
    found = driven(way, later(way, share * way.change.room_m))
    assert found.following.lateral_interventions == 0 and found.off_route_s == 0.0
    assert found.following.late_changes == (share == 1.0)
    assert found.following.mean_lateral_m < 0.6 and found.following.departed_s == 0.0
    if share in (0.0, 1.0):  # on one of the lines all the time
        assert found.following.mean_lateral_m < 0.05


@pytest.mark.parametrize("early_m", [5.0, 12.0])
def test_who_changes_as_soon_as_the_turn_is_told_keeps_the_way_too(way: Way, early_m: float) -> None:
    turn = next(turn for turn in way.route.turns if turn.change_m is not None)
    assert way.change.s_m[0] - turn.told_m > early_m
    found = driven(way, later(way, -early_m)).following
    assert (found.lateral_interventions, found.late_changes, found.departed_s) == (0, 0, 0.0)


def test_who_changes_before_it_is_told_has_left_the_way(way: Way) -> None:
    assert driven(way, later(way, -60.0)).following.lateral_interventions == 1


def test_who_never_changes_is_stopped_where_there_is_no_more_room(way: Way) -> None:
    found = driven(way, later(way, 1000.0))
    assert (found.following.lateral_interventions, found.following.late_changes) == (1, 0)
    time_s = next(time_s for time_s, text in found.events if "left the commanded way on the road" in text)
    place_m = way.change.s_m[0] - BEFORE_M + SPEED_MPS * (time_s - GREEN_S)
    latest = way.change.later_at(way.change.s_m, way.change.room_m)
    gone_m = way.change.s_m[np.argmax(np.abs(way.change.beside_m + latest) > 2.5)]  # 2.5 m from the old lane, where the latest driver is
    assert place_m == pytest.approx(gone_m, abs=1.5)
    assert place_m < way.change.junction_m


def test_between_the_lanes_is_in_neither(way: Way) -> None:
    """Half way over, for longer than a change takes, is a departure."""
    middle = lambda s_m: 0.5 * float(way.change.later_at(s_m, way.change.room_m))  # noqa: E731
    found = driven(way, middle)
    assert found.following.lateral_interventions == 0 and found.following.late_changes == 0
    assert found.following.departed_s > 1.0


def test_the_other_side_is_as_far_as_ever(way: Way) -> None:
    """The old lane is to one side of the route; 2.6 m to the other one is beside the way."""
    side = math.copysign(2.6, -float(way.change.later_at(way.change.reached_m, way.change.room_m)))
    assert driven(way, lambda s_m: side if s_m > way.change.reached_m - 10.0 else 0.0).following.lateral_interventions == 1


def test_a_person_who_changes_late_counts_for_nothing(way: Way) -> None:
    found = driven(way, later(way, way.change.room_m), engaged=False).following
    assert (found.late_changes, found.lateral_interventions, found.seconds) == (0, 0, 0.0)
