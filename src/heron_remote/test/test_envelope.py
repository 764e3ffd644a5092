"""The envelope as bytes: what is in it, what is refused, and by which name."""

from __future__ import annotations

import hashlib
import hmac
import struct
from array import array

import pytest
from two_ends import refusal, ring, secret

from heron_remote.envelope import KINDS, MAX_BODY, MAX_BYTES, NO_ONE, OVERHEAD, Direction, EnvelopeError, Kind, Opener, Sealer
from heron_remote.keys import Key, KeyRing

VEHICLE, SERVER = b"vehicle!", b"server!!"
SEALER = Sealer(ring(1).signing, Direction.TO_SERVER, VEHICLE)
OPENER = Opener(ring(1), Direction.TO_SERVER)
TRUE = SEALER.seal(Kind.REQUEST, SERVER, -5, b"body")


def resealed(at: int, value: bytes, key: bytes = secret(1)) -> bytes:
    """`TRUE` with other bytes at a place, and the tag that belongs to them."""
    changed = TRUE[:at] + value + TRUE[at + len(value) : -32]
    return changed + hashlib.blake2b(changed, key=key, digest_size=32).digest()


def test_the_bytes_are_those_of_the_description() -> None:
    number = SEALER.number()
    sealed = SEALER.seal(Kind.REQUEST, SERVER, -5, b"bo", memoryview(b"dy"), number=number)
    head = struct.pack("<4sBBH8s8sQqI", b"HRN1", 5, 0, 1, VEHICLE, SERVER, number, -5, 4)
    assert sealed == head + b"body" + hashlib.blake2b(head + b"body", key=secret(1), digest_size=32).digest()
    assert len(sealed) == OVERHEAD + 4


@pytest.mark.parametrize("made", [bytes, bytearray, memoryview, lambda data: array("B", data)], ids=["bytes", "bytearray", "memoryview", "array"])
def test_what_was_sealed_is_opened_without_a_copy(made: object) -> None:
    data = made(TRUE)  # type: ignore[operator]
    opened = OPENER.open(data)
    assert (opened.kind, opened.sender, opened.receiver, opened.time_ns, opened.key_id) == (Kind.REQUEST, VEHICLE, SERVER, -5, 1)
    assert opened.body == b"body" and opened.body.readonly and opened.body.obj is memoryview(data).obj


@pytest.mark.parametrize("body", [b"", bytes(1), bytes(MAX_BODY)], ids=["none", "one", "most"])
def test_every_length_up_to_the_bound_passes(body: bytes) -> None:
    sealed = SEALER.seal(Kind.REQUEST, SERVER, 0, body)
    assert len(sealed) <= MAX_BYTES and OPENER.open(sealed).body == body


def test_what_is_too_long_is_not_sealed_and_uses_no_number() -> None:
    sealer = Sealer(ring(1).signing, Direction.TO_SERVER, VEHICLE)
    with pytest.raises(ValueError, match=f"{MAX_BODY + 1} bytes, an envelope holds {MAX_BODY}"):
        sealer.seal(Kind.REQUEST, SERVER, 0, bytes(MAX_BODY), b"x")
    assert OPENER.open(sealer.seal(Kind.REQUEST, SERVER, 0)).sequence == 1


def test_pieces_are_counted_in_bytes_whatever_their_items_are() -> None:
    stamps = array("q", [1, 2])
    assert OPENER.open(SEALER.seal(Kind.PING, SERVER, 0, memoryview(stamps))).body == stamps.tobytes()


@pytest.mark.parametrize("nonce", [b"", b"1234567", b"123456789", NO_ONE])
def test_a_nonce_has_eight_bytes_that_are_not_all_zero(nonce: bytes) -> None:
    with pytest.raises(ValueError, match="nonce"):
        Sealer(ring(1).signing, Direction.TO_SERVER, nonce)
    if nonce != NO_ONE:
        with pytest.raises(ValueError, match="receiver"):
            SEALER.seal(Kind.PING, nonce, 0)


def test_each_refusal_has_its_name() -> None:
    reflected = Sealer(ring(1).signing, Direction.TO_VEHICLE, VEHICLE).seal(Kind.ANSWER, SERVER, 0, b"body")
    unknown = Sealer(Key(2, secret(2)), Direction.TO_SERVER, VEHICLE).seal(Kind.REQUEST, SERVER, 0)
    guessed = Sealer(Key(1, secret(2)), Direction.TO_SERVER, VEHICLE).seal(Kind.REQUEST, SERVER, 0)
    refused = {
        "nothing": (b"", "short"),
        "a head without a tag": (TRUE[:44], "short"),
        "a byte less than none": (bytes(OVERHEAD - 1), "short"),
        "cut": (TRUE[:-1], "short"),
        "longer than the bound": (bytes(MAX_BYTES + 1), "long"),
        "longer than it says": (TRUE + b"\0", "long"),
        "another version": (resealed(3, b"2"), "magic"),
        "zeros": (bytes(200), "magic"),
        "reflected": (reflected, "direction"),
        "a direction that is none": (resealed(5, b"\2"), "direction"),
        "unknown key": (unknown, "key"),
        "wrong key": (guessed, "forged"),
        "no key": (TRUE[:-32] + hashlib.blake2b(TRUE[:-32], digest_size=32).digest(), "forged"),
        "changed body": (TRUE[:44] + b"BODY" + TRUE[48:], "forged"),
        "zero tag": (TRUE[:-32] + bytes(32), "forged"),
        "a kind of the other end": (resealed(4, bytes([Kind.ANSWER])), "kind"),
        "a kind that is none": (resealed(4, b"\x63"), "kind"),
    }
    assert {name: refusal(OPENER.open, data) for name, (data, _) in refused.items()} == {name: reason for name, (_, reason) in refused.items()}


def test_every_bit_counts() -> None:
    passed = []
    for bit in range(8 * len(TRUE)):
        data = bytearray(TRUE)
        data[bit // 8] ^= 1 << bit % 8
        if not refusal(OPENER.open, data):
            passed.append(bit)
    assert passed == []


def test_every_accepted_key_opens_and_each_kind_has_a_direction() -> None:
    both = Opener(ring(2, 1), Direction.TO_SERVER)
    assert both.open(TRUE).key_id == 1
    assert both.open(Sealer(ring(2, 1).signing, Direction.TO_SERVER, VEHICLE).seal(Kind.PING, SERVER, 0)).key_id == 2
    assert KINDS[Direction.TO_SERVER] | KINDS[Direction.TO_VEHICLE] == set(Kind)


def test_how_long_the_comparison_takes_tells_nothing_of_the_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: seen.append((bytes(a), bytes(b))) or False)
    assert refusal(OPENER.open, TRUE) == "forged"
    assert seen == [(TRUE[-32:], TRUE[-32:])]


def test_an_error_tells_the_reason_and_nothing_of_the_message() -> None:
    with pytest.raises(EnvelopeError, match=r"^message refused: forged$"):
        Opener(KeyRing([Key(1, secret(3))]), Direction.TO_SERVER).open(TRUE)
