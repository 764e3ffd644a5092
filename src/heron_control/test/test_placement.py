"""Where the car is on its plan: by odometry for as long as it takes, and by reckoning over its holes."""

from __future__ import annotations

import math

import pytest

from heron_control.odometry_buffer import OdometryBuffer
from heron_control.placement import Placement
from heron_core.vehicle import Odometry

TICK = 10_000_000
SPEED, RATE = 10.0, 0.2
RADIUS = SPEED / RATE


class Circle:
    """A car on a circle."""

    def __init__(self) -> None:
        self.buffer = OdometryBuffer(3_000_000_000)
        self.placement = Placement(self.buffer)
        self.i = 0

    def step(self, odometry: bool = True, trusted: bool = True, shift: float = 0.0) -> None:
        self.i += 1
        t = self.i * 0.01
        if odometry:
            x, y = RADIUS * math.sin(RATE * t) + shift, RADIUS * (1 - math.cos(RATE * t))
            self.buffer.add(Odometry(self.i * TICK, x, y, RATE * t, SPEED, RATE))
        self.placement.update(self.i * TICK, 0.01, SPEED, 1 / RADIUS, trusted)

    def error(self, since: int) -> float:
        turned = RATE * (self.i - since) * 0.01
        assert self.placement.moved is not None
        return math.hypot(self.placement.moved.x - RADIUS * math.sin(turned), self.placement.moved.y - RADIUS * (1 - math.cos(turned)))


def test_a_plan_is_followed_longer_than_odometry_is_remembered() -> None:
    car = Circle()
    for _ in range(30):
        car.step()
    assert car.placement.set(20 * TICK, 30 * TICK)
    for _ in range(1500):
        car.step()
    assert car.error(20) < 1e-6 and car.placement.travelled_m == pytest.approx(151.0, abs=0.01) and car.placement.reckoned_s == 0.0


@pytest.mark.parametrize("trusted", [True, False])
def test_holes_are_reckoned_through_and_odometry_goes_on_from_there(trusted: bool) -> None:
    car = Circle()
    for _ in range(30):
        car.step()
    car.placement.set(20 * TICK, 30 * TICK)
    for _ in range(50):
        car.step(odometry=not trusted, trusted=trusted, shift=3.0)
    assert car.error(20) < 0.2 and car.placement.reckoned_s > 0.3
    before = car.error(20)
    for _ in range(50):
        car.step(shift=-7.0 if trusted else 3.0)  # the pose after a hole has nothing to do with the one before
    assert car.error(20) < before + 0.3 and car.placement.reckoned_s == 0.0


def test_an_uncovered_plan_has_no_place_until_odometry_covers_it() -> None:
    car = Circle()
    assert not car.placement.set(0, 0)
    car.step()
    assert car.placement.moved is None and not car.placement.set(0, TICK)
    assert car.placement.of(0, TICK) is None
