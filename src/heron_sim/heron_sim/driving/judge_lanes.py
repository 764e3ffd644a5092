"""Where the ego car is on the road: its way along the route, off the road, in a wrong lane, passing something."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from heron_core.se2 import wrap_angle
from heron_sim.driving.geometry import Box
from heron_sim.driving.region import Region
from heron_sim.roads.lane_change import lane_changes
from heron_sim.roads.network import Lane, RoadNetwork
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.truth import Actor, ActorKind, Truth

CORNER_M = 0.1  # a corner of the car may hang over the kerb by this much
SAME_WAY_RAD = math.pi / 3.0
LOST_M = 6.0  # further from the route than this, the car makes no progress on it
JUNCTION_M = 3.0  # a junction begins and ends this much beside its connector
AHEAD_M, BEHIND_M = 35.0, 15.0  # what is passed lies between them, measured from base_link
PASSED_S = 3.0  # time to be back in the lane after the last thing to pass
CELL_M = 10.0
DEPARTS_M = 0.9  # further aside than this, the car has departed from its lane
CROSSES_S = 3.0  # from one lane to the next, half way over: half as long again as who changes as the route does
PASSED_KINDS = (ActorKind.BICYCLE, ActorKind.CONE, ActorKind.BARRIER, ActorKind.GUIDE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the car is.

    Attributes:
        s_m, left_m: on the route's line.
        aside_m: left of the nearest line that is as good as the route's: its own, or, where it changes lane before a turn, those of who makes
            the same change as soon as the turn is told, and as late as there is room for before the junction. A command asks for the turn and not
            for the place of the change. Who is on the way between these lines is at most `DEPARTS_M` aside, for `CROSSES_S`.
        behind: it changes lane later than the route, not sooner.
        on_road: no corner of its box is beside the carriageway.
        on_route: base_link is in the lane of such a line, and the car goes its way.
        wrong_lane: base_link is in a lane against its direction, not in a junction, and there is nothing to pass.
        passing: it would be wrong_lane, if there were nothing to pass.
        in_junction: it crosses one of the route's junctions.
    """

    s_m: float
    left_m: float
    aside_m: float
    on_road: bool
    on_route: bool
    wrong_lane: bool = False
    passing: bool = False
    in_junction: bool = False
    behind: bool = False


class Lanes:
    """Follows the car over a town's roads along a route."""

    def __init__(self, town: Town, route: Route) -> None:
        """Precomputes where lanes are."""
        self._network, self._route = town.network, route
        self._region = Region(town.network.drivable)
        self._cells = _lane_cells(town.network)
        self._parked = tuple((each.x_m, each.y_m) for each in town.parked)
        changes = zip(lane_changes(town.network, route), route.turns, strict=True)
        self._changes = tuple((change, float(change.s_m[0]) - max(turn.told_m, 0.0)) for change, turn in changes if change is not None)
        self._crosses_s: float | None = None  # since when it is between two lanes
        self._near_s_m: float | None = None
        self._passed_s = -math.inf

    def place(self, truth: Truth, box: Box) -> Place:
        """Where the car with this box is now; call in order of time."""
        ego, route = truth.ego, self._route
        s_m, left_m = route.line.nearest(ego.x_m, ego.y_m, self._near_s_m)
        if abs(left_m) <= LOST_M or self._near_s_m is None:
            self._near_s_m = s_m
        on_road = self._region.all_inside(box.corners, CORNER_M)
        aside_m, behind = self._aside(truth.time_s, s_m, left_m)
        lane = self._network.lanes[route.lane_at(s_m)[0]]
        yaw = route.line.at(s_m).yaw
        if abs(aside_m) <= 0.5 * lane.width_m and abs(wrap_angle(ego.yaw_rad - yaw)) < SAME_WAY_RAD:
            return Place(s_m, left_m, aside_m, on_road, True, behind=behind)
        if self._in_junction(s_m, left_m):
            return Place(s_m, left_m, aside_m, on_road, False, in_junction=True, behind=behind)
        if not self._against(ego.x_m, ego.y_m, ego.yaw_rad):
            return Place(s_m, left_m, aside_m, on_road, False, behind=behind)
        if abs(left_m) <= LOST_M and self._something_to_pass(truth, s_m, lane):
            self._passed_s = truth.time_s
        passing = truth.time_s - self._passed_s <= PASSED_S
        return Place(s_m, left_m, aside_m, on_road, False, not passing, passing, behind=behind)

    def _aside(self, time_s: float, s_m: float, left_m: float) -> tuple[float, bool]:
        """`aside_m` and `behind`."""
        for change, early_m in self._changes:
            if not change.s_m[0] - early_m <= s_m < change.junction_m:
                continue
            soonest_m, latest_m = float(change.later_at(s_m, -early_m)), float(change.later_at(s_m, change.room_m))
            aside_m = min((left_m, left_m - soonest_m, left_m - latest_m), key=abs)
            between = min(soonest_m, latest_m) < left_m < max(soonest_m, latest_m) and abs(aside_m) > DEPARTS_M
            self._crosses_s = (time_s if self._crosses_s is None else self._crosses_s) if between else None
            if self._crosses_s is not None and time_s - self._crosses_s <= CROSSES_S:
                aside_m = math.copysign(DEPARTS_M, aside_m)
            return aside_m, left_m * latest_m > 0.0
        self._crosses_s = None
        return left_m, False

    def _in_junction(self, s_m: float, left_m: float) -> bool:
        near = any(turn.begin_m - JUNCTION_M <= s_m <= turn.end_m + JUNCTION_M for turn in self._route.turns)
        return near and abs(left_m) <= LOST_M

    def _against(self, x_m: float, y_m: float, yaw_rad: float) -> bool:
        """Whether the place is in road lanes of the other direction, and in no lane that goes the car's way, nor in a junction."""
        against = False
        for lane in self._cells.get((math.floor(x_m / CELL_M), math.floor(y_m / CELL_M)), ()):
            s_m, left_m = lane.line.nearest(x_m, y_m)
            if abs(left_m) > 0.5 * lane.width_m or not 0.0 < s_m < lane.line.length_m:
                continue
            if lane.junction is not None or abs(wrap_angle(yaw_rad - lane.line.at(s_m).yaw)) < SAME_WAY_RAD:
                return False
            against = True
        return against

    def _something_to_pass(self, truth: Truth, s_m: float, lane: Lane) -> bool:
        """Whether a work zone, a cyclist or a parked car takes some of the route's lane near the car."""
        reach = 0.5 * lane.width_m
        places = [(actor.x_m, actor.y_m, 0.5 * actor.width_m) for actor in truth.actors if is_passed(actor)]
        places += [(x, y, 0.9) for x, y in self._parked]
        for x, y, half_m in places:
            if math.hypot(x - truth.ego.x_m, y - truth.ego.y_m) > AHEAD_M:
                continue
            there_m, left_m = self._route.line.nearest(x, y, s_m, AHEAD_M)
            if -BEHIND_M <= there_m - s_m <= AHEAD_M and abs(left_m) - half_m < reach:
                return True
        return False


def is_passed(actor: Actor) -> bool:
    """Somebody or something that stands or rides in the lane and that one drives around: cones, guides, cyclists, parked cars."""
    parked = actor.kind in (ActorKind.CAR, ActorKind.TRUCK) and actor.lane < 0 and abs(actor.speed_mps) < 0.1
    return parked or actor.kind in PASSED_KINDS


def _lane_cells(network: RoadNetwork) -> dict[tuple[int, int], tuple[Lane, ...]]:
    """Cell of the ground → lanes that may cover a part of it, by id."""
    cells: dict[tuple[int, int], dict[int, Lane]] = {}
    for lane in network.lanes:
        reach = 0.5 * lane.width_m + 1.0
        low = np.floor((lane.line.points - reach) / CELL_M).astype(np.int64)
        high = np.floor((lane.line.points + reach) / CELL_M).astype(np.int64)
        for left, bottom, right, top in dict.fromkeys(map(tuple, np.concatenate([low, high], axis=1).tolist())):
            for i in range(left, right + 1):
                for j in range(bottom, top + 1):
                    cells.setdefault((i, j), {})[lane.id] = lane
    return {key: tuple(lanes.values()) for key, lanes in cells.items()}
