"""Trajectories that no one should send: plausible ones that drive to every limit, and broken ones of every kind."""

from __future__ import annotations

import math
from collections import deque
from random import Random

import numpy as np
from numpy.typing import NDArray

from heron_core.stages import Stages
from heron_core.trajectory import POINTS, STEP_S, Trajectory

Points = NDArray[np.float64]
FOLLOWABLE = ("steady", "walk", "weave", "tight", "brake", "push", "stop")  # a car might drive them, within its limits or not
BROKEN = ("nan", "inf", "short", "long", "empty", "crc", "backwards", "shuffled", "reverse", "teleport", "noise", "huge", "standing_speed")
MISTIMED = ("late", "future", "duplicate", "reordered", "jump", "turned")
KINDS = FOLLOWABLE + BROKEN + MISTIMED


def driven(curvature: NDArray[np.float64], speed: NDArray[np.float64]) -> Points:
    """Points (40, 4) of a car that drives these curvatures (1/m) at these speeds (m/s), one per step, from its own origin."""
    moved = speed * STEP_S
    yaw = np.cumsum(curvature * moved)
    middle = yaw - curvature * moved / 2.0
    return np.stack([np.cumsum(moved * np.cos(middle)), np.cumsum(moved * np.sin(middle)), yaw, speed], axis=1)


class Planner:
    """Makes one seeded plan after the other for a car at a speed and a curvature.

    Args:
        rng: all its chances.
        policy: digest written into the plans.
    """

    def __init__(self, rng: Random, policy: str = "fuzz") -> None:
        self._rng, self._policy = rng, policy
        self._numbers = np.random.default_rng(rng.getrandbits(32))
        self._sequence = 0
        self._old: deque[Trajectory] = deque(maxlen=4)
        self._side = 1.0

    def make(self, kind: str, stamp_ns: int, speed_mps: float, curvature_per_m: float) -> Trajectory:
        """A plan of one of `KINDS`, stamped at or about `stamp_ns`."""
        if kind in ("duplicate", "reordered") and self._old:
            return self._old[-1 if kind == "duplicate" else 0]
        rng = self._rng
        if kind == "late":
            stamp_ns -= round(rng.choice((0.3, 0.45, 0.6, 2.0)) * 1e9)
        elif kind == "future":
            stamp_ns += rng.choice((15_000_000, 25_000_000, 100_000_000, 10_000_000_000))
        points = self._points(kind, max(speed_mps, 0.0), curvature_per_m)
        self._sequence += 1
        plan = Trajectory.make(stamp_ns, points.astype(np.float32), self._sequence, self._policy, Stages())
        if kind == "crc":
            plan = Trajectory(plan.stamp_ns, plan.points, plan.sequence, plan.policy, plan.crc ^ 1 << rng.randrange(32), plan.stages)
        elif kind in FOLLOWABLE:
            self._old.append(plan)
        return plan

    def _points(self, kind: str, speed: float, curvature: float) -> Points:
        if kind in FOLLOWABLE:
            return driven(*self._motion(kind, speed, curvature))
        points = driven(*self._motion(self._rng.choice(("steady", "walk")), speed, curvature))
        with np.errstate(all="ignore"):
            return self._spoiled(kind, points)

    def _motion(self, kind: str, speed: float, curvature: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        rng, numbers, one = self._rng, self._numbers, np.ones(POINTS)
        at_limit = min(0.2, 3.0 / max(speed * speed, 0.1))
        accel = {"brake": rng.uniform(-9.0, -2.0), "push": rng.uniform(1.5, 8.0), "stop": -speed / rng.uniform(0.5, 4.0)}.get(
            kind, rng.uniform(-0.5, 0.5)
        )
        bend = curvature * one
        if kind == "walk":
            bend = curvature + np.cumsum(numbers.normal(0.0, at_limit * rng.choice((0.02, 0.1, 0.5)), POINTS))
            speeds = speed + np.cumsum(numbers.normal(0.0, rng.choice((0.05, 0.2, 0.5)), POINTS))
        else:
            speeds = speed + accel * STEP_S * np.arange(1, POINTS + 1)
        if kind == "weave":
            self._side = -self._side
            bend = self._side * at_limit * rng.choice((0.5, 1.0, 3.0)) * np.sign(np.sin(np.arange(POINTS) * rng.uniform(0.1, 1.5) + 0.1))
        elif kind == "tight":
            bend = np.linspace(curvature, rng.choice((-1.0, 1.0)) * rng.choice((at_limit, 2.0 * at_limit, 0.2, 0.5)), POINTS)
        speeds = np.clip(speeds, 0.0, 58.0)
        turn = np.clip(bend * speeds * STEP_S, -0.14, 0.14)  # more is refused whole
        return np.where(speeds > 0.05, turn / np.maximum(speeds * STEP_S, 1e-6), 0.0), speeds

    def _spoiled(self, kind: str, points: Points) -> Points:
        rng, numbers = self._rng, self._numbers
        row, column = rng.randrange(POINTS), rng.randrange(4)
        if kind in ("nan", "inf"):
            points[row, column] = math.nan if kind == "nan" else rng.choice((-math.inf, math.inf))
        elif kind in ("short", "long", "empty"):
            points = {"short": points[: rng.randrange(1, POINTS)], "long": np.vstack([points, points[: rng.randrange(1, 20)]]), "empty": points[:0]}[
                kind
            ]
        elif kind == "backwards":
            points[row:] = points[row:][::-1]
        elif kind == "shuffled":
            numbers.shuffle(points)
        elif kind == "reverse":
            points[:, 3] = -np.abs(points[:, 3]) - rng.choice((0.1, 0.4, 5.0))
            points[:, 0] = -points[:, 0]
        elif kind == "teleport":
            points[row:, rng.randrange(2)] += rng.choice((-1.0, 1.0)) * rng.uniform(0.6, 50.0)
        elif kind == "noise":
            points = points + numbers.normal(0.0, rng.choice((0.01, 0.05, 0.2, 1.0)), points.shape)
        elif kind == "huge":
            points = points * rng.choice((1e3, 1e20, 1e-20, -1.0))
        elif kind == "standing_speed":
            points[:, 3] = 0.0
        elif kind == "jump":
            points[:, 1] += rng.choice((-1.0, 1.0)) * rng.choice((0.3, 0.45, 0.8, 3.0))
        elif kind == "turned":
            angle = rng.choice((-1.0, 1.0)) * rng.uniform(0.02, 0.6)
            c, s = math.cos(angle), math.sin(angle)
            points = np.stack([c * points[:, 0] - s * points[:, 1], s * points[:, 0] + c * points[:, 1], points[:, 2] + angle, points[:, 3]], axis=1)
        return points
