"""An error-state Kalman filter of a car's planar motion and its fixed-interval smoother, as compiled loops over plain arrays.

State: x, y (m, east and north), yaw (rad, continuous), gyro bias (rad/s), speed scale error (1), and the part of the fixes' error that lasts, east
and north, in units of the fix's standard deviation. The last two follow a first-order Gauss-Markov process (Bar-Shalom, Li, Kirubarajan 2001, 8.2):
ten fixes a second that err alike for half a minute are not three hundred witnesses.

Smoothing is Rauch-Tung-Striebel's in the form of Bryson and Frazier (Bierman 1973, "Fixed interval smoothing with discrete measurements"): the same
result without the inverse of the predicted covariance, which is singular while the car stands, and at the start of pure dead reckoning.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heron_can.odometry import arc
from heron_jadd.fusion_steps import GATED, MOVES, RESTARTED, RESTS, STATES, USED, Laws, Steps
from heron_sim.drawing.compiled import compiled

F64 = NDArray[np.float64]
I8 = NDArray[np.int8]

SMOOTHED = 9  # columns of what comes out: the first five states, then standard deviations of x, y, yaw, scale
WINDOW = 4096  # points whose covariances are held at once, 4 MB: memory does not grow with the recording
_DOUBTS = 5.0  # fixes gated in a row, at least, before a restart: a tunnel between two outliers is no patience
_UPDATES = 3  # scalar measurements at one point, at most: bias, x, y
_arc = compiled(arc)


def smooth(steps: Steps, laws: Laws, state: F64, covariance: F64) -> tuple[F64, I8]:
    """Filters forwards, smooths backwards.

    Covariances of one window only are in memory: the first pass keeps the state at the start of each window, the way back filters each window again.

    Args:
        steps: N points, n fixes.
        laws: constants.
        state: (7,) before the first point.
        covariance: (7, 7) of it.

    Returns:
        (N, 9) smoothed x, y, yaw, bias, scale and standard deviations of x, y, yaw, scale; (n,) what became of each fix.
    """
    count = len(steps.dt_s)
    verdict = np.zeros(len(steps.std_m), np.int8)
    filtered, spread = np.empty((WINDOW, STATES)), np.empty((WINDOW, STATES, STATES))
    gains, updates = np.empty((WINDOW, _UPDATES, 2 * STATES + 2)), np.empty(WINDOW, np.int64)
    now, p, doubt = state.copy(), covariance.copy(), np.zeros(2)
    motion = (steps.dt_s, steps.speed_mps, steps.rate_rps, steps.kind, steps.keep)
    given = (*motion, steps.along_m2, steps.yaw_rad2, steps.fix, steps.place_m, steps.std_m, steps.white_m, laws.packed())
    kept = (filtered, spread, gains, updates, verdict)
    begins = range(0, count, WINDOW)
    saved = []
    for begin in begins:
        saved.append((now.copy(), p.copy(), doubt.copy()))
        _filter(begin, min(begin + WINDOW, count), *given, now, p, doubt, *kept)
    smoothed = np.empty((count, SMOOTHED))
    slope, bend = np.zeros(STATES), np.zeros((STATES, STATES))
    for begin, (now, p, doubt) in zip(reversed(begins), reversed(saved), strict=True):
        before = now.copy()
        _filter(begin, min(begin + WINDOW, count), *given, now, p, doubt, *kept)
        _smooth(begin, min(begin + WINDOW, count), *motion, before, filtered, spread, gains, updates, slope, bend, smoothed)
    return smoothed, verdict


@compiled
def _motion(state: F64, dt: float, speed: float, rate: float, kind: int) -> tuple[float, float, float, float, float]:
    """Displacement x, y and turn of a step, and how x and y change with the speed's scale; exact arcs."""
    if kind != MOVES:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    turn = (rate - state[3]) * dt
    ahead, aside = _arc(1.0, turn)
    c, s = math.cos(state[2]), math.sin(state[2])
    ux, uy = (c * ahead - s * aside) * speed * dt, (s * ahead + c * aside) * speed * dt
    return ux * (1.0 + state[4]), uy * (1.0 + state[4]), turn, ux, uy


@compiled
def _predict(
    state: F64, p: F64, dt: float, speed: float, rate: float, kind: int, keep: float, along_m2: float, yaw_rad2: float, laws: F64, work: F64
) -> None:
    """State and covariance over a step: P becomes F P F' + Q with the few entries of F that are not the identity's."""
    dx, dy, turn, ux, uy = _motion(state, dt, speed, rate, kind)
    moving = 1.0 if kind == MOVES else 0.0
    late = moving * dt / 2.0
    for j in range(p.shape[0]):
        work[0, j] = p[0, j] - dy * p[2, j] + late * dy * p[3, j] + ux * p[4, j]
        work[1, j] = p[1, j] + dx * p[2, j] - late * dx * p[3, j] + uy * p[4, j]
        work[2, j] = p[2, j] - moving * dt * p[3, j]
        work[3, j], work[4, j] = p[3, j], p[4, j]
        work[5, j], work[6, j] = keep * p[5, j], keep * p[6, j]
    for i in range(p.shape[0]):
        p[i, 0] = work[i, 0] - dy * work[i, 2] + late * dy * work[i, 3] + ux * work[i, 4]
        p[i, 1] = work[i, 1] + dx * work[i, 2] - late * dx * work[i, 3] + uy * work[i, 4]
        p[i, 2] = work[i, 2] - moving * dt * work[i, 3]
        p[i, 3], p[i, 4] = work[i, 3], work[i, 4]
        p[i, 5], p[i, 6] = keep * work[i, 5], keep * work[i, 6]
    c, s = math.cos(state[2] + turn / 2.0), math.sin(state[2] + turn / 2.0)
    aside_m2 = moving * laws[0] * speed * speed * dt
    p[0, 0] += c * c * along_m2 + s * s * aside_m2
    p[1, 1] += s * s * along_m2 + c * c * aside_m2
    p[0, 1] += c * s * (along_m2 - aside_m2)
    p[1, 0] += c * s * (along_m2 - aside_m2)
    p[2, 2] += yaw_rad2
    p[3, 3] += laws[1] * dt
    p[4, 4] += moving * laws[2] * dt
    p[5, 5] += 1.0 - keep * keep
    p[6, 6] += 1.0 - keep * keep
    state[0] += dx
    state[1] += dy
    state[2] += turn
    state[5] *= keep
    state[6] *= keep


@compiled
def _across(h: F64, p: F64, other: F64) -> float:
    """Covariance of what two rows measure: h P other."""
    total = 0.0
    for i in range(p.shape[0]):
        for j in range(p.shape[0]):
            total += h[i] * p[i, j] * other[j]
    return total


@compiled
def _update(state: F64, p: F64, h: F64, error: float, variance: float, gain: F64) -> None:
    """One scalar measurement, `error` its innovation along `h`; leaves h, gain, innovation and its variance in `gain` for the way back."""
    s = variance
    for i in range(p.shape[0]):
        along = 0.0
        for j in range(p.shape[0]):
            along += p[i, j] * h[j]
        gain[STATES + i] = along
        s += h[i] * along
    for i in range(p.shape[0]):
        gain[i] = h[i]
        gain[STATES + i] /= s
    gain[2 * STATES], gain[2 * STATES + 1] = error, s
    for i in range(p.shape[0]):
        state[i] += gain[STATES + i] * error
        for j in range(p.shape[0]):
            p[i, j] -= gain[STATES + i] * gain[STATES + j] * s


@compiled
def _fix(state: F64, p: F64, east: float, north: float, std: float, white: float, laws: F64, doubt: F64, gains: F64, h: F64) -> tuple[int, int]:
    """Takes or gates a fix; returns what became of it and the number of scalar updates."""
    c, s = math.cos(state[2]), math.sin(state[2])
    lever_x, lever_y = c * laws[4] - s * laws[5], s * laws[4] + c * laws[5]
    h[0, 0], h[0, 2], h[0, 5] = 1.0, -lever_y, std
    h[1, 1], h[1, 2], h[1, 6] = 1.0, lever_x, std
    ex = east - state[0] - lever_x - std * state[5]
    ey = north - state[1] - lever_y - std * state[6]
    result = USED
    for attempt in range(2):
        sxx, sxy, syy = white * white + _across(h[0], p, h[0]), _across(h[0], p, h[1]), white * white + _across(h[1], p, h[1])
        if (ex * ex * syy - 2.0 * ex * ey * sxy + ey * ey * sxx) / (sxx * syy - sxy * sxy) <= laws[6] or attempt == 1:
            break
        doubt[1] += 1.0
        if doubt[0] <= laws[7] or doubt[1] < _DOUBTS:
            return GATED, 0
        result = RESTARTED  # so many cannot all be outliers: the wheels slipped, or the car was carried
        p[0, 0] += ex * ex
        p[1, 1] += ey * ey
        p[2, 2] += laws[8] * laws[8]
    doubt[0], doubt[1] = 0.0, 0.0
    _update(state, p, h[0], ex, white * white, gains[0])
    moved = 0.0
    for i in range(p.shape[0]):
        moved += h[1, i] * gains[0, STATES + i]
    _update(state, p, h[1], ey - moved * ex, white * white, gains[1])
    return result, 2


@compiled
def _filter(
    begin: int,
    end: int,
    dt: F64,
    speed: F64,
    rate: F64,
    kind: I8,
    keep: F64,
    along_m2: F64,
    yaw_rad2: F64,
    fix: NDArray[np.int64],
    place: F64,
    std: F64,
    white: F64,
    laws: F64,
    state: F64,
    p: F64,
    doubt: F64,
    filtered: F64,
    spread: F64,
    gains: F64,
    updates: NDArray[np.int64],
    verdict: I8,
) -> None:
    """Points `begin` to `end`, from and to state, covariance and doubt (seconds, fixes gated in a row); keeps what `_smooth` needs."""
    work, h, bias = np.empty((STATES, STATES)), np.zeros((2, STATES)), np.zeros(STATES)
    bias[3] = 1.0
    for k in range(begin, end):
        at = k - begin
        _predict(state, p, dt[k], speed[k], rate[k], kind[k], keep[k], along_m2[k], yaw_rad2[k], laws, work)
        count = 0
        if kind[k] == RESTS and dt[k] > 0.0:
            _update(state, p, bias, rate[k] - state[3], laws[3] / dt[k], gains[at, 0])
            count = 1
        if doubt[1] > 0.0:
            doubt[0] += dt[k]
        n = fix[k]
        if n >= 0:
            verdict[n], more = _fix(state, p, place[n, 0], place[n, 1], std[n], white[n], laws, doubt, gains[at, count:], h)
            count += more
        updates[at] = count
        for i in range(p.shape[0]):
            filtered[at, i] = state[i]
            for j in range(p.shape[0]):
                spread[at, i, j] = p[i, j]


@compiled
def _smooth(
    begin: int,
    end: int,
    dt: F64,
    speed: F64,
    rate: F64,
    kind: I8,
    keep: F64,
    before: F64,
    filtered: F64,
    spread: F64,
    gains: F64,
    updates: NDArray[np.int64],
    slope: F64,
    bend: F64,
    smoothed: F64,
) -> None:
    """The same points backwards; `slope` (7,) and `bend` (7, 7) are the adjoint state and its covariance, carried from window to window."""
    work, turned = np.empty((STATES, STATES)), np.empty(STATES)
    for k in range(end - 1, begin - 1, -1):
        at = k - begin
        p = spread[at]
        for row in range(5):
            value = filtered[at, row]
            for i in range(p.shape[0]):
                value -= p[row, i] * slope[i]
            smoothed[k, row] = value
        for column, row in enumerate((0, 1, 2, 4)):
            variance = p[row, row]
            for i in range(p.shape[0]):
                for j in range(p.shape[0]):
                    variance -= p[row, i] * bend[i, j] * p[row, j]
            smoothed[k, 5 + column] = math.sqrt(max(variance, 0.0))
        for number in range(updates[at] - 1, -1, -1):
            h, gain = gains[at, number, :STATES], gains[at, number, STATES : 2 * STATES]
            error, s = gains[at, number, 2 * STATES], gains[at, number, 2 * STATES + 1]
            down, curve = 0.0, 0.0
            for i in range(p.shape[0]):
                down += gain[i] * slope[i]
                turned[i] = 0.0
                for j in range(p.shape[0]):
                    turned[i] += bend[i, j] * gain[j]
                curve += gain[i] * turned[i]
            for i in range(p.shape[0]):
                slope[i] -= h[i] * (down + error / s)
                for j in range(p.shape[0]):
                    bend[i, j] += h[i] * h[j] * (curve + 1.0 / s) - h[i] * turned[j] - turned[i] * h[j]
        dx, dy, _, ux, uy = _motion(before if at == 0 else filtered[at - 1], dt[k], speed[k], rate[k], kind[k])
        moving = dt[k] if kind[k] == MOVES else 0.0
        late = moving / 2.0
        for j in range(p.shape[0]):  # bend becomes F' bend F, slope F' slope
            work[0, j], work[1, j] = bend[0, j], bend[1, j]
            work[2, j] = bend[2, j] - dy * bend[0, j] + dx * bend[1, j]
            work[3, j] = bend[3, j] + late * (dy * bend[0, j] - dx * bend[1, j]) - moving * bend[2, j]
            work[4, j] = bend[4, j] + ux * bend[0, j] + uy * bend[1, j]
            work[5, j], work[6, j] = keep[k] * bend[5, j], keep[k] * bend[6, j]
        for i in range(p.shape[0]):
            bend[i, 0], bend[i, 1] = work[i, 0], work[i, 1]
            bend[i, 2] = work[i, 2] - dy * work[i, 0] + dx * work[i, 1]
            bend[i, 3] = work[i, 3] + late * (dy * work[i, 0] - dx * work[i, 1]) - moving * work[i, 2]
            bend[i, 4] = work[i, 4] + ux * work[i, 0] + uy * work[i, 1]
            bend[i, 5], bend[i, 6] = keep[k] * work[i, 5], keep[k] * work[i, 6]
        slope[4] += ux * slope[0] + uy * slope[1]
        slope[3] += late * (dy * slope[0] - dx * slope[1]) - moving * slope[2]
        slope[2] += dx * slope[1] - dy * slope[0]
        slope[5] *= keep[k]
        slope[6] *= keep[k]
