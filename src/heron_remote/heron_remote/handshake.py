"""Who talks to whom: the rules that `vehicle_end` and `server_end` keep, so that each takes only true, new messages of the other's present life.

    vehicle                                              server
    HELLO (to no one)                    ──────────►     answers, and remembers nothing: it could be a recording
    takes it if it answers a HELLO       ◄──────────     WELCOME (its nonce, number of the HELLO, digest of its policy)
    of the last second and no newer
    WELCOME was taken
    anything, to the server's nonce      ──────────►     the nonce is of this life, so the message is too: admits the vehicle

Each end draws a random nonce when it starts, and every message but HELLO names both. A recording from before a restart of either end therefore
names a nonce that is no more (`stranger`). Within one life of both, numbers of a kind only rise (`old`); they are counted per kind, so that a small
PING which overtakes a large REQUEST does not cost the REQUEST. The server knows a few vehicles. With one too many it forgets the one that it heard
least recently and draws a new nonce for those to come, so that recordings of the forgotten one cannot bring it back; the others go on under the
nonce they know.

Protected, against whoever has no key: content, order, direction and life of every message. What was forged, changed, cut, lengthened, sent back to
its sender, or recorded and sent again changes no state but a counter, and grows nothing, also after a restart of either end. A recorded HELLO whose
sender the server does not know is answered, as every HELLO must be, with a WELCOME that nobody takes.

Not protected: there is **no confidentiality**, images and plans travel readable. Flooding costs the time to hash what arrives, and bandwidth. Who
sits on the wire can drop, hold back and reorder: a true message that was held back, never delivered and not overtaken by its own kind is taken once
when it comes, unless the clocks tell that it is `stale`; so a request states its deadline and an answer the exposure it is for, and both are judged
by what they carry. Who holds a key is trusted in everything, also to be another vehicle. What the middleware does with bytes before we see them is
the middleware's (SROS2).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from heron_core.clock import Instant
from heron_core.errors import ConfigError
from heron_remote.envelope import EnvelopeError, Kind, Opened

WELCOME = struct.Struct("<Q32s")
"""How the body of a WELCOME begins: number of the HELLO that it answers, SHA-256 of the policy folder."""

TIMED = frozenset({Kind.REQUEST, Kind.ANSWER, Kind.READ, Kind.SPEECH, Kind.REFUSAL})
"""Kinds that an age window holds for. PING and PONG pass whatever the clocks say: without them a clock that was set could never be learnt again."""


@dataclass(frozen=True, slots=True)
class HandshakeConfig:
    """How long an end waits.

    Attributes:
        hello_s: a vehicle that hears nothing says HELLO so often.
        silence_s: silence of the server after which a connected vehicle says HELLO.
        welcome_s: a WELCOME that comes so long after its HELLO is not taken.
        max_age_s: an older message is stale.
        max_ahead_s: so is one from further ahead, by which an estimate of the clocks may be wrong.
        vehicles: so many a server knows at a time.
    """

    hello_s: float = 0.05
    silence_s: float = 0.15
    welcome_s: float = 1.0
    max_age_s: float = 1.0
    max_ahead_s: float = 0.1
    vehicles: int = 4

    def __post_init__(self) -> None:
        """Raises ConfigError: a value that leaves an end deaf."""
        for name in ("hello_s", "silence_s", "welcome_s", "max_age_s", "max_ahead_s"):
            if not 0.001 <= getattr(self, name) <= 60.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, allowed is 0.001 to 60 s")
        if not 1 <= self.vehicles <= 64:
            raise ConfigError(f"vehicles is {self.vehicles}, allowed is 1 to 64")


def refuse_stale(opened: Opened, at: Instant, offset_ns: int | None, config: HandshakeConfig) -> None:
    """Raises EnvelopeError outside the age window; `offset_ns`: sender's clock minus ours, None where it is not known (then nothing is stale)."""
    if offset_ns is None or opened.kind not in TIMED:
        return
    age_s = (at.now_ns - (opened.time_ns - offset_ns)) / 1e9
    if not -config.max_ahead_s <= age_s <= config.max_age_s:
        raise EnvelopeError("stale")


def within(elapsed_ns: int, limit_s: float) -> bool:
    """Whether so little time went by; a clock that stepped back tells nothing, and counts as too long."""
    return 0 <= elapsed_ns < limit_s * 1e9


def digest_bytes(policy: str) -> bytes:
    """The 32 bytes of a policy's digest.

    Raises:
        ValueError: not the hexadecimal SHA-256 of a policy folder.
    """
    digest = bytes.fromhex(policy)
    if len(digest) != 32:
        raise ValueError(f"a policy's digest has 64 hexadecimal digits, not {len(policy)}")
    return digest
