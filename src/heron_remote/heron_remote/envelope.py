"""One bounded sealed envelope: what travels between vehicle and server, in either direction, and is judged before anything of it is decoded.

Little endian, 44 bytes of head, the body, 32 bytes of tag:

    magic "HRN1" | kind u8 | direction u8 | key id u16 | sender nonce 8 B | receiver nonce 8 B | sequence u64 | time_ns i64 | body length u32
    body | tag

The tag is keyed BLAKE2b-256 over all before it. The middleware parses its own framing first and can hand over a truncated message as a whole one,
hence the length inside. Judged in this order, and each refusal has one name: length (`short`, `long`), `magic`, `direction`, `key`, the tag
(`forged`), `kind`. Who sent it, and whether it is new, `handshake` judges.

Sealing or opening a body of 300 kB takes 0.23 ms on the development machine (nearly all of it the hash, which lets other threads run), a small one
3 µs.
"""

from __future__ import annotations

import hmac
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import TypeAlias

from heron_core.errors import HeronError
from heron_remote.keys import TAG_BYTES, Key, KeyRing

Data: TypeAlias = "bytes | bytearray | memoryview | array[int]"
"""What a message arrives as; rclpy gives an array of bytes."""

MAX_BYTES = 8 * 1024 * 1024
"""Bound of `heron_msgs/Sealed.envelope`."""

NONCE_BYTES = 8
NO_ONE = bytes(NONCE_BYTES)
"""Receiver of a HELLO: its sender knows nobody yet."""

_MAGIC = b"HRN1"
_HEAD = struct.Struct("<4sBBH8s8sQqI")
OVERHEAD = _HEAD.size + TAG_BYTES
MAX_BODY = MAX_BYTES - OVERHEAD

REASONS = ("short", "long", "magic", "direction", "key", "forged", "kind", "stranger", "old", "stale", "policy")
"""Why a message is refused, each the name of a counter. short, long: its length is impossible or not the one that it states. magic: not ours, or
another version. direction: made for the other end. key: signed with a key that this end has not. forged: changed, or made without the key. kind:
sealed by the other end, but nothing that this end takes. stranger: from or to another life of one of the ends. old: came before, or something
newer did. stale: too old by the clocks. policy: the server has another policy than the vehicle wants."""


class Kind(IntEnum):
    """What an envelope holds."""

    HELLO = 1
    WELCOME = 2
    PING = 3
    PONG = 4
    REQUEST = 5
    ANSWER = 6
    SPEECH = 7
    REFUSAL = 8
    READ = 9


class Direction(IntEnum):
    """Whom an envelope is made for; an end takes none of those that it makes, so nothing can be reflected."""

    TO_SERVER = 0
    TO_VEHICLE = 1


KINDS = {
    Direction.TO_SERVER: frozenset({Kind.HELLO, Kind.PING, Kind.REQUEST, Kind.READ, Kind.SPEECH}),
    Direction.TO_VEHICLE: frozenset({Kind.WELCOME, Kind.PONG, Kind.ANSWER, Kind.READ, Kind.SPEECH, Kind.REFUSAL}),
}
NEWEST_ONLY = frozenset({Kind.REQUEST, Kind.ANSWER, Kind.READ})
"""Kinds of which a newer one replaces what has not been sent yet."""


def kind_of(data: bytes | bytearray) -> int:
    """The kind that an envelope states, before anybody has judged it; 0 where there is none. For those who only carry it."""
    return data[len(_MAGIC)] if len(data) > len(_MAGIC) else 0


def slot_of(data: bytes | bytearray) -> bytes:
    """What envelopes have in common that replace one another, where the newest only counts: kind and receiver, as they state them."""
    return bytes(data[4:5] + data[16:24])


class EnvelopeError(HeronError):
    """A message was refused.

    Attributes:
        reason: one of `REASONS`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"message refused: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Opened:
    """A true message.

    Attributes:
        kind: what the body is.
        sender: nonce of the end that sealed it.
        receiver: nonce of the end that it was sealed for, `NO_ONE` in a HELLO.
        sequence: number that the sender gave it, from 1.
        time_ns: when it was sealed, by the sender's clock.
        key_id: the key that it was sealed with.
        body: read-only view into what was opened; it is not copied.
    """

    kind: Kind
    sender: bytes
    receiver: bytes
    sequence: int
    time_ns: int
    key_id: int
    body: memoryview


class Sealer:
    """Seals what one end sends. Threads may share it."""

    def __init__(self, key: Key, direction: Direction, nonce: bytes, sequence: Iterator[int] | None = None) -> None:
        """Seals with `key` as the sender `nonce`; `sequence`: where the numbers come from, by default 1, 2, 3 and on.

        Raises:
            ValueError: a nonce that is `NO_ONE` or not of 8 bytes.
        """
        if len(nonce) != NONCE_BYTES or nonce == NO_ONE:
            raise ValueError(f"a nonce has {NONCE_BYTES} random bytes, not {len(nonce)} bytes or zeros")
        self.nonce = nonce
        self.key = key
        self._direction = direction
        self._sequence = count(1) if sequence is None else sequence

    def number(self) -> int:
        """The next number, for a message that must be known by it."""
        return next(self._sequence)

    def seal(self, kind: Kind, receiver: bytes, time_ns: int, *parts: bytes | bytearray | memoryview, number: int | None = None) -> bytes:
        """The envelope around `parts`, which are copied once.

        Args:
            kind: what the parts are.
            receiver: nonce of the other end, or `NO_ONE`.
            time_ns: now, by this end's clock.
            parts: the body in pieces, each contiguous.
            number: what `number()` gave; None: the next one.

        Raises:
            ValueError: a body over `MAX_BODY`, or a receiver not of 8 bytes.
        """
        length = sum(memoryview(part).nbytes for part in parts)
        if length > MAX_BODY:
            raise ValueError(f"a body of {length} bytes, an envelope holds {MAX_BODY}")
        if len(receiver) != NONCE_BYTES:
            raise ValueError(f"a receiver of {len(receiver)} bytes, expected {NONCE_BYTES}")
        sequence = self.number() if number is None else number
        head = _HEAD.pack(_MAGIC, kind, self._direction, self.key.id, self.nonce, receiver, sequence, time_ns, length)
        return b"".join((head, *parts, self.key.tag((head, *parts))))


class Opener:
    """Opens what one end receives. It remembers nothing."""

    def __init__(self, ring: KeyRing, direction: Direction) -> None:
        """Takes what was made for `direction` with any key of `ring`."""
        self._ring = ring
        self._direction = direction

    def open(self, data: Data) -> Opened:
        """The true message in `data`, whose body must not be changed as long as the message is in use.

        Raises:
            EnvelopeError: `data` was not sealed for this end by a holder of a key; nothing else is raised, whatever the bytes are.
        """
        view = memoryview(data).cast("B").toreadonly()
        if len(view) < OVERHEAD:
            raise EnvelopeError("short")
        if len(view) > MAX_BYTES:
            raise EnvelopeError("long")
        magic, kind, direction, key_id, sender, receiver, sequence, time_ns, length = _HEAD.unpack_from(view)
        if magic != _MAGIC:
            raise EnvelopeError("magic")
        if length != len(view) - OVERHEAD:
            raise EnvelopeError("short" if length > len(view) - OVERHEAD else "long")
        if direction != self._direction:
            raise EnvelopeError("direction")
        key = self._ring.find(key_id)
        if key is None:
            raise EnvelopeError("key")
        if not hmac.compare_digest(key.tag((view[:-TAG_BYTES],)), view[-TAG_BYTES:]):
            raise EnvelopeError("forged")
        if kind not in KINDS[self._direction]:
            raise EnvelopeError("kind")
        return Opened(Kind(kind), sender, receiver, sequence, time_ns, key_id, view[_HEAD.size : -TAG_BYTES])
