"""Follows a plan: from where the car is now, seen from where it was when the plan was made, to a steering angle and an acceleration."""

from __future__ import annotations

import math
from dataclasses import dataclass

from heron_control.config import TrackerConfig
from heron_control.path import PathPoint, PlanPath
from heron_core.limits import Limits
from heron_core.se2 import SE2, wrap_angle
from heron_core.vehicle_model import VehicleModel

# The tracker keeps within this share of each limit, so that a healthy drive never wakes the gate.
MARGIN = 0.9
MAX_SHIFT_S = 1.0  # how far along the path the car may be from where time says


@dataclass(frozen=True, slots=True)
class Motion:
    """What the tracker asks of the car: road-wheel angle (rad, left positive), longitudinal acceleration (m/s²), and to stay once it stands."""

    steer_rad: float
    accel_mps2: float
    hold: bool = False


class Tracker:
    """Curvature feed-forward with a critically placed lateral correction, and a PI on speed.

    The lateral law is that of a second-order system over travelled distance s with length L: e'' + 2ζ/L e' + e/L² = 0.
    """

    def __init__(self, config: TrackerConfig, model: VehicleModel, limits: Limits) -> None:
        self._config = config
        self._model = model
        self._limits = limits
        self._curvature = 0.0
        self._accel = 0.0
        self._integral = 0.0

    def reset(self, steer_rad: float, accel_mps2: float) -> None:
        """Starts from what the car does now, so that the first command does not jump."""
        self._curvature = self._model.curvature(steer_rad)
        self._accel = min(max(accel_mps2, self._limits.accel_min_mps2), self._limits.accel_max_mps2)
        self._integral = 0.0

    def step(self, path: PlanPath, age_s: float, moved: SE2, speed_mps: float, dt_s: float) -> Motion:
        """One tick.

        Args:
            path: the plan.
            age_s: time since the plan's stamp.
            moved: pose of base_link now, seen from base_link at the plan's stamp.
            speed_mps: measured.
            dt_s: time since the last tick.
        """
        curvature = self._lateral(path, age_s, moved, speed_mps)
        accel, hold = self._longitudinal(path, age_s, speed_mps, dt_s)
        self._shape(curvature, accel, speed_mps, dt_s)
        return Motion(self._model.steer(self._curvature), self._accel, hold)

    def _lateral(self, path: PlanPath, age_s: float, moved: SE2, speed_mps: float) -> float:
        nearest_s, reference = _nearest(path, age_s, moved)
        error = reference.pose.between(moved)
        length = max(self._config.lookahead_min_m, self._config.lookahead_s * abs(speed_mps))
        ahead = path.at(nearest_s + self._model.steer_delay_s)
        heading = wrap_angle(error.yaw)
        return ahead.curvature_per_m - 2.0 * self._config.damping / length * math.sin(heading) - error.y / (length * length)

    def _longitudinal(self, path: PlanPath, age_s: float, speed_mps: float, dt_s: float) -> tuple[float, bool]:
        config = self._config
        now, ahead = path.at(age_s), path.at(age_s + self._model.accel_delay_s)
        if ahead.speed_mps < config.standstill_mps and speed_mps < config.standstill_mps:
            self._integral = 0.0
            return config.hold_accel_mps2, True
        error = now.speed_mps - speed_mps
        share = self._integral + config.speed_integral_gain * error * dt_s
        self._integral = min(max(share, -config.integral_max_mps2), config.integral_max_mps2)
        return ahead.accel_mps2 + config.speed_gain * error + self._integral, False

    def _shape(self, curvature: float, accel: float, speed_mps: float, dt_s: float) -> None:
        limits, speed = self._limits, abs(speed_mps)
        largest = MARGIN * limits.curvature_at(speed)
        curvature = min(max(curvature, -largest), largest)
        steer = self._model.steer(self._curvature)
        # d(curvature)/d(steer) of the bicycle is 1 / (wheelbase · cos²(steer)).
        by_rate = MARGIN * limits.steer_rate_at(speed) * dt_s / (self._model.wheelbase_m * math.cos(steer) ** 2)
        by_jerk = MARGIN * limits.lateral_jerk_mps3 * dt_s / (speed * speed) if speed > 0.1 else math.inf
        self._curvature = _towards(self._curvature, curvature, min(by_rate, by_jerk))
        accel = min(max(accel, MARGIN * limits.accel_min_mps2), MARGIN * limits.accel_max_mps2)
        self._accel = _towards(self._accel, accel, MARGIN * limits.jerk_mps3 * dt_s)


def _nearest(path: PlanPath, age_s: float, moved: SE2) -> tuple[float, PathPoint]:
    """Time and point of the path beside the car: a lag along the path must not read as an error across it."""
    time_s = age_s
    point = path.at(time_s)
    for _ in range(3):  # Newton; converges at once except on a plan that stands
        if point.speed_mps < 0.5:
            break
        shift = point.pose.between(moved).x / point.speed_mps
        time_s = min(max(time_s + shift, age_s - MAX_SHIFT_S), age_s + MAX_SHIFT_S)
        point = path.at(time_s)
    return time_s, point


def _towards(start: float, target: float, step: float) -> float:
    return min(max(target, start - step), start + step)
