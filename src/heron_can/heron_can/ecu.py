"""The other end of the bus: the car's own control units, for tests, generated recordings and simulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from heron_can.car import Car, Source
from heron_can.codec import MessageCodec
from heron_can.frame import Frame
from heron_can.protection import Protection
from heron_core.canbus import FLAG_EXTENDED
from heron_core.errors import ConfigError


class CarEcus:
    """Sends every mapped message of a car at its GenMsgCycleTime, with right counters and checksums."""

    def __init__(self, car: Car, start_ns: int) -> None:
        """The first frames are due at `start_ns`.

        Raises:
            ConfigError: a mapped message has no cycle time in its DBC.
        """
        targets: dict[tuple[str, str], list[tuple[str, Source]]] = {}
        for name, chain in car.sources.items():
            for source in chain:
                targets.setdefault((source.bus, source.message.name), []).append((name, source))
        for bus, name in targets:
            if not car.messages[bus, name].period_ms:
                raise ConfigError(f"{car.path}: message {name} of bus {bus} has no GenMsgCycleTime in its DBC, so nobody knows when to send it")
        self._senders = [_Sender(bus, car.messages[bus, name], car.protections.get((bus, name)), of, start_ns) for (bus, name), of in targets.items()]

    def frames(self, until_ns: int, values: Mapping[str, float]) -> list[tuple[str, Frame]]:
        """(bus, frame) of everything due up to and including `until_ns`, in order of time.

        Args:
            until_ns: time now.
            values: by source name (`state.speed`, `gnss.latitude_deg`, …), in the unit of its consumer; a message none of whose sources stands
                here is not sent, and what is beyond a signal's range is said as its end.

        Raises:
            ValueError: a value that is not finite, or that a signal without minimum and maximum cannot hold.
        """
        found: list[tuple[str, Frame]] = []
        for sender in self._senders:
            while sender.due_ns <= until_ns:
                data = sender.payload(values)
                if data is not None:
                    found.append((sender.bus, Frame(sender.due_ns, sender.id, data, sender.flags)))
                sender.due_ns += sender.period_ns
        found.sort(key=_stamp_ns)
        return found


class _Sender:
    """Sends one message, and encodes it anew only where it says something else than before."""

    def __init__(self, bus: str, message: MessageCodec, protection: Protection | None, targets: list[tuple[str, Source]], due_ns: int) -> None:
        self.bus, self.id, self.flags = bus, message.id, FLAG_EXTENDED if message.extended else 0
        self.due_ns, self.period_ns = due_ns, message.period_ms * 1_000_000
        self._message, self._protection, self._targets = message, protection, targets
        self._names = tuple(name for name, _ in targets)
        self._exact = any(source.signal.is_float for _, source in targets)  # bits of a float tell -0.0 from 0.0
        self._modulus = protection.modulus if protection else 1
        self._count = 0
        self._said: list[float | None] = []
        self._word = 0
        self._sealed: dict[int, bytes] = {}  # of what is said, by counter

    def payload(self, values: Mapping[str, float]) -> bytes | None:
        """The next frame's; None: nothing is known of what it says."""
        said = [values.get(name) for name in self._names]
        if said != self._said or self._exact:
            if said.count(None) == len(said):
                return None
            self._word = self._message.word(_dbc_values(self._targets, values))
            self._said, self._sealed = said, {}
        number = self._count % self._modulus
        self._count += 1
        data = self._sealed.get(number)
        if data is None:
            protection = self._protection
            data = protection.sealed(self._word, number) if protection else self._word.to_bytes(self._message.length, "little")
            self._sealed[number] = data
        return data


def _stamp_ns(item: tuple[str, Frame]) -> int:
    return item[1].stamp_ns


def _dbc_values(targets: Iterable[tuple[str, Source]], values: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, source in targets:
        value = values.get(name)
        if value is None:
            continue
        found[source.signal.name] = source.signal.saturated(source.dbc_value(value))
        for signal, required in source.require:
            found[signal.name] = required
        if source.selector is not None:
            found[source.selector.name] = float(min(source.signal.selector_values))
    return found
