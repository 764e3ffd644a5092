"""The vehicle's side over a wire that loses, doubles, turns round, falls silent and comes back as another life."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from link_of_two import Both
from plans_of_two import POINTS, question, some_answer
from two_ends import ring

from heron_core.policy import PolicyInput
from heron_remote.body import pack_head
from heron_remote.envelope import MAX_BODY, Direction, Kind, Sealer, kind_of
from heron_remote.remote_policy import RemotePolicy, RemoteVoice
from heron_remote.vehicle_link import RemoteError
from heron_remote.wire import pack_reply
from heron_vla.folder import PolicyFolder, load_policy
from heron_vla.kinematic import write_kinematic
from heron_vla.session import Answer

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> PolicyFolder:
    return load_policy(write_kinematic(tmp_path_factory.mktemp("p") / "policy", ["CAM_FRONT"]))


@pytest.fixture
def both(folder: PolicyFolder) -> Iterator[Both]:
    made = Both(folder, ring(1))
    yield made
    made.close()


def until(true: Callable[[], object], limit_s: float = 3.0) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < limit_s
        time.sleep(0.002)
    return time.monotonic() - began


def test_plans_words_and_meanings_come_over_the_wire(both: Both) -> None:
    both.serve()
    both.link.wait(2.0)
    assert both.link.trouble() == "" and both.link.connected and both.link.silence_s < 2.0
    answer = both.ask()
    assert answer.points.tobytes() == POINTS.tobytes() and answer.memory is not None
    assert RemoteVoice(both.link).say(answer.memory).english == "plan on 5"
    reader = RemotePolicy(both.link, both.folder.digest, lambda f: 1.0, lambda f: 0, lambda name, ms: None, both.traffic, reading=True)
    assert reader.answer(question(6, both.folder.image_shapes)).thoughts == answer.thoughts


def test_why_nobody_answers_is_said(folder: PolicyFolder, both: Both) -> None:
    assert both.link.silence_s == float("inf")
    with pytest.raises(RemoteError, match=r"after 0\.1 s: no server answers: .* same key file"):
        both.link.wait(0.1)
    with pytest.raises(RemoteError, match="no server answers"):
        both.ask()
    other = "b2" * 32
    both.serve(policy=other)
    until(lambda: "has policy" in both.link.trouble())
    with pytest.raises(RemoteError, match=rf"has policy {other[:12]}\w*, this vehicle drives with {folder.digest[:12]}"):
        both.ask()
    both.serve()  # the right one, in its place
    both.link.wait(2.0)
    assert both.ask().points.tobytes() == POINTS.tobytes()


def test_a_server_with_other_keys_does_not_answer_and_one_that_does_is_named(both: Both) -> None:
    server = both.serve(keys=ring(2))
    until(lambda: server._end.counts["key"] > 2)
    assert not both.link.connected and "same key file" in both.link.trouble()
    foreign = Sealer(ring(2).signing, Direction.TO_VEHICLE, bytes([7]) * 8)  # to a vehicle of its own
    both.wire.hears["vehicle"](bytearray(foreign.seal(Kind.WELCOME, bytes([8]) * 8, 0, bytes(40))))
    assert both.link.trouble().startswith("what answers is not authentic (1 key): compare both key files")


def test_without_an_answer_the_deadline_ends_the_wait(both: Both) -> None:
    both.serve()
    both.link.wait(2.0)
    both.wire.fate = lambda data: () if kind_of(data) == Kind.ANSWER else (0.0,)
    both.wait_s = 0.4
    late = []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(RemoteError, match=r"no answer within [1-4][0-9][0-9] ms"):
            both.ask()
        late.append(time.monotonic() - began - both.wait_s)
    assert -0.02 < min(late) < 0.3
    assert not both.link._waiting
    sent = len(both.wire.carried)
    both.wait_s = 0.0
    with pytest.raises(RemoteError, match="too old"):
        both.ask()
    assert not any(kind_of(data) == Kind.REQUEST for _, data in both.wire.carried[sent:])  # nobody would want the answer


def test_an_answer_that_comes_too_late_is_nobody_elses(both: Both) -> None:
    both.serve()
    both.link.wait(2.0)
    both.wire.fate = lambda data: (0.25,) if kind_of(data) == Kind.ANSWER else (0.0,)
    both.wait_s = 0.1
    with pytest.raises(RemoteError, match="no answer"):
        both.ask()
    both.wire.fate = lambda data: (0.0,)
    both.wait_s = 1.0
    answer = both.ask()  # numbers rise: the late one is also older
    assert answer.memory is not None and RemoteVoice(both.link).say(answer.memory).english == "plan on 6"
    until(lambda: both.link.counts["old"] == 1)
    assert both.link.unreadable == 0


def test_questions_that_overlap_get_each_its_own_answer(both: Both) -> None:
    both.serve()
    both.link.wait(2.0)
    chance = random.Random(3)
    both.thinker.think = lambda request: Answer(POINTS + request.frames.stamp_ns, some_answer(request).thoughts)
    both.wire.fate = lambda data: (chance.uniform(0.0, 0.004),)
    both.wait_s = 0.3

    def one(stamp: int) -> bool | None:
        try:
            found = both.policy.answer(question(stamp, both.folder.image_shapes))
        except RemoteError:
            return None
        return bool((found.points == POINTS + stamp).all())

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(one, range(30)))
    assert False not in found and found.count(True) > 10  # who is overtaken is not answered: newest only


def test_a_bad_link_costs_plans_but_no_order_and_no_thread(both: Both) -> None:
    both.serve()
    both.link.wait(2.0)
    chance = random.Random(5)

    def fate(data: bytes) -> tuple[float, ...]:
        if chance.random() < 0.1:
            return ()
        return tuple(chance.expovariate(1 / 0.002) for _ in range(1 + (chance.random() < 0.2)))

    both.wire.fate = fate
    both.wait_s = 0.06
    good = 0
    for _ in range(40):
        try:
            good += both.ask().points.tobytes() == POINTS.tobytes()
        except RemoteError as error:
            assert "no answer within" in str(error)
    assert 20 <= good < 40 and both.link.unreadable == 0
    both.wire.fate = lambda data: (0.0,)
    both.wait_s = 1.0
    assert both.ask().points.tobytes() == POINTS.tobytes()


def test_a_cut_and_a_new_life_of_the_server_cost_less_than_200_ms(both: Both) -> None:
    both.serve()
    both.link.wait(2.0)
    both.ask()
    both.wait_s = 0.03

    def answered() -> bool:
        try:
            both.ask()
        except RemoteError:
            return False
        return True

    for restart in (False, True):
        whole, both.wire.fate = both.wire.fate, lambda data: ()
        until(lambda: both.link.silence_s > 0.3)
        assert not answered() and both.link.connected  # what came before stays; the silence tells
        if restart:
            both.serve()
        both.wire.fate = whole
        assert until(answered) < 0.2
    assert both.link.counts["restarts"] == 1


def test_the_clock_settles_and_one_that_was_set_is_refused_until_it_does_again(both: Both) -> None:
    both.server_ahead_ns = 3_000_000_000
    server = both.serve()
    both.link.wait(2.0)
    assert both.link.to_server(5) is None
    until(lambda: both.link.clock() is not None)
    clock = both.link.clock()
    assert clock is not None and abs(clock.offset_ns - 3_000_000_000) <= clock.uncertainty_ns + 1_000_000
    both.ask()
    both.wire.fate = lambda data: (0.05,) if kind_of(data) == Kind.REQUEST else (0.0,)
    both.wait_s = 0.02
    with pytest.raises(RemoteError, match="no answer"):
        both.ask()
    until(lambda: server.counts["too_late"] == 1)  # the deadline was stated on the server's clock
    both.wire.fate = lambda data: (0.0,)
    both.wait_s = 0.5
    both.server_ahead_ns = -60_000_000_000
    until(lambda: both.link.clock() is None, 1.0)
    assert both.ask().points.tobytes() == POINTS.tobytes()  # without a deadline that the server would misread
    until(lambda: both.link.clock() is not None)
    clock = both.link.clock()
    assert clock is not None and abs(clock.offset_ns + 60_000_000_000) <= clock.uncertainty_ns + 1_000_000


def test_an_answer_of_another_policy_is_refused(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    both.serve()
    both.link.wait(2.0)
    monkeypatch.setattr("heron_remote.server.pack_reply", lambda reply: pack_reply(replace(reply, policy="c" * 64)))
    with pytest.raises(RemoteError, match="an answer of policy cccccccccccc, this vehicle drives with"):
        both.ask()


def test_a_refusal_and_senseless_answers_are_said_and_counted(both: Both) -> None:
    server = both.serve()
    both.link.wait(2.0)

    def unread(_: PolicyInput) -> Answer:
        return Answer(POINTS * float("nan"))

    both.thinker.think = unread
    with pytest.raises(RemoteError, match="cannot be read: a plan that is not finite"):
        both.ask()
    vehicle = server._end.vehicles[0]
    for body in ([b"\0"], pack_head(number=None), pack_head(t1=1.5, t2=1, t3=1), [b"\x14\0\0\0" + b'{"sizes":[],"t1":1e9}'[:20]]):
        for kind in (Kind.PONG, Kind.ANSWER, Kind.REFUSAL):
            both.wire.hears["vehicle"](bytearray(server._end.seal(kind, vehicle, both.server_now(), *body)))
    assert both.link.unreadable == 12
    with pytest.raises(RemoteError, match=r"the server refuses: plan 77 is not remembered"):
        both.link.ask(Kind.SPEECH, 5_000, pack_head(number=5_000, plan=77), 1.0)


def test_what_no_envelope_holds_is_said(both: Both) -> None:
    both.serve()
    both.link.wait(2.0)
    with pytest.raises(RemoteError, match=r"an envelope holds .* smaller remote.quality"):
        both.link.ask(Kind.REQUEST, 1, [bytes(MAX_BODY + 1)], 1.0)
    assert not both.link._waiting


def test_nothing_is_left_of_a_link_that_was_closed(folder: PolicyFolder) -> None:
    made = Both(folder, ring(1))
    made.serve()
    made.link.wait(2.0)
    made.close()
    assert not made.link._thread.is_alive()
    sent = len(made.wire.carried)
    time.sleep(0.1)
    assert len(made.wire.carried) == sent
