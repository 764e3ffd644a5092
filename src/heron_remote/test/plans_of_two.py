"""A policy that is not one, a question for it, and a vehicle and a server that are joined by what a test says."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from heron_core.arrays import address, read_only
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_vla.language import Thoughts
from heron_vla.session import Answer, Memory
from heron_vla.signature import Shape
from heron_vla.speech import Speech

SHAPES: dict[str, Shape] = {"front": (1, 3, 24, 32), "around": (2, 3, 16, 16)}


@cache
def picture(shape: Shape, seed: int = 0) -> np.ndarray:
    """Like a photograph: smooth, with edges and a little noise, and its colours are far apart."""
    random = np.random.default_rng(seed)
    views, _, height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    plane = np.stack([200 - 100 * y / height, 60 + 80 * x / width, 20 + 30 * np.sin(x / 9.0)])
    found = np.repeat(plane[None], views, axis=0) + random.normal(0, 2, shape)
    found[..., height // 3 :, width // 2 :] -= 15
    return read_only(np.clip(found, 0, 255).astype(np.uint8))


def frame_set(stamp_ns: int = 5, shapes: dict[str, Shape] = SHAPES, seed: int = 0) -> FrameSet:
    images = {name: picture(shape, seed) for name, shape in shapes.items()}
    where = {name: address(image) for name, image in images.items()}
    return FrameSet(stamp_ns, "d1", ("CAM_FRONT", "CAM_BACK"), (stamp_ns, 0), (True, False), images, where)


def question(stamp_ns: int = 5, shapes: dict[str, Shape] = SHAPES, past: int = 0) -> PolicyInput:
    ego = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
    return PolicyInput(frame_set(stamp_ns, shapes), ego, 3, "次を左へ", tuple(frame_set(stamp_ns - n, shapes, n) for n in range(1, past + 1)))


POINTS = read_only(np.arange(160, dtype=np.float32).reshape(40, 4) / 3)


def some_answer(request: PolicyInput) -> Answer:
    memory = Memory(np.full((1, 1, 2, 1, 1, 1), request.frames.stamp_ns, np.float32), np.ones((1, 1), np.bool_), np.ones(1, np.int64))
    return Answer(POINTS, Thoughts({"reason": "a red light"}, {"reason": 0.75}), memory)


@dataclass
class FakeThinker:
    """Remembers what it was asked."""

    think: Callable[[PolicyInput], Answer] = some_answer
    asked: list[PolicyInput] = field(default_factory=list)

    def answer(self, request: PolicyInput) -> Answer:
        self.asked.append(request)
        return self.think(request)


class FakeVoice:
    """Says which plan it was."""

    def say(self, memory: Memory) -> Speech:
        return Speech(f"plan on {memory.cache.max():.0f}", "はい", True)


class Wire:
    """A cable of two queues in one process; `fate` says after how many seconds each message comes out again, several: several times, none: never."""

    def __init__(self) -> None:
        self.fate: Callable[[bytes], tuple[float, ...]] = lambda data: (0.0005,)
        self.hears: dict[str, Callable[[bytearray], object]] = {}
        self.carried: list[tuple[str, bytes]] = []
        self._due: list[tuple[float, int, str, bytes]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def send(self, to: str, data: bytes) -> None:
        with self._changed:
            self.carried.append((to, data))
            for delay_s in self.fate(data):
                heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._order), to, data))
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._thread.join(2.0)

    def _carry(self) -> None:
        while True:
            with self._changed:
                while self._open and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(max(0.0, self._due[0][0] - time.monotonic()) if self._due else None)
                if not self._open:
                    return
                _, _, to, data = heapq.heappop(self._due)
            if to in self.hears:
                self.hears[to](bytearray(data))
