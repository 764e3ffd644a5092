"""Frames → `VehicleState`, IMU samples and GNSS fixes, with validity and age per signal."""

from __future__ import annotations

import math
from collections.abc import Iterable

from heron_can.car import Car
from heron_can.decode import Decoder, Sample
from heron_can.frame import Frame
from heron_can.mapping import IMU_FIELDS
from heron_core.signals import FixType, GnssFix, ImuSample
from heron_core.vehicle import ABSENT, Signal, VehicleState

FUTURE_NS = 20_000_000  # a stamp further ahead of the clock is not believed


class VehicleStateAssembler:
    """Keeps the latest values of one car. The same frames and times give the same states to the bit."""

    def __init__(self, car: Car) -> None:
        self._car = car
        self.decoder = Decoder(car)
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
        return VehicleState(now_ns, {name: self._signal(f"state.{name}", now_ns, monotonic_ns) for name in self._car.mapping.state})

    def imu(self, now_ns: int, monotonic_ns: int = 0) -> ImuSample | None:
        """A new IMU sample since the last call, stamped with its newest frame; fields that are not mapped are NaN. None: nothing new or valid."""
        seen, stamp_ns = self._progress("imu.", IMU_FIELDS)
        if seen == self._imu_seen:
            return None
        values = [self._valid(f"imu.{field}", now_ns, monotonic_ns) for field in IMU_FIELDS]
        if all(math.isnan(value) for value in values):
            return None
        self._imu_seen = seen
        return ImuSample(stamp_ns, *values)

    def gnss(self, now_ns: int, monotonic_ns: int = 0) -> GnssFix | None:
        """A new position since the last call, stamped with its frame; height and accuracy are NaN where unknown. None: nothing new or valid."""
        seen, stamp_ns = self._progress("gnss.", ("latitude_deg", "longitude_deg"))
        latitude, longitude, altitude, std, fix = (
            self._valid(f"gnss.{field}", now_ns, monotonic_ns)
            for field in ("latitude_deg", "longitude_deg", "altitude_m", "horizontal_std_m", "fix")
        )
        if seen == self._gnss_seen or math.isnan(latitude) or math.isnan(longitude):
            return None
        self._gnss_seen = seen
        known = {int(kind): kind for kind in FixType}
        kind = FixType.NONE if math.isnan(fix) else known.get(int(fix), FixType.NONE)
        return GnssFix(stamp_ns, latitude, longitude, altitude, kind, std)

    def _signal(self, name: str, now_ns: int, monotonic_ns: int) -> Signal:
        """The first valid source of the chain, else the freshest of those that have been received."""
        best = ABSENT
        for source, sample in zip(self._car.sources[name], self.decoder.samples[name], strict=True):
            if not sample.received:
                continue
            age_ns = _age(sample, now_ns, monotonic_ns)
            if age_ns <= source.timeout_ns and sample.stamp_ns - now_ns <= FUTURE_NS and self.decoder.trusted(source):
                return Signal(sample.value, age_ns, True)
            if best is ABSENT or age_ns < best.age_ns:
                best = Signal(sample.value, age_ns, False)
        return best

    def _valid(self, name: str, now_ns: int, monotonic_ns: int) -> float:
        if name not in self._car.sources:
            return math.nan
        signal = self._signal(name, now_ns, monotonic_ns)
        return signal.value if signal.valid else math.nan

    def _progress(self, prefix: str, fields: Iterable[str]) -> tuple[int, int]:
        """Values received so far in these fields, and the stamp of the newest."""
        samples = [sample for field in fields for sample in self.decoder.samples.get(prefix + field, ())]
        return sum(sample.received for sample in samples), max((sample.stamp_ns for sample in samples if sample.received), default=0)


def _age(sample: Sample, now_ns: int, monotonic_ns: int) -> int:
    """The larger of stamp age and time since arrival, at least 0."""
    return max(now_ns - sample.stamp_ns, monotonic_ns - sample.arrival_ns, 0)
