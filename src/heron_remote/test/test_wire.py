"""Bodies: lossless is lossless, JPEG is close and its colours stay, and whatever a body states falsely is a WireError."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from plans_of_two import POINTS, SHAPES, question, some_answer

from heron_remote.body import MAX_WHOLE, WireError, head_of, make_body, open_body, pack_head, whole_of
from heron_remote.wire import Reply, Request, Times, open_request, pack_reply, pack_request, unpack_reply
from heron_vla.session import Answer

TIMES = Times(1, 2, 3, 4)


def joined(parts: list[Any]) -> memoryview:
    return memoryview(b"".join(parts)).toreadonly()


def true_request(quality: int = 0, past: int = 2) -> memoryview:
    return joined(pack_request(Request(9, question(past=past), 77), quality))


def true_reply() -> memoryview:
    return joined(pack_reply(Reply(9, "a1" * 32, some_answer(question()), TIMES)))


def read(body: memoryview, past: int = 2) -> Any:
    return open_request(body).input(SHAPES, past)


def changed(body: memoryview, **values: Any) -> memoryview:
    """The body with another head over the same pieces."""
    head, _ = open_body(body)
    length = int.from_bytes(body[:4], "little")
    sizes = json.loads(bytes(body[4 : 4 + length]))["sizes"]
    text = json.dumps({"sizes": sizes, **head, **values}).encode()
    return joined([len(text).to_bytes(4, "little"), text, body[4 + length :]])


def test_lossless_pictures_and_older_ones_arrive_as_they_were() -> None:
    asked = question(past=2)
    body = joined(pack_request(Request(9, asked, 77)))
    unread = open_request(body)
    found = unread.input(SHAPES, 2)
    assert (unread.number, unread.deadline_ns, found.command, found.text) == (9, 77, 3, asked.text)
    assert found.ego_history.tobytes() == asked.ego_history.tobytes() and found.ego_history.dtype == np.float32
    assert len(found.past) == 2
    for got, sent in zip((found.frames, *found.past), (asked.frames, *asked.past), strict=True):
        assert (got.stamp_ns, got.digest, got.cameras, got.exposure_ns, got.valid) == (
            *(sent.stamp_ns, sent.digest, sent.cameras),
            *(sent.exposure_ns, sent.valid),
        )
        assert got.images.keys() == sent.images.keys()
        assert all(got.images[name].tobytes() == sent.images[name].tobytes() for name in SHAPES)
        assert all(got.images[name].base is not None and not got.images[name].flags.writeable for name in SHAPES)  # a view, not a copy


def test_jpeg_is_close_and_red_stays_red() -> None:
    shape = {"front": (1, 3, 240, 320)}
    asked = question(shapes=shape)
    body = joined(pack_request(Request(1, asked), 90))
    found = open_request(body).input(shape, 0).frames.images["front"].astype(float)
    sent = asked.frames.images["front"].astype(float)
    decibel = 10 * np.log10(255**2 / np.mean((found - sent) ** 2))
    assert decibel > 38.0  # 41.8 when it was written
    assert np.abs(found.mean((0, 2, 3)) - sent.mean((0, 2, 3))).max() < 1.0
    assert len(body) < 0.2 * sent.size


def test_an_answer_arrives_as_it_was() -> None:
    found = unpack_reply(true_reply())
    assert (found.number, found.policy, found.times) == (9, "a1" * 32, TIMES)
    assert found.answer.points.tobytes() == POINTS.tobytes() and found.answer.thoughts == some_answer(question()).thoughts
    assert found.answer.memory is not None and getattr(found.answer.memory, "number", 0) == 9
    silent = unpack_reply(joined(pack_reply(Reply(9, "", Answer(POINTS), TIMES))))
    assert silent.answer.thoughts is None and silent.answer.memory is None


NUMBERS = ("number", "deadline_ns", "command", "quality")
NO_NUMBERS = (None, True, 1.0, "1", -1, MAX_WHOLE + 1, 10**400, float("nan"), [1], {})


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_none_is_refused(name: str) -> None:
    for value in NO_NUMBERS:
        with pytest.raises(WireError):
            read(changed(true_request(), **{name: value}))


@pytest.mark.parametrize(
    "values",
    [
        {"ego": [4, 4]},
        {"ego": [4]},
        {"ego": [-1, -12]},
        {"ego": [10**9, 10**9]},
        {"text": None},
        {"text": "\ud800"},
        {"text": 5},
        {"past": None},
        {"past": {}},
        {"past": [[]]},
        {"frames": None},
        {"frames": {}},
        {"quality": 101},
        {"quality": 50},
    ],
)
def test_a_false_head_of_a_request_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read(changed(true_request(), **values))


@pytest.mark.parametrize(
    "values",
    [
        {"images": {"front": 2, "around": 2}},
        {"images": {"front": 1, "around": 10**30}},
        {"images": {"elsewhere": 1}},
        {"images": {"around": 2, "front": 1}},  # each has the other's bytes
        {"images": {"front": 1}},  # pieces are left over
        {"images": []},
        {"stamp_ns": -1},
        {"digest": b"".hex},
        {"cameras": ["CAM_FRONT"]},
        {"cameras": [1, 2]},
        {"exposure_ns": [0.5, 1]},
        {"valid": [1, 0]},
        {"valid": "ab"},
    ],
)
def test_a_false_head_of_a_frame_set_is_refused(values: dict[str, Any]) -> None:
    body = true_request(past=0)
    frames = {**head_of(body)["frames"], **{name: value() if callable(value) else value for name, value in values.items()}}
    if frames["digest"] == "":
        frames["digest"] = 5
    with pytest.raises(WireError):
        read(changed(body, frames=frames))


@pytest.mark.parametrize(
    "values",
    [
        {"points": [40, 5]},
        {"points": [160]},
        {"times": [1, 2, 3]},
        {"times": [1, 2, 3, 4.5]},
        {"policy": None},
        {"words": 5},
        {"words": {"reason": 1}},
        {"words": {"reason": "x", "lane": "y"}},
        {"certainty": {"reason": float("inf")}},
        {"certainty": {"reason": 10**400}},
        {"certainty": None},
    ],
)
def test_a_false_head_of_an_answer_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        unpack_reply(changed(true_reply(), **values))


def test_a_plan_that_is_not_finite_is_refused() -> None:
    body = bytearray(true_reply())
    body[-4:] = struct.pack("<f", float("nan"))
    with pytest.raises(WireError, match="not finite"):
        unpack_reply(memoryview(body).toreadonly())


def test_a_picture_of_another_size_is_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three kilobytes can state two gigabytes of pixels."""
    bomb = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    at = bomb.index(b"\xff\xc0")
    bomb[at + 5 : at + 9] = struct.pack(">HH", 30_000, 30_000)
    png, grey = (cv2.imencode(kind, np.zeros(size, np.uint8))[1].tobytes() for kind, size in ((".png", (24, 32, 3)), (".jpg", (24, 32))))
    body = true_request(90, past=0)
    head, pieces = open_body(body)
    ego, _, *rest = (next(pieces) for _ in range(4))
    head.pop("sizes", None)
    decoded: list[int] = []
    monkeypatch.setattr(cv2, "imdecode", lambda data, flags: decoded.append(len(data)))
    for false in (bytes(bomb), png, grey, b"", b"\xff\xd8", b"\xff\xd8\xff\xd9"):
        with pytest.raises(WireError):
            read(joined(make_body(head, [ego, false, *rest])))
    assert not decoded


def test_more_older_pictures_than_the_policy_wants_are_not_decoded() -> None:
    with pytest.raises(WireError, match="older"):
        read(true_request(90, past=2), past=1)


@pytest.mark.parametrize("head", [b"", b"[]", b"5", b"{", b"{}", b'{"sizes":5}', b'{"sizes":[1]}', b'{"sizes":[-1]}', b"[" * 60_000, b"\xff\xfe\x00"])
def test_what_is_no_head_is_refused(head: bytes) -> None:
    for length in (len(head), 0, len(head) + 1, 2**32 - 1):
        with pytest.raises(WireError):
            head_of(memoryview(length.to_bytes(4, "little") + head))
    with pytest.raises(WireError):
        head_of(memoryview(b"\x01\x02"))


def test_numbers_of_a_head() -> None:
    body = joined(pack_head(t1=5, t2=MAX_WHOLE))
    assert whole_of(head_of(body), "t1", "t2") == (5, MAX_WHOLE)
    for name, value in (("t1", float("nan")), ("t2", None), ("t3", 1)):
        with pytest.raises(WireError):
            whole_of({"t1": 5, "t2": 6, **({name: value} if name != "t3" else {})}, "t1", "t2", "t3")


def test_whatever_is_changed_nothing_but_a_wire_error_comes_out() -> None:
    chance = random.Random(7)
    bodies = [(true_request(), read), (true_request(80), read), (true_reply(), unpack_reply)]
    refused = 0
    for body, take in bodies:
        head_end = 4 + int.from_bytes(body[:4], "little")
        for _ in range(400):
            wrong = bytearray(body)
            for _ in range(chance.randint(1, 3)):
                at = chance.randrange(head_end) if chance.random() < 0.8 else chance.randrange(len(wrong))
                choice = chance.random()
                if choice < 0.6:
                    wrong[at] = chance.choice(b'{}[],:"-0123456789eE.ntfu\\\x00\xff')
                elif choice < 0.8:
                    del wrong[at : at + chance.randint(1, 40)]
                else:
                    wrong[at:at] = wrong[max(0, at - 20) : at]
            try:
                take(memoryview(wrong).toreadonly())
            except WireError:
                refused += 1
    assert refused > 800
