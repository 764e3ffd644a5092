"""Notices cameras that fall silent and cameras that return."""

from __future__ import annotations

from collections.abc import Iterable


class SilenceWatch:
    """Tells once when something is not heard of for too long, and once when it is heard again.

    Args:
        names: what to watch.
        limit_ns: silence longer than this is told.
        first_ns: the same before the first sign of life: cameras start up, and a recording's bus may begin before its images.
    """

    def __init__(self, names: Iterable[str], limit_ns: int, first_ns: int) -> None:
        self._limit_ns, self._first_ns = limit_ns, first_ns
        self._known: set[str] = set()
        self._heard_ns: dict[str, int | None] = dict.fromkeys(names)
        self._silent: set[str] = set()

    def heard(self, name: str, now_ns: int) -> bool:
        """Notes a sign of life; True when this ends a silence that was told."""
        self._heard_ns[name] = now_ns
        self._known.add(name)
        back = name in self._silent
        self._silent.discard(name)
        return back

    def newly_silent(self, now_ns: int) -> list[str]:
        """Names whose silence has just become too long. The first call starts the clock of those never heard."""
        told = []
        for name, heard_ns in self._heard_ns.items():
            if heard_ns is None or heard_ns > now_ns:  # never heard, or the clock went backwards
                self._heard_ns[name] = now_ns
            elif name not in self._silent and now_ns - heard_ns > (self._limit_ns if name in self._known else self._first_ns):
                self._silent.add(name)
                told.append(name)
        return told
