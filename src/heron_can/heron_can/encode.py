"""Commands → frames with counter and checksum, and back again for the gate, which judges what the frame says and not what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from heron_can.car import Car
from heron_can.car import Command as CommandMessage
from heron_can.frame import Frame
from heron_core.canbus import FLAG_EXTENDED, FLAG_TX
from heron_core.errors import HeronError


class CommandError(HeronError):
    """A frame is no command of this car, or its checksum is wrong."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is asked of the car.

    Attributes:
        steer_rad: road-wheel angle, left positive.
        accel_mps2: acceleration, forward positive.
        steer_request, accel_request: ask the car to follow; False leaves steering or pedals to the driver.
        standstill: hold the car once it stands.
    """

    steer_rad: float
    accel_mps2: float
    steer_request: bool
    accel_request: bool
    standstill: bool = False


class SentFrame(NamedTuple):
    """A frame and the bus that it belongs on; `name` is `steer` or `accel`."""

    name: str
    bus: str
    frame: Frame


class DecodedCommand(NamedTuple):
    """What one command frame says; `value` is an angle (rad, road wheel, left positive) for `steer`, an acceleration (m/s²) for `accel`."""

    name: str
    value: float
    request: bool
    standstill: bool
    counter: int


class CommandEncoder:
    """Writes the command frames of one car; every call counts on, unless the caller counts."""

    def __init__(self, car: Car) -> None:
        self._commands = car.commands
        self._counts = dict.fromkeys(car.commands, 0)

    def encode(self, command: Command, stamp_ns: int, count: int | None = None) -> tuple[SentFrame, ...]:
        """One frame per command message that the car has, stamped `stamp_ns`, flagged as sent by us.

        `count` sets the counters (each wraps as its message says); None: one more than at the last call.

        Raises:
            ValueError: a value that is not finite, or beyond what the DBC allows or the bits hold. Nothing wraps; no counter moves then.
        """
        payloads = {name: self._payload(name, message, command) for name, message in self._commands.items()}
        frames = []
        for name, payload in payloads.items():
            message = self._commands[name]
            if count is not None:
                self._counts[name] = count
            data = (
                message.protection.sealed(payload, self._counts[name]) if message.protection else payload.to_bytes(message.message.length, "little")
            )
            self._counts[name] += 1
            flags = FLAG_TX | (FLAG_EXTENDED if message.message.extended else 0)
            frames.append(SentFrame(name, message.bus, Frame(stamp_ns, message.message.id, data, flags)))
        return tuple(frames)

    def _payload(self, name: str, message: CommandMessage, command: Command) -> int:
        """As one integer, lowest byte first."""
        value, request = (command.steer_rad, command.steer_request) if name == "steer" else (command.accel_mps2, command.accel_request)
        values = {**message.constants, message.value: (value - message.offset) / message.scale, message.request: float(request)}
        if message.standstill:
            values[message.standstill] = float(command.standstill)
        try:
            return message.message.word(values)
        except ValueError as error:
            raise ValueError(f"{name} command {value:g} does not fit {message.message.name}: {error}") from error


class CommandDecoder:
    """Reads command frames of one car back."""

    def __init__(self, car: Car) -> None:
        self._commands: Mapping[tuple[str, int, bool], tuple[str, CommandMessage]] = {
            (command.bus, command.message.id, command.message.extended): (name, command) for name, command in car.commands.items()
        }

    @property
    def whitelist(self) -> frozenset[tuple[str, int, int]]:
        """(bus, id, length) of the only frames that may be sent."""
        return frozenset((bus, id_, command.message.length) for (bus, id_, _), (_, command) in self._commands.items())

    def decode(self, bus: str, frame: Frame) -> DecodedCommand:
        """What the frame says.

        Raises:
            CommandError: not a command message, wrong length, or wrong checksum.
        """
        found = self._commands.get((bus, frame.id, bool(frame.flags & FLAG_EXTENDED)))
        if found is None:
            raise CommandError(f"frame {frame.id:#x} on {bus} is no command of this car")
        name, command = found
        if len(frame.data) != command.message.length:
            raise CommandError(f"{command.message.name} has {len(frame.data)} bytes, expected {command.message.length}")
        if command.protection is not None and not command.protection.checksum_right(frame.data):
            raise CommandError(f"{command.message.name} carries a wrong checksum")
        signals = command.message.signals
        counter = command.protection.counter if command.protection else None
        return DecodedCommand(
            name=name,
            value=signals[command.value].value(frame.data) * command.scale + command.offset,
            request=bool(signals[command.request].raw(frame.data)),
            standstill=bool(command.standstill and signals[command.standstill].raw(frame.data)),
            counter=counter.raw(frame.data) if counter else 0,
        )
