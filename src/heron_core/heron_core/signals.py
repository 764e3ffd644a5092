"""Small messages that cross components: instruction, control status, events, IMU and GNSS."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from heron_core.stages import Stages


@dataclass(frozen=True, slots=True)
class Instruction:
    """What the route or the passenger asks for: a manoeuvre of the policy and free text."""

    stamp_ns: int
    manoeuvre: str = "follow"
    text: str = ""


class Engagement(str, Enum):
    """Who drives: nobody of us, we, or we on a bus that no car listens to."""

    OFF = "off"
    ENGAGED = "engaged"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class ControlStatus:
    """What control does. Steering is the road-wheel angle, left positive; `plan_age_ns` is -1 without a plan."""

    stamp_ns: int
    engagement: Engagement
    reason: str
    plan_valid: bool
    plan_age_ns: int
    steer_rad: float
    accel_mps2: float
    gate_limited: int
    gate_rejected: int
    stages: Stages = field(default_factory=Stages)


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person may want to find later."""

    stamp_ns: int
    kind: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class ImuSample:
    """Angular rates (rad/s) and accelerations (m/s²) in base_link."""

    stamp_ns: int
    rate_x: float
    rate_y: float
    rate_z: float
    accel_x: float
    accel_y: float
    accel_z: float


class FixType(int, Enum):
    """Quality of a GNSS fix, as in NMEA GGA."""

    NONE = 0
    AUTONOMOUS = 1
    DGPS = 2
    RTK_FIXED = 4
    RTK_FLOAT = 5


@dataclass(frozen=True, slots=True)
class GnssFix:
    """WGS84 position: degrees, ellipsoidal height in metres, horizontal standard deviation in metres (NaN unknown)."""

    stamp_ns: int
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    fix: FixType
    horizontal_std_m: float
