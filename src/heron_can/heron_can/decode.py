"""Received frames → latest values. Only mapped messages are looked at; the rest costs one dictionary look-up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from heron_can.car import Car, Source
from heron_can.frame import EXTENDED_KEY, Frame
from heron_can.protection import Guard, Verdict
from heron_core.canbus import FLAG_ERROR, FLAG_REMOTE, FLAG_TX

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
                message.targets.append((source, sample))
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
            if frame.flags & _NOT_RECEIVED:
                continue
            newest = frame.stamp_ns
            message = wanted.get(frame.key)
            if message is not None:
                self._take(message, frame, arrival_ns)
        if newest is not None:
            self.last_rx_ns[bus] = newest

    def _take(self, message: _Message, frame: Frame, arrival_ns: int) -> None:
        data = frame.data
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
        for source, sample in message.targets:
            if source.selector is not None and source.selector.raw(data) not in source.signal.selector_values:
                continue
            value = self._value(source, data)
            if value is not None:
                sample.value = value
                sample.stamp_ns = frame.stamp_ns
                sample.arrival_ns = arrival_ns
                sample.received += 1

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
            messages[key] = _Message(source.message.name, source.message.length, Guard(protection) if protection else None, [])
        return messages[key]


@dataclass(slots=True)
class _Message:
    name: str
    length: int
    guard: Guard | None
    targets: list[tuple[Source, Sample]]


def _key(source: Source) -> int:
    return source.message.id | EXTENDED_KEY if source.message.extended else source.message.id
