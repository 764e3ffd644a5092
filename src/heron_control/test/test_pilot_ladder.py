"""Faults and rungs: what is driven through, warned of, stopped for, and how a stop ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driven_car import DrivenCar, requests

from heron_control.mpc import Preview
from heron_control.pilot import engagement_report
from heron_core.signals import Engagement, Ladder
from heron_core.trajectory import TIMES_S
from heron_core.vehicle import ABSENT

MS = 1_000_000


def test_a_wheel_that_locks_does_not_loosen_the_brakes(car: DrivenCar) -> None:
    car.obeys = True
    car.engaged().drive(0.2)
    asked = []
    for i in range(150):
        hard = np.array(car.points())
        hard[:, 3] = np.maximum(car.speed - 3.2 * TIMES_S, 0.0)
        hard[:, 0] = np.cumsum(hard[:, 3]) * 0.1
        asked.append(car.tick(**({"wheel_fl": 0.0} if 80 < i < 110 else {})).verdict.sent)
        if i % 10 == 0:
            car.give(car.plan(points=hard.astype(np.float32)))
    accels = [0.0 if sent is None else sent.accel_mps2 for sent in asked]
    assert car.state is Engagement.EMERGENCY and ("ladder", "speed_disagrees") in car.told()
    assert accels[80] < -2.5 and max(accels[80:140]) < -2.4  # as hard as the emergency stop at least


def test_a_steering_fault_drops_permission_and_stays_until_acknowledged(car: DrivenCar) -> None:
    car.engaged().told()
    assert not requests(car.tick(eps_fault=1.0)) and car.state is Engagement.FAULT
    assert car.told() == [("fault", "eps_fault"), ("disengagement", "eps_fault")]
    assert car.pilot.request(False) == (False, "the steering reports a fault")
    car.drive(0.1)
    assert car.state is Engagement.FAULT and "fault is latched" in car.pilot.request(True)[1]
    assert car.pilot.request(False) == (True, "") and car.state is Engagement.OFF
    car.tick()
    assert car.pilot.request(True)[0]


def test_the_cancel_button_acknowledges_a_fault(car: DrivenCar) -> None:
    car.engaged().tick(eps_fault=1.0)
    car.tick()
    car.tick(cancel_button=1.0)
    assert car.state is Engagement.OFF


@pytest.mark.parametrize(
    ("signals", "state", "cause"),
    [
        ({"door_open": 1.0}, Engagement.SOFT_STOP, "door"),
        ({"belt_fastened": 0.0}, Engagement.SOFT_STOP, "belt"),
        ({"wheel_fl": 7.5}, Engagement.EMERGENCY, "speed_disagrees"),
        ({"wheel_fl": 13.0}, Engagement.EMERGENCY, "speed_disagrees"),
        ({"speed": ABSENT, "wheel_fl": ABSENT, "wheel_fr": ABSENT}, Engagement.EMERGENCY, "speed_lost"),
        ({"steer": ABSENT}, Engagement.EMERGENCY, "steer_lost"),
        ({"late_ns": 101 * MS}, Engagement.EMERGENCY, "state_late"),
        ({"brake_pressed": ABSENT}, Engagement.EMERGENCY, "signal_lost"),
        ({"driver_torque": ABSENT}, Engagement.EMERGENCY, "signal_lost"),
    ],
)
def test_what_can_be_driven_through_goes_up_the_ladder_and_stays(car: DrivenCar, signals: dict[str, Any], state: Engagement, cause: str) -> None:
    car.engaged().drive(0.2)
    car.told()
    assert requests(car.tick(**signals)) and car.state is state
    car.drive(1.5)
    assert car.state is state and car.told() == [("ladder", cause)]
    assert car.pilot.request(True)[1].startswith("stopping: ")


@pytest.mark.parametrize("signals", [{"speed": ABSENT, "wheel_fl": ABSENT, "wheel_fr": ABSENT}, {"steer": ABSENT}, {"brake_pressed": ABSENT}])
def test_permission_drops_when_nothing_is_known_for_long(car: DrivenCar, signals: dict[str, Any]) -> None:
    car.engaged().drive(0.2)
    ticks = car.drive(1.1, **signals)
    driven = [requests(tick) for tick in ticks]
    assert driven == sorted(driven, reverse=True) and sum(driven) in (90, 91)  # blind_s and the tick itself
    assert car.state is Engagement.FAULT


def test_the_ladder_by_its_times(car: DrivenCar) -> None:
    car.speed = 5.0  # slow: not by distance
    car.engaged().drive(0.2)
    stamp = car.now_ns - car.status.plan_age_ns
    reached: dict[Ladder, float] = {}
    while car.now_ns - stamp < 1600 * MS:
        assert requests(car.tick())
        reached.setdefault(car.status.ladder, (car.now_ns - stamp) / 1e9)
    assert reached == {Ladder.OK: 0.01, Ladder.WARN: 0.36, Ladder.SOFT_STOP: 0.51, Ladder.EMERGENCY: 1.51}
    assert car.told("ladder") == [("ladder", "plan_age")] * 3
    assert car.pilot.rungs.report()["soft_stop"] == {"times": 1, "seconds": 1.0}


def test_emergency_by_distance_whatever_the_time(car: DrivenCar) -> None:
    car.speed = 33.0
    car.engaged().drive(0.2)
    stamp = car.now_ns - car.status.plan_age_ns
    while car.state is not Engagement.EMERGENCY:
        car.tick()
    assert (car.now_ns - stamp) / 1e9 == pytest.approx(30.0 / 33.0, abs=0.02)


def test_a_warning_goes_by_itself(car: DrivenCar) -> None:
    car.engaged().drive(0.4, plans=False)
    assert car.status.ladder is Ladder.WARN and car.status.reason
    car.told()
    car.give()
    car.drive(0.9)
    assert car.status.ladder is Ladder.WARN  # so that plans that are late one by one are one warning
    car.drive(0.4)
    assert car.status.ladder is Ladder.OK and car.state is Engagement.ENGAGED and car.status.reason == "" and car.told() == []


def test_an_old_plan_speeds_nobody_up(car: DrivenCar) -> None:
    """What stands in the way now was not there when it was made. Plans on time do again, while the warning is still told."""
    faster = np.array(car.points())
    faster[:, 3] += 0.6 * TIMES_S
    faster[:, 0] += 0.3 * TIMES_S**2
    car.obeys = True
    car.engaged().drive(3.55)  # comfort is over
    assert car.give(car.plan(points=faster)) is None
    accels = [tick.verdict.sent.accel_mps2 for tick in car.drive(0.5, plans=False) if tick.verdict.sent is not None]
    assert accels[33] > 0.2 and min(np.diff(accels[:34])) >= 0.0  # younger than ladder.warn_s
    assert car.status.ladder is Ladder.WARN and max(np.diff(accels[36:])) < -0.03 and accels[-1] < accels[33] - 0.3
    faster[:, 3] += car.speed - 10.0
    assert car.give(car.plan(points=faster)) is None
    again = [tick.verdict.sent.accel_mps2 for tick in car.drive(0.3, plans=False) if tick.verdict.sent is not None]
    assert car.status.ladder is Ladder.WARN and again[-1] > 0.1


def test_plans_that_are_late_one_by_one_are_one_warning(car: DrivenCar) -> None:
    car.engaged()
    for _ in range(6):
        car.drive(0.4, plans=False)
        car.give()
    assert [told for told in car.told() if told[0] == "ladder"] == [("ladder", "plan_age")] and car.state is Engagement.ENGAGED


def test_tracking_without_a_solution_is_a_reason_to_stop(car: DrivenCar, monkeypatch: pytest.MonkeyPatch) -> None:
    car.engaged().drive(0.2)
    monkeypatch.setattr(Preview, "solve", lambda *_: None)
    car.drive(0.09)
    assert car.state is Engagement.ENGAGED
    car.drive(0.1)
    assert car.state is Engagement.EMERGENCY and ("ladder", "tracking") in car.told()
    ticks = car.drive(2.0)
    assert ticks[-1].verdict.sent is not None and ticks[-1].verdict.sent.accel_mps2 == pytest.approx(-2.5, abs=0.05)


def test_a_soft_stop_slows_gently_and_ends_after_five_fresh_plans(car: DrivenCar) -> None:
    car.obeys = True
    car.engaged().drive(0.2)
    ticks = car.drive(1.0, plans=False)
    assert car.state is Engagement.SOFT_STOP
    accels = [tick.verdict.sent.accel_mps2 for tick in ticks if tick.verdict.sent is not None]
    assert accels[-1] < -0.1 and min(np.diff(accels)) >= -0.3 * 0.01 - 0.0011  # soft_stop.jerk, one step of the raster
    for i in range(5):
        assert car.state is Engagement.SOFT_STOP, i
        car.give()
        car.drive(0.1, plans=False)
    assert car.state is Engagement.ENGAGED and car.told("ladder")[-1] == ("ladder", "recovered")
    assert car.pilot.engagement.disengagements == {}


def test_a_rejected_plan_breaks_the_row_of_fresh_ones(car: DrivenCar) -> None:
    car.engaged().drive(0.6, plans=False)
    for i in range(9):
        car.give(replace(car.plan(), crc=1) if i == 4 else None)
        car.drive(0.1, plans=False)
    assert car.state is Engagement.SOFT_STOP
    car.give()
    car.tick()
    assert car.state is Engagement.ENGAGED


def test_a_burst_of_plans_of_one_moment_ends_no_soft_stop(car: DrivenCar) -> None:
    """A planner that stutters: stamps that creep, of one look at the road."""
    car.engaged().drive(0.6, plans=False)
    for i in range(8):
        assert car.give(age_ns=10 * MS - i) is None
    car.tick()
    assert car.state is Engagement.SOFT_STOP
    car.drive(0.42)
    assert car.state is Engagement.ENGAGED


def test_a_plan_without_a_place_in_odometry_does_not_move_the_order(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.tick()
    plan, later = car.plan(), car.plan(-10 * MS)
    car.tick(odometry=False)
    car.pilot._odometry._break()
    assert str(car.give(later)).startswith("unplaced")
    car.tick()
    assert car.pilot.check._last is not later and car.pilot.check._order(plan) is None


def test_a_soft_stop_at_standstill_needs_to_be_engaged_anew(car: DrivenCar) -> None:
    car.engaged().drive(0.6, plans=False)
    car.speed = 0.0
    for name in ("speed", "wheel_fl", "wheel_fr"):
        car.lasting[name] = 0.0
    car.pilot._speed_watch._known = None  # it came to a standstill
    car.tick()
    car.drive(1.0)
    assert car.state is Engagement.SOFT_STOP and car.pilot.engagement.sticky
    assert car.pilot.request(True) == (True, "")
    car.tick()
    assert car.state is Engagement.ENGAGED and car.told("engagement", "disengagement")[1:] == [("disengagement", "plan_age"), ("engagement", "asked")]


def test_plans_gone_for_good_end_at_standstill_on_the_last_plan_and_hold(car: DrivenCar) -> None:
    car.obeys = True
    car.engaged().drive(0.2)
    car.drive(9.0, plans=False)
    assert car.state is Engagement.EMERGENCY and car.speed == 0.0
    hold = car.tick()
    assert hold.verdict.sent is not None and hold.verdict.sent.request and hold.verdict.sent.hold and hold.verdict.sent.accel_mps2 < -0.5
    assert not car.pilot.request(True)[0]
    car.drive(0.5)  # perception is back
    assert car.state is Engagement.EMERGENCY
    car.told()
    assert car.pilot.request(True) == (True, "")
    car.drive(0.5)
    assert car.state is Engagement.ENGAGED and car.told() == [("disengagement", "plan_age"), ("engagement", "asked")]
    report = engagement_report(car.pilot)
    assert report["disengagements"] == {"plan_age": 1} and report["engagements"] == 2


def test_emergency_brakes_by_its_limits_and_ignores_good_plans(car: DrivenCar) -> None:
    car.obeys = True
    car.engaged().drive(0.2)
    car.drive(1.6, plans=False)
    ticks = car.drive(1.5)
    assert car.state is Engagement.EMERGENCY
    accels = [tick.verdict.sent.accel_mps2 for tick in ticks if tick.verdict.sent is not None]
    assert min(accels) == pytest.approx(-2.5, abs=0.05) and min(np.diff(accels)) >= -1.5 * 0.01 - 0.0011
    assert car.pilot.request(False) == (True, "") and car.state is Engagement.OFF  # the driver may always have it back
