"""The components on a live ROS graph: play a recording, record it again, and the messages are the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bag_samples import FRONT, START_NS, batch, frame, put, rig

from heron_bag.reader import open_bag
from heron_bag.serialise import canonical
from heron_bag.writer import BagWriter

pytestmark = pytest.mark.alone

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not here")


class Graph:
    """Components of one context, spun by the test."""

    def __init__(self) -> None:
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.context.Context()
        rclpy.init(context=self.context, domain_id=86)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes: list[Any] = []

    def add(self, kind: type[Any], **params: Any) -> Any:
        from rclpy.parameter import Parameter

        overrides = [Parameter(name, value=value) for name, value in params.items()]
        node = kind(context=self.context, parameter_overrides=overrides, use_global_arguments=False)
        self.executor.add_node(node)
        self.nodes.append(node)
        return node

    def spin(self, seconds: float, until: Any = lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        for node in self.nodes:
            node.destroy_node()
        self.executor.shutdown(1)
        self.context.try_shutdown()


@pytest.fixture
def graph() -> Iterator[Graph]:
    found = Graph()
    yield found
    found.close()


def test_played_and_recorded_again_the_messages_are_the_same(tmp_path: Path, graph: Graph) -> None:
    from heron_bag.node import PlayerNode, RecorderNode

    with BagWriter(tmp_path / "b") as writer:
        put(writer, "/tf_static", START_NS, rig().transforms())
        for index in range(10):
            put(writer, FRONT, START_NS + index * 100_000_000, frame(index, 5001))
            put(writer, "/can/tap", START_NS + index * 100_000_000 + 1, batch(index))
    car = tmp_path / "car"
    car.mkdir()
    (car / "rig.yaml").write_text("name: x")
    recorder = graph.add(
        RecorderNode, out=str(tmp_path / "r"), vehicle=str(car), topics=["/camera/*", "/can/tap", "/tf_static", "/clock"], discover_s=0.1
    )
    player = graph.add(PlayerNode, bag=str(tmp_path / "b"), wait_s=1.5)
    graph.spin(15, lambda: player.report()["messages"] == 21)
    graph.spin(0.5)
    report = recorder.report()
    assert (report["error"], report["dropped"]) == (None, 0)
    with open_bag(tmp_path / "b") as played, open_bag(tmp_path / "r") as recorded:
        for topic, info in played.topics.items():
            wanted = [bytes(raw) for *_, raw in played.messages([topic])]
            found = [bytes(canonical(info.ros_type, raw)) for *_, raw in recorded.messages([topic])]
            assert found == wanted, topic
        assert recorded.attachments["vehicle/rig.yaml"] == b"name: x"
        clocks = [recorded.decode(kind, raw).clock for _, kind, _, raw in recorded.messages(["/clock"])]
    times = [clock.sec * 1_000_000_000 + clock.nanosec for clock in clocks]
    assert len(times) > 50
    assert times == sorted(times)
    assert times[0] >= START_NS and times[-1] <= START_NS + 900_000_001


def test_half_speed_takes_twice_as_long(tmp_path: Path, graph: Graph) -> None:
    from heron_bag.node import PlayerNode

    with BagWriter(tmp_path / "b") as writer:
        for index in range(6):
            put(writer, FRONT, START_NS + index * 200_000_000, frame(index))
    player = graph.add(PlayerNode, bag=str(tmp_path / "b"), rate=0.5, start_s=0.4, wait_s=0.0, clock_hz=0.0)
    began = time.monotonic()
    graph.spin(10, lambda: player.report()["messages"] == 4)
    assert 1.1 < time.monotonic() - began < 3.0  # 0.6 s recorded


def test_wrong_parameters_are_refused_by_name(tmp_path: Path, graph: Graph) -> None:
    from heron_bag.node import PlayerNode, RecorderNode
    from heron_core.errors import HeronError

    with pytest.raises(HeronError, match="out is empty"):
        graph.add(RecorderNode)
    with pytest.raises(HeronError, match="no such recording"):
        graph.add(PlayerNode, bag=str(tmp_path / "nope"))
    with pytest.raises(HeronError, match=r"unknown.*'ratee'.*rate"):
        graph.add(PlayerNode, bag=str(tmp_path / "nope"), ratee=2.0)
