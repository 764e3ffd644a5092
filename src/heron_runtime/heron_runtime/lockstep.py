"""Lock-step: a deterministic scheduler on simulated time that runs the same components as the vehicle.

Everything that happens is an event at a simulated time; events of one time run in the order in which they were made. The next
input of a recording is taken when everything before it has finished, so the result depends on the inputs alone, as fast as the
machine allows. Heavy work is done at once, and its result appears after the stage's declared latency, so that age compensation is
exercised and no policy is flattered. Messages between components that are separate processes on the car make the round trip
through their ROS types.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from heron_core.errors import ConfigError
from heron_runtime.host import FeedItems, Publisher, Worker
from heron_runtime.topics import Topic, topic_row

Tap = Callable[[str, int, Any], None]


class Scheduler:
    """Simulated time and the events on it.

    Attributes:
        latency_ns: stage name → simulated latency of its workers.
        stopped: `stop` was called.
    """

    def __init__(self, start_ns: int, latency_ns: Mapping[str, int]) -> None:
        self.latency_ns = latency_ns
        self._now_ns = start_ns
        self._events: list[tuple[int, int, bool, Callable[[], None]]] = []
        self._order = itertools.count()
        self._awaited = 0
        self._readers: dict[str, list[tuple[str, _Reader]]] = {}
        self._publishers: dict[str, list[str]] = {}
        self._latched: dict[str, tuple[str, Any]] = {}
        self._taps: list[Tap] = []
        self.stopped = False

    def now_ns(self) -> int:
        """Simulated time."""
        return self._now_ns

    def at(self, due_ns: int, event: Callable[[], None], awaited: bool = True) -> None:
        """Runs `event` at `due_ns` (never before now). The run ends when no awaited event is left; timers are not awaited."""
        self._awaited += awaited
        heapq.heappush(self._events, (max(due_ns, self._now_ns), next(self._order), awaited, event))

    def tap(self, observer: Tap) -> None:
        """Calls `observer(topic, time_ns, message)` for everything that is published."""
        self._taps.append(observer)

    def host(self, node: Any, process: str) -> LockstepHost:
        """The host of one component that belongs to `process` on the car."""
        return LockstepHost(self, node, process)

    def run(self, until_ns: int | None = None, progress: Callable[[int], None] | None = None) -> int:
        """Runs events until none is awaited or simulated time passes `until_ns`; returns the final time."""
        while self._events and self._awaited and not self.stopped:
            due_ns, _, awaited, event = heapq.heappop(self._events)
            if until_ns is not None and due_ns > until_ns:
                break
            self._awaited -= awaited
            self._now_ns = due_ns
            event()
            if progress is not None:
                progress(due_ns)
        return self._now_ns

    def stop(self) -> None:
        """Ends the run after the event that is under way; may be called from a signal handler."""
        self.stopped = True

    def publish(self, process: str, row: Topic, topic: str, message: Any) -> None:
        """Delivers `message` to every reader at the present time, in the order in which they subscribed."""
        for observer in self._taps:
            observer(topic, self._now_ns, message)
        if row.quality.latched:
            self._latched[topic] = (process, message)
        for reader_process, reader in self._readers.get(topic, ()):
            self._deliver(process, reader_process, row, topic, reader, message)

    def add_reader(self, process: str, row: Topic, topic: str, reader: _Reader) -> None:
        """Adds a reader; a latched topic's last message comes to it."""
        self._readers.setdefault(topic, []).append((process, reader))
        if topic in self._latched:
            publisher_process, message = self._latched[topic]
            self._deliver(publisher_process, process, row, topic, reader, message)

    def add_publisher(self, topic: str, node: str) -> None:
        """Notes that `node` publishes `topic`."""
        self._publishers.setdefault(topic, []).append(node)

    def publishers_of(self, topic: str) -> list[str]:
        """Full names of the nodes that publish `topic`, sorted, one entry per publisher."""
        return sorted(self._publishers.get(topic, ()))

    def has_readers(self, topic: str) -> bool:
        """Whether anybody reads the topic; a recorder's tap reads all."""
        return bool(self._taps) or bool(self._readers.get(topic))

    def _deliver(self, sender: str, receiver: str, row: Topic, topic: str, reader: _Reader, message: Any) -> None:
        for arriving in (message,) if sender == receiver else round_trip(row, topic, message, self._now_ns):
            self.at(self._now_ns, partial(reader, arriving))


def round_trip(row: Topic, topic: str, message: Any, now_ns: int) -> tuple[Any, ...]:
    """What arrives in another process: native → ROS → CDR bytes → ROS → native."""
    from rclpy.serialization import deserialize_message, serialize_message

    raw = serialize_message(row.to_ros()(message))
    return row.arrivals()(deserialize_message(raw, row.ros_class()), topic, now_ns)


_Reader = Callable[[Any], None]


class LockstepPublisher:
    """See `heron_runtime.host.Publisher`."""

    def __init__(self, scheduler: Scheduler, process: str, topic: str) -> None:
        self.topic = topic
        self._scheduler, self._process, self._row = scheduler, process, topic_row(topic)

    def publish(self, message: Any) -> None:
        """See Publisher."""
        self._scheduler.publish(self._process, self._row, self.topic, message)

    def has_readers(self) -> bool:
        """See Publisher."""
        return self._scheduler.has_readers(self.topic)


class LockstepWorker:
    """Does its work when simulated time lets it start; `done` follows after the stage's latency."""

    def __init__(self, scheduler: Scheduler, latency_ns: int, fn: Callable[[Any], Any], done: Callable[[Any], None], depth: int) -> None:
        self.dropped = 0
        self._scheduler, self._latency_ns = scheduler, latency_ns
        self._fn, self._done = fn, done
        self._queue: deque[Any] = deque(maxlen=depth)
        self._busy = False

    def submit(self, item: Any) -> None:
        """See Worker."""
        if self._busy and len(self._queue) == self._queue.maxlen:
            self.dropped += 1
        self._queue.append(item)
        if not self._busy:
            self._begin()

    def _begin(self) -> None:
        self._busy = True
        result = self._fn(self._queue.popleft())
        self._scheduler.at(self._scheduler.now_ns() + self._latency_ns, lambda: self._finish(result))

    def _finish(self, result: Any) -> None:
        self._busy = False
        if self._queue:
            self._begin()
        self._done(result)


class LockstepHost:
    """Runs a component on a scheduler; see `heron_runtime.host.Host`."""

    def __init__(self, scheduler: Scheduler, node: Any, process: str) -> None:
        self._scheduler, self._node, self._process = scheduler, node, process
        self._starts: list[Callable[[], None]] = []
        self._running = False

    def now_ns(self) -> int:
        """Simulated time."""
        return self._scheduler.now_ns()

    def steady_ns(self) -> int:
        """Simulated time only goes forward."""
        return self._scheduler.now_ns()

    def advertise(self, topic: str) -> Publisher:
        """See Host."""
        name = self._node.resolve_topic_name(topic)
        self._scheduler.add_publisher(name, str(self._node.get_fully_qualified_name()))
        return LockstepPublisher(self._scheduler, self._process, name)

    def subscribe(self, topic: str, callback: Callable[[Any], None], outside: bool) -> None:
        """See Host."""
        name = self._node.resolve_topic_name(topic)
        self._scheduler.add_reader(self._process, topic_row(name), name, callback)

    def every(self, period_ns: int, callback: Callable[[], None]) -> None:
        """See Host; ticks are not awaited, they end with the inputs."""

        def tick() -> None:
            if self._running:
                callback()
            self._scheduler.at(self.now_ns() + period_ns, tick, awaited=False)

        self._starts.append(lambda: self._scheduler.at(self.now_ns() + period_ns, tick, awaited=False))

    def feed(self, items: Callable[[], FeedItems], callback: Callable[[Any], None], done: Callable[[], None] | None) -> None:
        """See Host; the next item is taken when its predecessor has been handled."""

        def begin() -> None:
            advance(iter(items()))

        def advance(iterator: Iterator[tuple[int | None, Any]]) -> None:
            try:
                due_ns, item = next(iterator)
            except StopIteration:
                if done is not None:
                    done()
                return
            if due_ns is None:
                raise ConfigError(f"{self._node.get_name()}: a live source cannot run in lock-step; give a recording")

            def handle() -> None:
                callback(item)
                advance(iterator)

            self._scheduler.at(due_ns, handle)

        self._starts.append(begin)

    def worker(self, stage: str, fn: Callable[[Any], Any], done: Callable[[Any], None], newest_only: bool, depth: int) -> Worker:
        """See Host."""
        if stage not in self._scheduler.latency_ns:
            known = ", ".join(sorted(self._scheduler.latency_ns))
            raise ConfigError(f"stage {stage!r} of {self._node.get_name()} has no simulated latency; declared: {known}")
        return LockstepWorker(self._scheduler, self._scheduler.latency_ns[stage], fn, done, 1 if newest_only else depth)

    def post(self, callback: Callable[[], None]) -> None:
        """See Host."""
        self._scheduler.at(self.now_ns(), callback)

    def serve(self, name: str, service_type: Any, callback: Callable[[Any, Any], Any]) -> None:
        """Nobody outside can call in lock-step."""

    def publishers_of(self, topic: str) -> list[str]:
        """See Host."""
        return self._scheduler.publishers_of(self._node.resolve_topic_name(topic))

    def dropped(self) -> dict[str, int]:
        """Queues have no bound in lock-step: the reader always finishes first."""
        return {}

    def start(self) -> None:
        """Begins feeds and timers."""
        self._running = True
        for begin in self._starts:
            begin()
        self._starts.clear()

    def pause(self) -> None:
        """Timers rest."""
        self._running = False

    def stop(self) -> None:
        """Timers rest."""
        self._running = False
