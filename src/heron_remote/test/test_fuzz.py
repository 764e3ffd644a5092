"""Whoever has no key gets nothing in, however much of the true traffic is known: no acceptance, no other exception, no changed state, no memory."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable

import pytest
from two_ends import OTHER, Table, refusal, secret

from heron_core.clock import Instant
from heron_remote.envelope import MAX_BYTES, OVERHEAD, REASONS, Kind

Wire = list[tuple[bool, bytes]]
HEAD = 44
FIELDS = {"magic": (0, 4), "kind": (4, 1), "direction": (5, 1), "key": (6, 2), "sender": (8, 8), "receiver": (16, 8), "sequence": (24, 8)}
FIELDS |= {"time": (32, 8), "length": (40, 4), "tag": (-32, 32)}


def history(seed: int) -> tuple[Table, Wire]:
    """Two ends in the midst of their work, and all that was ever said on their wire, through restarts of both."""
    table = Table(seed)
    for life in range(6):
        table.connect()
        for _ in range(8):
            table.wait(0.1)
            table.answer(table.ask(table.chance.randbytes(table.chance.randrange(60))))
            pong = table.ask(table.at.now_ns.to_bytes(8, "little"), Kind.PING)
            table.answer(pong, b"stamps", Kind.PONG)
        (table.restart_server, table.restart_vehicle)[life % 2]()
    table.connect()
    table.talk()
    return table, table.recorded


def some(data: bytes, chance: random.Random) -> int:
    """A place in a message; half of the time in its head."""
    return chance.randrange(min(HEAD, len(data))) if chance.random() < 0.5 else chance.randrange(len(data))


def flipped(data: bytes, chance: random.Random, _: Wire) -> bytes:
    out = bytearray(data)
    for place in {some(data, chance) for _ in range(chance.choice([1, 1, 1, 2, 9]))}:
        out[place] ^= 1 << chance.randrange(8)
    return bytes(out)


def overwritten(data: bytes, chance: random.Random, wire: Wire) -> bytes:
    """One field of another message, of chance, or at its edge."""
    place, length = FIELDS[chance.choice(list(FIELDS))]
    place %= len(data)
    other = chance.choice(wire)[1]
    values = [
        other[place % len(other) :][:length].ljust(length),
        chance.randbytes(length),
        bytes(length),
        b"\xff" * length,
        _next(data, place, length),
    ]
    value = chance.choice(values)
    return data[:place] + value + data[place + length :]


def _next(data: bytes, place: int, length: int) -> bytes:
    return ((int.from_bytes(data[place : place + length], "little") + 1) % (1 << 8 * length)).to_bytes(length, "little")


def shortened(data: bytes, chance: random.Random, _: Wire) -> bytes:
    """Cut at either end or in the midst, or its rest never arrived and reads as zeros."""
    a, b = sorted(chance.sample(range(len(data)), 2))
    return chance.choice([data[:a], data[b:], data[:a] + data[b:], data[:b].ljust(len(data) + (data[b:].strip(b"\0") == b""), b"\0")])


def lengthened(data: bytes, chance: random.Random, wire: Wire) -> bytes:
    more = chance.choice([bytes(1), chance.randbytes(chance.randrange(1, 300)), data, chance.choice(wire)[1]])
    return chance.choice([data + more, more + data, data[:HEAD] + more + data[HEAD:]])


def spliced(data: bytes, chance: random.Random, wire: Wire) -> bytes:
    """The head of one message, the body of another and the tag of a third."""
    second, third = chance.choice(wire)[1], chance.choice(wire)[1]
    return data[:HEAD] + second[HEAD:-32] + third[-32:]


def resealed(data: bytes, chance: random.Random, wire: Wire) -> bytes:
    """Changed, and given a tag by someone who has every algorithm and no key."""
    inside = bytearray((overwritten if chance.random() < 0.7 else flipped)(data, chance, wire)[:-32])
    guess = chance.choice([b"", bytes(32), chance.randbytes(32), secret(2), inside[8:24].ljust(32, b"\0")])
    return bytes(inside) + hashlib.blake2b(inside, key=guess, digest_size=32).digest()


def invented(data: bytes, chance: random.Random, _: Wire) -> bytes:
    length = chance.choice([0, 1, OVERHEAD - 1, OVERHEAD, OVERHEAD + 1, chance.randrange(400)])
    return chance.choice([b"", data[: chance.randrange(HEAD)]]) + chance.randbytes(length)


def repeated(data: bytes, chance: random.Random, _: Wire) -> bytes:
    return data


WAYS: list[Callable[[bytes, random.Random, Wire], bytes]] = [flipped, overwritten, shortened, lengthened, spliced, resealed, invented, repeated]


def attack(seed: int, count: int) -> Counter[str]:
    """Sends `count` messages that no end sealed, or that were sent before, to both ends in any order; counts the ways and the refusals.

    A recorded HELLO of a life that the server does not know is the one thing that may be answered, which must change nothing either.
    """
    table, wire = history(seed)
    chance = random.Random(seed)
    seen: Counter[str] = Counter()
    state = table.state()
    for number in range(count):
        if number % 500 == 0:  # true traffic goes on beside it, and is recorded too
            table.wait(0.1)
            table.talk()
            if number % 2000 == 0:
                table.connect()
            state = table.state()
            del wire[:-600]
        way, (_, recorded) = chance.choice(WAYS), chance.choice(wire)
        data = way(recorded, chance, wire)
        for end, take in (("vehicle", table.vehicle.accept), ("server", table.server.accept)):
            reason = refusal(take, data, table.at)
            if reason == "":
                assert end == "server" and data == recorded and data[4] == Kind.HELLO and data[8:16] not in table.server.vehicles, (way, data.hex())
                stray = table.server.welcome(table.server.accept(data, table.at), table.at)
                assert refusal(table.vehicle.accept, stray, table.at) in ("stranger", "old")
            seen[reason] += 1
        seen[way.__name__] += 1
        assert table.state() == state, (way, data.hex())
    table.talk()
    return seen


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_forged_changed_or_repeated_is_taken(seed: int) -> None:
    seen = attack(seed, 1500)
    assert min(seen[way.__name__] for way in WAYS) > 100
    assert set(REASONS) - {"kind", "stale", "policy"} <= set(seen)  # every check had its work: those three need a key


def test_every_bit_of_a_true_new_message_counts_and_it_is_still_new_after_that() -> None:
    table, _ = history(3)
    nonce = table.server.vehicles[-1]
    request, answer = table.vehicle.seal(Kind.REQUEST, table.at, b"x"), table.server.seal(Kind.ANSWER, nonce, table.at, b"y")
    for take, sealed in ((table.server.accept, request), (table.vehicle.accept, answer)):
        before, reasons = table.state(), []
        for bit in range(8 * len(sealed)):
            data = bytearray(sealed)
            data[bit // 8] ^= 1 << bit % 8
            reasons.append(refusal(take, data, table.at))
        assert "" not in reasons and table.state() == before
        assert refusal(take, sealed, table.at) == ""


def test_every_shorter_message_is_refused_and_so_is_a_longer_one() -> None:
    table, _ = history(4)
    sealed = table.vehicle.seal(Kind.REQUEST, table.at, b"images")
    assert {refusal(table.server.accept, sealed[:length], table.at) for length in range(len(sealed))} == {"short"}
    assert {refusal(table.server.accept, sealed + bytes(more), table.at) for more in (1, 2, 1000, MAX_BYTES)} == {"long"}
    assert refusal(table.server.accept, sealed, table.at) == ""


def test_in_any_order_each_true_message_is_taken_once_and_none_behind_its_kind() -> None:
    chance = random.Random(5)
    table, _ = history(6)
    for _ in range(60):
        kinds = [chance.choice([Kind.REQUEST, Kind.PING]) for _ in range(12)]
        sent = [(kind, number, table.vehicle.seal(kind, table.at)) for number, kind in enumerate(kinds)]
        arriving = [chance.choice(sent) for _ in range(30)]
        newest = {Kind.REQUEST: -1, Kind.PING: -1}
        for kind, number, sealed in arriving:
            assert refusal(table.server.accept, sealed, table.at) == ("" if number > newest[kind] else "old")
            newest[kind] = max(newest[kind], number)


@pytest.mark.slow
def test_a_hundred_thousand_are_refused_and_memory_is_flat() -> None:
    attack(7, 2000)  # what is made once is made
    tracemalloc.start()
    try:
        attack(8, 4000)
        before = tracemalloc.get_traced_memory()[0]
        seen = attack(9, 100_000)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(seen[way.__name__] for way in WAYS) == 100_000
    assert after - before < 100_000 and peak - before < 5_000_000, (after - before, peak - before)


def test_ends_that_come_and_go_by_the_hundred_grow_nothing() -> None:
    """What ends that crash again and again would send, with the right key."""
    table = Table(10)
    for _ in range(300):
        table.restart_vehicle()
        table.connect()
    assert len(table.server.vehicles) == 4
    for _ in range(2000):
        table.wait(0.06)
        table.vehicle.hello(Instant(table.at.now_ns, table.at.steady_ns))
    assert len(vars(table.vehicle)["_asked"]) <= 20
    table.restart_vehicle()
    for _ in range(100):
        table.restart_server()
        table.server.offer(OTHER)
        assert refusal(table.vehicle.accept, table.welcome(table.hello()), table.at) == "policy"
    assert len(vars(table.vehicle)["_answered"]) <= 20
