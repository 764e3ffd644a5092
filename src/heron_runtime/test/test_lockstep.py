"""Lock-step: same components, simulated time, deterministic order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import rclpy

from heron_core.errors import ConfigError
from heron_core.stages import Stages
from heron_core.trajectory import POINTS, Trajectory
from heron_core.vehicle import Odometry
from heron_runtime.lockstep import Scheduler
from heron_runtime.node import HeronNode

MS = 1_000_000


@pytest.fixture
def ros(domain_id: int) -> Iterator[None]:
    rclpy.init(domain_id=domain_id)
    yield
    rclpy.try_shutdown()


@dataclass(frozen=True)
class SourceConfig:
    period_ns: int = 40 * MS
    count: int = 5


class Source(HeronNode):
    NAME, Config = "source", SourceConfig

    def setup(self) -> None:
        publisher = self.advertise("/odom")
        start = self.now_ns()
        self.feed(
            lambda: ((start + i * self.config.period_ns, i) for i in range(self.config.count)),
            lambda i: publisher.publish(Odometry(self.now_ns(), float(i), 0.0, 0.0, 1.0, 0.0)),
        )


@dataclass(frozen=True)
class PlannerConfig:
    newest_only: bool = True


class Planner(HeronNode):
    NAME, Config = "planner", PlannerConfig

    def setup(self) -> None:
        self.done_at: list[int] = []
        self.ticks: list[int] = []
        publisher = self.advertise("/plan/trajectory")

        def done(odometry: Odometry) -> None:
            self.done_at.append(self.now_ns())
            points = np.full((POINTS, 4), odometry.x_m, np.float32)
            publisher.publish(Trajectory.make(odometry.stamp_ns, points, len(self.done_at), "p", Stages()))

        self.inference = self.worker("inference", lambda item: item, done, newest_only=self.config.newest_only)
        self.subscribe("/odom", self.inference.submit)
        self.every(10 * MS, lambda: self.ticks.append(self.now_ns()))

    def report(self) -> dict[str, Any]:
        return {"plans": len(self.done_at), "dropped": self.inference.dropped}


def run(latency_ms: int, **planner: Any) -> tuple[Planner, list[tuple[str, int, Any]]]:
    from rclpy.parameter import Parameter

    scheduler = Scheduler(1000 * MS, {"inference": latency_ms * MS})
    seen: list[tuple[str, int, Any]] = []
    scheduler.tap(lambda topic, time_ns, message: seen.append((topic, time_ns, message)))
    overrides = [Parameter(name, value=value) for name, value in planner.items()]
    planner_node = Planner(lockstep=lambda node: scheduler.host(node, "perception"), parameter_overrides=overrides)
    source = Source(lockstep=lambda node: scheduler.host(node, "actuation"))
    scheduler.run()
    source.destroy_node()
    planner_node.destroy_node()
    return planner_node, seen


@pytest.mark.usefixtures("ros")
def test_results_appear_after_the_declared_latency() -> None:
    planner, seen = run(latency_ms=30)
    assert planner.done_at == [1030 * MS + i * 40 * MS for i in range(5)]
    assert [topic for topic, _, _ in seen].count("/plan/trajectory") == 5
    assert planner.ticks[:3] == [1010 * MS, 1020 * MS, 1030 * MS]


@pytest.mark.usefixtures("ros")
def test_a_slow_stage_keeps_the_newest_and_counts_the_rest() -> None:
    planner, seen = run(latency_ms=90)
    plans = [message.points[0, 0] for topic, _, message in seen if topic == "/plan/trajectory"]
    assert plans == [0, 2, 4]
    assert planner.report() == {"plans": 3, "dropped": 2}
    planner, _ = run(latency_ms=90, newest_only=False)
    assert planner.report() == {"plans": 5, "dropped": 0}


@pytest.mark.usefixtures("ros")
def test_messages_between_processes_make_the_round_trip() -> None:
    scheduler = Scheduler(0, {})
    got: list[Odometry] = []

    class Reader(HeronNode):
        NAME, Config = "reader", PlannerConfig

        def setup(self) -> None:
            self.subscribe("/odom", got.append)

    sent: list[Any] = []
    scheduler.tap(lambda topic, time_ns, message: sent.append(message))
    nodes = [
        Reader(lockstep=lambda node: scheduler.host(node, "a"), node_name="near"),
        Reader(lockstep=lambda node: scheduler.host(node, "b"), node_name="far"),
        Source(lockstep=lambda node: scheduler.host(node, "a")),
    ]
    scheduler.run()
    assert got[0] is sent[0]
    assert got[1] is not sent[0] and got[1] == sent[0]
    for node in nodes:
        node.destroy_node()


@pytest.mark.usefixtures("ros")
def test_undeclared_stage_and_unknown_parameter_are_refused() -> None:
    from rclpy.parameter import Parameter

    with pytest.raises(ConfigError, match="'inference' of planner has no simulated latency"):
        Planner(lockstep=lambda node: Scheduler(0, {}).host(node, "p"))
    with pytest.raises(ConfigError, match="unknown key 'newest'; did you mean 'newest_only'"):
        Planner(lockstep=lambda node: Scheduler(0, {"inference": 1}).host(node, "p"), parameter_overrides=[Parameter("newest", value=True)])
