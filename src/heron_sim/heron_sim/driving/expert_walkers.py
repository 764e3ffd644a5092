"""Crossings: stopping for who walks on them, or is about to."""

from __future__ import annotations

import math
from collections.abc import Sequence

from heron_sim.driving.expert_path import PathAhead
from heron_sim.driving.expert_route import RouteMap, Walk
from heron_sim.driving.expert_speed import Stop
from heron_sim.driving.explain import Reason
from heron_sim.roads.network import Lamp
from heron_sim.truth import Actor, ActorKind, EgoTruth, Truth

WITHIN_M = 60.0
EDGE_M = 1.0  # kept between the front bumper and the crossing
LINE_M = 1.0  # and its stop line, where there is one just before
BESIDE_M = 0.9  # kept to a walker's middle at the car's sides
WALKS_MPS = 0.25
WAITS_M = 1.8  # who stands so near to the kerb and looks across is about to cross
COMES_M = 2.5  # who walks towards the crossing so near to it, too
BEFORE_S, AFTER_S = 2.0, 0.3
PATIENCE_S = 4.0  # the car stands so long for who does not start


class CrossingRules:
    """Decides at each crossing; remembers how long it has waited."""

    def __init__(self, route: RouteMap) -> None:
        self._route = route
        self._waited: dict[int, float] = {}

    def stops(self, truth: Truth, path: PathAhead, arrive_s: Sequence[float], step_m: float, dt_s: float) -> list[Stop]:
        """Where to stop, if anywhere; arguments as of `JunctionRules.stops`."""
        ego, found = truth.ego, []
        walkers = [a for a in truth.actors if a.kind is ActorKind.PEDESTRIAN]
        for index, walk in enumerate(self._route.walks):
            edge = path.along_at(walk.at_m - walk.half_m) - ego.front_m
            leave = path.along_at(walk.at_m + walk.half_m) + ego.rear_m
            if edge < -0.5 or edge > WITHIN_M:
                continue
            times = _time(arrive_s, step_m, max(edge - 0.5, 0.0)), _time(arrive_s, step_m, leave)
            waited = self._waited.get(index, 0.0)
            if any(self._meets(walker, walk, truth, times, waited) for walker in walkers):
                self._waited[index] = waited + dt_s if ego.speed_mps < 0.3 and edge < 12.0 else waited
                found.append(Stop(self._place(walk, path, ego, edge), Reason.SLOW_PEDESTRIAN, True))
            else:
                self._waited[index] = 0.0 if waited < PATIENCE_S else waited
        return found

    def _place(self, walk: Walk, path: PathAhead, ego: EgoTruth, edge: float) -> float:
        if walk.gate >= 0:
            gate = self._route.gates[walk.gate]
            to_line = path.along_at(gate.stop_m) - ego.front_m
            if walk.at_m <= gate.turn.begin_m + 0.5 and to_line > LINE_M:
                return to_line - LINE_M
        return edge - EDGE_M if edge > EDGE_M + 0.1 else max(edge - 0.2, 0.0)

    def _meets(self, walker: Actor, walk: Walk, truth: Truth, times: tuple[float, float], waited: float) -> bool:
        line = walk.crossing.line
        middle = line.points[len(line.points) // 2]
        if abs(walker.x_m - middle[0]) + abs(walker.y_m - middle[1]) > line.length_m + 12.0:
            return False
        begin, end = line.points[0], line.points[-1]
        length = line.length_m
        ux, uy = (float(end[0]) - float(begin[0])) / length, (float(end[1]) - float(begin[1])) / length
        dx, dy = walker.x_m - float(begin[0]), walker.y_m - float(begin[1])
        at, aside = dx * ux + dy * uy, dy * ux - dx * uy
        if abs(aside) > walk.half_m + 1.2:
            return False
        facing = math.cos(walker.yaw_rad) * ux + math.sin(walker.yaw_rad) * uy
        pace = walker.speed_mps * facing
        low, high = walk.across_m - truth.ego.half_width_m - BESIDE_M, walk.across_m + truth.ego.half_width_m + BESIDE_M
        inside = -0.2 < at < length + 0.2
        green = walk.crossing.signal is None or truth.lamps.get(walk.crossing.signal, Lamp.GREEN) is not Lamp.RED
        if abs(pace) < WALKS_MPS:
            if inside:
                return low - 0.6 < at < high + 0.6
            looks = facing > 0.6 if at < 0.0 else facing < -0.6
            return looks and green and waited < PATIENCE_S and (-WAITS_M < at < length + WAITS_M)
        if not inside:
            towards = pace > 0.0 if at < 0.0 else pace < 0.0
            if not (towards and green and abs(facing) > 0.7 and -COMES_M < at < length + COMES_M):
                return False
        begins, ends = ((low - at) / pace, (high - at) / pace) if pace > 0.0 else ((high - at) / pace, (low - at) / pace)
        if ends < 0.0:
            return False
        return not (times[1] + BEFORE_S < begins or ends + AFTER_S < times[0])


def _time(arrive_s: Sequence[float], step_m: float, way_m: float) -> float:
    return arrive_s[min(max(int(way_m / step_m), 0), len(arrive_s) - 1)]
