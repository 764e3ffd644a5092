"""Safety limits of one car: a declarative file under absolute ceilings that only a change of this code can move."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from heron_core.settings import from_mapping, load_yaml

# Allowed range of every number in limits.yaml. The looser end is the absolute ceiling, the other end keeps a limit from being meaningless.
CEILINGS: Mapping[str, tuple[float, float]] = {
    "lateral_accel_mps2": (0.5, 3.6),  # ISO 11270: 3.0 plus 6 % of road bank
    "lateral_jerk_mps3": (0.5, 5.0),  # ISO 11270
    "curvature_per_m": (0.01, 0.2),  # tightest curve that any lane-keeping function needs
    "steer_rate_rps": (0.05, 1.0),  # of the road wheel, at standstill
    "steer_rate_30mps_rps": (0.05, 0.8),  # at 30 m/s and above
    "accel_max_mps2": (0.1, 2.0),  # ISO 15622
    "accel_min_mps2": (-3.5, -2.5),  # ISO 15622; must still carry an emergency stop
    "jerk_mps3": (1.5, 5.0),
    "speed_max_mps": (1.0, 38.0),
    "command_rate_factor": (1.0, 1.2),  # frames per 250 ms over nominal
    "engaging.seconds": (1.0, 10.0),
    "engaging.accel_mps2": (0.1, 1.0),  # Autoware, while engaging
    "engaging.jerk_mps3": (0.3, 1.0),
    "engaging.lateral_accel_mps2": (0.5, 2.0),
    "soft_stop.accel_mps2": (-2.0, -0.5),  # Autoware planning_validator: -1.0
    "soft_stop.jerk_mps3": (0.2, 1.5),
    "soft_stop.hold_mps2": (-3.5, -0.5),
    "emergency_stop.accel_mps2": (-3.5, -2.0),  # Autoware MRM: -2.5
    "emergency_stop.jerk_mps3": (1.0, 5.0),
    "emergency_stop.hold_mps2": (-3.5, -0.5),
    "ladder.warn_s": (0.1, 0.6),
    "ladder.soft_stop_s": (0.15, 1.0),
    "ladder.emergency_s": (0.3, 1.5),
    "ladder.emergency_distance_m": (5.0, 50.0),
    "ladder.recover_plans": (2, 50),
    "plan.future_max_s": (0.0, 0.02),
    "plan.jump_lateral_m": (0.1, 1.0),  # Autoware planning_validator: 0.5
    "plan.jump_forward_m": (0.2, 2.0),  # Autoware planning_validator: 1.0
    "plan.deviation_m": (0.3, 1.5),  # Autoware control_validator: 1.0
    "plan.deviation_yaw_warn_rad": (0.1, 0.5),
    "plan.deviation_yaw_rad": (0.2, 1.0),
    "state.age_max_s": (0.02, 0.1),
    "state.lost_s": (0.2, 1.0),  # opendbc: max(1 s, 10 periods)
    "state.speed_disagreement_mps": (0.3, 2.0),  # opendbc
    "driver.torque_nm": (0.5, 4.0),  # hands on the steering wheel
    "driver.throttle": (0.01, 0.2),
    "following.steer_error_rad": (0.01, 0.1),
    "following.steer_error_s": (0.1, 1.0),
    "following.accel_error_mps2": (0.5, 2.5),
    "following.accel_error_s": (0.2, 2.0),
    "alarm.share": (0.01, 0.5),
    "alarm.window_s": (0.2, 5.0),
}
TOP_SPEED_OF_STEER_RATE_MPS = 30.0


@dataclass(frozen=True)
class CommandFrame:
    """A frame that the gate may send; every other is refused.

    Attributes:
        bus: channel name in `can.yaml`.
        id: arbitration id.
        length: payload bytes.
        period_s: nominal time between two of them.
    """

    bus: str
    id: int
    length: int
    period_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.id < 1 << 29:
            raise ValueError(f"id = {self.id}, allowed 0 .. 0x1FFFFFFF")
        if not 0 <= self.length <= 64:
            raise ValueError(f"length = {self.length}, allowed 0 .. 64")
        if not 0.005 <= self.period_s <= 1.0:
            raise ValueError(f"period_s = {self.period_s}, allowed 0.005 .. 1.0")


@dataclass(frozen=True)
class EngagingLimits:
    """Comfort during the first `seconds` after engaging: largest acceleration, jerk and lateral acceleration that control asks for."""

    seconds: float
    accel_mps2: float
    jerk_mps3: float
    lateral_accel_mps2: float


@dataclass(frozen=True)
class StopLimits:
    """One way to stop: acceleration (negative), |jerk| of reaching it, and the acceleration (negative) that holds the car once it stands."""

    accel_mps2: float
    jerk_mps3: float
    hold_mps2: float


@dataclass(frozen=True)
class LadderLimits:
    """The watchdog ladder: what the age of the plan in use (since its oldest exposure) leads to.

    Attributes:
        warn_s: a warning: budget plus 1.5 plan periods.
        soft_stop_s: a soft stop along the last valid plan: budget plus 3 plan periods. An older plan is not accepted as fresh.
        emergency_s: an emergency stop.
        emergency_distance_m: an emergency stop too once the car has gone this far since the plan's stamp, whatever the time.
        recover_plans: consecutive fresh plans that end a soft stop while the car moves.
    """

    warn_s: float
    soft_stop_s: float
    emergency_s: float
    emergency_distance_m: float
    recover_plans: int


@dataclass(frozen=True)
class PlanLimits:
    """When a plan is not believed.

    Attributes:
        future_max_s: stamped further ahead than this.
        jump_lateral_m, jump_forward_m: its path lies further than this from the path in use, across and along it.
        deviation_m, deviation_yaw_rad: the car is further than this from the path that it should follow; `deviation_yaw_warn_rad` only warns.
    """

    future_max_s: float
    jump_lateral_m: float
    jump_forward_m: float
    deviation_m: float
    deviation_yaw_warn_rad: float
    deviation_yaw_rad: float


@dataclass(frozen=True)
class StateLimits:
    """When what the car says of itself is not believed.

    Attributes:
        age_max_s: a signal older than this, or invalid, while engaged leads to the ladder.
        lost_s: since it was last received; after this long permission drops.
        speed_disagreement_mps: two speed sources further apart than this contradict each other.
    """

    age_max_s: float
    lost_s: float
    speed_disagreement_mps: float

    @property
    def blind_s(self) -> float:
        """How long after a signal became too old permission drops."""
        return self.lost_s - self.age_max_s


@dataclass(frozen=True)
class DriverLimits:
    """When the driver takes over: |torque| of the hands on the steering wheel ends automation; `throttle` (0..1) blocks longitudinal only."""

    torque_nm: float
    throttle: float


@dataclass(frozen=True)
class FollowingLimits:
    """When the car does not do what it is told: measured beyond an error of commanded (after the actuator's delay) for longer than a time."""

    steer_error_rad: float
    steer_error_s: float
    accel_error_mps2: float
    accel_error_s: float


@dataclass(frozen=True)
class AlarmLimits:
    """The gate guards and is no comfort filter: narrowing more than `share` of the ticks within `window_s` raises an alarm."""

    share: float
    window_s: float


@dataclass(frozen=True)
class Limits:
    """What control may ask of the car and the gate lets through. No defaults: the file states every value.

    Attributes:
        lateral_accel_mps2: largest |speed² · curvature|.
        lateral_jerk_mps3: largest |speed² · curvature rate|.
        curvature_per_m: largest |curvature| of the kinematic bicycle.
        steer_rate_rps: largest |rate| of the road-wheel angle at standstill; falls linearly to `steer_rate_30mps_rps` at 30 m/s.
        accel_max_mps2, accel_min_mps2: range of longitudinal acceleration.
        jerk_mps3: largest |longitudinal jerk|.
        speed_max_mps: no engagement above it.
        command_rate_factor: frames of one id per 250 ms, over nominal.
        commands: whitelist of the frames that may be sent.
        engaging, soft_stop, emergency_stop, ladder, plan, state, driver, following, alarm: see their types.
    """

    lateral_accel_mps2: float
    lateral_jerk_mps3: float
    curvature_per_m: float
    steer_rate_rps: float
    steer_rate_30mps_rps: float
    accel_max_mps2: float
    accel_min_mps2: float
    jerk_mps3: float
    speed_max_mps: float
    command_rate_factor: float
    commands: tuple[CommandFrame, ...]
    engaging: EngagingLimits
    soft_stop: StopLimits
    emergency_stop: StopLimits
    ladder: LadderLimits
    plan: PlanLimits
    state: StateLimits
    driver: DriverLimits
    following: FollowingLimits
    alarm: AlarmLimits

    def __post_init__(self) -> None:
        for name, (low, high) in CEILINGS.items():
            value = attrgetter(name)(self)
            if not math.isfinite(value) or not low <= value <= high:
                raise ValueError(f"{name} = {value}, allowed {low} .. {high}")
        if not self.commands:
            raise ValueError("commands is empty, allowed: at least one frame")
        if len({(frame.bus, frame.id) for frame in self.commands}) != len(self.commands):
            raise ValueError("commands names the same bus and id twice")
        self._check_order()

    def _check_order(self) -> None:
        ladder, plan = self.ladder, self.plan
        if not ladder.warn_s < ladder.soft_stop_s < ladder.emergency_s:
            raise ValueError(f"ladder: {ladder.warn_s}, {ladder.soft_stop_s}, {ladder.emergency_s}: warn_s < soft_stop_s < emergency_s is needed")
        if self.emergency_stop.accel_mps2 < self.accel_min_mps2 or self.emergency_stop.jerk_mps3 > self.jerk_mps3:
            raise ValueError("emergency_stop lies outside accel_min_mps2 and jerk_mps3: the gate would not let it through")
        if self.soft_stop.accel_mps2 < self.emergency_stop.accel_mps2 or self.soft_stop.jerk_mps3 > self.emergency_stop.jerk_mps3:
            raise ValueError("soft_stop is harder than emergency_stop")
        if min(self.soft_stop.hold_mps2, self.emergency_stop.hold_mps2) < self.accel_min_mps2:
            raise ValueError("hold_mps2 lies below accel_min_mps2: the gate would not let it through")
        if plan.deviation_yaw_warn_rad > plan.deviation_yaw_rad:
            raise ValueError(f"plan: deviation_yaw_warn_rad {plan.deviation_yaw_warn_rad} lies above deviation_yaw_rad {plan.deviation_yaw_rad}")
        if self.state.age_max_s >= self.state.lost_s:
            raise ValueError(f"state: age_max_s {self.state.age_max_s} must lie below lost_s {self.state.lost_s}")

    def steer_rate_at(self, speed_mps: float) -> float:
        """Largest |rate| of the road-wheel angle (rad/s) at a speed."""
        share = min(max(abs(speed_mps) / TOP_SPEED_OF_STEER_RATE_MPS, 0.0), 1.0)
        return self.steer_rate_rps + share * (self.steer_rate_30mps_rps - self.steer_rate_rps)

    def curvature_at(self, speed_mps: float) -> float:
        """Largest |curvature| (1/m) at a speed: the tightest curve, or what lateral acceleration allows."""
        squared = speed_mps * speed_mps
        return min(self.curvature_per_m, self.lateral_accel_mps2 / squared) if squared else self.curvature_per_m


def load_limits(path: Path) -> Limits:
    """The limits in a `limits.yaml`.

    Raises:
        ConfigError: a value beyond its ceiling, an unknown or a missing key; the text names the file, the key and the allowed range.
    """
    return from_mapping(Limits, load_yaml(path), str(path))
