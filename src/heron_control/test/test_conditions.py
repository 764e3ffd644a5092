"""What a tick finds, condition by condition and to the edge of each limit: expected values are written out from limits.yaml and vehicle.yaml."""

from __future__ import annotations

import math
from typing import Any

import pytest

from heron_control.conditions import Judge, Situation
from heron_control.engagement import Judgement
from heron_control.ladder import Concern, Reason
from heron_control.speed import SpeedView
from heron_core.clock import Instant
from heron_core.limits import Limits
from heron_core.signals import Ladder
from heron_core.vehicle import ABSENT, Signal, VehicleState
from heron_core.vehicle_model import VehicleModel

MS = 1_000_000
NOW_NS = 1_000_000_000
WELL = {"speed": 10.0, "steer": 0.0, "gear": 1.0, "brake_pressed": 0.0, "cancel_button": 0.0, "driver_torque": 0.0, "throttle": 0.0}
WELL |= {"door_open": 0.0, "belt_fastened": 1.0, "eps_fault": 0.0}
MOVING = SpeedView(10.0, 10.0)
WHY = Reason("why", "because")
OLD = Concern(Ladder.SOFT_STOP, Reason("plan_age", "old"), passing=True)


@pytest.fixture
def judge(limits: Limits, model: VehicleModel) -> Judge:
    return Judge(limits, model, shadow=False)


@pytest.fixture
def shadow(limits: Limits, model: VehicleModel) -> Judge:
    return Judge(limits, model, shadow=True)


def state(late_ns: int = 0, without: str = "", **signals: float | Signal) -> VehicleState:
    read = {name: value if isinstance(value, Signal) else Signal(value, 0, True) for name, value in {**WELL, **signals}.items() if name != without}
    return VehicleState(NOW_NS - late_ns, read)


def situation(found: VehicleState | None = None, steady_ns: int = NOW_NS, speed: SpeedView = MOVING, **more: Any) -> Situation:
    return Situation(found or state(), Instant(NOW_NS, steady_ns), speed, **more)


def cause(reason: Reason | None) -> str:
    return "" if reason is None else reason.cause


def rung(found: Judgement) -> tuple[Ladder, str]:
    return (Ladder.OK, "") if found.concern is None else (found.concern.rung, found.concern.reason.cause)


def test_where_all_is_well_nothing_is_found(judge: Judge, shadow: Judge) -> None:
    assert judge.judge(situation()) == shadow.judge(situation()) == Judgement()
    assert judge.judge(situation(recovered=True)) == Judgement(recovered=True)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        *(("brake_pressed", value, "driver_brake") for value in (1.0, 0.01, math.nan)),
        *(("cancel_button", value, "driver_cancels") for value in (1.0, math.nan)),
        *(("driver_torque", value, "driver_steers") for value in (3.001, -3.001, math.nan)),
        *(("driver_torque", value, "") for value in (3.0, -3.0)),
        *(("gear", value, "gear") for value in (0.0, -1.0, 2.0, 1.001, math.nan)),
    ],
)
def test_the_driver_takes_over(judge: Judge, name: str, value: float, found: str) -> None:
    judged = judge.judge(situation(state(**{name: value})))
    assert (cause(judged.driver), cause(judged.obstacle), judged.fault, judged.concern) == (found, found, None, None)


@pytest.mark.parametrize(("value", "accelerates"), [(0.05, False), (0.0501, True), (math.nan, True), (ABSENT, False)])
def test_the_drivers_foot_stands_against_engaging_only(judge: Judge, value: float | Signal, accelerates: bool) -> None:
    read = state(throttle=value)
    assert judge.accelerates(read) is accelerates
    judged = judge.judge(situation(read))
    assert judged.driver is None and (cause(judged.obstacle) == "driver_gas") is accelerates


@pytest.mark.parametrize(("name", "value", "found"), [("door_open", 1.0, "door"), ("belt_fastened", 0.0, "belt"), ("belt_fastened", 0.999, "belt")])
def test_the_body_stops_softly(judge: Judge, name: str, value: float, found: str) -> None:
    judged = judge.judge(situation(state(**{name: value})))
    assert rung(judged) == (Ladder.SOFT_STOP, found) and cause(judged.obstacle) == found
    assert judged.concern is not None and not judged.concern.passing and judged.driver is None and judged.fault is None


@pytest.mark.parametrize(
    ("changes", "found"),
    [({"found": state(eps_fault=1.0)}, "eps_fault"), ({"bus": WHY}, "why"), ({"steer_following": WHY}, "why")],
)
def test_what_is_a_fault_at_once(judge: Judge, changes: dict[str, Any], found: str) -> None:
    judged = judge.judge(situation(**changes))
    assert (cause(judged.fault), cause(judged.obstacle), judged.concern, judged.driver) == (found, found, None, None)


BLIND = [
    *((state(late_ns=late), found) for late, found in ((100 * MS, ""), (100 * MS + 1, "state_late"), (-20 * MS, ""), (-20 * MS - 1, "state_late"))),
    *((state(steer=Signal(0.0, age, True)), found) for age, found in ((100 * MS, ""), (100 * MS + 1, "steer_lost"))),
    *((state(steer=steer), "steer_lost") for steer in (ABSENT, Signal(0.0, 0, False), Signal(math.nan, 0, True), Signal(math.inf, 0, True))),
    *((state(without=name), "signal_lost") for name in ("brake_pressed", "gear")),
    *((state(without=name), "") for name in ("cancel_button", "driver_torque", "throttle", "door_open", "belt_fastened", "eps_fault")),
    *((state(**{name: Signal(WELL[name], 0, False)}), "signal_lost") for name in WELL if name not in ("speed", "steer")),
]


@pytest.mark.parametrize(("read", "found"), BLIND)
def test_what_must_be_known(judge: Judge, read: VehicleState, found: str) -> None:
    judged = judge.judge(situation(read))
    assert rung(judged) == ((Ladder.EMERGENCY, found) if found else (Ladder.OK, "")) and cause(judged.obstacle) == found
    assert judged.fault is None and judged.driver is None


def test_no_speed_at_all_is_an_emergency(judge: Judge) -> None:
    judged = judge.judge(situation(speed=SpeedView(lost=WHY)))
    assert rung(judged) == (Ladder.EMERGENCY, "why") and judged.obstacle is WHY and not judged.standing


def test_knowing_nothing_for_long_is_a_fault(judge: Judge) -> None:
    blind = state(steer=ABSENT)

    def fault(read: VehicleState, steady_ns: int) -> str:
        return cause(judge.judge(situation(read, steady_ns)).fault)

    assert [fault(blind, at) for at in (5_000 * MS, 5_500 * MS, 5_900 * MS, 5_900 * MS + 1)] == ["", "", "", "steer_lost"]
    assert fault(state(), 6_001 * MS) == "" and fault(blind, 6_002 * MS) == "" and fault(blind, 6_902 * MS) == ""
    assert fault(blind, 6_902 * MS + 1) == "steer_lost"


@pytest.mark.parametrize(
    ("name", "stop", "stands_against"),
    [
        ("foreign", Ladder.EMERGENCY, True),
        ("gate", Ladder.EMERGENCY, False),
        ("tracking", Ladder.EMERGENCY, False),
        ("health", Ladder.SOFT_STOP, True),
        ("accel_following", Ladder.SOFT_STOP, False),
        ("planners", Ladder.OK, True),
        ("plan", Ladder.OK, True),
    ],
)
def test_what_others_found_leads_to_its_rung(judge: Judge, name: str, stop: Ladder, stands_against: bool) -> None:
    judged = judge.judge(situation(**{name: WHY}))
    assert rung(judged) == (stop, "why" if stop is not Ladder.OK else "") and judged.obstacle == (WHY if stands_against else None)
    assert judged.fault is None and (judged.concern is None or not judged.concern.passing)


def test_a_second_planner_is_an_emergency(judge: Judge) -> None:
    second = Reason("planners", "two")
    judged = judge.judge(situation(planners=second))
    assert rung(judged) == (Ladder.EMERGENCY, "planners") and judged.obstacle is second


def test_the_age_of_the_plan_counts_and_what_is_over_stands_against_nothing(judge: Judge) -> None:
    judged = judge.judge(situation(plan_concern=OLD))
    assert judged.concern is OLD and judged.obstacle is OLD.reason
    held = Concern(Ladder.WARN, WHY, passing=True, held=True)
    judged = judge.judge(situation(plan_concern=held))
    assert judged.concern is held and judged.obstacle is None


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(
    ("across", "heading", "found", "stop"),
    [
        (1.0, 0.5, "", Ladder.OK),
        (1.001, 0.0, "plan_deviation", Ladder.EMERGENCY),
        (math.nan, math.nan, "", Ladder.OK),
        (0.0, 0.501, "", Ladder.WARN),
        (0.0, 1.0, "", Ladder.WARN),
        (0.0, 1.001, "plan_deviation", Ladder.EMERGENCY),
    ],
)
def test_a_car_off_its_plan(judge: Judge, side: float, across: float, heading: float, found: str, stop: Ladder) -> None:
    judged = judge.judge(situation(across_m=side * across, heading_rad=side * heading))
    assert cause(judged.obstacle) == found and rung(judged)[0] is stop
    assert judged.concern is None or judged.concern.passing is (stop is Ladder.WARN)


@pytest.mark.parametrize(("reckoned_s", "stop"), [(0.1, Ladder.OK), (0.1001, Ladder.EMERGENCY)])
def test_a_car_without_a_place(judge: Judge, shadow: Judge, reckoned_s: float, stop: Ladder) -> None:
    judged, found = judge.judge(situation(reckoned_s=reckoned_s)), "odometry_lost" if stop is not Ladder.OK else ""
    assert rung(judged) == (stop, found) and judged.obstacle is None
    assert cause(shadow.judge(situation(reckoned_s=reckoned_s)).obstacle) == found


@pytest.mark.parametrize(
    ("speed", "found", "stop"),
    [
        (SpeedView(36.0, 36.0), "", Ladder.OK),
        (SpeedView(36.001, 10.0), "too_fast", Ladder.SOFT_STOP),
        (SpeedView(0.3, -0.3), "", Ladder.OK),
        (SpeedView(0.3, -0.301), "rolls_back", Ladder.EMERGENCY),
        (SpeedView(10.0, 10.0, disagreement=WHY), "why", Ladder.EMERGENCY),
        (SpeedView(), "", Ladder.OK),
    ],
)
def test_speeds_that_stop_a_car(judge: Judge, speed: SpeedView, found: str, stop: Ladder) -> None:
    judged = judge.judge(situation(speed=speed))
    assert cause(judged.obstacle) == found and rung(judged) == (stop, found)


@pytest.mark.parametrize(("highest", "standing"), [(0.15, False), (0.1499, True), (0.0, True), (None, False)])
def test_a_car_that_stands(judge: Judge, highest: float | None, standing: bool) -> None:
    assert judge.judge(situation(speed=SpeedView(highest, highest))).standing is standing


@pytest.mark.parametrize(
    ("speed", "found"),
    [
        (ABSENT, "speed_lost"),
        (Signal(10.0, 0, False), "speed_lost"),
        (Signal(math.nan, 0, True), "speed_lost"),
        (Signal(10.0, 100 * MS, True), ""),
        (Signal(10.0, 100 * MS + 1, True), "speed_lost"),
    ],
)
def test_a_wheels_speed_is_enough_to_stop_and_not_to_engage(judge: Judge, speed: Signal, found: str) -> None:
    judged = judge.judge(situation(state(speed=speed)))
    assert cause(judged.obstacle) == found and judged.concern is None


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("speed", "largest"), [(10.0, math.atan(3.0 / 100.0 * 2.8)), (0.0, math.atan(0.2 * 2.8))])
def test_nobody_engages_at_an_angle_beyond_the_limits(judge: Judge, side: float, speed: float, largest: float) -> None:
    for angle, found in ((largest, ""), (largest + 1e-6, "steer_angle")):
        judged = judge.judge(situation(state(steer=side * angle), speed=SpeedView(speed, speed)))
        assert cause(judged.obstacle) == found and judged.concern is None


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (state(late_ns=100 * MS), ""),
        (state(late_ns=100 * MS + 1), "state_late"),
        (state(late_ns=-20 * MS), ""),
        (state(late_ns=-20 * MS - 1), "state_late"),
        (state(speed=ABSENT), "speed_lost"),
        (state(speed=36.0), ""),
        (state(speed=36.001), "too_fast"),
        (state(speed=-0.3), ""),
        (state(speed=-0.301), "rolls_back"),
        (state(brake_pressed=1.0, gear=0.0, steer=ABSENT, door_open=1.0), ""),  # the recorded driver drives
    ],
)
def test_what_shadow_needs_of_a_recording(shadow: Judge, read: VehicleState, found: str) -> None:
    speed = abs(read["speed"].value)
    judged = shadow.judge(situation(read, speed=SpeedView(speed, speed)))
    assert cause(judged.obstacle) == found and judged == Judgement(obstacle=judged.obstacle)


def test_shadow_needs_a_plan_that_is_no_reason_to_stop(shadow: Judge) -> None:
    warn = Concern(Ladder.WARN, WHY, passing=True)
    assert shadow.judge(situation(plan_concern=warn)) == Judgement(concern=warn)
    assert shadow.judge(situation(plan_concern=OLD)) == Judgement(obstacle=OLD.reason, concern=OLD)
    assert shadow.judge(situation(plan=WHY)) == Judgement(obstacle=WHY)
