"""Parameters of the CAN component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CanConfig:
    """Parameters of `CanNode`.

    Attributes:
        vehicle: folder of one car, with can.yaml, its DBC files and vehicle.yaml.
        dbc_search: folders in which DBC files are looked for too.
        interface: moves all buses of can.yaml to this interface; empty: as can.yaml says. `bag` and `log` replay `source`, `sim` is the
            simulated car of this process.
        source: recording (`bag`) or CAN log file (`log`).
        listen_only: never write to a bus; commands end in the tap (shadow).
        tick_ms: period of /vehicle/state and /odom.
        queue_frames: received frames per bus that wait for a tick; the oldest are dropped and counted.
    """

    vehicle: str = "config/vehicle/demo"
    dbc_search: tuple[str, ...] = ()
    interface: Literal["", "socketcan", "virtual", "unix", "bag", "log", "sim"] = ""
    source: str = ""
    listen_only: bool = False
    tick_ms: int = 10
    queue_frames: int = 8192

    def __post_init__(self) -> None:
        if not 1 <= self.tick_ms <= 100:
            raise ValueError(f"tick_ms = {self.tick_ms}, allowed 1 .. 100")
        if not 64 <= self.queue_frames <= 1_000_000:
            raise ValueError(f"queue_frames = {self.queue_frames}, allowed 64 .. 1000000")
        if (self.interface in ("bag", "log")) != bool(self.source):
            raise ValueError(f"source = {self.source!r}: needed with interface bag or log, and only there")
