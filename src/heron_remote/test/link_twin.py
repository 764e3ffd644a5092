"""A simulated pair of clocks and the link between them, with the truth known; seeded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

MS = 1_000_000
SECOND = 1_000_000_000
START_NS = 1_763_800_000_000_000_000
"""A wall clock's size, so that a lost nanosecond of float64 would show."""


@dataclass(frozen=True)
class Exchange:
    """The four stamps of a ping, the true offset when it was over, and by how much its two ways were longer than the shortest."""

    t1_ns: int
    t2_ns: int
    t3_ns: int
    t4_ns: int
    offset_ns: int
    excess_ns: int

    @property
    def stamps(self) -> tuple[int, int, int, int]:
        return self.t1_ns, self.t2_ns, self.t3_ns, self.t4_ns


@dataclass(frozen=True)
class Step:
    """A clock that is set: seconds after the start, by how much, whose."""

    at_s: float
    step_ns: int
    side: Literal["vehicle", "server"]


@dataclass(frozen=True)
class ClockTwin:
    """Two clocks joined by a link.

    Attributes:
        there_ms, back_ms: least delay of the two ways.
        jitter_there_ms, jitter_back_ms: mean of the exponential waiting on each.
        tail: share of the messages that wait `tail_ms` x a Pareto variate of shape 1.5 more (no mean to speak of).
        loss: share of the exchanges that are lost.
        drift_ppm: the server's clock against the vehicle's.
    """

    there_ms: float = 0.2
    back_ms: float = 0.2
    jitter_there_ms: float = 0.1
    jitter_back_ms: float = 0.1
    tail: float = 0.0
    tail_ms: float = 5.0
    loss: float = 0.0
    drift_ppm: float = 0.0
    offset_ns: int = 123_456_789
    rate_hz: float = 10.0

    def exchanges(self, seconds: float, seed: int, steps: tuple[Step, ...] = ()) -> list[Exchange]:
        """What arrives at the vehicle, in the order of arrival."""
        random = np.random.default_rng(seed)
        arrived: list[tuple[int, Exchange]] = []
        for index in range(int(seconds * self.rate_hz)):
            there_ns, back_ns = (self._way(random, least, mean) for least, mean in self._ways())
            held_ns = int(random.uniform(0.02e6, 0.3e6))
            sent = round(index / self.rate_hz * 1e9)  # true time; the vehicle's clock runs truly but for its steps
            reached, left = sent + there_ns, sent + there_ns + held_ns
            back = left + back_ns
            excess_ns = there_ns + back_ns - round((self.there_ms + self.back_ms) * 1e6)
            stamps = self._vehicle(sent, steps), self._server(reached, steps), self._server(left, steps), self._vehicle(back, steps)
            if random.random() >= self.loss:
                arrived.append((back, Exchange(*stamps, self._server(back, steps) - self._vehicle(back, steps), excess_ns)))
        return [exchange for _, exchange in sorted(arrived, key=lambda item: item[0])]

    def _ways(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return (self.there_ms, self.jitter_there_ms), (self.back_ms, self.jitter_back_ms)

    def _way(self, random: np.random.Generator, least_ms: float, mean_ms: float) -> int:
        wait_ms = random.exponential(mean_ms) if mean_ms else 0.0
        if random.random() < self.tail:
            wait_ms += self.tail_ms * (1.0 + random.pareto(1.5))
        return round((least_ms + wait_ms) * 1e6)

    def _vehicle(self, true_ns: int, steps: tuple[Step, ...]) -> int:
        return START_NS + true_ns + _stepped(true_ns, steps, "vehicle")

    def _server(self, true_ns: int, steps: tuple[Step, ...]) -> int:
        return START_NS + true_ns + self.offset_ns + round(true_ns * self.drift_ppm / 1e6) + _stepped(true_ns, steps, "server")


def _stepped(true_ns: int, steps: tuple[Step, ...], side: str) -> int:
    return sum(step.step_ns for step in steps if step.side == side and true_ns >= step.at_s * 1e9)
