"""Received frames → latest values. Only mapped messages are looked at; the rest costs one dictionary look-up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from heron_can.car import Car, Source
from heron_can.frame import EXTENDED_KEY, Frame
from heron_can.protection import Guard, Verdict
from heron_core.canbus import FLAG_ERROR, FLAG_EXTENDED, FLAG_REMOTE, FLAG_TX

_NOT_RECEIVED = FLAG_TX | FLAG_ERROR | FLAG_REMOTE
_USABLE = (Verdict.OK, Verdict.SKIPPED_COUNTER)


@dataclass(slots=True)
class Sample:
    """The latest value of one source.

    Attributes:
        value: in its consumer's unit.
        stamp_ns: of the frame; 0 before the first.
        arrival_ns: monotonic time at which it was decoded.
        received: frames that brought a value.
    """

    value: float = math.nan
    stamp_ns: int = 0
    arrival_ns: int = 0
    received: int = 0


Chain = tuple[tuple[Source, Sample, Guard | None], ...]


class Decoder:
    """Latest samples of all sources of a car, with what was wrong on the way.

    Attributes:
        chains: source name → (source, its latest sample, its message's guard) in order of preference, e.g. `chains["state.speed"]`.
        counts: `checksum_error PEDALS`, `counter_error_repeated PEDALS`, `length_error PEDALS`, `undefined_value PEDALS.BRAKE`,
            `flagged_invalid PEDALS.BRAKE`, … → frames.
        last_rx_ns: bus → stamp of its newest received frame, whatever its id.
    """

    def __init__(self, car: Car) -> None:
        self.chains: dict[str, Chain] = {}
        self.counts: Counter[str] = Counter()
        self.last_rx_ns: dict[str, int] = {}
        self._messages: dict[str, dict[int, _Message]] = {bus: {} for bus in car.mapping.buses}
        for name, chain in car.sources.items():
            followed = []
            for source in chain:
                message, sample = self._message(car, source), Sample()
                message.add(source, sample)
                followed.append((source, sample, message.guard))
            self.chains[name] = tuple(followed)

    def ingest(self, bus: str, frames: Iterable[Frame], arrival_ns: int = 0) -> None:
        """Takes frames of one bus in order of time; frames that we sent, error frames and remote frames are passed over.

        Args:
            bus: name in can.yaml.
            frames: of that bus.
            arrival_ns: monotonic time now; keep it 0 where time is simulated.
        """
        wanted = self._messages[bus]
        newest: int | None = None
        for frame in frames:
            stamp_ns, id_, data, flags = frame
            if flags & _NOT_RECEIVED:
                continue
            newest = stamp_ns
            message = wanted.get(id_ | EXTENDED_KEY if flags & FLAG_EXTENDED else id_)
            if message is not None:
                self._take(message, data, stamp_ns, arrival_ns)
        if newest is not None:
            self.last_rx_ns[bus] = newest

    def _take(self, message: _Message, data: bytes, stamp_ns: int, arrival_ns: int) -> None:
        if len(data) != message.length:
            if len(data) < message.length:
                self.counts[f"length_error {message.name}"] += 1
                return
            data = data[: message.length]
        if message.guard is not None:
            verdict = message.guard.check(data)
            if verdict is not Verdict.OK:
                self.counts[f"{verdict.value} {message.name}"] += 1
                if verdict not in _USABLE:
                    return
        said = int.from_bytes(data, "little") & message.mask
        if said != message.said:
            self._read(message, data)
            message.said = said if message.sound else None
        for sample in message.told:
            sample.stamp_ns = stamp_ns
            sample.arrival_ns = arrival_ns
            sample.received += 1

    def _read(self, message: _Message, data: bytes) -> None:
        """Decodes what differs from the last frame."""
        message.told, message.sound = [], True
        for source, sample in message.targets:
            if source.selector is not None and source.selector.raw(data) not in source.signal.selector_values:
                continue
            value = self._value(source, data)
            if value is None:
                message.sound = False
            else:
                sample.value = value
                message.told.append(sample)

    def _value(self, source: Source, data: bytes) -> float | None:
        for signal, required in source.require:
            if signal.value(data) != required:
                self.counts[f"flagged_invalid {source.message.name}.{source.signal.name}"] += 1
                return None
        if source.values:
            value = source.values.get(source.signal.raw(data))
        else:
            value = source.signal.value(data) * source.scale + source.offset
            value = value if math.isfinite(value) else None
        if value is None:
            self.counts[f"undefined_value {source.message.name}.{source.signal.name}"] += 1
        return value

    def _message(self, car: Car, source: Source) -> _Message:
        messages, key = self._messages[source.bus], _key(source)
        if key not in messages:
            protection = car.protections.get((source.bus, source.message.name))
            messages[key] = _Message(source.message.name, source.message.length, Guard(protection) if protection else None)
        return messages[key]


@dataclass(slots=True)
class _Message:
    """A mapped message.

    Attributes:
        mask: bits of the payload, as one integer, lowest byte first, that decide what it says.
        said: those of the last frame; None: to be decoded again, also if they are the same.
        told: samples that the last frame brought a value for.
        sound: nothing of it had to be counted as wrong.
    """

    name: str
    length: int
    guard: Guard | None
    targets: list[tuple[Source, Sample]] = field(default_factory=list)
    mask: int = 0
    said: int | None = None
    told: list[Sample] = field(default_factory=list)
    sound: bool = True

    def add(self, source: Source, sample: Sample) -> None:
        self.targets.append((source, sample))
        for signal in (source.signal, *(signal for signal, _ in source.require), *((source.selector,) if source.selector else ())):
            self.mask |= source.message.placed(signal, signal.mask)


def _key(source: Source) -> int:
    return source.message.id | EXTENDED_KEY if source.message.extended else source.message.id
