"""How the link to the server does: answers, losses, ages, round trips, bandwidth. Times are arguments, on the vehicle's steady clock."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from heron_core.ranges import check_ranges
from heron_runtime.diagnostics import ERROR, OK, WARN
from heron_runtime.tracing import percentiles

_CHANGES_KEPT = 100
_NS_PER_MS = 1e6


@dataclass(frozen=True)
class LinkSettings:
    """What is remembered of a link, and when it is in trouble.

    Attributes:
        window_s: time over which shares, the least round trip and the percentiles of a diagnosis are taken.
        kept: measurements of each kind that are remembered; the report's percentiles are over these.
        silence_s: a server that was not heard for longer is not connected.
        large_bytes: requests below tell nothing about bandwidth, which jitter would hide.
        transfer_floor_ms: a transfer is taken to last at least this long, so the estimate has a ceiling instead of dividing by nothing.
        bandwidth_samples: large requests whose median is the bandwidth.
        missed_warn, missed_error: share of requests without an answer before their deadline, from which on a diagnosis says so.
        age_warn_ms, age_error_ms: the same for the 99th percentile of a plan's age when it arrives.
    """

    window_s: float = 10.0
    kept: int = 2000
    silence_s: float = 0.5
    large_bytes: int = 50_000
    transfer_floor_ms: float = 0.2
    bandwidth_samples: int = 9
    missed_warn: float = 0.02
    missed_error: float = 0.2
    age_warn_ms: float = 300.0
    age_error_ms: float = 500.0

    def __post_init__(self) -> None:
        check_ranges(
            self,
            ("window_s", 1.0, 300.0),
            ("kept", 100, 1_000_000),
            ("silence_s", 0.05, 10.0),
            ("large_bytes", 1_000, 10_000_000),
            ("transfer_floor_ms", 0.01, 10.0),
            ("bandwidth_samples", 1, 1_000),
            ("missed_error", 0.0, 1.0),
            ("missed_warn", 0.0, self.missed_error),
            ("age_error_ms", 1.0, 60_000.0),
            ("age_warn_ms", 1.0, self.age_error_ms),
        )


@dataclass(frozen=True)
class Arrival:
    """What one answer tells.

    Attributes:
        late: its deadline had passed.
        transfer_ns: time on the wire beyond the least round trip; None while no round trip is known.
    """

    late: bool
    transfer_ns: int | None


@dataclass(frozen=True)
class LinkChange:
    """The server came within reach, or was lost."""

    at_ns: int
    connected: bool


@dataclass(frozen=True)
class LinkDiagnosis:
    """One line for `/diagnostics`; `level` is one of `heron_runtime.diagnostics`."""

    level: int
    text: str


@dataclass(slots=True)
class _Asked:
    """A request and what became of it."""

    sent_ns: int
    deadline_ns: int
    wire_bytes: int
    decided_ns: int = 0
    missed: bool = False
    answered: bool = False


@dataclass(frozen=True, slots=True)
class _Measured:
    at_ns: int
    value: float


class LinkHealth:
    """Book-keeping of one link.

    `counts` only grow: `requests`, `answers` (in time or late), `missed` (no answer before the deadline), `late` (of these, answered after it; the
    others are lost), `duplicated` and `unknown` answers, `bytes_sent`, `bytes_received`, `connects`, `cuts`.

    Attributes:
        connected: the server was heard within `silence_s`, as of the last `poll`.
        answered_ns: when the last answer came.
        changes: the last changes of `connected`, oldest first.
    """

    def __init__(self, settings: LinkSettings | None = None) -> None:
        self.settings = settings or LinkSettings()
        self.counts: Counter[str] = Counter()
        self.connected = False
        self.answered_ns: int | None = None
        self.changes: deque[LinkChange] = deque(maxlen=_CHANGES_KEPT)
        self._window_ns = round(self.settings.window_s * 1e9)
        self._heard_ns: int | None = None
        self._open: dict[int, _Asked] = {}  # those that an answer may still name
        self._decided: deque[_Asked] = deque()  # answered in time or missed, within the window
        self._round_trips_ms: deque[_Measured] = deque(maxlen=self.settings.kept)
        self._answers_ms: deque[_Measured] = deque(maxlen=self.settings.kept)
        self._ages_ms: deque[_Measured] = deque(maxlen=self.settings.kept)
        self._bandwidths_bps: deque[float] = deque(maxlen=self.settings.bandwidth_samples)

    def wrote(self, wire_bytes: int) -> None:
        """Something that is no request was sent."""
        self.counts["bytes_sent"] += wire_bytes

    def heard(self, now_ns: int, wire_bytes: int) -> None:
        """Something authentic that is neither answer nor pong came from the server."""
        self.counts["bytes_received"] += wire_bytes
        self._heard_ns = now_ns
        if not self.connected:
            self._change(now_ns, connected=True)

    def pong(self, now_ns: int, round_trip_ns: int, wire_bytes: int) -> None:
        """A small message went there and back; `round_trip_ns` without the time that the server held it."""
        self.heard(now_ns, wire_bytes)
        self._round_trips_ms.append(_Measured(now_ns, round_trip_ns / _NS_PER_MS))

    def sent(self, number: int, now_ns: int, deadline_ns: int, wire_bytes: int) -> None:
        """A request was sent."""
        self.counts["requests"] += 1
        self.wrote(wire_bytes)
        self._open[number] = _Asked(now_ns, deadline_ns, wire_bytes)

    def answered(self, number: int, now_ns: int, held_ns: int, age_ns: int, wire_bytes: int) -> Arrival | None:
        """An answer came.

        Args:
            number: of its request.
            now_ns: when.
            held_ns: from the arrival of the request at the server until it sent the answer, on its own clock.
            age_ns: of the plan on its arrival, from the exposure on.
            wire_bytes: of the answer.

        Returns:
            What it tells; None: it was answered before, or nobody asked (any more), and it is counted.
        """
        self.heard(now_ns, wire_bytes)
        self.poll(now_ns)
        asked = self._open.get(number)
        if asked is None or asked.answered:
            self.counts["unknown" if asked is None else "duplicated"] += 1
            return None
        asked.answered = True
        self.answered_ns = now_ns
        self.counts["answers"] += 1
        if asked.missed:
            self.counts["late"] += 1
        else:
            self._decide(asked, now_ns)
        self._answers_ms.append(_Measured(now_ns, (now_ns - asked.sent_ns) / _NS_PER_MS))
        self._ages_ms.append(_Measured(now_ns, age_ns / _NS_PER_MS))
        transfer_ns = self._transfer_ns(now_ns, now_ns - asked.sent_ns - held_ns)
        if transfer_ns is not None and asked.wire_bytes >= self.settings.large_bytes:
            lasted_s = max(transfer_ns / 1e9, self.settings.transfer_floor_ms / 1e3)
            self._bandwidths_bps.append(8 * (asked.wire_bytes + wire_bytes) / lasted_s)
        return Arrival(asked.missed, transfer_ns)

    def poll(self, now_ns: int) -> tuple[int, ...]:
        """Lets time pass: finds out about silence and deadlines; returns the requests that have missed theirs since the last call."""
        if self.connected and self._heard_ns is not None and now_ns - self._heard_ns > self.settings.silence_s * 1e9:
            self._change(now_ns, connected=False)
        missed = []
        for number, asked in list(self._open.items()):
            if now_ns > asked.deadline_ns and not asked.answered and not asked.missed:
                asked.missed = True
                self.counts["missed"] += 1
                self._decide(asked, now_ns)
                missed.append(number)
            if now_ns - asked.deadline_ns > self._window_ns:
                del self._open[number]
        while self._decided and now_ns - self._decided[0].decided_ns > self._window_ns:
            self._decided.popleft()
        return tuple(missed)

    def missed_share(self) -> float:
        """Share without an answer before the deadline, of the requests of the window; 0 of none."""
        return self._share([asked.missed for asked in self._decided])

    def loss_share(self) -> float:
        """Share without any answer so far, of the requests of the window; 0 of none."""
        return self._share([not asked.answered for asked in self._decided])

    def bandwidth_bps(self) -> float | None:
        """Median of bits per time on the wire beyond the least round trip, over the last large requests; None before the first.

        What the requests get, protocol and serialisation included: less than the wire's. At most `large_bytes` in `transfer_floor_ms` is measurable.
        """
        return float(np.median(self._bandwidths_bps)) if self._bandwidths_bps else None

    def report(self) -> dict[str, Any]:
        """As it goes into the report: counts, shares, `{"p50", "p99"}` of each time, bandwidth; what is not known is left out."""
        names = ("requests", "answers", "late", "missed", "duplicated", "unknown", "bytes_sent", "bytes_received", "connects", "cuts")
        report: dict[str, Any] = {name: self.counts[name] for name in names}
        report["lost"] = self.counts["missed"] - self.counts["late"]
        report["connected"] = self.connected
        report["missed_share"], report["loss_share"] = round(self.missed_share(), 4), round(self.loss_share(), 4)
        for name, kept in (("round_trip_ms", self._round_trips_ms), ("answer_ms", self._answers_ms), ("age_ms", self._ages_ms)):
            if kept:
                report[name] = percentiles([measured.value for measured in kept])
        bandwidth_bps = self.bandwidth_bps()
        if bandwidth_bps is not None:
            report["bandwidth_mbps"] = round(bandwidth_bps / 1e6, 1)
        return report

    def diagnosis(self, now_ns: int) -> LinkDiagnosis:
        """How the link does, over the window."""
        if not self.connected:
            since = "never heard" if self._heard_ns is None else f"silent for {(now_ns - self._heard_ns) / 1e9:.1f} s"
            return LinkDiagnosis(ERROR, f"server {since}")
        missed, lost = self.missed_share(), self.loss_share()
        ages, trips = self._recent(self._ages_ms, now_ns), self._recent(self._round_trips_ms, now_ns)
        level = _graded(missed, self.settings.missed_warn, self.settings.missed_error)
        said = [f"{missed:.1%} of the answers missed their deadline, {lost:.1%} never came"]
        if ages:
            age = percentiles(ages)
            level = max(level, _graded(age["p99"], self.settings.age_warn_ms, self.settings.age_error_ms))
            said.append(f"age p50 {age['p50']:.0f} ms, p99 {age['p99']:.0f} ms")
        if trips:
            said.append(f"round trip p50 {percentiles(trips)['p50']:.1f} ms")
        bandwidth_bps = self.bandwidth_bps()
        if bandwidth_bps is not None:
            said.append(f"{bandwidth_bps / 1e6:.0f} Mbit/s")
        return LinkDiagnosis(level, "; ".join(said))

    def _change(self, now_ns: int, *, connected: bool) -> None:
        self.connected = connected
        self.counts["connects" if connected else "cuts"] += 1
        self.changes.append(LinkChange(now_ns, connected))

    def _decide(self, asked: _Asked, now_ns: int) -> None:
        asked.decided_ns = now_ns
        self._decided.append(asked)

    def _transfer_ns(self, now_ns: int, on_the_wire_ns: int) -> int | None:
        trips_ms = self._recent(self._round_trips_ms, now_ns)
        return max(0, on_the_wire_ns - round(min(trips_ms) * _NS_PER_MS)) if trips_ms else None

    def _recent(self, kept: deque[_Measured], now_ns: int) -> list[float]:
        recent = []
        for measured in reversed(kept):
            if now_ns - measured.at_ns > self._window_ns:
                break
            recent.append(measured.value)
        return recent

    @staticmethod
    def _share(flags: list[bool]) -> float:
        return sum(flags) / len(flags) if flags else 0.0


def _graded(value: float, warn: float, error: float) -> int:
    return ERROR if value >= error else WARN if value >= warn else OK
