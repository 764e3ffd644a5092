"""Every signal of every CAN frame of a bus, as a long table: all frames of one message are decoded at once."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray

from heron_bag.attachments import VEHICLE
from heron_can.car import FILE
from heron_can.codec import MessageCodec, SignalCodec
from heron_can.mapping import CanMapping, SourceConfig
from heron_core.canbus import FLAG_ERROR, FLAG_EXTENDED, FLAG_REMOTE, FLAG_TX, CanBatch
from heron_core.errors import ConfigError, InputError
from heron_core.settings import from_mapping
from heron_jadd.can_bits import values_of

_EXTENDED = 1 << 32  # beyond any id: standard and extended ids are two spaces
_LABEL = pa.dictionary(pa.int16(), pa.string())

# stamp_ns: of the frame; value: physical, in the DBC's unit; sent: by us, else received
SCHEMA = pa.schema(
    [("stamp_ns", pa.int64()), ("bus", _LABEL), ("message", _LABEL), ("signal", _LABEL), ("value", pa.float64()), ("sent", pa.bool_())]
)


@dataclass(frozen=True)
class Decoded:
    """What the frames of one bus said.

    Attributes:
        table: rows of `SCHEMA`, sorted by stamp, then by name of the message, then as the DBC orders its signals; frames of one message and one
            stamp follow each other as recorded.
        counts: what was not decoded, and why: `error frame`, `remote frame`, `unknown id 0x123`, `too short STEERING`, `unknown multiplexer value
            BODY.PAGE` (its other signals are there); `too long STEERING` is decoded from its first bytes, as the car's own software does.
    """

    table: Any
    counts: Counter[str]


class BusDecoder:
    """Messages of one bus, ready to decode.

    Args:
        bus: its name in can.yaml.
        files: name of a DBC file → its content.

    Raises:
        InputError: a file is no DBC, or an id or a name stands twice.
    """

    def __init__(self, bus: str, files: Mapping[str, bytes]) -> None:
        self.bus = bus
        self.files = tuple(files)
        self._home: dict[str, str] = {}
        self._messages: dict[str, MessageCodec] = {}
        self._by_key: dict[int, MessageCodec] = {}
        for file, content in files.items():
            for message in _parse(file, content):
                key = message.id | (_EXTENDED if message.extended else 0)
                twice = self._messages.get(message.name) or self._by_key.get(key)
                if twice is not None:
                    raise InputError(
                        f"{file}: message {message.name} ({message.id:#x}) of bus {bus} stands in {self._home[twice.name]} as {twice.name}"
                    )
                self._home[message.name] = file
                self._messages[message.name] = self._by_key[key] = message
        self._names = sorted(self._messages)
        self._rank = {name: rank for rank, name in enumerate(self._names)}
        self._signals = sorted({signal for message in self._messages.values() for signal in message.signals})
        self._code = {name: code for code, name in enumerate(self._signals)}

    def require(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Checks that (message, signal) pairs exist.

        Raises:
            InputError: one does not; the text names message, signal, file, and the nearest names.
        """
        files = ", ".join(self.files) or "no DBC file"
        for name, signal in wanted:
            message = self._messages.get(name)
            if message is None:
                raise InputError(f"{files}: bus {self.bus} has no message {name} with the signal {signal}{_nearest(name, self._messages)}")
            if signal not in message.signals:
                raise InputError(f"{self._home[name]}: message {name} of bus {self.bus} has no signal {signal}{_nearest(signal, message.signals)}")

    def decode(self, frames: CanBatch) -> Decoded:
        """All signals of the frames, received and sent, in any order of time."""
        counts: Counter[str] = Counter()
        rank = self._ranked(frames, counts)
        order = np.lexsort((rank, frames.stamp_ns))
        order = order[rank[order] >= 0]
        begins = (np.cumsum(frames.length, dtype=np.int64) - frames.length)[order]
        ranks = rank[order]
        sizes = np.zeros(len(order), np.int64)  # rows of each frame, in the order of the table
        values = []
        grouped = np.argsort(ranks, kind="stable")
        for places in np.split(grouped, np.flatnonzero(np.diff(ranks[grouped])) + 1) if len(grouped) else ():
            found = values_of(self._messages[self._names[ranks[places[0]]]], frames.data, begins[places], counts)
            sizes[places] = sum(here.astype(np.int64) for _, _, here in found)
            values.append((places, found))
        return Decoded(self._table(frames, order, ranks, sizes, values), counts)

    def received(self, frames: CanBatch, message: str) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
        """One message's received frames, its signals side by side.

        Returns:
            (n,) stamps in the order of the frames; signal → (n,) values in the DBC's unit, NaN where its multiplexer says that it is not there.
        """
        ranks = self._ranked(frames, Counter())
        places = np.flatnonzero((ranks == self._rank[message]) & ((frames.flags & FLAG_TX) == 0))
        begins = (np.cumsum(frames.length, dtype=np.int64) - frames.length)[places]
        if not len(places):
            return np.empty(0, np.int64), {name: np.empty(0) for name in self._messages[message].signals}
        found = values_of(self._messages[message], frames.data, begins, Counter())
        return frames.stamp_ns[places], {name: np.where(here, values, np.nan) for name, values, here in found}

    def codec(self, message: str, signal: str) -> SignalCodec:
        """How the DBC describes a signal."""
        return self._messages[message].signals[signal]

    def _ranked(self, frames: CanBatch, counts: Counter[str]) -> NDArray[np.int16]:
        """Each frame's message as its place in the order of names; -1 where there is nothing to decode."""
        error = (frames.flags & FLAG_ERROR) != 0
        remote = ~error & ((frames.flags & FLAG_REMOTE) != 0)
        keys = frames.ids.astype(np.int64) | np.where(frames.flags & FLAG_EXTENDED, _EXTENDED, 0)
        kinds, kind = np.unique(keys, return_inverse=True)
        messages = [self._by_key.get(key) for key in kinds.tolist()]
        ranks = np.array([-1 if message is None else self._rank[message.name] for message in messages], np.int16)
        lengths = np.array([0 if message is None else message.length for message in messages], np.int16)
        known = ranks[kind] >= 0
        short, long = known & (frames.length < lengths[kind]), known & (frames.length > lengths[kind])
        for text, which in (("error frame", error), ("remote frame", remote)):
            if which.any():
                counts[text] = int(which.sum())
        for text, which in (("unknown id", ~known), ("too short", short), ("too long", long)):
            for index, count in enumerate(np.bincount(kind[which & ~error & ~remote], minlength=len(kinds)).tolist()):
                if count:
                    message = messages[index]
                    counts[f"{text} {message.name if message else _shown(int(kinds[index]))}"] = count
        return np.where(known & ~short & ~error & ~remote, ranks[kind], np.int16(-1))

    def _table(
        self, frames: CanBatch, order: NDArray[np.int64], ranks: NDArray[np.int16], sizes: NDArray[np.int64], values: Sequence[tuple[Any, Any]]
    ) -> Any:
        starts = np.cumsum(sizes) - sizes
        rows = int(sizes.sum())
        value, signal = np.empty(rows), np.empty(rows, np.int16)
        for places, found in values:
            row = starts[places]
            for name, column, here in found:
                at = row[here]
                value[at] = column[here]
                signal[at] = self._code[name]
                row = row + here
        columns = [
            pa.array(np.repeat(frames.stamp_ns[order], sizes)),
            pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int16)), pa.array([self.bus])),
            pa.DictionaryArray.from_arrays(pa.array(np.repeat(ranks, sizes)), pa.array(self._names, pa.string())),
            pa.DictionaryArray.from_arrays(pa.array(signal), pa.array(self._signals, pa.string())),
            pa.array(value, from_pandas=False),  # a float signal may say NaN: that is not a missing value
            pa.array(np.repeat((frames.flags[order] & FLAG_TX) != 0, sizes)),
        ]
        return pa.table(columns, schema=SCHEMA)


def bus_decoders(attachments: Mapping[str, bytes]) -> dict[str, BusDecoder]:
    """Bus → decoder, from the car's files that a recording carries; none where it carries no can.yaml.

    Raises:
        InputError: can.yaml cannot be used, a DBC file is missing or broken, or lacks a message or signal that can.yaml reads.
    """
    mapping, where = mapping_of(attachments), f"{VEHICLE}/{FILE}"
    if mapping is None:
        return {}
    decoders = {}
    for bus, config in mapping.buses.items():
        names = [f"{VEHICLE}/{PurePosixPath(name).name}" for name in config.dbc]
        missing = [name for name in names if name not in attachments]
        if missing:
            raise InputError(f"{where}: buses.{bus}.dbc: the recording does not carry {missing[0]}")
        decoders[bus] = BusDecoder(bus, {name: attachments[name] for name in names})
    for section in (mapping.state, mapping.imu, mapping.gnss):
        for source in section.values():
            for bus, message, signal in _named(source):
                if bus not in decoders:
                    raise InputError(f"{where}: no bus {bus} for {message}.{signal}{_nearest(bus, decoders)}")
                decoders[bus].require([(message, signal)])
    return decoders


def mapping_of(attachments: Mapping[str, bytes]) -> CanMapping | None:
    """The can.yaml that a recording carries.

    Raises:
        InputError: it cannot be used.
    """
    where = f"{VEHICLE}/{FILE}"
    if where not in attachments:
        return None
    try:
        content = yaml.safe_load(attachments[where].decode("utf-8"))
        return from_mapping(CanMapping, content if isinstance(content, dict) else {}, where)
    except (yaml.YAMLError, UnicodeDecodeError, ConfigError) as error:
        raise InputError(f"{where} of the recording cannot be used: {error}") from error


def joined(batches: Sequence[CanBatch]) -> CanBatch:
    """Batches of one bus as one.

    Raises:
        ValueError: none, or of several buses.
    """
    buses = sorted({batch.channel for batch in batches})
    if len(buses) != 1:
        raise ValueError(f"batches of {', '.join(buses) or 'no bus'}, expected one bus")
    parts = ([getattr(batch, name) for batch in batches] for name in ("stamp_ns", "ids", "flags", "length", "data"))
    return CanBatch(buses[0], *(np.concatenate(part) for part in parts))


def _shown(key: int) -> str:
    return f"0x{key & ~_EXTENDED:08x} (extended)" if key & _EXTENDED else f"0x{key:03x}"


def _named(source: SourceConfig) -> list[tuple[str, str, str]]:
    """(bus, message, signal) that a source of can.yaml reads, its fallbacks too."""
    signals = [source.signal, *source.require]
    return [(source.bus, source.message, signal) for signal in signals] + (_named(source.fallback) if source.fallback else [])


def _parse(file: str, content: bytes) -> list[MessageCodec]:
    import cantools.database  # heavy

    try:
        text = content.decode("cp1252")  # as cantools reads DBC files
        database: Any = cantools.database.load_string(text, "dbc", prune_choices=False, sort_signals=None)
    except Exception as error:  # whatever the parser meets in a broken file
        raise InputError(f"{file}: not a valid DBC file: {type(error).__name__}: {error}") from error
    return [MessageCodec(message) for message in database.messages]


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(near)}" if near else f"; known: {', '.join(names) or 'none'}"
