"""Safety limits of one car: a declarative file under absolute ceilings that only a change of this code can move."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
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
    "accel_min_mps2": (-3.5, -1.0),  # ISO 15622; must still be able to stop
    "jerk_mps3": (0.5, 5.0),
    "speed_max_mps": (1.0, 38.0),
    "plan_age_max_s": (0.15, 1.5),  # the emergency threshold of the watchdog ladder
    "plan_future_max_s": (0.0, 0.02),
    "state_age_max_s": (0.02, 0.1),
    "driver_torque_nm": (0.5, 4.0),  # of the hands on the steering wheel: beyond it the driver steers
    "command_rate_factor": (1.0, 1.2),  # frames per 250 ms over nominal
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
        plan_age_max_s: a plan older than this (its stamp, the oldest exposure) is not followed.
        plan_future_max_s: a plan stamped further in the future is rejected.
        state_age_max_s: a vehicle signal older than this is not driven on.
        driver_torque_nm: steering override.
        command_rate_factor: frames of one id per 250 ms, over nominal.
        commands: whitelist of the frames that may be sent.
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
    plan_age_max_s: float
    plan_future_max_s: float
    state_age_max_s: float
    driver_torque_nm: float
    command_rate_factor: float
    commands: tuple[CommandFrame, ...]

    def __post_init__(self) -> None:
        for name, (low, high) in CEILINGS.items():
            value = getattr(self, name)
            if not math.isfinite(value) or not low <= value <= high:
                raise ValueError(f"{name} = {value}, allowed {low} .. {high}")
        if not self.commands:
            raise ValueError("commands is empty, allowed: at least one frame")
        if len({(frame.bus, frame.id) for frame in self.commands}) != len(self.commands):
            raise ValueError("commands names the same bus and id twice")

    def steer_rate_at(self, speed_mps: float) -> float:
        """Largest |rate| of the road-wheel angle (rad/s) at a speed."""
        share = min(max(abs(speed_mps) / TOP_SPEED_OF_STEER_RATE_MPS, 0.0), 1.0)
        return self.steer_rate_rps + share * (self.steer_rate_30mps_rps - self.steer_rate_rps)

    def curvature_at(self, speed_mps: float) -> float:
        """Largest |curvature| (1/m) at a speed: the tightest curve, or what lateral acceleration allows."""
        squared = speed_mps * speed_mps
        if squared * self.curvature_per_m <= self.lateral_accel_mps2:
            return self.curvature_per_m
        return self.lateral_accel_mps2 / squared


def load_limits(path: Path) -> Limits:
    """The limits in a `limits.yaml`.

    Raises:
        ConfigError: a value beyond its ceiling, an unknown or a missing key; the text names the file, the key and the allowed range.
    """
    return from_mapping(Limits, load_yaml(path), str(path))
