"""Acceleration from a plan: where the car should be along the path and how fast, a stop that interrupts it, and standing still."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from heron_control.actuator import Actuator
from heron_control.config import TrackerConfig
from heron_control.mpc import Array, Bound, Cost, Goal, Preview, Start
from heron_control.path import PlanPath
from heron_core.limits import Limits, StopLimits
from heron_core.trajectory import HORIZON_S
from heron_core.vehicle_model import VehicleModel

# Within these shares of the limits the gate has nothing to narrow, also when a tick comes early or late.
JERK_SHARE = 0.9
ACCEL_SHARE = 0.95
STATION_ERROR_MAX_M = 0.3  # a plan that lies further ahead or behind is joined, not chased
SPEED_MAX_MPS = 60.0
# The observer of speed and of what pushes the car besides its actuators (slope, drag): two equal poles.
OBSERVER_RPS = 1.5
PUSH_MAX_MPS2 = 1.5
# Before standstill the brakes let go, so that the car does not nod: deceleration that is left when the wheels stop turning. Then it is held.
NOD_MPS2 = 0.3
STANDS_MPS = 0.02
SETTLE_S = 1.0
HELD_MAX_MPS = 1.0  # faster, a car was not held but skids: it is braked as one that moves


class Drive(NamedTuple):
    """What is asked along the path.

    Attributes:
        accel_mps2: of this tick.
        hold: once the car stands, it shall stay.
        speeds_mps: (steps,) expected mean speed of each step of the horizon, which starts when this tick's command begins to act.
    """

    accel_mps2: float
    hold: bool
    speeds_mps: Array


class Longitudinal:
    """Follows position and speed of a plan by a preview, with bounded jerk.

    Attributes:
        unsolved: ticks without a solution, which went on with the last one.
    """

    def __init__(self, config: TrackerConfig, model: VehicleModel, limits: Limits) -> None:
        self._config, self._limits = config, limits
        self._dead_s, self._lag_s = model.accel_dead_s, model.accel_lag_s
        self._actuator = Actuator(model.accel_dead_s, model.accel_lag_s)
        step_s = config.horizon_s / config.horizon_steps
        self._preview = Preview(config.horizon_steps, step_s, model.accel_lag_s)
        self._step_s = step_s
        self._ends_s: Array = np.arange(1, config.horizon_steps + 1) * step_s
        self._edges_s: Array = np.concatenate([[0.0], self._ends_s])
        self._cost = Cost(config.station_m**-2, config.speed_mps**-2, config.jerk_mps3**-2)
        self._gain = np.ones(config.horizon_steps)
        self._bounds: tuple[tuple[float, float, float], Bound] | None = None
        self.unsolved = 0
        self.reset(0.0)

    @property
    def unsolved_s(self) -> float:
        """For how long there has been no solution."""
        return self._rates_age_s

    def reset(self, accel_mps2: float) -> None:
        """Starts from what the car does now."""
        accel = min(max(accel_mps2, self._limits.accel_min_mps2), self._limits.accel_max_mps2)
        self._actuator.reset(accel, accel)
        self._preview.reset()
        self._rates: Array = np.zeros(self._config.horizon_steps)
        self._rates_age_s = 0.0
        self._speed: float | None = None
        self._push = 0.0
        self._holding = self._rolled = False
        self._settled_s = 0.0

    def sent(self, accel_mps2: float) -> None:
        """What really went out."""
        self._actuator.sent(accel_mps2)

    def step(
        self,
        path: PlanPath,
        age_s: float,
        station_m: float,
        speed_mps: float,
        accel_range_mps2: tuple[float, float],
        jerk_mps3: float,
        stop: StopLimits | None,
        dt_s: float,
        speeds_up: bool = True,
    ) -> Drive:
        """One tick.

        Args:
            path: the plan.
            age_s: time since the plan's stamp.
            station_m: where the car is along the path.
            speed_mps: measured; negative rolls back.
            accel_range_mps2: lowest and highest of this tick.
            jerk_mps3: largest of this tick.
            stop: what interrupts the plan.
            dt_s: since the last tick.
            speeds_up: a plan may push the car on; else it may only slow it down.
        """
        low = ACCEL_SHARE * max(accel_range_mps2[0], self._limits.accel_min_mps2)
        high = ACCEL_SHARE * min(accel_range_mps2[1], self._limits.accel_max_mps2)
        jerk = JERK_SHARE * min(jerk_mps3, self._limits.jerk_mps3)
        self._actuator.advance(dt_s)
        speed = self._observe(speed_mps, dt_s)
        station, speed, accel = self._predict(station_m, speed)
        self._update_hold(path, age_s, station_m, speed_mps, stop)
        planned, speeds = self._follow(path, age_s + self._dead_s, station, speed, accel, (low, high), jerk, dt_s)
        command = self._actuator.command
        self._settled_s = self._settled_s + dt_s if self._holding else 0.0
        self._rolled = self._holding and (self._rolled or (self._settled_s > SETTLE_S and abs(speed_mps) > self._config.standstill_mps))
        if self._rolled:
            target = low  # what holds elsewhere does not hold here
        elif self._holding:
            stands = speed_mps < STANDS_MPS or self._settled_s > SETTLE_S
            target = -NOD_MPS2 if not stands else stop.hold_mps2 if stop is not None else self._config.hold_accel_mps2
        elif stop is not None:
            target, speeds = self._stop(stop, speed, jerk, dt_s)
            if age_s + self._dead_s < HORIZON_S:  # what already brakes harder goes on
                target = min(target, planned)
            # Jerk then carries the acceleration to its end value just as the car stands; what the lag still takes of the speed counts.
            target = max(target, -math.sqrt(NOD_MPS2**2 + 2.0 * jerk * max(speed + accel * self._lag_s, 0.0)))
        elif speed_mps < self._config.standstill_mps and command < 0.0:
            target = 0.0  # brakes first let go: while they hold, the car does not answer
        else:
            target = planned
        target = min(max(target, low), high if speeds_up else min(high, 0.0))
        accel_now = min(max(target, command - jerk * dt_s), command + jerk * dt_s)
        self._actuator.sent(accel_now)
        return Drive(accel_now, self._holding, speeds)

    def _observe(self, measured_mps: float, dt_s: float) -> float:
        """Speed with its noise smoothed by what the actuators do, and with what else pushes the car."""
        measured = min(max(measured_mps, 0.0), SPEED_MAX_MPS)
        if self._speed is None or measured < self._config.standstill_mps or not math.isfinite(measured):
            self._speed, self._push = (measured if math.isfinite(measured) else 0.0), 0.0
            return self._speed
        error = measured - self._speed
        self._push = min(max(self._push + OBSERVER_RPS**2 * dt_s * error, -PUSH_MAX_MPS2), PUSH_MAX_MPS2)
        self._speed = max(self._speed + (self._actuator.value + self._push + 2.0 * OBSERVER_RPS * error) * dt_s, 0.0)
        return self._speed

    def _predict(self, station_m: float, speed_mps: float) -> tuple[float, float, float]:
        """Station, speed and acceleration when this tick's command begins to act."""
        station, speed, accel = station_m, speed_mps, self._actuator.value
        for command, lasts_s in self._actuator.coming():
            accel, mean = self._actuator.follow(accel, command, lasts_s)
            after = max(speed + (mean + self._push) * lasts_s, 0.0)
            station += (speed + after) / 2.0 * lasts_s
            speed = after
        return station, speed, accel

    def _update_hold(self, path: PlanPath, age_s: float, station_m: float, speed_mps: float, stop: StopLimits | None) -> None:
        slow = speed_mps < self._config.standstill_mps
        if stop is not None:  # a held car that is pushed is not let go
            self._holding = slow or (self._holding and speed_mps < HELD_MAX_MPS)
            return
        here = max(station_m, path.station_at(age_s))
        left = path.length_m + path.beyond_m - here
        if self._holding:
            self._holding = left < self._config.go_m
        else:
            self._holding = slow and left < self._config.stop_m

    def _follow(
        self, path: PlanPath, time_s: float, station: float, speed: float, accel: float, accel_range: tuple[float, float], jerk: float, dt_s: float
    ) -> tuple[float, Array]:
        """Acceleration of this tick and expected speeds, along the plan from `time_s` after its stamp."""
        stations, speeds = path.motion(time_s + self._edges_s)
        begin = float(stations[0])
        error = min(max(station - begin, -STATION_ERROR_MAX_M), STATION_ERROR_MAX_M)
        start = Start(accel + self._push, self._actuator.command, self._push)
        goal = Goal(stations[1:] - begin - error - speed * self._ends_s, np.minimum(speeds[1:], SPEED_MAX_MPS) - speed, 0.0, self._gain)
        rates = self._preview.solve(start, goal, self._cost, self._bound(jerk, *accel_range))
        if rates is None:
            self.unsolved += 1
            self._rates_age_s += dt_s
        else:
            self._rates, self._rates_age_s = rates, 0.0
        index = int(self._rates_age_s / self._step_s)
        rate = float(self._rates[index]) if index < len(self._rates) else 0.0
        ends = np.empty(len(self._edges_s))
        ends[0] = speed
        ends[1:] = speed + self._preview.actuator(start, self._rates).cumsum() * self._step_s
        mean = (ends[:-1] + ends[1:]) / 2.0
        return self._actuator.command + rate * dt_s, np.minimum(np.maximum(mean, 0.0), SPEED_MAX_MPS)

    def _bound(self, jerk: float, low: float, high: float) -> Bound:
        """The same object as long as the numbers are the same: mostly."""
        if self._bounds is None or self._bounds[0] != (jerk, low, high):
            self._bounds = (jerk, low, high), Bound(jerk * self._gain, low * self._gain, high * self._gain)
        return self._bounds[1]

    def _stop(self, stop: StopLimits, speed: float, jerk: float, dt_s: float) -> tuple[float, Array]:
        """Next acceleration of a stop, and expected speeds."""
        command = self._actuator.command
        # Nothing is gained by a slow release of the throttle: the jerk of the stop is that of its brakes.
        fall = max(stop.jerk_mps3, jerk) if command > 0.0 else stop.jerk_mps3
        target = max(stop.accel_mps2, command - fall * dt_s) if command > stop.accel_mps2 else min(stop.accel_mps2, command + stop.jerk_mps3 * dt_s)
        middle = self._ends_s - self._step_s / 2.0
        ramp = np.maximum(min(command, 0.0) - stop.jerk_mps3 * self._ends_s, min(stop.accel_mps2, command))
        return target, np.clip(speed + np.cumsum(ramp) * self._step_s - ramp * (self._ends_s - middle), 0.0, SPEED_MAX_MPS)
