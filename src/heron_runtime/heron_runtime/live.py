"""The live host: rclpy timers and topics, threads for heavy work, wall-clock time."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from heron_runtime.host import FeedItems, Publisher, Worker
from heron_runtime.names import full_name
from heron_runtime.topics import topic_row
from heron_runtime.transport import HUBS, Hub, LivePublisher, LocalReader, listen_outside

JOIN_S = 2.0
TURNS_AT_ONCE = 64
NAMELESS = "(a node without a name yet)"
"""A publisher may be discovered before the node that it belongs to."""
_UNKNOWN = "_NODE_NAME_UNKNOWN_"  # of rmw


class Inbox:
    """Turns that wait for the executor thread of one container.

    A guard condition wakes the executor (triggers coalesce, so it drains). What is published inside a callback is delivered right after that callback
    returns: a turn of the wait set costs half a millisecond in rclpy, a hand-over must not.
    """

    def __init__(self) -> None:
        self._turns: deque[tuple[str, Callable[[], None]]] = deque()
        self._thread: int | None = None

    def put(self, component: str, turn: Callable[[], None], wake: Callable[[], None]) -> None:
        """Queues a turn of `component` from any thread; `wake` triggers the executor."""
        self._turns.append((component, turn))
        if self._thread != threading.get_ident():
            wake()

    def run(self, component: str, turn: Callable[[], None], wake: Callable[[], None]) -> None:
        """Runs a turn now, in the executor thread, then what it caused."""
        self._turns.append((component, turn))
        self.drain(wake)

    def drain(self, wake: Callable[[], None]) -> None:
        """Runs waiting turns; after `TURNS_AT_ONCE` the timers get their chance."""
        if self._thread == threading.get_ident():
            return
        self._thread = threading.get_ident()
        try:
            for _ in range(TURNS_AT_ONCE):
                if not self._turns:
                    return
                component, turn = self._turns.popleft()
                try:
                    turn()
                except Exception as error:
                    error.__dict__["heron_component"] = component  # the container says whose callback it was
                    raise
        finally:
            self._thread = None
            if self._turns:
                wake()


Put = Callable[[Callable[[], None]], None]

INBOXES: weakref.WeakKeyDictionary[Any, Inbox] = weakref.WeakKeyDictionary()


class ThreadWorker:
    """One thread that runs `fn` on items in order; see `heron_runtime.host.Worker`."""

    def __init__(self, name: str, fn: Callable[[Any], Any], done: Callable[[Any], None], put: Put, depth: int) -> None:
        self.dropped = 0
        self._fn, self._done, self._put = fn, done, put
        self._queue: deque[Any] = deque(maxlen=depth)
        self._condition = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Any) -> None:
        """Queues `item`; a full queue loses its oldest item, counted."""
        with self._condition:
            if len(self._queue) == self._queue.maxlen:
                self.dropped += 1
            self._queue.append(item)
            self._condition.notify()

    def stop(self) -> None:
        """Lets the running item finish, discards the others."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._queue and not self._stopping:
                    self._condition.wait()
                if self._stopping:
                    return
                item = self._queue.popleft()
            try:
                result = self._fn(item)
            except Exception as error:  # handled once: in the executor thread, where the container decides
                self._put(_raiser(error))
                return
            self._put(_call(self._done, result))


class LiveHost:
    """Runs a component on rclpy; see `heron_runtime.host.Host`."""

    def __init__(self, node: Any, time_offset_ns: int, warn: Callable[[str], None]) -> None:
        self._node = node
        self._offset_ns = time_offset_ns
        self._sim_time = bool(node.get_parameter("use_sim_time").value)
        self._warn = warn
        self._inbox = INBOXES.setdefault(node.context, Inbox())
        self._name = str(node.get_fully_qualified_name())
        guard = node.create_guard_condition(lambda: self._inbox.drain(self._wake))
        self._wake: Callable[[], None] = guard.trigger
        self._readers: list[tuple[Hub, LocalReader]] = []
        self._listened: list[Hub] = []
        self._workers: list[ThreadWorker] = []
        self._feeds: list[Callable[[], None]] = []
        self._threads: list[threading.Thread] = []
        self._timers: list[Any] = []
        self._running = threading.Event()
        self._stopped = threading.Event()

    def now_ns(self) -> int:
        """`/clock` under use_sim_time, else wall time minus the replay offset."""
        if self._sim_time:
            return int(self._node.get_clock().now().nanoseconds)
        return time.time_ns() - self._offset_ns

    def steady_ns(self) -> int:
        """CLOCK_MONOTONIC; `/clock` itself under use_sim_time, whose pace is not ours."""
        return self.now_ns() if self._sim_time else time.monotonic_ns()

    def advertise(self, topic: str) -> Publisher:
        """See Host."""
        return LivePublisher(self._node, self._hub(topic))

    def subscribe(self, topic: str, callback: Callable[[Any], None], outside: bool) -> None:
        """See Host."""
        hub = self._hub(topic)
        reader = LocalReader(hub.row.quality.depth, self._while_running(callback), lambda waiting: self._put(waiting.deliver))
        hub.add(reader)
        self._readers.append((hub, reader))
        if outside:
            self._listened.append(hub)
            listen_outside(self._node, hub, reader, self.now_ns, self._warn)

    def every(self, period_ns: int, callback: Callable[[], None]) -> None:
        """See Host; ticks on the steady clock, so that a clock step moves no tick."""
        from rclpy.clock import Clock, ClockType

        clock = self._node.get_clock() if self._sim_time else Clock(clock_type=ClockType.STEADY_TIME)
        turn = self._while_running(callback)
        timer = self._node.create_timer(period_ns / 1e9, lambda: self._inbox.run(self._name, turn, self._wake), clock=clock)
        self._timers.append(timer)

    def feed(self, items: Callable[[], FeedItems], callback: Callable[[Any], None], done: Callable[[], None] | None) -> None:
        """See Host; one thread per feed."""

        def run() -> None:
            try:
                for due_ns, item in items():
                    if not self._sleep_until(due_ns):
                        return
                    self._put(_call(self._while_running(callback), item))
                if done is not None:
                    self._put(done)
            except Exception as error:  # handled once: in the executor thread, where the container decides
                self._put(_raiser(error))

        self._feeds.append(run)

    def worker(self, stage: str, fn: Callable[[Any], Any], done: Callable[[Any], None], newest_only: bool, depth: int) -> Worker:
        """See Host."""
        name = f"{self._node.get_name()}/{stage}"
        worker = ThreadWorker(name, fn, self._while_running(done), self._put, 1 if newest_only else depth)
        self._workers.append(worker)
        return worker

    def post(self, callback: Callable[[], None]) -> None:
        """See Host."""
        self._put(callback)

    def serve(self, name: str, service_type: Any, callback: Callable[[Any, Any], Any]) -> None:
        """See Host."""
        self._node.create_service(service_type, name, callback)

    def publishers_of(self, topic: str) -> list[str]:
        """See Host."""
        found = self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(topic))
        return sorted(NAMELESS if info.node_name == _UNKNOWN else full_name(info.node_namespace, info.node_name) for info in found)

    def dropped(self) -> dict[str, int]:
        """Messages that each reader's queue lost, by topic."""
        return {hub.name: reader.dropped for hub, reader in self._readers if reader.dropped}

    def start(self) -> None:
        """Starts feeds; timers and callbacks come alive."""
        self._running.set()
        if not self._threads:
            for index, run in enumerate(self._feeds):
                thread = threading.Thread(target=run, name=f"{self._node.get_name()}/feed{index}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def stop(self) -> None:
        """Stops every thread; nothing is called back afterwards."""
        self._running.clear()
        self._stopped.set()
        for worker in self._workers:
            worker.stop()
        for hub, reader in self._readers:
            hub.remove(reader)
        self._readers.clear()
        for hub in self._listened:
            hub.dds_readers -= 1
        self._listened.clear()
        deadline = time.monotonic() + JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._feeds.clear()  # they hold the component, and the component its ROS node
        self._timers.clear()

    def pause(self) -> None:
        """Timers and callbacks rest; feeds wait."""
        self._running.clear()

    def _put(self, turn: Callable[[], None]) -> None:
        self._inbox.put(self._name, turn, self._wake)

    def _hub(self, topic: str) -> Hub:
        name = self._node.resolve_topic_name(topic)
        return HUBS.get(self._node.context, name, topic_row(name))

    def _while_running(self, callback: Callable[..., None]) -> Callable[..., None]:
        def guarded(*arguments: Any) -> None:
            if self._running.is_set():
                callback(*arguments)

        return guarded

    def _sleep_until(self, due_ns: int | None) -> bool:
        """Waits until `due_ns` on the one clock; False when the host was stopped meanwhile."""
        while due_ns is not None and not self._stopped.is_set():
            left_s = (due_ns - self.now_ns()) / 1e9
            if left_s <= 0:
                break
            self._stopped.wait(min(left_s, 0.1))
        return not self._stopped.is_set()


def _call(callback: Callable[[Any], None], item: Any) -> Callable[[], None]:
    return lambda: callback(item)


def _raiser(error: Exception) -> Callable[[], None]:
    def turn() -> None:
        raise error

    return turn
