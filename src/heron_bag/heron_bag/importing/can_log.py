"""CAN logs: MF4, candump, ASC, BLF, as batches of 10 ms."""

from __future__ import annotations

import heapq
import importlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from heron_bag.errors import BagError
from heron_bag.importing.config import CanSource
from heron_bag.importing.recording import Item, Tally, find_file, seconds_to_ns
from heron_core.arrays import read_only
from heron_core.canbus import FLAG_BITRATE_SWITCH, FLAG_ERROR, FLAG_EXTENDED, FLAG_FD, FLAG_REMOTE, FLAG_TX, CanBatch

TOPIC = "/can/tap"
_ABSOLUTE_FROM_NS = 10**17  # 1973: no log's relative time reaches it
_REORDER_NS = 1_000_000_000  # loggers write their channels in blocks


def allow_mf4() -> None:
    """Lets python-can read and write MF4: it finds asammdf from now on, where it was kept from it (`heron_can.lean_import`)."""
    from can.io import mf4

    if getattr(mf4, "asammdf", None) is None:
        importlib.reload(mf4)


class CanRecording:
    """Log files that follow each other."""

    def __init__(self, source: CanSource, base: Path) -> None:
        self._source = source
        self.files = [find_file(file, base) for file in source.files]
        self.label = f"CAN log {self.files[0].name}"
        self.offset_s = source.offset_s
        self.expected: int | None = None
        first = next(_in_order(self._frames(), self.label), None)
        if first is None:
            raise BagError(f"{self.files[0]}: holds no CAN frame")
        self._log_start_ns = first[0]
        self.absolute = first[0] >= _ABSOLUTE_FROM_NS
        self.first_ns = first[0] + seconds_to_ns(source.from_s)

    def _frames(self) -> Iterator[tuple[int, Any]]:
        """(time, frame) as logged. Times are floats of seconds in every reader, exact to 1 µs, so they are rounded to that."""
        import can

        if any(file.suffix.lower() == ".mf4" for file in self.files):
            allow_mf4()
        for file in self.files:
            options: dict[str, Any] = {"relative_timestamp": False} if file.suffix.lower() == ".asc" else {}
            try:
                with can.LogReader(file, **options) as reader:
                    for message in reader:
                        yield round(message.timestamp * 1e6) * 1000, message
            except Exception as error:  # each format's reader raises its own
                raise BagError(f"{file}: cannot be read as a CAN log: {error!r}") from error

    def items(self, shift_ns: int, tally: Tally) -> Iterator[Item]:
        """See `Recording.items`; a batch is logged at its last frame, when it was complete."""
        source = self._source
        stop_ns = None if source.duration_s is None else self.first_ns + seconds_to_ns(source.duration_s)
        width_ns = source.batch_ms * 1_000_000
        window, buses = -1, dict[str, list[tuple[int, Any]]]()
        for own_ns, message in _in_order(self._frames(), self.label):
            if own_ns < self.first_ns:
                continue
            if stop_ns is not None and own_ns >= stop_ns:
                break
            bus = source.channel or source.channels.get(message.channel if isinstance(message.channel, int) else -1, "")
            if not bus:
                tally.counts[f"CAN frames of channel {message.channel} left out"] += 1
                continue
            now_ns = own_ns + shift_ns
            if now_ns // width_ns != window:
                yield from _batches(buses)
                buses.clear()
                window = now_ns // width_ns
            buses.setdefault(bus, []).append((now_ns, message))
            tally.counts[f"CAN frames of bus {bus}"] += 1
        yield from _batches(buses)


def _in_order(frames: Iterator[tuple[int, Any]], label: str) -> Iterator[tuple[int, Any]]:
    """Frames sorted by time, if none is more than a second late.

    Raises:
        BagError: one is.
    """
    heap: list[tuple[int, int, Any]] = []
    order = itertools.count()
    last_ns = None
    for stamp_ns, message in frames:
        heapq.heappush(heap, (stamp_ns, next(order), message))
        while heap[0][0] < stamp_ns - _REORDER_NS or len(heap) > 100_000:
            last_ns, _, out = heapq.heappop(heap)
            yield last_ns, out
        if last_ns is not None and stamp_ns < last_ns:
            raise BagError(f"{label}: its time jumps back by {(last_ns - stamp_ns) / 1e9:.3f} s at {stamp_ns / 1e9:.6f} s; split the log there")
    while heap:
        last_ns, _, out = heapq.heappop(heap)
        yield last_ns, out


def _batches(buses: dict[str, list[tuple[int, Any]]]) -> list[Item]:
    items: list[Item] = [(frames[-1][0], TOPIC, _batch(bus, frames)) for bus, frames in buses.items()]
    return sorted(items, key=lambda item: item[0])


def _batch(bus: str, frames: list[tuple[int, Any]]) -> CanBatch:
    payloads = [bytes(message.data) for _, message in frames]
    return CanBatch(
        channel=bus,
        stamp_ns=read_only(np.array([stamp_ns for stamp_ns, _ in frames], dtype=np.int64)),
        ids=read_only(np.array([message.arbitration_id for _, message in frames], dtype=np.uint32)),
        flags=read_only(np.array([_flags(message) for _, message in frames], dtype=np.uint8)),
        length=read_only(np.array([len(payload) for payload in payloads], dtype=np.uint8)),
        data=read_only(np.frombuffer(b"".join(payloads), dtype=np.uint8)),
    )


def _flags(message: Any) -> int:
    return (
        (0 if message.is_rx else FLAG_TX)
        | (FLAG_EXTENDED if message.is_extended_id else 0)
        | (FLAG_FD if message.is_fd else 0)
        | (FLAG_ERROR if message.is_error_frame else 0)
        | (FLAG_REMOTE if message.is_remote_frame else 0)
        | (FLAG_BITRATE_SWITCH if message.bitrate_switch else 0)
    )
