"""Two real gateways on one machine: what goes in comes out whole, the newest only, and nobody outlives anybody."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heron_remote.convert import from_raw, to_raw
from heron_remote.envelope import MAX_BYTES, Kind
from heron_remote.gateway.process import GatewayProcess
from heron_runtime.domain import own_domain

pytestmark = pytest.mark.alone

PROFILE = Path(__file__).parents[3] / "config/dds/remote.xml"


def envelope(kind: Kind, size: int, seed: int = 0, receiver: bytes = bytes(8)) -> bytes:
    """Of the shape that a gateway looks at; nobody opens it."""
    return b"HRN1" + bytes([kind]) + bytes(11) + receiver + random.Random(seed).randbytes(size - 24)


def until(true: Callable[[], object], limit_s: float = 20.0) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < limit_s
        time.sleep(0.005)
    return time.monotonic() - began


def gateways(parent: int | None = None) -> list[int]:
    """Processes that are gateways of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if b"heron_remote.gateway.node" in words and status[0] != "Z" and int(status[1]) == (parent or os.getpid()):
            found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that only nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Pair:
    """A vehicle's gateway and a server's, and what each heard."""

    def __init__(self, domain: int) -> None:
        self.heard: dict[str, list[bytes]] = {"vehicle": [], "server": []}
        self.of = {side: GatewayProcess(side, domain, PROFILE, self._hearing(side)) for side in self.heard}
        until(self.flows)

    def _hearing(self, side: str) -> Callable[[bytearray], None]:
        return lambda data: self.heard[side].append(bytes(data))

    def flows(self) -> bool:
        """Whether a small message of each side has arrived at the other."""
        for heard in self.heard.values():
            heard.clear()
        self.of["vehicle"].forward(envelope(Kind.HELLO, 100))
        self.of["server"].forward(envelope(Kind.WELCOME, 100))
        time.sleep(0.02)
        return all(self.heard.values())

    def pid(self, side: str) -> int:
        return next(pid for pid in gateways() if side.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))

    def close(self) -> None:
        for gateway in self.of.values():
            gateway.close()


@pytest.fixture(scope="module")
def domain() -> Iterator[int]:
    with own_domain({}) as number:
        yield number


@pytest.fixture(scope="module")
def pair(domain: int) -> Iterator[Pair]:
    before = set(Path("/dev/shm").iterdir())
    made = Pair(domain)
    yield made
    made.close()
    assert not gateways() and not any(thread.is_alive() for gateway in made.of.values() for thread in gateway._threads)
    assert not [path for path in set(Path("/dev/shm").iterdir()) - before if f"_{domain}_" in path.name]


def test_messages_of_every_size_arrive_whole(pair: Pair) -> None:
    time.sleep(0.1)
    for heard in pair.heard.values():
        heard.clear()
    for number, size in enumerate((100, 1_400, 65_000, 300_000, 1_000_000)):
        for side, other, kind in (("vehicle", "server", Kind.REQUEST), ("server", "vehicle", Kind.ANSWER)):
            sent = envelope(kind, size, number)
            pair.of[side].forward(sent)
            until(lambda other=other, sent=sent: sent in pair.heard[other])
    assert all(len(heard) == 5 for heard in pair.heard.values())  # each once
    assert pair.of["vehicle"].restarts == pair.of["server"].restarts == 0
    assert pair.of["server"].heard_bytes >= 1_366_500 <= pair.of["vehicle"].sent_bytes


def test_while_the_gateway_is_held_only_the_newest_waits(pair: Pair) -> None:
    pair.heard["server"].clear()
    gateway, pid = pair.of["vehicle"], pair.pid("vehicle")
    displaced = gateway.displaced
    os.kill(pid, signal.SIGSTOP)
    try:
        requests = [envelope(Kind.REQUEST, 300_000, n) for n in range(10)]
        for request in requests:
            gateway.forward(request)
            time.sleep(0.005)
        gateway.forward(envelope(Kind.READ, 50_000, 77))  # of its own kind
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: requests[-1] in pair.heard["server"] and envelope(Kind.READ, 50_000, 77) in pair.heard["server"])
    arrived = [requests.index(data) for data in pair.heard["server"] if data in requests]
    assert len(arrived) <= 2 and arrived[-1] == 9  # one may have been half in the pipe
    assert gateway.displaced - displaced + len(arrived) == 10  # and each of the others is counted


def test_an_answer_to_one_vehicle_does_not_cost_another_its_answer(pair: Pair) -> None:
    pair.heard["vehicle"].clear()
    gateway, pid = pair.of["server"], pair.pid("server")
    displaced = gateway.displaced
    os.kill(pid, signal.SIGSTOP)
    try:
        answers = [envelope(Kind.ANSWER, 300_000, n, bytes([n % 2]) * 8) for n in range(8)]
        for answer in answers:
            gateway.forward(answer)
            time.sleep(0.005)
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: answers[6] in pair.heard["vehicle"] and answers[7] in pair.heard["vehicle"])
    arrived = [answers.index(data) for data in pair.heard["vehicle"] if data in answers]
    assert gateway.displaced - displaced + len(arrived) == 8 and len(arrived) <= 3  # one may have been half in the pipe


def test_a_gateway_that_is_killed_in_the_middle_of_a_message_comes_back(pair: Pair) -> None:
    gateway, pid = pair.of["vehicle"], pair.pid("vehicle")
    restarts = gateway.restarts
    os.kill(pid, signal.SIGSTOP)
    for number in range(3):
        gateway.forward(envelope(Kind.REQUEST, 4_000_000, number))  # half written: the socket takes 200 kB
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    until(lambda: gateway.restarts == restarts + 1)
    until(pair.flows)
    last = envelope(Kind.REQUEST, 200_000, 9)
    pair.of["vehicle"].forward(last)
    until(lambda: last in pair.heard["server"])
    assert len(gateways()) == 2


def test_what_hears_may_not_fail_silently(domain: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of the gateway is enough: no DDS is needed."""
    talker = "import socket,sys; s=socket.socket(fileno=int(sys.argv[-1])); s.sendall(bytes([1,0,0,0,7])); s.recv(1)"
    monkeypatch.setattr("heron_remote.gateway.process.COMMAND", [sys.executable, "-c", talker])
    monkeypatch.setattr("threading.excepthook", lambda shown: shown_names.append(shown.exc_type))
    shown_names: list[type[BaseException] | None] = []

    def fail(data: bytearray) -> None:
        raise ZeroDivisionError(len(data))

    gateway = GatewayProcess("vehicle", domain, None, fail)
    try:
        until(lambda: shown_names)
        assert shown_names == [ZeroDivisionError]
        with pytest.raises(RuntimeError, match=r"the link has ended: ZeroDivisionError\(1\)"):
            gateway.forward(b"HRN1")
    finally:
        gateway.close()


def test_a_gateway_that_talks_nonsense_is_replaced(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It states a frame of 4 GB, and then reads no more: neither the reader nor a writer may wait for it."""
    talker = "import socket,sys,time; s=socket.socket(fileno=int(sys.argv[-1])); time.sleep(0.3); s.sendall(b'\\xff'*4); time.sleep(60)"
    monkeypatch.setattr("heron_remote.gateway.process.COMMAND", [sys.executable, "-c", talker])
    monkeypatch.setattr("heron_remote.gateway.process.STOP_S", 0.1)
    gateway = GatewayProcess("vehicle", domain, None, lambda data: None)
    try:
        gateway.forward(envelope(Kind.REQUEST, 4_000_000))
        until(lambda: gateway.restarts >= 1)
    finally:
        gateway.close()
    assert not any(thread.is_alive() for thread in gateway._threads)


@pytest.mark.parametrize("held", [False, True], ids=["starting", "held"])
def test_a_gateway_ends_with_its_owner(domain: int, held: bool) -> None:
    program = f"""
import time
from heron_remote.gateway.process import GatewayProcess
gateway = GatewayProcess("vehicle", {domain}, None, lambda data: None)
time.sleep(60)
"""
    owner = subprocess.Popen([sys.executable, "-c", program])
    try:
        until(lambda: gateways(owner.pid))
        (pid,) = gateways(owner.pid)
        if held:  # it cannot see the end of the pipe; from when it ignores Ctrl-C, the kernel ends it
            until(lambda: int(re.search(r"SigIgn:\s*(\w+)", Path(f"/proc/{pid}/status").read_text()).group(1), 16) & 1 << signal.SIGINT - 1)
            os.kill(pid, signal.SIGSTOP)
    finally:
        owner.kill()
        owner.wait()
    until(lambda: not alive(pid))


def test_raw_messages_that_are_no_envelopes_are_refused() -> None:
    whole = to_raw(b"HRN1" + bytes(100))
    assert bytes(from_raw(whole)) == b"HRN1" + bytes(100)
    assert bytes(from_raw(whole + bytes(3))) == b"HRN1" + bytes(100)  # padding
    too_long = b"\x00\x01\x00\x00" + (MAX_BYTES + 1).to_bytes(4, "little") + bytes(MAX_BYTES + 1)
    for raw in (b"", whole[:7], whole[:-1], b"\x00\x00" + whole[2:], to_raw(b""), too_long):
        with pytest.raises(ValueError, match="sealed message"):
            from_raw(raw)
