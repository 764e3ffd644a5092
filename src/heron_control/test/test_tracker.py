"""The tracker drives a small bicycle with lagging actuators: curve, straight, stop; with fresh plans and with old ones."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pytest

from heron_control.config import TrackerConfig
from heron_control.odometry_buffer import OdometryBuffer
from heron_control.path import PlanPath, arc
from heron_control.tracker import Motion, Tracker
from heron_core.limits import Limits
from heron_core.se2 import SE2
from heron_core.stages import Stages
from heron_core.trajectory import TIMES_S, Trajectory
from heron_core.vehicle import Odometry
from heron_core.vehicle_model import VehicleModel

DT = 0.01
LAG_S = 0.1  # of both actuators


@dataclass
class Bicycle:
    """Plant of this test: first-order actuators, exact arcs."""

    model: VehicleModel
    speed: float
    pose: SE2 = field(default_factory=SE2)
    steer: float = 0.0
    accel: float = 0.0

    def step(self, motion: Motion) -> None:
        self.steer += (motion.steer_rad - self.steer) * DT / LAG_S
        self.accel += (motion.accel_mps2 - self.accel) * DT / LAG_S
        before = self.speed
        self.speed = max(self.speed + self.accel * DT, 0.0)
        self.pose = self.pose.compose(arc(self.model.curvature(self.steer), (before + self.speed) / 2.0 * DT))


@dataclass
class Route:
    """Reference: a straight lead-in, then a circle entered along a clothoid-like ramp; speed over time, position along it."""

    curvature: float
    speed: float
    stop_at_s: float = math.inf
    ramp_m: float = 30.0

    def __post_init__(self) -> None:
        self.step_m = 0.05
        s = np.arange(0.0, 400.0, self.step_m)
        k = self.curvature * np.clip((s - 20.0) / self.ramp_m, 0.0, 1.0)
        self.yaw = np.concatenate([[0.0], np.cumsum(k[:-1] * self.step_m)])
        self.x = np.concatenate([[0.0], np.cumsum(np.cos(self.yaw[:-1] + k[:-1] * self.step_m / 2) * self.step_m)])
        self.y = np.concatenate([[0.0], np.cumsum(np.sin(self.yaw[:-1] + k[:-1] * self.step_m / 2) * self.step_m)])

    def speed_at(self, s: float) -> float:
        return min(self.speed, math.sqrt(max(2.0 * 1.2 * (self.stop_at_s - s), 0.0)))

    def nearest(self, pose: SE2) -> float:
        return float(np.argmin((self.x - pose.x) ** 2 + (self.y - pose.y) ** 2)) * self.step_m

    def at(self, s: float) -> SE2:
        i = min(int(s / self.step_m), len(self.x) - 2)
        f = s / self.step_m - i
        return SE2(*(float(a[i] + f * (a[i + 1] - a[i])) for a in (self.x, self.y, self.yaw)))

    def cross_track(self, pose: SE2) -> float:
        return abs(self.at(self.nearest(pose)).between(pose).y)

    def plan(self, pose: SE2, stamp_ns: int) -> Trajectory:
        s, rows = self.nearest(pose), []
        for _ in range(400):
            s += self.speed_at(s) * DT
            rows.append((s, self.speed_at(s)))
        points = []
        for t in TIMES_S:
            s, v = rows[round(t / DT) - 1]
            seen = pose.between(self.at(s))
            points.append((seen.x, seen.y, seen.yaw, v))
        return Trajectory.make(stamp_ns, np.array(points, dtype=np.float32), 0, "route", Stages())


def drive(route: Route, limits: Limits, model: VehicleModel, age_s: float, seconds: float, compensate: bool = True) -> tuple[Bicycle, list[float]]:
    """Closed loop at 100 Hz; a plan every 0.1 s that becomes usable `age_s` after the pose it was made from."""
    car = Bicycle(model, route.speed)
    tracker = Tracker(TrackerConfig(), model, limits)
    odometry = OdometryBuffer(3_000_000_000)
    waiting: deque[Trajectory] = deque()
    plan: Trajectory | None = None
    path: PlanPath | None = None
    errors: list[float] = []
    for tick in range(int(seconds / DT)):
        now_ns = tick * 10_000_000
        odometry.add(Odometry(now_ns, car.pose.x, car.pose.y, car.pose.yaw, car.speed, car.speed * model.curvature(car.steer)))
        if tick % 10 == 0:
            waiting.append(route.plan(car.pose, now_ns))
        while waiting and now_ns - waiting[0].stamp_ns >= age_s * 1e9:
            plan = waiting.popleft()
            path = PlanPath(plan, -1.0)
        if plan is None or path is None:
            motion = Motion(0.0, 0.0)
        else:
            moved = odometry.motion(plan.stamp_ns, now_ns) if compensate else SE2()
            assert moved is not None
            motion = tracker.step(path, (now_ns - plan.stamp_ns) / 1e9 if compensate else 0.0, moved, car.speed, DT)
        car.step(motion)
        errors.append(route.cross_track(car.pose))
    return car, errors


@pytest.mark.parametrize("age_s", [0.0, 0.2])
@pytest.mark.parametrize(("speed", "curvature"), [(5.0, 0.1), (10.0, 0.02), (20.0, -0.005), (28.0, 0.002)])
def test_curves_are_held(limits: Limits, model: VehicleModel, age_s: float, speed: float, curvature: float) -> None:
    _, errors = drive(Route(curvature, speed), limits, model, age_s, 8.0)
    assert max(errors) < 0.25


def test_a_straight_stays_straight_from_an_offset(limits: Limits, model: VehicleModel) -> None:
    route = Route(0.0, 15.0)
    car = Bicycle(model, 15.0, SE2(0.0, 1.0, 0.0))
    tracker = Tracker(TrackerConfig(), model, limits)
    path = PlanPath(route.plan(SE2(), 0), -1.0)
    sides = []
    for tick in range(400):
        car.step(tracker.step(path, tick * DT, car.pose, car.speed, DT))
        sides.append(car.pose.y)
    assert abs(sides[-1]) < 0.05 and min(sides) > -0.1


@pytest.mark.parametrize("age_s", [0.0, 0.2])
def test_stops_where_the_plan_stops(limits: Limits, model: VehicleModel, age_s: float) -> None:
    car, _ = drive(Route(0.01, 10.0, stop_at_s=70.0), limits, model, age_s, 20.0)
    assert car.speed == 0.0 and car.accel < -0.3  # held
    assert abs(Route(0.01, 10.0).nearest(car.pose) - 70.0) < 1.5


def test_age_compensation_is_what_keeps_old_plans_usable(limits: Limits, model: VehicleModel) -> None:
    route = Route(0.02, 10.0)
    _, with_it = drive(route, limits, model, 0.2, 6.0)
    _, without = drive(route, limits, model, 0.2, 6.0, compensate=False)
    assert max(without) > 2.0 * max(with_it)


def test_commands_keep_within_the_limits_whatever_the_plan(limits: Limits, model: VehicleModel) -> None:
    rng = np.random.default_rng(7)
    tracker = Tracker(TrackerConfig(), model, limits)
    last = Motion(0.0, 0.0)
    for _ in range(300):
        points = rng.normal(0.0, (30.0, 10.0, 1.0, 20.0), (40, 4)).astype(np.float32)
        path = PlanPath(Trajectory.make(0, points, 0, "", Stages()), -1.0)
        motion = tracker.step(path, rng.uniform(0.0, 5.0), SE2(*rng.normal(0.0, 5.0, 3)), 12.0, DT)
        curvatures = [model.curvature(m.steer_rad) for m in (last, motion)]
        assert abs(curvatures[1]) * 144 <= limits.lateral_accel_mps2
        assert abs(curvatures[1] - curvatures[0]) * 144 <= limits.lateral_jerk_mps3 * DT
        assert abs(motion.accel_mps2 - last.accel_mps2) <= limits.jerk_mps3 * DT
        last = motion


def test_beyond_its_end_a_plan_keeps_its_curvature_and_slows_down() -> None:
    route = Route(0.02, 10.0, ramp_m=0.1)
    plan = route.plan(route.at(60.0), 0)
    path = PlanPath(plan, -1.0)
    late = path.at(6.0)
    assert late.curvature_per_m == pytest.approx(0.02, rel=0.05)
    assert late.speed_mps == pytest.approx(8.0, abs=0.05) and late.accel_mps2 == -1.0
    assert late.pose.yaw == pytest.approx(0.02 * (40.0 + 20.0 - 2.0), abs=0.02)
    standing = path.at(60.0)
    assert standing.speed_mps == 0.0 and standing.accel_mps2 == 0.0 and standing.pose == path.at(70.0).pose


def test_a_plan_that_stops_in_a_curve_holds_its_curvature() -> None:
    route = Route(0.05, 6.0, stop_at_s=66.0, ramp_m=0.1)
    path = PlanPath(route.plan(route.at(60.0), 0), -1.0)
    assert all(path.at(t).curvature_per_m == pytest.approx(0.05, rel=0.1) for t in np.arange(0.0, 10.0, 0.1))


def test_a_plan_that_stands_has_no_curvature_and_holds_the_car(limits: Limits, model: VehicleModel) -> None:
    path = PlanPath(Trajectory.make(0, np.zeros((40, 4), dtype=np.float32), 0, "", Stages()), -1.0)
    tracker = Tracker(TrackerConfig(), model, limits)
    motions = [tracker.step(path, 0.1, SE2(), 0.0, DT) for _ in range(100)]
    assert motions[-1].steer_rad == 0.0 and motions[-1].accel_mps2 == TrackerConfig().hold_accel_mps2


def test_reset_starts_from_the_car(limits: Limits, model: VehicleModel) -> None:
    tracker = Tracker(TrackerConfig(), model, limits)
    tracker.reset(0.05, -1.0)
    path = PlanPath(Route(0.0, 20.0).plan(SE2(), 0), -1.0)
    motion = tracker.step(path, 0.0, SE2(), 20.0, DT)
    assert motion.steer_rad == pytest.approx(0.05, abs=0.001) and motion.accel_mps2 == pytest.approx(-1.0, abs=0.05)


def test_odometry_is_interpolated_and_never_bridged() -> None:
    buffer = OdometryBuffer(1_000_000_000)
    for i in range(10):
        buffer.add(Odometry(i * 10_000_000, i * 0.1, 0.0, 0.0, 10.0, 0.0))
    for at_ns, x in ((45_000_000, 0.45), (95_000_000, 0.95)):
        pose = buffer.pose_at(at_ns)
        assert pose is not None and pose.x == pytest.approx(x) and pose.y == pose.yaw == 0.0
    assert buffer.pose_at(-1) is None and buffer.pose_at(90_000_000 + 100_000_001) is None
    buffer.add(Odometry(400_000_000, 4.0, 0.0, 0.0, 10.0, 0.0))
    assert buffer.pose_at(50_000_000) is None and buffer.newest_ns == 400_000_000
    buffer.add(Odometry(410_000_000, 4.1, 0.0, 0.0, 10.0, 0.0, valid=False))
    assert buffer.newest_ns is None
    buffer.add(Odometry(420_000_000, 4.2, 0.0, 0.0, 10.0, 0.0))
    buffer.add(Odometry(300_000_000, 0.0, 0.0, 0.0, 10.0, 0.0))  # the clock stepped back
    assert buffer.pose_at(420_000_000) is None or buffer.newest_ns == 300_000_000


def test_tracking_is_deterministic(limits: Limits, model: VehicleModel) -> None:
    first, second = (drive(Route(0.02, 10.0), limits, model, 0.2, 2.0)[1] for _ in range(2))
    assert first == second
