"""The requests of one vehicle: what becomes of them, and which quality their pictures get. Several threads ask at a time."""

from __future__ import annotations

import threading
from typing import Any

from heron_remote.link import LinkDiagnosis, LinkHealth
from heron_remote.quality import LADDER, Encoding, LadderSettings, QualityLadder


class Traffic:
    """Book-keeping of the link and the ladder of qualities behind one lock. Times are nanoseconds on the vehicle's steady clock.

    Args:
        quality: of the pictures, see `wire.pack_request`; where it adapts, the best that is tried.
        adaptive: the quality follows the link.
    """

    def __init__(self, quality: int, adaptive: bool) -> None:
        self._lock = threading.Lock()
        self._health = LinkHealth()
        self._quality = quality
        best = Encoding.LOSSLESS if quality == Encoding.LOSSLESS else max((rung for rung in LADDER if 0 < rung <= quality), default=LADDER[-1])
        start = best if LADDER.index(best) > LADDER.index(LadderSettings.start) else LadderSettings.start
        self._ladder = QualityLadder(LadderSettings(start=start, best=best)) if adaptive else None
        self._encodings: dict[int, Encoding] = {}  # of requests that are under way

    def quality(self) -> int:
        """For the next request."""
        with self._lock:
            return self._quality if self._ladder is None else int(self._ladder.encoding)

    def sent(self, number: int, quality: int, now_ns: int, deadline_ns: int, wire_bytes: int) -> None:
        """A request was sent."""
        with self._lock:
            self._health.sent(number, now_ns, deadline_ns, wire_bytes)
            if self._ladder is not None:
                self._encodings[number] = Encoding(quality)
                self._ladder.sent(Encoding(quality), wire_bytes, now_ns)

    def answered(self, number: int, now_ns: int, held_ns: int, age_ns: int, wire_bytes: int) -> None:
        """Its answer came; see `LinkHealth.answered`."""
        with self._lock:
            self._missed(now_ns)
            arrival = self._health.answered(number, now_ns, held_ns, age_ns, wire_bytes)
            encoding = self._encodings.pop(number, None)
            if self._ladder is None or encoding is None or arrival is None or arrival.late or arrival.transfer_ns is None:
                return
            self._ladder.arrived(encoding, arrival.transfer_ns, self._health.bandwidth_bps(), now_ns)

    def pong(self, now_ns: int, round_trip_ns: int, wire_bytes: int) -> None:
        """A ping came back; see `LinkHealth.pong`."""
        with self._lock:
            self._health.pong(now_ns, round_trip_ns, wire_bytes)

    def diagnosis(self, now_ns: int) -> LinkDiagnosis:
        """How the link does now."""
        with self._lock:
            self._missed(now_ns)
            found = self._health.diagnosis(now_ns)
            if self._ladder is None:
                return found
            return LinkDiagnosis(found.level, f"{found.text}; pictures {self._ladder.report()['encoding']}")

    def report(self, now_ns: int) -> dict[str, Any]:
        """As it goes into the report of the run."""
        with self._lock:
            self._missed(now_ns)
            ladder = {} if self._ladder is None else {"pictures": self._ladder.report()}
            return {**self._health.report(), **ladder}

    def _missed(self, now_ns: int) -> None:
        for number in self._health.poll(now_ns):
            encoding = self._encodings.pop(number, None)
            if self._ladder is not None and encoding is not None:
                self._ladder.missed(encoding, self._health.bandwidth_bps(), now_ns)
