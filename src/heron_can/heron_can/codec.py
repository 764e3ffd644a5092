"""Bits ↔ values of one DBC message, compiled once so that a frame costs about a microsecond per signal."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

_FLOATS = {16: ("<H", "<e"), 32: ("<I", "<f"), 64: ("<Q", "<d")}


@dataclass(frozen=True, slots=True)
class SignalCodec:
    """One signal of a message.

    Attributes:
        shift: position of its lowest bit in the payload read as one integer of its byte order.
        little: byte order, Intel (True) or Motorola.
        scale, offset: raw → DBC value.
        minimum, maximum: DBC values that the DBC allows; None: whatever the bits can hold.
        choices: raw → label.
        selector: multiplexer signal that must have one of `selector_values` for this signal to be present; None: always present.
        end_byte: payload bytes needed.
        order, mask, sign: what follows from them: name of the byte order, all bits of the signal, the bit that says negative (0: none).
        raw_range: raw values that the bits hold.
        value_range: DBC values that may be encoded: rounding to the raster may pass minimum and maximum by half a step.
    """

    name: str
    shift: int
    length: int
    little: bool
    signed: bool
    is_float: bool
    scale: float
    offset: float
    minimum: float | None
    maximum: float | None
    choices: Mapping[int, str]
    selector: str | None
    selector_values: frozenset[int]
    end_byte: int
    order: Literal["little", "big"] = field(init=False)
    mask: int = field(init=False)
    sign: int = field(init=False)
    raw_range: tuple[int, int] = field(init=False)
    value_range: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        sign, slack, largest = 1 << (self.length - 1) if self.signed else 0, abs(self.scale) / 2, sys.float_info.max
        follows = {
            "order": "little" if self.little else "big",
            "mask": (1 << self.length) - 1,
            "sign": sign,
            "raw_range": (-sign, sign - 1) if self.signed else (0, (1 << self.length) - 1),
            "value_range": (
                -largest if self.minimum is None else self.minimum - slack,
                largest if self.maximum is None else self.maximum + slack,
            ),
        }
        for name, value in follows.items():
            object.__setattr__(self, name, value)

    def raw(self, data: bytes) -> int:
        """The signal's bits as an integer, sign applied. `data` must have the message's length."""
        value = int.from_bytes(data, self.order) >> self.shift & self.mask
        return value - self.mask - 1 if value & self.sign else value

    def value(self, data: bytes) -> float:
        """The DBC value: raw x scale + offset."""
        raw: float = self.raw(data)
        if self.is_float:
            integer, real = _FLOATS[self.length]
            raw = struct.unpack(real, struct.pack(integer, raw))[0]
        return raw * self.scale + self.offset

    def saturated(self, value: float) -> float:
        """A measured DBC value as a sensor says it: what is beyond the DBC's minimum or maximum as these; NaN stays."""
        if self.minimum is not None and value < self.minimum:
            return self.minimum
        return self.maximum if self.maximum is not None and value > self.maximum else value

    def bits(self, value: float) -> int:
        """The unsigned bit pattern nearest to a DBC value.

        Raises:
            ValueError: not finite, beyond the DBC's minimum or maximum, or more than the bits can hold. Nothing wraps or saturates.
        """
        least, most = self.value_range
        if not least <= value <= most:  # NaN neither
            raise ValueError(self._refusal(value))
        unscaled = (value - self.offset) / self.scale
        if self.is_float:
            integer, real = _FLOATS[self.length]
            return int(struct.unpack(integer, struct.pack(real, unscaled))[0])
        raw = round(unscaled)
        low, high = self.raw_range
        if not low <= raw <= high:
            ends = sorted((low * self.scale + self.offset, high * self.scale + self.offset))
            raise ValueError(f"{self.name} = {value}, its {self.length} bits hold {ends[0]} .. {ends[1]}")
        return raw & self.mask

    def _refusal(self, value: float) -> str:
        return f"{self.name} = {value}, " + (f"allowed {self.minimum} .. {self.maximum}" if math.isfinite(value) else "must be finite")


class MessageCodec:
    """One message of a DBC: its signals by name, encoding of whole payloads."""

    def __init__(self, message: Any) -> None:
        """`message` is a `cantools.database.Message`."""
        self.name: str = message.name
        self.id: int = message.frame_id
        self.extended: bool = message.is_extended_frame
        self.length: int = message.length
        self.period_ms: int = message.cycle_time or 0
        self.signals: dict[str, SignalCodec] = {signal.name: _compile(signal, message.length) for signal in message.signals}

    def encode(self, values: Mapping[str, float]) -> bytearray:
        """A payload with the given DBC values; signals that are not named are 0 bits.

        Raises:
            KeyError: no such signal.
            ValueError: a value that its signal cannot hold.
        """
        return bytearray(self.word(values).to_bytes(self.length, "little"))

    def word(self, values: Mapping[str, float]) -> int:
        """The same as one integer, lowest byte first."""
        little = big = 0
        for name, value in values.items():
            codec = self.signals[name]
            if codec.little:
                little |= codec.bits(value) << codec.shift
            else:
                big |= codec.bits(value) << codec.shift
        return little | self._turned(big) if big else little

    def placed(self, codec: SignalCodec, bits: int) -> int:
        """The bits of a signal where it stands in the payload as one integer, lowest byte first."""
        return bits << codec.shift if codec.little else self._turned(bits << codec.shift)

    def _turned(self, big: int) -> int:
        return int.from_bytes(big.to_bytes(self.length, "big"), "little")

    def byte_of(self, name: str) -> int | None:
        """Index of the byte that the signal fills exactly; None when it is not one whole byte."""
        codec = self.signals[name]
        if codec.length != 8 or codec.shift % 8:
            return None
        return codec.shift // 8 if codec.little else self.length - 1 - codec.shift // 8


def _compile(signal: Any, message_length: int) -> SignalCodec:
    little = signal.byte_order == "little_endian"
    if little:
        shift = signal.start
        end_bit = signal.start + signal.length - 1
    else:  # `start` names the highest bit; count it from the left end of the payload
        first = 8 * (signal.start // 8) + 7 - signal.start % 8
        shift = 8 * message_length - first - signal.length
        end_bit = first + signal.length - 1
    return SignalCodec(
        name=signal.name,
        shift=shift,
        length=signal.length,
        little=little,
        signed=signal.is_signed and not signal.is_float,
        is_float=signal.is_float,
        scale=float(signal.scale),
        offset=float(signal.offset),
        minimum=None if signal.minimum is None else float(signal.minimum),
        maximum=None if signal.maximum is None else float(signal.maximum),
        choices={int(raw): str(label) for raw, label in (signal.choices or {}).items()},
        selector=signal.multiplexer_signal,
        selector_values=frozenset(signal.multiplexer_ids or ()),
        end_byte=end_bit // 8 + 1,
    )
