"""The Unix bus, between this process and others that may die."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import can
import pytest

from heron_can.io import CanIo
from heron_can.mapping import BusConfig
from heron_can.unixbus import UnixBus, folder_of

pytestmark = pytest.mark.alone

PEER = """
import sys, can
from heron_can.unixbus import UnixBus
bus = UnixBus(sys.argv[1])
print("up", flush=True)
while True:
    message = bus.recv()
    if message.arbitration_id == 0x7FF:
        break
    bus.send(can.Message(arbitration_id=message.arbitration_id + 1, is_extended_id=message.is_extended_id, is_fd=message.is_fd, data=message.data))
bus.shutdown()
"""


@pytest.fixture
def channel(monkeypatch):
    with tempfile.TemporaryDirectory() as folder:  # a socket's path has 107 characters at most, pytest's folders leave too few
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield "test"


@pytest.fixture
def start(channel):
    """Starts another process on the bus that answers every frame with the next id."""
    running = []

    def launch():
        process = subprocess.Popen([sys.executable, "-c", PEER, channel], stdout=subprocess.PIPE, text=True, env=os.environ)
        assert process.stdout.readline() == "up\n"
        running.append(process)
        return process

    yield launch
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def test_frames_cross_processes_unchanged(channel, start):
    start()
    bus = UnixBus(channel)
    for sent in (
        can.Message(arbitration_id=0x123, is_extended_id=False, data=bytes(range(8))),
        can.Message(arbitration_id=0x1ABCDE0, is_extended_id=True, data=b""),
        can.Message(arbitration_id=0x10, is_extended_id=False, is_fd=True, data=bytes(range(64))),
    ):
        bus.send(sent)
        got = bus.recv(5.0)
        assert got.arbitration_id == sent.arbitration_id + 1
        assert (got.data, got.is_extended_id, got.is_fd, got.dlc) == (sent.data, sent.is_extended_id, sent.is_fd, sent.dlc)
        assert abs(got.timestamp - time.time()) < 5.0
    bus.shutdown()


def test_death_of_one_does_not_hurt_the_others(channel, start):
    victim = start()
    bus, other = UnixBus(channel), UnixBus(channel)
    bus.send(can.Message(arbitration_id=0x100, is_extended_id=False))
    assert bus.recv(5.0).arbitration_id == 0x101
    assert {other.recv(5.0).arbitration_id for _ in range(2)} == {0x100, 0x101}  # two senders: no order between them
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    for n in range(20):
        bus.send(can.Message(arbitration_id=n, is_extended_id=False))
    assert [message.arbitration_id for message in iter(lambda: other.recv(0.2), None)] == list(range(20))
    assert len(list(folder_of(channel).glob("*.sock"))) == 3  # the dead one's is still there …
    start()
    assert len(list(folder_of(channel).glob("*.sock"))) == 3  # … until the next joins
    bus.send(can.Message(arbitration_id=0x200, is_extended_id=False))
    assert bus.recv(5.0).arbitration_id == 0x201
    bus.shutdown()
    other.shutdown()


def test_a_stopped_reader_holds_nobody_up(channel, start):
    stopped = start()
    bus, other = UnixBus(channel), UnixBus(channel)
    os.kill(stopped.pid, signal.SIGSTOP)
    began, got = time.monotonic(), 0
    for n in range(20_000):
        bus.send(can.Message(arbitration_id=n & 0x3FF, is_extended_id=False, data=bytes(8)))
        if n % 100 == 99:
            got += sum(1 for _ in iter(lambda: other.recv(0.0), None))
    assert time.monotonic() - began < 10.0
    assert got == 20_000 and bus.overruns > 0
    os.kill(stopped.pid, signal.SIGCONT)
    bus.shutdown()
    other.shutdown()


def test_filters_by_id_and_own_frames_are_not_received(channel):
    bus, other = UnixBus(channel), UnixBus(channel)
    other.set_filters([{"can_id": 0x100, "can_mask": 0x7FF, "extended": False}])
    for id_, extended in ((0x100, False), (0x100, True), (0x101, False)):
        bus.send(can.Message(arbitration_id=id_, is_extended_id=extended))
    assert other.recv(1.0).is_extended_id is False
    assert other.recv(0.05) is None and bus.recv(0.05) is None
    with pytest.raises(ValueError, match="exact ids only"):
        other.set_filters([{"can_id": 0x100, "can_mask": 0x700, "extended": False}])
    bus.shutdown()
    other.shutdown()


def test_can_io_over_the_unix_bus(channel, start):
    start()
    io = CanIo("vehicle", BusConfig(interface="unix", channel=channel), wanted=[(0x101, False)])
    from heron_can.frame import Frame

    assert io.send(Frame(time.time_ns(), 0x100, b"\x01"))
    deadline = time.monotonic() + 5.0
    frames = []
    while not frames and time.monotonic() < deadline:
        frames = io.drain()
    assert [(frame.id, frame.data) for frame in frames] == [(0x101, b"\x01")]
    io.close()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 41])
def test_channel_is_a_plain_name(channel, name):
    with pytest.raises(ValueError, match="must be 1 to 40"):
        UnixBus(name)


@pytest.mark.parametrize("unread", [0, 3])
@pytest.mark.parametrize("sends_first", [False, True])
def test_what_a_participant_sent_before_it_left_arrives(channel, unread, sends_first):
    """Also when it left frames of ours unread (its socket then says "reset" before it gives what is there), and when we notice by sending."""
    bus, leaver = UnixBus(channel), UnixBus(channel)
    bus.send(can.Message(arbitration_id=1))
    assert leaver.recv(1.0).arbitration_id == 1
    for _ in range(unread):
        bus.send(can.Message(arbitration_id=2))
    for n in range(3, 6):
        leaver.send(can.Message(arbitration_id=n))
    leaver.shutdown()
    if sends_first:
        bus.send(can.Message(arbitration_id=6))
    assert [message.arbitration_id for message in iter(lambda: bus.recv(0.2), None)] == [3, 4, 5]
    bus.shutdown()
