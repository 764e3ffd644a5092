"""The other end of the bus: the car's own control units, for tests, generated recordings and simulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from heron_can.car import Car, Source
from heron_can.frame import Frame
from heron_core.canbus import FLAG_EXTENDED
from heron_core.errors import ConfigError


class CarEcus:
    """Sends every mapped message of a car at its GenMsgCycleTime, with right counters and checksums."""

    def __init__(self, car: Car, start_ns: int) -> None:
        """The first frames are due at `start_ns`.

        Raises:
            ConfigError: a mapped message has no cycle time in its DBC.
        """
        self._car = car
        self._messages: dict[tuple[str, str], list[tuple[str, Source]]] = {}
        for name, chain in car.sources.items():
            for source in chain:
                self._messages.setdefault((source.bus, source.message.name), []).append((name, source))
        for bus, name in self._messages:
            if not car.messages[bus, name].period_ms:
                raise ConfigError(f"{car.path}: message {name} of bus {bus} has no GenMsgCycleTime in its DBC, so nobody knows when to send it")
        self._due_ns = dict.fromkeys(self._messages, start_ns)
        self._counts = dict.fromkeys(self._messages, 0)

    def frames(self, until_ns: int, values: Mapping[str, float]) -> list[tuple[str, Frame]]:
        """(bus, frame) of everything due up to and including `until_ns`, in order of time.

        Args:
            until_ns: time now.
            values: by source name (`state.speed`, `gnss.latitude_deg`, …), in the unit of its consumer; a message none of whose sources stands
                here is not sent.

        Raises:
            ValueError: a value that its signal cannot hold.
        """
        found: list[tuple[str, Frame]] = []
        for key, targets in self._messages.items():
            message, period_ns = self._car.messages[key], self._car.messages[key].period_ms * 1_000_000
            while self._due_ns[key] <= until_ns:
                payload = message.encode(_dbc_values(targets, values)) if any(name in values for name, _ in targets) else None
                if payload is not None:
                    protection = self._car.protections.get(key)
                    data = protection.seal(payload, self._counts[key]) if protection else bytes(payload)
                    found.append((key[0], Frame(self._due_ns[key], message.id, data, FLAG_EXTENDED if message.extended else 0)))
                    self._counts[key] += 1
                self._due_ns[key] += period_ns
        return sorted(found, key=lambda item: item[1].stamp_ns)


def _dbc_values(targets: Iterable[tuple[str, Source]], values: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, source in targets:
        if name not in values:
            continue
        found[source.signal.name] = source.dbc_value(values[name])
        for signal, required in source.require:
            found[signal.name] = required
        if source.selector is not None:
            found[source.selector.name] = float(min(source.signal.selector_values))
    return found
