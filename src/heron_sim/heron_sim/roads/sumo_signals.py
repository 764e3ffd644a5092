"""Heads of traffic lights and crossings of an imported network, placed from its lanes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from heron_sim.roads.curve import resampled
from heron_sim.roads.footprints import Distance
from heron_sim.roads.line import F64, Line
from heron_sim.roads.network import Crossing, Lamp, Lane, Manoeuvre, SignalHead
from heron_sim.roads.signals import HEAD_M, WALKERS_HEAD_M
from heron_sim.roads.sumo_file import NetFile

_FOOT_M = 1.5  # from the outer lane's edge to a mast
_FOOT_CLEAR_M, _FOOT_TRIES = 0.5, 30  # from the road to a mast at least; half metres that it is moved at most for that


def heads_of(lanes: tuple[Lane, ...], crossings: tuple[Crossing, ...], road: Distance, left_hand: bool) -> tuple[SignalHead, ...]:
    """One head over each lane with lamps, beyond the junction; two at each crossing with lamps."""
    heads = []
    for lane in lanes:
        across = [lanes[k] for k in lane.successors if lanes[k].signal is not None]
        if lane.junction is not None or not across:
            continue
        end = lane.line.at(lane.line.length_m)
        forward, side = (
            np.array([math.cos(end.yaw), math.sin(end.yaw)]),
            np.array([-math.sin(end.yaw), math.cos(end.yaw)]) * (1.0 if left_hand else -1.0),
        )
        beyond = max(float((connector.line.points[-1] - (end.x, end.y)) @ forward) for connector in across) + 0.5
        outer, at = 0, lane.left if left_hand else lane.right
        while at is not None:
            outer, at = outer + 1, (lanes[at].left if left_hand else lanes[at].right)
        groups: dict[int, float] = {}
        for connector in sorted(across, key=lambda c: c.turn is not Manoeuvre.STRAIGHT):
            groups.setdefault(int(connector.signal or 0), 0.7 * len(groups))
        for group, aside in groups.items():
            place = np.array([end.x, end.y]) + max(beyond, 12.0) * forward - aside * side
            foot = place + ((outer + 0.5) * lane.width_m + _FOOT_M + aside) * side
            foot = _beside(road, foot, (side, forward))
            yaw = math.remainder(end.yaw + math.pi, 2.0 * math.pi)
            heads.append(SignalHead(group, float(place[0]), float(place[1]), HEAD_M, yaw, float(foot[0]), float(foot[1])))
    for crossing in crossings:
        if crossing.signal is not None:
            for s, outwards in ((0.0, -1.0), (crossing.line.length_m, 1.0)):
                pose = crossing.line.at(s + outwards * 0.8)
                along, left = np.array([math.cos(pose.yaw), math.sin(pose.yaw)]), np.array([-math.sin(pose.yaw), math.cos(pose.yaw)])
                foot = _beside(road, np.array([pose.x, pose.y]) + 0.5 * crossing.width_m * left, (outwards * along,))
                x, y = float(foot[0]), float(foot[1])
                yaw = math.remainder(pose.yaw + (0.0 if outwards < 0.0 else math.pi), 2.0 * math.pi)
                heads.append(SignalHead(crossing.signal, x, y, WALKERS_HEAD_M, yaw, x, y, pedestrian=True))
    return tuple(heads)


def _beside(road: Distance, foot: F64, ways: tuple[F64, ...]) -> F64:
    """The first place from `foot` on, in half metres along one of `ways`, that lies off the road."""
    tries = (foot + 0.5 * k * way for k in range(_FOOT_TRIES) for way in ways)
    return next((place for place in tries if road.least(place[None]) > _FOOT_CLEAR_M), foot)


def crossings_of(
    net: NetFile, places: Callable[[F64], F64], lanes: tuple[Lane, ...], junctions: Mapping[str, int], first_group: int
) -> tuple[tuple[Crossing, ...], dict[int, tuple[int, tuple[Lamp, ...]]]]:
    """The crossings, and for each new group of walkers: its junction and what it shows in each phase of that junction's program."""
    found: list[Crossing] = []
    groups: dict[int, tuple[int, tuple[Lamp, ...]]] = {}
    ruled = {c.end[0]: c for c in net.connections if c.program and net.edges[c.end[0]].function == "crossing"}
    for edge in net.edges.values():
        if edge.function != "crossing":
            continue
        line = resampled(places(edge.lanes[0].shape))
        met = tuple((lane.id, s) for lane in lanes if (s := _meeting(lane.line, line)) is not None)
        signal, link, name = None, ruled.get(edge.id), edge.id[1:].rpartition("_")[0]
        if link is not None and name in junctions:
            signal = first_group + len(groups)
            phases = net.programs[link.program].phases
            groups[signal] = junctions[name], tuple(Lamp.GREEN if state[link.column] in "Gg" else Lamp.RED for _, state in phases)
        found.append(Crossing(len(found), line, edge.lanes[0].width_m, met, signal))
    return tuple(found), groups


def _meeting(lane: Line, walk: Line) -> float | None:
    """Arc length at which a lane crosses the walkers' line, or None."""
    gap = lane.points[:, None, :] - walk.points[None, :, :]
    squares = (gap**2).sum(axis=2)
    i, j = np.unravel_index(int(squares.argmin()), squares.shape)
    if squares[i, j] > 1.0:
        return None
    pose = walk.at(float(walk.s_m[j]))
    s, _ = lane.nearest(pose.x, pose.y)
    on = lane.at(s)
    # The foot on the lane lies beside the walkers' point; go along the lane until it lies on their line.
    across = -math.sin(pose.yaw) * (on.x - pose.x) + math.cos(pose.yaw) * (on.y - pose.y)
    lean = math.sin(on.yaw - pose.yaw)
    along = walk.nearest(on.x, on.y)[0]
    return s - across / lean if abs(lean) > 0.3 and 0.0 <= along <= walk.length_m else None
