"""The gate's commands as frames of the car in `can.yaml`, and back."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from heron_can.car import Car
from heron_can.encode import Command as CanCommand
from heron_can.encode import CommandDecoder, CommandEncoder, CommandError
from heron_can.frame import Frame
from heron_control.codec import Grid, RawFrame
from heron_control.command import Command
from heron_core.canbus import FLAG_EXTENDED
from heron_core.errors import ConfigError


class CanCodec:
    """See `heron_control.codec.CommandCodec`.

    Raises:
        ConfigError: the car has no command message for steering or for acceleration.
    """

    def __init__(self, car: Car) -> None:
        missing = [name for name in ("steer", "accel") if name not in car.commands]
        if missing:
            raise ConfigError(f"{car.path}: commands: {' and '.join(missing)} missing; control needs both")
        self._encoder, self._decoder = CommandEncoder(car), CommandDecoder(car)
        self._extended = {(each.bus, each.message.id): each.message.extended for each in car.commands.values()}
        self._modulus = {name: each.protection.modulus if each.protection else 1 for name, each in car.commands.items()}
        self._steer, self._accel = Grid(*car.commands["steer"].raster), Grid(*car.commands["accel"].raster)

    @property
    def buses(self) -> frozenset[str]:
        """Buses that command frames go to."""
        return frozenset(bus for bus, _ in self._extended)

    @property
    def steer_grid(self) -> Grid:
        """See CommandCodec."""
        return self._steer

    @property
    def accel_grid(self) -> Grid:
        """See CommandCodec."""
        return self._accel

    def encode(self, command: Command, count: int) -> Sequence[RawFrame]:
        """See CommandCodec."""
        asked = CanCommand(command.steer_rad, command.accel_mps2, command.steer_request, command.accel_request, command.hold)
        return [RawFrame(sent.bus, sent.frame.id, sent.frame.data) for sent in self._encoder.encode(asked, 0, count)]

    def decode(self, frames: Sequence[RawFrame], count: int) -> Command | None:
        """See CommandCodec."""
        try:
            parts = [self._decoder.decode(frame.bus, self.frame(frame, 0)) for frame in frames]
        except CommandError:
            return None
        if sorted(part.name for part in parts) != ["accel", "steer"] or any(part.counter != count % self._modulus[part.name] for part in parts):
            return None
        accel, steer = sorted(parts, key=attrgetter("name"))
        return Command(steer.value, accel.value, steer.request, accel.request, accel.standstill)

    def frame(self, raw: RawFrame, stamp_ns: int) -> Frame:
        """The frame as `heron_can` sends it."""
        return Frame(stamp_ns, raw.id, raw.data, FLAG_EXTENDED if self._extended.get((raw.bus, raw.id)) else 0)
