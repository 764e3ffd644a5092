"""Tick by tick with permission: engage, follow, and every way to lose it; ages, clock steps and plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from heron_control.config import TrackerConfig
from heron_control.gate import Gate
from heron_control.pilot import Pilot, Tick, highest_speed
from heron_core.clock import Instant
from heron_core.limits import Limits
from heron_core.signals import Engagement
from heron_core.stages import Stages
from heron_core.trajectory import TIMES_S, Trajectory
from heron_core.vehicle import ABSENT, Odometry, Signal, VehicleState
from heron_core.vehicle_model import VehicleModel

TICK_NS = 10_000_000
SPEED = 10.0


class Car:
    """Feeds a pilot with a car that drives straight on."""

    def __init__(self, pilot: Pilot) -> None:
        self.pilot, self.now_ns, self.steady_ns = pilot, 1_000_000_000, 5_000_000_000
        self.x = 0.0

    @property
    def at(self) -> Instant:
        return Instant(self.now_ns, self.steady_ns)

    def tick(self, step_ns: int = TICK_NS, steady_step_ns: int | None = None, odometry: bool = True, **signals: Signal | float) -> Tick:
        self.now_ns += step_ns
        self.steady_ns += max(step_ns, TICK_NS) if steady_step_ns is None else steady_step_ns
        self.x += SPEED * step_ns / 1e9
        good: dict[str, Signal | float] = {"speed": SPEED, "steer": 0.0, "gear": 1.0, "brake_pressed": 0.0}
        good.update(signals)
        read = {name: value if isinstance(value, Signal) else Signal(value, 0, True) for name, value in good.items()}
        if odometry:
            self.pilot.add_odometry(Odometry(self.now_ns, self.x, 0.0, 0.0, SPEED, 0.0))
        return self.pilot.tick(VehicleState(self.now_ns, read), self.at, lambda: self.now_ns + 50_000)

    def plan(self, age_ns: int = 0) -> Trajectory:
        points = np.stack([SPEED * TIMES_S, 0 * TIMES_S, 0 * TIMES_S, SPEED + 0 * TIMES_S], axis=1).astype(np.float32)
        return Trajectory.make(self.now_ns - age_ns, points, 0, "p", Stages(exposure_ns=self.now_ns - age_ns))

    def engaged(self) -> Car:
        self.tick()
        assert self.pilot.add_plan(self.plan(), self.at) is None
        self.tick()
        assert self.pilot.request(True) == (True, "")
        first = self.tick()
        assert first.verdict.sent is not None and first.verdict.sent.request and first.verdict.fault == ""
        assert first.stages is not None and first.stages.can_written_ns == first.stages.control_ns + 50_000
        assert self.tick().stages is None
        return self


@pytest.fixture
def car(gate: Gate, limits: Limits, model: VehicleModel) -> Car:
    return Car(Pilot(TrackerConfig(), limits, model, gate, False, 3_000_000_000))


def off_with(tick: Tick, kind: str, text: str) -> None:
    assert [(change.kind, text in change.text) for change in tick.changes] == [(kind, True)]
    assert tick.verdict.sent is None or not tick.verdict.sent.request


def test_off_until_asked_and_the_angle_is_the_measured_one(car: Car) -> None:
    car.tick()
    car.pilot.add_plan(car.plan(), car.at)
    tick = car.tick(steer=0.05)
    assert tick.verdict.sent is not None and not tick.verdict.sent.request and tick.verdict.sent.steer_rad == pytest.approx(0.05, abs=1e-5)
    assert car.pilot.status(car.at).engagement is Engagement.OFF


def test_no_plan_no_engagement(car: Car) -> None:
    car.tick()
    assert car.pilot.request(True) == (False, "no plan")


@pytest.mark.parametrize(
    ("signals", "kind", "text"),
    [
        ({"brake_pressed": 1.0}, "override", "brakes"),
        ({"driver_torque": 5.0}, "override", "steers"),
        ({"speed": ABSENT}, "disengagement", "no valid speed"),
        ({"steer": ABSENT}, "disengagement", "no valid steer"),
        ({"speed": 36.5}, "disengagement", "too fast"),
        ({"gear": 0.0}, "disengagement", "gear"),
    ],
)
def test_permission_goes_in_the_same_tick(car: Car, signals: dict[str, Any], kind: str, text: str) -> None:
    off_with(car.engaged().tick(**signals), kind, text)
    again = car.tick()
    assert again.verdict.sent is not None and not again.verdict.sent.request and not again.changes


def test_a_stale_plan_ends_it_at_the_threshold(car: Car) -> None:
    car.engaged()
    stamp = car.now_ns - car.pilot.status(car.at).plan_age_ns
    while (tick := car.tick()).verdict.sent is not None and tick.verdict.sent.request:
        assert car.now_ns - stamp <= 500_000_000
    off_with(tick, "disengagement", "plan is stale")
    assert car.now_ns - stamp == 510_000_000


def test_lost_odometry_ends_it(car: Car) -> None:
    car.engaged()
    ticks = [car.tick(odometry=False) for _ in range(12)]
    changes = [change for tick in ticks for change in tick.changes]
    assert [change.text for change in changes] == ["no odometry since the plan"]


@pytest.mark.parametrize("step_ns", [-50_000_000, -3_500_000_000_000, 40_000_000, 3_500_000_000_000])
def test_a_clock_step_either_way_ends_it(car: Car, step_ns: int) -> None:
    off_with(car.engaged().tick(step_ns, steady_step_ns=TICK_NS), "disengagement", "clock set by")


def test_a_process_that_stood_ends_it(car: Car) -> None:
    off_with(car.engaged().tick(150_000_000), "disengagement", "process stood: 150 ms")


def test_two_ticks_at_one_time_end_it(car: Car) -> None:
    off_with(car.engaged().tick(0, steady_step_ns=0), "disengagement", "process stood")


def test_a_late_tick_does_not_end_it(car: Car) -> None:
    assert car.engaged().tick(15_000_000).changes == ()


def test_a_clock_set_back_makes_no_plan_younger(car: Car) -> None:
    car.engaged()
    for _ in range(50):  # each step too small to be seen as one
        car.tick(step_ns=1_000_000, steady_step_ns=TICK_NS)
    assert car.pilot.status(car.at).plan_age_ns >= 500_000_000


def test_after_a_step_back_new_plans_are_taken_again(car: Car) -> None:
    car.engaged().tick(-500_000_000, steady_step_ns=TICK_NS)
    assert car.pilot.status(car.at).plan_age_ns == -1
    assert car.pilot.add_plan(car.plan(), car.at) is None


def test_a_refused_plan_leaves_the_one_before(car: Car) -> None:
    car.engaged()
    wrong = replace(car.plan(), crc=1)
    assert str(car.pilot.add_plan(wrong, car.at)).startswith("malformed")
    tick = car.tick()
    assert tick.verdict.sent is not None and tick.verdict.sent.request and car.pilot.check.rejected["malformed"] == 1


def test_a_bus_that_fails_ends_it(car: Car, bus: Any) -> None:
    car.engaged()
    bus.works = False
    off_with(car.tick(), "disengagement", "gate: bus does not take frames")


def test_one_wheel_that_claims_more_speed_sets_the_limits(car: Car) -> None:
    read = {"speed": Signal(5.0, 0, True), "wheel_rl": Signal(-9.0, 0, True), "wheel_fr": Signal(30.0, 0, False)}
    assert highest_speed(VehicleState(0, read)) == 9.0
    assert highest_speed(VehicleState(0)) is None


def test_engaging_starts_from_the_measured_angle(car: Car) -> None:
    for _ in range(2):
        car.tick(steer=0.02)
    car.pilot.add_plan(car.plan(), car.at)
    car.tick(steer=0.02)
    assert car.pilot.request(True)[0]
    sent = car.tick(steer=0.02).verdict.sent
    assert sent is not None and sent.request and sent.steer_rad == pytest.approx(0.02, abs=0.002)
    assert car.pilot.gate.limited == 0
