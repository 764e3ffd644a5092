"""A plan as a continuous path over time, with what follows after its end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_core.se2 import SE2
from heron_core.trajectory import HORIZON_S, POINTS, STEP_S, Trajectory

CURVATURE_WINDOW = 3  # points to either side: a policy's yaw is noisy from point to point
CURVATURE_MIN_M = 0.5  # over a shorter arc the yaw says nothing about curvature
ACCEL_WINDOW = 2


@dataclass(frozen=True, slots=True)
class PathPoint:
    """The path at one time: pose in base_link at the plan's stamp, curvature (1/m, left positive), speed (m/s), acceleration (m/s²)."""

    pose: SE2
    curvature_per_m: float
    speed_mps: float
    accel_mps2: float


class PlanPath:
    """Time-indexed look-up in a plan whose points are finite.

    Past the plan's end the curvature keeps its last valid value and the speed falls at `beyond_accel_mps2` to standstill.
    """

    def __init__(self, plan: Trajectory, beyond_accel_mps2: float) -> None:
        points = plan.points.astype(np.float64)
        speed = np.maximum(points[:, 3], 0.0)
        at_stamp = max(2.0 * speed[0] - speed[1], 0.0)
        speed = np.concatenate([[at_stamp], speed])
        x = np.concatenate([[0.0], points[:, 0]])
        y = np.concatenate([[0.0], points[:, 1]])
        yaw = np.unwrap(np.concatenate([[0.0], points[:, 2]]))
        self._x, self._y, self._yaw, self._speed = x.tolist(), y.tolist(), yaw.tolist(), speed.tolist()
        self._curvature = _curvature(x, y, yaw)
        self._accel = _slope(speed, ACCEL_WINDOW)
        self._beyond_accel_mps2 = beyond_accel_mps2

    def at(self, time_s: float) -> PathPoint:
        """The path `time_s` after the plan's stamp; before the stamp it is the pose at the stamp."""
        if time_s >= HORIZON_S:
            return self._beyond(time_s - HORIZON_S)
        exact = max(time_s, 0.0) / STEP_S
        i = min(int(exact), POINTS - 1)
        f = exact - i

        def mix(values: list[float]) -> float:
            return values[i] + f * (values[i + 1] - values[i])

        return PathPoint(SE2(mix(self._x), mix(self._y), mix(self._yaw)), mix(self._curvature), mix(self._speed), mix(self._accel))

    def _beyond(self, time_s: float) -> PathPoint:
        accel, start, curvature = self._beyond_accel_mps2, self._speed[-1], self._curvature[-1]
        moving_s = min(time_s, -start / accel)
        distance = start * moving_s + accel * moving_s * moving_s / 2.0
        speed = max(start + accel * time_s, 0.0)
        end = SE2(self._x[-1], self._y[-1], self._yaw[-1])
        return PathPoint(end.compose(arc(curvature, distance)), curvature, speed, accel if speed > 0.0 else 0.0)


def arc(curvature_per_m: float, distance_m: float) -> SE2:
    """Motion along a circular arc; exact, and safe for a straight one."""
    turn = curvature_per_m * distance_m
    half = turn / 2.0
    chord = distance_m * (math.sin(half) / half if abs(half) > 1e-9 else 1.0)
    return SE2(chord * math.cos(half), chord * math.sin(half), turn)


def _curvature(x: NDArray[np.float64], y: NDArray[np.float64], yaw: NDArray[np.float64]) -> list[float]:
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    last = len(length) - 1
    values: list[float] = []
    first_valid: float | None = None
    for i in range(len(length)):
        low, high = max(i - CURVATURE_WINDOW, 0), min(i + CURVATURE_WINDOW, last)
        distance = float(length[high] - length[low])
        if distance >= CURVATURE_MIN_M:
            values.append(float(yaw[high] - yaw[low]) / distance)
            first_valid = values[-1] if first_valid is None else first_valid
        else:
            values.append(values[-1] if first_valid is not None else math.nan)
    start = 0.0 if first_valid is None else first_valid  # a plan that stands has no curvature of its own
    return [start if math.isnan(value) else value for value in values]


def _slope(values: NDArray[np.float64], window: int) -> list[float]:
    last = len(values) - 1
    return [
        float(values[min(i + window, last)] - values[max(i - window, 0)]) / ((min(i + window, last) - max(i - window, 0)) * STEP_S)
        for i in range(len(values))
    ]
