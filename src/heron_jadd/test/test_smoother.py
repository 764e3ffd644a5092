"""The smoother against a textbook's, window by window, and what it costs."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from driven import drive
from numpy.typing import NDArray

from heron_jadd import smoother
from heron_jadd.fusion_steps import GATED, MOVES, RESTS, STANDS, STATES, USED, Laws, Steps

F64 = NDArray[np.float64]


def test_windows_change_nothing_and_a_minute_costs_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    short = drive(3, 300.0)
    whole = short.fused()
    begin_s = time.process_time()
    again = short.fused()
    cost_s = (time.process_time() - begin_s) / (short.imu_ns[-1] / 60e9)
    monkeypatch.setattr(smoother, "WINDOW", 301)
    parts = short.fused()
    for name in ("x_m", "y_m", "yaw_rad", "speed_mps", "x_std_m", "yaw_std_rad", "bias_rps"):
        assert getattr(whole, name).tobytes() == getattr(again, name).tobytes() == getattr(parts, name).tobytes()
    assert cost_s < 0.1


def test_it_is_the_textbook_s_smoother() -> None:
    """Against Rauch-Tung-Striebel with plain matrices, inverses and numerical derivatives."""
    random = np.random.default_rng(4)
    count = 80
    kind = np.full(count, MOVES, np.int8)
    kind[30:34], kind[34:40] = STANDS, RESTS
    fix = np.full(count, -1, np.int64)
    fix[3::4] = np.arange(20)
    keep = np.full(count, 0.99)
    keep[43] = 0.0
    dt = np.r_[0.0, random.uniform(0.05, 0.15, count - 1)]
    moving = dt * (kind == MOVES)
    rate = np.where(kind == MOVES, 0.25, 0.0) + random.normal(0.005, 0.002, count)
    steps = Steps(dt, np.full(count, 8.0), rate, kind, 1e-4 * moving, 1e-5 * moving, keep, fix, np.zeros((20, 2)), np.full(20, 0.4), np.full(20, 0.1))
    laws = Laws(2e-6, 1e-8, 1e-6, 1e-5, 1.2, 0.3, 13.8, math.inf, 0.3)
    truth = [np.array([0.0, 0.0, 0.0, 0.005, 0.01, 0.0, 0.0])]
    for k in range(count):
        truth.append(step_forward(steps, k, truth[-1]))
    places = np.array([antenna(laws, state) for state in truth[1:]])[fix >= 0] + 0.1 * random.standard_normal((20, 2)) + (0.3, -0.2)
    places[9] += 100.0
    steps.place_m[:] = places
    state, covariance = np.array([0.5, -0.5, 0.1, 0.0, 0.0, 0.0, 0.0]), np.diag([4.0, 4.0, 0.04, 1e-4, 4e-4, 1.0, 1.0])
    smoothed, verdict = smoother.smooth(steps, laws, state, covariance)
    assert verdict[9] == GATED and (np.delete(verdict, 9) == USED).all()
    wanted, std = textbook(steps, laws, state, covariance, verdict)
    assert smoothed[:, :5] == pytest.approx(wanted[:, :5], abs=1e-4)
    assert smoothed[:, 5:] == pytest.approx(std[:, [0, 1, 2, 4]], rel=1e-3)
    filtered_only = np.abs(smoothed[0, :2] - state[:2])
    assert filtered_only.max() > 0.1, "the way back reaches the start"


def textbook(steps: Steps, laws: Laws, state: F64, p: F64, verdict: NDArray[np.int8]) -> tuple[F64, F64]:
    filtered, predicted = [], []
    for k in range(len(steps.dt_s)):
        moved = step_forward(steps, k, state)
        slopes = np.stack([(step_forward(steps, k, state + e) - step_forward(steps, k, state - e)) / 2e-6 for e in 1e-6 * np.eye(STATES)], axis=1)
        c, s = math.cos((state[2] + moved[2]) / 2.0), math.sin((state[2] + moved[2]) / 2.0)
        turned = np.array([[c, -s], [s, c]])
        moves = float(steps.kind[k] == MOVES)
        noise = np.diag(
            [0.0, 0.0, steps.yaw_rad2[k], laws.bias_rps2ps * steps.dt_s[k], moves * laws.scale2ps * steps.dt_s[k], *2 * [1 - steps.keep[k] ** 2]]
        )
        noise[:2, :2] = turned @ np.diag([steps.along_m2[k], moves * laws.slip2ps * steps.speed_mps[k] ** 2 * steps.dt_s[k]]) @ turned.T
        state, p = moved, slopes @ p @ slopes.T + noise
        predicted.append((state, p, slopes))
        rows, errors, variances = [], [], []
        if steps.kind[k] == RESTS:
            rows.append(np.eye(STATES)[3])
            errors.append(steps.rate_rps[k] - state[3])
            variances.append(laws.rest_rps2s / steps.dt_s[k])
        n = steps.fix[k]
        if n >= 0 and verdict[n] == USED:
            lever = antenna(laws, state) - state[:2]
            row = np.zeros((2, STATES))
            row[:, :2], row[:, 2], row[:, 5:] = np.eye(2), (-lever[1], lever[0]), steps.std_m[n] * np.eye(2)
            rows += list(row)
            errors += list(steps.place_m[n] - state[:2] - lever - steps.std_m[n] * state[5:])
            variances += 2 * [steps.white_m[n] ** 2]
        if rows:
            h = np.array(rows)
            gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + np.diag(variances))
            state, p = state + gain @ np.array(errors), p - gain @ h @ p
        filtered.append((state, p))
    results = [filtered[-1]]
    for (now, spread), (ahead, wide, slopes) in zip(filtered[-2::-1], predicted[:0:-1], strict=True):
        gain = spread @ slopes.T @ np.linalg.inv(wide)
        results.append((now + gain @ (results[-1][0] - ahead), spread + gain @ (results[-1][1] - wide) @ gain.T))
    return np.array([one for one, _ in results[::-1]]), np.sqrt([np.diag(one) for _, one in results[::-1]])


def antenna(laws: Laws, state: F64) -> F64:
    c, s = math.cos(state[2]), math.sin(state[2])
    place: F64 = state[:2] + np.array([[c, -s], [s, c]]) @ (laws.lever_x_m, laws.lever_y_m)
    return place


def step_forward(steps: Steps, k: int, state: F64) -> F64:
    x, y, yaw, bias, scale, *lasting = state
    distance, turn = (
        ((1.0 + scale) * steps.speed_mps[k] * steps.dt_s[k], (steps.rate_rps[k] - bias) * steps.dt_s[k]) if steps.kind[k] == MOVES else (0.0, 0.0)
    )
    radius = distance / turn if turn else math.inf
    x, y = (x + radius * (math.sin(yaw + turn) - math.sin(yaw)), y - radius * (math.cos(yaw + turn) - math.cos(yaw))) if turn else (x, y)
    return np.array([x, y, yaw + turn, bias, scale, *(steps.keep[k] * each for each in lasting)])
