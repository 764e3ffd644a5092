"""Follows a plan: from where the car is now, seen from where it was when the plan was made, to a steering angle and an acceleration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from heron_control.actuator import Actuator
from heron_control.config import TrackerConfig
from heron_control.longitudinal import SPEED_MAX_MPS, Longitudinal
from heron_control.mpc import Array, Bound, Cost, Goal, Preview, Start
from heron_control.path import PlanPath, arc
from heron_core.limits import Limits, StopLimits
from heron_core.se2 import SE2, wrap_angle
from heron_core.vehicle_model import VehicleModel

# The tracker keeps within these shares of the limits, so that a healthy drive never wakes the gate: ticks come early and late, and the gate may see a
# higher speed (that of the outer wheel). The tightest curvature depends on neither.
RATE_SHARE = 0.9
LATERAL_ACCEL_SHARE = 0.98
CURVATURE_SHARE = 0.998
# Beyond these the linear model means nothing, and the command is at its bounds anyway.
SIDE_MAX_M = 10.0
TURN_MAX_RAD = 1.0
# How the car turns lastingly differs from what the road wheels are asked for (a sensor's zero, tyres): learnt from odometry over this time.
OFFSET_TIME_S = 0.7
OFFSET_MAX_PER_M = 0.01
SQUARED_MIN = 1e-2  # m²/s²: a car that stands may turn its wheels
SLOWEST_MPS = 1.0  # below, lateral acceleration bounds nothing
OFFSET_SPEED_MIN_MPS = 3.0  # slower, the yaw rate is mostly noise


class Motion(NamedTuple):
    """What the tracker asks of the car, and how far the car is from the path.

    Attributes:
        steer_rad: road-wheel angle, left positive.
        accel_mps2: longitudinal acceleration.
        hold: once the car stands, it shall stay.
        cross_track_m: of the car from the path, left positive.
        heading_error_rad: of the car from the path, left positive.
    """

    steer_rad: float
    accel_mps2: float
    hold: bool = False
    cross_track_m: float = 0.0
    heading_error_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be asked at this tick: |lateral acceleration|, range of acceleration, |jerk|. Narrower while engaging, never wider than the limits.

    Without `speeds_up` the car is not pushed on, whatever the plan says; what it accelerates with goes back at `jerk_mps3`.
    """

    lateral_accel_mps2: float
    accel_min_mps2: float
    accel_max_mps2: float
    jerk_mps3: float
    speeds_up: bool = True

    @staticmethod
    def of(limits: Limits) -> Bounds:
        """All that the limits allow."""
        return Bounds(limits.lateral_accel_mps2, limits.accel_min_mps2, limits.accel_max_mps2, limits.jerk_mps3)

    def judged_at(self, own_mps: float, highest_mps: float) -> Bounds:
        """The same for a gate that judges v² · curvature at the highest speed, which in a curve is that of the outer wheel."""
        share = min(own_mps / highest_mps, 1.0) if own_mps > 0.0 and highest_mps > SLOWEST_MPS else 1.0
        return replace(self, lateral_accel_mps2=self.lateral_accel_mps2 * share * share)


class Tracker:
    """Lateral model-predictive control on a kinematic bicycle whose steering lags, beside `Longitudinal`.

    The preview starts when this tick's command begins to act: until then the commands on their way are followed. Its base motion bends as the path
    does, along the speeds that `Longitudinal` expects.
    """

    def __init__(self, config: TrackerConfig, model: VehicleModel, limits: Limits) -> None:
        self._config, self._model, self._limits = config, model, limits
        self._longitudinal = Longitudinal(config, model, limits)
        self._actuator = Actuator(model.steer_dead_s, model.steer_lag_s)  # of curvature
        self._step_s = config.horizon_s / config.horizon_steps
        self._preview = Preview(config.horizon_steps, self._step_s, model.steer_lag_s)
        self._tightest = CURVATURE_SHARE * min(limits.curvature_per_m, model.curvature(model.steer_max_rad))
        self._jerk = RATE_SHARE * limits.lateral_jerk_mps3
        self._stations: Array = np.empty(config.horizon_steps + 1)
        self._unsolved = 0
        self.reset(0.0, 0.0)

    @property
    def unsolved(self) -> int:
        """Times that a preview had no solution; the last one was continued."""
        return self._unsolved + self._longitudinal.unsolved

    @property
    def unsolved_s(self) -> float:
        """For how long a preview has had no solution; 0 while both have one."""
        return max(self._rates_age_s, self._longitudinal.unsolved_s)

    def reset(self, steer_rad: float, accel_mps2: float) -> None:
        """Starts from what the car does now, so that the first command does not jump."""
        curvature = self._model.curvature(min(max(steer_rad, -self._model.steer_max_rad), self._model.steer_max_rad))
        self._actuator.reset(curvature, curvature)
        self._preview.reset()
        self._rates: Array = np.zeros(self._config.horizon_steps)
        self._rates_age_s = 0.0
        self._offset = 0.0
        self._before: tuple[PlanPath, SE2] | None = None
        self._longitudinal.reset(accel_mps2)

    def sent(self, steer_rad: float, accel_mps2: float) -> None:
        """What really went out at this tick, after the gate; without this call it is taken to be what `step` returned."""
        self._actuator.sent(self._model.curvature(steer_rad))
        self._longitudinal.sent(accel_mps2)

    def step(self, path: PlanPath, age_s: float, moved: SE2, speed_mps: float, bounds: Bounds, stop: StopLimits | None, dt_s: float) -> Motion:
        """One tick.

        Args:
            path: the plan.
            age_s: time since the plan's stamp.
            moved: pose of base_link now, seen from base_link at the plan's stamp.
            speed_mps: measured.
            bounds: of this tick.
            stop: a soft or emergency stop in progress: it decides the acceleration, while steering goes on along the path.
            dt_s: time since the last tick.
        """
        speed = min(max(speed_mps, 0.0), SPEED_MAX_MPS)
        station, beside = path.project(moved)
        error = beside.between(moved)
        accel_range, measured = (bounds.accel_min_mps2, bounds.accel_max_mps2), min(speed_mps, SPEED_MAX_MPS)
        drive = self._longitudinal.step(path, age_s, station, measured, accel_range, bounds.jerk_mps3, stop, dt_s, bounds.speeds_up)
        self._actuator.advance(dt_s)
        self._learn(path, moved, speed, dt_s)
        curvature = self._lateral(path, moved, speed, drive.speeds_mps, bounds, dt_s)
        self._actuator.sent(curvature)
        return Motion(self._model.steer(curvature), drive.accel_mps2, drive.hold, error.y, error.yaw)

    def _learn(self, path: PlanPath, moved: SE2, speed: float, dt_s: float) -> None:
        before, self._before = self._before, (path, moved)
        if before is None or before[0] is not path or speed < OFFSET_SPEED_MIN_MPS:
            return  # two poses compare only as seen from one plan
        away = wrap_angle(moved.yaw - before[1].yaw) / (speed * dt_s) - self._actuator.value
        away = min(max(away, -OFFSET_MAX_PER_M), OFFSET_MAX_PER_M)
        self._offset += (away - self._offset) * min(dt_s / OFFSET_TIME_S, 1.0)

    def _lateral(self, path: PlanPath, moved: SE2, speed: float, speeds: Array, bounds: Bounds, dt_s: float) -> float:
        pose, actuator = self._predict(moved, speed)
        bound = self._bound(speeds, bounds)
        start = Start(actuator, self._actuator.command, self._offset)
        rates = self._preview.solve(start, self._goal(path, pose, speeds, bound), self._cost(speeds), bound)
        if rates is None:
            self._unsolved += 1
            self._rates_age_s += dt_s
        else:
            self._rates, self._rates_age_s = rates, 0.0
        index = int(self._rates_age_s / self._step_s)
        rate = float(self._rates[index]) if index < len(self._rates) else 0.0
        return self._shaped(self._actuator.command + rate * dt_s, speed, bounds, dt_s)

    def _predict(self, moved: SE2, speed: float) -> tuple[SE2, float]:
        """Pose and curvature when this tick's command begins to act."""
        x, y, yaw, actuator = moved.x, moved.y, moved.yaw, self._actuator.value + self._offset
        for command, lasts_s in self._actuator.coming():
            actuator, mean = self._actuator.follow(actuator, command + self._offset, lasts_s)
            way = arc(mean, speed * lasts_s)
            c, s = math.cos(yaw), math.sin(yaw)
            x, y, yaw = x + c * way.x - s * way.y, y + s * way.x + c * way.y, wrap_angle(yaw + way.yaw)
        return SE2(x, y, yaw), actuator

    def _goal(self, path: PlanPath, pose: SE2, speeds: Array, bound: Bound) -> Goal:
        """Where the path lies beside a base motion that starts at `pose` and bends as the path does, as far as a car may."""
        way = speeds * self._step_s
        stations = self._stations
        stations[0] = station = path.project(pose)[0]
        stations[1:] = station + way.cumsum()
        x, y, yaw, curvature = path.along(stations)
        base = np.minimum(np.maximum((curvature[1:] + curvature[:-1]) / 2.0, bound.low), bound.high)
        turn = base * way
        heading = pose.yaw + turn.cumsum()
        middle = heading - turn / 2.0
        to_x, to_y = x[1:] - pose.x - (way * np.cos(middle)).cumsum(), y[1:] - pose.y - (way * np.sin(middle)).cumsum()
        side = to_y * np.cos(heading) - to_x * np.sin(heading)
        turned = np.remainder(yaw[1:] - heading + math.pi, 2.0 * math.pi) - math.pi
        return Goal(_within(side, SIDE_MAX_M), _within(turned, TURN_MAX_RAD), base, speeds)

    def _cost(self, speeds: Array) -> Cost:
        config = self._config
        weighed = np.maximum(speeds, config.low_speed_mps)
        return Cost(config.cross_track_m**-2, (weighed / config.lateral_speed_mps) ** 2, (weighed**2 / config.lateral_jerk_mps3) ** 2)

    def _bound(self, speeds: Array, bounds: Bounds) -> Bound:
        squared = np.maximum(speeds * speeds, SQUARED_MIN)
        rate = np.minimum(self._steer_rate(float(speeds.max())), self._jerk / squared)
        largest = np.minimum(self._tightest, self._largest(bounds) / squared)
        return Bound(rate, -largest, largest)

    def _largest(self, bounds: Bounds) -> float:
        """Of speed² · curvature."""
        return LATERAL_ACCEL_SHARE * min(bounds.lateral_accel_mps2, self._limits.lateral_accel_mps2)

    def _steer_rate(self, fastest: float) -> float:
        """Largest curvature rate by the steering rate; d(curvature)/d(steer) of the bicycle is (1 + (curvature · wheelbase)²) / wheelbase."""
        slowest = min(self._limits.steer_rate_at(0.0), self._limits.steer_rate_at(fastest))
        per_rad = (1.0 + (self._actuator.command * self._model.wheelbase_m) ** 2) / self._model.wheelbase_m
        return RATE_SHARE * slowest * per_rad

    def _shaped(self, curvature: float, speed: float, bounds: Bounds, dt_s: float) -> float:
        """Within the bounds at the measured speed, whatever the preview expected."""
        command = self._actuator.command
        squared = max(speed * speed, SQUARED_MIN)
        largest = min(self._tightest, self._largest(bounds) / squared)
        step = min(self._steer_rate(speed), self._jerk / squared) * dt_s
        wanted = min(max(curvature, -largest), largest) if math.isfinite(curvature) else command
        return min(max(wanted, command - step), command + step)


def _within(values: Array, most: float) -> Array:
    return np.minimum(np.maximum(values, -most), most)
