"""What two recordings must share to be called equal."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from pathlib import Path

from heron_bag.reader import Message, open_bag

_STAMP = struct.Struct("<q")


def bag_digest(recording: Path | str | Iterable[Message]) -> str:
    """SHA-256 over (topic, log time, payload) in sorted order, as hex; a path, or messages in order of log time.

    Topics are independent: each has its own running hash (time, payload hash), and ties in time are sorted by payload hash, so memory does
    not grow with the recording and the order in which topics were interleaved does not count.
    """
    if isinstance(recording, (str, Path)):
        with open_bag(recording) as bag:
            return bag_digest(bag.messages())
    topics: dict[str, _TopicDigest] = {}
    for topic, _, log_ns, raw in recording:
        topics.setdefault(topic, _TopicDigest()).add(log_ns, raw)
    total = hashlib.sha256()
    for topic in sorted(topics):
        total.update(topic.encode() + b"\0" + topics[topic].finish())
    return total.hexdigest()


class _TopicDigest:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._log_ns = 0
        self._ties: list[bytes] = []

    def add(self, log_ns: int, raw: bytes | memoryview) -> None:
        if log_ns != self._log_ns:
            if log_ns < self._log_ns:
                raise ValueError(f"messages are not in order of time: {log_ns} after {self._log_ns}")
            self._flush()
            self._log_ns = log_ns
        self._ties.append(hashlib.sha256(raw).digest())

    def _flush(self) -> None:
        for payload in sorted(self._ties):
            self._hash.update(_STAMP.pack(self._log_ns) + payload)
        self._ties.clear()

    def finish(self) -> bytes:
        self._flush()
        return self._hash.digest()
