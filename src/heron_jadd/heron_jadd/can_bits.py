"""Bits of CAN payloads as numbers: a signal of all frames of one message at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_can.codec import MessageCodec, SignalCodec

_WORD = 8  # bytes that are read at once
_REALS = {16: ("<u2", "<f2"), 32: ("<u4", "<f4"), 64: ("<u8", "<f8")}


def values_of(
    message: MessageCodec, data: NDArray[np.uint8], begins: NDArray[np.int64], counts: Counter[str]
) -> list[tuple[str, NDArray[np.float64], NDArray[np.bool_]]]:
    """Of each signal: its name, its values in all frames that begin at these bytes, and in which of them it is present."""
    little = np.zeros((len(begins), message.length + _WORD + 1), np.uint8)  # so much longer that a word may begin at any byte
    little[:, : message.length] = data[begins[:, None] + np.arange(message.length)]
    big = np.zeros_like(little)
    big[:, : message.length] = little[:, : message.length][:, ::-1]
    always = np.ones(len(begins), np.bool_)
    present: dict[str, NDArray[np.bool_]] = {}
    chosen: dict[str, NDArray[np.bool_]] = {}

    def is_there(signal: SignalCodec) -> NDArray[np.bool_]:
        if signal.selector is None:
            return always
        if signal.name not in present:
            selector = message.signals[signal.selector]
            said = _raw(selector, little if selector.little else big)
            present[signal.name] = is_there(selector) & np.isin(said, np.array(sorted(signal.selector_values), said.dtype))
            chosen[selector.name] = chosen.get(selector.name, ~always) | present[signal.name]
        return present[signal.name]

    found = []
    for name, signal in message.signals.items():
        found.append((name, _physical(signal, little if signal.little else big, message.length), is_there(signal)))
    for name, any_of in chosen.items():
        unknown = int((is_there(message.signals[name]) & ~any_of).sum())
        if unknown:
            counts[f"unknown multiplexer value {message.name}.{name}"] += unknown
    return found


def _physical(signal: SignalCodec, payloads: NDArray[np.uint8], length: int) -> NDArray[np.float64]:
    if signal.length > 64:  # no number of numpy is so wide; such signals are serial numbers and keys, rare and slow
        turned = payloads[:, :length] if signal.little else payloads[:, :length][:, ::-1]
        return np.array([signal.value(row.tobytes()) for row in turned], np.float64)
    raw = _raw(signal, payloads)
    if signal.is_float:
        integer, real = _REALS[signal.length]
        raw = raw.astype(integer).view(real)
    values: NDArray[np.float64] = raw.astype(np.float64) * signal.scale + signal.offset
    return values


def _raw(signal: SignalCodec, payloads: NDArray[np.uint8]) -> NDArray[Any]:
    """Bits of a signal of at most 64 bits, uint64, or int64 where it is signed; rows hold the payload with its lowest byte first."""
    first, bit = divmod(signal.shift, 8)
    word = np.ndarray((len(payloads),), "<u8", payloads, first, (payloads.strides[0],)) >> np.uint64(bit)
    if bit + signal.length > 64:  # reaches into a ninth byte
        word |= payloads[:, first + _WORD].astype(np.uint64) << np.uint64(64 - bit)
    unused = np.uint64(64 - signal.length)
    if signal.signed:
        return (word << unused).view(np.int64) >> np.int64(unused)
    return (word << unused) >> unused
