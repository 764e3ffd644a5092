"""Roads to drive on in tests and tuning, and the plans that a perfect perception would make on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heron_control.path import arc
from heron_control.proving_ground.stop_profile import StopProfile
from heron_core.arrays import read_only
from heron_core.limits import Limits
from heron_core.se2 import SE2, wrap_angle
from heron_core.stages import Stages
from heron_core.trajectory import POINTS, STEP_S, Trajectory
from heron_core.vehicle_model import VehicleModel

GRID_M = 0.1  # between two samples of a course: linear in between errs by 0.3 mm in the tightest curve
BLEND_S = 1.5  # a lateral error is led back over this time of travel
BLEND_MIN_M = 6.0
BLEND_JERK_MPS3 = 1.5  # a large error takes longer: |jerk| of leading it back
SPEED_GAIN = 0.8  # acceleration per speed error, 1/s
ACCEL_MPS2 = (-3.0, 1.5)
JERK_MPS3 = 2.0
FINE = 5  # steps between two points of the plan
STANDING_MPS, STANDING_M = 0.05, 0.5


@dataclass(frozen=True, slots=True)
class Segment:
    """A clothoid: curvature (1/m, left positive) goes linearly from `start` to `end` over a length. Equal ones make an arc, zeros a straight."""

    length_m: float
    start_per_m: float = 0.0
    end_per_m: float = 0.0

    def __post_init__(self) -> None:
        if not (self.length_m > 0.0 and math.isfinite(self.start_per_m) and math.isfinite(self.end_per_m)):
            raise ValueError(f"segment {self}: a length > 0 and finite curvatures are needed")


@dataclass(frozen=True, slots=True)
class CoursePoint:
    """A course at one arc length: pose in the world, curvature (1/m, left positive), speed (m/s) and acceleration (m/s²) to have there."""

    pose: SE2
    curvature_per_m: float
    speed_mps: float
    accel_mps2: float


class Course:
    """A path in the world by arc length, starting at the origin along x, with a speed to drive it at.

    Attributes:
        length_m: of the path. Behind its end it goes on with its last curvature.
        speed_mps: cruising speed.
        stop_m: arc length of the line to stop at, or None.
        s_m, x_m, y_m, yaw_rad, curvature_per_m: (n,) samples, read-only; yaw not wrapped.
    """

    def __init__(self, segments: Sequence[Segment], speed_mps: float, stop_m: float | None = None) -> None:
        """A course of segments one behind the other.

        Args:
            segments: of the path.
            speed_mps: cruising speed.
            stop_m: arc length of a line to stop at.

        Raises:
            ValueError: no segments, or no speed.
        """
        if not segments or not speed_mps > 0.0:
            raise ValueError(f"a course needs segments and a speed > 0, got {len(segments)} segments and {speed_mps} m/s")
        self.speed_mps, self.stop_m = speed_mps, stop_m
        ends = np.cumsum([segment.length_m for segment in segments])
        self.length_m = float(ends[-1])
        self.s_m = read_only(np.linspace(0.0, self.length_m, math.ceil(self.length_m / GRID_M) + 1))
        knots = np.concatenate([[0.0], np.repeat(ends, 2)[:-1]])
        knots[1:-1:2] -= 1e-9 * self.length_m  # curvature may jump between two segments
        values = np.array([value for segment in segments for value in (segment.start_per_m, segment.end_per_m)])
        self.curvature_per_m = read_only(np.interp(self.s_m, knots, values))
        step = np.diff(self.s_m)
        yaw = np.concatenate([[0.0], np.cumsum((self.curvature_per_m[1:] + self.curvature_per_m[:-1]) / 2.0 * step)])
        middle, half = (yaw[1:] + yaw[:-1]) / 2.0, np.diff(yaw) / 2.0
        chord = step * np.sinc(half / math.pi)
        self.yaw_rad = read_only(yaw)
        self.x_m = read_only(np.concatenate([[0.0], np.cumsum(chord * np.cos(middle))]))
        self.y_m = read_only(np.concatenate([[0.0], np.cumsum(chord * np.sin(middle))]))
        self._stop = StopProfile(speed_mps)
        self._lists = [array.tolist() for array in (self.x_m, self.y_m, self.yaw_rad, self.curvature_per_m)]  # numbers out of them are cheaper

    def at(self, s_m: float) -> CoursePoint:
        """The course at an arc length; outside of it it goes on with the curvature of its end."""
        inside = min(max(s_m, 0.0), self.length_m)
        x, y, yaw, curvature = (self._mix(values, inside) for values in self._lists)
        pose = SE2(x, y, wrap_angle(yaw))
        if s_m != inside:
            pose = pose.compose(arc(curvature, s_m - inside))
        return CoursePoint(pose, curvature, *self.speed_at(s_m))

    def curvature_at(self, s_m: float) -> float:
        """Curvature (1/m, left positive) at an arc length."""
        return self._mix(self._lists[3], min(max(s_m, 0.0), self.length_m))

    def speed_at(self, s_m: float) -> tuple[float, float]:
        """Speed (m/s) and acceleration (m/s²) to have at an arc length."""
        return (self.speed_mps, 0.0) if self.stop_m is None else self._stop.at(self.stop_m - s_m)

    def left_m(self, s_m: float) -> float:
        """Distance to the line to stop at; infinite without one."""
        return math.inf if self.stop_m is None else self.stop_m - s_m

    @property
    def roll_out_m(self) -> float:
        """Last distance before the line, over which the brakes are let go."""
        return self._stop.roll_out_m

    def _mix(self, values: list[float], inside_m: float) -> float:
        exact = inside_m / self.length_m * (len(values) - 1)
        i = min(int(exact), len(values) - 2)
        return values[i] + (exact - i) * (values[i + 1] - values[i])

    def nearest(self, x_m: float, y_m: float, near_m: float | None = None, window_m: float = 30.0) -> float:
        """Arc length of the point beside a place.

        Args:
            x_m: of the place.
            y_m: of the place.
            near_m: arc length to search around, for courses that cross themselves; None: everywhere.
            window_m: to either side of it.
        """
        low, high = 0, len(self.s_m)
        if near_m is not None:
            low, high = (int(np.searchsorted(self.s_m, min(max(near_m + d, 0.0), self.length_m))) for d in (-window_m, window_m))
            low, high = max(low - 1, 0), high + 1
        i = low + int(np.argmin((self.x_m[low:high] - x_m) ** 2 + (self.y_m[low:high] - y_m) ** 2))
        s_m = float(self.s_m[i])
        if near_m is not None and (near_m > self.length_m or near_m < 0.0) and i in (0, len(self.s_m) - 1):
            s_m = near_m
        for _ in range(3):
            point = self.at(s_m)
            offset = point.pose.between(SE2(x_m, y_m, 0.0))
            s_m += offset.x / max(1.0 - point.curvature_per_m * offset.y, 0.2)
            if abs(offset.x) < 1e-3:  # Newton's next error is far below
                break
        return s_m

    def offset(self, pose: SE2, near_m: float | None = None) -> tuple[float, float, float]:
        """(arc length, cross-track error left positive (m), heading error left positive (rad)) of a pose."""
        s_m = self.nearest(pose.x, pose.y, near_m)
        error = self.at(s_m).pose.between(pose)
        return s_m, error.y, wrap_angle(error.yaw)


def straight(length_m: float) -> list[Segment]:
    """A straight road."""
    return [Segment(length_m)]


def sharpest(limits: Limits, model: VehicleModel, speed_mps: float, share: float = 0.8) -> float:
    """Fastest change of curvature over distance (1/m²) within `share` of lateral jerk and steering rate."""
    by_jerk = limits.lateral_jerk_mps3 / speed_mps**3
    by_rate = limits.steer_rate_at(speed_mps) / (speed_mps * model.wheelbase_m)  # d(curvature)/d(angle) is at least 1 / wheelbase
    return share * min(by_jerk, by_rate)


def curve(sharpness_per_m2: float, curvature_per_m: float, length_m: float, *, out: bool = True) -> list[Segment]:
    """A clothoid in, an arc of `length_m`, and (`out`) a clothoid out again."""
    entry = abs(curvature_per_m) / sharpness_per_m2
    found = [Segment(entry, 0.0, curvature_per_m), Segment(length_m, curvature_per_m, curvature_per_m)]
    return [*found, Segment(entry, curvature_per_m, 0.0)] if out else found


def slalom(sharpness_per_m2: float, curvature_per_m: float, waves: int) -> list[Segment]:
    """Left and right in turn along a straight axis: curvature swings between ± the given one."""
    half = curvature_per_m / math.sqrt(2.0)  # a first and last lobe of half the turn, so that the heading swings around 0
    ramp, short = abs(curvature_per_m) / sharpness_per_m2, abs(half) / sharpness_per_m2
    found = [Segment(short, 0.0, half), Segment(short, half, 0.0)]
    sign = -1.0
    for _ in range(2 * waves - 1):
        peak = sign * curvature_per_m
        found += [Segment(ramp, 0.0, peak), Segment(ramp, peak, 0.0)]
        sign = -sign
    return [*found, Segment(short, 0.0, sign * half), Segment(short, sign * half, 0.0)]


def course_plan(
    course: Course,
    pose: SE2,
    speed_mps: float,
    stamp_ns: int,
    sequence: int = 0,
    *,
    accel_mps2: float | None = None,
    near_m: float | None = None,
    begin_at_car: bool = True,
) -> Trajectory:
    """A feasible plan of 40 points that begins where the car is and goes smoothly back to the course and its speed.

    Args:
        course: to follow.
        pose: true pose of base_link in the world at the stamp.
        speed_mps: true speed.
        stamp_ns: of the plan.
        sequence: of the plan.
        accel_mps2: acceleration of the car now; None: what the course has there.
        near_m: arc length around which the car is, see `Course.nearest`.
        begin_at_car: False: the plan lies on the course all along, however far the car is from it; to see how control leads a car back.
    """
    s_m, offset, heading = course.offset(pose, near_m)
    if not begin_at_car:
        offset = heading = 0.0
    blend = _Blend(course, s_m, offset, heading, speed_mps)
    accel = course.at(s_m).accel_mps2 if accel_mps2 is None else accel_mps2
    speed, driven, dt = max(speed_mps, 0.0), 0.0, STEP_S / FINE
    points = np.empty((POINTS, 4), np.float32)
    for i in range(POINTS):
        for _ in range(FINE):
            accel = _towards(accel, _wanted(course, s_m, speed), JERK_MPS3 * dt)
            after = max(speed + accel * dt, 0.0)
            step = (speed + after) / 2.0 * dt
            if after == 0.0:
                accel = 0.0
            s_m += blend.advance(step, driven, s_m)
            speed, driven = after, driven + step
        there = pose.between(blend.pose(driven, s_m))
        points[i] = there.x, there.y, there.yaw, speed
    points[:, 2] = np.unwrap(points[:, 2])
    return Trajectory.make(stamp_ns, points, sequence, "course", Stages(exposure_ns=stamp_ns))


class _Blend:
    """Lateral offset from the course over the distance driven: a quintic from (offset, slope, 0) to (0, 0, 0)."""

    def __init__(self, course: Course, s_m: float, offset_m: float, heading_rad: float, speed_mps: float) -> None:
        self._course = course
        slope = math.tan(min(max(heading_rad, -1.0), 1.0)) * (1.0 - course.at(s_m).curvature_per_m * offset_m)
        seconds = max(BLEND_S, (60.0 * abs(offset_m) / BLEND_JERK_MPS3) ** (1.0 / 3.0))
        self._length = max(BLEND_MIN_M, seconds * speed_mps)
        self._offset, self._slope = offset_m, slope * self._length

    def at(self, driven_m: float) -> tuple[float, float]:
        """Offset (m, left positive) and its slope."""
        x = min(driven_m / self._length, 1.0)
        offset = self._offset * (1 - 10 * x**3 + 15 * x**4 - 6 * x**5) + self._slope * (x - 6 * x**3 + 8 * x**4 - 3 * x**5)
        slope = self._offset * (-30 * x**2 + 60 * x**3 - 30 * x**4) + self._slope * (1 - 18 * x**2 + 32 * x**3 - 15 * x**4)
        return offset, slope / self._length

    def advance(self, step_m: float, driven_m: float, s_m: float) -> float:
        """How far the course goes while the car drives `step_m`."""
        offset, slope = self.at(driven_m + step_m / 2.0)
        along = 1.0 - self._course.curvature_at(s_m + step_m / 2.0) * offset
        return step_m / math.hypot(along, slope)

    def pose(self, driven_m: float, s_m: float) -> SE2:
        """In the world."""
        offset, slope = self.at(driven_m)
        point = self._course.at(s_m)
        heading = math.atan2(slope, 1.0 - point.curvature_per_m * offset)
        moved = point.pose.compose(SE2(0.0, offset, 0.0))
        return SE2(moved.x, moved.y, wrap_angle(moved.yaw + heading))


def _wanted(course: Course, s_m: float, speed_mps: float) -> float:
    """Acceleration to have at a place and speed."""
    left_m = course.left_m(s_m)
    if left_m <= 0.0 or (left_m <= STANDING_M and speed_mps < STANDING_MPS):
        return -1.0
    target, accel = course.speed_at(s_m)
    if left_m < course.roll_out_m and speed_mps > target:
        # dv/dt = -2/3 v²/left is how a jerk-limited stop ends; begun at any speed and place, it still ends at the line and without a jolt.
        return max(-2.0 / 3.0 * speed_mps**2 / left_m, ACCEL_MPS2[0])
    return min(max(accel + SPEED_GAIN * (target - speed_mps), ACCEL_MPS2[0]), ACCEL_MPS2[1])


def _towards(start: float, target: float, step: float) -> float:
    return min(max(target, start - step), start + step)
