"""Turns a plan of streets and junctions into a road network."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from heron_sim.roads.curve import band, part
from heron_sim.roads.lanes import Draft, lay_connectors, lay_streets, settle
from heron_sim.roads.layout import Layout
from heron_sim.roads.line import F64, Line
from heron_sim.roads.mouths import Arm, arms_of, outline, rounding, span
from heron_sim.roads.network import Crossing, Junction, RoadNetwork, SignalHead
from heron_sim.roads.signals import groups_of, heads_of, program_of

_OVERLAP_M = 0.3  # of a street's carriageway with what follows


@dataclass(frozen=True)
class Built:
    """A network (traffic keeps left) and the plan that it came from.

    Attributes:
        network, layout: both.
        arms: of each junction.
        spans: of each street: arc lengths of its middle between its mouths.
    """

    network: RoadNetwork
    layout: Layout
    arms: tuple[tuple[Arm, ...], ...]
    spans: tuple[tuple[float, float], ...]


def build(layout: Layout) -> Built:
    """The network of a plan."""
    arms = [arms_of(layout, node) for node in range(len(layout.nodes))]
    at = {(arm.street, arm.at_end): arm for around in arms for arm in around}
    draft = lay_streets(layout, arms)
    junctions: list[Junction] = []
    heads: list[SignalHead] = []
    groups: dict[int, int] = {}
    crossings: list[Crossing] = []
    for index, node in enumerate(layout.nodes):
        ids = lay_connectors(draft, index, arms[index])
        main = frozenset(node.main)
        settle(draft, ids, arms[index], main, node.signals)
        first = len(groups)
        of_arms = groups_of(first, arms[index], main)
        if node.signals:
            groups.update({first + k: index for k in range(4)})
            heads += heads_of(layout, draft, index, arms[index], of_arms)
            for lane in ids:
                draft.change(lane, signal=of_arms[draft.arm_of[lane][0]][0])
        program = program_of(first, node.offset_s, node.green_s) if node.signals else None
        junctions.append(Junction(index, node.x_m, node.y_m, ids, program))
        crossings += _crossings(layout, draft, arms[index], of_arms, node.signals, len(crossings))
    spans = tuple(span(street, at, index) for index, street in enumerate(layout.streets))
    crossings += _between_junctions(layout, draft, spans, len(crossings))
    network = RoadNetwork(
        tuple(draft.lanes),
        tuple(junctions),
        tuple(crossings),
        tuple(heads),
        groups,
        _sidewalks(layout, arms, spans),
        _drivable(layout, arms, spans),
    )
    return Built(network, layout, tuple(tuple(around) for around in arms), spans)


def _crossings(layout: Layout, draft: Draft, arms: list[Arm], groups: list[tuple[int, int]], signals: bool, first: int) -> list[Crossing]:
    found: list[Crossing] = []
    for arm, (_, walkers) in zip(arms, groups, strict=True):
        if arm.crossing:
            centre = layout.streets[arm.street].centre
            s = arm.mouth_m + arm.crossing_m
            found.append(
                _crossing(layout, draft, arm.street, centre.length_m - s if arm.at_end else s, first + len(found), walkers if signals else None)
            )
    return found


def _between_junctions(layout: Layout, draft: Draft, spans: tuple[tuple[float, float], ...], first: int) -> list[Crossing]:
    found: list[Crossing] = []
    for index, street in enumerate(layout.streets):
        if street.crossing_m is not None:
            found.append(_crossing(layout, draft, index, street.crossing_m, first + len(found), None))
    return found


def _crossing(layout: Layout, draft: Draft, street: int, s_m: float, identity: int, signal: int | None) -> Crossing:
    plan = layout.streets[street]
    here = plan.centre.at(s_m)
    normal = np.array([-np.sin(here.yaw), np.cos(here.yaw)])
    walk = np.linspace(-plan.half_m, plan.half_m, int(2 * plan.half_m) + 2)[:, None] * normal + np.array([here.x, here.y])
    lanes = []
    for lane in (*draft.arriving[(street, True)], *draft.arriving[(street, False)]):
        line = draft.lanes[lane].line
        s, _ = line.nearest(here.x, here.y)
        pose = line.at(s)
        s += (here.x - pose.x) * np.cos(pose.yaw) + (here.y - pose.y) * np.sin(pose.yaw)
        lanes.append((lane, float(s)))
    return Crossing(identity, Line(walk), 4.0, tuple(lanes), signal)


def _sidewalks(layout: Layout, arms: list[list[Arm]], spans: tuple[tuple[float, float], ...]) -> tuple[Line, ...]:
    lines, wider = [], layout.kerb_m + layout.sidewalk_m / 2.0
    for street, (begin, end) in zip(layout.streets, spans, strict=True):
        lines += [part(street.centre, begin, end, side * (street.half_m + wider)) for side in (1.0, -1.0)]
    for around in arms:
        lines += [Line(_dense(rounding(layout, arm, around[(i + 1) % len(around)], wider))) for i, arm in enumerate(around)]
    return tuple(lines)


def _dense(points: F64) -> F64:
    """The same polyline with neighbours at most 1 m apart."""
    out = [points[:1]]
    for p, q in itertools.pairwise(points):
        length = float(np.hypot(*(q - p)))
        if length > 1e-6:
            out.append(p + np.linspace(0.0, 1.0, int(length) + 2)[1:, None] * (q - p))
    return np.concatenate(out)


def _drivable(layout: Layout, arms: list[list[Arm]], spans: tuple[tuple[float, float], ...]) -> tuple[F64, ...]:
    roads = [
        band(street.centre, begin - _OVERLAP_M, end + _OVERLAP_M, -street.half_m, street.half_m)
        for street, (begin, end) in zip(layout.streets, spans, strict=True)
    ]
    return (*roads, *(outline(layout, around) for around in arms))
