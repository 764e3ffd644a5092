"""What is in a recording: topics, rates, gaps, drops, attachments, notes, from indexes alone; and what happened when Heron drove."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_bag.attachments import notes_of
from heron_bag.drive_log import DriveLog, drive_log
from heron_bag.reader import Bag, open_bag

GAP_PERIODS = 2.5
_MIN_FOR_RATE = 3


@dataclass(frozen=True)
class TopicReport:
    """One topic.

    Attributes:
        rate_hz: mean over the topic's own span; None with fewer than 3 messages.
        period_ms: median distance of two messages.
        gaps: distances of more than 2.5 periods. longest_gap_s: the longest distance.
        missing: messages that would have filled the gaps at the median period: dropped, or never sent.
    """

    name: str
    ros_type: str
    count: int
    rate_hz: float | None = None
    period_ms: float | None = None
    gaps: int = 0
    longest_gap_s: float = 0.0
    missing: int = 0


@dataclass(frozen=True)
class BagReport:
    """A recording; `drive` is None when nobody was driven."""

    path: str
    bytes: int
    start_ns: int
    duration_s: float
    messages: int
    topics: list[TopicReport]
    attachments: dict[str, int]
    notes: list[str]
    warnings: list[str]
    corrupt_chunks: int
    checked: bool
    drive: DriveLog | None = None

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def describe(path: Path, check: bool = False) -> BagReport:
    """The report of a recording; `check` reads all of it to find corrupt chunks.

    Raises:
        BagError: it cannot be read.
    """
    with open_bag(path) as bag:
        if check:
            for _ in bag.messages():
                pass
        topics = [_topic(bag, name) for name in bag.topics]
        drive = drive_log(bag)
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        return BagReport(
            path=str(path),
            bytes=sum(file.stat().st_size for file in files),
            start_ns=bag.start_ns,
            duration_s=(bag.end_ns - bag.start_ns) / 1e9,
            messages=sum(topic.count for topic in topics),
            topics=topics,
            attachments={name: len(data) for name, data in bag.attachments.items()},
            notes=notes_of(bag.attachments),
            warnings=list(bag.warnings),
            corrupt_chunks=bag.corrupt_chunks,
            checked=check,
            drive=drive,
        )


def _topic(bag: Bag, name: str) -> TopicReport:
    info = bag.topics[name]
    if info.count < _MIN_FOR_RATE:
        return TopicReport(name, info.ros_type, info.count)
    return TopicReport(name, info.ros_type, info.count, **rhythm(bag.log_times(name)))


def rhythm(times_ns: NDArray[np.int64]) -> dict[str, Any]:
    """Rate, period and gaps of sorted times, as the fields of `TopicReport`."""
    distances = np.diff(times_ns)
    distances = distances[distances > 0]
    if not len(distances):
        return {}
    period_ns = float(np.median(distances))
    wide = distances[distances > GAP_PERIODS * period_ns]
    return {
        "rate_hz": float((len(times_ns) - 1) / (times_ns[-1] - times_ns[0]) * 1e9),
        "period_ms": period_ns / 1e6,
        "gaps": len(wide),
        "longest_gap_s": float(distances.max() / 1e9),
        "missing": int(np.sum(np.round(wide / period_ns) - 1)),
    }
