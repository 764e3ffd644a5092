"""The first seconds after engaging, and after the driver's foot left the throttle: gentler than the limits, as long as that is enough."""

from __future__ import annotations

from heron_control.path import PathPoint
from heron_control.tracker import Bounds
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel

SPEED_GAP_MPS = 1.0  # a plan slower than the car by more is no matter of comfort


class Comfort:
    """Bounds of a tick. Comfort never takes away what the plan needs: where it brakes or turns harder, or is slower than the car, comfort is over."""

    def __init__(self, limits: Limits, model: VehicleModel) -> None:
        self._limits, self._model = limits, model
        self._full = Bounds.of(limits)
        self._until_ns = 0

    def start(self, steady_ns: int) -> None:
        """Comfort begins."""
        self._until_ns = steady_ns + round(self._limits.engaging.seconds * 1e9)

    def end(self) -> Bounds:
        """Comfort is over: all that the limits allow."""
        self._until_ns = 0
        return self._full

    def bounds(self, steady_ns: int, ahead: PathPoint, speed_mps: float) -> Bounds:
        """Bounds at a tick; `ahead`: the plan where a command of now begins to act."""
        gentle = self._limits.engaging
        needs = (
            ahead.accel_mps2 < -gentle.accel_mps2
            or ahead.speed_mps < speed_mps - SPEED_GAP_MPS
            or abs(ahead.curvature_per_m) * speed_mps**2 > gentle.lateral_accel_mps2
        )
        if steady_ns >= self._until_ns or needs:
            return self.end()
        return Bounds(gentle.lateral_accel_mps2, max(self._full.accel_min_mps2, -gentle.accel_mps2), gentle.accel_mps2, gentle.jerk_mps3)
