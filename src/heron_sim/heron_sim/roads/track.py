"""Puts a route together, lane by lane: its points, and where on them each lane begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.line import Line
from heron_sim.roads.network import Lane
from heron_sim.roads.route import Route, Turn

CHANGE_MARGIN_M = 8.0  # after a junction, and before the stop line
CHANGE_LONGEST_M = 60.0


class Track:
    """Points of a route while it is put together.

    Attributes:
        points: (x, y) so far.
        lanes, begins, offsets: chain of lanes, index of the point at which each begins, arc length on the lane there.
    """

    def __init__(self, network_lanes: tuple[Lane, ...]) -> None:
        self._all = network_lanes
        self.points: list[tuple[float, float]] = []
        self.lanes: list[int] = []
        self.begins: list[int] = []
        self.offsets: list[float] = []

    def _add(self, points: NDArray[Any]) -> int:
        """Appends points; the index of the first of them (the last one before, if they begin there)."""
        begin = max(len(self.points) - 1, 0)
        for x, y in points.tolist():
            if not self.points or math.hypot(x - self.points[-1][0], y - self.points[-1][1]) > 0.02:
                self.points.append((x, y))
        return begin

    def lane(self, lane: int, start_m: float = 0.0) -> int:
        """A whole lane, from `start_m` on; the index of its first point."""
        line = self._all[lane].line
        if start_m > 0.0:
            at = np.concatenate([[start_m], line.s_m[line.s_m > start_m + 0.05]])
            begin = self._add(line.poses(at)[:, :2])
        else:
            begin = self._add(line.points)
        self._enter(lane, begin, start_m)
        return begin

    def street(self, lane: int, leave: int, start_m: float) -> int | None:
        """A street entered on one lane and left on another, with a smooth change in between; the index of the point where it begins, or None."""
        if lane == leave:
            self.lane(lane, start_m)
            return None
        one, two = self._all[lane], self._all[leave]
        room = min(each.line.length_m if each.stop_s_m is None else each.stop_s_m for each in (one, two))
        low, high = start_m + CHANGE_MARGIN_M, room - CHANGE_MARGIN_M
        length = min(high - low, CHANGE_LONGEST_M * max(1, abs(self._changes(lane, leave))))
        low += (high - low - length) / 2.0
        at = np.concatenate([[start_m], one.line.s_m[one.line.s_m > start_m + 0.05]])
        u = np.clip((at - low) / length, 0.0, 1.0)
        share = (u**3 * (10.0 - 15.0 * u + 6.0 * u**2))[:, None]
        other = two.line.poses(at * (two.line.length_m / one.line.length_m))[:, :2]
        begin = self._add((1.0 - share) * one.line.poses(at)[:, :2] + share * other)
        half = int(np.argmax(u >= 0.5))
        self._enter(lane, begin, start_m)
        self._enter(leave, begin + half, float(at[half] * two.line.length_m / one.line.length_m))
        return begin + int(np.argmax(u > 0.0))

    def line(self) -> Line:
        """Of all points so far."""
        return Line(np.array(self.points))

    def route(self, line: Line, turns: Sequence[Turn]) -> Route:
        """What was put together, with its `line()` and the junctions on it."""
        return Route(tuple(self.lanes), tuple(float(line.s_m[k]) for k in self.begins), line, tuple(turns), tuple(self.offsets))

    def _changes(self, lane: int, leave: int) -> int:
        for side, sign in (("left", 1), ("right", -1)):
            count, at = 0, lane
            while at is not None and at != leave:
                at, count = getattr(self._all[at], side), count + 1
            if at == leave:
                return sign * count
        raise ValueError(f"lanes {lane} and {leave} do not lie beside each other")

    def _enter(self, lane: int, begin: int, offset_m: float) -> None:
        self.lanes.append(lane)
        self.begins.append(begin)
        self.offsets.append(offset_m)
