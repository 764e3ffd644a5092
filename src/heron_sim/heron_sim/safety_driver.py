"""The scripted safety driver: engages with the car's buttons, takes a car that nobody drives to a standstill, and engages again."""

from __future__ import annotations

from heron_control.proving_ground.scripted_driver import BRAKE_MPS2, STANDING_MPS, Doing
from heron_core.signals import Engagement

FIRST_S = 0.5  # hands off until then
PRESS_S = 0.3
AGAIN_S = 1.0  # between two presses
STOOD_S = 1.0  # before the car is given away again
BRAKE = 0.3  # of the pedal
# What the driver presses when the display says so: a fault is acknowledged, what is ready or stopped is engaged.
BUTTONS = {
    Engagement.READY: "engage_button",
    Engagement.SOFT_STOP: "engage_button",
    Engagement.EMERGENCY: "engage_button",
    Engagement.FAULT: "cancel_button",
}
STOPPED = (Engagement.SOFT_STOP, Engagement.EMERGENCY)  # Heron holds the car, and does not go on by itself


class SafetyDriver:
    """What hands and feet do, from tick to tick.

    Attributes:
        presses: times that a button was pressed.
        engaged: times that the car began to follow Heron.
    """

    def __init__(self) -> None:
        self.presses = self.engaged = 0
        self._followed = False
        self._stood_since: float | None = None
        self._press: tuple[str, float] | None = None  # button, since when
        self._next_s = FIRST_S

    def step(self, time_s: float, speed_mps: float, followed: bool, display: Engagement) -> Doing:
        """One tick.

        Args:
            time_s: since the start, growing.
            speed_mps: of the car.
            followed: steering and brakes do what Heron asks.
            display: what the car shows about who drives.
        """
        if followed != self._followed:
            self._followed = followed
            self.engaged += followed
            self._next_s = time_s + (0.0 if followed else STOOD_S)
        standing = speed_mps < STANDING_MPS
        self._stood_since = None if not standing else time_s if self._stood_since is None else self._stood_since
        if followed and display not in STOPPED:
            self._press = None
            return Doing({}, None, False, ())
        signals = self._buttons(time_s, display)
        if self.engaged and not followed and not standing:  # it was given back while it moved
            return Doing({**signals, "brake": BRAKE, "brake_pressed": 1.0}, BRAKE * BRAKE_MPS2, False, ())
        return Doing(signals, None, False, ())

    def _buttons(self, time_s: float, display: Engagement) -> dict[str, float]:
        stood_s = None if self._stood_since is None else time_s - self._stood_since
        waits = self.engaged and (stood_s is None or stood_s < STOOD_S)
        button = BUTTONS.get(display)
        if button is not None and self._press is None and not waits and time_s >= self._next_s:
            self._press = button, time_s
            self._next_s = time_s + AGAIN_S
            self.presses += 1
        if self._press is not None and time_s - self._press[1] >= PRESS_S:
            self._press = None
        return {} if self._press is None else {self._press[0]: 1.0}
