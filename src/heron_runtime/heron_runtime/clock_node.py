"""Publishes the one clock on /clock, so that tools with use_sim_time see a replay's time."""

from __future__ import annotations

from dataclasses import dataclass

from heron_runtime.node import HeronNode


@dataclass(frozen=True)
class ClockConfig:
    """Parameters of the clock component.

    Attributes:
        rate_hz: messages per second.
    """

    rate_hz: float = 100.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.rate_hz <= 1000.0:
            raise ValueError(f"rate_hz is {self.rate_hz}, allowed: 1 to 1000")


class ClockNode(HeronNode):
    """The clock of a replay; there must be no other on the domain."""

    NAME, Config = "clock", ClockConfig

    def setup(self) -> None:
        """One timer."""
        clock = self.advertise("/clock")
        self.every(round(1e9 / self.config.rate_hz), lambda: clock.publish(self.now_ns()))
