"""Counters on /diagnostics, once a second."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

_TROUBLE = ("drop", "error", "warning", "missing", "late", "corrupt", "torn", "reject", "lost", "timeout")


class Diagnostics:
    """Publishes one component's counters; the level is WARN while a counter of trouble grows."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._before: dict[str, int] = {}

    def publish(self) -> None:
        """One DiagnosticArray with one status."""
        counters = {**self._node.trace_data.counters, **{f"queue dropped {t}": n for t, n in self._node.host.dropped().items()}}
        growing = [name for name, n in counters.items() if n != self._before.get(name, 0) and any(word in name.lower() for word in _TROUBLE)]
        self._before = counters
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if growing else DiagnosticStatus.OK,
            name=str(self._node.get_fully_qualified_name()),
            message=f"growing: {', '.join(sorted(growing))}" if growing else "ok",
            values=[KeyValue(key=name, value=str(n)) for name, n in sorted(counters.items())],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
