"""What any body is made of: a head in JSON, then pieces of bytes.

    length of the head u32 | head | pieces, whose sizes the head states

Only authentic bytes come here. Whoever wrote them may still run another version, so each length, shape and type is checked before it is used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import read_only

Part = bytes | memoryview
MAX_WHOLE = 2**62
"""Of numbers and times: they fit into 64 bits also where two are added."""

_LENGTH = 4
_MAX_HEAD = 65_536


class WireError(ValueError):
    """Authentic bytes that are no such message: another version made them, or they were made wrongly."""


class checked:  # noqa: N801  (reads as a statement)
    """Turns what a wrong head raises into `WireError`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        wrong = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
        if isinstance(error, wrong) and not isinstance(error, WireError):
            raise WireError(f"{type(error).__name__}: {error!s:.200}") from error


class Pieces:
    """The pieces after a head, one after the other; all of them must be taken."""

    def __init__(self, body: memoryview, at: int, sizes: Sequence[int]) -> None:
        self._body, self._at, self._sizes = body, at, list(sizes)[::-1]

    def __next__(self) -> memoryview:
        if not self._sizes:
            raise WireError("fewer pieces than stated")
        begin, self._at = self._at, self._at + self._sizes.pop()
        return self._body[begin : self._at]

    def end(self) -> None:
        """Raises WireError: pieces are left that nothing asked for."""
        if self._sizes:
            raise WireError(f"{len(self._sizes)} pieces more than stated")


def make_body(head: Mapping[str, Any], pieces: Sequence[Part] = ()) -> list[Part]:
    """A body in parts; `pieces` are not copied."""
    text = json.dumps({**head, "sizes": [len(piece) for piece in pieces]}, separators=(",", ":"), allow_nan=False).encode()
    return [len(text).to_bytes(_LENGTH, "little"), text, *pieces]


def open_body(body: memoryview) -> tuple[dict[str, Any], Pieces]:
    """The head of a body, and its pieces where they lie.

    Raises:
        WireError: not a body.
    """
    length = int.from_bytes(body[:_LENGTH], "little")
    if len(body) < _LENGTH or length > min(_MAX_HEAD, len(body) - _LENGTH):
        raise WireError(f"a head of {length} bytes in a body of {len(body)}")
    with checked():
        head = json.loads(bytes(body[_LENGTH : _LENGTH + length]))
        if not isinstance(head, dict):
            raise WireError("a head that is no object")
        sizes = [whole(size, 0, len(body)) for size in head.pop("sizes")]
        if sum(sizes) != len(body) - _LENGTH - length:
            raise WireError(f"pieces of {sum(sizes)} bytes, there are {len(body) - _LENGTH - length}")
        return head, Pieces(body, _LENGTH + length, sizes)


def pack_head(**values: Any) -> list[Part]:
    """A body that is a head alone."""
    return make_body(values)


def head_of(body: memoryview) -> dict[str, Any]:
    """The head of any body, to see whose it is.

    Raises:
        WireError: not a body.
    """
    return open_body(body)[0]


def whole_of(head: Mapping[str, Any], *names: str) -> tuple[int, ...]:
    """Numbers and times of a head.

    Raises:
        WireError: one is missing, or no whole number from 0 to `MAX_WHOLE`.
    """
    return tuple(whole(head.get(name), 0, MAX_WHOLE) for name in names)


def array_of(piece: memoryview, kind: Any, shape: Sequence[int]) -> NDArray[Any]:
    """A piece as a read-only array; bytes are not copied.

    Raises:
        WireError: another number of bytes.
    """
    if len(piece) != math.prod(shape) * np.dtype(kind).itemsize:
        raise WireError(f"{len(piece)} bytes for {np.dtype(kind).name}{tuple(shape)}")
    # A piece begins anywhere in the body; what reads it may want whole words.
    return read_only(np.frombuffer(piece if kind is np.uint8 else bytes(piece), dtype=kind).reshape(shape))


def bytes_of(array: NDArray[Any]) -> memoryview:
    """An array as a piece; one that lies in order is not copied."""
    return np.ascontiguousarray(array).data.cast("B")


def whole(value: Any, low: int, high: int) -> int:
    """Raises WireError: not a whole number in the range."""
    if type(value) is not int or not low <= value <= high:
        raise WireError(f"{_shown(value)} where a whole number from {low} to {high} was expected")
    return value


def text(value: Any) -> str:
    """Raises WireError: not a text, or one that UTF-8 cannot hold (half of a surrogate pair), at which a tokenizer would break."""
    if type(value) is not str:
        raise WireError(f"{_shown(value)} where a text was expected")
    with checked():
        value.encode()
    return value


def _shown(value: Any) -> str:
    return f"a {type(value).__name__}" if isinstance(value, (int, list, dict)) else f"{value!r:.40}"  # those may take long to write
