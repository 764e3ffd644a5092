"""The executor of a container: single-threaded, cheap to wake, and it knows whose callback runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any, NamedTuple

from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation

_KINDS = ("timer", "guard_condition", "subscription", "client", "service")  # in the order in which they are served


class _Entry(NamedTuple):
    entity: Any
    node: Any
    take: Callable[[Any], Any]


class _WaitSet:
    """Everything that can wake the executor, gathered once. It keeps the handles alive until `close`."""

    def __init__(self, executor: ContainerExecutor) -> None:
        self._stack = ExitStack()
        self._handles: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
        self._entries: dict[str, dict[int, _Entry]] = {kind: {} for kind in _KINDS}
        self._waitables: list[_Entry] = []
        for node in executor.get_nodes():
            for kind, entities in zip(_KINDS, (node.timers, node.guards, node.subscriptions, node.clients, node.services), strict=True):
                for entity in entities:
                    if executor.can_execute(entity):
                        self._add(kind, entity.handle, _Entry(entity, node, executor.takers[kind]))
            for waitable in node.waitables:
                if executor.can_execute(waitable) and self._enter(waitable):
                    self._waitables.append(_Entry(waitable, node, executor.takers["waitable"]))
        for guard in executor.wakers():
            self._add("guard_condition", guard.handle, None)
        counts = [len(self._handles[kind]) for kind in ("subscription", "guard_condition", "timer", "client", "service")] + [0]
        for entry in self._waitables:
            n = entry.entity.get_num_entities()
            more = (n.num_subscriptions, n.num_guard_conditions, n.num_timers, n.num_clients, n.num_services, n.num_events)
            counts = [count + extra for count, extra in zip(counts, more, strict=True)]
        self._stack.enter_context(executor.context.handle)
        self._set = rclpy_implementation.WaitSet(*counts, executor.context.handle)
        self._adders = [
            (getattr(self._set, f"add_{kind}"), self._handles[kind]) for kind in ("subscription", "client", "service", "timer", "guard_condition")
        ]

    def wait(self, timeout_ns: int) -> list[_Entry]:
        """What is ready; empty after `timeout_ns` (negative: waits on), or when the executor was only woken."""
        self._set.clear_entities()
        for add, handles in self._adders:
            for handle in handles:
                add(handle)
        for entry in self._waitables:
            entry.entity.add_to_wait_set(self._set)
        self._set.wait(timeout_ns)
        ready = [entry for entry in self._waitables if entry.entity.is_ready(self._set)]
        for kind, entries in self._entries.items():
            ready += [entries[pointer] for pointer in self._set.get_ready_entities(kind) if pointer in entries]
        return ready

    def close(self) -> None:
        """Lets the handles go."""
        self._stack.close()

    def _add(self, kind: str, handle: Any, entry: _Entry | None) -> None:
        if self._enter(handle):
            self._handles[kind].append(handle)
            if entry is not None:
                self._entries[kind][handle.pointer] = entry

    def _enter(self, handle: Any) -> bool:
        try:
            self._stack.enter_context(handle)
        except InvalidHandle:  # destroyed meanwhile
            return False
        return True


class ContainerExecutor(SingleThreadedExecutor):  # type: ignore[misc]  # rclpy is untyped
    """rclpy's single-threaded executor with two things changed.

    It gathers what it waits for once, and again only when a node gains or loses something: the base class does so at every wake-up, which with four
    components (80 services, subscriptions and events) costs 1.5 ms, more than all their callbacks, and wakes itself once more after each callback.
    And `current` is the node whose callback runs, so that an exception has an owner.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.current: Any = None
        self.takers: dict[str, Callable[[Any], Any]] = {
            "timer": self._take_timer,
            "guard_condition": self._take_guard_condition,
            "subscription": self._take_subscription,
            "client": self._take_client,
            "service": self._take_service,
            "waitable": self._take_waitable,
        }
        self._ready: deque[_Entry] = deque()
        self._wait_set: _WaitSet | None = None
        self._stale = True

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Runs tasks, waits for anything to be ready, and runs all that is; what a callback raises is raised, the others stay for the next call."""
        if not self._ready:
            self._step_tasks()
            self._ready.extend(self._wait(timeout_sec))
        while self._ready:
            entry = self._ready.popleft()
            self.current = entry.node
            self._run(entry)

    def wakers(self) -> tuple[Any, ...]:
        """The guard conditions by which the executor itself is woken."""
        return (self._guard, self._sigint_gc)

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
        if self._stale or self._tasks or self._wait_set is None:  # with a callback that awaits, its group must rest
            self._stale = False
            self._forget()
            self._stale = bool(self._tasks)
            self._wait_set = _WaitSet(self)
        ready = self._wait_set.wait(-1 if timeout_sec is None else round(timeout_sec * 1e9))
        if not self._context.ok():
            raise ExternalShutdownException
        return ready

    def _forget(self) -> None:
        self._stale = True
        if self._wait_set is not None:
            self._wait_set.close()
            self._wait_set = None

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
            await coroutine
        finally:
            entity.callback_group.ending_execution(entity)
            self.wake()

    def _step_tasks(self) -> None:
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
