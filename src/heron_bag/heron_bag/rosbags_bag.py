"""Recordings that `rosbags` reads for us: sqlite3 (db3), and those compressed as files or message by message."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import MessageDefinitionFormat
from rosbags.rosbag2 import Reader

from heron_bag.errors import BagError
from heron_bag.reader import Bag, Message, TopicInfo

_ENCODINGS = {MessageDefinitionFormat.MSG: "ros2msg", MessageDefinitionFormat.IDL: "ros2idl", MessageDefinitionFormat.NONE: ""}


class RosbagsBag(Bag):
    """A `Bag` over rosbags' reader; it has no attachments."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = Reader(path)
        try:
            self._reader.open()
        except Exception as error:  # rosbags, sqlite3 and zstd each raise their own
            raise BagError(f"{path}: {error}") from error
        self.warnings = []
        self.attachments = {}
        self.topics = {}
        for connection in sorted(self._reader.connections, key=lambda each: each.topic):
            before = self.topics.get(connection.topic)
            count = connection.msgcount + (before.count if before else 0)
            definition = connection.msgdef
            self.topics[connection.topic] = TopicInfo(connection.msgtype, count, _ENCODINGS[definition.format], definition.data)
        empty = self._reader.message_count == 0
        self.start_ns = 0 if empty else self._reader.start_time
        self.end_ns = 0 if empty else self._reader.end_time - 1

    def messages(self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[Message]:
        """See `Bag.messages`."""
        names = self._check_topics(topics)
        return self._read(names, start_ns, stop_ns)

    def _read(self, names: set[str], start_ns: int | None, stop_ns: int | None) -> Iterator[Message]:
        connections = [connection for connection in self._reader.connections if connection.topic in names]
        if not connections:
            return
        try:
            for connection, log_ns, raw in self._reader.messages(connections, start_ns, stop_ns):
                yield connection.topic, connection.msgtype, log_ns, memoryview(raw)
        except GeneratorExit:
            raise
        except Exception as error:  # a broken file: rosbags, sqlite3 and zstd each raise their own
            self.warnings.append(f"{self.path.name}: reading stopped early: {error}")
            raise BagError(f"{self.path}: reading stopped early: {error}") from error

    def log_times(self, topic: str) -> NDArray[np.int64]:
        """See `Bag.log_times`; db3 has no index, so all messages of the topic are read."""
        return np.sort(np.array([log_ns for _, _, log_ns, _ in self.messages([topic])], dtype=np.int64))

    @property
    def corrupt_chunks(self) -> int:
        """See `Bag.corrupt_chunks`."""
        return 0

    def close(self) -> None:
        """See `Bag.close`."""
        if self._reader.is_open:
            self._reader.close()
