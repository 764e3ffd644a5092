"""Perception is gone in a curve, and the rest of what the loop itself must do: frames both ways, the same bits for the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from gate_drive import DEMO

from heron_control.proving_ground.closed_loop import ENGAGE, TICK_S, Drive, LoopCar, LoopConfig, drive
from heron_control.proving_ground.course import Course, Segment, curve, sharpest, straight
from heron_control.proving_ground.scripted_driver import Act
from heron_core.signals import Engagement, Ladder

LANE_M = 0.5
DIES_S = 7.0  # in the arc, long engaged


@pytest.fixture(scope="module")
def vehicle() -> LoopCar:
    return LoopCar.load(DEMO)


def test_the_same_seed_gives_the_same_bits_and_another_one_others(vehicle: LoopCar) -> None:
    course = Course([*straight(20.0), Segment(200.0, 0.0, 0.02)], 10.0)
    once, again, other = (drive(vehicle, course, LoopConfig(seconds=4.0, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(once[name], again[name], equal_nan=True) for name in once.columns)
    assert not np.array_equal(once["x_m"], other["x_m"])


def test_what_the_car_follows_comes_out_of_its_frames(vehicle: LoopCar) -> None:
    seen = drive(vehicle, Course([Segment(200.0, 0.0, 0.02)], 10.0), LoopConfig(seconds=4.0))
    assert seen.engagement[0] != Engagement.ENGAGED.value == seen.engagement[-1]
    assert np.isnan(seen["asked_steer_rad"][:45]).all() and seen.driven[100:].all()
    for name, column in (("steer", "asked_steer_rad"), ("accel", "asked_accel_mps2")):
        step, offset = vehicle.car.commands[name].raster
        raw = (seen[column][seen.driven] - offset) / step
        assert np.abs(raw - np.round(raw)).max() < 1e-6 and len(set(np.round(raw))) > 3


def test_without_plans_nobody_engages(vehicle: LoopCar) -> None:
    seen = drive(vehicle, Course(straight(100.0), 10.0), LoopConfig(seconds=3.0, planner_dies_s=0.0))
    assert not seen.driven.any() and not [change for _, change in seen.changes if change.kind == "engagement"]


def test_progress_is_told(vehicle: LoopCar) -> None:
    told: list[float] = []
    drive(vehicle, Course(straight(100.0), 10.0), LoopConfig(seconds=2.5), told.append)
    assert told == [0.0, 1.0, 2.0]


def _killed(vehicle: LoopCar, kmh: float, seed: int = 1) -> tuple[Drive, float]:
    """A curve of 70 % of lateral acceleration; the planner dies in it, returns after standstill, and the driver engages again."""
    speed, emergency = kmh / 3.6, -vehicle.limits.emergency_stop.accel_mps2
    bend = 0.7 * vehicle.limits.curvature_at(speed)
    course = Course([*straight(4.5 * speed), *curve(sharpest(vehicle.limits, vehicle.model, speed), bend, 25.0 * speed + 100.0, out=False)], speed)
    returns_s = DIES_S + speed / emergency + 4.5
    again = Act("engage_button", at_s=returns_s + 1.0, when="standing")
    acts = (ENGAGE, again)
    config = LoopConfig(seconds=returns_s + 5.0, planner_dies_s=DIES_S, planner_returns_s=returns_s, acts=acts, seed=seed)
    return drive(vehicle, course, config), returns_s


@pytest.mark.parametrize(
    ("kmh", "seed"), [(30, 1), (100, 1), *(pytest.param(kmh, seed, marks=pytest.mark.slow) for kmh in (30, 50, 80, 100) for seed in (2, 3))]
)
def test_perception_dies_in_a_curve(vehicle: LoopCar, kmh: float, seed: int) -> None:
    seen, returns_s = _killed(vehicle, kmh, seed)
    time, limits = seen["time_s"], vehicle.limits
    stands = float(time[(seen["speed_mps"] == 0.0) & (time > DIES_S)][0])
    before = (time > 4.0) & (time < returns_s)
    assert stands < returns_s - 1.0
    assert np.abs(seen["cross_track_m"][before]).max() <= LANE_M
    assert seen.driven[(time > 1.0)].all()  # Heron holds the car all the way, and at standstill

    last_stamp = DIES_S - 0.1
    rungs = {change.text.split(":")[0]: at - last_stamp for at, change in seen.changes if change.kind == "ladder"}
    speed = kmh / 3.6
    by_distance = limits.ladder.emergency_distance_m / speed
    due = {"warning": limits.ladder.warn_s, "soft stop": limits.ladder.soft_stop_s, "emergency stop": min(limits.ladder.emergency_s, by_distance)}
    assert set(rungs) == set(due)
    for rung, at in due.items():
        slowed_s = 0.05 if rung == "emergency stop" else 0.0  # by the soft stop, on the way to the distance
        assert at - TICK_S <= rungs[rung] <= at + 2 * TICK_S + slowed_s, rung

    stopping = before & (time > DIES_S + 0.1)
    assert seen["accel_mps2"][stopping].min() == pytest.approx(limits.emergency_stop.accel_mps2, abs=0.1)
    assert np.abs(seen["lateral_accel_mps2"][before]).max() <= limits.lateral_accel_mps2
    assert seen["narrowed"].sum() == 0
    shortest = speed**2 / 2.0 / -limits.emergency_stop.accel_mps2
    assert seen["along_m"][before][-1] - seen["along_m"][time >= DIES_S][0] > shortest  # no harder than allowed

    assert seen.rung[int((returns_s - 0.5) / TICK_S)] == Ladder.EMERGENCY.value  # sticky while it stands
    engaged = [at for at, change in seen.changes if change.kind == "engagement"]
    assert len(engaged) == 2 and engaged[1] > returns_s + 1.0
    assert seen.engagement[-1] == Engagement.ENGAGED.value and seen["speed_mps"][-1] > 0.3
    assert np.abs(seen["cross_track_m"]).max() <= LANE_M


@pytest.mark.parametrize("kmh", [30, 100])
def test_the_lane_is_narrow_enough_to_tell(vehicle: LoopCar, kmh: float) -> None:
    """A car that goes on straight where perception died leaves it long before the shortest stop."""
    speed = kmh / 3.6
    shortest_m = speed**2 / 2.0 / -vehicle.limits.emergency_stop.accel_mps2
    assert shortest_m**2 / 2.0 * 0.7 * vehicle.limits.curvature_at(speed) > 4 * LANE_M


def test_older_plans_make_the_ladder_warn_but_not_stop(vehicle: LoopCar) -> None:
    config = LoopConfig(seconds=5.0)
    course = Course(straight(100.0), 10.0)
    aged: Callable[[float], Drive] = lambda seconds: drive(vehicle, course, replace(config, extra_age_s=seconds))  # noqa: E731
    assert set(aged(0.2).rung) == {Ladder.OK.value, Ladder.WARN.value}
    assert Ladder.SOFT_STOP.value in aged(0.35).rung
    assert math.isclose(float(np.nanmax(aged(0.2)["plan_age_s"])), 0.45, abs_tol=0.011)
