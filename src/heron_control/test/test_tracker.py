"""The tracker drives the plant: curve, slalom, stop, old plans, the end of a plan; and properties of what it asks, whatever it is given."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_control.config import TrackerConfig
from heron_control.odometry_buffer import OdometryBuffer
from heron_control.path import PlanPath, arc
from heron_control.proving_ground.course import Course, course_plan, curve, sharpest, slalom, straight
from heron_control.proving_ground.plant import Plant
from heron_control.tracker import Bounds, Motion, Tracker
from heron_core.limits import Limits, StopLimits, load_limits
from heron_core.se2 import SE2
from heron_core.stages import Stages
from heron_core.trajectory import TIMES_S, Trajectory
from heron_core.vehicle import Odometry
from heron_core.vehicle_model import VehicleModel, load_vehicle_model

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
DT, DT_NS = 0.01, 10_000_000
Change = Callable[[Trajectory], Trajectory]


def noisy(rng: np.random.Generator) -> Change:
    """A policy's jitter: 2 cm, 3 mrad, 5 cm/s, from point to point."""

    def change(plan: Trajectory) -> Trajectory:
        points = plan.points + rng.normal(0.0, (0.02, 0.02, 0.003, 0.05), (40, 4)).astype(np.float32)
        return Trajectory.make(plan.stamp_ns, points, plan.sequence, "noisy", Stages())

    return change


class Loop:
    """Plant and tracker at 100 Hz; a plan every 0.1 s that may be used `age_s` after its stamp, the last one at `last_plan_s`."""

    def __init__(self, course: Course, limits: Limits, model: VehicleModel, age_s: float = 0.15, sensors: int | None = 1) -> None:
        self.course, self.limits, self.model, self.age_ns = course, limits, model, round(age_s * 1e9)
        self.car = Plant(model, sensors, speed_mps=course.speed_mps)
        self.tracker = Tracker(TrackerConfig(), model, limits)
        self.change = noisy(np.random.default_rng(7)) if sensors is not None else lambda plan: plan
        self.motions: list[Motion] = []
        self.errors_m: list[float] = []

    def run(self, seconds: float, compensate: bool = True, last_plan_s: float = math.inf, stop: StopLimits | None = None) -> None:
        odometry, waiting, here, near = OdometryBuffer(60_000_000_000), deque[Trajectory](), SE2(), 0.0
        plan: Trajectory | None = None
        path: PlanPath | None = None
        for tick in range(round(seconds / DT)):
            now_ns, seen = tick * DT_NS, self.car.measured()
            odometry.add(Odometry(now_ns, here.x, here.y, here.yaw, seen["speed"], seen["yaw_rate"]))
            here = here.compose(SE2(seen["speed"] * DT, 0.0, seen["yaw_rate"] * DT))
            near, error, _ = self.course.offset(self.car.pose, near)
            self.errors_m.append(abs(error))
            if tick % 10 == 0 and tick * DT <= last_plan_s:
                waiting.append(
                    self.change(course_plan(self.course, self.car.pose, self.car.speed_mps, now_ns, accel_mps2=self.car.accel_mps2, near_m=near))
                )
            while waiting and now_ns - waiting[0].stamp_ns >= self.age_ns:
                plan = waiting.popleft()
                path = PlanPath(plan, -1.0)
            motion = Motion(0.0, 0.0)
            if plan is not None and path is not None:
                moved = odometry.motion(plan.stamp_ns, now_ns) if compensate else SE2()
                assert moved is not None
                stopping = stop if tick * DT > last_plan_s + 0.5 else None
                age_s = (now_ns - plan.stamp_ns) / 1e9 if compensate else 0.0
                motion = self.tracker.step(path, age_s, moved, seen["speed"], Bounds.of(self.limits), stopping, DT)
                self.tracker.sent(motion.steer_rad, motion.accel_mps2)
            self.motions.append(motion)
            self.car.step(DT, motion.steer_rad, motion.accel_mps2, motion.hold)

    @property
    def lateral_jerk(self) -> float:
        curvature = [self.model.curvature(motion.steer_rad) for motion in self.motions]
        return float(np.abs(np.diff(curvature)).max()) / DT * self.course.speed_mps**2


def tightest(limits: Limits, speed: float) -> float:
    return min(0.9 * limits.lateral_accel_mps2 / speed**2, limits.curvature_per_m)


def curved(limits: Limits, model: VehicleModel, speed: float, straight_m: float = 0.0, length_m: float = 0.0, stop_m: float | None = None) -> Course:
    bend = curve(sharpest(limits, model, speed), tightest(limits, speed), length_m or max(3.0 * speed, 8.0))
    return Course([*straight(straight_m or max(10.0, speed)), *bend, *straight(2.0 * speed)], speed, stop_m)


@pytest.mark.parametrize("kmh", [10, 30, 100])
def test_the_tightest_curve_is_held_also_with_older_plans(limits: Limits, model: VehicleModel, kmh: int) -> None:
    course = curved(limits, model, kmh / 3.6)
    worst = []
    for age_s in (0.15, 0.35):
        loop = Loop(course, limits, model, age_s)
        loop.run(course.length_m / course.speed_mps)
        worst.append(max(loop.errors_m))
        assert loop.lateral_jerk <= limits.lateral_jerk_mps3 and loop.tracker.unsolved == 0
        lateral = [model.curvature(motion.steer_rad) * course.speed_mps**2 for motion in loop.motions]
        assert max(lateral) <= limits.lateral_accel_mps2
    assert worst[0] <= 0.1 and worst[1] <= 0.1


@pytest.mark.parametrize("kmh", [10, 100])
def test_a_slalom_is_followed(limits: Limits, model: VehicleModel, kmh: int) -> None:
    speed = kmh / 3.6
    course = Course([*straight(max(10.0, speed)), *slalom(sharpest(limits, model, speed), 0.8 * tightest(limits, speed), 2), *straight(speed)], speed)
    loop = Loop(course, limits, model)
    loop.run(course.length_m / speed)
    assert max(loop.errors_m) <= 0.12 and loop.lateral_jerk <= limits.lateral_jerk_mps3


@pytest.mark.parametrize(("kmh", "age_s"), [(10, 0.15), (10, 0.35), (40, 0.35)])
def test_stops_at_the_line_and_stays(limits: Limits, model: VehicleModel, kmh: int, age_s: float) -> None:
    speed = kmh / 3.6
    course = curved(limits, model, speed, stop_m=20.0 + speed**2)
    loop = Loop(course, limits, model, age_s)
    loop.run(course.stop_m / speed + speed + 4.0 if course.stop_m else 0.0)
    assert loop.car.speed_mps == 0.0 and loop.motions[-1].hold and loop.motions[-1].accel_mps2 == TrackerConfig().hold_accel_mps2
    assert abs(loop.car.distance_m - (course.stop_m or 0.0)) <= 0.15 and max(loop.errors_m) <= 0.12
    asked = np.array([motion.accel_mps2 for motion in loop.motions])
    assert np.abs(np.diff(asked)).max() / DT <= limits.jerk_mps3


def test_age_compensation_is_what_keeps_old_plans_usable(limits: Limits, model: VehicleModel) -> None:
    course = curved(limits, model, 14.0)
    worst = []
    for compensate in (True, False):
        loop = Loop(course, limits, model, 0.35)
        loop.run(course.length_m / 14.0, compensate)
        worst.append(max(loop.errors_m))
    assert worst[1] > 2.0 * worst[0]


@pytest.mark.parametrize("kmh", [30, 100])
def test_beyond_its_end_a_noisy_plan_still_leads_round_the_curve_to_standstill(limits: Limits, model: VehicleModel, kmh: int) -> None:
    speed = kmh / 3.6
    course = curved(limits, model, speed, straight_m=10.0, length_m=2.0 * speed + 10.0 * speed)
    loop = Loop(course, limits, model)
    begins = (10.0 + tightest(limits, speed) / sharpest(limits, model, speed)) / speed
    loop.run(begins + speed / 2.5 + 6.0, last_plan_s=begins + 0.3, stop=limits.emergency_stop)
    assert loop.car.speed_mps == 0.0 and loop.motions[-1].hold
    assert loop.car.distance_m < course.length_m and max(loop.errors_m) <= 0.5


def test_an_offset_is_led_back_without_overshoot(limits: Limits, model: VehicleModel) -> None:
    car = Plant(model, pose=SE2(0.0, 0.8, 0.0), speed_mps=15.0)
    tracker, path = Tracker(TrackerConfig(), model, limits), straight_path(15.0)
    sides = []
    for tick in range(380):
        motion = tracker.step(path, tick * DT, car.pose, car.speed_mps, Bounds.of(limits), None, DT)
        car.step(DT, motion.steer_rad, motion.accel_mps2)
        sides.append(car.y_m)
        if tick == 0:
            assert motion.cross_track_m == pytest.approx(0.8) and motion.heading_error_rad == pytest.approx(0.0)
    assert abs(sides[-1]) < 0.03 and min(sides) > -0.1


def straight_path(speed: float) -> PlanPath:
    zeros = np.zeros(40)
    points = np.column_stack([speed * TIMES_S, zeros, zeros, zeros + speed]).astype(np.float32)
    return PlanPath(Trajectory.make(0, points, 0, "", Stages()), -1.0)


def test_a_sensor_that_is_off_centre_is_learnt(limits: Limits, model: VehicleModel) -> None:
    """Wheels 1 mrad short of every command, at 25 m/s: each plan starts where the car is, so only learning keeps it straight."""
    tracker, path, car = Tracker(TrackerConfig(), model, limits), straight_path(25.0), Plant(model, speed_mps=25.0)
    for tick in range(600):
        if tick % 10 == 0:
            start, age = car.pose, 0.0
            path = straight_path(25.0)
        motion = tracker.step(path, age, start.between(car.pose), 25.0, Bounds.of(limits), None, DT)
        car.step(DT, motion.steer_rad - 0.001, 0.0)
        age += DT
    assert abs(car.lateral_accel_mps2) < 0.03 and motion.steer_rad == pytest.approx(0.001, abs=1e-4)


def test_reset_starts_from_the_car(limits: Limits, model: VehicleModel) -> None:
    tracker = Tracker(TrackerConfig(), model, limits)
    tracker.reset(0.01, -1.0)
    motion = tracker.step(straight_path(20.0), 0.0, SE2(), 20.0, Bounds.of(limits), None, DT)
    assert motion.steer_rad == pytest.approx(0.01, abs=0.001) and motion.accel_mps2 == pytest.approx(-1.0, abs=0.05)


def test_what_was_sent_is_where_the_next_tick_begins(limits: Limits, model: VehicleModel) -> None:
    tracker = Tracker(TrackerConfig(), model, limits)
    tracker.step(straight_path(20.0), 0.0, SE2(), 20.0, Bounds.of(limits), None, DT)
    tracker.sent(-0.02, -2.0)
    motion = tracker.step(straight_path(20.0), DT, SE2(0.2, 0.0, 0.0), 20.0, Bounds.of(limits), None, DT)
    assert motion.steer_rad == pytest.approx(-0.02, abs=0.001) and motion.accel_mps2 == pytest.approx(-2.0, abs=0.05)


def test_without_a_solution_steering_goes_on_with_the_last_one(limits: Limits, model: VehicleModel, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, path = Tracker(TrackerConfig(), model, limits), straight_path(15.0)
    motions = [tracker.step(path, 0.0, SE2(0.0, 1.0, 0.0), 15.0, Bounds.of(limits), None, DT) for _ in range(5)]
    monkeypatch.setattr(tracker._preview, "solve", lambda *_: None)
    motions += [tracker.step(path, 0.05, SE2(0.7, 1.0, 0.0), 15.0, Bounds.of(limits), None, DT) for _ in range(300)]
    assert tracker.unsolved == 300 and all(math.isfinite(motion.steer_rad) for motion in motions)
    assert motions[9].steer_rad < motions[4].steer_rad  # on the way that was planned
    assert motions[-1].steer_rad == motions[-50].steer_rad  # and when that ends, the angle is kept


def test_driving_twice_gives_the_same_bits(limits: Limits, model: VehicleModel) -> None:
    course = curved(limits, model, 10.0)
    drives = [Loop(course, limits, model) for _ in range(2)]
    for loop in drives:
        loop.run(3.0)
    assert drives[0].motions == drives[1].motions and drives[0].errors_m == drives[1].errors_m


class TestPlanPath:
    def test_beyond_its_end_it_keeps_curvature_and_slows_down(self) -> None:
        path = PlanPath(circle(0.02, np.full(40, 10.0)), -1.0)
        late = path.at(6.0)
        assert late.curvature_per_m == pytest.approx(0.02, rel=0.01)
        assert late.speed_mps == pytest.approx(8.0) and late.accel_mps2 == -1.0
        expected = arc(0.02, 40.0 + 18.0)
        assert (late.pose.x, late.pose.y) == pytest.approx((expected.x, expected.y), abs=0.02)
        assert path.at(60.0).speed_mps == 0.0 and path.at(60.0).pose == path.at(70.0).pose

    def test_a_place_beyond_its_end_is_found_again(self) -> None:
        path = PlanPath(circle(0.03, np.full(40, 8.0)), -1.0)
        for station in (3.0, 20.0, 31.9, 32.1, 45.0, 70.0):
            at = arc(0.03, station).compose(SE2(0.0, 0.4, 0.1))
            found, beside = path.project(at)
            error = beside.between(at)
            assert found == pytest.approx(station, abs=0.02) and error.y == pytest.approx(0.4, abs=0.01) and error.yaw == pytest.approx(0.1, abs=0.01)

    @pytest.mark.parametrize("speed", [3.0, 8.0, 27.0])
    def test_a_noisy_last_point_does_not_decide(self, speed: float) -> None:
        curvature = min(2.7 / speed**2, 0.2)
        plan = circle(curvature, np.full(40, speed))
        bent = plan.points.copy()
        bent[-1] += np.array([0.1, 0.1, 0.1, 0.0], np.float32)
        found = PlanPath(Trajectory.make(0, bent, 0, "", Stages()), -1.0).end_curvature_per_m
        assert found == pytest.approx(curvature, rel=0.25)
        last = plan.points[-1]
        naive = float(bent[-1, 2] - plan.points[-2, 2]) / float(math.hypot(*(last[:2] - plan.points[-2, :2])))
        assert abs(naive - curvature) > 3.0 * abs(found - curvature)

    def test_a_plan_that_stops_in_a_curve_holds_its_curvature(self) -> None:
        path = PlanPath(circle(0.05, np.maximum(6.0 - 2.5 * TIMES_S, 0.0)), -1.0)
        assert path.end_curvature_per_m == pytest.approx(0.05, rel=0.05)
        assert all(path.at(t).curvature_per_m == pytest.approx(0.05, rel=0.1) for t in np.arange(0.0, 10.0, 0.1))

    def test_a_plan_that_stands_has_no_curvature_and_no_length(self) -> None:
        path = PlanPath(Trajectory.make(0, np.zeros((40, 4), np.float32), 0, "", Stages()), -1.0)
        assert path.length_m == 0.0 and path.end_curvature_per_m == 0.0 and path.at(1.0).curvature_per_m == 0.0
        assert path.project(SE2(0.0, 0.2, 0.0)) == (0.0, SE2())

    def test_jitter_around_a_standing_car_does_not_add_up(self) -> None:
        rng = np.random.default_rng(2)
        points = np.column_stack([rng.normal(0.0, 0.02, (40, 2)), np.zeros((40, 2))]).astype(np.float32)
        assert PlanPath(Trajectory.make(0, points, 0, "", Stages()), -1.0).length_m < 0.1

    def test_reversing_is_no_way_forward(self) -> None:
        zeros = np.zeros(40)
        points = np.column_stack([-0.5 * TIMES_S, zeros, zeros, zeros - 0.5]).astype(np.float32)
        path = PlanPath(Trajectory.make(0, points, 0, "", Stages()), -1.0)
        assert path.length_m == 0.0 and path.at(2.0).speed_mps == 0.0


def circle(curvature: float, speeds: np.ndarray) -> Trajectory:  # type: ignore[type-arg]
    way = np.cumsum((np.concatenate([speeds[:1], speeds[:-1]]) + speeds) / 2.0 * 0.1)
    poses = [arc(curvature, float(s)) for s in way]
    points = np.array([(pose.x, pose.y, pose.yaw, v) for pose, v in zip(poses, speeds, strict=True)], np.float32)
    return Trajectory.make(0, points, 0, "", Stages())


def test_a_plan_that_reverses_holds_the_car(limits: Limits, model: VehicleModel) -> None:
    zeros = np.zeros(40)
    path = PlanPath(Trajectory.make(0, np.column_stack([-0.5 * TIMES_S, zeros, zeros, zeros - 0.5]).astype(np.float32), 0, "", Stages()), -1.0)
    tracker = Tracker(TrackerConfig(), model, limits)
    motions = [tracker.step(path, 0.1, SE2(), 0.0, Bounds.of(limits), None, DT) for _ in range(100)]
    assert motions[-1].hold and motions[-1].steer_rad == 0.0 and motions[-1].accel_mps2 == TrackerConfig().hold_accel_mps2


EDGE = st.sampled_from([0.0, 1e-9, 1e-3, 0.05, 1.0, 30.0, 300.0])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    EDGE,
    EDGE,
    st.sampled_from([0.0, 0.01, 0.3, 5.0, 20.0, 38.0, 1e3]),
    st.sampled_from([0.3, 1.0, 3.0]),
    st.sampled_from(["none", "soft_stop", "emergency_stop"]),
)
def test_whatever_the_plan_and_the_car_commands_are_finite_and_within_bounds(
    seed: int, size: float, away: float, speed: float, share: float, stop_name: str
) -> None:
    limits, model = load_limits(DEMO / "limits.yaml"), load_vehicle_model(DEMO / "vehicle.yaml")
    rng = np.random.default_rng(seed)
    bounds = replace(Bounds.of(limits), lateral_accel_mps2=share, jerk_mps3=4.0 * share / 3.0)
    stop: StopLimits | None = getattr(limits, stop_name, None)
    tracker = Tracker(TrackerConfig(), model, limits)
    tracker.reset(rng.uniform(-0.02, 0.02), rng.uniform(-3.0, 1.9))
    last: Motion | None = None
    path = PlanPath(Trajectory.make(0, rng.normal(0.0, size, (40, 4)).astype(np.float32), 0, "", Stages()), -1.0)
    for _ in range(8):
        moved = SE2(*rng.normal(0.0, away, 2), rng.uniform(-3.1, 3.1))
        motion = tracker.step(path, float(rng.uniform(0.0, 6.0)), moved, speed * rng.uniform(0.99, 1.01), bounds, stop, DT)
        assert all(math.isfinite(v) for v in (motion.steer_rad, motion.accel_mps2, motion.cross_track_m, motion.heading_error_rad))
        assert abs(motion.steer_rad) <= model.steer_max_rad
        assert limits.accel_min_mps2 <= motion.accel_mps2 <= limits.accel_max_mps2
        if last is not None:
            before, after = model.curvature(last.steer_rad), model.curvature(motion.steer_rad)
            assert abs(after - before) * min(speed, 60.0) ** 2 <= limits.lateral_jerk_mps3 * DT
            assert abs(motion.steer_rad - last.steer_rad) <= limits.steer_rate_at(speed) * DT
            assert abs(after) <= max(abs(before), min(limits.curvature_per_m, share / max(min(speed, 60.0) ** 2, 0.01)))
            assert abs(motion.accel_mps2 - last.accel_mps2) <= bounds.jerk_mps3 * DT + 1e-9
        last = motion


@pytest.mark.parametrize(
    ("name", "value"), [("horizon_s", 5.0), ("cross_track_m", 0.0), ("jerk_mps3", math.nan), ("stop_m", 0.3), ("standstill_mps", -1.0)]
)
def test_a_weight_that_makes_no_sense_is_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        replace(TrackerConfig(), go_m=0.25, **{name: value})
