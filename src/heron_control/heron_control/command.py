"""What control asks of the car at one tick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """What the command frames say.

    Attributes:
        steer_rad: road-wheel angle, left positive.
        accel_mps2: longitudinal acceleration.
        steer_request: the car shall follow the angle.
        accel_request: the car shall follow the acceleration; False while the driver's foot is on the throttle.
        hold: once the car stands, it shall stay.
    """

    steer_rad: float
    accel_mps2: float
    steer_request: bool
    accel_request: bool
    hold: bool = False

    @property
    def request(self) -> bool:
        """The car shall follow in any way."""
        return self.steer_request or self.accel_request
