"""The cable that takes its time does what it is told to, and no more."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from typing import Any

import pytest

from heron_bringup.relay import CableConfig, Way
from heron_bringup.two_hosts import Host, relayed_hosts
from heron_core.errors import InputError

pytestmark = pytest.mark.alone

MS = 1_000_000
ECHO = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
    plug.bind(("0.0.0.0", 5000))
    print("up", flush=True)
    while True:
        plug.sendto(*plug.recvfrom(2000))
"""
ASK = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
    plug.settimeout(0.4)
    for turn in range(int(sys.argv[2])):
        begun = time.monotonic()
        plug.sendto(bytes(100), (sys.argv[1], 5000))
        try:
            plug.recv(2000)
            print(round(1e3 * (time.monotonic() - begun), 3))
        except TimeoutError:
            print("lost")
"""


def way(**config: Any) -> Way:
    made = Way("forth")
    made.change(CableConfig(**config))
    return made


def sent(through: Way, frames: int, every_ns: int = MS, size: int = 1250) -> dict[int, int]:
    """Number of each frame that arrives → when; numbers are in the frames, which go in at this pace."""
    arrived: dict[int, int] = {}
    for turn in range(frames):
        through.take(turn.to_bytes(size, "big"), turn * every_ns)
    while (due_ns := through.due_ns()) is not None:
        assert not through.leaving(due_ns - 1), "before its time"
        arrived |= {int.from_bytes(frame, "big"): due_ns for frame in through.leaving(due_ns)}
    assert list(arrived) == sorted(arrived), "a cable does not reorder"
    return arrived


def test_every_frame_is_late_by_the_delay_and_by_nothing_else() -> None:
    assert sent(way(delay_ms=20), 100) == {i: i * MS + 20 * MS for i in range(100)}
    assert sent(way(), 10) == {i: i * MS for i in range(10)}


def test_a_share_is_lost_the_same_from_the_same_seed_and_another_each_way() -> None:
    left = set(sent(way(loss=0.05, seed=3), 4000))
    assert 0.94 < len(left) / 4000 < 0.96
    assert left == set(sent(way(loss=0.05, seed=3, delay_ms=50), 4000)) != set(sent(way(loss=0.05, seed=4), 4000))
    back = Way("back")
    back.change(CableConfig(loss=0.05, seed=3))
    assert set(sent(back, 4000)) != left


def test_frames_wait_for_the_bandwidth_and_those_that_would_wait_too_long_are_lost() -> None:
    # 1250 bytes are 0.5 ms at 20 Mbit/s
    assert sent(way(mbps=20, delay_ms=5), 50) == {i: i * MS + 5 * MS + MS // 2 for i in range(50)}
    choked = way(mbps=20)
    arrived = sent(choked, 300, every_ns=0)
    assert sorted(arrived) == list(range(101)), "those that wait up to 50 ms"
    assert arrived == {i: (i + 1) * MS // 2 for i in range(101)}
    assert choked.counts == {"passed": 101, "queue_full": 199, "bytes": 101 * 1250}


def test_a_lost_frame_has_taken_its_share_of_the_bandwidth() -> None:
    lossy = sent(way(mbps=10, loss=0.5), 40, every_ns=0)
    assert len(lossy) < 35 and all(at == (i + 1) * MS for i, at in lossy.items())


def test_a_cut_loses_what_is_on_its_way_and_what_comes_until_it_ends() -> None:
    cut = way(delay_ms=10)
    cut.take(b"1", 0)
    cut.change(CableConfig(delay_ms=10, cut=True))
    cut.take(b"2", 1 * MS)
    assert cut.due_ns() is None
    cut.change(CableConfig(delay_ms=10))
    cut.take(b"3", 2 * MS)
    assert cut.leaving(11 * MS) == [] and cut.leaving(12 * MS) == [b"3"]
    assert cut.counts == {"cut": 2, "passed": 1, "bytes": 1}


def test_a_shorter_delay_overtakes_nothing() -> None:
    changed = way(delay_ms=50)
    changed.take(b"1", 0)
    changed.change(CableConfig(delay_ms=1))
    changed.take(b"2", MS)
    assert changed.leaving(49 * MS) == [] and changed.leaving(50 * MS) == [b"1", b"2"]


@pytest.mark.parametrize("wrong", [{"loss": 1.5}, {"delay_ms": -1}, {"mbps": float("nan")}, {"queue_ms": float("inf")}])
def test_impossible_cables_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CableConfig(**wrong)  # type: ignore[arg-type]


def round_trips(vehicle: Host, server: Host, turns: int) -> list[float | None]:
    """Milliseconds of each; None: lost."""
    said = subprocess.run([*vehicle.through, sys.executable, "-c", ASK, server.address, str(turns)], capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    return [None if line == "lost" else float(line) for line in said.stdout.split()]


def test_two_hosts_meet_over_the_cable() -> None:
    with ExitStack() as stack:
        try:
            vehicle, server, cable = stack.enter_context(relayed_hosts())
        except InputError as error:
            pytest.skip(str(error))
        echo = subprocess.Popen([*server.through, sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
        stack.callback(echo.wait)
        stack.callback(echo.kill)
        assert echo.stdout is not None and echo.stdout.readline() == "up\n"
        assert None not in round_trips(vehicle, server, 3)
        cable.change(CableConfig(delay_ms=30))
        late = round_trips(vehicle, server, 3)
        assert all(each is not None and each >= 60.0 for each in late), late
        cable.change(CableConfig(cut=True))
        assert round_trips(vehicle, server, 1) == [None]
        forth, back = cable.change(CableConfig())
        assert forth["cut"] >= 1 and "passed" not in forth and "passed" not in back
        assert None not in round_trips(vehicle, server, 3)
