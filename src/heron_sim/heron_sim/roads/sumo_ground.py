"""Carriageway, pavements and paint of an imported network, from its lanes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from heron_sim.roads.curve import band, part, resampled
from heron_sim.roads.line import F64, Line
from heron_sim.roads.markings import LINE_M, STOP_LINE_M
from heron_sim.roads.network import Lane, RoadNetwork
from heron_sim.roads.roadside import Kerb
from heron_sim.roads.sumo_file import NetFile
from heron_sim.roads.town import Paint, Surface

SHOULDER_M = 0.5  # of carriageway beside every lane
KERB_M = 0.2
PAVEMENT_M = 3.0
_DASH_M, _PERIOD_M = 5.0, 10.0
_HOUSES_M, _CENTRALITY = 15.0, 0.5  # streets from this length on have houses, of the middle kind


def drivable_of(lanes: tuple[Lane, ...], junctions: list[F64]) -> tuple[F64, ...]:
    """Bands along all lanes and connectors, and the junctions' areas."""
    return (*(_band(lane, SHOULDER_M) for lane in lanes), *junctions)


def _band(lane: Lane, wider_m: float) -> F64:
    half = lane.width_m / 2.0 + wider_m
    return band(lane.line, -0.3, lane.line.length_m + 0.3, -half, half)


def sidewalks_of(net: NetFile, places: Callable[[F64], F64], lanes: tuple[Lane, ...], ids: Mapping[tuple[str, int], int]) -> tuple[Line, ...]:
    """The network's own lanes for walkers; where a street has none, a line beside its outer lane."""
    lines = []
    for edge in net.edges.values():
        if edge.function:
            continue
        own = [lane for lane in edge.lanes if lane.walkers and not lane.cars]
        outer = next((ids[(edge.id, lane.index)] for lane in edge.lanes if (edge.id, lane.index) in ids), None)
        if own:
            lines.append(resampled(places(own[0].shape)))
        elif outer is not None and lanes[outer].line.length_m > 1.0:
            away = lanes[outer].width_m / 2.0 + SHOULDER_M + KERB_M + PAVEMENT_M / 2.0
            line = lanes[outer].line
            lines.append(part(line, 0.0, line.length_m, away if net.left_hand else -away))
    return tuple(lines)


def kerbs_of(network: RoadNetwork) -> list[Kerb]:
    """The kerb beside the outer lane of every street."""
    kerbs = []
    for lane in network.lanes:
        outer = lane.left if network.left_hand else lane.right
        if lane.junction is None and outer is None and lane.line.length_m > _HOUSES_M:
            side = 1.0 if network.left_hand else -1.0
            kerbs.append(Kerb(lane.line, 0.0, lane.line.length_m, side, lane.width_m / 2.0 + SHOULDER_M, _CENTRALITY))
    return kerbs


def ground_of(network: RoadNetwork, junctions: list[F64], one_way: frozenset[int]) -> tuple[Paint, ...]:
    """Pavements, kerbs, carriageway, lines between lanes, edges, stop lines, crossings; `one_way`: lanes of streets without another direction."""
    lanes = network.lanes
    paints = [Paint(Surface.SIDEWALK, _band(lane, SHOULDER_M + KERB_M + PAVEMENT_M)) for lane in lanes]
    paints += [Paint(Surface.SIDEWALK, band(line, 0.0, line.length_m, -PAVEMENT_M / 2.0, PAVEMENT_M / 2.0)) for line in network.sidewalks]
    paints += [Paint(Surface.KERB, _band(lane, SHOULDER_M + KERB_M)) for lane in lanes]
    paints += [Paint(Surface.ASPHALT, polygon) for polygon in network.drivable]
    for lane in lanes:
        if lane.junction is None:
            paints += _lines(lane, network.left_hand, Surface.WHITE if lane.id in one_way else Surface.YELLOW)
    for crossing in network.crossings:
        half = crossing.width_m / 2.0
        starts = np.arange(0.3, crossing.line.length_m - 0.4, 1.0)
        paints += [Paint(Surface.WHITE, band(crossing.line, float(s), float(s) + 0.5, -half, half)) for s in starts]
    return tuple(paints)


def _lines(lane: Lane, left_hand: bool, middle: Surface) -> list[Paint]:
    """A lane's lines: dashes to the neighbour inwards (or the middle of the road), its edge outwards, its stop line."""
    end = lane.line.length_m if lane.stop_s_m is None else lane.stop_s_m
    half, side = lane.width_m / 2.0, 1.0 if left_hand else -1.0  # side of the kerb
    outer, inner = (lane.left, lane.right) if left_hand else (lane.right, lane.left)
    paints = []
    if outer is None:
        paints.append(Paint(Surface.WHITE, _strip(lane.line, 0.0, end, side * half)))
    if inner is None:
        paints.append(Paint(middle, _strip(lane.line, 0.0, end, -side * half)))
    else:
        starts = np.arange(2.0, end - _DASH_M, _PERIOD_M)
        paints += [Paint(Surface.WHITE, _strip(lane.line, float(s), float(s) + _DASH_M, -side * half)) for s in starts]
    if lane.stop_s_m is not None:
        paints.append(Paint(Surface.WHITE, band(lane.line, end - STOP_LINE_M, end, -half + LINE_M, half - LINE_M)))
    return paints


def _strip(line: Line, begin_m: float, end_m: float, left_m: float) -> F64:
    return band(line, begin_m, end_m, left_m - LINE_M / 2.0, left_m + LINE_M / 2.0)
