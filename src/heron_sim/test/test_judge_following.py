"""Lateral error, departures and interventions; red approaches; stops that nothing asked for: hand-made drives and their neighbours."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from judged import GREEN_S, NORTH, RED_S, STOP_LINE_M, TOWN, actor, ego_at, judged, straight
from numpy.typing import NDArray

from heron_sim.driving.judge import DrivingResult, Judge
from heron_sim.driving.judge_stopping import GOES_M, NEEDLESS_S
from heron_sim.truth import ActorKind, EgoTruth, Truth

FRONT_M = 3.7
TURN = NORTH.turns[0]


def engaged(ego: Callable[[float], EgoTruth]) -> Callable[[float], EgoTruth]:
    return lambda t: replace(ego(t), engaged=True)


def beside(left_m: float, from_m: float = 20.0, speed_mps: float = 8.0) -> Callable[[float], EgoTruth]:
    return engaged(lambda t: ego_at(from_m + speed_mps * t, speed_mps, left_m))


# Lateral error


@pytest.mark.parametrize("left_m", [0.0, 0.3, -0.85, -1.2, 2.4])
def test_lateral_error_and_departures(left_m: float) -> None:
    found = judged(beside(left_m), 6.0).following
    assert found.mean_lateral_m == pytest.approx(abs(left_m), abs=0.02)
    assert found.lateral_p95_m == pytest.approx(abs(left_m), abs=0.05)
    assert found.seconds == pytest.approx(6.0, abs=0.06)
    assert found.departed_s == pytest.approx(6.0 if abs(left_m) > 0.9 else 0.0, abs=0.06)
    assert found.lateral_interventions == 0


def test_only_a_car_that_follows_heron_and_moves_is_measured() -> None:
    assert judged(straight(20.0), 6.0).following.report()["mean_lateral_m"] is None
    standing = judged(engaged(lambda t: ego_at(20.0, 0.0, 0.5)), 6.0).following
    assert standing.seconds == 0.0
    assert standing.report()["lane_departure_share"] is None


def test_an_intervention_lasts_until_the_car_is_back_in_its_lane() -> None:
    weaves = engaged(lambda t: ego_at(20.0 + 8.0 * t, 8.0, 3.0 * math.sin(t * math.pi / 4.0)))  # to 3 m on one side, then on the other
    result = judged(weaves, 8.0)
    assert result.following.lateral_interventions == 2
    assert [text for _, text in result.events if "commanded way" in text] != []
    stays = engaged(lambda t: ego_at(20.0 + 8.0 * t, 8.0, min(t, 3.0)))
    assert judged(stays, 8.0).following.lateral_interventions == 1


def test_who_turns_round_has_left_the_way_even_on_its_line() -> None:
    assert judged(engaged(lambda t: ego_at(60.0, 4.0, turned_rad=2.0)), 1.0).following.lateral_interventions == 1


@pytest.mark.parametrize(("kind", "excused"), [(ActorKind.BICYCLE, True), (ActorKind.CONE, True), (ActorKind.PEDESTRIAN, False)])
def test_who_passes_something_may_leave_the_line(kind: ActorKind, excused: bool) -> None:
    place = NORTH.line.at(60.0)
    others = [actor(1, kind, place.x, place.y, place.yaw, 0.5)]
    passing = engaged(lambda t: ego_at(45.0 + 8.0 * t, 8.0, -2.8))
    assert (judged(passing, 3.0, lambda t: others).following.lateral_interventions == 0) is excused


def test_turns_are_taken_or_missed() -> None:
    through = judged(engaged(straight(TURN.begin_m - 12.0)), 6.0).following
    assert (through.turns_taken, through.turns_missed) == (1, 0)
    within = judged(engaged(straight(TURN.begin_m - 12.0)), 1.5).following
    assert (within.turns_taken, within.turns_missed) == (0, 0)
    wrong = engaged(lambda t: ego_at(TURN.begin_m - 12.0 + 8.0 * t, 8.0, max(t - 1.5, 0.0) * 3.0))
    missed = judged(wrong, 6.0).following
    assert (missed.turns_taken, missed.turns_missed) == (0, 1)


# Red lights


def red(result: DrivingResult) -> tuple[int, int]:
    return result.stopping.red_approaches, result.stopping.red_obeyed


def stops(at_m: float, after_s: float = math.inf) -> Callable[[float], EgoTruth]:
    """Comes at 8 m/s with the front bumper to `at_m` before the stop line within 4 s, stands there, and goes on after so long."""
    end_m = STOP_LINE_M - FRONT_M - at_m

    def ego(t: float) -> EgoTruth:
        if t < after_s:
            return ego_at(end_m - 16.0 * max(1.0 - t / 4.0, 0.0) ** 2, 8.0 * max(1.0 - t / 4.0, 0.0))
        return ego_at(end_m + 6.0 * (t - after_s), 6.0)

    return ego


def test_a_red_light_is_obeyed_or_run() -> None:
    assert red(judged(stops(1.5), 8.0, start_s=RED_S)) == (1, 1)
    assert red(judged(stops(25.0), 8.0, start_s=RED_S)) == (1, 1)  # behind others
    assert red(judged(stops(45.0), 8.0, start_s=RED_S)) == (0, 0)
    assert red(judged(straight(STOP_LINE_M - FRONT_M - 28.0), 5.0, start_s=RED_S)) == (1, 0)
    assert red(judged(stops(1.5, after_s=6.0), 10.0, start_s=RED_S)) == (1, 0)  # tired of waiting
    assert red(judged(stops(1.5, after_s=7.0), 10.0, start_s=20.0)) == (1, 1)  # green from 25.5 s on


def test_a_lamp_that_asks_nothing_of_the_car_is_no_approach() -> None:
    assert red(judged(straight(STOP_LINE_M - FRONT_M - 28.0), 5.0, start_s=GREEN_S)) == (0, 0)
    # green comes when the car, 28 m away at first, is still 24 m from the line and needs 19 m to stop
    assert red(judged(straight(STOP_LINE_M - FRONT_M - 28.0), 5.0, start_s=25.0)) == (0, 0)
    # with 16 m left it should have begun to brake
    assert red(judged(straight(STOP_LINE_M - FRONT_M - 28.0), 5.0, start_s=24.0)) == (1, 1)


def test_yellow_with_room_to_stop_is_red_and_without_is_not() -> None:
    assert red(judged(straight(STOP_LINE_M - FRONT_M - 10.0), 3.0, start_s=41.6)) == (0, 0)
    assert red(judged(straight(STOP_LINE_M - FRONT_M - 22.0), 4.0, start_s=41.6)) == (1, 0)


def test_an_approach_that_is_undecided_at_the_end_does_not_count() -> None:
    assert red(judged(straight(STOP_LINE_M - FRONT_M - 28.0), 2.5, start_s=RED_S)) == (0, 0)


# Needless stops


@dataclass(frozen=True)
class _Plan:
    points: NDArray[np.float32]


class _Goes:
    """A referee that would go at certain times."""

    def __init__(self, goes: Callable[[float], bool]) -> None:
        self._goes = goes

    def plan(self, truth: Truth) -> _Plan:
        points = np.zeros((40, 4), np.float32)
        points[-1, 0] = GOES_M + 1.0 if self._goes(truth.time_s - GREEN_S) else 0.0
        return _Plan(points)


def needless(goes: Callable[[float], bool], ego: Callable[[float], EgoTruth], seconds: float) -> tuple[int | None, float | None]:
    found = judged(ego, seconds, judge=Judge(TOWN, NORTH, _Goes(goes))).stopping
    return found.needless_stops, found.needless_s


def test_a_stop_is_needless_when_the_referee_would_go_all_the_time() -> None:
    stands = engaged(lambda t: ego_at(40.0, 0.0))
    count, seconds = needless(lambda t: True, stands, 10.0)
    assert count == 1
    assert seconds == pytest.approx(10.0 - NEEDLESS_S, abs=0.11)
    assert needless(lambda t: False, stands, 10.0) == (0, 0.0)
    assert needless(lambda t: t % 2.0 > 0.5, stands, 10.0) == (0, 0.0)
    assert needless(lambda t: True, stands, NEEDLESS_S) == (0, 0.0)


def test_a_stop_counts_again_once_the_car_has_moved() -> None:
    again = engaged(lambda t: ego_at(40.0 + 5.0 * min(max(t - 4.0, 0.0), 1.0), 5.0 if 4.0 <= t < 5.0 else 0.0))
    assert needless(lambda t: True, again, 10.0)[0] == 2
    blinks = engaged(lambda t: ego_at(40.0, 0.0))
    assert needless(lambda t: not 4.0 < t < 4.5, blinks, 10.0)[0] == 1


def test_nobody_asked_nobody_told() -> None:
    assert judged(straight(20.0), 1.0).report()["needless_stops"] is None
