"""A car that follows its commands raises nothing, one that does not is found in time."""

from __future__ import annotations

import math

from heron_control.following import AccelFollowing, SteerFollowing
from heron_control.proving_ground.plant import Plant
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel

DT = 0.01


def test_a_car_that_follows_is_no_fault(limits: Limits, model: VehicleModel) -> None:
    plant, steer, accel = Plant(model), SteerFollowing(limits.following, model), AccelFollowing(limits.following, model)
    plant.speed_mps = 15.0
    for i in range(1500):
        angle, pull = 0.1 * math.sin(i * DT * 2.0), 2.0 * math.sin(i * DT)
        plant.step(DT, angle, pull, False)
        assert steer.update(angle, plant.steer_rad, DT) is None, i
        assert accel.update(pull, plant.speed_mps, DT) is None, i


def test_steering_off_by_more_than_the_limit_is_found_after_its_time(limits: Limits, model: VehicleModel) -> None:
    for error, found in ((0.049, False), (-0.049, False), (0.051, True), (-0.051, True)):
        following = SteerFollowing(limits.following, model)
        following.update(0.0, 0.0, DT)
        at = next((i for i in range(200) if following.update(0.0, error, DT) is not None), None)
        assert (at is not None) is found
        assert at is None or at == 50


def test_a_break_starts_the_time_anew(limits: Limits, model: VehicleModel) -> None:
    following = SteerFollowing(limits.following, model)
    following.update(0.0, 0.0, DT)
    for i in range(300):
        assert following.update(0.0, 0.0 if i % 49 == 48 else 0.06, DT) is None


def test_nothing_is_judged_while_nothing_is_asked(limits: Limits, model: VehicleModel) -> None:
    steer, accel = SteerFollowing(limits.following, model), AccelFollowing(limits.following, model)
    for i in range(300):
        assert steer.update(None, 0.3, DT) is None and steer.update(0.3, None, DT) is None
        assert accel.update(None, 20.0 - i * 0.05, DT) is None


def test_a_car_that_does_not_brake_is_found_and_one_that_is_held_is_not(limits: Limits, model: VehicleModel) -> None:
    following, held = AccelFollowing(limits.following, model), AccelFollowing(limits.following, model)
    following.update(0.0, 20.0, DT)
    found = [i for i in range(300) if following.update(-2.5, 20.0, DT) is not None]
    assert found and 100 < found[0] < 180
    assert all(held.update(-2.5, 0.0, DT) is None for _ in range(300))
