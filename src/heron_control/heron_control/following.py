"""Does the car do what it is told? Commanded, delayed as the actuators delay, against measured."""

from __future__ import annotations

from heron_control.actuator import Actuator
from heron_control.ladder import Reason
from heron_core.limits import FollowingLimits
from heron_core.vehicle_model import VehicleModel

SPEED_FILTER_S = 0.3  # a derivative of a wheel speed needs it; the expected acceleration goes through the same
MIN_SPEED_MPS = 1.0  # below it the brake holds the car, whatever is asked


class _Timer:
    """How long an error has lasted without a break."""

    def __init__(self, bound: float, longest_s: float) -> None:
        self._bound, self._longest_s = bound, longest_s
        self._for_s = 0.0

    def reset(self) -> None:
        self._for_s = 0.0

    def over(self, error: float, dt_s: float) -> bool:
        self._for_s = self._for_s + dt_s if abs(error) > self._bound else 0.0
        return self._for_s > self._longest_s + 1e-9


class SteerFollowing:
    """Road-wheel angle: commanded against measured."""

    def __init__(self, limits: FollowingLimits, model: VehicleModel) -> None:
        self._expected = Actuator(model.steer_dead_s, model.steer_lag_s)
        self._timer = _Timer(limits.steer_error_rad, limits.steer_error_s)
        self._running = False

    def update(self, commanded_rad: float | None, measured_rad: float | None, dt_s: float) -> Reason | None:
        """One tick; `commanded_rad` None: nothing is asked. Returns the fault."""
        if commanded_rad is None or measured_rad is None:
            self._running = False
            self._timer.reset()
            return None
        if not self._running:
            self._expected.reset(measured_rad, measured_rad)
            self._running = True
        expected = _step(self._expected, commanded_rad, dt_s)
        if self._timer.over(expected - measured_rad, dt_s):
            return Reason("steer_following", f"the steering does not follow: {measured_rad:.3f} rad instead of {expected:.3f}")
        return None


class AccelFollowing:
    """Acceleration: commanded against the change of speed, which a slope does not bend as it bends an accelerometer."""

    def __init__(self, limits: FollowingLimits, model: VehicleModel) -> None:
        self._expected = Actuator(model.accel_dead_s, model.accel_lag_s)
        self._smooth = Actuator(0.0, SPEED_FILTER_S)
        self._measured = Actuator(0.0, SPEED_FILTER_S)
        self._timer = _Timer(limits.accel_error_mps2, limits.accel_error_s)
        self._speed: float | None = None

    def update(self, commanded_mps2: float | None, speed_mps: float | None, dt_s: float) -> Reason | None:
        """One tick; `commanded_mps2` None: nothing is asked. Returns the fault."""
        if commanded_mps2 is None or speed_mps is None or speed_mps < MIN_SPEED_MPS or dt_s <= 0.0:
            self._speed = None
            self._timer.reset()
            return None
        if self._speed is None:  # what the car does now is not known yet: both start alike
            for part in (self._expected, self._smooth, self._measured):
                part.reset(commanded_mps2, commanded_mps2)
            self._speed = speed_mps
            return None
        expected = _step(self._smooth, _step(self._expected, commanded_mps2, dt_s), dt_s)
        measured = _step(self._measured, (speed_mps - self._speed) / dt_s, dt_s)
        self._speed = speed_mps
        if self._timer.over(expected - measured, dt_s):
            return Reason("accel_following", f"the car does not follow: {measured:.1f} m/s² instead of {expected:.1f}")
        return None


def _step(actuator: Actuator, command: float, dt_s: float) -> float:
    """What was asked before acts for one more tick; from now on `command` is asked."""
    actuator.advance(dt_s)
    actuator.sent(command)
    return actuator.value
