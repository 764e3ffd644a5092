"""Is a plan one that may be followed? Every rejection has a reason that is counted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_core.clock import Instant
from heron_core.limits import Limits
from heron_core.se2 import SE2
from heron_core.trajectory import STEP_S, Trajectory

# A plan beyond these is not a car's motion, whatever the limits say: it is refused whole. Inside them the gate narrows what is too much.
MAX_SPEED_MPS = 60.0
MIN_SPEED_MPS = -0.3  # reverse is refused; a policy may round standstill a little below zero
MAX_BACK_M = 0.1  # per step, against the plan's own heading
MAX_STEP_ACCEL_MPS2 = 12.0
MAX_YAW_RATE_RPS = 1.5
POSITION_SLACK_M = 0.5  # per step, between the distance of two points and their speeds
SIDE_SLACK_M, SIDE_SHARE = 0.2, 0.3  # per step, across the plan's own heading: a rear axle does not slip sideways
# A jump across shows in the near part of two plans. Later a sudden but sound change, such as swerving at the limit of lateral jerk, is further from
# the plan before than any jump may be.
NEAR_S = 0.5
REACH_S = 1.0  # a jump along shows in where no car can be by then
RIVAL_NS = 1_000_000_000  # within this time two policies plan at once

REASONS = ("malformed", "not_pinned", "future", "stale", "duplicated", "out_of_order", "reverse", "implausible", "unplaced", "jump", "closed")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a new plan is compared with while Heron drives.

    Attributes:
        plan: in use.
        moved: base_link at the new plan's stamp, seen from base_link at the stamp of the plan in use.
        car: base_link now, seen from base_link at the new plan's stamp.
        speed_mps: of the car.
    """

    plan: Trajectory
    moved: SE2
    car: SE2
    speed_mps: float


class PlanCheck:
    """Judges plans one after the other.

    Attributes:
        rejected: reason → plans.
        closed: why no plan of anybody is taken, or empty.
        foreign: what a plan of another planner than the pinned one said, or empty.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._last: Trajectory | None = None
        self._pinned: str | None = None
        self._heard: dict[str, int] = {}
        self.rejected: dict[str, int] = dict.fromkeys(REASONS, 0)
        self.closed = ""
        self.foreign = ""

    def reset(self) -> None:
        """Forgets the last plan, after the clock stepped back."""
        self._last = None

    def pin(self) -> None:
        """From now on plans come from whom the last one came from, and no plan is out of sequence."""
        self._pinned = self._last.policy if self._last is not None else None
        self.closed = self.foreign = ""

    def unpin(self) -> None:
        """Whoever plans may be another."""
        self._pinned = None
        self.closed = self.foreign = ""

    def fault(self, plan: Trajectory, at: Instant, reference: Reference | None = None, placed: bool = True) -> str | None:
        """Why the plan must not be followed, or None; starts with one of `REASONS`.

        Args:
            plan: that came.
            at: when.
            reference: what it must follow from; None where there is nothing yet.
            placed: it needs no place in odometry, or has one.
        """
        text = self._judge(plan, at, reference)
        if text is None and not placed:
            text = "unplaced: no odometry since its stamp"
        if text is None:
            self._last = plan
        else:
            self.rejected[text.split(":")[0]] += 1
        return text

    def rivals(self, steady_ns: int) -> str:
        """Who has planned within the last second, where that is more than one policy, else empty."""
        self._heard = {policy: heard_ns for policy, heard_ns in self._heard.items() if steady_ns - heard_ns <= RIVAL_NS}
        return f"plans of {len(self._heard)} policies" if len(self._heard) > 1 else ""

    def _judge(self, plan: Trajectory, at: Instant, reference: Reference | None) -> str | None:
        malformed = plan.fault()
        if malformed is not None:
            return f"malformed: {malformed}"
        self._heard[plan.policy] = at.steady_ns
        if self.closed:
            return f"closed: {self.closed}"
        wrong = self._order(plan) or self._age(plan, at.now_ns)
        if wrong is not None:
            return wrong
        backward = reverse(plan)
        if backward is not None:
            return f"reverse: {backward}"
        implausible = implausibility(plan)
        if implausible is not None:
            return f"implausible: {implausible}"
        jumped = None if reference is None else jump(plan, (at.now_ns - plan.stamp_ns) / 1e9, reference, self._limits)
        return None if jumped is None else f"jump: {jumped}"

    def _order(self, plan: Trajectory) -> str | None:
        last = self._last
        if self._pinned is not None and plan.policy != self._pinned:
            self.foreign = f"plans of policy {plan.policy[:12]} beside those of {self._pinned[:12]}"
            return f"not_pinned: {self.foreign}"
        if last is None:
            return None
        if (plan.stamp_ns, plan.sequence, plan.crc, plan.policy) == (last.stamp_ns, last.sequence, last.crc, last.policy):
            return f"duplicated: sequence {plan.sequence}"
        if plan.stamp_ns <= last.stamp_ns:
            return f"out_of_order: {(last.stamp_ns - plan.stamp_ns) / 1e6:.0f} ms before the last plan"
        if self._pinned is not None and plan.sequence <= last.sequence:  # a later stamp with an earlier number: not the one who sent the last
            self.foreign = f"sequence {plan.sequence} after {last.sequence}"
            return f"not_pinned: {self.foreign}"
        return None

    def _age(self, plan: Trajectory, now_ns: int) -> str | None:
        age_s = (now_ns - plan.stamp_ns) / 1e9
        if age_s < -self._limits.plan.future_max_s:
            return f"future: stamped {-age_s * 1e3:.0f} ms ahead"
        if age_s > self._limits.ladder.soft_stop_s:
            return f"stale: {age_s * 1e3:.0f} ms old"
        return None


def _points(plan: Trajectory) -> NDArray[np.float64]:
    """(41, 4) x, y, yaw, speed, from the stamp on; the speed at the stamp is that of the first point."""
    points = np.zeros((len(plan.points) + 1, 4))
    points[1:] = plan.points
    points[0, 3] = points[1, 3]
    return points


def _steps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each row to the next; `np.diff` is slower by its checks."""
    return values[1:] - values[:-1]


def reverse(plan: Trajectory) -> str | None:
    """Where the plan goes backward, or None. Needs 40 finite points."""
    points = _points(plan)
    if points[:, 3].min() < MIN_SPEED_MPS:
        return f"speed {points[:, 3].min():.1f} m/s"
    x, y, yaw = _steps(points[:, :3]).T
    heading = (points[1:, 2] + points[:-1, 2]) / 2.0 + np.where(np.abs(yaw) > math.pi, math.pi, 0.0)  # yaw may pass half a turn
    along = x * np.cos(heading) + y * np.sin(heading)
    return f"{-along.min():.1f} m backward between two points" if along.min() < -MAX_BACK_M else None


def implausibility(plan: Trajectory) -> str | None:
    """Why the points are not the motion of a car, or None. Needs 40 finite points."""
    points = _points(plan)
    speed = points[1:, 3]
    if speed.max() > MAX_SPEED_MPS:
        return f"speed {speed.max():.1f} m/s"
    if np.abs(_steps(speed)).max() > MAX_STEP_ACCEL_MPS2 * STEP_S:
        return "speed jumps between two points"
    x, y, yaw = _steps(points[:, :3]).T
    turned = np.remainder(yaw + np.pi, 2.0 * np.pi) - np.pi
    turn = np.abs(turned).max()
    if turn > MAX_YAW_RATE_RPS * STEP_S:
        return f"yaw turns by {turn:.2f} rad between two points"
    moved = np.hypot(x, y)
    expected = (speed + points[:-1, 3]) / 2.0 * STEP_S
    if np.abs(moved - expected).max() > POSITION_SLACK_M + 0.2 * expected.max():
        return "points lie apart further than their speeds say, or closer"
    heading = points[:-1, 2] + turned / 2.0
    side = np.abs(y * np.cos(heading) - x * np.sin(heading))
    beside = side > SIDE_SLACK_M + SIDE_SHARE * expected
    return "points lie beside where they head" if beside[1:].any() else None  # how far the first one may lie from the car is for `jump` to say


def jump(plan: Trajectory, age_s: float, reference: Reference, limits: Limits) -> str | None:
    """Why the plan is not what follows from the one in use and from where the car is, or None.

    Across: the near part of the plan may not leave the path in use, as far as both overlap. Along: the plan may not say that the car is elsewhere
    now than odometry says, nor that it will be in a second where no car could get. Braking harder than before is no jump.
    """
    points, most = _points(plan), limits.plan
    times = np.arange(len(points)) * STEP_S
    chosen = np.append(np.linspace(age_s, age_s + NEAR_S, 6), age_s + REACH_S)
    path = np.stack([np.interp(chosen, times, points[:, 0]), np.interp(chosen, times, points[:, 1])], axis=1)
    here = reference.car.inverse().apply(path)  # seen from the car
    furthest = max(reference.speed_mps, 0.0) * REACH_S + limits.accel_max_mps2 * REACH_S**2 / 2.0 + most.jump_forward_m
    reached = float(np.hypot(here[-1, 0], here[-1, 1]))
    if abs(here[0, 0]) > most.jump_forward_m:
        return f"{here[0, 0]:+.1f} m along, now"
    if reached > furthest:
        return f"{reached:.1f} m in {REACH_S:.0f} s from {reference.speed_mps:.1f} m/s"
    across = distance_across(_points(reference.plan)[:, :2], reference.moved.apply(path[:-1]))
    off = abs(here[0, 1]) if across is None else across
    return f"{off:.1f} m across" if off > most.jump_lateral_m else None


def distance_across(line: NDArray[np.float64], points: NDArray[np.float64]) -> float | None:
    """Largest distance of (n, 2) points from a polyline (m, 2), of those that lie beside it; None when none does."""
    steps = _steps(line)
    chosen = np.hypot(steps[:, 0], steps[:, 1]) > 1e-3
    start, step = line[:-1][chosen], steps[chosen]
    if not len(start):
        return None
    offset = points[:, None, :] - start[None]
    share = np.einsum("nmk,mk->nm", offset, step) / np.einsum("mk,mk->m", step, step)
    beside = (share[:, 0] >= 0.0) & (share[:, -1] <= 1.0)
    if not beside.any():
        return None
    nearest = offset - np.clip(share, 0.0, 1.0)[..., None] * step[None]
    return float(np.hypot(nearest[..., 0], nearest[..., 1]).min(axis=1)[beside].max())
