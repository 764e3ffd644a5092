"""A route's change of lane before a turn: where it is, and where a driver is who makes it later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.route import Route

F64 = NDArray[np.float64]

STEP_M = 1.0
DONE_SHARE = 0.98  # of the way to the new lane: it is reached


@dataclass(frozen=True)
class LaneChange:
    """One change of lane.

    Attributes:
        s_m: arc lengths of the route, from where the change begins to the junction.
        beside_m: how far left of the old lane's middle the route is there.
        reached_m: arc length at which the route is in the new lane.
        junction_m: arc length at which the junction begins.
    """

    s_m: F64
    beside_m: F64
    reached_m: float
    junction_m: float

    @property
    def room_m(self) -> float:
        """So much later the same change still ends before the junction."""
        return max(self.junction_m - self.reached_m, 0.0)

    def later_at(self, s_m: float | F64, later_m: float) -> F64:
        """Metres left of the route, at arc length `s_m`, of who makes the same change `later_m` further on."""
        driven, wanted = (np.interp(s_m - back, self.s_m, self.beside_m, left=0.0) for back in (later_m, 0.0))
        return np.asarray(driven - wanted, np.float64)


def lane_changes(network: RoadNetwork, route: Route) -> tuple[LaneChange | None, ...]:
    """Of each turn of a route the change of lane before it, None where there is none."""
    found: list[LaneChange | None] = []
    for turn in route.turns:
        if turn.change_m is None:
            found.append(None)
            continue
        lane, near_m = route.lane_at(max(turn.change_m - STEP_M, 0.0))
        line = network.lanes[lane].line
        s_m = np.arange(turn.change_m, turn.begin_m, STEP_M)
        beside_m = np.empty(len(s_m))
        for k, s in enumerate(s_m):
            pose = route.line.at(float(s))
            near_m, beside_m[k] = line.nearest(pose.x, pose.y, near_m)
        reached_m = float(s_m[np.argmax(np.abs(beside_m) >= DONE_SHARE * abs(beside_m[-1]))])
        found.append(LaneChange(s_m, beside_m, reached_m, turn.begin_m))
    return tuple(found)
