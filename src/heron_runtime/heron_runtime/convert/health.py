"""Health ↔ diagnostic_msgs/DiagnosticArray. An array of somebody else may hold any number of statuses."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from heron_core.signals import Health
from heron_runtime.convert.stamps import header, to_ns


def health_to_ros(health: Health) -> DiagnosticArray:
    """Health → an array with one status."""
    values = [KeyValue(key=key, value=value) for key, value in health.values]
    status = DiagnosticStatus(level=bytes((health.level,)), name=health.name, message=health.text, values=values)
    return DiagnosticArray(header=header(health.stamp_ns, ""), status=[status])


def health_from_ros(message: DiagnosticArray, topic: str, received_ns: int) -> tuple[Health, ...]:
    """Each status of an array → health."""
    stamp_ns = to_ns(message.header.stamp)
    return tuple(
        Health(stamp_ns, status.name, int.from_bytes(status.level, "little"), status.message, tuple((pair.key, pair.value) for pair in status.values))
        for status in message.status
    )
