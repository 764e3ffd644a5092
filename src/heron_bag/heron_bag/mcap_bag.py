"""A recording of one or more mcap files as a `Bag`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_bag.errors import BagError
from heron_bag.mcap_file import McapFile
from heron_bag.reader import Bag, Message, TopicInfo


class _Attachments(Mapping[str, bytes]):
    """Attachments of several files, read when asked for; the first file that has a name wins."""

    def __init__(self, files: Sequence[McapFile]) -> None:
        self._homes = {name: file for file in reversed(files) for name in file.attachments}

    def __getitem__(self, name: str) -> bytes:
        return self._homes[name].attachment(name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._homes))

    def __len__(self) -> int:
        return len(self._homes)


class McapBag(Bag):
    """Messages of all files merged by log time; chunks that overlap in time are held together, no more."""

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self.path = path
        self._files: list[McapFile] = []
        try:
            for file in files:
                self._files.append(McapFile(file))
        except BaseException:
            self.close()
            raise
        self.warnings = [warning for file in self._files for warning in file.warnings]
        self._reported = [len(file.warnings) for file in self._files]
        self.topics = self._find_topics()
        blocks = [block for file in self._files for block in file.blocks if block.counts]
        self.start_ns = min((block.start_ns for block in blocks), default=0)
        self.end_ns = max((block.end_ns for block in blocks), default=0)
        self.attachments = _Attachments(self._files)

    def _find_topics(self) -> dict[str, TopicInfo]:
        found: dict[str, TopicInfo] = {}
        for file in self._files:
            counts: dict[int, int] = {}
            for block in file.blocks:
                for channel_id, count in block.counts.items():
                    counts[channel_id] = counts.get(channel_id, 0) + count
            for channel in file.channels.values():
                schema = file.schemas.get(channel.schema_id)
                if channel.message_encoding != "cdr" or schema is None:
                    self.warnings.append(f"{file.path.name}: topic {channel.topic} is {channel.message_encoding!r}, not CDR; left out")
                    continue
                before = found.get(channel.topic)
                if before and before.ros_type != schema.name:
                    raise BagError(f"{file.path}: topic {channel.topic} has two types, {before.ros_type} and {schema.name}")
                count = counts.get(channel.id, 0) + (before.count if before else 0)
                found[channel.topic] = TopicInfo(schema.name, count, schema.encoding, schema.data.decode("utf-8", "replace"))
        return dict(sorted(found.items()))

    def messages(self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[Message]:
        """See `Bag.messages`."""
        names = self._check_topics(topics)
        return self._merged(names, 0 if start_ns is None else start_ns, (1 << 63) if stop_ns is None else stop_ns)

    def _merged(self, names: set[str], start_ns: int, stop_ns: int) -> Iterator[Message]:
        wanted = [frozenset(channel.id for channel in file.channels.values() if channel.topic in names) for file in self._files]
        blocks = sorted(
            (block.start_ns, number, order)
            for number, file in enumerate(self._files)
            for order, block in enumerate(file.blocks)
            if block.end_ns >= start_ns and block.start_ns < stop_ns and not wanted[number].isdisjoint(block.counts)
        )
        # One entry: log time, file, block, position in the block (these decide ties), topic, type, payload.
        pending: list[tuple[int, int, int, int, str, str, memoryview]] = []
        for block_start_ns, number, order in blocks:
            ready = bisect_left(pending, (block_start_ns,))
            for entry in pending[:ready]:
                yield entry[4], entry[5], entry[0], entry[6]
            file = self._files[number]
            names_of = {
                channel.id: (channel.topic, self.topics[channel.topic].ros_type) for channel in file.channels.values() if channel.topic in self.topics
            }
            pending = pending[ready:] + [
                (log_ns, number, order, position, *names_of[channel], raw)
                for position, (log_ns, channel, raw) in enumerate(file.messages(file.blocks[order], wanted[number]))
                if start_ns <= log_ns < stop_ns
            ]
            self._take_warnings()
            pending.sort()
        for entry in pending:
            yield entry[4], entry[5], entry[0], entry[6]

    def _take_warnings(self) -> None:
        for number, file in enumerate(self._files):
            self.warnings.extend(file.warnings[self._reported[number] :])
            self._reported[number] = len(file.warnings)

    def log_times(self, topic: str) -> NDArray[np.int64]:
        """See `Bag.log_times`."""
        self._check_topics([topic])
        parts = [file.log_times(channel.id) for file in self._files for channel in file.channels.values() if channel.topic == topic]
        return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)

    @property
    def corrupt_chunks(self) -> int:
        """See `Bag.corrupt_chunks`."""
        return sum(len(file.corrupt) for file in self._files)

    def close(self) -> None:
        """See `Bag.close`."""
        for file in self._files:
            file.close()
