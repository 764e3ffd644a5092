"""Two vehicles on one server: neither displaces the other's requests, and who asks more is not thought for more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.parameter import Parameter

from heron_remote.envelope import Kind
from heron_remote.keys import load_keys, write_new_key
from heron_remote.node import PolicyServerNode
from heron_remote.server import Job, PolicyServer
from heron_remote.turns import Turns
from heron_remote.vehicle_end import VehicleEnd
from heron_remote.vehicle_link import wall
from heron_runtime.domain import own_domain
from heron_vla.folder import load_policy
from heron_vla.kinematic import write_kinematic

pytestmark = pytest.mark.alone


class Named:
    """A request, as far as the line looks at it."""

    def __init__(self, vehicle: bytes, number: int) -> None:
        self.opened, self.sender, self.number = self, vehicle, number


def job(vehicle: bytes, number: int) -> Job:
    return Job(Named(vehicle, number), 0)  # type: ignore[arg-type]


def test_each_vehicle_stands_in_the_line_once_with_its_newest() -> None:
    turns = Turns()
    joined = [turns.put(job(vehicle, number)) for number, vehicle in enumerate((b"a", b"a", b"b", b"a", b"c", b"b"))]
    assert joined == [True, False, True, False, True, False] and turns.displaced == 3
    taken: list[Any] = [turns.take().opened for _ in range(3)]
    assert [(each.sender, each.number) for each in taken] == [(b"a", 3), (b"b", 5), (b"c", 4)]
    with pytest.raises(StopIteration):
        turns.take()
    assert turns.put(job(b"b", 9)) and turns.put(job(b"a", 10)) and turns.take().opened.sender == b"b"


class Wire:
    """In the place of a gateway: keeps what was sent."""

    displaced, restarts = 0, 0

    def __init__(self, *arguments: Any) -> None:
        self.sent: list[bytes] = []

    def forward(self, envelope: bytes) -> None:
        self.sent.append(envelope)

    def close(self) -> None:
        pass


class Thoughts:
    """In the place of the policy's: what it was asked, in order; the first takes until it is let go."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int]] = []
        self.go = threading.Event()

    def plan(self, job: Job) -> None:
        self.asked.append((job.opened.sender, job.opened.sequence))
        assert self.go.wait(20.0)


@pytest.fixture
def thoughts(monkeypatch: pytest.MonkeyPatch) -> Thoughts:
    made = Thoughts()
    monkeypatch.setattr(PolicyServer, "plan", lambda server, job: made.plan(job))
    return made


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thoughts: Thoughts) -> Iterator[PolicyServerNode]:
    """The server's component, but no gateway."""
    monkeypatch.setattr("heron_remote.node.GatewayProcess", Wire)
    write_new_key(tmp_path / "keys")
    given = {"policy": str(write_kinematic(tmp_path / "policy", ["CAM_FRONT"])), "remote.keys": str(tmp_path / "keys")}
    with own_domain({}) as domain:
        rclpy.init(domain_id=domain)
        made = PolicyServerNode(parameter_overrides=[Parameter(name, value=value) for name, value in given.items()])
        yield made
        made.destroy_node()
        rclpy.try_shutdown()


def arrived(node: PolicyServerNode, name: bytes, folder: Path) -> VehicleEnd:
    """A vehicle that the server knows."""
    vehicle = VehicleEnd(load_keys(folder / "keys"), name, load_policy(folder / "policy").digest)
    hello, wire = vehicle.hello(wall()), node._gateway
    assert hello is not None and isinstance(wire, Wire)
    node._heard(bytearray(hello))
    vehicle.accept(wire.sent.pop(), wall())
    return vehicle


def until(true: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < 20.0
        time.sleep(0.002)


def test_a_vehicle_that_asks_more_is_not_thought_for_more(node: PolicyServerNode, thoughts: Thoughts, tmp_path: Path) -> None:
    eager, modest = (arrived(node, name, tmp_path) for name in (b"eager   ", b"modest  "))

    def ask(vehicle: VehicleEnd, times: int = 1) -> None:
        for _ in range(times):
            node._heard(bytearray(vehicle.seal(Kind.REQUEST, wall(), b"request")))

    ask(eager)
    until(lambda: len(thoughts.asked) == 1)
    ask(eager, 20)
    ask(modest, 2)
    ask(eager, 20)
    thoughts.go.set()
    until(lambda: len(thoughts.asked) == 3)
    (_, first), (again, newest), (other, second) = thoughts.asked
    assert (again, other) == (b"eager   ", b"modest  ") and newest == first + 40, "the last of forty, and then the other"
    ask(eager)
    until(lambda: len(thoughts.asked) == 4)
    assert node.report()["displaced"] == {"requests": 40, "answers": 0} and second > 0
