"""A driver who changes lane late: in the old lane when the route is in the new one, where a policy that hesitates comes to be too.

Who has only seen lanes changed in time learns when others do it, on average, and not that it is high time: it waits for ever.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.route import Route, Turn

F64 = NDArray[np.float64]

PART = 506  # of the random numbers
LATE_M = (4.0, 32.0)  # behind the place where the route changes lane
BEYOND_M = 12.0  # at most so far into the junction the new lane is reached
STEP_M = 1.0
DONE_SHARE = 0.98  # of the way to the new lane: it is reached


class LateChanges:
    """How far a late driver is beside the route, over its arc length.

    Args:
        network: of the town.
        route: whose changes of lane are late.
        seed: of the drive.
        share: of the changes, those that are late.
    """

    def __init__(self, network: RoadNetwork, route: Route, seed: int, share: float) -> None:
        rng = np.random.default_rng([seed, PART])
        self._changes: list[tuple[F64, F64, float]] = []
        for turn in route.turns:
            late, late_m = rng.random() < share, float(rng.uniform(*LATE_M))
            if turn.change_m is None or not late:
                continue
            s_m, beside_m = _change(network, route, turn, turn.change_m)
            reached_m = float(s_m[np.argmax(np.abs(beside_m) >= DONE_SHARE * abs(beside_m[-1]))])
            self._changes.append((s_m, beside_m, min(late_m, turn.begin_m - reached_m + BEYOND_M)))

    def at(self, s_m: float | F64) -> F64:
        """Metres left of the route at arc length `s_m`."""
        found: F64 = np.zeros(np.shape(s_m))
        for places, beside_m, late_m in self._changes:
            driven, wanted = (np.interp(s_m - back, places, beside_m, left=0.0) for back in (late_m, 0.0))
            found = found + (driven - wanted)
        return found


def _change(network: RoadNetwork, route: Route, turn: Turn, change_m: float) -> tuple[F64, F64]:
    """Arc lengths from where a change of lane begins to the junction, and how far left of the old lane's middle the route is there."""
    lane, near_m = route.lane_at(max(change_m - STEP_M, 0.0))
    line = network.lanes[lane].line
    s_m = np.arange(change_m, turn.begin_m, STEP_M)
    beside_m = np.empty(len(s_m))
    for k, s in enumerate(s_m):
        pose = route.line.at(float(s))
        near_m, beside_m[k] = line.nearest(pose.x, pose.y, near_m)
    return s_m, beside_m
