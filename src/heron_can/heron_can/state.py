"""Frames → `VehicleState`, IMU samples and GNSS fixes, with validity and age per signal."""

from __future__ import annotations

import math
from collections.abc import Iterable

from heron_can.car import Car
from heron_can.decode import Chain, Decoder
from heron_can.frame import Frame
from heron_can.mapping import GNSS_FIELDS, IMU_FIELDS
from heron_core.signals import FixType, GnssFix, ImuSample
from heron_core.vehicle import ABSENT, Signal, VehicleState

FUTURE_NS = 20_000_000  # a stamp further ahead of the clock is not believed
_FIXES = {int(kind): kind for kind in FixType}


class VehicleStateAssembler:
    """Keeps the latest values of one car. The same frames and times give the same states to the bit."""

    def __init__(self, car: Car) -> None:
        self.decoder = Decoder(car)
        self._state = {name: self.decoder.chains[f"state.{name}"] for name in car.mapping.state}
        self._imu = [self.decoder.chains.get(f"imu.{field}", ()) for field in IMU_FIELDS]
        self._gnss = [self.decoder.chains.get(f"gnss.{field}", ()) for field in GNSS_FIELDS]
        self._imu_seen = 0
        self._gnss_seen = 0

    def ingest(self, bus: str, frames: Iterable[Frame], arrival_ns: int = 0) -> None:
        """Takes received frames of one bus; see `Decoder.ingest`."""
        self.decoder.ingest(bus, frames, arrival_ns)

    def state(self, now_ns: int, monotonic_ns: int = 0) -> VehicleState:
        """The state at the tick `now_ns`.

        Args:
            now_ns: the clock of the frames' stamps.
            monotonic_ns: the clock of `ingest`'s `arrival_ns`; with both, a step of the first clock cannot make an old value look fresh.
        """
        return VehicleState(now_ns, {name: _signal(chain, now_ns, monotonic_ns) for name, chain in self._state.items()})

    def imu(self, now_ns: int, monotonic_ns: int = 0) -> ImuSample | None:
        """A new IMU sample since the last call, stamped with its newest frame; fields that are not mapped are NaN. None: nothing new or valid."""
        seen, stamp_ns = _progress(self._imu)
        if seen == self._imu_seen:
            return None
        values = [_valid(chain, now_ns, monotonic_ns) for chain in self._imu]
        if all(math.isnan(value) for value in values):
            return None
        self._imu_seen = seen
        return ImuSample(stamp_ns, *values)

    def gnss(self, now_ns: int, monotonic_ns: int = 0) -> GnssFix | None:
        """A new position since the last call, stamped with its frame; height and accuracy are NaN where unknown. None: nothing new or valid."""
        seen, stamp_ns = _progress(self._gnss[:2])
        if seen == self._gnss_seen:
            return None
        latitude, longitude, altitude, std, fix = (_valid(chain, now_ns, monotonic_ns) for chain in self._gnss)
        if math.isnan(latitude) or math.isnan(longitude):
            return None
        self._gnss_seen = seen
        kind = FixType.NONE if math.isnan(fix) else _FIXES.get(int(fix), FixType.NONE)
        return GnssFix(stamp_ns, latitude, longitude, altitude, kind, std)


def _signal(chain: Chain, now_ns: int, monotonic_ns: int) -> Signal:
    """The first valid source of the chain, else the freshest of those that have been received."""
    best = ABSENT
    for source, sample, guard in chain:
        if not sample.received:
            continue
        age_ns, arrived_ns = now_ns - sample.stamp_ns, monotonic_ns - sample.arrival_ns
        fresh = age_ns >= -FUTURE_NS
        if arrived_ns > age_ns:
            age_ns = arrived_ns
        if age_ns < 0:
            age_ns = 0
        if fresh and age_ns <= source.timeout_ns and (guard is None or guard.trusted):
            return Signal(sample.value, age_ns, True)
        if best is ABSENT or age_ns < best.age_ns:
            best = Signal(sample.value, age_ns, False)
    return best


def _valid(chain: Chain, now_ns: int, monotonic_ns: int) -> float:
    signal = _signal(chain, now_ns, monotonic_ns)
    return signal.value if signal.valid else math.nan


def _progress(chains: Iterable[Chain]) -> tuple[int, int]:
    """Values received so far in these fields, and the stamp of the newest."""
    seen, newest_ns = 0, 0
    for chain in chains:
        for _, sample, _ in chain:
            if sample.received:
                seen += sample.received
                newest_ns = max(newest_ns, sample.stamp_ns)
    return seen, newest_ns
