"""Acceleration from a plan: stops, holds, releases, jerk, and the stops of the ladder."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heron_control.config import TrackerConfig
from heron_control.longitudinal import NOD_MPS2, Longitudinal
from heron_control.path import PlanPath
from heron_control.proving_ground.plant import Plant
from heron_core.limits import Limits, StopLimits
from heron_core.stages import Stages
from heron_core.trajectory import TIMES_S, Trajectory
from heron_core.vehicle_model import VehicleModel

DT = 0.01


def plan_of(speeds: NDArray[np.float64], start_mps: float) -> PlanPath:
    """Straight ahead at the given speeds."""
    before = np.concatenate([[start_mps], speeds[:-1]])
    x = np.cumsum((before + speeds) / 2.0 * 0.1)
    zeros = np.zeros(40)
    return PlanPath(Trajectory.make(0, np.column_stack([x, zeros, zeros, speeds]).astype(np.float32), 0, "", Stages()), -1.0)


def constant(speed: float) -> PlanPath:
    return plan_of(np.full(40, speed), speed)


def braking(speed: float, accel: float) -> PlanPath:
    return plan_of(np.maximum(speed + accel * TIMES_S, 0.0), speed)


class Drive:
    """A car on a straight road whose plan is made anew every 0.1 s by `plan(car)`, or kept when it gives None."""

    def __init__(self, limits: Limits, model: VehicleModel, speed: float, accel: float = 0.0) -> None:
        self.limits, self.car = limits, Plant(model, speed_mps=speed)
        self.control = Longitudinal(TrackerConfig(), model, limits)
        self.control.reset(accel)
        self.asked, self.measured, self.speeds, self.holds = [accel], [0.0], [speed], [False]

    def run(
        self,
        path: PlanPath,
        seconds: float,
        age_s: float = 0.0,
        stop: StopLimits | None = None,
        jerk: float = 4.0,
        at_m: float = 0.0,
        speeds_up: bool = True,
    ) -> None:
        """Along one plan, on which the car is at `at_m`."""
        start_m, limits = self.car.distance_m - at_m, self.limits
        for tick in range(round(seconds / DT)):
            station = self.car.distance_m - start_m
            accel_range = (limits.accel_min_mps2, limits.accel_max_mps2)
            found = self.control.step(path, age_s + tick * DT, station, self.car.speed_mps, accel_range, jerk, stop, DT, speeds_up)
            self.control.sent(found.accel_mps2)
            self.car.step(DT, 0.0, found.accel_mps2, found.hold)
            self.asked.append(found.accel_mps2)
            self.measured.append(self.car.accel_mps2)
            self.speeds.append(self.car.speed_mps)
            self.holds.append(found.hold)

    @property
    def jerk(self) -> float:
        return float(np.abs(np.diff(self.asked)).max()) / DT


def test_speed_and_position_of_a_plan_are_met(limits: Limits, model: VehicleModel) -> None:
    drive = Drive(limits, model, 10.0)
    path = plan_of(10.0 + 1.0 * TIMES_S, 10.0)
    drive.run(path, 3.5)
    assert drive.car.speed_mps == pytest.approx(13.5, abs=0.1)
    assert drive.car.distance_m == pytest.approx(10.0 * 3.5 + 3.5**2 / 2.0, abs=0.2)
    assert drive.jerk <= 4.0


@pytest.mark.parametrize("slope_mps2", [-0.6, 0.6])
def test_a_slope_is_learnt(limits: Limits, model: VehicleModel, slope_mps2: float) -> None:
    """Each plan starts where the car is, so only what is learnt between plans can hold the speed."""
    control, limit = Longitudinal(TrackerConfig(), model, limits), (limits.accel_min_mps2, limits.accel_max_mps2)
    control.reset(0.0)
    speed, actuator, path = 15.0, 0.0, constant(15.0)
    lately = [0.0] * 5
    for tick in range(1500):
        age = tick % 10 * DT
        lately.append(control.step(path, age, 15.0 * age, speed, limit, 4.0, None, DT).accel_mps2)
        actuator += (lately[-6] - actuator) * DT / model.accel_lag_s
        speed += (actuator + slope_mps2) * DT
    assert speed == pytest.approx(15.0, abs=0.1) and lately[-1] == pytest.approx(-slope_mps2, abs=0.1)


@pytest.mark.parametrize(("speed", "accel"), [(3.0, -1.0), (8.0, -1.5), (10.0, -2.9)])
def test_stops_where_the_plan_stops_and_holds(limits: Limits, model: VehicleModel, speed: float, accel: float) -> None:
    drive = Drive(limits, model, speed, accel)
    drive.car._actuator_mps2 = accel  # the car is braking already
    path = braking(speed, accel)
    drive.run(path, speed / -accel + 3.0)
    assert drive.car.speed_mps == 0.0 and drive.holds[-1]
    assert drive.car.distance_m == pytest.approx(path.length_m + path.beyond_m, abs=0.3)
    assert drive.asked[-1] == TrackerConfig().hold_accel_mps2 and drive.jerk <= 4.0
    stood = next(i for i, value in enumerate(drive.speeds) if value == 0.0)
    assert max(drive.speeds[stood:]) == 0.0  # no creeping
    assert -drive.measured[stood - 1] < 0.75 * -accel  # softer than the plan, which knows no jerk


def test_a_standing_plan_with_noise_holds_for_long(limits: Limits, model: VehicleModel) -> None:
    rng = np.random.default_rng(5)
    drive = Drive(limits, model, 0.0)
    for _ in range(50):
        points = np.column_stack([rng.normal(0.0, 0.03, (40, 2)), rng.normal(0.0, 0.01, 40), np.abs(rng.normal(0.0, 0.05, 40))])
        drive.run(PlanPath(Trajectory.make(0, points.astype(np.float32), 0, "", Stages()), -1.0), 0.1)
    assert drive.car.distance_m == 0.0 and all(drive.holds[1:])


def test_a_held_car_starts_without_a_jolt_when_its_plan_does(limits: Limits, model: VehicleModel) -> None:
    drive = Drive(limits, model, 0.0)
    drive.run(constant(0.0), 2.0)
    assert drive.holds[-1]
    path = plan_of(1.2 * TIMES_S, 0.0)
    drive.run(path, 3.5)
    assert not drive.holds[-1] and drive.jerk <= 4.0
    assert drive.car.speed_mps == pytest.approx(1.2 * 3.5, abs=0.5) and drive.car.distance_m == pytest.approx(0.6 * 3.5**2, abs=0.6)


@pytest.mark.parametrize("name", ["soft_stop", "emergency_stop"])
def test_a_stop_ramps_at_its_jerk_and_holds(limits: Limits, model: VehicleModel, name: str) -> None:
    stop: StopLimits = getattr(limits, name)
    drive = Drive(limits, model, 12.0)
    drive.run(constant(12.0), 25.0, age_s=0.5, stop=stop)
    asked = np.array(drive.asked)
    ramp = round(-stop.accel_mps2 / stop.jerk_mps3 / DT)
    assert asked[1 : ramp - 2] == pytest.approx(-stop.jerk_mps3 * DT * np.arange(1, ramp - 2), abs=1e-9)
    assert asked[ramp + 5] == pytest.approx(stop.accel_mps2) and asked.min() >= min(stop.accel_mps2, stop.hold_mps2) - 1e-9
    assert drive.car.speed_mps == 0.0 and drive.holds[-1] and asked[-1] == stop.hold_mps2
    stood = drive.speeds.index(0.0)
    assert -drive.measured[stood - 1] < NOD_MPS2 + 0.25  # no nod
    ideal = 12.0 * ramp * DT - stop.jerk_mps3 * (ramp * DT) ** 3 / 6.0
    rest = 12.0 + stop.accel_mps2 * ramp * DT / 2.0
    assert drive.car.distance_m < ideal + rest**2 / (-2.0 * stop.accel_mps2) + 12.0 * model.accel_delay_s + 0.6


@pytest.mark.parametrize("push_mps2", [1.8, 2.2, -2.2])
@pytest.mark.parametrize("name", ["soft_stop", "emergency_stop", ""])
def test_a_held_car_that_is_pushed_is_not_let_go(limits: Limits, model: VehicleModel, name: str, push_mps2: float) -> None:
    """Brakes that give what is asked and no more, and a slope, or another car, that pushes harder than the hold."""
    stop: StopLimits | None = getattr(limits, name) if name else None
    path, limit = constant(3.0) if stop else braking(3.0, -1.5), (limits.accel_min_mps2, limits.accel_max_mps2)
    control = Longitudinal(TrackerConfig(), model, limits)
    control.reset(-1.5)
    speed, actuator, station, moved, asked = 3.0, -1.5, 0.0, 0.0, [-1.5]
    for tick in range(1500):
        drive = control.step(path, tick * DT, station, speed, limit, 4.0, stop, DT)
        asked.append(drive.accel_mps2)
        actuator += (drive.accel_mps2 - actuator) * DT / 0.25
        push = push_mps2 if tick > 800 else 0.0
        if abs(speed) < 0.02 and abs(push) <= -actuator:
            speed = 0.0
        else:
            speed += (push + actuator * np.sign(speed or push)) * DT
        station += speed * DT
        moved += abs(speed) * DT if tick > 800 else 0.0
        assert drive.hold or tick < 800
    assert speed == 0.0 and 0.0 < moved < 1.0 and asked[800] > -1.6 and asked[-1] < -3.0
    assert np.abs(np.diff(asked)).max() <= 4.0 * DT


def test_an_emergency_keeps_what_brakes_harder(limits: Limits, model: VehicleModel) -> None:
    path = braking(11.0, -3.0)
    alone, stopped = Drive(limits, model, 11.0, -3.0), Drive(limits, model, 11.0, -3.0)
    for drive in (alone, stopped):
        drive.car._actuator_mps2 = -3.0
        drive.run(path, 1.0)
    alone.run(path, 1.0, age_s=1.0, at_m=alone.car.distance_m)
    stopped.run(path, 1.0, age_s=1.0, at_m=stopped.car.distance_m, stop=limits.emergency_stop)
    assert max(stopped.asked[101:200]) < -2.7
    assert stopped.car.speed_mps <= alone.car.speed_mps + 0.05


def test_a_soft_stop_takes_the_foot_off_the_throttle_first(limits: Limits, model: VehicleModel) -> None:
    drive = Drive(limits, model, 10.0, 1.5)
    drive.run(constant(10.0), 1.0, age_s=0.5, stop=limits.soft_stop)
    assert max(drive.asked[60:]) <= 0.0 and drive.jerk <= 4.0


def test_a_stop_does_not_accelerate_whatever_the_plan_says(limits: Limits, model: VehicleModel) -> None:
    drive = Drive(limits, model, 8.0)
    drive.run(plan_of(8.0 + 2.0 * TIMES_S, 8.0), 20.0, stop=limits.soft_stop)
    assert max(drive.asked) <= 0.0 and drive.car.speed_mps == 0.0


def test_a_plan_that_may_not_speed_up_slows_down_all_the_same(limits: Limits, model: VehicleModel) -> None:
    """Its acceleration goes back at once, without a jolt and without a preview that has no solution; its braking stays."""
    drive = Drive(limits, model, 8.0, 1.5)
    drive.run(plan_of(8.0 + 1.5 * TIMES_S, 8.0), 1.0, speeds_up=False)
    assert max(drive.asked[50:]) == 0.0 and min(drive.asked) > -0.01 and drive.jerk <= 4.0 and drive.control.unsolved == 0
    one, other = Drive(limits, model, 8.0, -2.0), Drive(limits, model, 8.0, -2.0)
    one.run(braking(8.0, -2.0), 2.0, speeds_up=False)
    other.run(braking(8.0, -2.0), 2.0)
    assert one.asked == other.asked and min(one.asked) < -1.5


def test_the_jerk_of_engaging_is_kept(limits: Limits, model: VehicleModel) -> None:
    drive = Drive(limits, model, 10.0)
    drive.run(plan_of(10.0 + 2.0 * TIMES_S, 10.0), 3.0, jerk=0.5)
    assert drive.jerk <= 0.5


def test_without_a_solution_the_last_one_goes_on(limits: Limits, model: VehicleModel, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = Drive(limits, model, 10.0)
    path = plan_of(10.0 + 1.5 * TIMES_S, 10.0)
    drive.run(path, 0.5)
    monkeypatch.setattr(drive.control._preview, "solve", lambda *_: None)
    before = drive.asked[-1]
    drive.run(path, 0.3, age_s=0.5, at_m=drive.car.distance_m)
    assert drive.control.unsolved == 30 and drive.asked[-1] >= before - 0.3 and drive.asked[-1] != before
    drive.run(path, 3.0, age_s=0.8, at_m=drive.car.distance_m)
    assert drive.asked[-1] == drive.asked[-10]  # nothing left of it: the acceleration stays
