"""What the CAN bus alone tells of the car's motion, for `heron_jadd.fusion.fuse`: recordings of others have no /gnss/fix, /imu or /vehicle/state.

Sources are those of the recording's can.yaml, as `heron_can` reads them on the car, but every value stands at the stamp of its own frame and none is
held. Checksums and counters of protected messages are not judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heron_bag.native import can_batches
from heron_bag.reader import Bag
from heron_can.mapping import CanMapping, SourceConfig
from heron_core.canbus import CanBatch
from heron_core.errors import InputError
from heron_core.signals import FixType
from heron_jadd.can_signals import BusDecoder, bus_decoders, joined, mapping_of

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Track = tuple[I64, F64]  # rising stamps and values
TAP = "/can/tap"
CHUNK = 200_000  # frames that are decoded at once
NOTHING: Track = (np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, eq=False)
class Motion:
    """Arguments of `fuse`, in its order.

    Attributes:
        gnss_ns: (n,) stamps of positions; gnss: (n, 4) latitude_deg, longitude_deg, altitude_m, horizontal_std_m, NaN where not said.
        kinds: (n,) values of `FixType`.
        imu_ns: (m,) stamps; rate: (m,) yaw rate, rad/s, left positive.
        speed_ns: (k,) stamps; speed: (k,) m/s.
        counts: `flagged_invalid gnss_speed.Speed`, `undefined_value gnss_status.FixType` → frames that said nothing usable.
    """

    gnss_ns: I64
    gnss: F64
    kinds: I64
    imu_ns: I64
    rate: F64
    speed_ns: I64
    speed: F64
    counts: Counter[str] = field(default_factory=Counter)


def tells_motion(bag: Bag) -> bool:
    """Whether positions and speed are on the bus, by the can.yaml that the recording carries.

    Raises:
        InputError: that cannot be used.
    """
    if TAP not in bag.topics or not bag.topics[TAP].count:
        return False
    mapping = mapping_of(bag.attachments)
    return mapping is not None and "speed" in mapping.state and bool(mapping.gnss)


def can_motion(bag: Bag) -> Motion:
    """Of a recording that carries the car's can.yaml and DBC files.

    Raises:
        InputError: it does not, or they say nothing of the speed.
    """
    mapping = mapping_of(bag.attachments)
    if mapping is None or TAP not in bag.topics:
        raise InputError(f"{bag.path}: no motion from CAN: it has no topic {TAP}, or carries no vehicle/can.yaml; import it with `vehicle:`")
    return motion_of(mapping, bus_decoders(bag.attachments), (batch for _, batch in can_batches(bag, TAP)))


def motion_of(mapping: CanMapping, decoders: Mapping[str, BusDecoder], batches: Iterable[CanBatch]) -> Motion:
    """Of CAN frames.

    Raises:
        InputError: can.yaml names no speed.
    """
    speed_from = mapping.state.get("speed")
    if speed_from is None:
        raise InputError("no motion from CAN: can.yaml has no state.speed")
    rate_from = mapping.imu.get("rate_z") or mapping.state.get("yaw_rate")
    sources = [speed_from, *mapping.gnss.values(), *([rate_from] if rate_from else [])]
    wanted = {(each.bus, each.message) for source in sources for each in _chain(source)}
    heard = _Heard(decoders, wanted, batches)
    speed = heard.track(speed_from)
    rate = heard.track(rate_from) if rate_from else NOTHING
    return Motion(*_fixes(mapping, heard), *rate, *speed, heard.counts)


class _Heard:
    """Messages that sources name, decoded."""

    def __init__(self, decoders: Mapping[str, BusDecoder], wanted: set[tuple[str, str]], batches: Iterable[CanBatch]) -> None:
        self.counts: Counter[str] = Counter()
        self._decoders = decoders
        stamps: defaultdict[tuple[str, str], list[I64]] = defaultdict(list)
        signals: defaultdict[tuple[str, str], list[dict[str, F64]]] = defaultdict(list)
        for frames in _chunks(batches):
            for bus, message in sorted(wanted):
                if bus == frames.channel:
                    some_ns, values = decoders[bus].received(frames, message)
                    stamps[bus, message].append(some_ns)
                    signals[bus, message].append(values)
        self._stamps = {key: np.concatenate(parts) for key, parts in stamps.items()}
        self._signals = {key: {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} for key, parts in signals.items()}

    def track(self, source: SourceConfig) -> Track:
        """Values of a source; of its fallback only where the source itself has been silent for longer than its timeout."""
        stamp_ns, values = self._own(source)
        if source.fallback is None:
            return stamp_ns, values
        other_ns, others = self.track(source.fallback)
        if len(stamp_ns):
            last = np.searchsorted(stamp_ns, other_ns, side="right") - 1
            alone = (last < 0) | (other_ns - stamp_ns[np.maximum(last, 0)] > source.timeout_ms * 1_000_000)
            other_ns, others = other_ns[alone], others[alone]
        return _sorted(np.concatenate([stamp_ns, other_ns]), np.concatenate([values, others]))

    def _own(self, source: SourceConfig) -> Track:
        key = source.bus, source.message
        if key not in self._stamps:
            return NOTHING
        signals, name = self._signals[key], f"{source.message}.{source.signal}"
        values = signals[source.signal]
        there = ~np.isnan(values)
        for required, value in source.require.items():
            said = signals[required] == value
            self.counts[f"flagged_invalid {name}"] += int((there & ~said).sum())
            there &= said
        values = self._mapped(source, values) if source.values else values * source.scale + source.offset
        usable = np.isfinite(values)
        self.counts[f"undefined_value {name}"] += int((there & ~usable).sum())
        self.counts += Counter()  # lets go of zeros
        return _sorted(self._stamps[key][there & usable], values[there & usable])

    def _mapped(self, source: SourceConfig, values: F64) -> F64:
        """Of an enumeration: raw number or label → value, NaN where it is not listed."""
        codec = self._decoders[source.bus].codec(source.message, source.signal)
        labels = {label: raw for raw, label in codec.choices.items()}
        raw = (values - codec.offset) / codec.scale
        found = np.full(len(values), np.nan)
        for said, value in source.values.items():
            found[np.abs(raw - labels.get(said, said)) < 0.5] = value
        return found


def _fixes(mapping: CanMapping, heard: _Heard) -> tuple[I64, F64, I64]:
    """Positions at the stamps of latitudes, with what was said nearest to them in time of the rest."""
    if "latitude_deg" not in mapping.gnss:
        return np.empty(0, np.int64), np.empty((0, 4)), np.empty(0, np.int64)
    stamp_ns, latitude = heard.track(mapping.gnss["latitude_deg"])

    def near(name: str) -> F64:
        source = mapping.gnss.get(name)
        return _near(heard.track(source), stamp_ns, source.timeout_ms) if source else np.full(len(stamp_ns), np.nan)

    table = np.column_stack([latitude, near("longitude_deg"), near("altitude_m"), near("horizontal_std_m")])
    if "fix" in mapping.gnss:
        kinds = np.nan_to_num(near("fix"), nan=float(FixType.NONE)).astype(np.int64)
    else:  # a receiver that says no more than where it is
        kinds = np.full(len(stamp_ns), int(FixType.AUTONOMOUS), np.int64)
    placed = ~np.isnan(table[:, 1])
    return stamp_ns[placed], table[placed], kinds[placed]


def _near(track: Track, wanted_ns: I64, within_ms: int) -> F64:
    times, values = track
    if not len(times):
        return np.full(len(wanted_ns), np.nan)
    between = np.interp(wanted_ns - times[0], times - times[0], np.arange(len(times)))  # places among the times, which round to the nearest
    found = np.round(between).astype(np.int64)
    return np.where(np.abs(times[found] - wanted_ns) <= within_ms * 1_000_000, values[found], np.nan)


def _sorted(stamp_ns: I64, values: F64) -> Track:
    order = np.argsort(stamp_ns, kind="stable")
    return stamp_ns[order], values[order]


def _chain(source: SourceConfig) -> Iterator[SourceConfig]:
    yield source
    if source.fallback:
        yield from _chain(source.fallback)


def _chunks(batches: Iterable[CanBatch]) -> Iterator[CanBatch]:
    """Frames of one bus each, many at once."""
    held: defaultdict[str, list[CanBatch]] = defaultdict(list)
    frames: Counter[str] = Counter()
    for batch in batches:
        held[batch.channel].append(batch)
        frames[batch.channel] += len(batch)
        if frames[batch.channel] >= CHUNK:
            yield joined(held.pop(batch.channel))
            frames[batch.channel] = 0
    for bus in sorted(held):
        yield joined(held[bus])
