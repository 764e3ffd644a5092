"""Recording: a bounded queue in memory, and a thread that writes it out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from pathlib import Path

from heron_bag.attachments import PROVENANCE, policy_files, provenance, vehicle_files
from heron_bag.config import RecorderConfig
from heron_bag.definitions import schema_text
from heron_bag.errors import BagError, BagWriteError
from heron_bag.writer import BagWriter

Say = Callable[[str], None]
_JOIN_S = 6.0  # less than a container's shutdown_timeout_s


class Recorder:
    """Takes messages from any thread without blocking; a slow disk costs messages, counted, never time.

    Attributes:
        dropped: messages that found the queue full.
        error: why recording stopped, or None.

    Args:
        config: where to, and how.
        say: told, from the writing thread or a caller's, when recording falls behind or stops.

    Raises:
        BagError: the vehicle or policy folder is none. or the recording exists or cannot be made.
    """

    def __init__(self, config: RecorderConfig, say: Say) -> None:
        files = vehicle_files(Path(config.vehicle)) if config.vehicle else {}
        files |= policy_files(Path(config.policy)) if config.policy else {}
        self._limit = config.queue_bytes
        self._say = say
        self._queue: deque[Callable[[], None]] = deque()
        self._types: dict[str, str] = {}
        self._queued_bytes = 0
        self._ready = threading.Condition()
        self._stopping = False
        self._behind = False
        self.dropped = 0
        self.error: BagWriteError | None = None
        self._writer = BagWriter(Path(config.out), config.writer())
        for name, data in files.items():
            self._writer.attach(name, data)
        notes = [] if config.vehicle else ["recorded without a vehicle folder: no rig, DBC or limits are attached"]
        self._writer.attach(PROVENANCE, provenance("record", notes, {}))
        self._thread = threading.Thread(target=self._run, name="bag-writer", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> dict[str, int]:
        """Topic → messages handed to the file."""
        return dict(self._writer.counts)

    def add_topic(self, topic: str, ros_type: str, latched: bool) -> None:
        """Declares a topic; again with the same type does nothing.

        Raises:
            BagError: no definition of its type was found, or the topic was recorded with another type.
        """
        known = self._types.setdefault(topic, ros_type)
        if known != ros_type:
            raise BagError(f"topic {topic} is recorded as {known}; messages of type {ros_type} are not recorded")
        schema_text(ros_type)
        with self._ready:
            self._queue.append(lambda: self._writer.add_topic(topic, ros_type, latched=latched))

    def put(self, topic: str, log_ns: int, raw: bytes) -> bool:
        """Queues a message; False when it was dropped, or recording has stopped."""
        with self._ready:
            if self.error or self._stopping:
                return False
            if self._queued_bytes + len(raw) > self._limit:
                self.dropped += 1
                first, self._behind = not self._behind, True
            else:
                self._queue.append(lambda: self._write(topic, log_ns, raw))
                self._queued_bytes += len(raw)
                self._ready.notify()
                return True
        if first:
            self._say(f"recording falls behind: {self._limit >> 20} MiB wait for the disk, messages are dropped ({self.dropped} so far)")
        return False

    def close(self) -> None:
        """Writes what waits and the index; a failure is in `error`."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        self._thread.join(_JOIN_S)
        if self._thread.is_alive():
            self._say(f"recording could not be finished within {_JOIN_S:.0f} s: its last messages and its index may be missing")

    def _write(self, topic: str, log_ns: int, raw: bytes) -> None:
        self._writer.write(topic, log_ns, raw)
        with self._ready:
            self._queued_bytes -= len(raw)

    def _run(self) -> None:
        try:
            while True:
                with self._ready:
                    if not self._queue and not self._stopping:
                        self._ready.wait(0.5)
                    batch, stopping = list(self._queue), self._stopping
                    self._queue.clear()
                if batch:
                    for step in batch:
                        step()
                    self._caught_up()
                elif stopping:
                    break
                else:
                    self._writer.flush()  # slow topics reach the disk too
            self._writer.close()
        except Exception as error:  # whatever ends this thread ends the recording, and is said
            with self._ready:
                self.error = error if isinstance(error, BagWriteError) else BagWriteError(f"recording stopped: {type(error).__name__}: {error}")
                self._queue.clear()
            self._say(str(self.error))

    def _caught_up(self) -> None:
        with self._ready:
            if not self._behind or self._queued_bytes > self._limit // 2:
                return
            self._behind = False
        self._say(f"recording caught up; {self.dropped} messages were dropped so far")


def is_wanted(topic: str, patterns: Collection[str], exclude: Collection[str]) -> bool:
    """Whether a topic matches a pattern and none of those excluded."""
    return any(fnmatchcase(topic, pattern) for pattern in patterns) and not any(fnmatchcase(topic, pattern) for pattern in exclude)
