"""Lays lanes along streets and connectors across junctions, and decides who waits for whom."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from heron_sim.roads.curve import joined, part
from heron_sim.roads.layout import Layout
from heron_sim.roads.line import F64, Line
from heron_sim.roads.mouths import Arm, span
from heron_sim.roads.network import Lane, Manoeuvre

CONNECTOR_CURVATURE = 0.13  # 1/m: the demonstration car turns 0.24; at 4.5 m/s this is 2.6 m/s² to the side
CLEARANCE_M = 2.4  # connectors whose middles come nearer than this meet
_SIDE_ACCEL = 2.0  # m/s²: speed of turns


@dataclass
class Draft:
    """Lanes while they are laid, and where they belong; traffic keeps left.

    Attributes:
        lanes: so far.
        arriving, leaving: (street, at its end) → lanes towards and away from the junction there, from the kerb inwards.
        arm_of: connector → (arm it comes from, arm it goes to), indices of its junction's arms.
    """

    lanes: list[Lane] = field(default_factory=list)
    arriving: dict[tuple[int, bool], tuple[int, ...]] = field(default_factory=dict)
    leaving: dict[tuple[int, bool], tuple[int, ...]] = field(default_factory=dict)
    arm_of: dict[int, tuple[int, int]] = field(default_factory=dict)

    def change(self, lane: int, **values: object) -> None:
        """Replaces attributes of a lane."""
        self.lanes[lane] = replace(self.lanes[lane], **values)  # type: ignore[arg-type]


def lay_streets(layout: Layout, arms: list[list[Arm]]) -> Draft:
    """The lanes of all streets, between their mouths."""
    draft, at = Draft(), {(arm.street, arm.at_end): arm for around in arms for arm in around}
    for index, street in enumerate(layout.streets):
        begin, end = span(street, at, index)
        for backwards in (False, True):
            ids = tuple(range(len(draft.lanes), len(draft.lanes) + street.lanes))
            for k, lane in enumerate(ids):
                side = (street.lanes - k - 0.5) * street.lane_m
                line = part(street.centre, end, begin, -side) if backwards else part(street.centre, begin, end, side)
                # `part` keeps the side of `centre`; driving backwards its own left is the other one.
                arm = at.get((index, not backwards))
                draft.lanes.append(
                    Lane(
                        lane,
                        line,
                        street.lane_m,
                        street.speed_mps,
                        left=lane - 1 if k > 0 else None,
                        right=lane + 1 if k + 1 < street.lanes else None,
                        stop_s_m=line.length_m - arm.stop_m if arm else None,
                    )
                )
            draft.arriving[(index, not backwards)] = ids
            draft.leaving[(index, backwards)] = ids
    return draft


def turn_of(first: Arm, second: Arm) -> Manoeuvre:
    """What a driver who comes in along `first` and leaves along `second` does."""
    angle = math.remainder(second.yaw_rad - first.yaw_rad - math.pi, 2.0 * math.pi)
    if abs(angle) < math.radians(40.0):
        return Manoeuvre.STRAIGHT
    return Manoeuvre.LEFT if angle > 0.0 else Manoeuvre.RIGHT


def lay_connectors(draft: Draft, node: int, arms: list[Arm]) -> tuple[int, ...]:
    """Connectors of one junction: left from the lane at the kerb, right from the innermost, straight on from each that has a lane opposite."""
    ids = []
    for i, first in enumerate(arms):
        come = draft.arriving[(first.street, first.at_end)]
        for j, second in enumerate(arms):
            if i == j:
                continue
            go, turn = draft.leaving[(second.street, second.at_end)], turn_of(first, second)
            pairs = {Manoeuvre.LEFT: [(come[0], go[0])], Manoeuvre.RIGHT: [(come[-1], go[-1])]}.get(turn, list(zip(come, go, strict=False)))
            for start, end in pairs:
                ids.append(_connect(draft, node, start, end, turn))
                draft.arm_of[ids[-1]] = (i, j)
    for start in sorted({lane for arm in arms for lane in draft.arriving[(arm.street, arm.at_end)]}):
        if not draft.lanes[start].successors:  # a lane that only goes straight where there is no straight on: turn with the others
            raise ValueError(f"lane {start} has no way across junction {node}")
    return tuple(ids)


def _connect(draft: Draft, node: int, start: int, end: int, turn: Manoeuvre) -> int:
    one, two, new = draft.lanes[start], draft.lanes[end], len(draft.lanes)
    p, q = one.line.at(one.line.length_m), two.line.at(0.0)
    line, sharpest = joined((p.x, p.y, p.yaw), (q.x, q.y, q.yaw), CONNECTOR_CURVATURE)
    speed = min(one.speed_limit_mps, two.speed_limit_mps, math.sqrt(_SIDE_ACCEL / max(sharpest, 1e-6)))
    draft.lanes.append(Lane(new, line, min(one.width_m, two.width_m), speed, (end,), (start,), junction=node, turn=turn))
    draft.change(start, successors=(*one.successors, new))
    draft.change(end, predecessors=(*two.predecessors, new))
    return new


def near(one: Line, two: Line) -> float:
    """Least distance between the points of two lines, metres."""
    gaps: F64 = one.points[:, None, :] - two.points[None, :, :]
    return float(np.sqrt((gaps**2).sum(axis=2).min()))


def settle(draft: Draft, ids: tuple[int, ...], arms: list[Arm], main: frozenset[int], signals: bool) -> None:
    """Decides which connectors of a junction meet (`crosses`) and which of two has to wait (`yields_to`).

    Where they meet, the side street waits for the main one (with signals nobody does: they never have green together).
    Of the same standing, who turns across the oncoming lane waits; then who turns; then the one that is laid later.

    Args:
        draft: changed.
        ids: the junction's connectors.
        arms: its arms.
        main: streets with priority.
        signals: lamps separate the main streets from the others.
    """
    rank = {Manoeuvre.STRAIGHT: 0, Manoeuvre.FOLLOW: 0, Manoeuvre.LEFT: 1, Manoeuvre.RIGHT: 2}
    crosses: dict[int, list[int]] = {lane: [] for lane in ids}
    yields: dict[int, list[int]] = {lane: [] for lane in ids}
    for n, one in enumerate(ids):
        for two in ids[n + 1 :]:
            a, b = draft.lanes[one], draft.lanes[two]
            if a.predecessors == b.predecessors or (a.successors != b.successors and near(a.line, b.line) >= CLEARANCE_M):
                continue
            crosses[one].append(two)
            crosses[two].append(one)
            from_a, from_b = draft.arm_of[one][0], draft.arm_of[two][0]
            side_a, side_b = (arms[k].street not in main for k in (from_a, from_b))
            if side_a != side_b and signals:
                continue
            keys = [(side, rank[lane.turn], lane.id) for side, lane in ((side_a, a), (side_b, b))]
            waits, goes = (one, two) if keys[0] > keys[1] else (two, one)
            yields[waits].append(goes)
    for lane in ids:
        draft.change(lane, crosses=tuple(crosses[lane]), yields_to=tuple(yields[lane]))
