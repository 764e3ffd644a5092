"""A car's buses from tick to tick: what came in becomes state and odometry. All that the CAN component does, without ROS."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heron_can.car import Car
from heron_can.frame import Frame, from_batch
from heron_can.io import NO_WIRE, CanIo
from heron_can.logfile import log_frames
from heron_can.mapping import BusConfig
from heron_can.monitor import Monitor
from heron_can.odometry import OdometryIntegrator
from heron_can.state import VehicleStateAssembler
from heron_core.canbus import CanBatch
from heron_core.errors import ConfigError
from heron_core.signals import GnssFix, ImuSample
from heron_core.vehicle import ABSENT, Odometry, Signal, VehicleState


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick brought; `imu` and `gnss` are None without news, `taps` holds one batch per bus that had frames, `events` a sentence each."""

    state: VehicleState
    odometry: Odometry
    imu: ImuSample | None
    gnss: GnssFix | None
    taps: tuple[CanBatch, ...]
    events: tuple[str, ...]


class CanBridge:
    """Opens the buses of a car (shared with whoever else in this process uses them) and follows them."""

    def __init__(self, car: Car, buses: dict[str, BusConfig], start_ns: int, wheelbase_m: float | None = None, queue_frames: int = 8192) -> None:
        """Opens.

        Args:
            car: the car.
            buses: its buses on their interfaces, see `Car.buses`.
            start_ns: time now.
            wheelbase_m: for odometry from steering.
            queue_frames: see `CanIo`.

        Raises:
            InputError: a bus cannot be opened.
        """
        self._assembler = VehicleStateAssembler(car)
        self._odometry = OdometryIntegrator(car.mapping.odometry, wheelbase_m)
        self._monitor = Monitor(car, start_ns)
        self._replayed = {name for name, config in buses.items() if config.interface in NO_WIRE}
        self._foreign: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._ios: dict[str, CanIo] = {}
        try:
            for name, config in buses.items():
                self._ios[name] = CanIo.shared(name, config, car.wanted[name], queue_frames)
        except BaseException:
            self.close()
            raise

    def push(self, bus: str, frames: list[Frame]) -> None:
        """Feeds a replayed bus; frames of a bus that can.yaml lacks are counted."""
        if bus in self._replayed:
            self._ios[bus].push(frames)
        else:
            self._foreign[f"frames of unknown bus {bus}"] += len(frames)

    def push_batch(self, batch: CanBatch) -> None:
        """Feeds a batch of a recording."""
        self.push(batch.channel, from_batch(batch))

    def tick(self, now_ns: int, monotonic_ns: int, watch: bool, driving_mode: Signal = ABSENT) -> Tick:
        """Takes in what has come and says how things stand.

        Args:
            now_ns: the clock of the frames' stamps.
            monotonic_ns: the steady clock on a live bus, 0 where time is simulated.
            watch: whether somebody listens to the tap.
            driving_mode: the state's signal that no bus knows.
        """
        events: list[str] = []
        taps = []
        for name, io in self._ios.items():
            io.watch(watch)
            frames = io.drain(now_ns if name in self._replayed else None)
            self._assembler.ingest(name, frames, 0 if name in self._replayed else monotonic_ns)
            events += io.events()
            tap = io.tap()
            if tap is not None:
                taps.append(tap)
        state = self._assembler.state(now_ns, monotonic_ns)
        events += self._monitor.check(self._assembler.decoder, state)
        state = VehicleState(now_ns, {**state.signals, "driving_mode": driving_mode})
        imu, gnss = self._assembler.imu(now_ns, monotonic_ns), self._assembler.gnss(now_ns, monotonic_ns)
        return Tick(state, self._odometry.update(state), imu, gnss, tuple(taps), tuple(events))

    def off(self) -> dict[str, bool]:
        """Bus → whether no frame can pass on it now."""
        return {name: not io.up for name, io in self._ios.items()}

    def new_counts(self) -> dict[str, int]:
        """By how much each counter has grown since the last call."""
        counts = self._counts()
        grown = {name: n - self._counted[name] for name, n in counts.items() if n != self._counted[name]}
        self._counted = counts
        return grown

    def report(self) -> dict[str, Any]:
        """`can.{rx,tx,…}`, `can_tx_sha256` and `odometry` of report.json."""
        digests = "\n".join(f"{name} {io.tx_sha256()}" for name, io in sorted(self._ios.items()))
        total: Counter[str] = Counter({"rx": 0, "tx": 0})
        for io in self._ios.values():
            total.update(io.counts)
        return {
            "can": {
                **total,
                "buses": {name: dict(io.counts) for name, io in sorted(self._ios.items())},
                "faults": dict(sorted((self._assembler.decoder.counts + self._monitor.counts + self._foreign).items())),
                "silent": list(self._monitor.silent),
            },
            "can_tx_sha256": hashlib.sha256(digests.encode()).hexdigest(),
            "odometry": {"distance_m": self._odometry.distance_m, "gaps": self._odometry.gaps},
        }

    def close(self) -> None:
        """Gives the buses back."""
        for io in self._ios.values():
            io.release()
        self._ios = {}

    def _counts(self) -> Counter[str]:
        counts = self._assembler.decoder.counts + self._monitor.counts + self._foreign
        for name, io in self._ios.items():
            counts.update({f"{kind} {name}": n for kind, n in io.counts.items()})
        return counts


def bag_batches(path: Path, say: Callable[[str], None]) -> Iterator[tuple[int, CanBatch]]:
    """(log_ns, batch) of a recording's /can/tap; `say` is told what is damaged in it."""
    from heron_bag.native import can_batches
    from heron_bag.reader import open_bag, telling

    with open_bag(path) as bag:
        yield from telling(bag, can_batches(bag), say)


def log_items(path: Path, car: Car) -> Iterator[tuple[int, tuple[str, Frame]]]:
    """(stamp_ns, (bus, frame)) of a log file, its channels named by `log_channel` of the car's buses.

    Raises:
        ConfigError: more than one bus has no log_channel.
    """
    nameless = [name for name, config in car.mapping.buses.items() if not config.log_channel]
    if len(nameless) > 1 and len(nameless) == len(car.mapping.buses):
        raise ConfigError(f"{car.path}: buses {', '.join(nameless)} have no log_channel: which channel of {path.name} is which bus?")
    channels = {config.log_channel: name for name, config in car.mapping.buses.items() if config.log_channel}
    return log_frames(path, channels or {"*": nameless[0]})
