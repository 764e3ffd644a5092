"""What a component may ask of the world it runs in: the live ROS graph, or a deterministic lock-step scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

FeedItems = Iterable[tuple[int | None, Any]]


class Publisher(Protocol):
    """Publishes native messages on one topic."""

    topic: str

    def publish(self, message: Any) -> None:
        """Hands `message` (arrays read-only) to every reader: by reference in this process, as its ROS type outside."""

    def has_readers(self) -> bool:
        """Whether anybody listens, here or outside."""


class Worker(Protocol):
    """Runs one function on submitted items, off the executor, one at a time."""

    dropped: int

    def submit(self, item: Any) -> None:
        """Queues `item`; a newest-only worker replaces (and counts) the one that waits."""


class Host(Protocol):
    """The services behind `HeronNode`; see there for what each means to a component."""

    def now_ns(self) -> int:
        """The one clock."""

    def steady_ns(self) -> int:
        """A clock that only goes forward."""

    def advertise(self, topic: str) -> Publisher:
        """A publisher of the topic's native type."""

    def subscribe(self, topic: str, callback: Callable[[Any], None], outside: bool) -> None:
        """Calls back with native messages; see `HeronNode.subscribe`."""

    def every(self, period_ns: int, callback: Callable[[], None]) -> None:
        """Calls back periodically."""

    def feed(self, items: Callable[[], FeedItems], callback: Callable[[Any], None], done: Callable[[], None] | None) -> None:
        """Calls back with each item at its due time, then `done`."""

    def worker(self, stage: str, fn: Callable[[Any], Any], done: Callable[[Any], None], newest_only: bool, depth: int) -> Worker:
        """A thread of the component; see `HeronNode.worker`."""

    def post(self, callback: Callable[[], None]) -> None:
        """Runs `callback` in the executor thread."""

    def serve(self, name: str, service_type: Any, callback: Callable[[Any, Any], Any]) -> None:
        """A ROS service."""

    def publishers_of(self, topic: str) -> list[str]:
        """Full names of the nodes that publish `topic`, one entry per publisher."""

    def dropped(self) -> dict[str, int]:
        """Messages that each reader's queue lost, by topic."""

    def start(self) -> None:
        """Timers, feeds and workers come alive."""

    def pause(self) -> None:
        """They rest."""

    def stop(self) -> None:
        """Stops every thread; nothing is called back afterwards."""
