"""Which encoding the pictures of the next request get: the best whose transfer leaves the plan period room. Deterministic; times are arguments.

Down at once, up slowly: two requests in a row that took too long lead to the first lower rung that should fit. A rung is tried again after there was
room for it for some seconds, and after each trial that failed, for twice as many.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from heron_core.ranges import check_ranges
from heron_remote.pictures import LOSSLESS as PIXELS

_SWITCHES_KEPT = 100


class Encoding(IntEnum):
    """A rung of the ladder; its value is the `quality` of `wire.pack_request`."""

    LOSSLESS = PIXELS
    JPEG_95 = 95
    JPEG_90 = 90
    JPEG_80 = 80
    JPEG_60 = 60


LADDER = (Encoding.LOSSLESS, Encoding.JPEG_95, Encoding.JPEG_90, Encoding.JPEG_80, Encoding.JPEG_60)
"""Best first."""

RELATIVE_SIZE: Mapping[Encoding, float] = {
    Encoding.LOSSLESS: 1.0,
    Encoding.JPEG_95: 0.112,
    Encoding.JPEG_90: 0.080,
    Encoding.JPEG_80: 0.057,
    Encoding.JPEG_60: 0.040,
}
"""Bytes of a rung over those of the pixels: medians over 28 road photographs at 448 x 448. Only a guess for rungs that were not tried of late."""


@dataclass(frozen=True)
class LadderSettings:
    """When the quality of the pictures changes.

    Attributes:
        start: rung before anything is known.
        best: no rung above it is tried.
        period_ms: between two plans.
        share: of the period that a request's transfer may take.
        room: part of that share which the next rung may be expected to take; below 1, so that a gap lies between up and down.
        violations: requests in a row over the share that lead down.
        up_s: how long there must be room before the first trial of a rung.
        up_max_s: the same after many failed trials; each doubles it, each that succeeds halves it.
        trial_s: a rung that is left sooner after a step up has failed.
        sizes: of how many requests the median is a rung's size.
        forget_s: sizes that are older are not believed: the scene has changed.
    """

    start: Encoding = Encoding.JPEG_80
    best: Encoding = Encoding.LOSSLESS
    period_ms: float = 100.0
    share: float = 0.4
    room: float = 0.8
    violations: int = 2
    up_s: float = 3.0
    up_max_s: float = 60.0
    trial_s: float = 30.0
    sizes: int = 9
    forget_s: float = 60.0

    def __post_init__(self) -> None:
        check_ranges(
            self,
            ("period_ms", 10.0, 2000.0),
            ("share", 0.05, 0.95),
            ("room", 0.1, 0.95),
            ("violations", 1, 20),
            ("up_max_s", 0.1, 600.0),
            ("up_s", 0.1, self.up_max_s),
            ("trial_s", 0.1, 600.0),
            ("sizes", 1, 1000),
            ("forget_s", 1.0, 3600.0),
        )
        if LADDER.index(self.start) < LADDER.index(self.best):
            raise ValueError(f"start = {self.start.name}, allowed {self.best.name} and below")


@dataclass(frozen=True)
class Switch:
    """A change of rung and its reason."""

    at_ns: int
    encoding: Encoding
    reason: str


class QualityLadder:
    """Chooses the encoding; `sent` for each request, then `arrived` or `missed`.

    A miss counts whatever its cause: a choked link looks like a cut one, and when it returns, small requests are the first to get through.

    `counts`: `up`, `down`, and `failed` trials.

    Attributes:
        encoding: for the next request.
        exhausted: even the last rung takes too long.
        switches: the last of them, oldest first.
    """

    def __init__(self, settings: LadderSettings | None = None) -> None:
        self.settings = settings or LadderSettings()
        self.counts: Counter[str] = Counter()
        self.encoding = self.settings.start
        self.exhausted = False
        self.switches: deque[Switch] = deque(maxlen=_SWITCHES_KEPT)
        self._limit_s = self.settings.share * self.settings.period_ms / 1e3
        self._sizes: dict[Encoding, deque[tuple[int, int]]] = {rung: deque(maxlen=self.settings.sizes) for rung in LADDER}
        self._wait_s = dict.fromkeys(LADDER, self.settings.up_s)  # rung → how long there must be room before it is tried
        self._violations = 0
        self._room_ns: int | None = None  # since when there is room for the next rung
        self._trial_ns: int | None = None  # when this rung was stepped up to, while it is on trial

    def sent(self, encoding: Encoding, wire_bytes: int, now_ns: int) -> None:
        """Learns the size of a request."""
        self._sizes[encoding].append((now_ns, wire_bytes))

    def arrived(self, encoding: Encoding, transfer_ns: int, bandwidth_bps: float | None, now_ns: int) -> None:
        """A request of that encoding was answered in time; see `link.Arrival` and `LinkHealth.bandwidth_bps`."""
        if encoding != self.encoding:  # sent before the last switch
            return
        self._pass_trial(now_ns)
        if transfer_ns / 1e9 > self._limit_s:
            self._violated(f"a transfer took {transfer_ns / 1e6:.0f} ms, allowed {self._limit_s * 1e3:.0f}", bandwidth_bps, now_ns)
            return
        self._violations = 0
        self.exhausted = False
        above = self._above()
        if above is None or not self._fits(above, bandwidth_bps, self.settings.room, now_ns):
            self._room_ns = None
            return
        if self._room_ns is None:
            self._room_ns = now_ns
        if now_ns - self._room_ns >= self._wait_s[above] * 1e9:
            self.counts["up"] += 1
            self._switch(above, f"room for it for {self._wait_s[above]:g} s", now_ns)
            self._trial_ns = now_ns

    def missed(self, encoding: Encoding, bandwidth_bps: float | None, now_ns: int) -> None:
        """A request of that encoding had no answer before its deadline."""
        if encoding == self.encoding:
            self._pass_trial(now_ns)
            self._violated("requests missed their deadline", bandwidth_bps, now_ns)

    def expected_bytes(self, encoding: Encoding, now_ns: int) -> float | None:
        """Median of the rung's recent sizes; for one without, scaled from the nearest that has some; None before the first request."""
        known = {rung: size for rung in LADDER if (size := self._median_bytes(rung, now_ns)) is not None}
        if not known:
            return None
        nearest = min(known, key=lambda rung: abs(LADDER.index(rung) - LADDER.index(encoding)))
        return known[nearest] * RELATIVE_SIZE[encoding] / RELATIVE_SIZE[nearest]

    def report(self) -> dict[str, Any]:
        """As it goes into the report."""
        counts = {name: self.counts[name] for name in ("up", "down", "failed")}
        return {"encoding": self.encoding.name.lower(), "exhausted": self.exhausted, **counts}

    def _violated(self, reason: str, bandwidth_bps: float | None, now_ns: int) -> None:
        self._violations += 1
        if self._violations < self.settings.violations:
            return
        below = LADDER[LADDER.index(self.encoding) + 1 :]
        if not below:
            self.exhausted = True
            return
        if self._trial_ns is not None:
            self.counts["failed"] += 1
            self._wait_s[self.encoding] = min(2 * self._wait_s[self.encoding], self.settings.up_max_s)
        self.counts["down"] += 1
        fitting = next((rung for rung in below if self._fits(rung, bandwidth_bps, 1.0, now_ns)), None)
        # Without a bandwidth nothing is known to fit; the next two requests lead on.
        self._switch(fitting or (below[0] if bandwidth_bps is None else below[-1]), reason, now_ns)

    def _pass_trial(self, now_ns: int) -> None:
        if self._trial_ns is not None and now_ns - self._trial_ns >= self.settings.trial_s * 1e9:
            self._trial_ns = None
            self._wait_s[self.encoding] = max(self._wait_s[self.encoding] / 2, self.settings.up_s)

    def _switch(self, encoding: Encoding, reason: str, now_ns: int) -> None:
        self.encoding = encoding
        self.switches.append(Switch(now_ns, encoding, reason))
        self._violations = 0
        self._room_ns = self._trial_ns = None

    def _above(self) -> Encoding | None:
        return None if self.encoding is self.settings.best else LADDER[LADDER.index(self.encoding) - 1]

    def _fits(self, encoding: Encoding, bandwidth_bps: float | None, room: float, now_ns: int) -> bool:
        size = self.expected_bytes(encoding, now_ns)
        return size is not None and bandwidth_bps is not None and 8 * size / bandwidth_bps <= room * self._limit_s

    def _median_bytes(self, encoding: Encoding, now_ns: int) -> float | None:
        recent = [size for at_ns, size in self._sizes[encoding] if now_ns - at_ns <= self.settings.forget_s * 1e9]
        return float(np.median(recent)) if recent else None
