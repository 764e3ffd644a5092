"""Where a simulated car truly is, for those who stand in for its cameras: frames on a bus of their own between processes of this machine."""

from __future__ import annotations

import struct
import time
from typing import NamedTuple

import can

from heron_can.unixbus import UnixBus
from heron_core.se2 import SE2

ID = 0x1
_PAYLOAD = struct.Struct("<qddddd")


class Truth(NamedTuple):
    """A car's motion at one moment: wall time (ns), pose of base_link in the world (m, rad), speed (m/s), acceleration (m/s²)."""

    stamp_ns: int
    x_m: float
    y_m: float
    yaw_rad: float
    speed_mps: float
    accel_mps2: float

    @property
    def pose(self) -> SE2:
        """Of base_link in the world."""
        return SE2(self.x_m, self.y_m, self.yaw_rad)


class TruthLink:
    """One end of the link; `channel` is a plain name that no bus of the car has."""

    def __init__(self, channel: str) -> None:
        self._bus = UnixBus(channel)

    def send(self, truth: Truth) -> None:
        """Tells everybody on the link."""
        self._bus.send(can.Message(arbitration_id=ID, data=_PAYLOAD.pack(*truth), is_fd=True, is_extended_id=False, check=False))

    def newest(self) -> Truth | None:
        """The newest that came since the last call, or None."""
        found: Truth | None = None
        while (message := self._bus.recv(0.0)) is not None:
            found = Truth(*_PAYLOAD.unpack(bytes(message.data)))
        return found

    def wait(self, timeout_s: float) -> Truth:
        """The next one.

        Raises:
            TimeoutError: nobody said anything.
        """
        end_s = time.monotonic() + timeout_s
        while (found := self.newest()) is None:
            if time.monotonic() > end_s:
                raise TimeoutError(f"no car on {self._bus.channel_info} for {timeout_s:.0f} s")
            time.sleep(0.005)
        return found

    def close(self) -> None:
        """Leaves the link."""
        self._bus.shutdown()
