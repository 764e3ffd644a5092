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
    """How the tracker weighs errors against comfort: values in one row of attributes are equally bad, so a smaller one is held more tightly.

    Attributes:
        horizon_s: how far the controllers look ahead.
        horizon_steps: in how many steps.
        cross_track_m, lateral_speed_mps, lateral_jerk_mps3: distance from the path, speed across it, change of lateral acceleration.
        low_speed_mps: below it, steering is weighed as at this speed.
        station_m, speed_mps, jerk_mps3: distance along the path, speed, change of acceleration.
        beyond_accel_mps2: acceleration past the plan's end.
        hold_accel_mps2: acceleration that holds the car at standstill.
        standstill_mps: below it, a car that should stand is held.
        stop_m: a plan that goes less far than this does not move a car that stands.
        go_m: a plan that goes further than this releases a car that is held.
    """

    horizon_s: float = 2.0
    horizon_steps: int = 20
    cross_track_m: float = 0.1
    lateral_speed_mps: float = 0.3
    lateral_jerk_mps3: float = 3.0
    low_speed_mps: float = 2.0
    station_m: float = 0.2
    speed_mps: float = 0.3
    jerk_mps3: float = 2.0
    beyond_accel_mps2: float = -1.0
    hold_accel_mps2: float = -0.8
    standstill_mps: float = 0.15
    stop_m: float = 0.2
    go_m: float = 0.4

    def __post_init__(self) -> None:
        _within(self, "horizon_s", 1.0, 3.0)
        _within(self, "horizon_steps", 10, 40)
        _within(self, "cross_track_m", 0.02, 1.0)
        _within(self, "lateral_speed_mps", 0.05, 5.0)
        _within(self, "lateral_jerk_mps3", 0.3, 5.0)
        _within(self, "low_speed_mps", 0.5, 5.0)
        _within(self, "station_m", 0.05, 5.0)
        _within(self, "speed_mps", 0.05, 5.0)
        _within(self, "jerk_mps3", 0.3, 5.0)
        _within(self, "beyond_accel_mps2", -3.5, -0.3)
        _within(self, "hold_accel_mps2", -3.5, -0.3)
        _within(self, "standstill_mps", 0.02, 0.5)
        _within(self, "stop_m", 0.05, 0.3)
        _within(self, "go_m", 0.05, 1.0)
        if self.stop_m >= self.go_m:
            raise ValueError(f"stop_m = {self.stop_m}, allowed below go_m = {self.go_m}")


@dataclass(frozen=True)
class ControlConfig:
    """Parameters of the control component.

    Attributes:
        mode: `drive` (off until engaged by service) or `shadow` (recordings: commands to a bus that no car listens to).
        vehicle: folder of one car, with vehicle.yaml, limits.yaml, can.yaml and its DBC files.
        dbc_search, interface, listen_only: as the CAN component's; both use the same bus of this process.
        odometry_s: seconds of odometry kept, to age plans.
        status_period_s: between two `/control/status`; a change of state is told at once.
        required_components: full names of nodes without whose health nobody engages, and whose trouble while driving leads to a soft stop.
        health_silent_s: a required component that says nothing for longer is in trouble; components speak once a second.
        planner: full name of the node that may publish plans; empty: whoever is the only one.
        trust_network: drive although other hosts can publish plans.
        tracker: how errors are weighed against comfort.
    """

    mode: Literal["drive", "shadow"] = "drive"
    vehicle: str = "config/vehicle/demo"
    dbc_search: tuple[str, ...] = ()
    interface: Literal["", "socketcan", "virtual", "unix", "bag", "log", "sim"] = ""
    listen_only: bool = False
    odometry_s: float = 3.0
    status_period_s: float = 0.05
    required_components: tuple[str, ...] = ()
    health_silent_s: float = 3.0
    planner: str = ""
    trust_network: bool = False
    tracker: TrackerConfig = TrackerConfig()

    def __post_init__(self) -> None:
        _within(self, "odometry_s", 1.0, 30.0)
        _within(self, "status_period_s", 0.01, 1.0)
        _within(self, "health_silent_s", 1.0, 10.0)
