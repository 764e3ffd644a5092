"""The machine code of a preview against plain numpy: the same bits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heron_control import condensed
from heron_control.mpc import Array, Cost, Goal, Preview, Start

STEPS, STEP_S = 20, 0.1


def numpy_maps(preview: Preview, gain: Array) -> tuple[Array, Array]:
    column, h = gain[:, None], preview.step_s
    w_steps = column * preview._mean_map
    w = np.cumsum(w_steps, axis=0)
    return w, np.cumsum(column * (h * (w - w_steps) + column * preview._double_map), axis=0)


@pytest.mark.parametrize("lag_s", [0.06, 0.3, 0.0])
def test_integrals_are_those_of_numpy(lag_s: float) -> None:
    rng, preview = np.random.default_rng(1), Preview(STEPS, STEP_S, lag_s)
    for _ in range(50):
        gain, base, cost_w, cost_z = rng.normal(5.0, 3.0, (4, STEPS))
        w, z, weighted_w, weighted_z = preview._maps(gain, Cost(cost_z, cost_w, 1.0))
        expected_w, expected_z = numpy_maps(preview, gain)
        assert w.tobytes() == expected_w.tobytes() and z.tobytes() == expected_z.tobytes()
        assert np.array_equal(weighted_w.T, expected_w.T * cost_w) and np.array_equal(weighted_z.T, expected_z.T * cost_z)
        start, h = Start(*rng.normal(0.0, 1.0, 3).tolist()), STEP_S
        settled = start.command + start.offset
        away = start.actuator - settled
        first = settled * h + away * preview._decay_1 - base * h
        second = settled * h * h / 2.0 + away * preview._decay_2 - base * h * h / 2.0
        free_w = np.cumsum(gain * first)
        free_z = np.cumsum(gain * (h * (free_w - gain * first) + gain * second))
        found = preview._free(start, Goal(base, base, base, gain))
        assert found[0].tobytes() == free_w.tobytes() and found[1].tobytes() == free_z.tobytes()


def test_the_program_is_that_of_numpy() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        by_z, by_w, low, high = rng.normal(0.0, 1.0, (4, STEPS))
        rate, hessian = rng.uniform(0.1, 2.0, STEPS), rng.normal(0.0, 1.0, STEPS * (STEPS + 1) // 2)
        command, scale = float(rng.normal()), float(rate.max())
        q, least, most, scaled = np.empty(STEPS), np.empty(2 * STEPS), np.empty(2 * STEPS), np.empty(len(hessian))
        size = condensed.program(by_z, by_w, scale, hessian, 0.7, command, STEP_S, 2.0, rate, low, high, q, least, most, scaled)
        gradient, travel = scale * (by_z + by_w), np.cumsum(rate) * STEP_S
        assert size == max(scale * scale * 0.7, np.abs(gradient).max())
        below = 2.0 * (np.minimum(low, command + travel) - command) / scale
        above = 2.0 * (np.maximum(high, command - travel) - command) / scale
        assert (q == gradient / size).all() and (scaled == hessian * (scale * scale / size)).all()
        assert (most == np.concatenate([rate / scale, above])).all()
        assert (least == np.concatenate([-rate / scale, np.minimum(below, above)])).all()
        x, rates = rng.normal(0.0, 1.0, STEPS), np.empty(STEPS)
        assert condensed.clipped(x, least, most, scale, rates)
        assert (rates == np.clip(x, -rate / scale, rate / scale) * scale).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_told(bad: float) -> None:
    ones, half, whole = np.ones(STEPS), np.empty(STEPS), np.empty((2, 2 * STEPS))
    hessian = np.ones(3)
    for by_z, by_w, size in ((bad * ones, ones, 1.0), (ones, bad * ones, 1.0), (ones, ones, bad)):
        found = condensed.program(by_z, by_w, 1.0, hessian, size, 0.0, STEP_S, 2.0, ones, ones, ones, half, *whole, np.empty(3))
        assert math.isnan(found)
    assert not condensed.clipped(bad * ones, whole[0] * 0.0 - math.inf, whole[0] * 0.0 + math.inf, 1.0, half)


def test_the_base_motion_and_what_lies_beside_it_are_those_of_numpy() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        x, y, yaw, curvature = rng.normal(0.0, 2.0, (4, STEPS + 1))
        way, low, high = rng.uniform(0.0, 3.0, STEPS), np.full(STEPS, -0.5), np.full(STEPS, 0.5)
        base, angles, side, turned = np.empty(STEPS), np.empty((2, STEPS)), np.empty(STEPS), np.empty(STEPS)
        condensed.base_motion(curvature, way, low, high, 0.3, base, angles)
        condensed.beside(x, y, yaw, way, 0.1, -0.2, angles, np.cos(angles), np.sin(angles), 10.0, 1.0, side, turned)
        expected = np.clip((curvature[1:] + curvature[:-1]) / 2.0, low, high)
        heading = 0.3 + np.cumsum(expected * way)
        middle = heading - expected * way / 2.0
        to_x, to_y = x[1:] - 0.1 - np.cumsum(way * np.cos(middle)), y[1:] + 0.2 - np.cumsum(way * np.sin(middle))
        assert (base == expected).all() and (angles == np.stack([heading, middle])).all()
        assert (side == np.clip(to_y * np.cos(heading) - to_x * np.sin(heading), -10.0, 10.0)).all()
        assert (turned == np.clip(np.remainder(yaw[1:] - heading + math.pi, 2.0 * math.pi) - math.pi, -1.0, 1.0)).all()


def test_weights_and_bounds_are_those_of_numpy() -> None:
    speeds = np.concatenate([[0.0, 0.05], np.random.default_rng(4).uniform(0.0, 30.0, STEPS)])
    cost_w, cost_rate, rate, low, high = np.empty((5, len(speeds)))
    condensed.weights(speeds, 2.0, 0.3, 3.0, 0.2, 2.7, 0.15, 2.9, cost_w, cost_rate, rate, low, high)
    weighed, squared = np.maximum(speeds, 2.0), np.maximum(speeds * speeds, condensed.SQUARED_MIN)
    assert np.array_equal(cost_w, (weighed / 0.3) ** 2) and np.array_equal(cost_rate, (weighed**2 / 3.0) ** 2)
    assert np.array_equal(rate, np.minimum(0.2, 2.7 / squared)) and np.array_equal(high, np.minimum(0.15, 2.9 / squared))
    assert np.array_equal(low, -high)


def test_nothing_is_compiled_while_a_car_is_driven() -> None:
    """Types are named, so numba compiles when the module loads; anything else than these types is refused."""
    for function in (
        condensed.maps,
        condensed.free,
        condensed.program,
        condensed.clipped,
        condensed.weights,
        condensed.base_motion,
        condensed.beside,
    ):
        assert len(function.signatures) == 1 and not function._can_compile  # type: ignore[attr-defined]
