"""Sealed envelopes ↔ serialised `heron_msgs/Sealed`, without a message object between: images are copied once."""

from __future__ import annotations

from heron_remote.envelope import MAX_BYTES

_LITTLE_ENDIAN = b"\x00\x01\x00\x00"
_HEAD = 8
"""Bytes before the envelope: encapsulation (little-endian CDR) and the length of the one sequence that the message has."""


def to_raw(envelope: bytes | bytearray) -> bytes:
    """The serialised message around an envelope."""
    return b"".join((_LITTLE_ENDIAN, len(envelope).to_bytes(4, "little"), envelope))


def from_raw(raw: bytes) -> memoryview:
    """The envelope in a serialised message, not copied. It is not judged here: the ends do that.

    Raises:
        ValueError: not little-endian CDR of one sequence of 1 .. `MAX_BYTES` bytes. What is taken raw, the middleware does not hold to its bound.
    """
    if len(raw) < _HEAD or raw[:2] != _LITTLE_ENDIAN[:2]:
        raise ValueError(f"{len(raw)} bytes that are not a sealed message")
    length = int.from_bytes(raw[4:_HEAD], "little")
    if not 1 <= length <= min(MAX_BYTES, len(raw) - _HEAD):
        raise ValueError(f"a sealed message of {len(raw) - _HEAD} bytes that states {length}")
    return memoryview(raw)[_HEAD : _HEAD + length]
