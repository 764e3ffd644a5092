"""More than one frame set at a time: nobody waits behind a slow answer, and no plan follows one on newer images."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from heron_core.arrays import read_only
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_core.trajectory import POINTS
from heron_runtime.domain import own_domain
from heron_vla.folder import PolicyFolder
from heron_vla.kinematic import SIZE_PX, write_kinematic
from heron_vla.planning import Mind, PlanningNode
from heron_vla.session import Answer
from heron_vla.signature import PolicyError

pytestmark = pytest.mark.alone

IMAGES = read_only(np.zeros((1, 3, SIZE_PX, SIZE_PX), dtype=np.uint8))


class Slow:
    """Answers on a frame set when it may."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.may: dict[int, threading.Event] = {}

    def answer(self, request: PolicyInput) -> Answer:
        stamp = request.frames.stamp_ns
        self.begun.append(stamp)
        if stamp in self.may and not self.may[stamp].wait(10.0):
            raise PolicyError("it never might")
        return Answer(np.zeros((POINTS, 4), np.float32))


class TwoAtATime(PlanningNode):
    """Thinks about two frame sets at a time."""

    def open_mind(self, folder: PolicyFolder) -> Mind:
        self.slow = Slow()
        return Mind(self.slow)

    def parallel(self) -> int:
        return 2

    def report_mind(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoAtATime]:
    policy = write_kinematic(tmp_path / "policy", ["CAM_FRONT"])
    with own_domain({}) as domain:
        rclpy.init(domain_id=domain)
        made = TwoAtATime(parameter_overrides=[Parameter("policy", value=str(policy)), Parameter("deadline_ms", value=5_000)])
        ego = np.zeros((1, 1), np.float32)
        monkeypatch.setattr(made._planner, "ask", lambda frames: PolicyInput(frames, ego, 0))  # what is asked is not what is tested
        yield made
        for event in made.slow.may.values():
            event.set()
        made.destroy_node()
        rclpy.try_shutdown()


def frames(stamp_ns: int) -> FrameSet:
    return FrameSet(stamp_ns, "", ("CAM_FRONT",), (stamp_ns,), (True,), {"images": IMAGES})


def spin(node: TwoAtATime, true: Callable[[], object]) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < 10.0
        executor.spin_once(timeout_sec=0.02)
    executor.shutdown()


def test_a_slow_answer_stops_nobody_and_is_dropped_when_it_comes(node: TwoAtATime, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[int] = []
    monkeypatch.setattr(node._plan, "publish", lambda plan: published.append(plan.stamp_ns))
    first = time.time_ns()
    stamps = [first + n for n in range(4)]
    node.slow.may[first] = threading.Event()
    for n, stamp in enumerate(stamps):
        node._on_frames(frames(stamp))
        spin(node, lambda n=n: node.slow.begun and len(published) == n)  # all others are answered while the first is thought about
    assert node.slow.begun[0] == first and published == stamps[1:]
    node.slow.may[first].set()
    spin(node, lambda: node.full_report()["counters"].get("no_plan_overtaken"))
    node._on_frames(frames(first + 4))
    spin(node, lambda: len(published) == 4)
    assert published == [*stamps[1:], first + 4] and node._busy == [0, 0]
    report = node.full_report()
    assert report["counters"]["no_plan_overtaken"] == 1 and report["report"]["plans"] == 4


def test_when_all_think_one_each_waits_and_the_newest_are_kept(node: TwoAtATime, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[int] = []
    monkeypatch.setattr(node._plan, "publish", lambda plan: published.append(plan.stamp_ns))
    first = time.time_ns()
    stamps = [first + n for n in range(8)]
    node.slow.may = {stamp: threading.Event() for stamp in stamps[:2]}
    for stamp in stamps[:2]:
        node._on_frames(frames(stamp))
    spin(node, lambda: len(node.slow.begun) == 2)
    for stamp in stamps[2:]:
        node._on_frames(frames(stamp))
    for event in node.slow.may.values():
        event.set()
    spin(node, lambda: node._busy == [0, 0])
    assert published == sorted(published) and published[-1] == stamps[-1]
    assert sum(worker.dropped for worker in node._workers) == 4 and len(node.slow.begun) == 4


def test_after_a_step_back_in_time_it_goes_on(node: TwoAtATime, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[int] = []
    monkeypatch.setattr(node._plan, "publish", lambda plan: published.append(plan.stamp_ns))
    now = time.time_ns()
    for n, stamp in enumerate((now, now - 1_000_000_000)):
        node._on_frames(frames(stamp))
        spin(node, lambda n=n: len(published) == n + 1)
    assert published == [now, now - 1_000_000_000]
