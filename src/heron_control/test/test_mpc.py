"""The preview against plain simulation, its bounds, and what happens when nothing solves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_control.mpc import Array, Bound, Cost, Goal, Preview, Start

STEPS, STEP_S, LAG_S = 20, 0.1, 0.06


def simulate(start: Start, rates: Array, gain: Array, a_base: Array, lag_s: float) -> tuple[Array, Array, Array]:
    """w, z at the ends of the steps and the mean of a, by tiny Euler steps."""
    parts = 2000
    dt = STEP_S / parts
    a, c, w, z = start.actuator, start.command, 0.0, 0.0
    rows = []
    for rate, g, base in zip(rates, gain, a_base, strict=True):
        total = 0.0
        for _ in range(parts):
            c += rate * dt
            a = a + (c + start.offset - a) * dt / lag_s if lag_s > 0.0 else c + start.offset
            z += g * w * dt
            w += g * (a - base) * dt
            total += a * dt
        rows.append((w, z, total / STEP_S))
    w_found, z_found, mean = np.array(rows).T
    return w_found, z_found, mean


@pytest.mark.parametrize("lag_s", [LAG_S, 0.3, 0.0])
def test_the_prediction_is_what_a_simulation_does(lag_s: float) -> None:
    rng = np.random.default_rng(3)
    preview = Preview(5, STEP_S, lag_s)
    start, rates = Start(0.3, -0.2, 0.05), rng.normal(0.0, 1.0, 5)
    gain, base = rng.uniform(1.0, 4.0, 5), rng.normal(0.0, 0.3, 5)
    goal = Goal(np.zeros(5), np.zeros(5), base, gain)
    (w_map, z_map), (w_free, z_free) = preview._maps(goal.gain), preview._free(start, goal)
    w, z, mean = simulate(start, rates, gain, base, lag_s)
    assert w_map @ rates + w_free == pytest.approx(w, abs=2e-3)
    assert z_map @ rates + z_free == pytest.approx(z, abs=2e-3)
    assert preview.actuator(start, rates) == pytest.approx(mean, abs=1e-3)


def problem(offset_m: float = 0.0, command: float = 0.0, rate: float = 4.0, largest: float = 2.0) -> tuple[Start, Goal, Cost, Bound]:
    ones = np.ones(STEPS)
    goal = Goal(-offset_m * ones, 0.0 * ones, 0.0 * ones, ones)
    return Start(command, command, 0.0), goal, Cost(25.0, 10.0, 0.25), Bound(rate * ones, -largest * ones, largest * ones)


def test_an_error_is_led_back_within_bounds_that_are_used() -> None:
    start, goal, cost, bound = problem(offset_m=3.0)
    rates = Preview(STEPS, STEP_S, LAG_S).solve(start, goal, cost, bound)
    assert rates is not None
    command = np.cumsum(rates) * STEP_S
    assert rates[0] == pytest.approx(-4.0, rel=1e-3) and np.abs(rates).max() <= 4.0
    assert command.min() == pytest.approx(-2.0, abs=0.02)
    _, z, _ = simulate(start, rates, goal.gain, goal.a_base, LAG_S)
    assert (np.diff(z) < 0.0).all() and 3.0 + z[-1] < 1.2


def test_the_solution_is_the_optimum() -> None:
    """Against the normal equations, where no bound is active."""
    preview = Preview(STEPS, STEP_S, LAG_S)
    start, goal, cost, bound = problem(offset_m=0.05, rate=100.0, largest=100.0)
    rates = preview.solve(start, goal, cost, bound)
    assert rates is not None
    (w_map, z_map), (w_free, z_free) = preview._maps(goal.gain), preview._free(start, goal)
    hessian = 25.0 * z_map.T @ z_map + 10.0 * w_map.T @ w_map + 0.25 * np.eye(STEPS)
    exact = np.linalg.solve(hessian, -(25.0 * z_map.T @ (z_free - goal.z) + 10.0 * w_map.T @ (w_free - goal.w)))
    assert rates == pytest.approx(exact, abs=0.02 * np.abs(exact).max())


def test_a_command_out_of_range_returns_at_the_largest_rate() -> None:
    start, goal, cost, bound = problem(command=3.0, rate=1.0, largest=2.0)
    rates = Preview(STEPS, STEP_S, LAG_S).solve(start, goal, cost, bound)
    assert rates is not None and rates[:9] == pytest.approx(-1.0, abs=1e-3)


def test_without_gain_nothing_moves() -> None:
    """A car that stands cannot be steered anywhere."""
    start, _, cost, bound = problem(command=0.1)
    zeros = np.zeros(STEPS)
    rates = Preview(STEPS, STEP_S, LAG_S).solve(start, Goal(zeros + 1.0, zeros, zeros, zeros), cost, bound)
    assert rates is not None and np.abs(rates).max() < 1e-6


@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul:RuntimeWarning")  # that is how it is found
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_has_no_solution_and_leaves_no_trace(bad: float) -> None:
    preview, fresh = Preview(STEPS, STEP_S, LAG_S), Preview(STEPS, STEP_S, LAG_S)
    start, goal, cost, bound = problem(offset_m=1.0)
    ones = np.ones(STEPS)
    assert preview.solve(start, Goal(bad * ones, ones, ones, ones), cost, bound) is None
    assert preview.solve(Start(bad, 0.0, 0.0), goal, cost, bound) is None
    assert preview.solve(start, goal, cost, Bound(0.0 * ones, -ones, ones)) is None
    assert preview.solve(start, goal, cost, Bound(bad * ones, -ones, ones)) is None
    after, at_once = preview.solve(*problem(1.0)), fresh.solve(*problem(1.0))
    assert after is not None and at_once is not None and after.tobytes() == at_once.tobytes()


def test_the_same_inputs_give_the_same_bits() -> None:
    one, two = Preview(STEPS, STEP_S, LAG_S), Preview(STEPS, STEP_S, LAG_S)
    two.solve(*problem(offset_m=9.0, command=1.0))
    two.reset()
    for offset in np.linspace(-3.0, 3.0, 50).tolist():
        first, second = one.solve(*problem(offset)), two.solve(*problem(offset))
        assert first is not None and second is not None and first.tobytes() == second.tobytes()


@settings(max_examples=100, deadline=None)
@given(st.floats(-20.0, 20.0), st.floats(-5.0, 5.0), st.floats(-5.0, 5.0), st.floats(0.01, 20.0), st.floats(0.0, 3.0), st.floats(0.0, 60.0))
def test_a_solution_is_within_its_bounds(offset: float, command: float, away: float, rate: float, largest: float, gain: float) -> None:
    _, goal, cost, bound = problem(offset, command, rate, largest)
    rates = Preview(STEPS, STEP_S, LAG_S).solve(Start(command + away, command, 0.0), Goal(goal.z, goal.w, goal.a_base, gain * goal.gain), cost, bound)
    assert rates is None or (np.isfinite(rates).all() and np.abs(rates).max() <= rate)
