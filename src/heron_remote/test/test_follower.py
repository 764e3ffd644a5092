"""A server changes to a new policy between two frames, and stays with the old one when the new one is bad."""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from deliveries import RING, content, deliver, digest, make_policy
from plans_of_two import POINTS, FakeThinker, FakeVoice, question, some_answer
from two_ends import OTHER, OURS, Table, refusal, ring

from heron_core.policy import PolicyInput
from heron_remote.body import head_of, pack_head
from heron_remote.config import RemoteConfig, ServerConfig
from heron_remote.envelope import Kind
from heron_remote.follower import Follower, Source
from heron_remote.remote_policy import RemotePolicy
from heron_remote.server import PolicyServer
from heron_remote.server_end import ServerEnd
from heron_remote.serving import Serving, open_serving
from heron_remote.store import Store
from heron_remote.traffic import Traffic
from heron_remote.vehicle_end import VehicleEnd
from heron_remote.vehicle_link import RemoteError, wall
from heron_remote.wire import Reply, Request, Times, pack_reply, pack_request, unpack_reply
from heron_vla.folder import PolicyFolder, load_policy
from heron_vla.planning import Mind
from heron_vla.session import Answer

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Two that can follow one another, and one that looks elsewhere."""
    folder = tmp_path_factory.mktemp("policies")
    return make_policy(folder / "one", "one"), make_policy(folder / "two", "two"), make_policy(folder / "back", "back", ("CAM_BACK",))


def put(policy: Path, place: Path) -> None:
    """As a pull does: at once."""
    shutil.copytree(policy, place.with_name(".new"))
    if place.exists():
        place.rename(place.with_name(f"old{time.monotonic_ns()}"))
    place.with_name(".new").rename(place)


def break_graph(folder: Path) -> None:
    raw = bytearray((folder / "driver.onnx").read_bytes())
    raw[100] ^= 1
    (folder / "driver.onnx").write_bytes(raw)


class Host:
    """A server whose policy pretends, and its follower; a vehicle that takes both policies."""

    def __init__(self, policies: tuple[Path, ...], car: Path, source: Source | None = None) -> None:
        self.car, self.sent, self.made = car, list[bytes](), list[PolicyFolder]()
        put(policies[0], car)
        first = load_policy(car)
        self.server = PolicyServer(
            ServerEnd(ring(1), lambda: os.urandom(8), first.digest), first, FakeThinker(), None, FakeVoice(), self.sent.append, wall
        )
        self.think = some_answer
        self.load_s = 0.0
        self.follower = Follower(self.server, car, self.ready, source)
        self.vehicle = VehicleEnd(ring(1), os.urandom(8), first.digest, accept=[digest(policies[1])])
        self.say_hello()

    def ready(self, folder: PolicyFolder) -> Serving:
        time.sleep(self.load_s)
        self.made.append(folder)
        return Serving(folder, Mind(FakeThinker(self.think), None, FakeVoice()), "pretended")

    def say_hello(self) -> None:
        hello = self.vehicle.hello(wall())
        assert hello is not None
        self.server.hear(bytearray(hello))
        self.vehicle.accept(self.sent.pop(), wall())

    def looks(self, times: int = 2) -> list[str]:
        return [note.text for _ in range(times) for note in self.follower.look()]

    def ask(self, number: int) -> Any:
        """A request, sealed and heard."""
        body = pack_request(Request(number, question(5, self.server.serving.folder.image_shapes)), 20)
        return self.server.hear(bytearray(self.vehicle.seal(Kind.REQUEST, wall(), *body)))

    def answer(self) -> Reply:
        return unpack_reply(self.vehicle.accept(self.sent.pop(0), wall()).body)

    @property
    def serves(self) -> str:
        return self.server.serving.folder.digest


@pytest.fixture
def host(policies: tuple[Path, ...], tmp_path: Path) -> Host:
    return Host(policies, tmp_path / "policy")


def test_under_load_every_request_is_answered_and_the_policy_changes_once(host: Host, policies: tuple[Path, ...]) -> None:
    one, two = digest(policies[0]), digest(policies[1])
    jobs: queue.Queue[Any] = queue.Queue()
    stop, answered_ns = threading.Event(), list[int]()
    notes: list[str] = []
    host.load_s = 0.3

    def plan() -> None:
        while (job := jobs.get()) is not None:
            host.server.plan(job)
            answered_ns.append(time.monotonic_ns())

    def follow() -> None:
        while not stop.wait(0.03):
            notes.extend(note.cause for note in host.follower.look())

    threads = [threading.Thread(target=run) for run in (plan, follow)]
    for thread in threads:
        thread.start()
    asked_ns: list[int] = []
    try:
        for number in range(1, 121):
            asked_ns.append(time.monotonic_ns())
            jobs.put(host.ask(number))
            if number == 10:
                broken = host.car.with_name("broken")
                shutil.copytree(policies[1], broken)
                break_graph(broken)
                put(broken, host.car)
            if number == 45:
                put(policies[1], host.car)
            time.sleep(max(0.0, asked_ns[0] / 1e9 + number * 0.01 - time.monotonic()))
        until = time.monotonic() + 20.0
        while "policy_switched" not in notes and time.monotonic() < until:  # on a busy computer
            number += 1
            asked_ns.append(time.monotonic_ns())
            jobs.put(host.ask(number))
            time.sleep(0.01)
        jobs.put(host.ask(number + 1))
        asked_ns.append(time.monotonic_ns())
    finally:
        stop.set()
        jobs.put(None)
        for thread in threads:
            thread.join()
    assert notes == ["policy_refused", "policy_switched"]
    replies = [host.answer() for _ in range(number + 1)]
    assert [reply.number for reply in replies] == list(range(1, number + 2)), "every request was answered, once and in order"
    policies_seen = [reply.policy for reply in replies]
    change = policies_seen.index(two)
    assert policies_seen == [one] * change + [two] * (number + 1 - change)
    assert change > 45 + 10, "the old one answered while the new one was opened"
    took_ns = [done - asked for asked, done in zip(asked_ns, answered_ns, strict=True)]
    assert took_ns[change] < max(100_000_000, 3 * max(took_ns[:45])), "the first answer of the new one came no later than others"
    assert host.follower.counts == {"refused": 1, "switched": 1}


def test_a_policy_that_cannot_follow_is_refused_and_the_old_one_drives_on(host: Host, policies: tuple[Path, ...]) -> None:
    before = host.serves
    put(policies[2], host.car)
    assert host.looks() == [
        f"policy {digest(policies[2])[:12]} has other views than {before[:12]}, which vehicles drive with; "
        f"start both ends anew with it, or export it with the same; {before[:12]} drives on"
    ]
    assert not host.made, "it was not even opened"
    host.think = lambda request: Answer(np.full_like(POINTS, np.nan))
    put(policies[1], host.car)
    (told,) = host.looks()
    assert "not finite" in told
    assert host.looks(5) == [], "said once"
    host.server.plan(host.ask(1))
    assert host.answer().policy == host.serves == before
    host.think = some_answer
    (host.car / "README.md").write_text("touched")
    assert host.looks(1) == [], "somebody may still be writing"
    (told,) = host.looks(1)
    assert told.endswith(f"answers now, in place of {before[:12]}")
    assert host.follower.counts == {"refused": 2, "switched": 1}


def test_what_is_being_thought_about_is_answered_in_the_name_of_who_thinks(host: Host, policies: tuple[Path, ...]) -> None:
    before, thinker = host.serves, host.server.serving.mind.thinker

    def slow(request: PolicyInput) -> Answer:
        put(policies[1], host.car)
        assert len(host.looks()) == 1, "the switch comes in the middle of it"
        return some_answer(request)

    thinker.think = slow  # type: ignore[attr-defined]
    host.server.plan(host.ask(1))
    host.server.plan(host.ask(2))
    assert [host.answer().policy for _ in range(2)] == [before, digest(policies[1])]


def test_a_plan_is_put_into_words_by_the_policy_that_made_it(host: Host, policies: tuple[Path, ...]) -> None:
    host.server.plan(host.ask(1))
    host.answer()
    put(policies[1], host.car)
    host.looks()
    assert host.serves == digest(policies[1])
    late = VehicleEnd(ring(1), os.urandom(8), host.serves)
    hello = late.hello(wall())
    assert hello is not None and host.server.hear(bytearray(hello)) is None
    late.accept(host.sent.pop(), wall())
    assert late.connected, "who comes now is offered the new one"
    new_voice = host.server.serving.mind.voice
    new_voice.say = lambda memory: pytest.fail("the new one was asked")  # type: ignore[union-attr, method-assign]
    host.server.say(host.server.hear(bytearray(host.vehicle.seal(Kind.SPEECH, wall(), *pack_head(number=7, plan=1)))))
    assert head_of(host.vehicle.accept(host.sent.pop(), wall()).body)["english"] == "plan on 5"


def test_a_name_in_a_store_is_followed(policies: tuple[Path, ...], tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    host = Host(policies, tmp_path / "car" / "policy", Source(store, "fleet", RING))
    one, two = digest(policies[0]), digest(policies[1])
    assert "has no policy called fleet; it has none" in host.looks()[0]
    assert host.follower.counts == {"out_of_reach": 2}
    deliver(policies[0], store)
    assert host.looks() == [], "it serves that one"
    older = store.read("names/fleet.pointer", 1000)
    before = content(host.car)
    deliver(policies[2], store)
    (told,) = host.looks()
    assert "has other views" in told
    assert told.endswith(f"{one[:12]} drives on")
    assert content(host.car) == before, "what was refused never came to its place"
    host.think = lambda request: Answer(np.full_like(POINTS, np.inf))
    deliver(policies[1], store)
    assert "not finite" in host.looks()[0]
    assert content(host.car) == before
    host.think = some_answer
    deliver(policies[1], store)
    graph = tmp_path / "store" / "files" / next(f.sha256 for f in deliverable(store) if f.name == "README.md")
    whole = graph.read_bytes()
    shutil.rmtree(tmp_path / "car" / ".policy.pull")
    graph.write_bytes(whole[::-1])
    assert "is not what was pushed" in host.looks()[0]
    assert (content(host.car), host.serves) == (before, one)
    deliver(policies[1], store)
    assert host.looks() == [f"policy two {two[:12]} answers now, in place of {one[:12]}"]
    assert content(host.car) == content(policies[1])
    store.put("names/fleet.pointer", [older])
    assert host.looks() == [], "an older pointer that was put back"
    assert host.serves == two
    store.put("names/fleet.pointer", [older[:-2] + b"!\n"])
    assert "forged, changed or cut short" in host.looks()[0]
    assert host.serves == two


def deliverable(store: Store) -> Any:
    from heron_remote.delivery import find

    return find("fleet", store, RING).manifest.files


def test_a_real_policy_is_opened_and_tried(policies: tuple[Path, ...], tmp_path: Path) -> None:
    host = Host(policies, tmp_path / "policy")
    host.follower._ready = lambda opened: open_serving(opened, ServerConfig(warm_up=0, backend="onnxruntime"))
    put(policies[1], host.car)
    assert "answers now" in host.looks()[0]
    assert host.server.serving.backend == "onnxruntime"


def test_a_vehicle_takes_the_policies_that_it_was_told(host: Host) -> None:
    for accept, expected in (((), "policy"), ((OTHER,), "")):
        table = Table()
        table.vehicle = VehicleEnd(ring(1), table.nonce(), OURS, accept=accept)
        table.server.offer(OTHER)
        assert refusal(table.vehicle.accept, table.welcome(table.hello()), table.at) == expected
        assert table.vehicle.connected == (expected == "")


@pytest.mark.parametrize(("answers", "taken"), [(OURS, True), (OTHER, True), ("c" * 64, False)])
def test_an_answer_counts_where_its_policy_does(answers: str, taken: bool) -> None:
    body = b"".join(bytes(part) for part in pack_reply(Reply(1, answers, replace(some_answer(question())), Times(1, 2, 3, 4))))
    link: Any = SimpleNamespace(
        to_server=lambda ns: None,
        to_vehicle=lambda ns: None,
        number=lambda: 1,
        ask=lambda kind, number, parts, wait_s: SimpleNamespace(body=memoryview(body)),
        accepts=lambda policy: policy == OTHER,
    )
    policy = RemotePolicy(link, OURS, lambda frames: 1.0, lambda frames: 0, lambda name, ms: None, Traffic(90, False))
    if taken:
        assert np.array_equal(policy.answer(question()).points, POINTS)
        return
    with pytest.raises(RemoteError, match="an answer of policy cccccccccccc"):
        policy.answer(question())


def test_settings_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        RemoteConfig(accept=("f702aa96ffd7",))
    with pytest.raises(ValueError, match="both belong together"):
        ServerConfig(store="s")
