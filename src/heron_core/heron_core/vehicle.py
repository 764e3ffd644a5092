"""What the car says of itself: signals with validity and age, and odometry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# Every signal that a vehicle state can carry: name → unit. Mirrors heron_msgs/VehicleState.
SIGNALS: Mapping[str, str] = {
    "speed": "m/s",
    "steer": "rad",
    "steer_rate": "rad/s",
    "yaw_rate": "rad/s",
    "accel_x": "m/s^2",
    "accel_y": "m/s^2",
    "wheel_fl": "m/s",
    "wheel_fr": "m/s",
    "wheel_rl": "m/s",
    "wheel_rr": "m/s",
    "throttle": "0..1",
    "brake": "0..1",
    "brake_pressed": "0/1",
    "driver_torque": "N m",
    "gear": "-1 reverse, 0 neutral, 1 drive, 2 park",
    "indicator": "1 left, -1 right, 2 hazard, 0 off",
    "door_open": "0/1",
    "belt_fastened": "0/1",
    "eps_fault": "0/1",
    "engage_button": "0/1",
    "cancel_button": "0/1",
    "driving_mode": "0 the driver, 1 Heron steers and accelerates, 2 Heron steers only",
}

NEVER_NS = -1


class Signal(NamedTuple):
    """A signal as last received.

    Attributes:
        value: in the unit that `SIGNALS` gives; NaN when never received.
        age_ns: tick minus receive time; `NEVER_NS` when never received.
        valid: received, not older than its timeout, counter and checksum right.
    """

    value: float = math.nan
    age_ns: int = NEVER_NS
    valid: bool = False


ABSENT = Signal()


@dataclass(frozen=True)
class VehicleState:
    """All signals at one tick of 100 Hz. A signal that the car's mapping lacks reads as `ABSENT`."""

    stamp_ns: int
    signals: Mapping[str, Signal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.signals.keys() <= SIGNALS.keys():
            unknown = set(self.signals) - set(SIGNALS)
            raise ValueError(f"unknown vehicle signals {sorted(unknown)}; known: {', '.join(SIGNALS)}")

    def __getitem__(self, name: str) -> Signal:
        """The signal called `name`; KeyError when no vehicle state has such a signal."""
        found = self.signals.get(name)
        if found is None:
            if name not in SIGNALS:
                raise KeyError(name)
            return ABSENT
        return found

    def valid_value(self, name: str) -> float | None:
        """The signal's value, or None when it is not valid."""
        signal = self.signals.get(name)
        if signal is None:
            signal = self[name]
        return signal.value if signal.valid else None


@dataclass(frozen=True, slots=True)
class Odometry:
    """Pose of base_link in `odom` and its rates, from wheel speed and yaw rate.

    Attributes:
        stamp_ns: the tick.
        x_m, y_m: position in `odom`.
        yaw_rad: heading in `odom`, left positive, not wrapped.
        speed_mps, yaw_rate_rps: in base_link.
        valid: both sources were valid at this tick.
    """

    stamp_ns: int
    x_m: float
    y_m: float
    yaw_rad: float
    speed_mps: float
    yaw_rate_rps: float
    valid: bool = True
