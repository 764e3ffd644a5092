"""The executor of a container: single-threaded, cheap to wake, and it knows whose callback runs."""

from __future__ import annotations

import time
import types
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple
from weakref import WeakSet

from rclpy.event_handler import EventHandler
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation

SELDOM_NS = 50_000_000
_KINDS = ("timer", "guard_condition", "subscription", "client", "service")  # in the order in which they are served


class _Entry(NamedTuple):
    entity: Any
    node: Any
    take: Callable[[Any], Any]


class _WaitSet:
    """Entities that can wake the executor, gathered once. It keeps their handles alive until `close`.

    Args:
        context: of the nodes.
        entries: kind (`waitable` among them) → what to wait for.
        wakers: guard conditions that only end a wait.
    """

    def __init__(self, context: Any, entries: Mapping[str, Sequence[_Entry]], wakers: Sequence[Any] = ()) -> None:
        self._stack = ExitStack()
        self._handles: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
        self._entries: dict[str, dict[int, _Entry]] = {kind: {} for kind in _KINDS}
        self._waitables = [entry for entry in entries.get("waitable", ()) if self._enter(entry.entity)]
        for kind in _KINDS:
            for entry in entries.get(kind, ()):
                handle = entry.entity.handle
                if self._enter(handle):
                    self._handles[kind].append(handle)
                    self._entries[kind][handle.pointer] = entry
        self._handles["guard_condition"] += [guard.handle for guard in wakers if self._enter(guard.handle)]
        counts = [len(self._handles[kind]) for kind in ("subscription", "guard_condition", "timer", "client", "service")] + [0]
        for entry in self._waitables:
            n = entry.entity.get_num_entities()
            more = (n.num_subscriptions, n.num_guard_conditions, n.num_timers, n.num_clients, n.num_services, n.num_events)
            counts = [count + extra for count, extra in zip(counts, more, strict=True)]
        self._stack.enter_context(context.handle)
        self._set = rclpy_implementation.WaitSet(*counts, context.handle)
        self._adders = [(getattr(self._set, f"add_{kind}"), handles) for kind, handles in self._handles.items() if handles]

    def wait(self, timeout_ns: int) -> list[_Entry]:
        """What is ready, in the order of `_KINDS`; empty after `timeout_ns`, or when a waker ended it."""
        if not self._adders and not self._waitables:
            return []  # rcl refuses to wait for nothing
        self._set.clear_entities()
        for add, handles in self._adders:
            for handle in handles:
                add(handle)
        for entry in self._waitables:
            entry.entity.add_to_wait_set(self._set)
        self._set.wait(timeout_ns)
        ready = [entry for entry in self._waitables if entry.entity.is_ready(self._set)]
        for kind, entries in self._entries.items():
            if entries:
                ready += [entries[pointer] for pointer in self._set.get_ready_entities(kind) if pointer in entries]
        return ready

    def close(self) -> None:
        """Lets the handles go."""
        self._stack.close()

    def _enter(self, handle: Any) -> bool:
        try:
            self._stack.enter_context(handle)
        except InvalidHandle:  # destroyed meanwhile
            return False
        return True


class ContainerExecutor(SingleThreadedExecutor):  # type: ignore[misc]  # rclpy is untyped
    """rclpy's single-threaded executor, with three things changed.

    It gathers what it waits for once, and again only when a node gains or loses something: the base class does so at every wake-up, which with four
    components costs 1.5 ms, more than all their callbacks, and wakes itself once more after each. Services, QoS events and subscriptions that have
    brought nothing yet (most have a publisher in this process), nine tenths of all entities, are looked at every `SELDOM_NS` instead of being waited
    for. And `current` is the node whose callback runs, so that an exception has an owner.
    """

    _tasks: list[tuple[Any, Any, Any]]  # of the base class

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.current: Any = None
        self._takers: dict[str, Callable[[Any], Any]] = {
            "timer": self._take_timer,
            "guard_condition": self._take_guard_condition,
            "subscription": self._take_subscription,
            "client": self._take_client,
            "service": self._take_service,
            "waitable": self._take_waitable,
        }
        self._ready: deque[_Entry] = deque()
        self._often: _WaitSet | None = None
        self._seldom: _WaitSet | None = None
        self._looked_ns = 0
        self._heard: WeakSet[Any] = WeakSet()  # subscriptions that brought something: waited for from then on
        self._stale = True

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Runs tasks, waits for anything to be ready, and runs all that is; what a callback raises is raised, the others stay for the next call."""
        if not self._ready:
            if self._step_tasks():
                return
            self._ready.extend(self._wait(timeout_sec))
        while self._ready:
            entry = self._ready.popleft()
            self.current = entry.node
            self._run(entry)

    def wake(self) -> None:
        """Called when an entity was created or destroyed."""
        self._stale = True
        super().wake()

    def add_node(self, node: Any) -> bool:
        """As in the base class."""
        self._stale = True
        return bool(super().add_node(node))

    def remove_node(self, node: Any) -> None:
        """As in the base class; nothing of the node is kept alive afterwards."""
        super().remove_node(node)
        self._forget()
        self._ready = deque(entry for entry in self._ready if entry.node is not node)
        if self.current is node:
            self.current = None

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """As in the base class."""
        self._forget()
        self._ready.clear()
        self.current = None
        return bool(super().shutdown(timeout_sec))

    def _wait(self, timeout_sec: float | None) -> list[_Entry]:
        end_ns = None if timeout_sec is None else time.monotonic_ns() + round(timeout_sec * 1e9)
        while True:
            if not self._context.ok():
                raise ExternalShutdownException
            often, seldom = self._sets()
            now_ns = time.monotonic_ns()
            ready = []
            if now_ns - self._looked_ns >= SELDOM_NS:
                self._looked_ns = now_ns
                ready = seldom.wait(0)
                self._hear(ready)
            left_ns = SELDOM_NS if end_ns is None else min(SELDOM_NS, max(0, end_ns - now_ns))
            ready += often.wait(0 if ready else left_ns)
            if ready or self._tasks or self._stale or (end_ns is not None and time.monotonic_ns() >= end_ns):
                return ready

    def _sets(self) -> tuple[_WaitSet, _WaitSet]:
        if self._stale or self._tasks or self._often is None or self._seldom is None:
            self._forget()
            self._stale = bool(self._tasks)  # while a callback awaits something, its group rests
            often: dict[str, list[_Entry]] = defaultdict(list)
            seldom: dict[str, list[_Entry]] = defaultdict(list)
            for node in self.get_nodes():
                for kind, entities in zip(
                    (*_KINDS, "waitable"), (node.timers, node.guards, node.subscriptions, node.clients, node.services, node.waitables), strict=True
                ):
                    for entity in filter(self.can_execute, entities):
                        rare = kind == "service" or isinstance(entity, EventHandler) or (kind == "subscription" and entity not in self._heard)
                        (seldom if rare else often)[kind].append(_Entry(entity, node, self._takers[kind]))
            self._often = _WaitSet(self._context, often, (self._guard, self._sigint_gc))
            self._seldom = _WaitSet(self._context, seldom)
        return self._often, self._seldom

    def _hear(self, ready: Sequence[_Entry]) -> None:
        for entry in ready:
            if entry.take == self._take_subscription:
                self._heard.add(entry.entity)
                self._stale = True

    def _forget(self) -> None:
        self._stale = True
        for wait_set in (self._often, self._seldom):
            if wait_set is not None:
                wait_set.close()
        self._often = self._seldom = None

    def _run(self, entry: _Entry) -> None:
        entity = entry.entity
        if not entity.callback_group.beginning_execution(entity):
            return
        finished = True
        try:
            call = entry.take(entity)
            if call is not None:
                coroutine = call()
                try:
                    coroutine.send(None)
                except StopIteration:
                    return
                finished = False
                self.create_task(self._finish(coroutine, entity))
        finally:
            if finished:
                entity.callback_group.ending_execution(entity)

    async def _finish(self, coroutine: Coroutine[Any, Any, None], entity: Any) -> None:
        """The rest of a callback that awaits something."""
        try:
            await _rest(coroutine)
        finally:
            entity.callback_group.ending_execution(entity)
            self.wake()

    def _step_tasks(self) -> bool:
        """Goes on with every task; whether one has ended."""
        with self._tasks_lock:
            tasks = list(self._tasks)
        for task, _, node in tasks:
            self.current = node
            task()
            if task.done():
                with self._tasks_lock:
                    self._tasks = [other for other in self._tasks if other[0] is not task]
                if task.exception() is not None:
                    raise task.exception()
        return any(task.done() for task, _, _ in tasks)


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, None]) -> Generator[None, None, None]:
    """Awaits a coroutine that has begun (`await` takes only one that has not)."""
    with suppress(StopIteration):
        while True:
            coroutine.send(None)
            yield
