"""Is a plan one that may be followed? Every rejection has a reason that is counted."""

from __future__ import annotations

import numpy as np

from heron_core.limits import Limits
from heron_core.trajectory import STEP_S, Trajectory

# A plan beyond these is not a car's motion, whatever the limits say: it is refused whole. Inside them the gate narrows what is too much.
MAX_SPEED_MPS = 60.0
MIN_SPEED_MPS = -0.3  # reverse is refused; a policy may round standstill a little below zero
MAX_STEP_ACCEL_MPS2 = 12.0
MAX_YAW_RATE_RPS = 1.5
POSITION_SLACK_M = 0.5  # per step, between the distance of two points and their speeds

REASONS = ("malformed", "future", "stale", "out_of_order", "implausible")


class PlanCheck:
    """Judges plans one after the other."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._last_stamp_ns = -1
        self.rejected: dict[str, int] = dict.fromkeys(REASONS, 0)

    def reset(self) -> None:
        """Forgets the last stamp, after the clock stepped back."""
        self._last_stamp_ns = -1

    def fault(self, plan: Trajectory, now_ns: int) -> str | None:
        """Why the plan must not be followed, or None; starts with one of `REASONS`."""
        text = self._judge(plan, now_ns)
        if text is None:
            self._last_stamp_ns = plan.stamp_ns
        else:
            self.rejected[text.split(":")[0]] += 1
        return text

    def _judge(self, plan: Trajectory, now_ns: int) -> str | None:
        malformed = plan.fault()
        if malformed is not None:
            return f"malformed: {malformed}"
        age_s = (now_ns - plan.stamp_ns) / 1e9
        if age_s < -self._limits.plan.future_max_s:
            return f"future: stamped {-age_s * 1e3:.0f} ms ahead"
        if age_s > self._limits.ladder.soft_stop_s:
            return f"stale: {age_s * 1e3:.0f} ms old"
        if plan.stamp_ns <= self._last_stamp_ns:
            return f"out_of_order: {(self._last_stamp_ns - plan.stamp_ns) / 1e6:.0f} ms before the last plan"
        implausible = implausibility(plan)
        return None if implausible is None else f"implausible: {implausible}"


def implausibility(plan: Trajectory) -> str | None:
    """Why the points are not the motion of a car, or None. Needs 40 finite points."""
    points = np.vstack([np.zeros(4), plan.points.astype(np.float64)])
    speed = points[1:, 3]
    if speed.max() > MAX_SPEED_MPS or speed.min() < MIN_SPEED_MPS:
        return f"speed {speed.min():.1f} .. {speed.max():.1f} m/s"
    if np.abs(np.diff(speed)).max() > MAX_STEP_ACCEL_MPS2 * STEP_S:
        return "speed jumps between two points"
    turn = np.abs(np.remainder(np.diff(points[:, 2]) + np.pi, 2.0 * np.pi) - np.pi)
    if turn.max() > MAX_YAW_RATE_RPS * STEP_S:
        return f"yaw turns by {turn.max():.2f} rad between two points"
    moved = np.hypot(np.diff(points[:, 0]), np.diff(points[:, 1]))
    before = np.concatenate([speed[:1], speed[:-1]])
    expected = (speed + before) / 2.0 * STEP_S
    if np.abs(moved - expected).max() > POSITION_SLACK_M + 0.2 * expected.max():
        return "points lie apart further than their speeds say, or closer"
    return None
