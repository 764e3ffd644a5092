"""The CAN component: buses in, /vehicle/state, /odom, /imu, /gnss/fix and /can/tap out; who drives, as control in this process says, goes along."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from heron_can.bridge import CanBridge, bag_batches, log_items
from heron_can.car import load_car
from heron_can.config import CanConfig
from heron_can.driving_mode import DrivingMode
from heron_can.frame import Frame
from heron_can.io import NO_WIRE
from heron_core.vehicle_model import load_vehicle_model
from heron_runtime.node import HeronNode

_MS = 1_000_000
_COUNT_PERIOD_NS = 1000 * _MS


class CanNode(HeronNode):
    """Runs a `CanBridge` at 100 Hz."""

    NAME = "can"
    Config = CanConfig

    def setup(self) -> None:
        """Opens the buses, or starts the replay."""
        config: CanConfig = self.config
        folder = Path(config.vehicle)
        car = load_car(folder, tuple(Path(entry) for entry in config.dbc_search))
        model = load_vehicle_model(folder / "vehicle.yaml") if car.mapping.odometry.yaw_rate_from_steer else None
        buses = car.buses(config.interface, config.listen_only)
        self._bridge = CanBridge(car, buses, self.now_ns(), model.wheelbase_m if model else None, config.queue_frames)
        self.at_end(self._bridge.close)
        self._simulated = all(bus.interface in NO_WIRE for bus in buses.values())
        self._mode = DrivingMode()
        self.subscribe("/control/status", lambda status: self._mode.heard(status, self.instant()), outside=False)
        self._state = self.advertise("/vehicle/state")
        self._odom = self.advertise("/odom")
        self._imu = self.advertise("/imu")
        self._gnss = self.advertise("/gnss/fix")
        self._tap = self.advertise("/can/tap")
        if config.interface == "bag":
            say = partial(self.event, "recording")
            self.feed(partial(bag_batches, Path(config.source), lambda text: self.post(partial(say, text))), self._bridge.push_batch)
        elif config.interface == "log":
            self.feed(partial(log_items, Path(config.source), car), self._push)
        self.every(config.tick_ms * _MS, self._tick)
        self.every(_COUNT_PERIOD_NS, self._count)

    def report(self) -> dict[str, Any]:
        """Frames, faults, digest of what was sent, distance."""
        return self._bridge.report()

    def _push(self, item: tuple[str, Frame]) -> None:
        bus, frame = item
        self._bridge.push(bus, [frame])

    def _tick(self) -> None:
        at = self.instant()
        tick = self._bridge.tick(at.now_ns, 0 if self._simulated else time.monotonic_ns(), self._tap.has_readers(), self._mode.signal(at))
        self._state.publish(tick.state)
        self._odom.publish(tick.odometry)
        if tick.imu is not None:
            self._imu.publish(tick.imu)
        if tick.gnss is not None:
            self._gnss.publish(tick.gnss)
        for batch in tick.taps:
            self._tap.publish(batch)
        for text in tick.events:
            self.event("can", text)
        for name, off in self._bridge.off().items():
            self.trouble(f"bus {name}", f"bus {name} is off" if off else "")

    def _count(self) -> None:
        for name, n in self._bridge.new_counts().items():
            self.count(name, n)
