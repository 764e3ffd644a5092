"""Chooses images while they stream by: for every time of a grid the nearest, holding one image per camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Picker(Generic[T]):
    """Of one camera.

    Args:
        grid: wanted times, rising, nanoseconds.
        reach_ns: an image further away from a time serves it not.
    """

    def __init__(self, grid: Sequence[int], reach_ns: int) -> None:
        self._grid, self._reach_ns = grid, reach_ns
        self._next = 0
        self._last: tuple[int, T] | None = None

    def offer(self, stamp_ns: int, image: T) -> tuple[int, T] | None:
        """Takes the next image, later than the last; the last one if a time of the grid wants it.

        Raises:
            ValueError: it is not later.
        """
        if self._last is not None and stamp_ns <= self._last[0]:
            raise ValueError(f"an image of {stamp_ns} ns comes after one of {self._last[0]} ns")
        found = self._decided(stamp_ns)
        self._last = stamp_ns, image
        return found

    def finish(self) -> tuple[int, T] | None:
        """The last image, if a time of the grid wants it."""
        found = self._decided(None)
        self._last = None
        return found

    def _decided(self, stamp_ns: int | None) -> tuple[int, T] | None:
        """The last image, if it is the nearest to some time: no later one comes than `stamp_ns`."""
        if self._last is None:
            return None
        last_ns, wanted = self._last[0], False
        while self._next < len(self._grid):
            at = self._grid[self._next]
            if stamp_ns is not None and at - last_ns > stamp_ns - at:
                break
            wanted |= abs(at - last_ns) <= self._reach_ns
            self._next += 1
        return self._last if wanted else None
