"""The one clock and the steady one beside it: an age that no clock step can make younger, and the steps themselves."""

from __future__ import annotations

from dataclasses import dataclass

STEP_NS = 20_000_000
"""Two clocks that differ by more than this between two looks: one of them was set."""


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on both clocks.

    Attributes:
        now_ns: on the one clock (wall time on the car, recorded time in replay), which can be set.
        steady_ns: on a clock that only goes forward; equal to `now_ns` on simulated time.
    """

    now_ns: int
    steady_ns: int

    def age_ns(self, stamp_ns: int, arrived: Instant) -> int:
        """Age of what was stamped `stamp_ns` and arrived at `arrived`: the larger of stamp age and steady time since arrival."""
        return max(self.now_ns - stamp_ns, self.steady_ns - arrived.steady_ns)


class ClockWatch:
    """Sees the one clock being set, by comparing it with the steady one between two looks."""

    def __init__(self) -> None:
        self._last: Instant | None = None

    def step_ns(self, at: Instant) -> int:
        """By how much the clock was set since the last look, forward positive; 0 within `STEP_NS`."""
        last, self._last = self._last, at
        if last is None:
            return 0
        step_ns = (at.now_ns - last.now_ns) - (at.steady_ns - last.steady_ns)
        return step_ns if abs(step_ns) > STEP_NS else 0
