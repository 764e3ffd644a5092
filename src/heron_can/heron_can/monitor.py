"""Who went silent, who came back: transitions worth an event, and how often."""

from __future__ import annotations

from collections import Counter

from heron_can.car import Car
from heron_can.decode import Decoder
from heron_core.vehicle import VehicleState


class Monitor:
    """Watches the buses and signals of one car from tick to tick.

    Attributes:
        counts: `silence_timeout BUS`, `lost SIGNAL` → times that it happened.
    """

    def __init__(self, car: Car, start_ns: int) -> None:
        """A bus that never says anything is silent `silence_ms` after `start_ns`."""
        listened = {source.bus for chain in car.sources.values() for source in chain}
        self._limits_ns = {bus: car.mapping.buses[bus].silence_ms * 1_000_000 for bus in car.mapping.buses if bus in listened}
        self._start_ns = start_ns
        self._silent: set[str] = set()
        self._valid: set[str] = set()
        self._lost: set[str] = set()
        self.counts: Counter[str] = Counter()

    def check(self, decoder: Decoder, state: VehicleState) -> list[str]:
        """What changed for buses and signals, one sentence each."""
        return [*self._buses(decoder, state.stamp_ns), *self._signals(state)]

    @property
    def silent(self) -> tuple[str, ...]:
        """Buses that are silent now."""
        return tuple(sorted(self._silent))

    def _buses(self, decoder: Decoder, now_ns: int) -> list[str]:
        found = []
        for bus, limit_ns in self._limits_ns.items():
            quiet_ns = now_ns - decoder.last_rx_ns.get(bus, self._start_ns)
            if quiet_ns > limit_ns and bus not in self._silent:
                self._silent.add(bus)
                self.counts[f"silence_timeout {bus}"] += 1
                found.append(f"bus {bus} is silent: no frame for {quiet_ns / 1e6:.0f} ms")
            elif quiet_ns <= limit_ns and bus in self._silent:
                self._silent.remove(bus)
                found.append(f"bus {bus} speaks again")
        return found

    def _signals(self, state: VehicleState) -> list[str]:
        valid = {name for name, signal in state.signals.items() if signal.valid}
        if valid == self._valid:
            return []
        lost = sorted(self._valid - valid)
        back = sorted(self._lost & valid)
        for name in lost:
            self.counts[f"lost {name}"] += 1
        self._lost = (self._lost | set(lost)) - valid
        self._valid = valid
        return ([f"no valid {', '.join(lost)}"] if lost else []) + ([f"valid again: {', '.join(back)}"] if back else [])
