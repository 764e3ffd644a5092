"""The component in lock-step: newest frame set only, plans dated and counted, refusals visible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.parameter import Parameter

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_core.arrays import address, read_only
from heron_core.errors import ConfigError, HeronError
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_core.signals import Event, Instruction
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory
from heron_core.vehicle import Signal, VehicleState
from heron_runtime.domain import own_domain
from heron_runtime.lockstep import Scheduler
from heron_runtime.node import HeronNode
from heron_vla.kinematic import SIZE_PX, constant_turn, write_kinematic
from heron_vla.node import PolicyNode
from heron_vla.planner import Planner

MS = 1_000_000
START = 1_700_000_000_000 * MS


@dataclass(frozen=True)
class ReplayConfig:
    manoeuvre: str = ""


class Replay(HeronNode):
    """A car at 8 m/s with one camera at 10 Hz; images are 50 ms old when they arrive."""

    NAME, Config = "replay", ReplayConfig

    def setup(self) -> None:
        self._state, self._frames, self._instruction = (self.advertise(name) for name in ("/vehicle/state", "/frames", "/instruction"))
        self._images = read_only(np.zeros((1, 3, SIZE_PX, SIZE_PX), dtype=np.uint8))
        self.feed(lambda: ((START + (i + 1) * 10 * MS, i) for i in range(200)), self.tick)

    def tick(self, i: int) -> None:
        now = self.now_ns()
        values = {"speed": 8.0, "yaw_rate": 0.1, "accel_x": 0.0}
        self._state.publish(VehicleState(now, {name: Signal(value, 0, True) for name, value in values.items()}))
        if i == 100 and self.config.manoeuvre:
            self._instruction.publish(Instruction(now, self.config.manoeuvre))
        if i % 10 == 0:
            stamp, where = now - 50 * MS, {"images": address(self._images)}
            stages = Stages(exposure_ns=stamp, preprocessed_ns=now)
            self._frames.publish(FrameSet(stamp, "", ("CAM_FRONT",), (stamp,), (True,), {"images": self._images}, where, stages))


@pytest.fixture
def ros() -> Iterator[None]:
    with own_domain({}) as domain:
        rclpy.init(domain_id=domain)
        yield
        rclpy.try_shutdown()


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_kinematic(tmp_path_factory.mktemp("p") / "policy", ["CAM_FRONT"]))


def run(
    policy: str, latency_ms: int, deadline_ms: int = 500, manoeuvre: str = "", recording: str = ""
) -> tuple[dict[str, Any], list[Trajectory], list[Event]]:
    scheduler = Scheduler(START, {"inference": latency_ms * MS})
    plans: list[Trajectory] = []
    events: list[Event] = []

    def keep(topic: str, _: int, message: Any) -> None:
        if topic == "/plan/trajectory":
            plans.append(message)
        elif topic == "/events":
            events.append(message)

    scheduler.tap(keep)
    overrides = [Parameter("policy", value=policy), Parameter("deadline_ms", value=deadline_ms), Parameter("recording", value=recording)]
    node = PolicyNode(lambda it: scheduler.host(it, "perception"), parameter_overrides=overrides)
    source = Replay(lambda it: scheduler.host(it, "perception"), parameter_overrides=[Parameter("manoeuvre", value=manoeuvre)])
    scheduler.run()
    report = node.full_report()
    for each in (source, node):
        each.destroy_node()
    return report, plans, events


def test_every_frame_set_becomes_a_plan(ros: None, policy: str) -> None:
    report, plans, events = run(policy, 40)
    own = report["report"]
    assert own["plans"] == len(plans) == 12 and own["plans_refused"] == {"ego_history": 8}  # the first 0.7 s have no history
    assert own["frame_sets_dropped"] == 0 and own["image_copies"] == 0 and own["policy"]["provider"] == "CPUExecutionProvider"
    assert len(events) == 1 and "vehicle state begins" in events[0].text and report["counters"]["no_plan_ego_history"] == 8
    for i, plan in enumerate(plans):
        assert plan.fault() is None and plan.sequence == i and plan.policy == own["policy"]["digest"]
        np.testing.assert_allclose(plan.points, constant_turn(8.0, 0.1), atol=5e-5)
        spent = plan.stages.durations_ms()
        assert spent["inference"] == 40.0 and spent["queue"] == 0.0 and spent["exposure_to_plan"] == 90.0


def test_the_same_inputs_give_the_same_digest(ros: None, policy: str) -> None:
    digests = [run(policy, 40)[0]["report"]["trajectory_sha256"] for _ in range(2)]
    assert digests[0] == digests[1] != run(policy, 150)[0]["report"]["trajectory_sha256"]


def test_a_slow_policy_drops_old_frame_sets_and_counts_them(ros: None, policy: str) -> None:
    own = run(policy, 250)[0]["report"]
    assert own["frame_sets_dropped"] > 0 and own["plans"] + own["frame_sets_dropped"] == 12


def test_a_plan_past_its_deadline_is_not_published(ros: None, policy: str) -> None:
    report, plans, events = run(policy, 60, deadline_ms=100)
    assert plans == [] and report["report"]["plans_refused"]["deadline"] == 12
    assert any("deadline" in event.text for event in events)


def test_an_unknown_manoeuvre_is_said_and_ignored(ros: None, policy: str) -> None:
    report, plans, events = run(policy, 40, manoeuvre="fly")
    assert len(plans) == 12 and report["report"]["plans_refused"]["manoeuvre"] == 1
    assert any("knows no manoeuvre 'fly'" in event.text for event in events)


def test_instructions_of_a_recording_are_given_anew(ros: None, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Instruction(START, "left", "turn left at the junction"), Instruction(START + 1_000 * MS, "follow", "follow the road")
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/instruction", ros_type_of(first), latched=True)
        for instruction, log_ns in ((first, START + 5 * MS), (second, START + 1_003 * MS)):
            writer.write("/instruction", log_ns, serialise(instruction))
    asked: list[tuple[int, str]] = []
    ask = Planner.ask

    def listen(planner: Planner, frames: FrameSet) -> PolicyInput | str:
        found = ask(planner, frames)
        if isinstance(found, PolicyInput):
            asked.append((frames.stamp_ns - START, found.text))
        return found

    monkeypatch.setattr(Planner, "ask", listen)
    own = run(policy, 40, recording=str(tmp_path / "bag"))[0]["report"]
    assert own["plans"] == len(asked) == 12
    assert {text for since_ns, text in asked if since_ns + 50 * MS < 1_003 * MS} == {first.text}
    assert {text for since_ns, text in asked if since_ns + 50 * MS > 1_003 * MS} == {second.text}


def test_a_wrong_folder_stops_the_component(ros: None, tmp_path: Path) -> None:
    for value, error in (("", ConfigError), (str(tmp_path), HeronError)):
        with pytest.raises(error, match="policy"):
            PolicyNode(lambda it: Scheduler(START, {"inference": 0}).host(it, "p"), parameter_overrides=[Parameter("policy", value=value)])
