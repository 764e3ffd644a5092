"""The mirror image of a town: what is built for traffic that keeps left becomes one that keeps right."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from heron_sim.roads.line import F64, Line
from heron_sim.roads.network import Crossing, Junction, Lane, Manoeuvre, RoadNetwork, SignalHead
from heron_sim.roads.town import Paint, Town

_FLIP = np.array([1.0, -1.0])
_TURNS = {Manoeuvre.LEFT: Manoeuvre.RIGHT, Manoeuvre.RIGHT: Manoeuvre.LEFT}


def mirrored(town: Town) -> Town:
    """The town with y turned round; ids stay."""
    network = town.network
    return replace(
        town,
        network=RoadNetwork(
            tuple(_lane(lane) for lane in network.lanes),
            tuple(_junction(junction) for junction in network.junctions),
            tuple(_crossing(crossing) for crossing in network.crossings),
            tuple(_head(head) for head in network.heads),
            network.groups,
            tuple(_line(line) for line in network.sidewalks),
            tuple(_polygon(polygon) for polygon in network.drivable),
            not network.left_hand,
        ),
        paints=tuple(Paint(paint.surface, _polygon(paint.polygon), tuple(_polygon(hole) for hole in paint.holes)) for paint in town.paints),
        buildings=tuple(replace(thing, y_m=-thing.y_m, yaw_rad=-thing.yaw_rad) for thing in town.buildings),
        trees=tuple(replace(thing, y_m=-thing.y_m) for thing in town.trees),
        lights=tuple(replace(thing, y_m=-thing.y_m, yaw_rad=-thing.yaw_rad) for thing in town.lights),
        signs=tuple(replace(thing, y_m=-thing.y_m, yaw_rad=-thing.yaw_rad) for thing in town.signs),
        parked=tuple(replace(thing, y_m=-thing.y_m, yaw_rad=-thing.yaw_rad) for thing in town.parked),
    )


def _line(line: Line) -> Line:
    return Line(line.points * _FLIP)


def _polygon(points: F64) -> F64:
    """Mirrored, and still counter-clockwise if it was."""
    flipped: F64 = (points * _FLIP)[::-1].copy()
    return flipped


def _lane(lane: Lane) -> Lane:
    return replace(lane, line=_line(lane.line), left=lane.right, right=lane.left, turn=_TURNS.get(lane.turn, lane.turn))


def _junction(junction: Junction) -> Junction:
    return replace(junction, y_m=-junction.y_m)


def _crossing(crossing: Crossing) -> Crossing:
    return replace(crossing, line=_line(crossing.line))


def _head(head: SignalHead) -> SignalHead:
    return replace(head, y_m=-head.y_m, yaw_rad=math.remainder(-head.yaw_rad, 2.0 * math.pi), mast_y_m=-head.mast_y_m)
