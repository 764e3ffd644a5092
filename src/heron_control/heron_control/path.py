"""A plan as a path: where along it, how fast, and what follows after its end."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_core.se2 import SE2
from heron_core.trajectory import HORIZON_S, POINTS, STEP_S, Trajectory

Array = NDArray[np.float64]
Row = tuple[float, float, float]

CURVATURE_WINDOW = 3  # points to either side: a policy's yaw is noisy from point to point
CURVATURE_MIN_M = 0.5  # over a shorter arc the yaw says nothing about curvature
ACCEL_WINDOW = 2
# What follows the end is fitted to this much of the plan before it: one noisy point must not decide where a car goes that nobody plans for.
END_WINDOW_S = 2.0
END_WINDOW_MIN_M = 4.0
END_YAW_M = 5.0  # an error of yaw weighs like one of position this far away
END_CURVATURE_MAX_PER_M = 0.3  # beyond any car's lock
SMALLEST_TURN = 1e-9


class PathPoint(NamedTuple):
    """The path at one place: pose in base_link at the plan's stamp, curvature (1/m, left positive), speed (m/s), acceleration (m/s²)."""

    pose: SE2
    curvature_per_m: float
    speed_mps: float
    accel_mps2: float


class PlanPath:
    """Look-up by time and by station (metres along the path from the pose at the stamp) in a plan whose points are finite.

    Past the plan's end the curvature keeps its last valid value and the speed falls at `beyond_accel_mps2` to standstill. Stations never decrease,
    also in a plan that stands, crawls or jitters.

    Attributes:
        length_m: station of the plan's last point.
        end_curvature_per_m: curvature beyond it.
        end_speed_mps: speed at the last point.
    """

    def __init__(self, plan: Trajectory, beyond_accel_mps2: float) -> None:
        rows = np.zeros((4, POINTS + 1))  # from the stamp on
        rows[:, 1:] = plan.points.T
        self._x, self._y, yaw, speed = rows
        self._yaw = _unwrapped(yaw)
        self._speed = np.maximum(speed, 0.0)
        self._speed[0] = max(2.0 * self._speed[1] - self._speed[2], 0.0)
        self._station = _stations(self._x, self._y, self._yaw)
        self._stations: list[float] = self._station.tolist()
        self._curvature = _curvature(self._station, self._yaw)
        self._accel = _slope(self._speed, ACCEL_WINDOW)
        # Numbers out of lists are cheaper than out of arrays.
        self._poses = list(zip(self._x.tolist(), self._y.tolist(), self._yaw.tolist(), strict=True))
        self._motions = list(zip(self._curvature.tolist(), self._speed.tolist(), self._accel.tolist(), strict=True))
        self._station_steps, self._speed_steps = self._station[1:] - self._station[:-1], self._speed[1:] - self._speed[:-1]
        self._beyond_accel_mps2 = beyond_accel_mps2
        self.length_m = self._stations[-1]
        self.end_speed_mps = float(self._speed[-1])
        self._end, self.end_curvature_per_m = self._fit_end()
        self._projected: tuple[SE2, tuple[float, SE2]] | None = None

    @property
    def beyond_m(self) -> float:
        """How far the car still goes beyond the last point."""
        return self.end_speed_mps**2 / (-2.0 * self._beyond_accel_mps2)

    def at(self, time_s: float) -> PathPoint:
        """The path `time_s` after the plan's stamp; before the stamp it is the pose at the stamp."""
        if time_s >= HORIZON_S:
            return self._beyond(time_s - HORIZON_S)
        i, f = _between(time_s)
        x, y, yaw = _mix(self._poses, i, f)
        return PathPoint(SE2(x, y, yaw), *_mix(self._motions, i, f))

    def station_at(self, time_s: float) -> float:
        """Station (m) at a time after the plan's stamp."""
        i, f = _between(min(time_s, HORIZON_S))
        station = self._stations[i] + f * (self._stations[i + 1] - self._stations[i])
        if time_s > HORIZON_S:
            slowing = self._beyond_accel_mps2
            moving_s = min(time_s - HORIZON_S, -self.end_speed_mps / slowing)
            station += moving_s * (self.end_speed_mps + slowing * moving_s / 2.0)
        return station

    def motion(self, times_s: Array) -> tuple[Array, Array]:
        """Stations (m) and speeds (m/s) at times after the plan's stamp, which grow; each as long as `times_s`."""
        exact = np.minimum(np.maximum(times_s, 0.0), HORIZON_S) / STEP_S
        index = np.minimum(exact.astype(np.int64), POINTS - 1)
        part = exact - index
        station = self._station[index] + part * self._station_steps[index]
        speed = self._speed[index] + part * self._speed_steps[index]
        if times_s[-1] > HORIZON_S:
            past, slowing = times_s - HORIZON_S, self._beyond_accel_mps2
            moving = np.clip(past, 0.0, -self.end_speed_mps / slowing)
            station = station + moving * (self.end_speed_mps + slowing * moving / 2.0)
            speed = np.where(past > 0.0, np.maximum(self.end_speed_mps + slowing * past, 0.0), speed)
        return station, speed

    def along(self, stations_m: Array) -> tuple[Array, Array, Array, Array]:
        """x, y (m), yaw (rad) and curvature (1/m) at stations, which grow, beyond the plan's end too; each as long as `stations_m`."""
        known = self._station
        # Outside of the plan this is its first and last point.
        x, y = np.interp(stations_m, known, self._x), np.interp(stations_m, known, self._y)
        yaw, curvature = np.interp(stations_m, known, self._yaw), np.interp(stations_m, known, self._curvature)
        if stations_m[-1] > self.length_m:
            past = stations_m - self.length_m
            beyond = past > 0.0
            arc_x, arc_y, arc_yaw = _arc_points(self._end, self.end_curvature_per_m, past)
            x, y, yaw = np.where(beyond, arc_x, x), np.where(beyond, arc_y, y), np.where(beyond, arc_yaw, yaw)
            curvature = np.where(beyond, self.end_curvature_per_m, curvature)
        return x, y, yaw, curvature

    def project(self, pose: SE2) -> tuple[float, SE2]:
        """Station beside a pose, and the path's pose there; the pose at the stamp for whatever lies behind it."""
        if self._projected is None or self._projected[0] is not pose:  # a tick asks more than once where its car is
            self._projected = pose, self._project(pose)
        return self._projected[1]

    def pose_at(self, station_m: float) -> SE2:
        """Pose at one station."""
        if station_m > self.length_m:
            return self._end.compose(arc(self.end_curvature_per_m, station_m - self.length_m))
        i = min(max(bisect_right(self._stations, station_m) - 1, 0), POINTS - 1)
        gap = self._stations[i + 1] - self._stations[i]
        f = min(max((station_m - self._stations[i]) / gap, 0.0), 1.0) if gap > 0.0 else 0.0
        x, y, yaw = _mix(self._poses, i, f)
        return SE2(x, y, yaw)

    def _project(self, pose: SE2) -> tuple[float, SE2]:
        across, along = self._x - pose.x, self._y - pose.y
        i = int((across * across + along * along).argmin())
        x, y, yaw = self._poses[i]
        station = self._stations[i]
        station += (pose.x - x) * math.cos(yaw) + (pose.y - y) * math.sin(yaw)
        if station > self.length_m:
            station = self.length_m + self._project_beyond(pose)
        station = max(station, 0.0)
        return station, self.pose_at(station)

    def _project_beyond(self, pose: SE2) -> float:
        seen, curvature = self._end.between(pose), self.end_curvature_per_m
        if abs(curvature) < SMALLEST_TURN:
            return max(seen.x, 0.0)
        return max(math.atan2(curvature * seen.x, 1.0 - curvature * seen.y) / curvature, 0.0)

    def _beyond(self, time_s: float) -> PathPoint:
        accel, start = self._beyond_accel_mps2, self.end_speed_mps
        moving_s = min(time_s, -start / accel)
        speed = max(start + accel * time_s, 0.0)
        distance = start * moving_s + accel * moving_s * moving_s / 2.0
        pose = self._end.compose(arc(self.end_curvature_per_m, distance))
        return PathPoint(pose, self.end_curvature_per_m, speed, accel if speed > 0.0 else 0.0)

    def _fit_end(self) -> tuple[SE2, float]:
        """Pose at the plan's end and curvature there: an arc through the last stretch of the plan, least squares over positions and yaws."""
        last = SE2(float(self._x[-1]), float(self._y[-1]), float(self._yaw[-1]))
        window = max(END_WINDOW_S * float(self._speed.max()), END_WINDOW_MIN_M)
        first = max(bisect_right(self._stations, self.length_m - window) - 1, 0)
        behind = self._station[first:] - self.length_m
        if -behind[0] < CURVATURE_MIN_M:
            return last, float(self._curvature[-1])
        # Points that stand on one spot would outweigh the stretch before them: each weighs by the way that it stands for.
        weight = np.sqrt(np.maximum(_gradient(behind), 0.0) + 1e-3)
        count = len(behind)
        matrix = np.zeros((2 * count, 3))  # errors of position, then of yaw, by offset, turn and bend
        matrix[:count, 0], matrix[:count, 1], matrix[:count, 2] = weight, behind * weight, behind * behind / 2.0 * weight
        matrix[count:, 1], matrix[count:, 2] = END_YAW_M * weight, END_YAW_M * behind * weight
        pose, curvature = last, float(self._yaw[-1] - self._yaw[first]) / -float(behind[0])
        for _ in range(2):  # the second time around the first arc: a tight one is far from a parabola
            x, y, yaw = _arc_points(pose, curvature, behind)
            side = (self._y[first:] - y) * np.cos(yaw) - (self._x[first:] - x) * np.sin(yaw)
            errors = np.concatenate([side * weight, END_YAW_M * (self._yaw[first:] - yaw) * weight])
            offset, turn, bend = np.linalg.lstsq(matrix, errors, rcond=None)[0].tolist()
            pose = SE2(pose.x - math.sin(pose.yaw) * offset, pose.y + math.cos(pose.yaw) * offset, pose.yaw + turn)
            curvature = min(max(curvature + bend, -END_CURVATURE_MAX_PER_M), END_CURVATURE_MAX_PER_M)
        return pose, curvature


def _between(time_s: float) -> tuple[int, float]:
    """Point of the plan before a time, and the share of the way to the next."""
    exact = max(time_s, 0.0) / STEP_S
    i = min(int(exact), POINTS - 1)
    return i, exact - i


def _mix(rows: list[Row], i: int, f: float) -> Row:
    (a, b, c), (after_a, after_b, after_c) = rows[i], rows[i + 1]
    return a + f * (after_a - a), b + f * (after_b - b), c + f * (after_c - c)


def arc(curvature_per_m: float, distance_m: float) -> SE2:
    """Motion along a circular arc; exact, and safe for a straight one."""
    turn = curvature_per_m * distance_m
    half = turn / 2.0
    chord = distance_m * (math.sin(half) / half if abs(half) > SMALLEST_TURN else 1.0)
    return SE2(chord * math.cos(half), chord * math.sin(half), turn)


def _arc_points(start: SE2, curvature_per_m: float, distance_m: Array) -> tuple[Array, Array, Array]:
    turn = curvature_per_m * distance_m
    chord = distance_m * np.sinc(turn / (2.0 * np.pi))
    heading = start.yaw + turn / 2.0
    return start.x + chord * np.cos(heading), start.y + chord * np.sin(heading), start.yaw + turn


def _unwrapped(yaw: Array) -> Array:
    """Without jumps by a turn; most plans have none."""
    steps = yaw[1:] - yaw[:-1]
    jumps: bool = np.abs(steps).max() >= math.pi
    return np.unwrap(yaw) if jumps else yaw


def _gradient(values: Array) -> Array:
    """As `np.gradient` has it, which checks more and takes longer."""
    found = np.empty_like(values)
    found[1:-1] = (values[2:] - values[:-2]) / 2.0
    found[0], found[-1] = values[1] - values[0], values[-1] - values[-2]
    return found


def _stations(x: Array, y: Array, yaw: Array) -> Array:
    """Distance along the path, measured forward: what jitters around a standing car does not add up."""
    middle = (yaw[1:] + yaw[:-1]) / 2.0
    stations = np.zeros(len(x))
    stations[1:] = ((x[1:] - x[:-1]) * np.cos(middle) + (y[1:] - y[:-1]) * np.sin(middle)).cumsum()
    return np.maximum.accumulate(stations)


def _curvature(station: Array, yaw: Array) -> Array:
    last = len(station) - 1
    index = np.arange(last + 1)
    low, high = np.maximum(index - CURVATURE_WINDOW, 0), np.minimum(index + CURVATURE_WINDOW, last)
    distance = station[high] - station[low]
    valid = distance >= CURVATURE_MIN_M
    if not valid.any():
        return np.zeros(last + 1)  # a plan that stands has no curvature of its own
    value = np.where(valid, (yaw[high] - yaw[low]) / np.maximum(distance, CURVATURE_MIN_M), 0.0)
    before = np.maximum.accumulate(np.where(valid, index, -1))  # the last valid value, or the first one for what lies before it
    held: Array = value[np.where(before >= 0, before, int(np.argmax(valid)))]
    return held


def _slope(values: Array, window: int) -> Array:
    last = len(values) - 1
    index = np.arange(last + 1)
    low, high = np.maximum(index - window, 0), np.minimum(index + window, last)
    slope: Array = (values[high] - values[low]) / ((high - low) * STEP_S)
    return slope
