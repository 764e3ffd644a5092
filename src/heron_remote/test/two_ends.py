"""A vehicle and a server on one table, a wire that remembers, and keys that everyone may read."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from heron_core.clock import Instant
from heron_remote.envelope import EnvelopeError, Kind, Opened
from heron_remote.handshake import HandshakeConfig
from heron_remote.keys import Key, KeyRing
from heron_remote.server_end import ServerEnd
from heron_remote.vehicle_end import VehicleEnd

OURS, OTHER = "a1" * 32, "b2" * 32
"""Digests of two policies."""


def secret(seed: int) -> bytes:
    return random.Random(seed).randbytes(32)


def ring(*ids: int) -> KeyRing:
    return KeyRing([Key(number, secret(number)) for number in ids])


def refusal(take: Callable[..., Opened], *arguments: Any) -> str:
    """Why a message is refused; "" where it is taken."""
    try:
        take(*arguments)
    except EnvelopeError as error:
        return error.reason
    return ""


class Table:
    """Both ends and a clock. What was put on the wire stays in `recorded`, oldest first, as (for the server, bytes)."""

    def __init__(
        self, seed: int = 1, config: HandshakeConfig | None = None, *, vehicle_keys: KeyRing | None = None, server_keys: KeyRing | None = None
    ) -> None:
        self.chance = random.Random(seed)
        self.config = HandshakeConfig()
        self.at = Instant(1_000_000_000_000, 5_000_000_000)
        self.recorded: list[tuple[bool, bytes]] = []
        self._vehicle_keys = vehicle_keys or ring(1)
        self._server_keys = server_keys or ring(1)
        self.restart_vehicle()
        self.restart_server()

    def nonce(self) -> bytes:
        return self.chance.randbytes(8)

    def restart_vehicle(self) -> None:
        self.vehicle = VehicleEnd(self._vehicle_keys, self.nonce(), OURS, self.config)

    def restart_server(self) -> None:
        self.server = ServerEnd(self._server_keys, self.nonce, OURS, self.config)

    def wait(self, seconds: float) -> None:
        step = round(seconds * 1e9)
        self.at = Instant(self.at.now_ns + step, self.at.steady_ns + step)

    def hello(self) -> bytes:
        """A HELLO on the wire."""
        self.wait(0.2)
        sealed = self.vehicle.hello(self.at, b"name")
        assert sealed is not None
        self.recorded.append((True, sealed))
        return sealed

    def welcome(self, hello: bytes) -> bytes:
        """The server's answer on the wire."""
        sealed = self.server.welcome(self.server.accept(hello, self.at), self.at, b"offer")
        self.recorded.append((False, sealed))
        return sealed

    def connect(self) -> None:
        """HELLO, WELCOME and the first message, all of them taken."""
        self.vehicle.accept(self.welcome(self.hello()), self.at)
        self.ask()

    def ask(self, body: bytes = b"request", kind: Kind = Kind.REQUEST) -> Opened:
        """A message of the vehicle, taken by the server."""
        sealed = self.vehicle.seal(kind, self.at, body)
        self.recorded.append((True, sealed))
        return self.server.accept(sealed, self.at)

    def answer(self, request: Opened, body: bytes = b"answer", kind: Kind = Kind.ANSWER) -> Opened:
        """A message of the server, taken by the vehicle."""
        sealed = self.server.seal(kind, request.sender, self.at, body)
        self.recorded.append((False, sealed))
        return self.vehicle.accept(sealed, self.at)

    def talk(self) -> None:
        """A true exchange: if this passes, nobody has disturbed the two."""
        assert self.answer(self.ask()).body == b"answer"

    def state(self) -> str:
        """Everything that the ends know, aside from their counters and the numbers that they give to what they send."""
        known = [{name: value for name, value in vars(end).items() if name not in ("counts", "_numbers")} for end in (self.vehicle, self.server)]
        inside = [(one.sealer.nonce, one.sealer.key.id) for one in known[1]["_vehicles"].values()]
        return repr((known, inside))
