"""The component with a policy that reads and speaks: what it hears, what it says and when, and that no plan waits for words."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from speaking_policy import HEIGHT, SHIFT_MPS, WIDTH, write_speaking

from heron_core.arrays import address, read_only
from heron_core.frames import FrameSet
from heron_core.signals import Event, Explanation, Instruction
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory
from heron_core.vehicle import Signal, VehicleState
from heron_runtime.domain import own_domain
from heron_runtime.lockstep import Scheduler
from heron_runtime.node import HeronNode
from heron_runtime.topics import qos_profile, topic_row
from heron_vla.node import PolicyNode
from heron_vla.planning import SPEECH_NICE
from heron_vla.speech import Speaker, Speech
from heron_vla.telling import Tell, Telling

pytestmark = pytest.mark.alone

MS = 1_000_000
START = 1_700_000_000_000 * MS
RED_AT = 250  # ticks of 10 ms
CAMERAS = ("CAM_FRONT", "CAM_FRONT_NARROW")


@dataclass(frozen=True)
class StreetConfig:
    texts: tuple[str, ...] = ("",)
    live: bool = False


class Street(HeronNode):
    """A car at 5 m/s with two cameras at 10 Hz; it grows bright ahead. A sentence is said each second."""

    NAME, Config = "street", StreetConfig

    def setup(self) -> None:
        self._state, self._frames, self._instruction = (self.advertise(name) for name in ("/vehicle/state", "/frames", "/instruction"))
        start_ns = self.now_ns() if self.config.live else START
        self.feed(lambda: ((start_ns + (i + 1) * 10 * MS, i) for i in range(3000 if self.config.live else 400)), self.tick)

    def tick(self, i: int) -> None:
        now = self.now_ns()
        values = {"speed": 5.0, "yaw_rate": 0.0, "accel_x": 0.0}
        self._state.publish(VehicleState(now, {name: Signal(value, 0, True) for name, value in values.items()}))
        texts = self.config.texts
        if i % 100 == 50 and i // 100 < len(texts) and texts[i // 100]:
            self._instruction.publish(Instruction(now, "follow", texts[i // 100]))
        if i % 10 == 0:
            images = {name: read_only(np.full((1, 3, HEIGHT, WIDTH), 200 * (i >= RED_AT), np.uint8)) for name in ("front", "narrow")}
            where = {name: address(each) for name, each in images.items()}
            stages = Stages(exposure_ns=now, preprocessed_ns=now)
            self._frames.publish(FrameSet(now, "", CAMERAS, (now, now), (True, True), images, where, stages))


@pytest.fixture
def ros() -> Iterator[None]:
    with own_domain({}) as domain:
        rclpy.init(domain_id=domain)
        yield
        rclpy.try_shutdown()


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_speaking(tmp_path_factory.mktemp("p") / "policy"))


@dataclass
class Run:
    report: dict[str, Any]
    plans: list[Trajectory]
    said: list[tuple[int, Explanation]]
    events: list[Event]
    listened: list[str]


def run(policy: str, *texts: str, speech_ms: int = 100, backend: str = "onnxruntime") -> Run:
    scheduler = Scheduler(START, {"inference": 30 * MS, "speech": speech_ms * MS})
    heard: list[tuple[int, Any]] = []
    scheduler.tap(lambda topic, time_ns, message: heard.append((time_ns, message)))
    overrides = [Parameter("policy", value=policy), Parameter("backend", value=backend)]
    node = PolicyNode(lambda it: scheduler.host(it, "perception"), parameter_overrides=overrides)
    listened = [topic for topic in scheduler._readers if scheduler._readers[topic]]
    source = Street(lambda it: scheduler.host(it, "perception"), parameter_overrides=[Parameter("texts", value=list(texts) or [""])])
    scheduler.run()
    report = node.full_report()
    for each in (source, node):
        each.destroy_node()
    plans = [message for _, message in heard if isinstance(message, Trajectory)]
    said = [(at - START, message) for at, message in heard if isinstance(message, Explanation)]
    return Run(report["report"], plans, said, [message for _, message in heard if isinstance(message, Event)], listened)


def test_it_explains_itself_in_both_languages_when_something_changes(ros: None, policy: str) -> None:
    made = run(policy)
    assert [(each.reason, each.english, each.japanese) for _, each in made.said] == [
        ("cruise", "following the road", "道なりに 走行しています"),
        ("wait_red", "waiting at the red light", "赤信号で 停止しています"),
    ]
    at_ns, second = made.said[1]
    assert second.stamp_ns - START == 2_510 * MS + 500 * MS  # the red light was there for 0.5 s
    assert at_ns == second.stamp_ns - START + 30 * MS + 100 * MS and made.report["explanations"] == 2
    assert made.report["plans"] == len(made.plans) == 33 and made.report["plans_refused"] == {"ego_history": 7} and made.report["image_copies"] == 0


@pytest.mark.parametrize(("texts", "reasons"), [([], ["cruise", ""]), (["", "speed"], ["cruise", "declined"])])
def test_what_it_said_of_its_driving_ends_and_an_answer_to_a_person_stays(
    ros: None, policy: str, monkeypatch: pytest.MonkeyPatch, texts: list[str], reasons: list[str]
) -> None:
    tells = {1_010 * MS: Tell.EXPLAIN, 2_010 * MS: Tell.OVER}
    monkeypatch.setattr(Telling, "after", lambda self, stamp_ns, thoughts: tells.get(stamp_ns - START, Tell.NOTHING))
    made = run(policy, *texts)
    assert [each.reason for _, each in made.said] == reasons
    assert made.report["explanations"] == sum(bool(reason) for reason in reasons)
    if not texts:
        at_ns, over = made.said[1]
        assert (over.english, over.japanese, over.stamp_ns - START, at_ns) == ("", "", 2_010 * MS, 2_040 * MS)


def test_words_that_come_when_their_reason_is_over_are_not_said(ros: None, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tells = {1_010 * MS: Tell.EXPLAIN, 1_510 * MS: Tell.OVER, 2_510 * MS: Tell.EXPLAIN}
    monkeypatch.setattr(Telling, "after", lambda self, stamp_ns, thoughts: tells.get(stamp_ns - START, Tell.NOTHING))
    made = run(policy, speech_ms=1_000)
    assert [each.stamp_ns - START for _, each in made.said] == [2_510 * MS]


def test_a_sentence_alone_changes_the_path_and_only_when_it_is_understood(ros: None, policy: str) -> None:
    made = run(policy, "turn right", "turn right turn right turn right turn", "turn", "speed")
    seconds = np.array([(plan.stamp_ns - START) / 1e9 for plan in made.plans])
    lateral = np.array([plan.points[9, 1] for plan in made.plans])
    calm = (seconds < 2.5) | (seconds > 3.0)  # in between all grows bright, which is movement to this policy
    shifted = lateral[calm] < -0.9 * SHIFT_MPS
    right = ((seconds > 0.8) & (seconds < 2.6))[calm]  # asked with the first plan, understood 0.1 s later, until another is understood
    assert (shifted == right).all() and (lateral[calm & (seconds < 0.8)] == 0.0).all()
    assert made.report["instructions"] == {"declined": 1, "too_long": 1, "understood": 2}
    assert [event.cause for event in made.events if event.kind == "instruction"] == [
        *("instruction_understood", "instruction_too_long", "instruction_understood", "instruction_declined"),
    ]
    assert "'turn right': understood as right (100%)" in [event.text for event in made.events]
    reasons = [each.reason for _, each in made.said]
    assert reasons.count("too_long") == 1 and reasons[-1] == "declined" and made.said[-1][1].japanese and made.report["plans"] == 33


def test_ten_kilobytes_of_text_change_nothing_but_what_is_said(ros: None, policy: str) -> None:
    quiet, loud = run(policy), run(policy, "あ" * 10_000, "turn " * 2_000, "\x00\n" * 5_000)
    assert [plan.points.tobytes() for plan in loud.plans] == [plan.points.tobytes() for plan in quiet.plans]
    assert loud.report["instructions"] == {"too_long": 3} and max(len(event.text) for event in loud.events) < 600
    assert all("\n" not in event.text and "\x00" not in event.text for event in loud.events)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_lockstep_is_the_same_to_the_bit(ros: None, policy: str, backend: str) -> None:
    first, second = (run(policy, "turn right", "speed", backend=backend) for _ in range(2))
    assert first.report == second.report and first.said == second.said and first.events == second.events
    assert first.report["policy"]["backend"] == backend


def test_words_delay_no_plan(ros: None, policy: str) -> None:
    quick, slow = (run(policy, "turn", speech_ms=each) for each in (10, 1500))
    assert [plan.stamp_ns for plan in quick.plans] == [plan.stamp_ns for plan in slow.plans]
    assert [plan.stages for plan in quick.plans] == [plan.stages for plan in slow.plans] and quick.report["frame_sets_dropped"] == 0


def test_it_listens_to_three_topics_and_nothing_else(ros: None, policy: str) -> None:
    assert run(policy).listened == ["/vehicle/state", "/instruction", "/frames"]
    node = PolicyNode(parameter_overrides=[Parameter("policy", value=policy)])
    try:
        listened = {name for name, _ in node.get_subscriber_names_and_types_by_node("policy", "/")}
    finally:
        node.destroy_node()
    assert listened - {"/parameter_events", "/clock"} == {"/frames", "/vehicle/state", "/instruction"}


def test_live_the_slowest_words_hold_nobody_up(ros: None, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    speaking, released, threads = threading.Event(), threading.Event(), []

    def slow(self: Speaker, memory: Any) -> Speech:
        threads.append((threading.current_thread(), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
        speaking.set()
        released.wait(30.0)
        return Speech("at last", "やっと", True)

    monkeypatch.setattr(Speaker, "say", slow)
    node = PolicyNode(parameter_overrides=[Parameter("policy", value=policy)])
    street = Street(parameter_overrides=[Parameter("live", value=True)])
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(street)

    def spin_until(condition: Callable[[], bool], timeout_s: float = 15.0) -> bool:
        deadline = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline:
            executor.spin_once(0.05)
        return condition()

    try:
        assert spin_until(speaking.is_set)
        before = node.report()["plans"]
        assert spin_until(lambda: node.report()["plans"] >= before + 5), "plans go on while somebody speaks"
        assert node.report()["explanations"] == 0 and threads[0][0] is not threading.main_thread()
        assert threads[0][1] >= SPEECH_NICE > os.getpriority(os.PRIO_PROCESS, 0) or os.getpriority(os.PRIO_PROCESS, 0) >= SPEECH_NICE
        released.set()
        assert spin_until(lambda: node.report()["explanations"] >= 1)
        row = topic_row("/instruction")
        row_type = row.ros_class()
        stranger = rclpy.create_node("stranger")
        publisher = stranger.create_publisher(row_type, "/instruction", qos_profile(row.quality))
        publisher.publish(row_type(manoeuvre="follow", text="右" * 10_000))
        assert spin_until(lambda: node.report()["instructions"].get("too_long") == 1), "ten thousand characters from outside are said to be too long"
        stranger.destroy_node()
    finally:
        released.set()
        executor.shutdown()
        for each in (street, node):
            each.destroy_node()
