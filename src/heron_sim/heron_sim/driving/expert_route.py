"""What a driver knows of the route before driving it: speed limits, stop lines, crossings, and where other ways meet it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.network import Crossing, Lane, Manoeuvre, RoadNetwork
from heron_sim.roads.route import Route, Turn

F64 = NDArray[np.float64]

GRID_M = 0.5
CURVATURE_WINDOW_M = 3.0  # a polyline's curvature is rough from point to point
LATERAL_ACCEL_MPS2 = 1.7
SLOW_DOWN_MPS2 = 1.2  # before curves and lower limits
LOWEST_MPS = 2.0
GIVE_WAY_MPS, FRONT_M = 5.5, 3.7  # over the line of a junction where others have priority; before base_link
LIMIT_SHARE = 0.97  # of the speed limit: a speedometer and a controller err
CONFLICT_M = 2.6  # between the middles of two ways: two cars abreast, and some room
UPSTREAM_M = 90.0
AHEAD_OF_LINE_M = 12.0  # a stop line lies at most so far before its junction


@dataclass(frozen=True)
class Gate:
    """The entry of a junction on the route.

    Attributes:
        index: in the order of the route.
        turn: the junction.
        stop_m: of the stop line; without one, where the connector begins.
        end_m: where the connector ends.
        group: signal group that rules the entry, or None.
        yields: some way has priority here.
    """

    index: int
    turn: Turn
    stop_m: float
    end_m: float
    group: int | None
    yields: bool


@dataclass(frozen=True)
class Conflict:
    """A stretch of the route that another connector of the same junction meets.

    Attributes:
        gate: index of the junction's gate.
        lane: the other connector.
        begin_m, end_m: arc lengths on the route.
        other_begin_m, other_end_m: arc lengths on the other connector.
        yields: the other one has priority.
        merges: both lead to the same lane.
        group: signal group of the other connector, or None.
        other_turn: its manoeuvre.
    """

    gate: int
    lane: int
    begin_m: float
    end_m: float
    other_begin_m: float
    other_end_m: float
    yields: bool
    merges: bool
    group: int | None
    other_turn: Manoeuvre


@dataclass(frozen=True)
class Upstream:
    """A lane that leads into a conflict: `offset_m` is the way from its begin to the begin of the other connector (0 for that connector itself)."""

    conflict: int
    offset_m: float
    stop_m: float | None


@dataclass(frozen=True)
class Walk:
    """A crossing on the route.

    Attributes:
        crossing: of the network.
        at_m: arc length of the route at its middle.
        half_m: half its extent along the route.
        across_m: arc length on the walkers' line at which the route crosses it.
        gate: index of the junction's gate that it belongs to, or -1.
    """

    crossing: Crossing
    at_m: float
    half_m: float
    across_m: float
    gate: int


class RouteMap:
    """The route with all that stands beside it and does not move.

    Attributes:
        s_m, x_m, y_m, yaw_rad, curvature_per_m: (n,) samples of its line, `GRID_M` apart; yaw unwrapped.
        limit_mps: (n,) speed to have at each sample with an empty road: limits, curves, and slowing down before them.
        gates, conflicts, walks: in order of the route.
        upstream: lane id → the conflicts that its vehicles come to.
        end_m: of the route.
    """

    def __init__(self, network: RoadNetwork, route: Route) -> None:
        self.network, self.route = network, route
        self.end_m = route.line.length_m
        count = int(self.end_m / GRID_M) + 1
        self.s_m: F64 = np.arange(count) * GRID_M
        poses = route.line.poses(self.s_m)
        self.x_m, self.y_m, self.yaw_rad = (np.ascontiguousarray(poses[:, i]) for i in range(3))
        window = max(int(CURVATURE_WINDOW_M / GRID_M) // 2, 1)
        ends = np.clip(np.arange(count)[:, None] + np.array([-window, window]), 0, count - 1)
        self.curvature_per_m: F64 = (self.yaw_rad[ends[:, 1]] - self.yaw_rad[ends[:, 0]]) / np.maximum(
            self.s_m[ends[:, 1]] - self.s_m[ends[:, 0]], 1e-6
        )
        offsets = route.offsets_m or (0.0,) * len(route.lanes)
        self._zeros_m = tuple(start - offset for start, offset in zip(route.starts_m, offsets, strict=True))
        self.gates = tuple(self._gate(i, turn) for i, turn in enumerate(route.turns))
        self.limit_mps = self._limits()
        self.conflicts = tuple(found for gate in self.gates for found in self._conflicts_of(gate))
        self.upstream: dict[int, list[Upstream]] = {}
        for index, conflict in enumerate(self.conflicts):
            self._walk_upstream(index, conflict)
        self.walks = self._walks()

    def _limits(self) -> F64:
        starts = np.array(self.route.starts_m)
        lane_of = np.clip(np.searchsorted(starts, self.s_m, side="right") - 1, 0, len(starts) - 1)
        allowed = np.array([self.network.lanes[lane].speed_limit_mps for lane in self.route.lanes])[lane_of] * LIMIT_SHARE
        bend = np.sqrt(LATERAL_ACCEL_MPS2 / np.maximum(np.abs(self.curvature_per_m), 1e-4))
        for gate in self.gates:
            if gate.yields and gate.group is None:
                allowed[(self.s_m > gate.stop_m - FRONT_M) & (self.s_m < gate.turn.begin_m)] = GIVE_WAY_MPS
        square = np.maximum(np.minimum(allowed, bend), LOWEST_MPS) ** 2
        lifted = square + 2.0 * SLOW_DOWN_MPS2 * self.s_m  # braking evenly, speed² falls by a straight line over the way
        found: F64 = np.sqrt(np.minimum.accumulate(lifted[::-1])[::-1] - 2.0 * SLOW_DOWN_MPS2 * self.s_m)
        return found

    def _gate(self, index: int, turn: Turn) -> Gate:
        lane = self.network.lanes[turn.lane]
        stop_m = turn.begin_m
        entries = list(zip(self.route.lanes, self.route.starts_m, self._zeros_m, strict=True))
        for before, here in pairwise(entries):
            line_m = self.network.lanes[before[0]].stop_s_m
            if here[0] == turn.lane and abs(here[1] - turn.begin_m) < 1.0 and line_m is not None:
                stop_m = before[2] + line_m
        return Gate(index, turn, stop_m, turn.end_m, lane.signal, bool(lane.yields_to))

    def _conflicts_of(self, gate: Gate) -> list[Conflict]:
        lanes, mine = self.network.lanes, self.network.lanes[gate.turn.lane]
        found = []
        for other_id in sorted({*mine.crosses, *mine.yields_to}):
            other = lanes[other_id]
            if set(other.predecessors) & set(mine.predecessors):
                continue  # whoever leaves the same lane drives ahead or behind
            zone = _meeting(mine, other)
            if zone is None:
                continue
            merges = bool(set(other.successors) & set(mine.successors))
            scale = (gate.end_m - gate.turn.begin_m) / mine.line.length_m
            begin, end = gate.turn.begin_m + zone[0] * scale, gate.turn.begin_m + zone[1] * scale
            yields = other_id in mine.yields_to
            found.append(Conflict(gate.index, other_id, begin, end, zone[2], zone[3], yields, merges, other.signal, other.turn))
        return found

    def _walk_upstream(self, index: int, conflict: Conflict) -> None:
        lanes = self.network.lanes
        todo = [(conflict.lane, 0.0)]
        seen = {conflict.lane}
        while todo:
            lane_id, offset = todo.pop(0)
            lane = lanes[lane_id]
            self.upstream.setdefault(lane_id, []).append(Upstream(index, offset, lane.stop_s_m))
            for before in lane.predecessors:
                far = offset + lanes[before].line.length_m
                if before not in seen and offset < UPSTREAM_M:
                    seen.add(before)
                    todo.append((before, far))

    def _walks(self) -> tuple[Walk, ...]:
        found = []
        for crossing in self.network.crossings:
            for lane_id, at in crossing.lanes:
                for each, start, zero in zip(self.route.lanes, self.route.starts_m, self._zeros_m, strict=True):
                    if each != lane_id or zero + at < start - 1.0:
                        continue
                    place = self.route.line.at(zero + at)
                    across, _ = crossing.line.nearest(place.x, place.y)
                    gates = [gate.index for gate in self.gates if gate.stop_m - 1.0 <= zero + at <= gate.end_m + AHEAD_OF_LINE_M]
                    found.append(Walk(crossing, zero + at, crossing.width_m / 2.0, across, gates[0] if gates else -1))
        return tuple(sorted(found, key=lambda walk: (walk.at_m, walk.crossing.id)))


def _meeting(mine: Lane, other: Lane) -> tuple[float, float, float, float] | None:
    """First and last arc length on each of two connectors where they are closer than `CONFLICT_M`; None: nowhere."""
    grids = [np.append(np.arange(0.0, lane.line.length_m, 0.5), lane.line.length_m) for lane in (mine, other)]
    here, there = mine.line.poses(grids[0])[:, :2], other.line.poses(grids[1])[:, :2]
    near = ((here[:, None, :] - there[None, :, :]) ** 2).sum(axis=2) < CONFLICT_M**2
    on_mine, on_other = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    if not len(on_mine):
        return None
    return float(grids[0][on_mine[0]]), float(grids[0][on_mine[-1]]), float(grids[1][on_other[0]]), float(grids[1][on_other[-1]])
