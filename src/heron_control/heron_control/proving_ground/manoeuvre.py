"""What control is judged by: manoeuvres at the edge of the limits, and the figures of how they were driven."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from heron_control.proving_ground.closed_loop import TICK_S, Drive, LoopCar, LoopConfig
from heron_control.proving_ground.course import Course, Segment, curve, sharpest, slalom, straight
from heron_control.proving_ground.stop_profile import StopProfile
from heron_core.limits import Limits
from heron_core.signals import Engagement

LEAD_S = 4.5  # straight on first: engaged at 0.5 s, and for `limits.engaging.seconds` with narrower limits
LATERAL_SHARE = 0.85  # of the lateral acceleration that the limits allow: the rest is left to correct with
JERK_SHARE = 0.7  # of lateral jerk and steering rate, for the same reason
STEP_M = 0.4  # below `limits.plan.jump_lateral_m`: a larger step is refused as a jump
JERK_WINDOW_S = 0.1  # jerk is the mean over this time: ISO 15622 and 11270 take even 1 s and 0.5 s
CREEPING_MPS = 0.3  # below, the last jolt of a stop is told apart from jerk
CROSS_TRACK_MAX_M, STOP_ERROR_MAX_M = 0.15, 0.3
SETTLE_MAX_S, OVERSHOOT_MAX_M = 3.0, 0.05  # of a step
# Comfort is judged on what the car truly did. Sensors err, so truth may exceed what was asked for by so much.
TOLERANCE = 1.05
JOLT_MAX_MPS2 = 1.0


@dataclass(frozen=True)
class Manoeuvre:
    """One thing to drive.

    Attributes:
        name: of the kind.
        speed_mps: to drive it at.
        course: its road.
        config: of the closed loop, long enough to finish it.
        judged_s: figures count from there.
    """

    name: str
    speed_mps: float
    course: Course
    config: LoopConfig
    judged_s: float = LEAD_S - 0.5


@dataclass(frozen=True)
class Figures:
    """How a drive went; of the truth, not of what sensors say.

    Attributes:
        cross_track_max_m, cross_track_rms_m: from the course; NaN for a step, which begins beside it.
        settle_s: of a step: until the car stays within a tenth of it, the rest of the drive where it never does; NaN where there is none.
        overshoot_m: of a step: to the other side; NaN where there is none.
        stop_error_m: standing place minus line; NaN without a line or a stand.
        jolt_mps2: |acceleration| in the moment before it stood; NaN without a stand.
        lateral_accel_mps2, lateral_jerk_mps3, accel_max_mps2, accel_min_mps2, jerk_mps3: extremes.
        narrowed: ticks that the gate had to narrow.
        driven: share of judged ticks in which the car followed Heron, and Heron drove on: a stop of the ladder is none.
    """

    cross_track_max_m: float
    cross_track_rms_m: float
    settle_s: float
    overshoot_m: float
    stop_error_m: float
    jolt_mps2: float
    lateral_accel_mps2: float
    lateral_jerk_mps3: float
    accel_max_mps2: float
    accel_min_mps2: float
    jerk_mps3: float
    narrowed: int
    driven: float

    def faults(self, limits: Limits, stops: bool, aged: float = 1.0) -> list[str]:
        """Bounds that are broken, a sentence each; `aged` widens those of place, for older plans."""
        upper = {
            "cross_track_max_m": CROSS_TRACK_MAX_M * aged,
            "stop_error_m": STOP_ERROR_MAX_M * aged,
            "settle_s": SETTLE_MAX_S,
            "overshoot_m": OVERSHOOT_MAX_M,
            "jolt_mps2": JOLT_MAX_MPS2,
            "lateral_accel_mps2": limits.lateral_accel_mps2 * TOLERANCE,
            "lateral_jerk_mps3": limits.lateral_jerk_mps3 * TOLERANCE,
            "accel_max_mps2": limits.accel_max_mps2 * TOLERANCE,
            "accel_min_mps2": limits.accel_min_mps2 * TOLERANCE,
            "jerk_mps3": limits.jerk_mps3 * TOLERANCE,
        }
        values = asdict(self)
        found = [f"{name} {values[name]:.3f}, allowed {bound:.3f}" for name, bound in upper.items() if abs(values[name]) > abs(bound)]
        if self.driven < 1.0:
            found.append(f"Heron drove only {self.driven:.1%} of it")
        if stops and math.isnan(self.stop_error_m):
            found.append("the car did not come to a stand")
        return found


def figures(manoeuvre: Manoeuvre, drive: Drive) -> Figures:
    """Judges a drive of a manoeuvre."""
    judged = drive["time_s"] >= manoeuvre.judged_s
    cross, time, speed = drive["cross_track_m"][judged], drive["time_s"][judged], drive["speed_mps"][judged]
    step_m, stop_m = manoeuvre.config.step_m, manoeuvre.course.stop_m
    stepped = step_m != 0.0
    stands = stop_m is not None and speed[-1] == 0.0
    moving = np.flatnonzero(speed > 0.0)
    last = int(moving[-1]) if len(moving) else 0
    rolling = drive["speed_mps"] > CREEPING_MPS
    accel = drive["accel_mps2"][judged]
    return Figures(
        cross_track_max_m=math.nan if stepped else float(np.abs(cross).max()),
        cross_track_rms_m=math.nan if stepped else float(np.sqrt(np.mean(cross**2))),
        settle_s=_settled(time, cross, manoeuvre.config.step_s, step_m) if stepped else math.nan,
        overshoot_m=float(max(np.max((cross - step_m) * np.sign(step_m)), 0.0)) if stepped else math.nan,
        stop_error_m=float(drive["along_m"][judged][-1]) - stop_m if stands and stop_m is not None else math.nan,
        jolt_mps2=abs(float(accel[last])) if stands else math.nan,
        lateral_accel_mps2=float(np.abs(drive["lateral_accel_mps2"][judged]).max()),
        lateral_jerk_mps3=_largest(jerk(drive["lateral_accel_mps2"]), judged),
        accel_max_mps2=float(accel.max()),
        accel_min_mps2=float(accel.min()),
        jerk_mps3=_largest(jerk(drive["accel_mps2"]), judged & rolling & _stays(rolling)),
        narrowed=int(drive["narrowed"].sum()),
        driven=float((drive.driven & (np.array(drive.engagement) == Engagement.ENGAGED.value))[judged].mean()),
    )


def jerk(accel_mps2: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) change of an acceleration, mean over the `JERK_WINDOW_S` that end at each tick, 1/s."""
    window = round(JERK_WINDOW_S / TICK_S)
    before = np.concatenate([np.full(window, accel_mps2[0]), accel_mps2[:-window]])
    found: NDArray[np.float64] = (accel_mps2 - before) / JERK_WINDOW_S
    return found


def tight_curve(vehicle: LoopCar, speed_mps: float) -> Manoeuvre:
    """The tightest curve that the lateral limits leave room for: in by a clothoid, 4 s of arc, out again."""
    parts = curve(sharpest(vehicle.limits, vehicle.model, speed_mps, JERK_SHARE), _tightest(vehicle, speed_mps), 4.0 * speed_mps)
    return _along("curve", [*straight(LEAD_S * speed_mps), *parts], speed_mps)


def tight_slalom(vehicle: LoopCar, speed_mps: float) -> Manoeuvre:
    """Two waves whose lateral jerk and peak acceleration are those of the tightest curve."""
    parts = slalom(sharpest(vehicle.limits, vehicle.model, speed_mps, JERK_SHARE), _tightest(vehicle, speed_mps), 2)
    return _along("slalom", [*straight(LEAD_S * speed_mps), *parts], speed_mps)


def stop_to_line(vehicle: LoopCar, speed_mps: float) -> Manoeuvre:
    """A comfortable stop to a line."""
    profile = StopProfile(speed_mps)
    line_m = LEAD_S * speed_mps + profile.distance_m
    return Manoeuvre("stop", speed_mps, Course(straight(line_m + 50.0), speed_mps, line_m), LoopConfig(seconds=LEAD_S + profile.seconds + 4.0))


def step_aside(vehicle: LoopCar, speed_mps: float) -> Manoeuvre:
    """The plan jumps to the side: how control leads the car over, without the help of a planner that blends."""
    seconds = LEAD_S + 8.0
    return Manoeuvre("step", speed_mps, Course(straight(seconds * speed_mps), speed_mps), LoopConfig(seconds=seconds, step_s=LEAD_S, step_m=STEP_M))


MANOEUVRES: Mapping[str, Callable[[LoopCar, float], Manoeuvre]] = {
    "step": step_aside,
    "slalom": tight_slalom,
    "curve": tight_curve,
    "stop": stop_to_line,
}


def _along(name: str, segments: list[Segment], speed_mps: float) -> Manoeuvre:
    course = Course([*segments, *straight(4.0 * speed_mps)], speed_mps)
    return Manoeuvre(name, speed_mps, course, LoopConfig(seconds=course.length_m / speed_mps - 1.0))


def _tightest(vehicle: LoopCar, speed_mps: float) -> float:
    """Curvature at the share of the limits, which the gate applies at the highest speed: that of the outer front wheel."""
    model, found = vehicle.model, 0.0
    for _ in range(30):  # half a step each time: converges for any car
        faster = math.hypot(1.0 + found * model.track_m / 2.0, found * model.wheelbase_m)
        allowed = min(vehicle.limits.curvature_at(speed_mps * faster), model.curvature(model.steer_max_rad))
        found += (allowed - found) / 2.0
    return LATERAL_SHARE * found


def _settled(time_s: NDArray[np.float64], cross_m: NDArray[np.float64], step_s: float, step_m: float) -> float:
    away = np.flatnonzero(np.abs(cross_m - step_m) > 0.1 * abs(step_m))
    return float(time_s[away[-1]] - step_s) if len(away) else 0.0


def _stays(rolling: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rolling all through the window that a jerk is the mean of."""
    window = round(JERK_WINDOW_S / TICK_S)
    return np.concatenate([rolling[:1].repeat(window), rolling[:-window]])


def _largest(values: NDArray[np.float64], where: NDArray[np.bool_]) -> float:
    return float(np.abs(values[where]).max()) if where.any() else 0.0
