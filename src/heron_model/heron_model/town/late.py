"""A driver who changes lane late: in the old lane when the route is in the new one, where a policy that hesitates comes to be too.

Who has only seen lanes changed in time learns when others do it, on average, and not that it is high time: it waits for ever.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.lane_change import LaneChange, lane_changes
from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.route import Route

F64 = NDArray[np.float64]

PART = 506  # of the random numbers
LATE_M = (4.0, 32.0)  # behind the place where the route changes lane
BEYOND_M = 12.0  # at most so far into the junction the new lane is reached


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
        self._changes: list[tuple[LaneChange, float]] = []
        for change in lane_changes(network, route):
            late, late_m = rng.random() < share, float(rng.uniform(*LATE_M))
            if change is not None and late:
                self._changes.append((change, min(late_m, change.junction_m - change.reached_m + BEYOND_M)))

    def at(self, s_m: float | F64) -> F64:
        """Metres left of the route at arc length `s_m`."""
        return sum((change.later_at(s_m, late_m) for change, late_m in self._changes), np.zeros(np.shape(s_m)))
