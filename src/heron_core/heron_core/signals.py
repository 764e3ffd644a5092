"""Small messages that cross components: instruction, explanation, control status, events, IMU and GNSS."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from heron_core.stages import Stages


@dataclass(frozen=True, slots=True)
class Instruction:
    """What the route or the passenger asks for: a manoeuvre of the policy and free text."""

    stamp_ns: int
    manoeuvre: str = "follow"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the car does and why, of a driver that can tell.

    Attributes:
        stamp_ns: of the plan that it explains.
        reason: short stable name for programs; empty: what was told before is over, and nothing is told in its place.
        english, japanese: for people.
    """

    stamp_ns: int
    reason: str
    english: str
    japanese: str = ""


class Engagement(str, Enum):
    """Who drives.

    OFF: the driver, and something stands against engaging. READY: the driver, and nothing does. ENGAGED: Heron. SOFT_STOP, EMERGENCY: Heron, to
    a standstill; the second until engaged anew. FAULT: the driver, until permission is given back and the cause is gone. SHADOW: Heron, on a bus
    that no car listens to.
    """

    OFF = "off"
    READY = "ready"
    ENGAGED = "engaged"
    SOFT_STOP = "soft_stop"
    EMERGENCY = "emergency"
    FAULT = "fault"
    SHADOW = "shadow"

    @property
    def drives(self) -> bool:
        """Heron's frames request something of the car."""
        return self in (Engagement.ENGAGED, Engagement.SOFT_STOP, Engagement.EMERGENCY)


class Ladder(str, Enum):
    """The rung of the watchdog ladder."""

    OK = "ok"
    WARN = "warn"
    SOFT_STOP = "soft_stop"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class ControlStatus:
    """What control does, at one tick.

    Attributes:
        stamp_ns: the tick.
        engagement: who drives.
        reason: why it is not engaged, or why it stops; empty when nothing is wrong.
        plan_valid: there is a plan to follow.
        plan_age_ns: since its oldest exposure; -1 without a plan.
        steer_rad: commanded road-wheel angle, left positive.
        accel_mps2: commanded acceleration.
        gate_limited, gate_rejected: commands that the gate narrowed and refused since start.
        stages: of the plan in use.
        ladder: rung of the watchdog ladder.
        steer_request, accel_request: the frames ask the car to follow; the driver's foot on the throttle takes the second away.
        gate_alarm: the gate narrows more than it should have to.
        cross_track_m: of the car from the path in use, left positive; NaN without a path.
        heading_error_rad: of the car from the path in use, left positive; NaN without a path.
    """

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
    ladder: Ladder = Ladder.OK
    steer_request: bool = False
    accel_request: bool = False
    gate_alarm: bool = False
    cross_track_m: float = math.nan
    heading_error_rad: float = math.nan


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person may want to find later.

    Attributes:
        stamp_ns: when.
        kind: engagement, disengagement, override, ladder, fault, gate, bookmark, plan, camera, can, …
        source: component.
        text: for people.
        cause: short stable name of the cause for programs (`driver_brake`, `plan_age`, …), or empty.
    """

    stamp_ns: int
    kind: str
    source: str
    text: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """One status of /diagnostics: of a component (`name` is its full node name) or of a container.

    Attributes:
        stamp_ns: when.
        name: whose.
        level: 0 ok, 1 warning, 2 error, 3 stale.
        text: for people.
        values: (key, value) of whatever it counts.
    """

    stamp_ns: int
    name: str
    level: int
    text: str
    values: tuple[tuple[str, str], ...] = ()


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
