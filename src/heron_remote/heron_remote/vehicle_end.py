"""The vehicle's end of the handshake: finds the server with the wanted policy, and its next life. The rules are in `handshake`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from heron_core.clock import Instant
from heron_remote.envelope import NO_ONE, REASONS, Data, Direction, EnvelopeError, Kind, Opened, Opener, Sealer
from heron_remote.handshake import WELCOME, HandshakeConfig, digest_bytes, refuse_stale, within
from heron_remote.keys import KeyRing


class VehicleEnd:
    """The vehicle's end: it looks for a server with the wanted policy, and for another life of it when it falls silent.

    `accept` and `hello` belong to one thread; any thread may `seal`.

    Attributes:
        connected: a server with the wanted policy has answered. A cut does not change it: how long it is silent, `heard_ns` tells.
        offered: digest of the policy in the last WELCOME, "" before.
        heard_ns: steady time of the last message that was taken, None before.
        counts: every one of `REASONS`, `accepted`, and `restarts`: how often the server came back as another life.
    """

    def __init__(self, ring: KeyRing, nonce: bytes, policy: str, config: HandshakeConfig | None = None, accept: Iterable[str] = ()) -> None:
        """A vehicle that calls itself `nonce` (8 random bytes) in this life and wants the policy of this digest (SHA-256, hexadecimal).

        Policies of the digests in `accept` are welcome too.
        """
        self.connected = False
        self.offered = ""
        self.heard_ns: int | None = None
        self.counts = dict.fromkeys((*REASONS, "accepted", "restarts"), 0)
        self._config = config or HandshakeConfig()
        self._sealer = Sealer(ring.signing, Direction.TO_SERVER, nonce)
        self._opener = Opener(ring, Direction.TO_VEHICLE)
        self._policy = digest_bytes(policy)
        self._others = frozenset(map(digest_bytes, accept))
        self._asked: dict[int, int] = {}  # number of a HELLO that may still be answered → steady time
        self._asked_ns: int | None = None
        self._answered: dict[bytes, int] = {}  # server → newest of these that it answered with another policy
        self._server: bytes | None = None  # kept while disconnected: its numbers must not be forgotten
        self._floor = 0
        self._newest: dict[Kind, int] = {}

    def want(self, policy: str) -> None:
        """Another policy from now on: disconnects, and asks for it."""
        self._policy = digest_bytes(policy)
        self.connected = False
        self._asked.clear()
        self._asked_ns = None

    def hello(self, at: Instant, *parts: bytes) -> bytes | None:
        """A HELLO with the body `parts` if one is due, to be called some 20 to 50 times a second; else None."""
        if self.connected and self.heard_ns is not None and within(at.steady_ns - self.heard_ns, self._config.silence_s):
            return None
        if self._asked_ns is not None and within(at.steady_ns - self._asked_ns, self._config.hello_s):
            return None
        self._asked = {number: then for number, then in self._asked.items() if within(at.steady_ns - then, self._config.welcome_s)}
        self._answered = {sender: number for sender, number in self._answered.items() if number in self._asked}
        number = self._sealer.number()
        self._asked[number] = self._asked_ns = at.steady_ns
        return self._sealer.seal(Kind.HELLO, NO_ONE, at.now_ns, *parts, number=number)

    def seal(self, kind: Kind, at: Instant, *parts: bytes | bytearray | memoryview) -> bytes:
        """A message to the server.

        Raises:
            RuntimeError: no server is known yet. ValueError: the body is too long.
        """
        server = self._server
        if server is None or not self.connected:
            raise RuntimeError("nothing can be sealed before a server has answered: look at connected first")
        return self._sealer.seal(kind, server, at.now_ns, *parts)

    def accept(self, data: Data, at: Instant, offset_ns: int | None = None) -> Opened:
        """The message in `data`; of a WELCOME the body is what the server added.

        Args:
            data: an envelope, or anything else.
            at: now.
            offset_ns: the server's clock minus ours; None: not known, no message is stale.

        Raises:
            EnvelopeError: it is refused, and counted; nothing else has changed.
        """
        try:
            opened = self._opener.open(data)
            if opened.receiver != self._sealer.nonce:
                raise EnvelopeError("stranger")
            if opened.kind is Kind.WELCOME:
                opened = self._welcomed(opened, at)
            else:
                self._taken(opened, at, offset_ns)
        except EnvelopeError as error:
            self.counts[error.reason] += 1
            raise
        self.counts["accepted"] += 1
        self.heard_ns = at.steady_ns
        return opened

    def _taken(self, opened: Opened, at: Instant, offset_ns: int | None) -> None:
        if not self.connected or opened.sender != self._server:
            raise EnvelopeError("stranger")
        if opened.sequence <= self._newest.get(opened.kind, self._floor):
            raise EnvelopeError("old")
        refuse_stale(opened, at, offset_ns, self._config)
        self._newest[opened.kind] = opened.sequence

    def _welcomed(self, opened: Opened, at: Instant) -> Opened:
        if len(opened.body) < WELCOME.size:
            raise EnvelopeError("short")
        number, digest = WELCOME.unpack_from(opened.body)
        asked_ns = self._asked.get(number)
        if asked_ns is None or not within(at.steady_ns - asked_ns, self._config.welcome_s) or number <= self._answered.get(opened.sender, 0):
            raise EnvelopeError("old")
        self.offered = digest.hex()
        if digest != self._policy and digest not in self._others:  # the number stays good for another server, which may have the right one
            self._answered[opened.sender] = number
            self.connected = self.connected and opened.sender != self._server
            raise EnvelopeError("policy")
        self._asked = {later: then for later, then in self._asked.items() if later > number}
        if opened.sender != self._server:
            self.counts["restarts"] += self._server is not None
            self._server, self._floor, self._newest = opened.sender, opened.sequence, {}
        self.connected = True
        return replace(opened, body=opened.body[WELCOME.size :])
