"""A cable between two network namespaces that takes its time, from a process that holds both ends: delay, loss, bandwidth and cuts.

For kernels without netem. Each end is a TAP device, made here and then moved into its namespace, whose Ethernet frames this process reads, holds
and writes to the other end. Both ways are alike and independent. Commands come as JSON lines on stdin; what became of the frames since the last one
is the answer on stdout.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import select
import signal
import struct
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass

from heron_core.ranges import check_ranges

TUN = "/dev/net/tun"
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h: whole Ethernet frames, nothing before them
_FRAME_BYTES = 65_536
_AT_A_TIME = 64
"""Frames that are read from one end before the other gets its turn."""


@dataclass(frozen=True)
class CableConfig:
    """How the cable is; as it stands here it is ideal.

    Attributes:
        delay_ms: of each way.
        loss: probability with which a frame is lost on its way; it takes its share of the bandwidth all the same.
        mbps: megabits per second of each way, Ethernet headers counted; 0: no limit.
        queue_ms: a frame that would have to wait longer for the bandwidth is lost: the tail drop of a bounded queue.
        cut: nothing passes, and what is on its way is lost.
        seed: of what is lost; each way has its own sequence.
    """

    delay_ms: float = 0.0
    loss: float = 0.0
    mbps: float = 0.0
    queue_ms: float = 50.0
    cut: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(self, ("delay_ms", 0.0, 10_000.0), ("loss", 0.0, 1.0), ("mbps", 0.0, 100_000.0), ("queue_ms", 0.0, 10_000.0))


class Way:
    """One direction. Time is an argument: nanoseconds on a steady clock.

    Attributes:
        counts: `passed`, and `lost`, `queue_full`, `cut`: frames by fate; `bytes` of those that passed.
    """

    def __init__(self, name: str) -> None:
        self.counts: Counter[str] = Counter()
        self._name, self._frames = name, deque[tuple[int, bytes]]()
        self._free_ns = 0
        self.change(CableConfig())

    def change(self, config: CableConfig) -> None:
        """From now on the cable is like this; frames on their way arrive as they would have, unless it is cut."""
        self._config, self._luck = config, random.Random(f"{config.seed} {self._name}")
        if config.cut:
            self.counts["cut"] += len(self._frames)
            self._frames.clear()

    def take(self, frame: bytes, now_ns: int) -> None:
        """A frame enters."""
        config = self._config
        lost = self._luck.random() < config.loss  # drawn whatever happens, so that one fate does not change the next
        if config.cut:
            self.counts["cut"] += 1
            return
        through_ns = now_ns
        if config.mbps:
            begin_ns = max(now_ns, self._free_ns)
            if begin_ns - now_ns > config.queue_ms * 1e6:
                self.counts["queue_full"] += 1
                return
            self._free_ns = through_ns = begin_ns + round(8e3 * len(frame) / config.mbps)
        if lost:
            self.counts["lost"] += 1
            return
        self._frames.append((through_ns + round(config.delay_ms * 1e6), frame))

    def due_ns(self) -> int | None:
        """When the next frame leaves; None: nothing is on its way."""
        return self._frames[0][0] if self._frames else None

    def leaving(self, now_ns: int) -> list[bytes]:
        """The frames that have arrived at the other end by now, in the order of entering: none overtakes, also where the delay was changed."""
        arrived = []
        while self._frames and self._frames[0][0] <= now_ns:
            frame = self._frames.popleft()[1]
            self.counts["passed"] += 1
            self.counts["bytes"] += len(frame)
            arrived.append(frame)
        return arrived


def open_tap(card: str) -> int:
    """Makes a TAP device; it lives as long as its file descriptor, which is returned, in whatever namespace it is moved to.

    Raises:
        OSError: there is no such device here, or no right to make one.
    """
    descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", card.encode(), _IFF_TAP | _IFF_NO_PI))
    return descriptor


def relay(ends: tuple[int, int]) -> None:
    """Passes frames between two TAP devices, until stdin ends."""
    ways = Way("forth"), Way("back")
    commands = sys.stdin.fileno()
    heard = b""
    while True:
        dues = [due for way in ways if (due := way.due_ns()) is not None]
        patience_s = max(0, min(dues) - time.monotonic_ns()) / 1e9 if dues else None
        ready = select.select([*ends, commands], [], [], patience_s)[0]
        for way, end in zip(ways, ends, strict=True):
            if end in ready:
                _read(end, way)
        now_ns = time.monotonic_ns()
        for way, end in zip(ways, reversed(ends), strict=True):
            for frame in way.leaving(now_ns):
                with suppress(OSError):  # the other host's card is down: as if nobody held the cable's end
                    os.write(end, frame)
        if commands in ready:
            part = os.read(commands, _FRAME_BYTES)
            if not part:
                return
            *lines, heard = (heard + part).split(b"\n")
            for line in lines:
                _obey(line, ways)


def _read(end: int, way: Way) -> None:
    with suppress(BlockingIOError):
        for _ in range(_AT_A_TIME):
            way.take(os.read(end, _FRAME_BYTES), time.monotonic_ns())


def _obey(line: bytes, ways: tuple[Way, Way]) -> None:
    config = CableConfig(**json.loads(line))
    counts = []
    for way in ways:
        counts.append(dict(way.counts))
        way.counts.clear()
        way.change(config)
    print(json.dumps(counts), flush=True)


def main() -> None:
    """Makes both devices, says so, relays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cards", nargs=2, help="names of the two devices")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the owner lets go of us when it has said its last
    with suppress(PermissionError):  # a cable does not wait for a processor; we sleep until something is due
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    first, second = (open_tap(card) for card in given.cards)
    print("[]", flush=True)
    relay((first, second))


if __name__ == "__main__":
    main()
