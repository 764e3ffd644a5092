"""Speed over the next seconds: the strictest of an empty road's speed, lines to stop at, and others to follow, with bounded jerk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_core.trajectory import POINTS, STEP_S
from heron_sim.driving.explain import Reason

F64 = NDArray[np.float64]

FINE = 2  # steps between two points of a plan
ACCEL_MPS2, ACCEL_FAST_MPS2 = 1.7, 1.0  # at standstill, and at `FAST_MPS`
FAST_MPS = 14.0
BRAKE_MPS2, HARDEST_MPS2 = -2.5, -3.4
STOP_MPS2, STOP_JERK_MPS3 = 1.5, 1.0  # of a planned stop
STOP_GAIN = 0.8  # acceleration per speed error, 1/s
JERK_MPS3, HARD_JERK_MPS3 = 2.0, 3.9
PREVIEW_S = 0.8
HEADWAY_S, GAP_M = 1.3, 2.8  # to whom the car follows
FOLLOW_BRAKE_MPS2 = 1.8
STAND_MPS, RESTART_M = 0.05, 0.8  # a standing car does not start for less way than this

_RAMP_S = STOP_MPS2 / STOP_JERK_MPS3
_ROLL_OUT_M = STOP_JERK_MPS3 * _RAMP_S**3 / 6.0
_ROLL_OUT_MPS = STOP_JERK_MPS3 * _RAMP_S**2 / 2.0


@dataclass(frozen=True, slots=True)
class Stop:
    """A place that the car must not pass.

    Attributes:
        along_m: way of base_link from the car at which it is to stand.
        reason: why.
        hard: braking beyond comfort is right.
    """

    along_m: float
    reason: Reason
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Lead:
    """Somebody ahead on the way.

    Attributes:
        gap_m: between both bumpers now.
        speed_mps, accel_mps2: along the way.
        reason: why the car follows.
        distance_m: that is kept at standstill.
    """

    gap_m: float
    speed_mps: float
    accel_mps2: float
    reason: Reason
    distance_m: float = GAP_M


@dataclass(frozen=True, slots=True)
class Motion:
    """What the car does next.

    Attributes:
        driven_m, speed_mps: (40,) at 0.1 … 4.0 s.
        accel_mps2: (41,) at 0 … 4.0 s.
        reason: what decided over the first second, or None: the empty road's speed.
        wished_mps2: acceleration that the strictest wished for at once.
    """

    driven_m: F64
    speed_mps: F64
    accel_mps2: F64
    reason: Reason | None
    wished_mps2: float


def stop_speed(left_m: float) -> tuple[float, float]:
    """Speed and acceleration (negative) with `left_m` to go to a line: even braking, then a ramp to 0 without a jolt."""
    if left_m <= 0.0:
        return 0.0, 0.0
    if left_m < _ROLL_OUT_M:
        left_s = (6.0 * left_m / STOP_JERK_MPS3) ** (1.0 / 3.0)
        return STOP_JERK_MPS3 * left_s * left_s / 2.0, -STOP_JERK_MPS3 * left_s
    return math.sqrt(_ROLL_OUT_MPS**2 + 2.0 * STOP_MPS2 * (left_m - _ROLL_OUT_M)), -STOP_MPS2


def stopping_m(speed_mps: float, delay_s: float = 0.4) -> float:
    """Way of a comfortable stop, with a moment before it begins."""
    if speed_mps <= _ROLL_OUT_MPS:
        return _ROLL_OUT_M
    return speed_mps * delay_s + _ROLL_OUT_M + (speed_mps**2 - _ROLL_OUT_MPS**2) / (2.0 * STOP_MPS2)


def _for_stop(left_m: float, speed: float, hard: bool) -> float:
    if left_m <= 0.05:
        return -1.0 if left_m > -0.3 else -2.0
    target, accel = stop_speed(left_m)
    needed = speed * speed / (2.0 * left_m)
    if speed > target:
        if needed > STOP_MPS2 * 1.25 and left_m > 0.3:
            return max(-needed * (1.15 if hard else 1.05), HARDEST_MPS2)
        if left_m < _ROLL_OUT_M:  # dv/dt = -2/3 v²/left is how a jerk-limited stop ends; begun at any speed and place, it still ends at the line
            return max(-2.0 / 3.0 * speed * speed / left_m, HARDEST_MPS2)
    return max(accel + STOP_GAIN * (target - speed), HARDEST_MPS2)


def _for_lead(gap_m: float, speed: float, lead_mps: float, distance_m: float) -> float:
    wished = distance_m + max(speed * HEADWAY_S + speed * (speed - lead_mps) / (2.0 * math.sqrt(ACCEL_MPS2 * FOLLOW_BRAKE_MPS2)), 0.0)
    return max(ACCEL_MPS2 * (1.0 - (wished / max(gap_m, 0.1)) ** 2), HARDEST_MPS2)


def drive(speed_mps: float, accel_mps2: float, limit_mps: list[float], limit_step_m: float, stops: list[Stop], leads: list[Lead]) -> Motion:
    """Speed and way of the next 4 s.

    Args:
        speed_mps: of the car.
        accel_mps2: of the car.
        limit_mps: speed to have on an empty road, every `limit_step_m` of way from the car on.
        limit_step_m: see there.
        stops: places to stand at.
        leads: whom to follow.
    """
    speed, accel, way, dt = max(speed_mps, 0.0), accel_mps2, 0.0, STEP_S / FINE
    stands = speed < STAND_MPS
    last = len(limit_mps) - 1
    driven, speeds, accels = [0.0] * POINTS, [0.0] * POINTS, [accel] * (POINTS + 1)
    pull: dict[Reason, float] = {}
    first = math.nan
    stops = sorted(stops, key=lambda stop: stop.along_m)[:6]
    held = stands and any(stop.along_m < RESTART_M for stop in stops)
    for i in range(POINTS * FINE):
        # the empty road
        target = limit_mps[min(int((way + PREVIEW_S * speed) / limit_step_m), last)]
        up = ACCEL_MPS2 + (ACCEL_FAST_MPS2 - ACCEL_MPS2) * min(speed / FAST_MPS, 1.0)
        wished = min(max((target - speed) / PREVIEW_S, BRAKE_MPS2), up)
        why: Reason | None = None
        for stop in stops:
            value = _for_stop(stop.along_m - way, speed, stop.hard)
            if value < wished:
                wished, why = value, stop.reason
        time = (i + 1) * dt
        for lead in leads:
            ahead, lead_mps = _lead_at(lead, time)
            gap = lead.gap_m + ahead - way
            waits = stands and speed < STAND_MPS and gap < lead.distance_m + RESTART_M
            value = -1.0 if waits else _for_lead(gap, speed, lead_mps, lead.distance_m)
            if value < wished:
                wished, why = value, lead.reason
        if held:
            wished = min(wished, -1.0)
        if i == 0:
            first = wished
        if why is not None and i < 12 * FINE:
            pull[why] = pull.get(why, 0.0) + up - wished
        jerk = HARD_JERK_MPS3 if wished < BRAKE_MPS2 else JERK_MPS3
        accel = min(max(wished, accel - jerk * dt), accel + jerk * dt)
        after = speed + accel * dt
        if after <= 0.0:
            after, accel = 0.0, 0.0
        way += (speed + after) / 2.0 * dt
        speed = after
        if i % FINE == FINE - 1:
            point = i // FINE
            driven[point], speeds[point], accels[point + 1] = way, speed, accel
    reason = max(pull, key=lambda each: (pull[each], each.value)) if pull else None
    return Motion(np.array(driven), np.array(speeds), np.array(accels), reason, first)


def _lead_at(lead: Lead, time_s: float) -> tuple[float, float]:
    """Way and speed of a lead after a time: it keeps its acceleration for a second, then its speed, and never goes back."""
    accel = lead.accel_mps2
    acting = min(time_s, 1.0)
    if accel < 0.0:
        acting = min(time_s, 2.0, -lead.speed_mps / accel)
    ahead = lead.speed_mps * acting + accel * acting * acting / 2.0
    speed = max(lead.speed_mps + accel * acting, 0.0)
    return ahead + speed * max(time_s - acting, 0.0), speed


def times_to(speed_mps: float, limit_mps: F64, step_m: float, delay_s: float) -> F64:
    """(n,) time at which the car is `i * step_m` further, if nothing but the road slows it."""
    square = limit_mps * limit_mps
    way = np.arange(len(limit_mps)) * step_m
    reach = np.minimum.accumulate(np.minimum(square, np.inf) - 2.0 * ACCEL_FAST_MPS2 * way) + 2.0 * ACCEL_FAST_MPS2 * way
    speed = np.sqrt(np.maximum(np.minimum(reach, speed_mps * speed_mps + 2.0 * ACCEL_FAST_MPS2 * way), 0.25))
    lasts = 2.0 * step_m / (speed[1:] + speed[:-1])
    found: F64 = np.concatenate([[0.0], np.cumsum(lasts)]) + delay_s
    return found
