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

    def now_ns(self) -> int: ...

    def advertise(self, topic: str) -> Publisher: ...

    def subscribe(self, topic: str, callback: Callable[[Any], None]) -> None: ...

    def subscribe_raw(self, topic: str, ros_type: str, callback: Callable[[bytes, int], None]) -> None: ...

    def every(self, period_ns: int, callback: Callable[[], None]) -> None: ...

    def feed(self, items: Callable[[], FeedItems], callback: Callable[[Any], None], done: Callable[[], None] | None) -> None: ...

    def worker(self, stage: str, fn: Callable[[Any], Any], done: Callable[[Any], None], newest_only: bool, depth: int) -> Worker: ...

    def post(self, callback: Callable[[], None]) -> None: ...

    def serve(self, name: str, service_type: Any, callback: Callable[[Any, Any], Any]) -> None: ...

    def dropped(self) -> dict[str, int]: ...

    def start(self) -> None: ...

    def pause(self) -> None: ...

    def stop(self) -> None: ...
