"""Benchmark of the hand-over: seven 7.4 MB images at 30 Hz by reference in one process, and through DDS between two."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor

from heron_core.arrays import address, read_only
from heron_core.frames import CameraFrame
from heron_core.vehicle import SIGNALS, Signal, VehicleState
from heron_runtime.node import HeronNode
from heron_runtime.topics import qos_profile, topic_row

CAMERAS = 7
WIDTH, HEIGHT = 1920, 1280
RATE_HZ = 30
SECONDS = 4.0
DISCOVERY_S = 2.0


def topic(index: int) -> str:
    """Topic of camera `index`."""
    return f"/camera/bench{index}/image"


@dataclass(frozen=True)
class BenchConfig:
    """Nothing to set."""


class Producer(HeronNode):
    """Publishes fresh images of all cameras at 30 Hz."""

    NAME, Config = "bench_producer", BenchConfig

    def setup(self) -> None:
        """One publisher per camera, one timer."""
        self.sent: dict[tuple[str, int], int] = {}
        self.outputs = [self.advertise(topic(index)) for index in range(CAMERAS)]
        # A camera driver owns a few buffers that it fills in turn.
        self._buffers = [read_only(np.full((HEIGHT, WIDTH, 3), index, np.uint8)) for index in range(CAMERAS)]
        self.every(round(1e9 / RATE_HZ), self._tick)
        self._left = round(SECONDS * RATE_HZ)

    def _tick(self) -> None:
        if not self._left:
            return
        self._left -= 1
        for index, publisher in enumerate(self.outputs):
            stamp_ns = time.monotonic_ns()
            frame = CameraFrame(f"CAM_BENCH{index}", stamp_ns, stamp_ns, "bgr8", self._buffers[index])
            self.sent[(frame.camera, stamp_ns)] = address(frame.data)
            publisher.publish(frame)


class Consumer(HeronNode):
    """Notes latency and buffer address of each image."""

    NAME, Config = "bench_consumer", BenchConfig

    def setup(self) -> None:
        """One subscription per camera."""
        self.latencies_ms: list[float] = []
        self.received: dict[tuple[str, int], int] = {}
        for index in range(CAMERAS):
            self.subscribe(topic(index), self._take)

    def _take(self, frame: CameraFrame) -> None:
        self.latencies_ms.append((time.monotonic_ns() - frame.stamp_ns) / 1e6)
        self.received[(frame.camera, frame.stamp_ns)] = address(frame.data)


def by_reference() -> dict[str, float]:
    """lost, copies and p50_ms of the hand-over inside one process."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain())
    executor = SingleThreadedExecutor(context=context)
    nodes: list[Any] = [cls(context=context, use_global_arguments=False) for cls in (Consumer, Producer)]
    consumer, producer = nodes
    for node in nodes:
        executor.add_node(node)
    deadline = time.monotonic() + SECONDS + 1.0
    while time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)
    copies = sum(consumer.received.get(key, origin) != origin for key, origin in producer.sent.items())
    lost = len(producer.sent) - len(consumer.received)
    return {"lost": lost, "copies": copies, "p50_ms": statistics.median(consumer.latencies_ms), "sent": len(producer.sent)}


def through_dds(profile: Path) -> dict[str, float]:
    """Lost and p50_ms of the same images between two processes, with the tuned Fast DDS profile and malloc settings."""
    environment = {
        **os.environ,
        "FASTDDS_DEFAULT_PROFILES_FILE": str(profile),
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(profile),
        "MALLOC_MMAP_THRESHOLD_": "1073741824",
        "MALLOC_TRIM_THRESHOLD_": "4294967296",
        "ROS_DOMAIN_ID": str(domain()),
    }
    command = [sys.executable, "-m", "heron_runtime.bench"]
    receiver = subprocess.Popen([*command, "receive"], env=environment, stdout=subprocess.PIPE, text=True)
    sender = subprocess.Popen([*command, "send"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        received = json.loads(receiver.communicate(timeout=60)[0])
        sent = json.loads(sender.communicate(timeout=60)[0])
    finally:
        for process in (receiver, sender):
            process.kill()
            process.wait()
    p50 = statistics.median(received["latencies_ms"]) if received["latencies_ms"] else float("inf")
    return {"lost": sent["sent"] - len(received["latencies_ms"]), "p50_ms": p50, "sent": sent["sent"]}


def run(profile: Path) -> dict[str, Any]:
    """The `handover` keys of `bench.json`."""
    local, dds = by_reference(), through_dds(profile)
    return {
        "handover": {
            "lost": local["lost"],
            "copies": local["copies"],
            "images": local["sent"],
            "p50_ms": round(local["p50_ms"], 3),
            "dds_p50_ms": round(dds["p50_ms"], 3),
            "dds_lost": dds["lost"],
            "speedup_vs_dds": round(dds["p50_ms"] / local["p50_ms"], 1),
        }
    }


def domain() -> int:
    """A DDS domain for this process's benchmarks, apart from the default and from those of other processes."""
    return 1 + os.getpid() % 100


def _receive() -> None:
    rclpy.init()
    node = rclpy.create_node("bench_receiver")
    latencies: list[float] = []
    row = topic_row(topic(0))

    def take(message: Any) -> None:
        stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        latencies.append((time.monotonic_ns() - stamp_ns) / 1e6)

    for index in range(CAMERAS):
        node.create_subscription(row.ros_class(), topic(index), take, qos_profile(row.quality))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    deadline = time.monotonic() + DISCOVERY_S + SECONDS + 2.0
    while time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)
    sys.stdout.write(json.dumps({"latencies_ms": latencies}))


def _send() -> None:
    rclpy.init()
    node = rclpy.create_node("bench_sender")
    row = topic_row(topic(0))
    publishers = [node.create_publisher(row.ros_class(), topic(index), qos_profile(row.quality)) for index in range(CAMERAS)]
    pixels = read_only(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    to_ros = row.to_ros()
    message = to_ros(CameraFrame("CAM_BENCH0", 0, 0, "bgr8", pixels))
    time.sleep(DISCOVERY_S)
    start, sent = time.monotonic(), 0
    for tick in range(round(SECONDS * RATE_HZ)):
        for publisher in publishers:
            now_ns = time.monotonic_ns()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 10**9)
            publisher.publish(message)
            sent += 1
        time.sleep(max(0.0, start + (tick + 1) / RATE_HZ - time.monotonic()))
    time.sleep(1.0)
    sys.stdout.write(json.dumps({"sent": sent}))


def _states(offset_ns: int) -> None:
    """A car that stands still: its state at 100 Hz on recorded time, for a tenth of what the real source costs."""
    rclpy.init()
    node, row = rclpy.create_node("bench_states"), topic_row("/vehicle/state")
    publisher = node.create_publisher(row.ros_class(), "/vehicle/state", qos_profile(row.quality))
    message = row.to_ros()(VehicleState(0, {name: Signal(0.0, 0, True) for name in SIGNALS}))
    while True:
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns() - offset_ns, 10**9)
        publisher.publish(message)
        time.sleep(0.01 - time.monotonic() % 0.01)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["receive", "send", "states"])
    parser.add_argument("--offset-ns", type=int, default=0)
    options = parser.parse_args()
    roles: dict[str, Callable[[], None]] = {"receive": _receive, "send": _send, "states": partial(_states, options.offset_ns)}
    roles[options.role]()
