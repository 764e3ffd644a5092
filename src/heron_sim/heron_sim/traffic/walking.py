"""Where pedestrians walk: sidewalks, crossings and the few steps between them, as a graph."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.line import Line
from heron_sim.roads.network import RoadNetwork

F64 = NDArray[np.float64]
WAIT_BEHIND_KERB_M = 0.9
MEET_M = 0.6  # ends of sidewalks this near to each other are one place
REACH_M = 6.0  # from a crossing's end to the sidewalk that it belongs to


@dataclass(frozen=True)
class Way:
    """One edge of the graph.

    Attributes:
        line: from node `start` to node `end`.
        start, end: nodes.
        crossing: id of the crossing that it is, or -1. Walkers wait at both its ends, just behind the kerb.
        half_m: how far from the line walkers may be.
    """

    line: Line
    start: int
    end: int
    crossing: int = -1
    half_m: float = 0.6


@dataclass(frozen=True)
class WalkGraph:
    """Ways by id; `at` lists the ways that meet at each node."""

    ways: tuple[Way, ...]
    at: tuple[tuple[int, ...], ...]


def walk_graph(network: RoadNetwork) -> WalkGraph:
    """Joins the network's sidewalks and crossings."""
    return _Builder().build(network)


class _Builder:
    def __init__(self) -> None:
        self._nodes: list[tuple[float, float]] = []
        self._ways: list[Way] = []

    def build(self, network: RoadNetwork) -> WalkGraph:
        cuts: list[list[tuple[float, int]]] = [[] for _ in network.sidewalks]
        for crossing in network.crossings:
            self._cross(network.sidewalks, crossing.id, crossing.line, crossing.width_m, cuts)
        for sidewalk, at in zip(network.sidewalks, cuts, strict=True):
            self._walk(sidewalk, sorted(at))
        meets: list[list[int]] = [[] for _ in self._nodes]
        for index, way in enumerate(self._ways):
            meets[way.start].append(index)
            meets[way.end].append(index)
        return WalkGraph(tuple(self._ways), tuple(tuple(found) for found in meets))

    def _node(self, x: float, y: float, reach_m: float) -> int:
        for index, (a, b) in enumerate(self._nodes):
            if abs(x - a) < reach_m and math.hypot(x - a, y - b) < reach_m:
                return index
        self._nodes.append((x, y))
        return len(self._nodes) - 1

    def _cross(self, sidewalks: tuple[Line, ...], crossing: int, line: Line, width_m: float, cuts: list[list[tuple[float, int]]]) -> None:
        """A crossing, the steps from both its ends to the nearest sidewalk, and where those meet it."""
        poses = line.poses(np.array([-WAIT_BEHIND_KERB_M, line.length_m + WAIT_BEHIND_KERB_M]))
        ends = []
        for x, y, _ in poses:
            self._nodes.append((float(x), float(y)))
            ends.append(len(self._nodes) - 1)
            near = [(index, sidewalk) for index, sidewalk in enumerate(sidewalks) if sidewalk.within(float(x), float(y), REACH_M)]
            found = [(abs(sidewalk.nearest(float(x), float(y))[1]), index) for index, sidewalk in near]
            if found and min(found)[0] < REACH_M:
                index = min(found)[1]
                s = sidewalks[index].nearest(float(x), float(y))[0]
                foot = sidewalks[index].at(s)
                node = self._node(foot.x, foot.y, 0.3)
                cuts[index].append((s, node))
                if node != ends[-1] and math.hypot(foot.x - x, foot.y - y) > 0.05:
                    self._ways.append(Way(Line(np.array([[foot.x, foot.y], [x, y]])), node, ends[-1], half_m=width_m / 2.0 - 0.4))
        points = np.concatenate([poses[:1, :2], line.points, poses[1:, :2]])
        self._ways.append(Way(Line(points), ends[0], ends[1], crossing, width_m / 2.0 - 0.4))

    def _walk(self, sidewalk: Line, cuts: list[tuple[float, int]]) -> None:
        """A sidewalk in pieces between its cuts."""
        first, last = sidewalk.points[0], sidewalk.points[-1]
        stops = [(0.0, self._node(float(first[0]), float(first[1]), MEET_M)), *cuts]
        stops.append((sidewalk.length_m, self._node(float(last[0]), float(last[1]), MEET_M)))
        for (s0, a), (s1, b) in itertools.pairwise(stops):
            if s1 - s0 < 0.3 or a == b:
                continue
            inner = sidewalk.s_m[(sidewalk.s_m > s0 + 0.05) & (sidewalk.s_m < s1 - 0.05)]
            where = np.concatenate([[s0], inner, [s1]])
            self._ways.append(Way(Line(sidewalk.poses(where)[:, :2]), a, b))
