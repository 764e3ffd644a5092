"""The car as control sees it: a kinematic bicycle with actuators that lag."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from heron_core.settings import from_mapping, load_yaml

_RANGES = {
    "wheelbase_m": (0.5, 8.0),
    "track_m": (0.5, 3.0),
    "steer_ratio": (5.0, 30.0),
    "steer_max_rad": (0.1, 1.0),
    "steer_dead_s": (0.0, 0.5),
    "steer_lag_s": (0.0, 0.5),
    "accel_dead_s": (0.0, 0.5),
    "accel_lag_s": (0.0, 1.0),
}


@dataclass(frozen=True)
class VehicleModel:
    """One car's geometry and actuators. No defaults: `vehicle.yaml` states every value.

    Attributes:
        wheelbase_m: between the axles.
        track_m: between the wheels of one axle.
        steer_ratio: steering-wheel angle over road-wheel angle.
        steer_max_rad: largest |road-wheel angle|.
        steer_dead_s, accel_dead_s: from a command until the actuator begins to follow.
        steer_lag_s, accel_lag_s: time constant of following, first order.
    """

    wheelbase_m: float
    track_m: float
    steer_ratio: float
    steer_max_rad: float
    steer_dead_s: float
    steer_lag_s: float
    accel_dead_s: float
    accel_lag_s: float

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not math.isfinite(value) or not low <= value <= high:
                raise ValueError(f"{name} = {value}, allowed {low} .. {high}")

    @property
    def steer_delay_s(self) -> float:
        """How late a ramp of the road-wheel angle follows its command."""
        return self.steer_dead_s + self.steer_lag_s

    @property
    def accel_delay_s(self) -> float:
        """How late a ramp of the acceleration follows its command."""
        return self.accel_dead_s + self.accel_lag_s

    def curvature(self, steer_rad: float) -> float:
        """Curvature (1/m, left positive) of the rear axle's path at a road-wheel angle."""
        return math.tan(steer_rad) / self.wheelbase_m

    def steer(self, curvature_per_m: float) -> float:
        """Road-wheel angle (rad, left positive) that gives a curvature, within the car's lock."""
        angle = math.atan(curvature_per_m * self.wheelbase_m)
        return min(max(angle, -self.steer_max_rad), self.steer_max_rad)


def load_vehicle_model(path: Path) -> VehicleModel:
    """The car in a `vehicle.yaml`.

    Raises:
        ConfigError: an impossible value, an unknown or a missing key; the text names the file, the key and the allowed range.
    """
    return from_mapping(VehicleModel, load_yaml(path), str(path))
