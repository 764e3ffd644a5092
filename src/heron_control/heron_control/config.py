"""Settings of control: the only home of its defaults. Limits are not here but in `limits.yaml`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


def _within(config: object, name: str, low: float, high: float) -> None:
    value = getattr(config, name)
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} = {value}, allowed {low} .. {high}")


@dataclass(frozen=True)
class TrackerConfig:
    """How hard the tracker corrects.

    Attributes:
        lookahead_s: distance over which a lateral error is corrected, as seconds of travel.
        lookahead_min_m: the same at low speed.
        damping: damping ratio of the lateral error.
        speed_gain: acceleration per speed error, 1/s.
        speed_integral_gain: acceleration per integrated speed error, 1/s².
        integral_max_mps2: largest share of the integral in the acceleration.
        beyond_accel_mps2: acceleration past the plan's end.
        hold_accel_mps2: acceleration that holds the car at standstill.
        standstill_mps: below it, a car that should stand is held.
    """

    lookahead_s: float = 0.6
    lookahead_min_m: float = 4.0
    damping: float = 0.9
    speed_gain: float = 0.8
    speed_integral_gain: float = 0.15
    integral_max_mps2: float = 0.5
    beyond_accel_mps2: float = -1.0
    hold_accel_mps2: float = -0.8
    standstill_mps: float = 0.15

    def __post_init__(self) -> None:
        _within(self, "lookahead_s", 0.1, 3.0)
        _within(self, "lookahead_min_m", 1.0, 20.0)
        _within(self, "damping", 0.3, 2.0)
        _within(self, "speed_gain", 0.0, 3.0)
        _within(self, "speed_integral_gain", 0.0, 1.0)
        _within(self, "integral_max_mps2", 0.0, 1.0)
        _within(self, "beyond_accel_mps2", -3.5, -0.3)
        _within(self, "hold_accel_mps2", -3.5, -0.3)
        _within(self, "standstill_mps", 0.0, 0.5)


@dataclass(frozen=True)
class ControlConfig:
    """Parameters of the control component.

    Attributes:
        mode: `drive` (off until engaged by service) or `shadow` (recordings: commands to a bus that no car listens to).
        vehicle: folder of one car, with vehicle.yaml, limits.yaml, can.yaml and its DBC files.
        dbc_search, interface, listen_only: as the CAN component's; both use the same bus of this process.
        odometry_s: seconds of odometry kept, to age plans.
        status_period_s: between two `/control/status`.
        tracker: gains.
    """

    mode: Literal["drive", "shadow"] = "drive"
    vehicle: str = "config/vehicle/demo"
    dbc_search: tuple[str, ...] = ()
    interface: Literal["", "socketcan", "virtual", "unix", "bag", "log"] = ""
    listen_only: bool = False
    odometry_s: float = 3.0
    status_period_s: float = 0.05
    tracker: TrackerConfig = TrackerConfig()

    def __post_init__(self) -> None:
        _within(self, "odometry_s", 1.0, 30.0)
        _within(self, "status_period_s", 0.01, 1.0)
