"""What the car did in the last moments, sampled at the steps that a policy declares."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

import numpy as np
from numpy.typing import NDArray

from heron_core.vehicle import VehicleState
from heron_vla.contract import EgoHistorySpec

# A frame set may be this much newer than the newest vehicle state (100 Hz), which is then held; and two states may lie this far apart.
MAX_HOLD_NS = 20_000_000
MAX_GAP_NS = 100_000_000
MARGIN_NS = 2_000_000_000


class EgoHistory:
    """Collects vehicle states; gives the table at a stamp, or the reason why there is none. Nothing is guessed."""

    def __init__(self, spec: EgoHistorySpec) -> None:
        self._spec = spec
        self._span_ns = round((spec.steps - 1) * spec.step_s * 1e9)
        self._stamps: deque[int] = deque()
        self._rows: deque[tuple[float | None, ...]] = deque()

    def add(self, state: VehicleState) -> None:
        """Appends a state; a step back in time forgets what was before."""
        if self._stamps and state.stamp_ns <= self._stamps[-1]:
            self._stamps.clear()
            self._rows.clear()
        self._stamps.append(state.stamp_ns)
        self._rows.append(tuple(state.valid_value(name) for name in self._spec.columns))
        while self._stamps[0] < state.stamp_ns - self._span_ns - MARGIN_NS:
            self._stamps.popleft()
            self._rows.popleft()

    def at(self, stamp_ns: int) -> NDArray[np.float32] | str:
        """(steps, columns) float32, oldest first, the last row at `stamp_ns`; interpolated. Text: why there is none."""
        stamps = list(self._stamps)
        if not stamps:
            return "no vehicle state"
        if stamp_ns > stamps[-1] + MAX_HOLD_NS:
            return f"vehicle state ends {(stamp_ns - stamps[-1]) / 1e6:.0f} ms before the frame set"
        table = np.empty((self._spec.steps, len(self._spec.columns)), dtype=np.float32)
        for row in range(self._spec.steps):
            at_ns = stamp_ns - self._span_ns + round(row * self._spec.step_s * 1e9)
            values = self._sample(stamps, at_ns)
            if isinstance(values, str):
                return values
            table[row] = values
        return table

    def _sample(self, stamps: list[int], at_ns: int) -> list[float] | str:
        after = bisect_right(stamps, at_ns)
        if after == 0:
            return f"vehicle state begins {(stamps[0] - at_ns) / 1e6:.0f} ms after the first step"
        before = after - 1
        if after == len(stamps) or stamps[before] == at_ns:
            after = before
        gap_ns = stamps[after] - stamps[before]
        if gap_ns > MAX_GAP_NS:
            return f"vehicle state has a gap of {gap_ns / 1e6:.0f} ms"
        share = (at_ns - stamps[before]) / gap_ns if gap_ns else 0.0
        values = []
        for name, first, last in zip(self._spec.columns, self._rows[before], self._rows[after], strict=True):
            if first is None or last is None:
                return f"no valid {name}"
            values.append(first + share * (last - first))
        return values
