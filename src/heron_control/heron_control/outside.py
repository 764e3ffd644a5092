"""What the outside world must show before and while Heron drives: healthy components, one planner, buttons that somebody presses."""

from __future__ import annotations

from heron_control.ladder import Reason
from heron_core.clock import Instant
from heron_core.signals import Health
from heron_core.vehicle import VehicleState

ERROR = 2  # level of Health; above it a container reports a component that is stale


class HealthWatch:
    """The last word of every required component.

    Args:
        required: full node names.
        silent_s: a component that says nothing for longer is not well.
    """

    def __init__(self, required: tuple[str, ...], silent_s: float) -> None:
        self._required, self._silent_ns = required, round(silent_s * 1e9)
        self._last: dict[str, tuple[Health, Instant]] = {}
        self._new: dict[str, Health] = {}

    def add(self, health: Health) -> None:
        """A component speaks; its age counts from the next look."""
        if health.name in self._required:
            self._new[health.name] = health

    def reason(self, at: Instant) -> Reason | None:
        """Looks which component is not well, and why."""
        self._last.update((name, (health, at)) for name, health in self._new.items())
        self._new.clear()
        for name in self._required:
            if name not in self._last:
                return Reason("health", f"{name} has not said that it is well")
            health, arrived = self._last[name]
            if health.level >= ERROR:
                return Reason("health", f"{name}: {health.text}")
            age_ns = at.age_ns(health.stamp_ns, arrived)
            if age_ns > self._silent_ns:
                return Reason("health", f"{name} is silent: {age_ns / 1e9:.1f} s")
        return None


class PlannerWatch:
    """Who publishes plans.

    Args:
        pinned: full node name of the one who may; empty: anybody, but only one.
    """

    def __init__(self, pinned: str) -> None:
        self._pinned = pinned
        self._count: int | None = None
        self._who = ""

    def set(self, count: int, who: str) -> None:
        """What the graph says: publishers, and their names joined by `, `."""
        self._count, self._who = count, who

    def reason(self) -> Reason | None:
        """Why it is not the one planner: cause `planners` when another plans, `planner_missing` when none does."""
        if self._count is None:
            return Reason("planner_missing", f"nobody knows whether {self._pinned} plans") if self._pinned else None
        if self._count == 0:
            return Reason("planner_missing", "nobody plans")
        if self._count > 1:
            return Reason("planners", f"{self._count} planners: {self._who}")
        if self._pinned and self._who != self._pinned:
            return Reason("planners", f"{self._who} plans instead of {self._pinned}")
        return None


class Button:
    """Sees a button being pressed: from released, which must have been seen, to pressed. One that is stuck from the start is not."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._released = False

    def pressed(self, state: VehicleState) -> bool:
        """Whether this state is the first with the button down."""
        value = state.valid_value(self._name)
        pressed = self._released and value == 1.0
        self._released = value == 0.0
        return pressed
