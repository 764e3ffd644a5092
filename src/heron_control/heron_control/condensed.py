"""The arithmetic of a preview as machine code: what numpy does in sixty calls on twenty numbers each, to the same bits.

The types are named, so compiling (once per machine, afterwards it is read from numba's cache) happens when this module loads, that is before a
component says that it is there, and never while a car is driven. Sums of products stay with numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
SQUARED_MIN = 1e-2  # m²/s²: a car that stands may turn its wheels
Function = TypeVar("Function", bound=Callable[..., object])


def _machine_code(signature: str) -> Callable[[Function], Function]:
    """Compiles for these types, without reordered arithmetic."""

    def compiled(function: Function) -> Function:
        machine: Function = njit(signature, cache=True)(function)
        return machine

    return compiled


@_machine_code("void(f8[::1],f8[:,::1],f8[:,::1],f8,f8[::1],f8[::1],f8[:,::1],f8[:,::1],f8[:,::1],f8[:,::1])")
def maps(
    gain: Array, mean_map: Array, double_map: Array, h: float, cost_w: Array, cost_z: Array, w: Array, z: Array, weighted_w: Array, weighted_z: Array
) -> None:
    """From rates to both integrals at the ends of the steps, and the same with each row weighed; all (steps, steps), the last four are filled.

    Given and filled:
        gain: of each step.
        mean_map, double_map: integrals of the actuator's response over each step, once and twice.
        h: length of a step, s.
        cost_w, cost_z: weights of each step.
        w, z, weighted_w, weighted_z: results.
    """
    steps = len(gain)
    for i in range(steps):
        g = gain[i]
        for j in range(steps):
            w_step = g * mean_map[i, j]
            w_here = w[i - 1, j] + w_step if i else w_step
            z_step = g * (h * (w_here - w_step) + g * double_map[i, j])
            z_here = z[i - 1, j] + z_step if i else z_step
            w[i, j], z[i, j] = w_here, z_here
            weighted_w[i, j], weighted_z[i, j] = w_here * cost_w[i], z_here * cost_z[i]


@_machine_code("void(f8,f8,f8,f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1])")
def free(settled: float, away: float, h: float, gain: Array, a_base: Array, decay_1: Array, decay_2: Array, w: Array, z: Array) -> None:
    """Both integrals at the ends of the steps without any rate; `w` and `z`, (steps,), are filled.

    Given and filled:
        settled: where the actuator goes under its command.
        away: how far it is from there.
        h: length of a step, s.
        gain, a_base: of each step.
        decay_1, decay_2: integrals of the decay of `away` over each step, once and twice.
        w, z: results.
    """
    w_sum = z_sum = 0.0
    for i in range(len(gain)):
        g, base = gain[i], a_base[i] * h
        first = settled * h + away * decay_1[i] - base
        second = settled * h * h / 2.0 + away * decay_2[i] - base * h / 2.0
        w_step = g * first
        w_sum = w_sum + w_step if i else w_step
        z_step = g * (h * (w_sum - w_step) + g * second)
        z_sum = z_sum + z_step if i else z_step
        w[i], z[i] = w_sum, z_sum


@_machine_code("f8(f8[::1],f8[::1],f8,f8[::1],f8,f8,f8,f8,f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1])")
def program(
    by_z: Array,
    by_w: Array,
    scale: float,
    hessian: Array,
    hessian_size: float,
    command: float,
    h: float,
    range_weight: float,
    rate: Array,
    low: Array,
    high: Array,
    gradient: Array,
    least: Array,
    most: Array,
    scaled: Array,
) -> float:
    """The quadratic program in shares of the largest rate, divided by its size; the last four are filled.

    Given and filled:
        by_z, by_w: (steps,) gradient by the errors of both integrals.
        scale: largest rate.
        hessian: upper triangle, (steps · (steps + 1) / 2,).
        hessian_size: mean of its diagonal.
        command: at the start.
        h: length of a step, s.
        range_weight: of the rows that bound the command.
        rate, low, high: bounds of each step.
        gradient: result, (steps,).
        least, most: results, (2 steps,): of the rates, then of the command at the ends of the steps.
        scaled: result, hessian.

    Gives:
        Size, by which all costs were divided; NaN where something is not finite, or nothing costs anything.
    """
    steps, square, largest = len(rate), scale * scale, 0.0
    for i in range(steps):
        gradient[i] = scale * (by_z[i] + by_w[i])
        if not math.isfinite(gradient[i]):
            return math.nan
        largest = max(largest, abs(gradient[i]))
    size = square * hessian_size
    if not (math.isfinite(size) and max(size, largest) > 0.0):
        return math.nan
    size = max(size, largest)
    driven = 0.0
    for i in range(steps):
        gradient[i] /= size
        driven = driven + rate[i] if i else rate[i]
        travel = driven * h
        most[i], least[i] = rate[i] / scale, -(rate[i] / scale)
        below = range_weight * (min(low[i], command + travel) - command) / scale
        above = range_weight * (max(high[i], command - travel) - command) / scale
        least[steps + i], most[steps + i] = min(below, above), above
    share = square / size
    for i in range(len(hessian)):
        scaled[i] = hessian[i] * share
    return size


@_machine_code("b1(f8[::1],f8[::1],f8[::1],f8,f8[::1])")
def clipped(found: Array, least: Array, most: Array, scale: float, rates: Array) -> bool:
    """A solution inside its bounds, as rates; `rates` is filled. Returns whether all are finite."""
    sound = True
    for i in range(len(rates)):
        rates[i] = min(max(found[i], least[i]), most[i]) * scale
        sound = sound and math.isfinite(rates[i]) and not math.isnan(found[i])
    return sound


@_machine_code("void(f8[::1],f8,f8,f8,f8,f8,f8,f8,f8[::1],f8[::1],f8[::1],f8[::1],f8[::1])")
def weights(
    speeds: Array,
    slowest: float,
    lateral_speed: float,
    lateral_jerk: float,
    steer_rate: float,
    jerk: float,
    tightest: float,
    lateral_accel: float,
    cost_w: Array,
    cost_rate: Array,
    rate: Array,
    low: Array,
    high: Array,
) -> None:
    """Lateral costs and bounds of each step from its speed; the last five, (steps,), are filled.

    Given and filled:
        speeds: m/s.
        slowest: below it, costs are as at this speed.
        lateral_speed, lateral_jerk: speed across the path and lateral jerk that are as bad as one another.
        steer_rate: largest curvature rate (1/(m s)) by the steering.
        jerk: largest lateral jerk.
        tightest: largest curvature (1/m).
        lateral_accel: largest lateral acceleration.
        cost_w, cost_rate, rate, low, high: results.
    """
    for i in range(len(speeds)):
        weighed = max(speeds[i], slowest)
        by_speed, by_jerk = weighed / lateral_speed, weighed * weighed / lateral_jerk
        cost_w[i], cost_rate[i] = by_speed * by_speed, by_jerk * by_jerk
        squared = max(speeds[i] * speeds[i], SQUARED_MIN)
        rate[i] = min(steer_rate, jerk / squared)
        high[i] = min(tightest, lateral_accel / squared)
        low[i] = -high[i]


@_machine_code("void(f8[::1],f8[::1],f8[::1],f8[::1],f8,f8[::1],f8[:,::1])")
def base_motion(curvature: Array, way: Array, low: Array, high: Array, yaw: float, base: Array, angles: Array) -> None:
    """The motion that bends as the path does, as far as a car may; `base` and `angles` are filled.

    Given and filled:
        curvature: (steps + 1,) of the path at the ends of the steps.
        way: (steps,) metres driven in each.
        low, high: (steps,) bounds of curvature.
        yaw: at the start.
        base: result, (steps,) mean curvature of each step.
        angles: result, (2, steps) heading at the end and in the middle of each step.
    """
    turned = 0.0
    for i in range(len(way)):
        base[i] = min(max((curvature[i + 1] + curvature[i]) / 2.0, low[i]), high[i])
        turn = base[i] * way[i]
        turned = turned + turn if i else turn
        angles[0, i] = yaw + turned
        angles[1, i] = angles[0, i] - turn / 2.0


@_machine_code("void(f8[::1],f8[::1],f8[::1],f8[::1],f8,f8,f8[:,::1],f8[:,::1],f8[:,::1],f8,f8,f8[::1],f8[::1])")
def beside(
    x: Array,
    y: Array,
    yaw: Array,
    way: Array,
    start_x: float,
    start_y: float,
    angles: Array,
    cosines: Array,
    sines: Array,
    side_max: float,
    turn_max: float,
    side: Array,
    turned: Array,
) -> None:
    """Where the path lies beside the base motion; `side` and `turned`, (steps,), are filled.

    Given and filled:
        x, y, yaw: (steps + 1,) of the path at the ends of the steps.
        way: (steps,) metres driven in each.
        start_x, start_y: where the base motion starts.
        angles, cosines, sines: (2, steps) as `base_motion` has them.
        side_max, turn_max: beyond which the linear model means nothing.
        side, turned: results, m and rad, left positive.
    """
    driven_x = driven_y = 0.0
    for i in range(len(way)):
        step_x, step_y = way[i] * cosines[1, i], way[i] * sines[1, i]
        driven_x, driven_y = (driven_x + step_x, driven_y + step_y) if i else (step_x, step_y)
        to_x, to_y = x[i + 1] - start_x - driven_x, y[i + 1] - start_y - driven_y
        side[i] = min(max(to_y * cosines[0, i] - to_x * sines[0, i], -side_max), side_max)
        away = (yaw[i + 1] - angles[0, i] + math.pi) % (2.0 * math.pi) - math.pi
        turned[i] = min(max(away, -turn_max), turn_max)
