"""Who may engage, and what permission and shadow do at a tick."""

from __future__ import annotations

import math
from typing import Any

import pytest
from driven_car import SPEED, DrivenCar, requests

from heron_control.config import TrackerConfig
from heron_control.gate import Gate
from heron_control.pilot import Pilot
from heron_core.limits import Limits
from heron_core.signals import Engagement, Ladder
from heron_core.vehicle import ABSENT, Signal
from heron_core.vehicle_model import VehicleModel

MS = 1_000_000


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
