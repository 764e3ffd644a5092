"""Health of components on /diagnostics, to readers inside and outside, live and in lock-step; who publishes a topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from heron_core.signals import Health
from heron_runtime.convert.health import health_from_ros, health_to_ros
from heron_runtime.lockstep import Scheduler
from heron_runtime.node import HeronNode

S = 1_000_000_000


@dataclass(frozen=True)
class Nothing:
    pass


class Worried(HeronNode):
    NAME, Config = "worried", Nothing

    def setup(self) -> None:
        self.count("frames", 3)
        self.plans = self.advertise("/plan/trajectory")
        self.every(S // 10, lambda: None)


class Listener(HeronNode):
    NAME, Config = "listener", Nothing

    def setup(self) -> None:
        self.heard: list[Health] = []
        self.subscribe("/diagnostics", self.heard.append)

    def of(self, name: str) -> list[Health]:
        return [health for health in self.heard if health.name == name]


def test_health_and_its_ros_type() -> None:
    health = Health(5 * S + 1, "/can", 2, "bus vehicle is off", (("rx", "7"),))
    assert health_from_ros(health_to_ros(health), "/diagnostics", 0) == (health,)


def test_an_array_of_somebody_else_is_one_health_per_status() -> None:
    message = DiagnosticArray(status=[DiagnosticStatus(level=bytes((level,)), name=f"/n{level}", message="m") for level in range(4)])
    assert [(health.name, health.level) for health in health_from_ros(message, "/diagnostics", 0)] == [(f"/n{n}", n) for n in range(4)]


def test_a_reader_hears_its_own_process_and_others_once(stack: Any) -> None:
    worried, listener = stack.add(Worried), stack.add(Listener)
    other = rclpy.create_node("other", context=stack.outside)
    publisher = other.create_publisher(DiagnosticArray, "/diagnostics", 10)
    assert stack.spin_until(lambda: publisher.get_subscription_count() > 0)
    two = DiagnosticArray(status=[DiagnosticStatus(name="/a"), DiagnosticStatus(name="/b", level=DiagnosticStatus.ERROR)])
    publisher.publish(two)
    worried.trouble("bus", "it is off")
    worried.trouble("bus", "it is off")  # said already
    assert stack.spin_until(lambda: bool(listener.of("/b") and listener.of("/worried")))
    assert [health.level for health in listener.of("/a") + listener.of("/b")] == [0, 2]
    stack.spin_until(lambda: False, 0.3)
    levels = [health.level for health in listener.of("/worried")]
    assert [level for level in levels if level == 2] == [2], levels
    worried.trouble("bus", "")
    assert stack.spin_until(lambda: listener.of("/worried")[-1].level == 0)
    assert ("frames", "3") in listener.of("/worried")[-1].values
    other.destroy_node()


def test_publishers_of_a_topic_by_full_name(stack: Any) -> None:
    listener = stack.add(Listener)
    assert listener.publishers_of("/plan/trajectory") == []
    stack.add(Worried)
    assert stack.spin_until(lambda: listener.publishers_of("/plan/trajectory") == ["/worried"])
    impostor = rclpy.create_node("worried", context=stack.outside)
    impostor.create_publisher(type_of_plans(), "/plan/trajectory", 1)
    assert stack.spin_until(lambda: listener.publishers_of("/plan/trajectory") == ["/worried", "/worried"])
    stranger = rclpy.create_node("player", namespace="bag", context=stack.outside)
    stranger.create_publisher(type_of_plans(), "/plan/trajectory", 1)
    assert stack.spin_until(lambda: listener.publishers_of("/plan/trajectory") == ["/bag/player", "/worried", "/worried"])
    stranger.destroy_node()
    impostor.destroy_node()
    assert stack.spin_until(lambda: listener.publishers_of("/plan/trajectory") == ["/worried"])


def type_of_plans() -> Any:
    from heron_runtime.topics import topic_row

    return topic_row("/plan/trajectory").ros_class()


@pytest.mark.parametrize("process", ["actuation", "perception"])
def test_in_lock_step_too(process: str) -> None:
    rclpy.init(args=[])
    try:
        scheduler = Scheduler(0, {})
        listener = Listener(lockstep=lambda node: scheduler.host(node, "actuation"), use_global_arguments=False)
        worried = Worried(lockstep=lambda node: scheduler.host(node, process), use_global_arguments=False)
        scheduler.at(3 * S // 2, lambda: worried.trouble("bus", "it is off"))
        scheduler.at(5 * S // 2, lambda: None)
        scheduler.run()
        assert listener.publishers_of("/plan/trajectory") == ["/worried"]
        assert [(health.stamp_ns, health.level, health.text) for health in listener.of("/worried")] == [
            (S, 0, "ok"),
            (3 * S // 2, 2, "it is off"),
            (2 * S, 2, "it is off"),
        ]
        for node in (listener, worried):
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
