"""How fast the car is, and whether that can be believed: every limit hangs on it."""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple

from heron_control.ladder import Reason
from heron_core.limits import StateLimits
from heron_core.vehicle import VehicleState

SOURCES = ("speed", "wheel_fl", "wheel_fr", "wheel_rl", "wheel_rr")


class SpeedView(NamedTuple):
    """What is known of the speed at one tick.

    Attributes:
        highest_mps: largest |speed| of all usable sources: it sets every limit. While none is usable the last known; None once that is too old.
        own_mps: signed, the median of the usable sources: one that lies does not move it. Kept like `highest_mps`.
        lost: no source is usable.
        disagreement: sources contradict each other, or one jumps.
    """

    highest_mps: float | None = None
    own_mps: float | None = None
    lost: Reason | None = None
    disagreement: Reason | None = None


class SpeedWatch:
    """Follows the speed sources from tick to tick.

    Args:
        limits: ages and tolerance.
        shadow: a recording's sources may be slow; every valid one is usable, and nothing is kept.
    """

    def __init__(self, limits: StateLimits, shadow: bool) -> None:
        self._limits, self._shadow = limits, shadow
        self._known: tuple[float, float] | None = None
        self._known_ns = 0

    def update(self, state: VehicleState, steady_ns: int) -> SpeedView:
        """Judges the sources of one vehicle state.

        A jump of all sources together by more than the tolerance within a tick is no motion of a car either.
        """
        found = self._usable(state)
        if not found:
            return self._without(state, steady_ns)
        own, highest = statistics.median(found.values()), max(map(abs, found.values()))
        before, self._known, self._known_ns = self._known, (highest, own), steady_ns
        return SpeedView(highest, own, None, None if self._shadow else self._disagreement(found, own, before))

    def _usable(self, state: VehicleState) -> dict[str, float]:
        oldest_ns = math.inf if self._shadow else self._limits.age_max_s * 1e9
        signals = {name: state[name] for name in SOURCES}
        return {name: signal.value for name, signal in signals.items() if signal.valid and math.isfinite(signal.value) and signal.age_ns <= oldest_ns}

    def _without(self, state: VehicleState, steady_ns: int) -> SpeedView:
        age_ns = state["speed"].age_ns
        lost = Reason("speed_lost", f"no speed: the last is {age_ns / 1e6:.0f} ms old" if age_ns >= 0 else "no speed")
        if self._known is None or self._shadow or steady_ns - self._known_ns > self._limits.blind_s * 1e9:
            self._known = None
            return SpeedView(lost=lost)
        return SpeedView(self._known[0], self._known[1], lost)

    def _disagreement(self, found: dict[str, float], own: float, before: tuple[float, float] | None) -> Reason | None:
        low, high = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
        if found[high] - found[low] > self._limits.speed_disagreement_mps:
            return Reason("speed_disagrees", f"{high} says {found[high]:.1f} m/s, {low} {found[low]:.1f} m/s")
        if before is not None and abs(own - before[1]) > self._limits.speed_disagreement_mps:
            return Reason("speed_disagrees", f"speed jumps from {before[1]:.1f} to {own:.1f} m/s")
        return None
