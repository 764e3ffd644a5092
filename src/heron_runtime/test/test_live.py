"""The live host: by reference inside, ROS messages outside, never twice."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from heron_core.arrays import address, read_only
from heron_core.errors import ConfigError
from heron_core.frames import CameraFrame
from heron_core.vehicle import Odometry
from heron_runtime.node import HeronNode
from heron_runtime.topics import qos_profile, topic_row

pytestmark = pytest.mark.alone

JPEG = "/camera/front/image/compressed"


@dataclass(frozen=True)
class Nothing:
    pass


class Sender(HeronNode):
    NAME, Config = "sender", Nothing

    def setup(self) -> None:
        self.frames = self.advertise(JPEG)
        self.odometry = self.advertise("/odom")


class Receiver(HeronNode):
    NAME, Config = "receiver", Nothing

    def setup(self) -> None:
        self.frames: list[CameraFrame] = []
        self.odometry: list[Odometry] = []
        self.threads: set[str] = set()
        self.subscribe(JPEG, self.frames.append)
        self.subscribe("/odom", self.odometry.append)


def frame(stamp_ns: int, size: int = 100) -> CameraFrame:
    return CameraFrame("CAM_FRONT", stamp_ns, stamp_ns, "jpeg", read_only(np.full(size, stamp_ns % 251, np.uint8)))


def test_inside_the_very_object_arrives_and_nothing_is_serialised(stack: Any) -> None:
    sender, receiver = stack.add(Sender), stack.add(Receiver)
    sent = frame(1)
    sender.frames.publish(sent)
    assert stack.spin_until(lambda: bool(receiver.frames))
    assert receiver.frames[0] is sent
    assert address(receiver.frames[0].data) == address(sent.data)
    assert sender.frames.serialised == 0


def test_depth_is_respected_and_losses_are_counted(stack: Any) -> None:
    sender, receiver = stack.add(Sender), stack.add(Receiver)
    for stamp_ns in range(1, 9):
        sender.frames.publish(frame(stamp_ns))
    assert stack.spin_until(lambda: len(receiver.frames) == 5)
    stack.spin_until(lambda: False, 0.2)
    assert [f.stamp_ns for f in receiver.frames] == [4, 5, 6, 7, 8]
    assert receiver.host.dropped() == {JPEG: 3}


def test_an_outside_reader_gets_ros_messages_and_nobody_gets_them_twice(stack: Any) -> None:
    sender, receiver = stack.add(Sender), stack.add(Receiver)
    outsider = rclpy.create_node("outsider", context=stack.outside)
    outside = SingleThreadedExecutor(context=stack.outside)
    outside.add_node(outsider)
    row, got = topic_row("/odom"), []
    outsider.create_subscription(row.ros_class(), "/odom", got.append, qos_profile(row.quality))
    assert stack.spin_until(lambda: sender.odometry._outside_readers() == 1)
    for i in range(5):
        sender.odometry.publish(Odometry(i, float(i), 0.0, 0.5, 1.0, 0.0))
    deadline = time.monotonic() + 5
    while len(got) < 5 and time.monotonic() < deadline:
        outside.spin_once(timeout_sec=0.02)
    stack.spin_until(lambda: False, 0.5)
    assert [m.pose.pose.position.x for m in got] == [0, 1, 2, 3, 4]
    assert [o.stamp_ns for o in receiver.odometry] == [0, 1, 2, 3, 4]
    outsider.destroy_node()


def test_an_outside_publisher_reaches_local_readers(stack: Any) -> None:
    receiver = stack.add(Receiver)
    outsider = rclpy.create_node("outsider", context=stack.outside)
    row = topic_row("/odom")
    publisher = outsider.create_publisher(row.ros_class(), "/odom", qos_profile(row.quality))
    assert stack.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(row.to_ros()(Odometry(7, 1.0, 2.0, 0.25, 3.0, 0.5)))
    assert stack.spin_until(lambda: bool(receiver.odometry))
    assert receiver.odometry[0].yaw_rad == pytest.approx(0.25)
    outsider.destroy_node()


class Inward(HeronNode):
    NAME, Config = "inward", Nothing

    def setup(self) -> None:
        self.odometry: list[Odometry] = []
        self.subscribe("/odom", self.odometry.append, outside=False)


def test_what_listens_inside_only_hears_nobody_else(stack: Any) -> None:
    sender, inward = stack.add(Sender), stack.add(Inward)
    row = topic_row("/odom")
    outsider = rclpy.create_node("outsider", context=stack.outside)
    publisher = outsider.create_publisher(row.ros_class(), "/odom", qos_profile(row.quality))
    both = stack.add(Receiver)  # shows when messages from outside have arrived in this process
    assert stack.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(row.ros_class()())
    assert stack.spin_until(lambda: bool(both.odometry))
    assert inward.odometry == []
    sent = Odometry(5, 1.0, 2.0, 0.5, 3.0, 0.1)
    sender.odometry.publish(sent)
    assert stack.spin_until(lambda: len(inward.odometry) == 1 and len(both.odometry) == 2)
    assert inward.odometry[0] is sent
    outsider.destroy_node()


def test_a_malformed_message_from_outside_is_counted_and_dropped(stack: Any) -> None:
    from sensor_msgs.msg import CompressedImage

    receiver = stack.add(Receiver)
    outsider = rclpy.create_node("outsider", context=stack.outside)
    publisher = outsider.create_publisher(CompressedImage, JPEG, qos_profile(topic_row(JPEG).quality))
    assert stack.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(CompressedImage(format="bmp", data=b"xx"))
    assert stack.spin_until(lambda: receiver.trace_data.counters["warnings"] == 1)
    assert not receiver.frames
    outsider.destroy_node()


def test_writeable_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="writeable"):
        CameraFrame("CAM_FRONT", 1, 1, "jpeg", np.zeros(3, np.uint8))


class Working(HeronNode):
    NAME, Config = "working", Nothing

    def setup(self) -> None:
        self.seen: list[tuple[int, str, str]] = []
        self.started, self.release = threading.Event(), threading.Event()
        self.inference = self.worker("inference", self._work, self._done)
        self.feed(lambda: iter([(None, 0)]), self.inference.submit)

    def _work(self, item: int) -> tuple[int, str]:
        self.started.set()
        self.release.wait(5)
        if item == 99:
            raise RuntimeError("boom")
        return item, threading.current_thread().name

    def _done(self, result: tuple[int, str]) -> None:
        self.seen.append((*result, threading.current_thread().name))


def test_workers_run_in_their_own_thread_and_keep_the_newest(stack: Any) -> None:
    node = stack.add(Working)
    assert stack.spin_until(node.started.is_set)
    node.inference.submit(1)
    node.inference.submit(2)
    assert node.inference.dropped == 1
    node.release.set()
    assert stack.spin_until(lambda: len(node.seen) == 2)
    assert [(item, where) for item, where, _ in node.seen] == [(0, "working/inference"), (2, "working/inference")]
    assert {after for _, _, after in node.seen} == {threading.current_thread().name}


def test_a_crash_in_a_worker_is_raised_in_the_executor(stack: Any) -> None:
    node = stack.add(Working)
    node.release.set()
    assert stack.spin_until(lambda: len(node.seen) >= 1)
    node.inference.submit(99)
    with pytest.raises(RuntimeError, match="boom"):
        stack.spin_until(lambda: False, 5.0)


class Ticking(HeronNode):
    NAME, Config = "ticking", Nothing

    def setup(self) -> None:
        self.ticks = 0
        self.every(10_000_000, self._tick)

    def _tick(self) -> None:
        self.ticks += 1


def test_nothing_runs_before_activation(stack: Any) -> None:
    node = stack.add(Ticking, autostart=False)
    node.trigger_configure()
    stack.spin_until(lambda: False, 0.1)
    assert node.ticks == 0
    node.trigger_activate()
    assert stack.spin_until(lambda: node.ticks > 2)
    node.trigger_deactivate()
    rested = node.ticks
    stack.spin_until(lambda: False, 0.1)
    assert node.ticks == rested


class Broken(HeronNode):
    NAME, Config = "broken", Nothing
    closed: ClassVar[list[str]] = []

    def setup(self) -> None:
        self.at_end(lambda: self.closed.append("first"))
        self.at_end(lambda: self.closed.append("second"))
        raise ConfigError("rig.yaml: no camera")


def test_what_setup_raises_the_constructor_raises(stack: Any) -> None:
    with pytest.raises(ConfigError, match="no camera"):
        stack.add(Broken)
    assert Broken.closed == ["second", "first"]  # what was open is closed, the last first


def test_a_parameter_that_would_have_no_effect_is_refused(stack: Any) -> None:
    sender = stack.add(Sender)
    result, simulated = sender.set_parameters([Parameter("time_offset_ns", value=5), Parameter("use_sim_time", value=False)])
    assert not result.successful and "time_offset_ns: read once" in result.reason
    assert simulated.successful and sender.get_parameter("time_offset_ns").value == 0


def test_replay_offset_moves_the_clock(stack: Any) -> None:
    node = stack.add(Sender, time_offset_ns=10**18)
    assert abs(node.now_ns() - (time.time_ns() - 10**18)) < 10**9


def test_report_goes_to_the_report_folder(stack: Any, tmp_path: Any) -> None:
    import json

    node = stack.add(Sender, report_dir=str(tmp_path))
    node.count("late", 3)
    path = node.write_report()
    assert json.loads(path.read_text())["counters"] == {"late": 3}
