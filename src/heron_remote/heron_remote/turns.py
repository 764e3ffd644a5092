"""Whom the server thinks for next: of each vehicle the newest request waits, and the vehicles take turns."""

from __future__ import annotations

import threading

from heron_remote.server import Job


class Turns:
    """A line in which each vehicle stands once. Any thread may use it.

    Attributes:
        displaced: requests that a newer one of the same vehicle replaced before anybody thought about them.
    """

    def __init__(self) -> None:
        self.displaced = 0
        self._line: dict[bytes, Job] = {}
        self._lock = threading.Lock()

    def put(self, job: Job) -> bool:
        """Takes a request; whether its vehicle joined the line. One that stood there keeps its place, with the newer request."""
        vehicle = job.opened.sender
        with self._lock:
            joined = vehicle not in self._line
            self.displaced += not joined
            self._line[vehicle] = job
        return joined

    def take(self) -> Job:
        """The request of the vehicle whose turn it is.

        Raises:
            StopIteration: nobody waits; `put` did not say so often that somebody joined.
        """
        with self._lock:
            return self._line.pop(next(iter(self._line)))
