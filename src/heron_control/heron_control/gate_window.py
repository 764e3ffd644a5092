"""What the next frame may say after the last one: pure arithmetic, and windows over time."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from heron_control.command import Command
from heron_core.limits import CEILINGS, Limits
from heron_core.vehicle_model import VehicleModel

_, LATERAL_ACCEL_CEILING_MPS2 = CEILINGS["lateral_accel_mps2"]


class Range(NamedTuple):
    """Closed range of one value of the next frame, and the names of the limits at its ends."""

    low: float
    high: float
    low_limit: str
    high_limit: str

    def broken(self, value: float, slack: float) -> str:
        """The limit that a value breaks by more than `slack`, or empty. What is no number breaks one."""
        if not value >= self.low - slack:
            return self.low_limit
        return "" if value <= self.high + slack else self.high_limit


class Window(NamedTuple):
    """What the next frame may say.

    Attributes:
        steer, accel: None where it is not requested: then the frame carries `steer_at_rest_rad`, and acceleration 0.
        last: what the car read last.
        dt_s: for how long.
    """

    steer: Range | None
    accel: Range | None
    steer_at_rest_rad: float
    last: Command
    dt_s: float


def steer_range(limits: Limits, model: VehicleModel, last_rad: float, speed_mps: float, dt_s: float) -> Range:
    """Road-wheel angles (rad) that may follow `last_rad` after `dt_s`; empty (low > high) when rate and jerk do not reach back far enough.

    Lock, curvature and lateral acceleration bound the angle; the rate of the road wheel and lateral jerk, |speed² · change of curvature|, its step.
    """
    curvature = limits.curvature_at(speed_mps)
    most = model.steer(curvature)
    limit = "steer_max_rad" if most == model.steer_max_rad else "lateral_accel_mps2" if curvature < limits.curvature_per_m else "curvature_per_m"
    reach = _reach(limits, model, last_rad, speed_mps, dt_s)
    low, low_limit = (-most, limit) if -most >= reach.low else (reach.low, reach.low_limit)
    high, high_limit = (most, limit) if most <= reach.high else (reach.high, reach.high_limit)
    return Range(low, high, low_limit, high_limit)


def returning_range(limits: Limits, model: VehicleModel, last_rad: float, speed_mps: float, dt_s: float, step_rad: float) -> Range:
    """Where an angle may go that rising speed made too large: back at full rate, to within one step of the raster, never growing.

    Empty when even so lateral acceleration stays above its absolute ceiling.
    """
    reach = _reach(limits, model, last_rad, speed_mps, dt_s)
    squared = speed_mps * speed_mps
    brink = model.steer(LATERAL_ACCEL_CEILING_MPS2 / squared) if squared else model.steer_max_rad
    if last_rad > 0.0:
        return Range(reach.low, min(last_rad, brink, reach.low + step_rad), reach.low_limit, "lateral_accel_mps2")
    return Range(max(last_rad, -brink, reach.high - step_rad), reach.high, "lateral_accel_mps2", reach.high_limit)


def _reach(limits: Limits, model: VehicleModel, last_rad: float, speed_mps: float, dt_s: float) -> Range:
    rate = limits.steer_rate_at(speed_mps) * dt_s
    squared = speed_mps * speed_mps
    turn = limits.lateral_jerk_mps3 * dt_s / squared if squared else math.inf
    bend = model.curvature(last_rad)
    low, low_limit = max((last_rad - rate, "steer_rate_rps"), (model.steer(bend - turn), "lateral_jerk_mps3"))
    high, high_limit = min((last_rad + rate, "steer_rate_rps"), (model.steer(bend + turn), "lateral_jerk_mps3"))
    return Range(low, high, low_limit, high_limit)


def accel_range(limits: Limits, last_mps2: float, dt_s: float) -> Range:
    """Accelerations (m/s²) that may follow `last_mps2` after `dt_s`."""
    jerk = limits.jerk_mps3 * dt_s
    low, low_limit = max((last_mps2 - jerk, "jerk_mps3"), (limits.accel_min_mps2, "accel_min_mps2"))
    high, high_limit = min((last_mps2 + jerk, "jerk_mps3"), (limits.accel_max_mps2, "accel_max_mps2"))
    return Range(low, high, low_limit, high_limit)


class Occurrences:
    """The last moments at which something happened.

    Args:
        count: so many of them within the window make it full; rounded down (but for the rounding of floating-point numbers), at least one.
        window_ns: length of the window.
    """

    def __init__(self, count: float, window_ns: int) -> None:
        self._times: deque[int] = deque(maxlen=max(math.floor(count + 1e-9), 1))
        self._window_ns = window_ns

    def add(self, now_ns: int) -> None:
        """It happened."""
        self._times.append(now_ns)

    def full(self, now_ns: int) -> bool:
        """It happened `count` times within the window before (or, where the clock was set back, after) now."""
        return len(self._times) == self._times.maxlen and abs(now_ns - self._times[0]) < self._window_ns
