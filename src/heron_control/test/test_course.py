"""Courses against geometry, and the plans made on them: feasible, from where the car is, back to the course, to a stand at the line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heron_control.plan_check import implausibility
from heron_control.proving_ground.course import ACCEL_MPS2, Course, Segment, course_plan, curve, sharpest, slalom, straight
from heron_control.proving_ground.stop_profile import StopProfile
from heron_core.limits import Limits
from heron_core.se2 import SE2
from heron_core.trajectory import STEP_S
from heron_core.vehicle_model import VehicleModel

KMH = 1.0 / 3.6
SPEEDS = [10, 30, 50, 100]


def test_an_arc_is_a_circle() -> None:
    course = Course([Segment(62.0, 0.1, 0.1)], 5.0)
    assert np.hypot(course.x_m, course.y_m - 10.0) == pytest.approx(10.0, abs=1e-9)
    assert course.at(31.05).pose.x == pytest.approx(10.0 * math.sin(3.105), abs=2e-4)
    beyond = course.at(62.0 + 5.0).pose
    assert (beyond.x, beyond.y) == pytest.approx((10.0 * math.sin(6.7), 10.0 - 10.0 * math.cos(6.7)), abs=1e-6)


def test_a_clothoid_has_the_heading_of_its_integral() -> None:
    course = Course([Segment(20.0, 0.0, 0.1), Segment(10.0, 0.1, 0.1), *straight(5.0)], 5.0)
    assert course.at(20.0).pose.yaw == pytest.approx(0.1 * 20.0 / 2.0)
    assert course.at(10.0).curvature_per_m == pytest.approx(0.05)
    assert (course.at(25.0).curvature_per_m, course.at(30.2).curvature_per_m) == pytest.approx((0.1, 0.0))


@pytest.mark.parametrize("kmh", SPEEDS)
def test_curve_and_slalom_keep_lateral_limits(limits: Limits, model: VehicleModel, kmh: float) -> None:
    speed = kmh * KMH
    sharpness, curvature = sharpest(limits, model, speed, 0.8), 0.9 * limits.curvature_at(speed)
    for segments in (curve(sharpness, curvature, 3 * speed), slalom(sharpness, curvature, 2)):
        course = Course(segments, speed)
        assert np.abs(course.curvature_per_m).max() == pytest.approx(curvature, rel=0.05)
        rate = np.diff(course.curvature_per_m) / np.diff(course.s_m)
        assert np.abs(rate).max() * speed**3 <= 0.8 * limits.lateral_jerk_mps3 * 1.001
        steer = np.arctan(course.curvature_per_m * model.wheelbase_m)
        assert np.abs(np.diff(steer) / np.diff(course.s_m)).max() * speed <= 0.8 * limits.steer_rate_at(speed) * 1.001


def test_a_slalom_swings_around_its_axis() -> None:
    course = Course(slalom(0.002, 0.02, 3), 10.0)
    assert course.yaw_rad[-1] == pytest.approx(0.0, abs=1e-3) and abs(course.y_m[-1]) < 1.0
    assert course.yaw_rad.max() == pytest.approx(-course.yaw_rad.min(), rel=0.02)
    assert course.yaw_rad.max() == pytest.approx(0.02**2 / 0.002 / 2, rel=0.02)


def test_a_place_is_found_on_the_course_and_beyond_its_ends() -> None:
    course = Course([*straight(20.0), *curve(0.01, 0.1, 20.0)], 10.0)
    for s in (-3.0, 0.0, 7.3, 30.0, 55.5, course.length_m, course.length_m + 4.0):
        pose = course.at(s).pose.compose(SE2(0.0, -0.7, 0.05))
        assert course.offset(pose) == pytest.approx((s, -0.7, 0.05), abs=3e-3)


def test_where_a_course_crosses_itself_the_last_place_decides() -> None:
    course = Course([Segment(200.0, 0.1, 0.1)], 10.0)  # three times around
    round_m = 2 * math.pi / 0.1
    pose = course.at(5.0).pose
    assert course.nearest(pose.x, pose.y, 5.0 + 2 * round_m, window_m=10.0) == pytest.approx(5.0 + 2 * round_m, abs=1e-2)


@pytest.mark.parametrize("speed", [1.0, 5.0, 30.0])
def test_a_stop_profile_is_jerk_limited_and_ends_at_the_line(speed: float) -> None:
    profile, dt = StopProfile(speed), 0.01
    left, now, speeds = profile.distance_m, speed, [speed]
    while left > 1e-3 and len(speeds) < 10_000:
        now = profile.at(left)[0] + dt * profile.at(left)[1]
        left -= (speeds[-1] + now) / 2.0 * dt
        speeds.append(max(now, 0.0))
    accel = np.diff(speeds) / dt
    assert len(speeds) * dt == pytest.approx(profile.seconds, rel=0.1)
    assert accel.min() == pytest.approx(-profile.peak_mps2, abs=0.03) and -profile.peak_mps2 >= -1.5
    assert [value for value, _ in (profile.at(profile.distance_m + 1.0), profile.at(0.0), profile.at(-1.0))] == [speed, 0.0, 0.0]


@pytest.mark.parametrize("kmh", SPEEDS)
@pytest.mark.parametrize("offset_m", [-0.5, 0.0, 0.3])
def test_plans_begin_at_the_car_return_and_are_a_cars_motion(limits: Limits, model: VehicleModel, kmh: float, offset_m: float) -> None:
    speed = kmh * KMH
    course = Course([*straight(speed), *curve(sharpest(limits, model, speed), 0.8 * limits.curvature_at(speed), 3 * speed), *straight(speed)], speed)
    for s in np.linspace(0.0, course.length_m, 12):
        pose = course.at(float(s)).pose.compose(SE2(0.0, offset_m, 0.02))
        plan = course_plan(course, pose, speed, 1_000, 7)
        assert plan.fault() is None and implausibility(plan) is None and (plan.stamp_ns, plan.sequence) == (1_000, 7)
        first = plan.points[0]
        assert (first[0], first[1]) == pytest.approx((speed * STEP_S, 0.0), abs=0.06) and abs(first[2]) < 0.2
        last = pose.compose(SE2(*(float(value) for value in plan.points[-1, :3])))
        assert abs(course.offset(last)[1]) < 0.02  # back on the course within the horizon
        moved = np.hypot(np.diff(plan.points[:, 0]), np.diff(plan.points[:, 1])) / STEP_S
        assert moved == pytest.approx((plan.points[1:, 3] + plan.points[:-1, 3]) / 2.0, rel=0.01, abs=0.01)


def test_a_plan_from_half_a_metre_beside_keeps_lateral_limits(limits: Limits) -> None:
    for speed in (kmh * KMH for kmh in SPEEDS):
        plan = course_plan(Course(straight(500.0), speed), SE2(100.0, 0.5, 0.0), speed, 0)
        yaw_rate = np.diff(np.concatenate([[0.0], plan.points[:, 2]])) / STEP_S
        accel = yaw_rate * speed
        assert np.abs(accel).max() < 0.5 * limits.lateral_accel_mps2 and np.abs(np.diff(accel)).max() / STEP_S < 0.8 * limits.lateral_jerk_mps3


@pytest.mark.parametrize("start", [(0.0, 3.0, 0.0), (80.0, 14.0, -1.0), (98.5, 1.6, -1.2), (99.8, 0.4, 0.0), (60.0, 0.0, 0.0)])
def test_plans_driven_one_after_the_other_stop_at_the_line(start: tuple[float, float, float]) -> None:
    course = Course(straight(200.0), 8.0, stop_m=100.0)
    x, speed, accel = start
    accels = []
    for _ in range(500):
        plan = course_plan(course, SE2(x, 0.0, 0.0), speed, 0, accel_mps2=accel)
        accel = (float(plan.points[0, 3]) - speed) / STEP_S
        x, speed = x + float(plan.points[0, 0]), float(plan.points[0, 3])
        accels.append(accel)
    assert speed == 0.0
    feasible = start[1] ** 2 / 2 < -ACCEL_MPS2[0] * (100.0 - start[0])
    assert not feasible or x == pytest.approx(100.0, abs=0.1 if start[0] < 98 else 0.6)
    assert min(accels) >= ACCEL_MPS2[0] - 1e-6 and max(accels) <= ACCEL_MPS2[1] + 1e-6


def test_after_the_line_the_plan_stands() -> None:
    course = Course(straight(200.0), 10.0, stop_m=100.0)
    for x in (99.7, 100.0, 100.4):
        points = course_plan(course, SE2(x, 0.1, 0.01), 0.0, 0).points
        assert np.abs(points[:, [0, 1, 3]]).max() < 1e-6


@pytest.mark.parametrize("wrong", [lambda: Course([], 1.0), lambda: Course(straight(1.0), 0.0), lambda: Segment(0.0), lambda: Segment(1.0, math.nan)])
def test_impossible_courses_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="need"):
        wrong()  # type: ignore[operator]
