"""The driver always wins: brake, steering, buttons, gear and throttle, in every state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from driven_car import SPEED, DrivenCar, requests

from heron_core.signals import Engagement
from heron_core.trajectory import TIMES_S
from heron_core.vehicle import ABSENT

MS = 1_000_000


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


def test_gear_ends_it_and_is_no_override(car: DrivenCar) -> None:
    car.engaged().told()
    assert not requests(car.tick(gear=0.0)) and car.told() == [("disengagement", "gear")]


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
