"""The ways that a route could have gone at its next junction instead, from the same lane."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from heron_sim.roads.network import Manoeuvre, RoadNetwork
from heron_sim.roads.route import Route, Turn
from heron_sim.roads.router import CURVATURE_PER_M
from heron_sim.roads.track import Track

BEFORE_M = 80.0  # of the route before the junction that another way shares with it, where it does not change lane there
BEYOND_M = 120.0  # of the way after the junction


def other_ways(network: RoadNetwork, route: Route, turn: Turn) -> dict[Manoeuvre, Route]:
    """Routes that leave the junction `turn` of a route by another manoeuvre, from the lane that leads the route there.

    Each begins about `BEFORE_M` before the junction on the lanes of the route, makes its turn, and then goes straight on where it can. Its arc
    lengths are its own.

    Args:
        network: of the route.
        route: that the turn is of.
        turn: one of `route.turns`.

    Returns:
        A route for each other manoeuvre; none where the lane leaves no choice.
    """
    if turn.manoeuvre is Manoeuvre.FOLLOW:
        return {}
    lanes = network.lanes
    entries = enumerate(zip(route.lanes, route.starts_m, strict=True))
    at = next(k for k, (lane, start_m) in entries if lane == turn.lane and abs(start_m - turn.begin_m) < 1.0)
    first = at - 1
    if first < 0:
        return {}
    while first > 0 and turn.begin_m - route.starts_m[first] < BEFORE_M and route.lanes[first] in lanes[route.lanes[first - 1]].successors:
        first -= 1
    found: dict[Manoeuvre, Route] = {}
    for connector in lanes[route.lanes[at - 1]].successors:
        across = lanes[connector]
        if across.turn in (turn.manoeuvre, Manoeuvre.FOLLOW) or across.turn in found or across.junction is None or not _drivable(network, connector):
            continue
        found[across.turn] = _way(network, route.lanes[first:at], connector)
    return found


def _way(network: RoadNetwork, before: tuple[int, ...], connector: int) -> Route:
    lanes = network.lanes
    chain = [*before, connector]
    beyond_m = 0.0
    while beyond_m < BEYOND_M:
        options = [lane for lane in lanes[chain[-1]].successors if _drivable(network, lane)]
        if not options:
            break
        chain.append(next((lane for lane in options if lanes[lane].turn in (Manoeuvre.STRAIGHT, Manoeuvre.FOLLOW)), options[0]))
        beyond_m += lanes[chain[-1]].line.length_m
    track = Track(lanes)
    spans = []
    for lane in chain:
        begin = track.lane(lane)
        spans.append((lane, begin, len(track.points) - 1))
    line = track.line()
    turns = [
        Turn(_choice(network, before, lane), lanes[lane].junction or 0, lane, float(line.s_m[begin]), float(line.s_m[end]))
        for (before, _, _), (lane, begin, end) in pairwise(spans)
        if lanes[lane].junction is not None
    ]
    return track.route(line, turns)


def _choice(network: RoadNetwork, before: int, connector: int) -> Manoeuvre:
    """The manoeuvre of a connector, FOLLOW where the lane before it leaves no choice."""
    others = {network.lanes[lane].turn for lane in network.lanes[before].successors if network.lanes[lane].junction is not None}
    return network.lanes[connector].turn if len(others) > 1 else Manoeuvre.FOLLOW


def _drivable(network: RoadNetwork, lane: int) -> bool:
    line = network.lanes[lane].line
    return bool(network.lanes[lane].successors) and float(np.abs(line.curvature_per_m).max()) <= CURVATURE_PER_M
