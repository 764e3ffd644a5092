"""The offset between two clocks as a line in time, drawn through the exchanges that were delayed least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAD_TO_SIGMA = 1.4826  # of a normal distribution
SIGNIFICANT = 3.0  # standard errors


@dataclass(frozen=True, slots=True)
class Exchange:
    """One ping and its pong.

    Attributes:
        at_ns: their middle on the vehicle's clock.
        low_ns, high_ns: between them lies the offset (server − vehicle) at that time.
        round_trip_ns: without the time that the server held the ping.
    """

    at_ns: int
    low_ns: int
    high_ns: int
    round_trip_ns: int

    @property
    def offset_ns(self) -> int:
        """Middle of the interval."""
        return (self.low_ns + self.high_ns) // 2


@dataclass(frozen=True, slots=True)
class OffsetLine:
    """offset(t) = offset_ns + slope · (t − at_ns).

    Attributes:
        at_ns, offset_ns, slope: as above; `slope` is the drift.
        residual_ns: median distance of the exchanges that it was drawn through.
        round_trip_ns, worst_round_trip_ns: least and most of these.
        median_round_trip_ns: of all exchanges.
    """

    at_ns: int
    offset_ns: int
    slope: float
    residual_ns: int
    round_trip_ns: int
    worst_round_trip_ns: int
    median_round_trip_ns: int

    def offset_at(self, now_ns: int) -> int:
        """The offset at a time of the vehicle's clock."""
        return self.offset_ns + round(self.slope * (now_ns - self.at_ns))


def fit_line(exchanges: Sequence[Exchange], slot_ns: int, drift_span_ns: int, slope_max: float) -> OffsetLine:
    """The line through the least delayed exchange of each slot, the more delayed half of these left out.

    Args:
        exchanges: at least one, in any order.
        slot_ns: length of a slot.
        drift_span_ns: the slope is 0 unless they span as much.
        slope_max: the steepest slope.
    """
    newest_ns = max(exchange.at_ns for exchange in exchanges)
    best: dict[int, Exchange] = {}
    for exchange in exchanges:
        slot = (newest_ns - exchange.at_ns) // slot_ns
        if slot not in best or exchange.round_trip_ns < best[slot].round_trip_ns:
            best[slot] = exchange
    by_delay = sorted(best.values(), key=lambda exchange: exchange.round_trip_ns)
    chosen = by_delay[: (len(by_delay) + 1) // 2]
    base = chosen[0]
    # Relative to the least delayed one, so that float64 keeps every nanosecond.
    x_ns = np.array([exchange.at_ns - base.at_ns for exchange in chosen], dtype=np.float64)
    y_ns = np.array([exchange.offset_ns - base.offset_ns for exchange in chosen], dtype=np.float64)
    slope = _slope(x_ns, y_ns, slope_max) if np.ptp(x_ns) >= drift_span_ns else 0.0
    level_ns = float(np.median(y_ns - slope * x_ns))
    residual_ns = float(np.median(np.abs(y_ns - slope * x_ns - level_ns)))
    median_ns = float(np.median([exchange.round_trip_ns for exchange in exchanges]))
    least_ns, worst_ns = base.round_trip_ns, chosen[-1].round_trip_ns
    return OffsetLine(base.at_ns, base.offset_ns + round(level_ns), slope, round(residual_ns), least_ns, worst_ns, round(median_ns))


def _slope(x_ns: NDArray[np.float64], y_ns: NDArray[np.float64], most: float) -> float:
    """The median of the slopes of all pairs (Theil 1950, Sen 1968), which ignores up to 29 % of wild points; 0 where it cannot be told from none."""
    left, right = np.triu_indices(len(x_ns), k=1)
    slope = float(np.median((y_ns[right] - y_ns[left]) / (x_ns[right] - x_ns[left])))
    beside_ns = y_ns - slope * x_ns
    sigma_ns = MAD_TO_SIGMA * float(np.median(np.abs(beside_ns - np.median(beside_ns))))
    error = sigma_ns / float(np.sqrt(np.sum((x_ns - x_ns.mean()) ** 2)))  # standard error of the slope of a line
    return min(max(slope, -most), most) if abs(slope) >= SIGNIFICANT * error else 0.0
