"""A component's health on /diagnostics: once a second, and at once when trouble begins or ends."""

from __future__ import annotations

from typing import Any

from heron_core.signals import Health

OK, WARN, ERROR = 0, 1, 2
PERIOD_NS = 1_000_000_000
_TROUBLE = ("drop", "error", "warning", "missing", "late", "corrupt", "torn", "reject", "lost", "timeout")


class Diagnostics:
    """Publishes one component's counters; the level is ERROR while it is in trouble, WARN while a counter of trouble grows."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._publisher = node.advertise("/diagnostics")
        self._before: dict[str, int] = {}
        self._troubles: dict[str, str] = {}
        self._growing: list[str] = []

    def set_trouble(self, what: str, text: str) -> None:
        """Begins or changes the trouble called `what`, or ends it with an empty text; published at once if anything changed."""
        if self._troubles.get(what, "") != text:
            self._troubles = {name: said for name, said in {**self._troubles, what: text}.items() if said}
            self._publish()

    def tick(self) -> None:
        """Once a period: compares the counters with those before, and publishes."""
        counters = self._counters()
        self._growing = [name for name, n in counters.items() if n != self._before.get(name, 0) and any(word in name.lower() for word in _TROUBLE)]
        self._before = counters
        self._publish()

    def _publish(self) -> None:
        level = ERROR if self._troubles else WARN if self._growing else OK
        said = [*self._troubles.values(), *([f"growing: {', '.join(sorted(self._growing))}"] if self._growing else [])]
        values = tuple((key, str(n)) for key, n in sorted(self._counters().items()))
        self._publisher.publish(Health(self._node.now_ns(), str(self._node.get_fully_qualified_name()), level, "; ".join(said) or "ok", values))

    def _counters(self) -> dict[str, int]:
        return {**self._node.trace_data.counters, **{f"queue dropped {topic}": n for topic, n in self._node.host.dropped().items()}}
