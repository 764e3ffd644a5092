"""The plant against closed forms: arcs, dead time, lag, lock, brakes, and what its sensors say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from heron_control.proving_ground.plant import STEER_RATE_MAX_RPS, Plant, PlantNoise
from heron_core.se2 import SE2
from heron_core.vehicle_model import VehicleModel

DT = 0.01


@pytest.fixture
def ideal(model: VehicleModel) -> VehicleModel:
    """Actuators that obey at once."""
    return replace(model, steer_dead_s=0.0, steer_lag_s=0.0, accel_dead_s=0.0, accel_lag_s=0.0)


def test_a_constant_angle_drives_the_exact_circle(model: VehicleModel) -> None:
    plant = Plant(model, pose=SE2(3.0, -2.0, 0.4), speed_mps=8.0, steer_rad=0.2)
    radius = 1.0 / model.curvature(0.2)
    for _ in range(round(2 * math.pi * radius / 8.0 / DT)):
        plant.step(DT, 0.2, 0.0)
    turned = plant.distance_m / radius
    assert plant.x_m == pytest.approx(3.0 + radius * (math.sin(0.4 + turned) - math.sin(0.4)), abs=1e-6)
    assert plant.y_m == pytest.approx(-2.0 - radius * (math.cos(0.4 + turned) - math.cos(0.4)), abs=1e-6)
    assert plant.yaw_rate_rps == pytest.approx(8.0 / radius)
    assert plant.lateral_accel_mps2 == pytest.approx(64.0 / radius)


def test_steering_waits_its_dead_time_then_follows_its_lag(model: VehicleModel) -> None:
    odd = replace(model, steer_dead_s=0.043)  # no multiple of a step
    plant = Plant(odd, speed_mps=0.0)
    for i in range(1, 40):
        plant.step(DT, 0.01, 0.0)
        since = i * DT - odd.steer_dead_s
        assert plant.steer_rad == pytest.approx(0.01 * (1 - math.exp(-max(since, 0.0) / odd.steer_lag_s)), abs=1e-12)


def test_acceleration_waits_and_lags_and_speed_is_its_integral(model: VehicleModel) -> None:
    plant = Plant(model, speed_mps=20.0)
    for _ in range(100):
        plant.step(DT, 0.0, -2.0)
    since = 1.0 - model.accel_dead_s
    settled = 1 - math.exp(-since / model.accel_lag_s)
    assert plant.accel_mps2 == pytest.approx(-2.0 * settled)
    assert plant.speed_mps == pytest.approx(20.0 - 2.0 * (since - model.accel_lag_s * settled))


def test_the_wheels_have_a_lock_and_a_rate(ideal: VehicleModel) -> None:
    plant = Plant(ideal)
    plant.step(0.1, 5.0, 0.0)
    assert plant.steer_rad == pytest.approx(0.1 * STEER_RATE_MAX_RPS)
    for _ in range(100):
        plant.step(DT, 5.0, 0.0)
    assert plant.steer_rad == ideal.steer_max_rad


def test_brakes_stop_and_do_not_reverse(ideal: VehicleModel) -> None:
    plant = Plant(ideal, speed_mps=5.0)
    for _ in range(400):
        plant.step(DT, 0.0, -2.0)
    assert plant.speed_mps == 0.0 and plant.accel_mps2 == 0.0
    assert plant.distance_m == plant.x_m == pytest.approx(25.0 / 4.0, abs=1e-9)


def test_a_held_car_stays_until_it_is_let_go(ideal: VehicleModel) -> None:
    plant = Plant(ideal)
    plant.step(DT, 0.0, 1.0, hold=True)
    assert plant.speed_mps == 0.0
    plant.step(DT, 0.0, 1.0)
    assert plant.speed_mps == pytest.approx(0.01)


def test_without_commands_the_driver_drives(model: VehicleModel) -> None:
    plant = Plant(model, speed_mps=10.0, steer_rad=0.05)
    for _ in range(100):
        plant.step(DT, None, None)
    assert (plant.steer_rad, plant.speed_mps) == (0.05, 10.0)
    plant.driver_steer, plant.driver_accel = -0.02, -1.0
    for _ in range(100):
        plant.step(DT, None, None)
    assert plant.steer_rad == pytest.approx(-0.02, abs=1e-6) and plant.accel_mps2 == pytest.approx(-1.0, abs=0.01)


def test_the_drivers_brake_wins_over_a_command(model: VehicleModel) -> None:
    plant = Plant(model, speed_mps=20.0)
    plant.driver_accel = -3.0
    for _ in range(200):
        plant.step(DT, 0.0, 1.0)
    assert plant.accel_mps2 == pytest.approx(-3.0, abs=0.01)


def test_without_a_seed_sensors_tell_the_truth(model: VehicleModel) -> None:
    plant = Plant(model, speed_mps=10.0, steer_rad=0.1)
    plant.step(DT, 0.1, 0.0)
    said = plant.measured()
    assert (said["speed"], said["steer"], said["yaw_rate"]) == (plant.speed_mps, plant.steer_rad, plant.yaw_rate_rps)
    assert said["accel_y"] == plant.lateral_accel_mps2
    # Wheels: rear ones around the rear axle's centre, front ones faster by the cosine of their angle.
    assert said["wheel_rr"] - said["wheel_rl"] == pytest.approx(plant.yaw_rate_rps * model.track_m)
    assert (said["wheel_fl"] + said["wheel_fr"]) / 2 == pytest.approx(10.0 / math.cos(0.1), rel=1e-3)


def test_noise_has_its_sigmas_and_biases_and_leaves_the_truth_alone(ideal: VehicleModel) -> None:
    noise = PlantNoise(speed_scale=0.01)
    plant = Plant(ideal, seed=3, noise=noise, speed_mps=10.0)
    rows = []
    for _ in range(4000):
        plant.step(DT, noise.steer_bias_rad, 0.0)  # the power steering believes its sensor: the wheels stand straight
        rows.append([plant.measured()[name] for name in ("speed", "steer", "yaw_rate")])
    assert plant.speed_mps == 10.0 and plant.steer_rad == 0.0
    mean, std = np.mean(rows, axis=0), np.std(rows, axis=0)
    assert mean == pytest.approx([10.1, noise.steer_bias_rad, noise.yaw_rate_bias_rps], abs=2e-3)
    assert std == pytest.approx([noise.speed_sigma_mps, noise.steer_sigma_rad, noise.yaw_rate_sigma_rps], rel=0.1)


def test_a_seed_gives_the_same_noise_and_reading_twice_the_same_values(model: VehicleModel) -> None:
    def drive(seed: int) -> list[dict[str, float]]:
        plant = Plant(model, seed, speed_mps=10.0)
        found = []
        for _ in range(20):
            plant.step(DT, 0.01, 0.1)
            assert plant.measured() == plant.measured()
            found.append(plant.measured())
        return found

    assert drive(1) == drive(1) != drive(2)


def test_a_car_that_stands_says_so(model: VehicleModel) -> None:
    plant = Plant(model, seed=1)
    plant.step(DT, 0.0, -1.0)
    assert {plant.measured()[name] for name in ("speed", "wheel_fl", "wheel_rr")} == {0.0}


@pytest.mark.parametrize("start", [{"speed_mps": -1.0}, {"steer_rad": 0.7}, {"speed_mps": math.nan}])
def test_an_impossible_start_is_refused(model: VehicleModel, start: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Plant(model, **start)  # type: ignore[arg-type]
