"""Hand-over by reference between the components of one process, and as ROS messages to everybody else.

Each topic of a process has one hub. A local reader gets the very object that was published. A DDS reader stands beside each local reader, so that
outside publishers reach it too; when we also publish to outside, that reader hears our own message a second time: the hub remembers the bytes that it
sent and drops their echo. (rclpy tells no publisher id, so the bytes are compared.)
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from heron_runtime.topics import Topic, qos_profile

ECHOES_PER_DEPTH = 2
"""Echoes of our own messages that are waited for, as a multiple of the reader's queue: what it lost will not come."""


class LocalReader:
    """A queue in front of one callback; QoS depth bounds it, the oldest message goes first and is counted."""

    def __init__(self, depth: int, callback: Callable[[Any], None], wake: Callable[[LocalReader], None]) -> None:
        self._queue: deque[Any] = deque(maxlen=depth)
        self._callback = callback
        self._wake = wake
        self._lock = threading.Lock()
        self.dropped = 0

    def push(self, message: Any) -> None:
        """Queues `message` from any thread."""
        with self._lock:
            if len(self._queue) == self._queue.maxlen:
                self.dropped += 1
            self._queue.append(message)
        self._wake(self)

    def deliver(self) -> None:
        """Calls back with the oldest waiting message; for the executor thread. One call per push, so a dropped message leaves an empty turn."""
        with self._lock:
            if not self._queue:
                return
            message = self._queue.popleft()
        self._callback(message)


class Hub:
    """One topic within one process."""

    def __init__(self, name: str, row: Topic) -> None:
        self.name = name
        self.row = row
        self.dds_readers = 0
        self._readers: tuple[LocalReader, ...] = ()
        self._echoes: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._last: Any = None

    def add(self, reader: LocalReader) -> None:
        """Adds a local reader; a latched topic's last message is handed to it."""
        with self._lock:
            self._readers = (*self._readers, reader)
            last = self._last
        if last is not None:
            reader.push(last)

    def remove(self, reader: LocalReader) -> None:
        """Forgets a local reader."""
        with self._lock:
            self._readers = tuple(other for other in self._readers if other is not reader)

    def hand_over(self, message: Any) -> None:
        """Gives every local reader the same object."""
        if self.row.quality.latched:
            self._last = message
        for reader in self._readers:
            reader.push(message)

    @property
    def local_readers(self) -> int:
        """Number of readers in this process."""
        return len(self._readers)

    def sent(self, raw: bytes) -> None:
        """Remembers bytes that went out, to know their echo."""
        if self.dds_readers:
            with self._lock:
                self._echoes.extend([raw] * self.dds_readers)
                while len(self._echoes) > ECHOES_PER_DEPTH * self.row.quality.depth * self.dds_readers:
                    self._echoes.popleft()

    def is_echo(self, raw: bytes) -> bool:
        """Whether these bytes are our own message coming back (each echo counts once)."""
        with self._lock:
            try:
                self._echoes.remove(raw)
            except ValueError:
                return False
            return True


class Hubs:
    """The hubs of this process, by rclpy context and resolved topic name."""

    def __init__(self) -> None:
        self._hubs: weakref.WeakKeyDictionary[Any, dict[str, Hub]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, context: Any, name: str, row: Topic) -> Hub:
        """The topic's hub, made on first use."""
        with self._lock:
            hubs = self._hubs.setdefault(context, {})
            if name not in hubs:
                hubs[name] = Hub(name, row)
            return hubs[name]


class LivePublisher:
    """Publishes by reference here and as ROS messages to readers outside; see `heron_runtime.host.Publisher`."""

    def __init__(self, node: Any, hub: Hub) -> None:
        self.topic = hub.name
        self._hub = hub
        self._to_ros = hub.row.to_ros()
        self._latched = hub.row.quality.latched
        self._dds = node.create_publisher(hub.row.ros_class(), hub.name, qos_profile(hub.row.quality))
        self.serialised = 0

    def publish(self, message: Any) -> None:
        """Hands over; serialises only when a reader outside the process exists (or may still come, for latched topics)."""
        self._hub.hand_over(message)
        if self._latched or self._outside_readers() > 0:
            from rclpy.serialization import serialize_message

            raw = serialize_message(self._to_ros(message))
            self._hub.sent(raw)
            self._dds.publish(raw)
            self.serialised += 1

    def has_readers(self) -> bool:
        """Whether anybody listens, here or outside."""
        return self._hub.local_readers > 0 or self._outside_readers() > 0

    def _outside_readers(self) -> int:
        return int(self._dds.get_subscription_count()) - self._hub.dds_readers


def listen_outside(node: Any, hub: Hub, reader: LocalReader, now_ns: Callable[[], int], failed: Callable[[str], None]) -> Any:
    """Creates the DDS reader that brings outside messages to a local reader; returns the rclpy subscription."""
    from rclpy.serialization import deserialize_message

    from_raw, arrivals, ros_class = hub.row.from_raw(), hub.row.arrivals(), hub.row.ros_class()

    def receive(raw: bytes) -> None:
        if hub.is_echo(raw):
            return
        try:
            natives = (from_raw(raw),) if from_raw else arrivals(deserialize_message(raw, ros_class), hub.name, now_ns())
        except (ValueError, TypeError) as error:
            failed(f"{hub.name}: a message from outside was dropped: {error}")
            return
        for native in natives:
            reader.push(native)

    subscription = node.create_subscription(ros_class, hub.name, receive, qos_profile(hub.row.quality), raw=True)
    hub.dds_readers += 1
    return subscription


HUBS = Hubs()
