"""A plain ROS 2 node, as anybody may run beside Heron; knows nothing of its packages but the messages."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from heron_msgs.msg import ControlStatus, Event, FrameSet, Trajectory
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

RELIABLE = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LISTENED = {
    "/plan/trajectory": (Trajectory, RELIABLE),
    "/control/status": (ControlStatus, RELIABLE),
    "/diagnostics": (DiagnosticArray, RELIABLE),
    "/tf_static": (TFMessage, LATCHED),
    "/events": (Event, RELIABLE),
    "/frames": (FrameSet, BEST_EFFORT),
}


class Outside:
    """A node in a context and a domain of its own; `seen` holds what arrived, by topic."""

    def __init__(self, domain: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node("outside", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.seen: dict[str, list[Any]] = {}

    def __enter__(self) -> Outside:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()
        gc.collect()  # the participant lives on in cycles, and with it the shared memory of those it heard

    def listen(self, *topics: str) -> None:
        """Subscribes; to all of `LISTENED` but the images by default."""
        for topic in topics or [name for name in LISTENED if name != "/frames"]:
            message_type, quality = LISTENED[topic]
            self.node.create_subscription(message_type, topic, partial(self._keep, topic), quality)

    def call(self, service_type: Any, service: str, request: Any, timeout_s: float = 15.0) -> Any:
        """The answer of a service."""
        client = self.node.create_client(service_type, service)
        assert client.wait_for_service(timeout_s), f"nobody serves {service}"
        future = client.call_async(request)
        assert self.spin(future.done, timeout_s), f"no answer of {service}"
        return future.result()

    def spin(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Runs callbacks until `done`; whether it came."""
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def graph(self) -> dict[str, dict[str, set[str]]]:
        """Node (those in no namespace, but this one) → what it publishes, subscribes to, replies to and requests."""
        verbs = {"publish": "publisher", "subscribe": "subscriber", "reply": "service", "request": "client"}
        return {
            name: {verb: {topic for topic, _ in getattr(self.node, f"get_{kind}_names_and_types_by_node")(name, "/")} for verb, kind in verbs.items()}
            for name, _ in self.node.get_node_names_and_namespaces()
            if name != self.node.get_name()
        }

    def _keep(self, topic: str, message: Any) -> None:
        self.seen.setdefault(topic, []).append(message)
