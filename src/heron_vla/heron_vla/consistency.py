"""Does the car do what it says? An explanation against the motion that follows it: the plan that it explains, or what was driven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heron_core.trajectory import TIMES_S

SOON_S = 2.5
AT_ONCE_S = 1.0
CHANGE_MPS = 0.3  # of speed, that passengers notice
HARD_MPS = 1.5  # that hard braking takes off at once
STANDS_MPS, STANDS_M = 0.6, 0.5
CREEPS_MPS = 1.0
TURNS_RAD = 0.75  # more than a bend before or behind a junction turns the car within a plan
HURRIES_MPS = 1.0


@dataclass(frozen=True)
class Motion:
    """What follows a moment.

    Attributes:
        speed_mps: at the moment.
        points: (40, 4) x, y, yaw, speed in base_link of the moment, at `heron_core.trajectory.TIMES_S`.
    """

    speed_mps: float
    points: NDArray[np.float64]

    def speeds(self, until_s: float) -> NDArray[np.float64]:
        """Speeds up to a time."""
        soon: NDArray[np.float64] = self.points[until_s + 1e-6 > TIMES_S, 3]
        return soon

    def way_m(self, until_s: float) -> float:
        """How far it goes up to a time."""
        xy = np.vstack([np.zeros(2), self.points[until_s + 1e-6 > TIMES_S, :2]])
        return float(np.hypot(*np.diff(xy, axis=0).T).sum())

    @property
    def slows(self) -> bool:
        """Slower before the plan ends, or hardly moving."""
        lowest = float(self.points[:, 3].min())
        return lowest <= max(self.speed_mps - CHANGE_MPS, CREEPS_MPS)

    @property
    def brakes_hard(self) -> bool:
        """Much slower at once, or standing."""
        return float(self.speeds(AT_ONCE_S).min()) <= max(self.speed_mps - HARD_MPS, STANDS_MPS)

    @property
    def stands(self) -> bool:
        """Stays where it is for now."""
        return self.speed_mps <= CREEPS_MPS and self.way_m(AT_ONCE_S) <= STANDS_M

    @property
    def speeds_up(self) -> bool:
        """Faster before the plan ends."""
        return float(self.points[:, 3].max()) >= self.speed_mps + CHANGE_MPS

    @property
    def moves(self) -> bool:
        """Rolls, or soon will."""
        return self.speed_mps > STANDS_MPS / 2.0 or self.way_m(float(TIMES_S[-1])) >= STANDS_M

    @property
    def goes_through(self) -> bool:
        """Does not stop soon."""
        return float(self.speeds(SOON_S).min()) >= CREEPS_MPS

    @property
    def holds_back(self) -> bool:
        """Does not hurry on."""
        return float(self.speeds(AT_ONCE_S).max()) <= self.speed_mps + HURRIES_MPS

    @property
    def yaws_rad(self) -> tuple[float, float]:
        """Farthest to the right (not positive) and to the left (not negative)."""
        yaw = np.unwrap(np.concatenate([[0.0], self.points[:, 2]]))
        return float(yaw.min()), float(yaw.max())


Check = tuple[str, Callable[[Motion], bool]]
SLOWS: Check = ("speed falls", lambda motion: motion.slows)
HOLDS_BACK: Check = ("it does not hurry on", lambda motion: motion.holds_back)
BRAKES: Check = ("speed falls at once", lambda motion: motion.brakes_hard)
STANDS: Check = ("the car stands", lambda motion: motion.stands)
STOPS: Check = ("the car stands or speed falls", lambda motion: motion.stands or motion.slows)
STARTS: Check = ("speed rises", lambda motion: motion.speeds_up)
MOVES: Check = ("the car moves", lambda motion: motion.moves)
GOES_THROUGH: Check = ("the car does not stop", lambda motion: motion.goes_through)

# Reason (of the thought `reason`, as `heron_sim.driving.explain.Reason`) → what must be seen.
RULES: Mapping[str, Check] = {
    **dict.fromkeys(("cruise", "turn", "follow_car", "follow_cyclist", "pass_cyclist", "pass_obstacle", "pass_work"), MOVES),
    **dict.fromkeys(("start", "start_green", "start_gap", "start_pedestrian", "start_car"), STARTS),
    **dict.fromkeys(("curve", "slow_red", "slow_yellow", "slow_pedestrian", "stop_obstacle", "slow_guide", "slow_end", "give_way"), SLOWS),
    **dict.fromkeys(("wait_red", "wait_gap", "wait_pedestrian", "wait_car", "wait_guide", "wait_end"), STANDS),
    "wait_exit": STOPS,
    "cut_in": HOLDS_BACK,
    "pass_yellow": GOES_THROUGH,
    "brake_hard": BRAKES,
}


def contradiction(reason: str, turn: str, points: ArrayLike, speed_mps: float) -> str | None:
    """What the motion does not show of what was said, in words for people; None: nothing.

    A reason without a rule (such as that an instruction was declined) promises no motion. A turn is told before it begins: what contradicts it is a
    turn to another side.

    Args:
        reason: that was said.
        turn: manoeuvre that was said with it: `left`, `right`, `straight`, or `follow` for none.
        points: (40, 4) x, y, yaw, speed in base_link of the moment of the explanation.
        speed_mps: at that moment.

    Raises:
        ValueError: points of another shape, or not finite.
    """
    motion = Motion(float(speed_mps), np.asarray(points, np.float64))
    if motion.points.shape != (len(TIMES_S), 4) or not np.isfinite(motion.points).all() or not np.isfinite(motion.speed_mps):
        raise ValueError(f"points of shape {motion.points.shape} at {speed_mps} m/s, expected {(len(TIMES_S), 4)}, all finite")
    rule = RULES.get(reason)
    if rule is None:
        return None
    expected, holds = rule
    if not holds(motion):
        speeds = motion.points[:, 3]
        return f"said {reason}, but not: {expected} (from {motion.speed_mps:.1f} m/s to {speeds.min():.1f} .. {speeds.max():.1f} m/s)"
    right, left = motion.yaws_rad
    wrong = {"left": -right, "right": left, "straight": max(left, -right)}.get(turn, 0.0)
    if wrong > TURNS_RAD:
        return f"said {reason} {turn}, but not: the yaw goes there ({right:+.2f} .. {left:+.2f} rad)"
    return None


def driven(times_s: ArrayLike, poses: ArrayLike, speeds_mps: ArrayLike, at_s: float) -> NDArray[np.float64] | None:
    """What was driven after a moment, as a plan of that moment would say it; None where the record ends before a plan would.

    Args:
        times_s: (n,) of the record, rising.
        poses: (n, 3) x, y, yaw in a fixed frame.
        speeds_mps: (n,).
        at_s: the moment.

    Returns:
        (40, 4) x, y, yaw, speed in base_link of the moment.
    """
    times, where = np.asarray(times_s, np.float64), np.asarray(poses, np.float64)
    wanted = at_s + np.concatenate([[0.0], TIMES_S])
    if len(times) == 0 or wanted[0] < times[0] - 1e-6 or wanted[-1] > times[-1] + 1e-6:
        return None
    x, y, yaw = (np.interp(wanted, times, column) for column in (where[:, 0], where[:, 1], np.unwrap(where[:, 2])))
    cos, sin = np.cos(yaw[0]), np.sin(yaw[0])
    dx, dy = x[1:] - x[0], y[1:] - y[0]
    speed = np.interp(wanted[1:], times, np.asarray(speeds_mps, np.float64))
    points: NDArray[np.float64] = np.stack([cos * dx + sin * dy, cos * dy - sin * dx, yaw[1:] - yaw[0], speed], axis=1)
    return points
