"""The way that the ego car is to go: a chain of lanes with a manoeuvre at each junction."""

from __future__ import annotations

from dataclasses import dataclass

from heron_sim.roads.line import Line
from heron_sim.roads.network import Manoeuvre

TOLD_AHEAD_M = 60.0  # before a junction the instruction asks for its manoeuvre
CHANGE_AHEAD_M = 20.0  # and so long before the change of lane that it needs: two or three seconds of town traffic


@dataclass(frozen=True)
class Turn:
    """A junction on the route.

    Attributes:
        manoeuvre: what to do there.
        junction, lane: the junction, and the connector across it.
        begin_m, end_m: arc lengths on the route at which the connector begins and ends.
        change_m: arc length at which the car begins to change lane for it, or None.
    """

    manoeuvre: Manoeuvre
    junction: int
    lane: int
    begin_m: float
    end_m: float
    change_m: float | None = None

    @property
    def told_m(self) -> float:
        """Arc length from which the instruction asks for it: soon enough to change lane for it."""
        early = self.begin_m - TOLD_AHEAD_M
        return early if self.change_m is None else min(early, self.change_m - CHANGE_AHEAD_M)


@dataclass(frozen=True)
class Route:
    """A way from one place to another.

    Attributes:
        lanes: chain of lane ids, roads and connectors alternating as they come.
        starts_m: arc length on the route at which it enters each lane of the chain.
        line: the middle of the lanes, smooth (a lane change of the route is a smooth curve in it).
        turns: the junctions, in order.
        offsets_m: arc length on each lane at which the route enters it; not 0 on the first lane and after a change of lane. Empty: all 0.
    """

    lanes: tuple[int, ...]
    starts_m: tuple[float, ...]
    line: Line
    turns: tuple[Turn, ...]
    offsets_m: tuple[float, ...] = ()

    def lane_at(self, s_m: float) -> tuple[int, float]:
        """Lane id at arc length `s_m` of the route, and arc length on that lane."""
        index = 0
        for i, start in enumerate(self.starts_m):
            if start > s_m:
                break
            index = i
        return self.lanes[index], s_m - self.starts_m[index] + (self.offsets_m[index] if self.offsets_m else 0.0)

    def instructed_at(self, s_m: float) -> Manoeuvre:
        """What the instruction says at `s_m`: the next junction's manoeuvre from `Turn.told_m` on until its end, else follow."""
        for turn in self.turns:
            if turn.told_m <= s_m < turn.end_m:
                return turn.manoeuvre
        return Manoeuvre.FOLLOW

    def turning_at(self, s_m: float, ahead_m: float) -> Manoeuvre:
        """The manoeuvre of the junction that `s_m` is in, or that begins within `ahead_m`; else follow."""
        for turn in self.turns:
            if turn.begin_m - ahead_m <= s_m < turn.end_m:
                return turn.manoeuvre
        return Manoeuvre.FOLLOW
