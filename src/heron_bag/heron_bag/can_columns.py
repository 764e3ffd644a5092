"""All CAN frames of a recording as one batch for each bus, taken out of the bytes without decoding message by message.

Where a field of a message begins follows from the lengths of those before it (CDR: a number is aligned to its own size, counted from behind the
head; a list has its length before it, and is aligned if it holds anything). All messages are walked through at once, field by field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Nodetype

from heron_bag.columns import DTYPES, HEAD, LITTLE_ENDIAN
from heron_bag.errors import BagError
from heron_bag.reader import Bag
from heron_bag.serialise import CAN_BATCH
from heron_core.canbus import CanBatch

I64 = NDArray[np.int64]
ARRAYS = ("stamp_ns", "id", "flags", "length", "data")  # in the order of CanBatch


def can_frames(bag: Bag, topic: str = "/can/tap") -> dict[str, CanBatch]:
    """Bus → all its frames, in order of the messages' log times.

    Args:
        bag: a recording, or an excerpt of one.
        topic: of heron_msgs/CanBatch.

    Raises:
        BagError: a topic of another type, or a message that is damaged.
    """
    where = f"{bag.path}: a message of {topic}"
    if topic in bag.topics and bag.topics[topic].ros_type != CAN_BATCH:
        raise BagError(f"{bag.path}: {topic} is {bag.topics[topic].ros_type}, expected {CAN_BATCH}")
    raws = [raw for _, _, _, raw in bag.messages([topic])]
    if not raws:
        return {}
    if any(len(raw) < HEAD or raw[1] != LITTLE_ENDIAN for raw in raws):
        raise BagError(f"{where} is not little-endian CDR")
    found = _Walk(raws, where)
    found.over(bag, bag.fields(CAN_BATCH))
    missing = [name for name in ("channel", *ARRAYS) if name not in found.lists]
    if missing:
        raise BagError(f"{bag.path}: {topic} ({CAN_BATCH}) has no field {missing[0]}")
    counts = {name: found.lists[name][1] for name in ARRAYS}
    if any((counts[name] != counts["stamp_ns"]).any() for name in ARRAYS[1:4]):
        raise BagError(f"{where}: arrays of a CAN batch differ in length")
    sizes = np.concatenate([[0], np.cumsum(found.values("length"), dtype=np.int64)])
    ends = np.cumsum(counts["length"])
    if (sizes[ends] - sizes[ends - counts["length"]] != counts["data"]).any():
        raise BagError(f"{where} has another number of payload bytes than its lengths add up to")
    texts = found.texts("channel")
    buses = np.array(texts)
    return {bus: CanBatch(bus, *(found.values(name, np.flatnonzero(buses == bus)) for name in ARRAYS)) for bus in dict.fromkeys(texts)}


class _Walk:
    """Messages of one type, one behind the other.

    Args:
        raws: the messages.
        where: what they are called in errors.

    Attributes:
        lists: name of a list or string → (where it begins in each message, how many it holds, type of one).
    """

    def __init__(self, raws: Sequence[memoryview], where: str) -> None:
        sizes = np.fromiter(map(len, raws), np.int64, len(raws))
        self._ends = np.cumsum(sizes)
        self._begins = self._ends - sizes + HEAD
        self._bytes = np.frombuffer(b"".join(raws), np.uint8)
        self._where = where
        self._at = np.zeros(len(raws), np.int64)
        self.lists: dict[str, tuple[I64, I64, str]] = {}

    def over(self, bag: Bag, fields: Sequence[tuple[str, Any]]) -> None:
        """Walks over fields of a type.

        Raises:
            BagError: a message ends before they do, or they are of a kind that a CAN batch does not have.
        """
        for name, (kind, of) in fields:
            if kind is Nodetype.NAME:
                self.over(bag, bag.fields(of))
            elif kind is Nodetype.BASE and of[0] != "string":
                size = np.dtype(DTYPES[of[0]]).itemsize
                self._align(size, np.ones(len(self._at), np.bool_))
                self._pass(np.full(len(self._at), size))
            elif kind is Nodetype.BASE or (kind is Nodetype.SEQUENCE and of[0][0] is Nodetype.BASE and of[0][1][0] != "string"):
                dtype = "u1" if kind is Nodetype.BASE else DTYPES[of[0][1][0]]
                self._align(4, np.ones(len(self._at), np.bool_))
                count = self._gather(self._pass(np.full(len(self._at), 4)), np.ones(len(self._at), np.int64), "<u4").astype(np.int64)
                self._align(np.dtype(dtype).itemsize, count > 0)
                self.lists[name] = self._pass(count * np.dtype(dtype).itemsize), count, dtype
            else:
                raise BagError(f"{self._where}: its field {name} is of a kind that a CAN batch does not have")

    def values(self, name: str, which: I64 | None = None) -> NDArray[Any]:
        """A list of all messages, or of some, one behind the other; read-only."""
        begins, counts, dtype = self.lists[name]
        found = self._gather(begins, counts, dtype) if which is None else self._gather(begins[which], counts[which], dtype)
        found.flags.writeable = False
        return found

    def texts(self, name: str) -> list[str]:
        """A string of each message."""
        begins, counts, _ = self.lists[name]
        ends = begins + np.maximum(counts - 1, 0)  # without the closing zero
        return [self._bytes[begin:end].tobytes().decode("utf-8", "replace") for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]

    def _align(self, size: int, which: NDArray[np.bool_]) -> None:
        self._at = np.where(which, self._at + -self._at % size, self._at)

    def _pass(self, size: I64) -> I64:
        """Goes on by so many bytes in each message; where they begin."""
        found: I64 = self._begins + self._at
        if (found + size > self._ends).any():
            raise BagError(f"{self._where} ends too soon")
        self._at = self._at + size
        return found

    def _gather(self, begins: I64, counts: I64, dtype: str) -> NDArray[Any]:
        """So many numbers from each beginning on, one behind the other."""
        size = np.dtype(dtype).itemsize
        places = np.repeat(begins - (np.cumsum(counts) - counts) * size, counts) + np.arange(int(counts.sum())) * size
        found: NDArray[Any] = np.ascontiguousarray(self._bytes[places[:, None] + np.arange(size)]).view(dtype).reshape(-1)
        return found
