"""Who drives, as a signal of the vehicle state: what the policy, the recordings and the training read. Control says it; no bus does."""

from __future__ import annotations

from heron_core.clock import Instant
from heron_core.signals import ControlStatus
from heron_core.vehicle import ABSENT, Signal

DRIVER, HERON, HERON_STEERS = 0.0, 1.0, 2.0
TIMEOUT_NS = 250_000_000  # five periods of /control/status


def driving_mode(status: ControlStatus) -> float:
    """0 the driver (shadow too: no car follows), 1 Heron steers and accelerates, 2 Heron steers only (the driver's foot is on the throttle)."""
    if not (status.engagement.drives and status.steer_request):
        return DRIVER
    return HERON if status.accel_request else HERON_STEERS


class DrivingMode:
    """Keeps the last /control/status of this process."""

    def __init__(self) -> None:
        self._last: tuple[ControlStatus, Instant] | None = None

    def heard(self, status: ControlStatus, at: Instant) -> None:
        """Takes a status that arrived at `at`."""
        self._last = status, at

    def signal(self, at: Instant) -> Signal:
        """The signal at a tick; absent before the first status, and not valid once control says nothing any more."""
        if self._last is None:
            return ABSENT
        status, arrived = self._last
        age_ns = max(at.age_ns(status.stamp_ns, arrived), 0)
        return Signal(driving_mode(status), age_ns, age_ns <= TIMEOUT_NS)
