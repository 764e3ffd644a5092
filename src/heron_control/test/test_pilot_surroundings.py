"""Sensors that are silent or lie, clocks that are set, processes that stand, buses and actuators that fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driven_car import SPEED, TICK_NS, DrivenCar, requests

from heron_core.clock import Instant
from heron_core.signals import Engagement
from heron_core.trajectory import TIMES_S
from heron_core.vehicle import ABSENT

MS = 1_000_000


def test_all_speed_sources_frozen_while_the_car_should_brake_is_found(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.drive(2.9, plans=False)  # stops, by its commands; no speed moves
    assert car.state is Engagement.EMERGENCY and ("ladder", "plan_age") in car.told()
    assert car.status.accel_mps2 < -2.0  # braked on all the same


def test_a_single_lying_wheel_sets_the_limits_but_does_not_move_the_car(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.tick(wheel_fl=30.0)
    assert car.pilot._speed.highest_mps == 30.0 and car.pilot._speed.own_mps == SPEED


def test_one_silent_speed_source_is_no_reason_to_stop(car: DrivenCar) -> None:
    car.engaged().drive(1.0, wheel_fl=ABSENT)
    assert car.state is Engagement.ENGAGED


def test_lost_odometry_is_reckoned_through_to_standstill(car: DrivenCar) -> None:
    car.obeys = True
    car.engaged().drive(0.2)
    car.told()
    for _ in range(900):
        assert requests(car.tick(odometry=False))
    assert car.state is Engagement.EMERGENCY and car.told("ladder")[-1] == ("ladder", "odometry_lost") and car.speed == 0.0


def test_a_short_hole_in_odometry_is_none(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    for i in range(30):
        car.tick(odometry=i % 9 != 0)
        if i % 10 == 9:
            car.give()
    assert car.state is Engagement.ENGAGED


@pytest.mark.parametrize("step_ns", [-50 * MS, -3_500_000 * MS, 40 * MS, 3_500_000 * MS])
def test_a_clock_step_either_way_ends_it(car: DrivenCar, step_ns: int) -> None:
    car.engaged().told()
    assert not requests(car.tick(step_ns, steady_step_ns=TICK_NS)) and car.told() == [("disengagement", "clock_step")]
    assert not car.state.drives


def test_a_process_that_stood_ends_it_and_nothing_bursts(car: DrivenCar, bus: Any) -> None:
    car.engaged().told()
    before = len(bus.frames)
    assert not requests(car.tick(1000 * MS)) and car.told() == [("disengagement", "process_stood")]
    for _ in range(50):  # what waited meanwhile, all at once
        assert not requests(car.tick(100_000, steady_step_ns=100_000))
    assert len(bus.frames) - before <= 2 * 30  # what 250 ms may carry
    assert car.state is not Engagement.ENGAGED


def test_two_ticks_at_one_time_end_it(car: DrivenCar) -> None:
    car.engaged().told()
    car.tick(0, steady_step_ns=0)
    assert [(change.cause, change.text) for change in car.changes] == [("clock_step", "clock stands")]


def test_a_clock_set_back_by_little_more_than_a_tick_is_told_as_that(car: DrivenCar) -> None:
    car.engaged().told()
    assert not requests(car.tick(-2 * MS, steady_step_ns=TICK_NS))
    assert [(change.cause, change.text) for change in car.changes] == [("clock_step", "clock set by -12 ms")]


def test_what_cuts_a_stop_short_is_told_beside_the_stop(car: DrivenCar) -> None:
    car.engaged().drive(0.6, plans=False)
    assert car.state is Engagement.SOFT_STOP
    car.told()
    assert not requests(car.tick(1000 * MS))
    assert car.told() == [("fault", "process_stood"), ("disengagement", "plan_age")]


def test_states_that_stay_away_lead_up_the_ladder_and_nobody_engages(car: DrivenCar) -> None:
    car.engaged()
    assert not car.pilot.tick_is_due(car.at)
    driven = []
    for i in range(1, 130):  # ticks with the last state, which grows old
        later = Instant(car.now_ns + 16 * MS, car.steady_ns + 16 * MS)
        assert car.pilot.tick_is_due(later) is car.state.drives
        driven.append(requests(car.tick(late_ns=i * TICK_NS)))
    assert driven == sorted(driven, reverse=True) and driven[100] and not driven[-1]
    assert [told for told in car.told() if told[0] != "engagement"][:2] == [("ladder", "state_late"), ("fault", "state_late")]
    other = car.pilot.request(True, car.at)
    assert not other[0]


def test_what_the_last_tick_found_long_ago_is_no_ground_to_engage(car: DrivenCar) -> None:
    car.ready()
    car.now_ns, car.steady_ns = car.now_ns + 101 * MS, car.steady_ns + 101 * MS
    assert car.pilot.request(True, car.at) == (False, "no vehicle state comes")
    car.tick()
    assert car.pilot.request(True, car.at)[0]


def test_control_that_rests_gives_the_car_back_and_engages_nobody(car: DrivenCar, bus: Any) -> None:
    car.engaged()
    before = len(bus.frames)
    assert [(change.kind, change.cause) for change in car.pilot.rest(car.at)] == [("disengagement", "deactivated")]
    assert len(bus.frames) == before + 2 and car.state is Engagement.OFF and not car.status.steer_request
    assert car.pilot.request(True, car.at) == (False, "control rests")


def test_a_storm_of_requests_neither_grows_nor_drives(car: DrivenCar) -> None:
    car.ready()
    for _ in range(5000):
        assert car.pilot.request(True)[0] and car.pilot.request(False)[0]
    assert len(car.pilot._pending) <= 110 and not requests(car.tick()) and not car.state.drives
    assert car.pilot.request(True)[0] and requests(car.tick())


def test_two_that_command_engage_nobody(car: DrivenCar) -> None:
    car.ready()
    car.pilot.set_commanders(2, "/control, /control")
    car.tick()
    assert car.pilot.request(True) == (False, "2 components command: /control, /control")
    car.pilot.set_commanders(1, "/control")
    car.tick()
    assert car.pilot.request(True)[0]


def test_a_late_tick_does_not_end_it(car: DrivenCar) -> None:
    car.engaged().told()
    car.tick(15 * MS)
    assert car.told() == [] and car.state is Engagement.ENGAGED


def test_a_clock_that_is_set_a_little_makes_no_step_larger(car: DrivenCar, monkeypatch: pytest.MonkeyPatch) -> None:
    car.engaged()
    times: list[int] = []
    send = car.pilot.gate.send
    monkeypatch.setattr(car.pilot.gate, "send", lambda command, speed, steer, now_ns: (times.append(now_ns), send(command, speed, steer, now_ns))[1])
    for step_ns in (TICK_NS, TICK_NS + 6 * MS, TICK_NS - 6 * MS):
        assert requests(car.tick(step_ns, steady_step_ns=TICK_NS))
    assert [times[1] - times[0], times[2] - times[1]] == [TICK_NS, TICK_NS]


def test_a_permission_that_nothing_was_asked_with_lapses(car: DrivenCar) -> None:
    """The car rolls back in the tick after engaging: there is no stop to make, the driver still drives."""
    car.ready()
    assert car.pilot.request(True) == (True, "")
    backwards = dict.fromkeys(("speed", "wheel_fl", "wheel_fr", "wheel_rl", "wheel_rr"), -2.0)
    assert not requests(car.tick(**backwards))
    assert car.state is Engagement.OFF and [kind for kind, _ in car.told()] == ["engagement", "disengagement"]


def test_a_clock_set_back_makes_no_plan_younger(car: DrivenCar) -> None:
    car.engaged()
    for _ in range(52):  # each step too small to be seen as one
        car.tick(step_ns=9 * MS, steady_step_ns=TICK_NS)
    assert car.status.plan_age_ns >= 500 * MS and car.state is Engagement.SOFT_STOP


def test_after_a_step_back_new_plans_are_taken_again(car: DrivenCar) -> None:
    car.engaged().tick(-500 * MS, steady_step_ns=TICK_NS)
    assert car.status.plan_age_ns == -1
    assert car.give() is None


def test_a_bus_that_fails_is_a_fault_and_nothing_is_asked_when_it_is_back(car: DrivenCar, bus: Any) -> None:
    car.engaged().told()
    bus.works = False
    assert car.tick().verdict.sent is None and car.state is Engagement.FAULT
    assert car.told() == [("fault", "bus_off"), ("disengagement", "bus_off")]
    car.tick()
    assert car.pilot.request(False) == (False, "bus does not take frames")
    bus.works = True
    assert not any(requests(tick) for tick in car.drive(1.0)) and car.state is Engagement.FAULT
    assert car.pilot.request(False)[0]


def test_steering_that_does_not_follow_is_a_fault(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.steer = 0.0
    for i in range(80):
        car.tick(steer=0.06)
        if i % 10 == 9:
            car.give()
        if car.state is Engagement.FAULT:
            break
    assert car.told("fault") == [("fault", "steer_following")] and 45 <= i <= 60


def test_a_car_that_does_not_slow_down_stops_softly(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    slow = np.array(car.points())
    slow[:, 3] = np.maximum(SPEED - 2.5 * TIMES_S, 0.0)
    slow[:, 0] = np.cumsum(slow[:, 3]) * 0.1
    for i in range(400):
        car.tick()
        if i % 10 == 9:
            car.give(car.plan(points=slow.astype(np.float32)))
        if car.state is not Engagement.ENGAGED:
            break
    assert car.told("ladder")[-1] == ("ladder", "accel_following") and car.state is Engagement.SOFT_STOP and car.pilot.engagement.sticky


def test_a_sick_component_stops_the_car_softly(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.health = 2
    car.tick()
    car.health = 0
    car.drive(1.5)
    assert car.state is Engagement.SOFT_STOP and car.told("ladder") == [("ladder", "health")]
