"""Tick by tick with permission: engage, follow, the ladder, and every way to lose it; ages, clock steps, plans and liars."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driven_car import SPEED, TICK_NS, DrivenCar

from heron_control.config import TrackerConfig
from heron_control.gate import Gate
from heron_control.mpc import Preview
from heron_control.pilot import Pilot, Tick, engagement_report
from heron_core.clock import Instant
from heron_core.limits import Limits
from heron_core.signals import Engagement, Ladder
from heron_core.trajectory import TIMES_S
from heron_core.vehicle import ABSENT, Signal
from heron_core.vehicle_model import VehicleModel

MS = 1_000_000


def requests(tick: Tick) -> bool:
    return tick.verdict.sent is not None and tick.verdict.sent.request


def test_off_until_asked_and_the_angle_is_the_measured_one(car: DrivenCar) -> None:
    car.tick()
    assert car.state is Engagement.OFF
    car.give()
    tick = car.tick(steer=0.05)
    assert tick.verdict.sent is not None and not requests(tick) and tick.verdict.sent.steer_rad == pytest.approx(0.05, abs=1e-5)
    assert car.state is Engagement.READY and car.status.reason == ""


def test_engaged_by_service(car: DrivenCar) -> None:
    car.engaged()
    assert car.told() == [("engagement", "asked")]
    status = car.status
    assert status.engagement is Engagement.ENGAGED and status.steer_request and status.accel_request and status.ladder is Ladder.OK
    assert status.plan_valid and status.reason == "" and abs(status.cross_track_m) < 0.01 and abs(status.heading_error_rad) < 0.01
    assert car.pilot.request(True) == (True, "") and car.pilot.engagement.engagements == 1


def test_the_first_command_of_a_plan_is_traced_once(car: DrivenCar) -> None:
    car.ready()
    car.pilot.request(True)
    first = car.tick()
    assert first.stages is not None and first.stages.can_written_ns == first.stages.control_ns + 50_000
    assert car.tick().stages is None


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"brake_pressed": 1.0}, "driver_brake"),
    ({"brake_pressed": math.nan}, "driver_brake"),
    ({"cancel_button": 1.0}, "driver_cancels"),
    ({"driver_torque": 3.1}, "driver_steers"),
    ({"driver_torque": -3.1}, "driver_steers"),
    ({"driver_torque": math.nan}, "driver_steers"),
    ({"throttle": 0.06}, "driver_gas"),
    ({"gear": 0.0}, "gear"),
    ({"gear": -1.0}, "gear"),
    ({"door_open": 1.0}, "door"),
    ({"belt_fastened": 0.0}, "belt"),
    ({"eps_fault": 1.0}, "eps_fault"),
    ({"speed": ABSENT}, "speed_lost"),
    ({"speed": Signal(SPEED, 100 * MS + 1, True)}, "speed_lost"),
    ({"speed": Signal(math.nan, 0, True)}, "speed_lost"),
    ({"speed": 36.5, "wheel_fl": 36.5, "wheel_fr": 36.5}, "speed_disagrees"),  # of this tick: it jumps
    ({"wheel_fl": 12.1}, "speed_disagrees"),
    ({"steer": ABSENT}, "steer_lost"),
    ({"steer": Signal(0.0, 100 * MS + 1, True)}, "steer_lost"),
    ({"steer": Signal(math.inf, 0, True)}, "steer_lost"),
    ({"steer": 0.09}, "steer_angle"),
    ({"late_ns": 101 * MS}, "state_late"),
    ({"late_ns": -21 * MS}, "state_late"),
    *(({name: Signal(0.0, 0, False)}, "signal_lost") for name in ("brake_pressed", "gear", "driver_torque", "throttle", "door_open", "eps_fault")),
]


@pytest.mark.parametrize(("signals", "cause"), BROKEN)
def test_each_broken_precondition_of_the_car_forbids_to_engage(car: DrivenCar, signals: dict[str, Any], cause: str) -> None:
    car.ready().tick(**signals)
    granted, text = car.pilot.request(True)
    assert not granted and text and car.state is Engagement.OFF and car.status.reason == text
    assert not requests(car.tick(**signals)) and car.told() == [("refusal", cause)]


@pytest.mark.parametrize("speed", [36.5, -0.4])
def test_nobody_engages_too_fast_or_rolling_back(car: DrivenCar, speed: float) -> None:
    car.speed = speed
    car.tick()
    car.give(car.plan(points=car.points(max(speed, 0.0))))
    car.tick()
    assert not car.pilot.request(True)[0]
    car.tick()
    assert car.told() == [("refusal", "too_fast" if speed > 0 else "rolls_back")]


def test_each_broken_precondition_around_the_car_forbids_to_engage(car: DrivenCar, bus: Any) -> None:
    def refused() -> str:
        assert not car.pilot.request(True)[0] and car.state is Engagement.OFF
        car.tick()
        return car.told("refusal")[0][1]

    assert car.pilot.request(True) == (False, "no vehicle state")
    car.tick()
    car.tick()
    car.told()
    assert refused() == "plan_missing"
    car.drive(0.36, plans=False)
    car.give(age_ns=340 * MS)
    car.tick()
    car.tick()
    assert refused() == "plan_age"  # taken, but not fresh
    car.give()
    car.health = 2
    car.tick()
    assert refused() == "health"
    car.health = 0
    for planners, cause in (((2, "/policy, /recorder"), "planners"), ((1, "/recorder"), "planners"), ((0, ""), "planner_missing")):
        car.planners = planners
        car.tick()
        assert refused() == cause
    car.planners = (1, "/policy")
    bus.works = False
    car.drive(0.02, plans=False)
    assert refused() == "bus_off"
    bus.works = True
    car.drive(0.02, plans=False)
    assert car.pilot.request(True) == (True, "")


def test_a_component_that_never_spoke_or_went_silent_forbids_to_engage(car: DrivenCar) -> None:
    car.health = None
    car.ready()
    assert car.pilot.request(True) == (False, "/policy has not said that it is well")
    car.health = 0
    car.drive(0.1)
    car.health = None
    car.drive(3.1)
    assert car.pilot.request(True)[1].startswith("/policy is silent")


def test_nobody_engages_beside_the_plan_or_without_odometry(car: DrivenCar, gate: Gate, limits: Limits, model: VehicleModel) -> None:
    car.ready()
    car.y = 1.2
    car.tick()
    assert "off the plan" in car.pilot.request(True)[1]
    other = DrivenCar(Pilot(TrackerConfig(), limits, model, gate, False, 3_000_000_000))
    other.tick(odometry=False)
    other.give()
    other.tick(odometry=False)
    assert other.pilot.request(True) == (False, "no odometry since the plan")


def test_two_policies_that_plan_by_turns_forbid_to_engage(car: DrivenCar) -> None:
    car.ready()
    car.give(car.plan(policy="another"))
    car.tick()
    assert car.pilot.request(True) == (False, "plans of 2 policies")
    car.drive(1.2)
    assert car.pilot.request(True)[0]


def test_a_planner_that_nobody_looked_for_forbids_to_engage(gate: Gate, limits: Limits, model: VehicleModel) -> None:
    pilot = Pilot(TrackerConfig(), limits, model, gate, False, 3_000_000_000, planner="/policy")
    assert pilot._planners.reason() is not None


@pytest.mark.parametrize(
    ("signals", "cause"),
    [
        ({"brake_pressed": 1.0}, "driver_brake"),
        ({"driver_torque": 5.0}, "driver_steers"),
        ({"cancel_button": 1.0}, "driver_cancels"),
    ],
)
@pytest.mark.parametrize("state", [Engagement.ENGAGED, Engagement.SOFT_STOP, Engagement.EMERGENCY])
def test_the_driver_ends_every_state_in_the_same_tick(car: DrivenCar, state: Engagement, signals: dict[str, Any], cause: str) -> None:
    car.engaged().told()
    if state is not Engagement.ENGAGED:
        car.drive(0.6 if state is Engagement.SOFT_STOP else 1.6, plans=False)
    assert car.state is state
    car.told()
    assert not requests(car.tick(**signals)) and car.state is Engagement.OFF
    ends = [("override", cause)] if state is Engagement.ENGAGED else [("override", cause), ("disengagement", "plan_age")]
    assert car.told() == ends and car.pilot.engagement.overrides == {cause: 1}
    assert not requests(car.tick()) and car.told() == []


@pytest.mark.parametrize(
    ("signals", "also"),
    [
        ({"brake_pressed": 1.0}, {"throttle": 0.9}),
        ({"brake_pressed": math.nan}, {"throttle": math.nan}),
        ({"driver_torque": math.nan}, {"engage_button": 1.0}),
        ({"driver_torque": -math.inf}, {"steer": ABSENT}),
        ({"cancel_button": math.nan}, {"speed": math.nan}),
    ],
)
def test_the_driver_wins_at_standstill_too_whatever_else_is_said(car: DrivenCar, signals: dict[str, Any], also: dict[str, Any]) -> None:
    car.obeys, car.speed = True, 1.0
    car.engaged().drive(0.2)
    car.drive(3.5, plans=False)
    held = car.tick().verdict.sent
    assert car.state is Engagement.EMERGENCY and held is not None and held.hold
    assert not requests(car.tick(**signals, **also)) and not car.state.drives
    assert not any(requests(tick) for tick in car.drive(0.3, **signals, **also))  # held on: nobody engages against it
    assert car.pilot.request(True)[0] is False
    car.drive(1.2)
    assert car.pilot.request(True) == (True, "")


def test_hands_that_rest_at_the_limit_are_no_override(car: DrivenCar) -> None:
    car.engaged().drive(0.2, driver_torque=3.0)
    assert car.state is Engagement.ENGAGED
    assert not requests(car.tick(driver_torque=np.nextafter(3.0, 4.0)))


def test_a_cancel_button_that_is_stuck_lets_nobody_engage(car: DrivenCar) -> None:
    car.engaged().tick(cancel_button=1.0)
    car.drive(1.0, cancel_button=1.0)
    assert not car.pilot.request(True)[0] and car.state is Engagement.OFF


def test_all_speed_sources_frozen_while_the_car_should_brake_is_found(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.drive(2.9, plans=False)  # stops, by its commands; no speed moves
    assert car.state is Engagement.EMERGENCY and ("ladder", "plan_age") in car.told()
    assert car.status.accel_mps2 < -2.0  # braked on all the same


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


def test_gear_ends_it_and_is_no_override(car: DrivenCar) -> None:
    car.engaged().told()
    assert not requests(car.tick(gear=0.0)) and car.told() == [("disengagement", "gear")]


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


def test_a_single_lying_wheel_sets_the_limits_but_does_not_move_the_car(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.tick(wheel_fl=30.0)
    assert car.pilot._speed.highest_mps == 30.0 and car.pilot._speed.own_mps == SPEED


def test_one_silent_speed_source_is_no_reason_to_stop(car: DrivenCar) -> None:
    car.engaged().drive(1.0, wheel_fl=ABSENT)
    assert car.state is Engagement.ENGAGED


# The ladder -----------------------------------------------------------------------------------------------------------------------------


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


# Plans ----------------------------------------------------------------------------------------------------------------------------------


def test_faulty_plans_are_as_good_as_none_and_name_the_cause(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    for _ in range(6):
        car.drive(0.1, plans=False)
        assert str(car.give(replace(car.plan(), crc=1))).startswith("malformed")
    assert car.state is Engagement.SOFT_STOP
    assert ("ladder", "plan_malformed") in car.told()


def shifted(car: DrivenCar, across: float = 0.0, along: float = 0.0, speed: float = SPEED) -> Any:
    points = np.array(car.points(speed))
    points[:, 1] += across * np.minimum(np.arange(1, 41) / 2.0, 1.0)
    points[:, 0] += along * np.minimum(np.arange(1, 41) / 3.0, 1.0)
    return points.astype(np.float32)


@pytest.mark.parametrize(
    ("change", "jumps"),
    [({"across": 0.6}, True), ({"across": -0.6}, True), ({"across": 0.4}, False), ({"along": 1.8}, True), ({"along": 0.6}, False)],
)
def test_a_plan_that_jumps_is_refused_while_driving(car: DrivenCar, change: dict[str, float], jumps: bool) -> None:
    car.engaged().drive(0.4)
    car.drive(0.25, plans=False)
    fault = car.give(car.plan(240 * MS, shifted(car, **change)))
    assert str(fault).startswith("jump") is jumps and (fault is None) is not jumps


def test_a_plan_that_jumps_is_taken_while_nobody_is_driven(car: DrivenCar) -> None:
    car.drive(0.35)
    assert car.give(car.plan(40 * MS, shifted(car, 0.6))) is None


def test_jumping_plans_lead_to_a_soft_stop_by_their_name(car: DrivenCar) -> None:
    car.engaged().drive(0.3)
    for _ in range(5):
        car.drive(0.1, plans=False)
        assert car.give(car.plan(50 * MS, shifted(car, 0.8))) is not None
    car.tick()
    assert car.state is Engagement.SOFT_STOP and car.told("ladder")[-1] == ("ladder", "plan_jump")


def test_a_car_away_from_its_plan_stops(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.y = 1.1
    car.tick()
    assert car.state is Engagement.EMERGENCY and car.told("ladder") == [("ladder", "plan_deviation")]


@pytest.mark.parametrize(("yaw", "rung"), [(0.45, Ladder.OK), (0.6, Ladder.WARN), (1.05, Ladder.EMERGENCY)])
def test_a_car_that_heads_elsewhere_warns_then_stops(car: DrivenCar, yaw: float, rung: Ladder) -> None:
    car.engaged()
    points = np.stack([0.01 * TIMES_S, 0 * TIMES_S, 0 * TIMES_S + yaw, 0.1 + 0 * TIMES_S], axis=1)
    car.pilot._plan._plan = car.plan()
    path = type(car.pilot._plan.path)(car.plan(points=points.astype(np.float32)), -1.0)  # type: ignore[misc]
    car.pilot._plan.path = path
    assert car.pilot._plan.deviation() is not None
    car.tick()
    assert car.status.ladder is rung


@pytest.mark.parametrize(
    "second",
    [
        pytest.param({"policy": "another"}, id="another policy"),
        pytest.param({"sequence": 1}, id="the same policy once more"),
    ],
)
def test_a_second_planner_is_not_followed_and_nobody_is_until_engaged_anew(car: DrivenCar, second: dict[str, Any]) -> None:
    car.obeys = True
    car.engaged().drive(0.35)
    assert str(car.give(car.plan(**second))).startswith("not_pinned")
    car.told()
    assert requests(car.tick()) and car.state is Engagement.EMERGENCY and car.told() == [("ladder", "planners")]
    assert str(car.give()).startswith("closed")
    car.drive(8.0)
    assert car.speed == 0.0 and car.state is Engagement.EMERGENCY
    car.drive(1.2)  # stands, and one plans alone
    assert car.pilot.request(True) == (True, "")
    car.tick()
    assert car.told("disengagement") == [("disengagement", "planners")]


def test_a_second_publisher_in_the_graph_stops_the_car(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.planners = (2, "/policy, /rosbag2_player")
    car.told()
    assert requests(car.tick()) and car.state is Engagement.EMERGENCY and car.told() == [("ladder", "planners")]
    assert str(car.give()).startswith("closed")


# Sensors, clocks, bus -------------------------------------------------------------------------------------------------------------------


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


# The driver -----------------------------------------------------------------------------------------------------------------------------


def test_gas_takes_speed_only_and_comfort_follows(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.told()
    for tick in car.drive(0.3, throttle=0.3):
        sent = tick.verdict.sent
        assert sent is not None and sent.steer_request and not sent.accel_request
    assert car.state is Engagement.ENGAGED and car.told() == [("override", "driver_gas")] and not car.status.accel_request
    faster = [car.tick()]
    assert faster[0].verdict.sent is not None and faster[0].verdict.sent.accel_request
    for i in range(100):
        faster.append(car.tick())
        if i % 10 == 0:
            car.give(car.plan(points=car.points(SPEED + 0.8)))
    accels = [tick.verdict.sent.accel_mps2 for tick in faster if tick.verdict.sent is not None]
    assert max(np.diff(accels)) <= 0.5 * 0.01 + 0.0011 and max(accels) > 0.1  # engaging.jerk


def test_gas_in_an_emergency_is_the_drivers_too(car: DrivenCar) -> None:
    car.engaged().drive(1.6, plans=False)
    tick = car.tick(throttle=0.3)
    assert car.state is Engagement.EMERGENCY and tick.verdict.sent is not None
    assert tick.verdict.sent.steer_request and not tick.verdict.sent.accel_request


def test_the_button_engages_on_its_rising_edge(car: DrivenCar) -> None:
    car.ready()
    car.tick(engage_button=1.0)
    assert car.state is Engagement.ENGAGED
    car.tick(engage_button=1.0, brake_pressed=1.0)
    car.give()
    car.drive(0.2, engage_button=1.0)
    assert car.state is Engagement.READY  # still pressed: not again


def test_a_button_stuck_from_the_start_never_engages(car: DrivenCar) -> None:
    car.drive(0.5, engage_button=1.0)
    assert car.state is Engagement.READY
    car.tick(engage_button=ABSENT)
    car.tick(engage_button=1.0)
    assert car.state is Engagement.READY


def test_a_refused_button_says_why(car: DrivenCar) -> None:
    car.tick()
    car.tick(engage_button=1.0)
    assert car.told() == [("refusal", "plan_missing")]


def test_engaging_starts_from_the_measured_angle(car: DrivenCar) -> None:
    car.steer = 0.02
    car.ready()
    assert car.pilot.request(True)[0]
    sent = car.tick().verdict.sent
    assert sent is not None and sent.request and sent.steer_rad == pytest.approx(0.02, abs=0.002)
    assert car.pilot.gate.limited == 0


def test_the_first_seconds_are_gentle(car: DrivenCar) -> None:
    car.obeys = True
    car.ready()
    car.pilot.request(True)
    accels = []
    for i in range(280):
        tick = car.tick()
        assert tick.verdict.sent is not None
        accels.append(tick.verdict.sent.accel_mps2)
        if i % 10 == 9:
            car.give(car.plan(points=car.points(car.speed + 0.9)))
    assert 0.3 < max(accels) <= 1.0 and max(np.diff(accels)) <= 0.5 * 0.01 + 0.0011


def test_comfort_never_takes_braking_away(car: DrivenCar) -> None:
    car.obeys = True
    car.ready()
    car.pilot.request(True)
    car.drive(0.1)
    slow = np.array(car.points())
    slow[:, 3] = np.maximum(SPEED - 3.0 * TIMES_S, 0.0)
    slow[:, 0] = np.cumsum(slow[:, 3]) * 0.1
    for _ in range(10):
        car.drive(0.1, plans=False)
        slow[:, 3] = np.maximum(car.speed - 3.0 * TIMES_S, 0.0)
        slow[:, 0] = np.cumsum(slow[:, 3]) * 0.1
        assert car.give(car.plan(points=slow.astype(np.float32))) is None
    assert car.status.accel_mps2 < -2.0


def test_shadow_drives_whenever_it_can_and_never_engages(gate: Gate, limits: Limits, model: VehicleModel) -> None:
    car = DrivenCar(Pilot(TrackerConfig(), limits, model, gate, True, 3_000_000_000))
    car.tick()
    assert car.pilot.request(True)[0] is False and car.status.reason == "no plan"
    car.give()
    car.tick()
    car.told()
    tick = car.tick(brake_pressed=1.0, gear=ABSENT, engage_button=1.0)  # the recorded driver drives, and may lack sensors
    assert requests(tick) and car.state is Engagement.SHADOW
    assert not requests(car.tick(speed=ABSENT)) and car.status.reason == "no valid speed"
    car.drive(0.6, plans=False)
    assert "ms old" in car.status.reason and car.state is Engagement.SHADOW and car.told() == []
