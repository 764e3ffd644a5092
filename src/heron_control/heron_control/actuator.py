"""What an actuator does now and will do once the commands that are on their way arrive."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

SHORTEST_S = 1e-9


class Actuator:
    """Dead time, then a first-order lag; driven with the commands that were really sent.

    Attributes:
        value: what the actuator does now, by this model.
        command: newest command sent; it begins to act `dead_s` after it was sent.
    """

    def __init__(self, dead_s: float, lag_s: float) -> None:
        self._dead_s, self._lag_s = dead_s, lag_s
        self.value = self.command = 0.0
        self._share = (math.nan, 0.0)
        self._coming: deque[tuple[float, float]] = deque()

    def reset(self, value: float, command: float) -> None:
        """As if `command` had been sent for longer than the dead time."""
        self.value, self.command = value, command
        self._coming = deque([(command, self._dead_s)])

    def sent(self, command: float) -> None:
        """What went out at this tick."""
        self.command = command

    def advance(self, dt_s: float) -> None:
        """Time passes since the last tick."""
        self._coming.append((self.command, dt_s))
        left = dt_s
        while left > SHORTEST_S and self._coming:
            command, lasts = self._coming[0]
            used = lasts if lasts < left else left
            self.value = self.follow(self.value, command, used)[0]
            left -= used
            if lasts - used > SHORTEST_S:
                self._coming[0] = (command, lasts - used)
            else:
                self._coming.popleft()

    def coming(self) -> Iterable[tuple[float, float]]:
        """(command, seconds): what acts from now until the dead time has passed."""
        return self._coming

    def follow(self, value: float, command: float, dt_s: float) -> tuple[float, float]:
        """Value after `dt_s` under one command, and its mean until then."""
        if self._lag_s <= 0.0 or dt_s <= 0.0:
            return command, command
        if dt_s != self._share[0]:  # ticks are mostly of one length
            self._share = dt_s, -math.expm1(-dt_s / self._lag_s)
        share = self._share[1]
        away = value - command
        return value - away * share, command + away * share * self._lag_s / dt_s
