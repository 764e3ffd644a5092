"""Model-predictive control of what an actuator with a lag moves: a quadratic program over the command's rates, solved with OSQP.

Lateral and longitudinal motion have one shape. A command c changes at the rate u, the actuator a lags behind it, and a moves two chained integrals:

    c' = u      a' = (c + offset - a) / lag      w' = g (a - a_base)      z' = g w

Along a path, a is the curvature, w the heading error, z the lateral error and g the speed, as the kinematic bicycle has it; along time, a is the
acceleration, w the speed error, z the position error and g is 1. States are eliminated: only the rates are unknown, and no bound can be infeasible.
"""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import osqp
from numpy.typing import NDArray
from osqp import ext_builtin  # the solver itself: the Python around it costs more than it does
from scipy import sparse

Array = NDArray[np.float64]

# The program is scaled to rates and costs about 1, so one step size of ADMM serves it: drives need 20 iterations mostly, the worst of them 100.
# Nothing depends on time: the same inputs give the same bits.
RHO = 0.3
RANGE_WEIGHT = 2.0  # of the rows that bound the command
ITERATIONS = 500
CHECK_EVERY = 20
SOLVED = (int(osqp.SolverStatus.OSQP_SOLVED), int(osqp.SolverStatus.OSQP_SOLVED_INACCURATE))
TOLERANCE = 5e-4
SETTINGS = {
    "rho": RHO,
    "adaptive_rho": False,
    "scaling": 0,
    "max_iter": ITERATIONS,
    "check_termination": CHECK_EVERY,
    "eps_abs": TOLERANCE,
    "eps_rel": TOLERANCE,
    "polishing": False,
    "warm_starting": True,
    "verbose": False,
}


class Start(NamedTuple):
    """Where a preview starts: actuator `a`, command `c`, and the offset by which the actuator ends beyond its command."""

    actuator: float
    command: float
    offset: float


class Goal(NamedTuple):
    """What a preview shall reach, at the ends of its steps; each (steps,).

    Attributes:
        z, w: reference of the second and first integral, seen from the base motion.
        a_base: actuator value of the base motion, mean of each step; (steps,) or one for all.
        gain: g of each step.
    """

    z: Array
    w: Array
    a_base: Array | float
    gain: Array


@dataclass(frozen=True, eq=False, slots=True)
class Cost:
    """Weights, each one over the square of an error that is as bad as the others; (steps,) or scalar."""

    z: Array | float
    w: Array | float
    rate: Array | float


@dataclass(frozen=True, eq=False, slots=True)
class Bound:
    """Largest |rate| and range of the command for each step; (steps,), finite."""

    rate: Array
    low: Array
    high: Array


class _Weighed(NamedTuple):
    """What follows from gain and cost alone; kept while both are the same objects, as they are along time.

    Attributes:
        w, z: (steps, steps) weighted errors at the ends of the steps → gradient.
        hessian: its upper triangle, column by column.
        size: mean of its diagonal.
    """

    gain: Array
    cost: Cost
    w: Array
    z: Array
    hessian: Array
    size: float


class _Bounded(NamedTuple):
    """What follows from the bounds alone; kept while they are the same object.

    Attributes:
        finite: the rates are, and one is above 0.
        scale: largest rate.
        most, least: rates as shares of it.
        travel: of the command since the start at the largest rates, at the ends of the steps.
    """

    bound: Bound
    finite: bool
    scale: float
    most: Array
    least: Array
    travel: Array


class Preview:
    """Solves for the command's rates over a horizon; set up once, its values replaced at each tick.

    Args:
        steps: of the horizon.
        step_s: length of each.
        lag_s: of the actuator.
    """

    def __init__(self, steps: int, step_s: float, lag_s: float) -> None:
        self.steps, self.step_s = steps, step_s
        self._response(lag_s)
        ones = np.ones((steps, steps))
        rows, columns = np.nonzero(np.triu(ones).T)[::-1]
        self._upper = rows * steps + columns  # in the order of a CSC matrix's upper triangle
        self._weighed: _Weighed | None = None
        self._bounded: _Bounded | None = None
        settings = ext_builtin.OSQPSettings()
        ext_builtin.osqp_set_default_settings(settings)
        for name, value in SETTINGS.items():
            setattr(settings, name, value)
        costs = sparse.csc_matrix(np.triu(ones + steps * np.eye(steps)))
        rows_of_bounds = np.vstack([np.eye(steps), RANGE_WEIGHT * step_s * np.tril(ones)])  # rates, and the command at the end of each step
        rows_of_bounds = sparse.csc_matrix(rows_of_bounds)
        bound = np.ones(2 * steps)
        self._solver: Any = ext_builtin.OSQPSolver(
            ext_builtin.CSC(costs), np.zeros(steps), ext_builtin.CSC(rows_of_bounds), -bound, bound, 2 * steps, steps, settings
        )

    def reset(self) -> None:
        """Forgets the last solution."""
        self._solver.warm_start(x=np.zeros(self.steps), y=np.zeros(2 * self.steps))

    def solve(self, start: Start, goal: Goal, cost: Cost, bound: Bound) -> Array | None:
        """Rates of the command (steps,), inside their bounds; None when there is no trustworthy solution.

        A command that is out of its range at the start returns at the largest rate: the range opens as far as that needs.
        """
        if self._bounded is None or bound is not self._bounded.bound:
            self._bounded = self._bind(bound)
        _, finite, scale, most, least, travel = self._bounded
        if not (finite and all(map(math.isfinite, start))):
            return None
        if self._weighed is None or goal.gain is not self._weighed.gain or cost is not self._weighed.cost:
            self._weighed = self._weigh(goal.gain, cost)
        w_free, z_free = self._free(start, goal)
        gradient = scale * (self._weighed.z @ (z_free - goal.z) + self._weighed.w @ (w_free - goal.w))
        hessian, square = self._weighed.hessian, scale * scale
        largest = float(np.abs(gradient).max())
        size = max(square * self._weighed.size, largest)
        if not (math.isfinite(largest) and math.isfinite(size) and size > 0.0):  # what is not finite in goal or cost shows here
            return None
        low = RANGE_WEIGHT * (np.minimum(bound.low, start.command + travel) - start.command) / scale
        high = RANGE_WEIGHT * (np.maximum(bound.high, start.command - travel) - start.command) / scale
        solver = self._solver
        refused = solver.update_data_vec(q=gradient / size, l=np.concatenate((least, np.minimum(low, high))), u=np.concatenate((most, high)))
        refused = refused or solver.update_data_mat(P_x=hessian * (square / size), P_i=None, A_x=None, A_i=None)
        if refused:
            return None
        solver.solve()
        status = solver.info.status_val
        if status not in SOLVED:
            if status == osqp.SolverStatus.OSQP_SIGINT:
                signal.raise_signal(signal.SIGINT)  # OSQP listens for it while it solves: it is meant for others
            if status != osqp.SolverStatus.OSQP_MAX_ITER_REACHED:
                self.reset()  # out of iterations, it goes on from there at the next tick
            return None
        rates: Array = np.minimum(np.maximum(solver.solution.x, least), most) * scale
        return rates if np.isfinite(rates).all() else None

    def actuator(self, start: Start, rates: Array) -> Array:
        """Mean actuator value of each step under `rates`, (steps,)."""
        settled = start.command + start.offset
        mean: Array = (self._mean_map @ rates + settled * self.step_s + (start.actuator - settled) * self._decay_1) / self.step_s
        return mean

    def _free(self, start: Start, goal: Goal) -> tuple[Array, Array]:
        """Both integrals (w, z) at the ends of the steps, without any rate."""
        g, h = goal.gain, self.step_s
        settled = start.command + start.offset
        away = start.actuator - settled
        base = goal.a_base * h
        first = settled * h + away * self._decay_1 - base  # integrals of a - a_base over each step
        second = settled * h * h / 2.0 + away * self._decay_2 - base * h / 2.0
        w_step = g * first
        w_free = w_step.cumsum()
        return w_free, (g * (h * (w_free - w_step) + g * second)).cumsum()

    def _maps(self, gain: Array) -> tuple[Array, Array]:
        """From rates to w and z at the ends of the steps."""
        column, h = gain[:, None], self.step_s
        w_steps = column * self._mean_map
        w_map = w_steps.cumsum(axis=0)
        z_map = (column * (h * (w_map - w_steps) + column * self._double_map)).cumsum(axis=0)
        return w_map, z_map

    def _weigh(self, gain: Array, cost: Cost) -> _Weighed:
        w_map, z_map = self._maps(gain)
        weighted_z, weighted_w = z_map.T * cost.z, w_map.T * cost.w
        hessian = weighted_z @ z_map + weighted_w @ w_map
        diagonal = hessian.ravel()[:: self.steps + 1]  # a view
        diagonal += cost.rate
        return _Weighed(gain, cost, weighted_w, weighted_z, hessian.take(self._upper), float(diagonal.sum()) / self.steps)

    def _bind(self, bound: Bound) -> _Bounded:
        scale, travel = float(bound.rate.max()), bound.rate.cumsum() * self.step_s
        finite = scale > 0.0 and math.isfinite(travel[-1])  # a sum is finite only if all its parts are
        most = bound.rate / scale if finite else bound.rate
        return _Bounded(bound, finite, scale, most, -most, travel)

    def _response(self, lag_s: float) -> None:
        """Integrals over each step of the actuator's response, exact: to its start value, and to each rate."""
        n, h = self.steps, self.step_s
        edges = np.arange(n) * h
        if lag_s > 0.0:
            at_edge = np.exp(-edges / lag_s)
            left = math.exp(-h / lag_s)
            once = lag_s * (1.0 - left)  # integral of exp(-t / lag) over a step
            twice = lag_s * (h - once)  # integral of that integral
        else:
            at_edge, left, once, twice = np.zeros(n), 0.0, 0.0, 0.0
        self._decay_1, self._decay_2 = at_edge * once, at_edge * twice
        # To a rate of 1 during step i the actuator responds there with t - lag + lag exp(-t / lag), afterwards with h - lag (1 - left) exp(-t / lag).
        own_1, own_2 = h * h / 2.0 - lag_s * h + lag_s * once, h**3 / 6.0 - lag_s * h * h / 2.0 + lag_s * twice
        reached = h - lag_s * (1.0 - left)  # the actuator at the end of step i
        self._mean_map, self._double_map = np.zeros((n, n)), np.zeros((n, n))
        for i in range(n):
            self._mean_map[i, i], self._double_map[i, i] = own_1, own_2
            after = at_edge[: n - 1 - i]
            self._mean_map[i + 1 :, i] = h * h + (reached - h) * after * once
            self._double_map[i + 1 :, i] = h**3 / 2.0 + (reached - h) * after * twice
