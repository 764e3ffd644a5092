"""Many small messages of one topic as arrays, one for each wanted field, taken out of the bytes without decoding message by message.

Messages of one type whose strings are as long have their fields at the same places. One message tells where, and all that are like it are read at
once; those that differ are a group of their own. The places follow from CDR: a number is aligned to its own size, counted from behind the head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Nodetype

from heron_bag.errors import BagError
from heron_bag.reader import Bag

HEAD = 4  # bytes: the encapsulation
LITTLE_ENDIAN = 1
DTYPES = {"bool": "?", "byte": "u1", "char": "u1", "octet": "u1", "float32": "<f4", "float64": "<f8"}
DTYPES |= {f"{sign}int{bits}": f"<{sign[:1] or 'i'}{bits // 8}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


@dataclass
class _Layout:
    """Where fields lie in messages that are like one of them.

    Attributes:
        numbers: path → (offset, dtype).
        texts: path → (offset of the text, bytes without the closing zero).
        lengths: offsets of the lengths of strings.
    """

    numbers: dict[str, tuple[int, str]] = field(default_factory=dict)
    texts: dict[str, tuple[int, int]] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)


def columns(bag: Bag, topic: str, fields: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Fields of all messages of a topic, in order of log time.

    Args:
        bag: a recording, or an excerpt of one.
        topic: of it.
        fields: paths such as `angular_velocity.z`; `header.stamp` is given in nanoseconds.

    Returns:
        path → (n,) int64 for stamps, the field's own type for numbers, objects for strings.

    Raises:
        BagError: no such topic or field, or one behind a list of varying length.
    """
    raws = [raw for _, _, _, raw in bag.messages([topic])]
    wanted = [part for path in fields for part in ((f"{path}.sec", f"{path}.nanosec") if _is_stamp(path) else (path,))]
    parts: dict[str, NDArray[Any]] = {}
    rest = np.arange(len(raws))
    while len(rest):
        alike, rows, layout = _alike(bag, topic, raws, rest, wanted)
        for path in wanted:
            values = _column(rows, layout, path)
            parts.setdefault(path, np.empty(len(raws), values.dtype))[alike] = values
        rest = np.setdiff1d(rest, alike, assume_unique=True)
    for path in wanted:
        parts.setdefault(path, np.empty(0))
    return {path: _stamp(parts, path) if _is_stamp(path) else parts[path] for path in fields}


def _is_stamp(path: str) -> bool:
    return path.rpartition(".")[2] in ("stamp", "timestamp")


def _stamp(parts: Mapping[str, NDArray[Any]], path: str) -> NDArray[np.int64]:
    found: NDArray[np.int64] = parts[f"{path}.sec"].astype(np.int64) * 1_000_000_000 + parts[f"{path}.nanosec"].astype(np.int64)
    return found


def _alike(
    bag: Bag, topic: str, raws: Sequence[memoryview], rest: NDArray[np.int64], wanted: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], _Layout]:
    """Those of the messages `rest` that are like the first of them, their bytes (k, size), and where their fields lie."""
    first = raws[rest[0]]
    if len(first) < HEAD or first[1] != LITTLE_ENDIAN:
        raise BagError(f"{bag.path}: a message of {topic} is not little-endian CDR")
    layout = _layout(bag, topic, first, wanted)
    same = np.array([k for k in rest if len(raws[k]) == len(first)], np.int64)
    rows = np.frombuffer(b"".join(raws[k] for k in same), np.uint8).reshape(len(same), len(first))
    fits = (rows[:, 1] == LITTLE_ENDIAN).copy()
    for offset in layout.lengths:
        fits &= (rows[:, offset : offset + 4] == rows[0, offset : offset + 4]).all(1)
    return same[fits], rows[fits], layout


def _layout(bag: Bag, topic: str, raw: memoryview, wanted: Sequence[str]) -> _Layout:
    layout = _Layout()
    known = bag.fields(bag.topics[topic].ros_type)
    try:
        _walk(bag, known, "", raw, HEAD, layout, set(wanted))
    except (IndexError, ValueError) as error:
        raise BagError(f"{bag.path}: a message of {topic} ends too soon: {error}") from error
    missing = [path for path in wanted if path not in layout.numbers and path not in layout.texts]
    if missing:
        raise BagError(f"{bag.path}: {topic} ({bag.topics[topic].ros_type}) has no plain field {missing[0]}")
    return layout


def _walk(bag: Bag, known: Sequence[tuple[str, Any]], prefix: str, raw: memoryview, at: int, layout: _Layout, open_: set[str]) -> int:
    """Follows the fields of a message from offset `at`; where they end, or -1 once nothing more is wanted or can be known."""
    for name, (kind, of) in known:
        path = prefix + name
        if kind is Nodetype.NAME:
            at = _walk(bag, bag.fields(of), f"{path}.", raw, at, layout, open_)
        elif kind is Nodetype.BASE and of[0] == "string":
            at = _aligned(at, 4)
            size = int.from_bytes(raw[at : at + 4], "little")
            if at + 4 + size > len(raw):
                raise ValueError(f"{path} is said to have {size} bytes")
            layout.lengths.append(at)
            layout.texts[path] = at + 4, max(size - 1, 0)
            at += 4 + size
        elif kind is Nodetype.BASE:
            at, layout.numbers[path] = _number(of[0], at)
        elif kind is Nodetype.ARRAY and of[0][0] is Nodetype.BASE and of[0][1][0] != "string":
            for k in range(of[1]):
                at, layout.numbers[f"{path}.{k}"] = _number(of[0][1][0], at)
                open_.discard(f"{path}.{k}")
        else:
            return -1
        open_.discard(path)
        if at < 0 or not open_:
            return -1
    return at


def _number(name: str, at: int) -> tuple[int, tuple[int, str]]:
    """Offset behind a number, and where it lies with its type."""
    dtype = DTYPES[name]
    size = np.dtype(dtype).itemsize
    at = _aligned(at, size)
    return at + size, (at, dtype)


def _aligned(at: int, size: int) -> int:
    return at + -(at - HEAD) % size


def _column(rows: NDArray[np.uint8], layout: _Layout, path: str) -> NDArray[Any]:
    if path in layout.numbers:
        offset, dtype = layout.numbers[path]
        size = np.dtype(dtype).itemsize
        if offset + size > rows.shape[1]:
            raise BagError(f"a message ends before its field {path}")
        return np.ascontiguousarray(rows[:, offset : offset + size]).view(dtype).reshape(-1)
    offset, size = layout.texts[path]
    if size == 0:
        return np.full(len(rows), "", object)
    texts, which = np.unique(np.ascontiguousarray(rows[:, offset : offset + size]).view(f"V{size}").reshape(-1), return_inverse=True)
    found: NDArray[Any] = np.array([text.tobytes().decode("utf-8", "replace") for text in texts], object)[which]
    return found
