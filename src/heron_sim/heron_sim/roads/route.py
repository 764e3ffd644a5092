"""The way that the ego car is to go: a chain of lanes with a manoeuvre at each junction."""

from __future__ import annotations

from dataclasses import dataclass

from heron_sim.roads.line import Line
from heron_sim.roads.network import Manoeuvre


@dataclass(frozen=True)
class Turn:
    """A junction on the route: what to do there, and arc lengths on the route at which its connector begins and ends."""

    manoeuvre: Manoeuvre
    junction: int
    lane: int
    begin_m: float
    end_m: float


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

    def manoeuvre_at(self, s_m: float, ahead_m: float = 60.0) -> Manoeuvre:
        """What the instruction says at `s_m`: the next junction's manoeuvre from `ahead_m` before it until its end, else follow."""
        for turn in self.turns:
            if turn.begin_m - ahead_m <= s_m < turn.end_m:
                return turn.manoeuvre
        return Manoeuvre.FOLLOW
