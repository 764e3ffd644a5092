"""Small messages of a stretch of a recording, held in memory: read once with the images, then taken apart by topic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_bag.reader import Bag, Message


class Excerpt(Bag):
    """A recording that holds what was added to it; what `heron_bag.native` reads, it reads from here too.

    Args:
        bag: that it is taken from, which knows the types.
    """

    def __init__(self, bag: Bag) -> None:
        self.path, self.topics, self.attachments, self.warnings = bag.path, bag.topics, bag.attachments, bag.warnings
        self.start_ns, self.end_ns = bag.start_ns, bag.end_ns
        self._bag = bag
        self._held: defaultdict[str, list[tuple[int, bytes]]] = defaultdict(list)

    def add(self, topic: str, log_ns: int, raw: memoryview) -> None:
        """Holds a copy: the view would keep its whole chunk, images and all."""
        self._held[topic].append((log_ns, bytes(raw)))

    def keep(self, topic: str, indices: NDArray[np.int64]) -> None:
        """Lets go of a topic's messages but those of these indices, in order of log time."""
        held = sorted(self._held[topic], key=lambda message: message[0])
        self._held[topic] = [held[index] for index in indices.tolist()]

    def messages(self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[Message]:
        """See `Bag.messages`."""
        low, high = start_ns or 0, (1 << 63) if stop_ns is None else stop_ns
        found = [
            (log_ns, topic, raw) for topic in sorted(self._check_topics(topics)) for log_ns, raw in self._held.get(topic, ()) if low <= log_ns < high
        ]
        found.sort(key=lambda each: each[0])
        return ((topic, self.topics[topic].ros_type, log_ns, memoryview(raw)) for log_ns, topic, raw in found)

    def log_times(self, topic: str) -> NDArray[np.int64]:
        """See `Bag.log_times`."""
        return np.array([log_ns for log_ns, _ in self._held.get(topic, ())], np.int64)

    def decode(self, ros_type: str, raw: bytes | memoryview) -> Any:
        """See `Bag.decode`."""
        return self._bag.decode(ros_type, raw)

    def fields(self, ros_type: str) -> list[tuple[str, Any]]:
        """See `Bag.fields`."""
        return self._bag.fields(ros_type)

    @property
    def corrupt_chunks(self) -> int:
        """See `Bag.corrupt_chunks`."""
        return self._bag.corrupt_chunks

    def close(self) -> None:
        """Lets go of what it holds."""
        self._held.clear()
