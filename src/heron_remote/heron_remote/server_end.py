"""The server's end of the handshake: answers every HELLO, listens to the few vehicles that answered back. The rules are in `handshake`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

from heron_core.clock import Instant
from heron_remote.envelope import NO_ONE, REASONS, Data, Direction, EnvelopeError, Kind, Opened, Opener, Sealer
from heron_remote.handshake import WELCOME, HandshakeConfig, digest_bytes, refuse_stale
from heron_remote.keys import KeyRing


@dataclass(slots=True)
class _Vehicle:
    """A vehicle that the server knows: the server's nonce towards it, and what it sent last."""

    sealer: Sealer
    heard_ns: int
    newest: dict[Kind, int] = field(default_factory=dict)


class ServerEnd:
    """The server's end: it answers every HELLO, and listens to the few vehicles that answered back.

    `accept` and `welcome` belong to one thread; any thread may `seal`.

    Attributes:
        counts: every one of `REASONS`, `accepted`, and `forgotten`: vehicles that had to make room.
    """

    def __init__(self, ring: KeyRing, draw: Callable[[], bytes], policy: str, config: HandshakeConfig | None = None) -> None:
        """A server that offers the policy of this digest (SHA-256, hexadecimal); `draw` gives 8 random bytes each time, as os.urandom does."""
        self.counts = dict.fromkeys((*REASONS, "accepted", "forgotten"), 0)
        self._config = config or HandshakeConfig()
        self._ring = ring
        self._draw = draw
        self._opener = Opener(ring, Direction.TO_SERVER)
        self._numbers = count(1)
        self._vehicles: dict[bytes, _Vehicle] = {}
        self._policy = digest_bytes(policy)
        self._nonce = draw()

    @property
    def vehicles(self) -> tuple[bytes, ...]:
        """Nonces of the vehicles that it knows."""
        return tuple(self._vehicles)

    def offer(self, policy: str) -> None:
        """Another policy in every WELCOME from now on. Vehicles that are connected learn it from their next HELLO, and by what answers carry."""
        self._policy = digest_bytes(policy)

    def accept(self, data: Data, at: Instant, offsets: Mapping[bytes, int] | None = None) -> Opened:
        """The message in `data`. A HELLO is to be answered with `welcome`.

        Args:
            data: an envelope, or anything else.
            at: now.
            offsets: vehicle's nonce → its clock minus ours, where known.

        Raises:
            EnvelopeError: it is refused, and counted; nothing else has changed.
        """
        try:
            opened = self._opener.open(data)
            if opened.kind is Kind.HELLO:
                self._called(opened)
            else:
                self._taken(opened, at, (offsets or {}).get(opened.sender))
        except EnvelopeError as error:
            self.counts[error.reason] += 1
            raise
        self.counts["accepted"] += 1
        return opened

    def welcome(self, hello: Opened, at: Instant, *parts: bytes) -> bytes:
        """The answer to a HELLO that was taken, with the body `parts`; changes nothing but the running number of messages."""
        known = self._vehicles.get(hello.sender)
        sealer = self._sealer(known.sealer.nonce if known else self._nonce, hello.key_id)
        return sealer.seal(Kind.WELCOME, hello.sender, at.now_ns, WELCOME.pack(hello.sequence, self._policy), *parts)

    def seal(self, kind: Kind, vehicle: bytes, at: Instant, *parts: bytes | bytearray | memoryview) -> bytes:
        """A message to the vehicle of this nonce, signed with the key that the vehicle used last.

        Raises:
            KeyError: the vehicle is not known, or not any more. ValueError: the body is too long.
        """
        return self._vehicles[vehicle].sealer.seal(kind, vehicle, at.now_ns, *parts)

    def _sealer(self, nonce: bytes, key_id: int) -> Sealer:
        return Sealer(self._ring.find(key_id) or self._ring.signing, Direction.TO_VEHICLE, nonce, self._numbers)

    def _called(self, opened: Opened) -> None:
        """Takes a HELLO. Towards a vehicle that is known it is a message like others; of any other nothing is kept."""
        if opened.receiver != NO_ONE:
            raise EnvelopeError("stranger")
        known = self._vehicles.get(opened.sender)
        if known is not None:
            if opened.sequence <= known.newest[Kind.HELLO]:
                raise EnvelopeError("old")
            known.newest[Kind.HELLO] = opened.sequence

    def _taken(self, opened: Opened, at: Instant, offset_ns: int | None) -> None:
        known = self._vehicles.get(opened.sender)
        if opened.receiver != (known.sealer.nonce if known else self._nonce):
            raise EnvelopeError("stranger")
        if known is not None and opened.sequence <= known.newest.get(opened.kind, 0):
            raise EnvelopeError("old")
        refuse_stale(opened, at, offset_ns, self._config)
        vehicle = self._admitted(opened, at) if known is None else known
        vehicle.newest[opened.kind] = opened.sequence
        vehicle.heard_ns = at.steady_ns
        if opened.key_id != vehicle.sealer.key.id:
            vehicle.sealer = self._sealer(vehicle.sealer.nonce, opened.key_id)

    def _admitted(self, opened: Opened, at: Instant) -> _Vehicle:
        # HELLOs to a server before this one may have been recorded: none that is older than the admission is taken.
        vehicle = _Vehicle(self._sealer(self._nonce, opened.key_id), at.steady_ns, {Kind.HELLO: opened.sequence})
        if len(self._vehicles) >= self._config.vehicles:
            silent = min(self._vehicles, key=lambda nonce: self._vehicles[nonce].heard_ns)
            del self._vehicles[silent]
            self.counts["forgotten"] += 1
            self._nonce = self._draw()
        self._vehicles[opened.sender] = vehicle
        return vehicle
