"""Requests with pictures over a simulated link of known bandwidth, with `LinkHealth` and `QualityLadder` at the sender's end; seeded."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from link_twin import MS

from heron_remote.link import LinkHealth
from heron_remote.quality import LADDER, Encoding, QualityLadder

PIXELS_BYTES = 7 * 3 * 448 * 448
TRUE_SIZE = dict(zip(LADDER, (1.0, 0.13, 0.09, 0.06, 0.045), strict=True))
"""Of what the ladder does not know: its own table only guesses."""


@dataclass
class RequestTwin:
    """One request a period; the link carries one after the other.

    Attributes:
        mbps: bandwidth at a time in seconds; 0: nothing passes.
        stalls: share of the requests that wait for a retransmission, exponential of mean `stall_ms`.
        loss: share of the requests that never arrive.
        spread: standard deviation of a request's size over its mean.
    """

    mbps: Callable[[float], float]
    stalls: float = 0.0
    stall_ms: float = 15.0
    loss: float = 0.0
    spread: float = 0.05
    seed: int = 0
    ladder: QualityLadder = field(default_factory=QualityLadder)
    link: LinkHealth = field(default_factory=LinkHealth)
    rungs: list[Encoding] = field(default_factory=list)

    def run(self, seconds: int, period_ms: int = 100, deadline_ms: int = 300, held_ms: int = 30, round_trip_ms: float = 0.8) -> RequestTwin:
        """Drives for so long, after what was driven before; `rungs` holds the encoding of each request."""
        random = np.random.default_rng(self.seed)
        free_ns, encodings = 0, dict[int, Encoding]()
        events: list[tuple[int, int]] = []  # (when, number of the answer)
        for number in range(seconds * 1000 // period_ms):
            now_ns = number * period_ms * MS
            while events and events[0][0] <= now_ns:
                at_ns, answer = heapq.heappop(events)
                self._poll(at_ns, encodings)
                told = self.link.answered(answer, at_ns, held_ms * MS, at_ns - answer * period_ms * MS + 40 * MS, 2_000)
                if told and not told.late and told.transfer_ns is not None:
                    self.ladder.arrived(encodings[answer], told.transfer_ns, self.link.bandwidth_bps(), at_ns)
            self._poll(now_ns, encodings)
            mbps = self.mbps(now_ns / 1e9)
            if mbps:
                queue_ms = max(0, free_ns - now_ns) / MS
                if queue_ms < period_ms:
                    self.link.pong(now_ns, round((round_trip_ms + queue_ms + random.exponential(0.1)) * MS), 100)
            encodings[number] = rung = self.ladder.encoding
            self.rungs.append(rung)
            size = round(PIXELS_BYTES * TRUE_SIZE[rung] * max(0.5, random.normal(1.0, self.spread)))
            self.ladder.sent(rung, size, now_ns)
            self.link.sent(number, now_ns, now_ns + deadline_ms * MS, size)
            if not mbps or random.random() < self.loss or free_ns - now_ns > 2 * period_ms * MS:
                continue  # newest only: what waits too long is dropped before it costs the link anything
            stall_ns = random.exponential(self.stall_ms) * MS if random.random() < self.stalls else 0.0
            free_ns = max(free_ns, now_ns) + round(size * 8 / mbps * 1e3 + stall_ns)
            heapq.heappush(events, (free_ns + round((round_trip_ms + held_ms) * MS), number))
        return self

    def _poll(self, now_ns: int, encodings: dict[int, Encoding]) -> None:
        for number in self.link.poll(now_ns):
            self.ladder.missed(encodings[number], self.link.bandwidth_bps(), now_ns)
