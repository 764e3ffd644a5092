"""What the server's clock shows, seen from the vehicle: offset and drift from pings, with a bound on the error; no clock is read here.

One exchange has four stamps: a ping leaves the vehicle (t1) and reaches the server (t2), the pong leaves the server (t3) and reaches the vehicle
(t4). As in RFC 5905 section 8, with offset = server − vehicle:

    offset = ((t2 − t1) + (t3 − t4)) / 2        round trip = (t4 − t1) − (t3 − t2)

Neither way takes less than no time, so the true offset lies in [t3 − t4, t2 − t1], which is the offset ± half the round trip (Cristian 1989,
"Probabilistic clock synchronization"). Two things are made of it:

- a *bound*: the intersection of all these intervals, each widened with its age by the drift that clocks are allowed (as the dispersion of RFC 5905,
  section 10; a set-membership filter). The truth lies in it as long as no clock is set.
- a *line* through the exchanges of least delay, whose offset is the least disturbed (minimum filter of RFC 5905, section 10): see `offset_line`.

The estimate is the line, kept inside the bound. A clock that was set shows at the first exchange whose interval misses the bound, or whose distance
from the line is more than the delays of both explain.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass

from heron_core.ranges import check_ranges
from heron_remote.offset_line import Exchange, OffsetLine, fit_line

PPM = 1_000_000


@dataclass(frozen=True)
class ClockSettings:
    """How two clocks are compared.

    Attributes:
        window_s: exchanges that the line is drawn through; measured at 5 to 10 of them per second.
        slots: parts of the window; each gives its least delayed exchange.
        drift_span_s: exchanges closer together than this in time tell nothing about drift; until then it is 0.
        drift_max_ppm: the most that the clocks drift against each other; 500 is MAXFREQ of RFC 5905, what a disciplined clock may be slewed by.
        tolerance_ms: distance from the line that needs no explanation: delays that the window's least delayed exchange had too.
        settle_exchanges: exchanges that agree with each other before a clock is believed, at the start and after a jump.
        silence_s: an estimate whose last exchange is older is no longer given.
    """

    window_s: float = 10.0
    slots: int = 20
    drift_span_s: float = 3.0
    drift_max_ppm: float = 500.0
    tolerance_ms: float = 2.0
    settle_exchanges: int = 5
    silence_s: float = 30.0

    def __post_init__(self) -> None:
        check_ranges(
            self,
            ("window_s", 2.0, 120.0),
            ("slots", 4, 60),
            ("drift_span_s", 0.5, self.window_s / 2),
            ("drift_max_ppm", 1.0, 5000.0),
            ("tolerance_ms", 0.1, 20.0),
            ("settle_exchanges", 2, 100),
            ("silence_s", 1.0, 300.0),
        )


@dataclass(frozen=True)
class ClockEstimate:
    """How the server's clock stands to the vehicle's at one moment.

    Attributes:
        offset_ns: server − vehicle.
        drift_ppm: nanoseconds that the offset grows in a millisecond of the vehicle's clock; 0 while the exchanges cannot tell it from none.
        uncertainty_ns: the true offset lies within `offset_ns` ± this: distance to the far end of the bound, plus the line's median residual.
        round_trip_ns: least round trip in the window.
    """

    offset_ns: int
    drift_ppm: float
    uncertainty_ns: int
    round_trip_ns: int


@dataclass(frozen=True)
class ClockJump:
    """A clock that was set.

    Attributes:
        at_ns: the vehicle's clock when it was seen (t4).
        step_ns: by how much the offset seems to have changed; 0 where the exchange itself is impossible.
        reason: in words.
    """

    at_ns: int
    step_ns: int
    reason: str


class ClockFilter:
    """Takes exchanges in the order in which their pongs arrive; answers what the other clock shows, or None while it does not know.

    `counts` holds `exchanges`, `duplicated` and `jumps`. A step that the delays or `tolerance_ms` explain is not seen: the estimate may then be wrong
    by its size until the allowed drift has covered it. Nor can any exchange tell of a step before it arrives: who sees the vehicle's own clock being
    set says so by `distrust`.
    """

    def __init__(self, settings: ClockSettings | None = None) -> None:
        self.settings = settings or ClockSettings()
        self.counts: Counter[str] = Counter()
        self._window_ns = round(self.settings.window_s * 1e9)
        self._drift_span_ns = round(self.settings.drift_span_s * 1e9)
        self._tolerance_ns = round(self.settings.tolerance_ms * 1e6)
        self._forget()

    @property
    def settled(self) -> bool:
        """Whether enough exchanges in a row agreed."""
        return self._agreeing >= self.settings.settle_exchanges

    def add(self, t1_ns: int, t2_ns: int, t3_ns: int, t4_ns: int) -> ClockJump | None:
        """Takes one exchange: t1 and t4 on the vehicle's clock, t2 and t3 on the server's. Returns the jump that it shows, if any."""
        self.counts["exchanges"] += 1
        if (t1_ns, t2_ns) in self._pings:
            self.counts["duplicated"] += 1
            return None
        impossible = self._impossible(t1_ns, t2_ns, t3_ns, t4_ns)
        if impossible:
            self._forget()
            return self._jumped(ClockJump(t4_ns, 0, impossible))
        half_drift_ns = self._drift_ns(t4_ns - t1_ns) // 2 + 1  # the interval's ends were measured at the ends of the exchange, not at its middle
        new = Exchange((t1_ns + t4_ns) // 2, t3_ns - t4_ns - half_drift_ns, t2_ns - t1_ns + half_drift_ns, (t4_ns - t1_ns) - (t3_ns - t2_ns))
        jump = self._contradiction(new, t4_ns)
        if jump:
            self._forget()
        self._pings.append((t1_ns, t2_ns))
        self._take(new, t4_ns)
        return self._jumped(jump) if jump else None

    def distrust(self) -> None:
        """Forgets everything, as after a jump: for a step that was seen otherwise, or a server that started anew. Not counted."""
        self._forget()

    def estimate(self, now_ns: int) -> ClockEstimate | None:
        """The estimate at `now_ns` on the vehicle's clock; None until settled, and after a long silence."""
        line = self._line
        if line is None or not self.settled or not self._in_reach(now_ns):
            return None
        low_ns, high_ns = self._bound_at(now_ns)
        offset_ns = min(max(line.offset_at(now_ns), low_ns), high_ns)
        uncertainty_ns = max(high_ns - offset_ns, offset_ns - low_ns) + line.residual_ns
        return ClockEstimate(offset_ns, line.slope * PPM, uncertainty_ns, line.round_trip_ns)

    def to_server(self, vehicle_ns: int) -> int | None:
        """What the server's clock shows when the vehicle's shows `vehicle_ns`."""
        estimate = self.estimate(vehicle_ns)
        return None if estimate is None else vehicle_ns + estimate.offset_ns

    def to_vehicle(self, server_ns: int) -> int | None:
        """What the vehicle's clock shows when the server's shows `server_ns`."""
        if self._line is None:
            return None
        first = self.estimate(server_ns - self._line.offset_ns)  # the offset belongs to a moment of the vehicle's clock: one step towards it
        if first is None:
            return None
        second = self.estimate(server_ns - first.offset_ns)
        return None if second is None else server_ns - second.offset_ns

    def _forget(self) -> None:
        self._exchanges: deque[Exchange] = deque()
        self._pings: deque[tuple[int, int]] = deque(maxlen=32)
        self._arrived_ns: int | None = None
        self._bound: Exchange | None = None
        self._line: OffsetLine | None = None
        self._agreeing = 0

    def _jumped(self, jump: ClockJump) -> ClockJump:
        self.counts["jumps"] += 1
        return jump

    def _impossible(self, t1_ns: int, t2_ns: int, t3_ns: int, t4_ns: int) -> str:
        """Why no steady clocks can have shown these stamps; empty if they can."""
        if t4_ns < t1_ns:
            return f"the vehicle's clock went back {t1_ns - t4_ns} ns between ping and pong"
        if t3_ns < t2_ns:
            return f"the server's clock went back {t2_ns - t3_ns} ns between ping and pong"
        if t4_ns - t1_ns < t3_ns - t2_ns - self._drift_ns(t4_ns - t1_ns):
            return f"the server held a ping for {t3_ns - t2_ns} ns, and the vehicle had the pong after {t4_ns - t1_ns} ns"
        if self._arrived_ns is not None and t4_ns < self._arrived_ns:
            return f"the vehicle's clock went back {self._arrived_ns - t4_ns} ns between two pongs"
        return ""

    def _contradiction(self, new: Exchange, arrived_ns: int) -> ClockJump | None:
        """The jump without which `new` does not fit what came before."""
        if self._line is None or self._bound is None:
            return None
        step_ns = new.offset_ns - self._line.offset_at(new.at_ns)
        low_ns, high_ns = self._bound_at(new.at_ns)
        if new.low_ns > high_ns or new.high_ns < low_ns:
            return ClockJump(arrived_ns, step_ns, f"the offset changed by {step_ns} ns, more than any delay of {new.round_trip_ns} ns allows")
        if not self.settled:  # too few exchanges to know the least delay
            return None
        # Two exchanges of one path differ by at most half of what both waited beyond its least round trip. That itself is known the better, the less
        # the window's exchanges waited; half of their median stands for what is not known.
        least_ns = min(new.round_trip_ns, self._line.round_trip_ns)
        explained_ns = (new.round_trip_ns - least_ns + self._line.worst_round_trip_ns - least_ns) // 2
        usual_ns = (self._line.median_round_trip_ns - self._line.round_trip_ns) // 2
        drift_ns = self._drift_ns(new.at_ns - self._exchanges[-1].at_ns)
        allowed_ns = explained_ns + usual_ns + self._line.residual_ns + drift_ns + self._tolerance_ns
        if abs(step_ns) > allowed_ns:
            return ClockJump(arrived_ns, step_ns, f"the offset changed by {step_ns} ns, of which delay explains {explained_ns} ns")
        return None

    def _take(self, new: Exchange, arrived_ns: int) -> None:
        self._arrived_ns = arrived_ns
        newest_ns = max(new.at_ns, self._bound.at_ns) if self._bound else new.at_ns
        low_ns, high_ns = self._bound_at(newest_ns)
        age_drift_ns = self._drift_ns(newest_ns - new.at_ns)
        self._bound = Exchange(newest_ns, max(low_ns, new.low_ns - age_drift_ns), min(high_ns, new.high_ns + age_drift_ns), 0)
        self._exchanges.append(new)
        while self._exchanges[0].at_ns < newest_ns - self._window_ns:
            self._exchanges.popleft()
        self._line = fit_line(self._exchanges, self._window_ns // self.settings.slots, self._drift_span_ns, self.settings.drift_max_ppm / PPM)
        self._agreeing += 1

    def _bound_at(self, now_ns: int) -> tuple[int, int]:
        """(low, high) of the offset at `now_ns`: the bound, widened by the allowed drift since; unlimited while there is none."""
        if self._bound is None:
            return -(1 << 63), 1 << 63
        drift_ns = self._drift_ns(now_ns - self._bound.at_ns)
        return self._bound.low_ns - drift_ns, self._bound.high_ns + drift_ns

    def _drift_ns(self, elapsed_ns: int) -> int:
        """The most that the offset changes in a time."""
        return math.ceil(abs(elapsed_ns) * self.settings.drift_max_ppm / PPM)

    def _in_reach(self, now_ns: int) -> bool:
        return self._bound is not None and now_ns - self._bound.at_ns <= self.settings.silence_s * 1e9
