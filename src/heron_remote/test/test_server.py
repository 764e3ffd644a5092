"""The server's rules, with a thinker that only pretends: what is answered, refused, dropped, remembered and forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from plans_of_two import POINTS, FakeThinker, FakeVoice, question
from two_ends import ring

from heron_core.clock import Instant
from heron_core.policy import PolicyInput
from heron_remote.body import head_of, make_body, pack_head
from heron_remote.envelope import EnvelopeError, Kind, Opened
from heron_remote.server import MEMORIES, PolicyServer
from heron_remote.server_end import ServerEnd
from heron_remote.vehicle_end import VehicleEnd
from heron_remote.wire import Request, pack_request, unpack_reply
from heron_vla.folder import PolicyFolder, load_policy
from heron_vla.kinematic import write_kinematic
from heron_vla.session import Answer
from heron_vla.signature import PolicyError, Shape


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> PolicyFolder:
    return load_policy(write_kinematic(tmp_path_factory.mktemp("p") / "policy", ["CAM_FRONT"]))


class Served:
    """A server and vehicles that sit on it; time passes when it is told to."""

    def __init__(self, folder: PolicyFolder) -> None:
        self.at = Instant(1_000_000_000_000, 5_000_000_000)
        self.folder, self.thinker, self.sent = folder, FakeThinker(), list[bytes]()
        self.shapes: dict[str, Shape] = folder.image_shapes
        nonces = iter(bytes([n]) * 8 for n in range(100, 200))
        self.end = ServerEnd(ring(1), lambda: next(nonces), folder.digest)
        self.server = PolicyServer(self.end, folder, self.thinker, None, FakeVoice(), self.sent.append, lambda: self.at)
        self.vehicle = self.arrive(1)

    def arrive(self, number: int) -> VehicleEnd:
        vehicle = VehicleEnd(ring(1), bytes([number]) * 8, self.folder.digest)
        hello = vehicle.hello(self.at)
        assert hello is not None and self.server.hear(bytearray(hello)) is None
        vehicle.accept(self.sent.pop(), self.at)
        return vehicle

    def hear(self, kind: Kind, parts: list[Any], vehicle: VehicleEnd | None = None) -> Any:
        return self.server.hear(bytearray((vehicle or self.vehicle).seal(kind, self.at, *parts)))

    def ask(self, number: int = 1, deadline_ns: int = 0, vehicle: VehicleEnd | None = None, stamp_ns: int = 5) -> Any:
        return self.hear(Kind.REQUEST, pack_request(Request(number, question(stamp_ns, self.shapes), deadline_ns)), vehicle)

    def told(self, vehicle: VehicleEnd | None = None) -> Opened:
        assert len(self.sent) == 1
        return (vehicle or self.vehicle).accept(self.sent.pop(), self.at)

    def explained(self, plan: Any, number: int = 99, vehicle: VehicleEnd | None = None) -> dict[str, Any]:
        job = self.hear(Kind.SPEECH, pack_head(number=number, plan=plan), vehicle)
        self.server.say(job)
        return head_of(self.told(vehicle).body)


@pytest.fixture
def served(folder: PolicyFolder) -> Served:
    return Served(folder)


def test_a_question_is_answered_with_the_times_of_the_server(served: Served) -> None:
    began_ns = served.at.now_ns
    job = served.ask(7)
    served.at = Instant(began_ns + 2_000_000, served.at.steady_ns)
    assert served.server.plan(job) is not None
    opened = served.told()
    reply = unpack_reply(opened.body)
    assert opened.kind is Kind.ANSWER and reply.number == 7 and reply.policy == served.folder.digest
    assert reply.answer.points.tobytes() == POINTS.tobytes()
    assert reply.times.received_ns == began_ns and reply.times.start_ns == reply.times.sent_ns == began_ns + 2_000_000
    assert served.thinker.asked[0].text == question().text and served.server.counts == {"answered": 1}


def test_a_ping_comes_back_with_three_stamps(served: Served) -> None:
    assert served.hear(Kind.PING, pack_head(t1=5)) is None
    opened = served.told()
    assert opened.kind is Kind.PONG and head_of(opened.body) == {"t1": 5, "t2": served.at.now_ns, "t3": served.at.now_ns}


def test_the_reason_of_a_refusal_is_told(served: Served) -> None:
    def refuse(_: PolicyInput) -> Answer:
        raise PolicyError("too dark")

    served.thinker.think = refuse
    assert served.server.plan(served.ask(7)) is None
    opened = served.told()
    assert opened.kind is Kind.REFUSAL and head_of(opened.body) == {"number": 7, "text": "too dark"} and served.server.counts == {"refused": 1}


def test_what_is_too_late_costs_no_thought_and_no_picture(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    job = served.ask(deadline_ns=served.at.now_ns + 1_000_000)
    assert served.server.plan(job) is not None  # in time
    served.sent.clear()
    job = served.ask(deadline_ns=served.at.now_ns + 1_000_000)
    served.at = Instant(served.at.now_ns + 1_000_001, served.at.steady_ns)
    monkeypatch.setattr("heron_remote.wire.unpack_frames", None)
    assert served.server.plan(job) is None and not served.sent
    assert len(served.thinker.asked) == 1 and served.server.counts == {"answered": 1, "too_late": 1}


def test_an_error_of_ours_is_no_refusal(served: Served) -> None:
    def fail(_: PolicyInput) -> Answer:
        raise ZeroDivisionError

    served.thinker.think = fail
    with pytest.raises(ZeroDivisionError):
        served.server.plan(served.ask())
    assert not served.sent and not served.server.counts


def test_pictures_of_another_policy_are_refused_and_counted(served: Served) -> None:
    served.shapes = {"images": (1, 3, 8, 8)}
    assert served.server.plan(served.ask(3)) is None
    assert "the policy" in head_of(served.told().body)["text"] or served.server.counts["unreadable"] == 1
    assert served.server.counts == {"unreadable": 1, "refused": 1} and not served.thinker.asked


@pytest.mark.parametrize("parts", [[b"\0"], make_body({}), pack_head(t1=None), pack_head(t1=1.5), [b"\x10\0\0\0" + b'{"sizes":[],"t1":NaN}']])
def test_true_messages_without_sense_are_counted(served: Served, parts: list[Any]) -> None:
    """Nothing of it may be raised: `hear` runs in the gateway's thread, others in those of the plans."""
    assert served.hear(Kind.PING, parts) is None
    for kind, think in ((Kind.REQUEST, served.server.plan), (Kind.READ, served.server.read), (Kind.SPEECH, served.server.say)):
        think(served.hear(kind, parts))
    assert not served.sent and served.server.counts == {"unreadable": 4}


def test_only_what_is_sealed_is_heard(served: Served) -> None:
    for data in (b"", b"\0", b"HRN1" + bytes(100)):
        assert served.server.hear(bytearray(data)) is None
    assert served.end.counts["short"] == 2 and sum(served.end.counts.values()) - served.end.counts["accepted"] == 3


def test_a_plan_is_put_into_words_and_an_unknown_one_is_not(served: Served) -> None:
    served.server.plan(served.ask(7, stamp_ns=123))
    served.sent.clear()
    assert served.explained(7) == {"number": 99, "english": "plan on 123", "japanese": "はい", "whole": True}
    assert served.explained(8) == {"number": 99, "text": "plan 8 is not remembered"}


def test_reading_does_not_push_out_plans(served: Served) -> None:
    served.server.plan(served.ask(1))
    job = served.hear(Kind.READ, pack_request(Request(2, question(5, served.shapes))))
    assert served.server.read(job) is not None
    served.sent.clear()
    assert "english" in served.explained(1) and "text" in served.explained(2)


def test_each_vehicle_has_its_own_plans_and_few_of_them(served: Served) -> None:
    other = served.arrive(2)
    for number in range(MEMORIES + 3):
        served.server.plan(served.ask(number, stamp_ns=number))
    served.server.plan(served.ask(5, vehicle=other, stamp_ns=1005))
    served.sent.clear()
    assert served.explained(5)["english"] == "plan on 5" and "text" in served.explained(2)
    assert served.explained(5, vehicle=other)["english"] == "plan on 1005"


def test_plans_of_forgotten_vehicles_are_forgotten(served: Served) -> None:
    for number in range(1, 40):
        served.at = Instant(served.at.now_ns + 10, served.at.steady_ns + 10)
        vehicle = served.arrive(number) if number > 1 else served.vehicle
        served.server.plan(served.ask(1, vehicle=vehicle))
        served.sent.clear()
    assert len(served.end.vehicles) == 4 and len(served.server._memories) == 4


def test_a_vehicle_forgotten_while_it_was_thought_for_is_counted(served: Served) -> None:
    job = served.ask(1)
    for number in range(2, 6):
        served.at = Instant(served.at.now_ns + 10, served.at.steady_ns + 10)
        served.ask(1, vehicle=served.arrive(number))
    assert served.server.plan(job) is not None
    assert not served.sent and served.server.counts == {"answered": 1, "forgotten": 1}
    with pytest.raises(EnvelopeError):
        served.vehicle.accept(b"", served.at)


def test_numbers_leave_in_the_order_in_which_they_were_drawn(served: Served) -> None:
    """Where two threads answer, a later number must not overtake: the vehicle would take the earlier one for a recording."""
    locked: list[bool] = []
    served.server._send = lambda data: locked.append(served.server._lock.locked())
    served.server.plan(served.ask())
    assert locked == [True]
