"""When each message of a recording is due in real time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from heron_bag.errors import BagError
from heron_bag.reader import Bag


@dataclass(frozen=True)
class Pace:
    """Recorded time against the wall clock.

    Attributes:
        wall_ns: when recorded time `log_ns` is due. rate: recorded seconds per second.
    """

    wall_ns: int
    log_ns: int
    rate: float

    def due_ns(self, log_ns: int) -> int:
        """Wall time at which a message is due."""
        return self.wall_ns + round((log_ns - self.log_ns) / self.rate)

    def recorded_ns(self, wall_ns: int) -> int:
        """Recorded time at a moment."""
        return self.log_ns + round((wall_ns - self.wall_ns) * self.rate)


def chosen_topics(bag: Bag, patterns: Collection[str]) -> list[str]:
    """Topics of a recording that match a pattern.

    Raises:
        BagError: none does.
    """
    names = [name for name in bag.topics if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not names:
        raise BagError(f"{bag.path}: no topic matches {', '.join(patterns)} (it has {', '.join(bag.topics) or 'none'})")
    return names


def start_of(bag: Bag, start_s: float) -> int:
    """Log time `start_s` after the first message.

    Raises:
        BagError: the recording is shorter.
    """
    start_ns = bag.start_ns + round(start_s * 1e9)
    if start_ns > bag.end_ns:
        raise BagError(f"{bag.path}: is {(bag.end_ns - bag.start_ns) / 1e9:.3f} s long, nothing lies after {start_s} s")
    return start_ns


def timed(bag: Bag, topics: list[str], pace: Pace) -> Iterator[tuple[int, tuple[str, bytes]]]:
    """(due wall time, (topic, CDR)) of every message from the pace's start on."""
    for topic, _, log_ns, raw in bag.messages(topics, pace.log_ns):
        yield pace.due_ns(log_ns), (topic, bytes(raw))
