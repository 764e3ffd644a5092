"""When the expert takes the wheel from a policy that learns, and when it gives it back: drives go on past mistakes, and the way out is learnt too."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heron_core.truth import Truth
from heron_sim.driving.expert import ExpertPlan
from heron_sim.driving.explain import Reason
from heron_sim.roads.route import Route

ASIDE_M, TURNED_RAD = 1.3, 0.35  # from the route: then the expert drives
BACK_M, BACK_RAD = 0.3, 0.06  # and until then
LEAST_S = 2.0
STUCK_S = 3.0  # that the policy stands while the expert would drive
GOES_M = 2.0  # within a plan: the expert would drive
STANDS_MPS = 0.2
PASSING = frozenset({Reason.PASS_CYCLIST, Reason.PASS_OBSTACLE, Reason.PASS_WORK})  # beside the route on purpose
DIFFERS_AT, DIFFERS_M = 19, (1.0, 0.3)  # point of 2 s; metres ahead and aside from which on plans differ


class Relief:
    """Asked every 100 ms with the truth and the expert's plan."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._since_s: float | None = None
        self._stuck_s: float | None = None

    def needed(self, truth: Truth, plan: ExpertPlan) -> bool:
        """The expert drives now."""
        ego = truth.ego
        s_m, aside_m = self._route.line.nearest(ego.x_m, ego.y_m, ego.route_s_m)
        turned = abs(math.remainder(ego.yaw_rad - self._route.line.at(s_m).yaw, 2.0 * math.pi))
        passing = plan.explanation.reason in PASSING
        lost = not passing and (abs(aside_m) > ASIDE_M or turned > TURNED_RAD)
        if self._since_s is None:
            if lost or plan.explanation.reason is Reason.BRAKE_HARD or self._is_stuck(truth, plan):
                self._since_s, self._stuck_s = truth.time_s, None
        elif truth.time_s - self._since_s > LEAST_S and (passing or (abs(aside_m) < BACK_M and turned < BACK_RAD)):
            self._since_s = None
        return self._since_s is not None

    def _is_stuck(self, truth: Truth, plan: ExpertPlan) -> bool:
        if truth.ego.speed_mps > STANDS_MPS or plan.points[-1, 0] < GOES_M:
            self._stuck_s = None
            return False
        self._stuck_s = truth.time_s if self._stuck_s is None else self._stuck_s
        return truth.time_s - self._stuck_s > STUCK_S


def differ(points: NDArray[np.float32], plan: ExpertPlan) -> bool:
    """A policy's plan is another than the expert's."""
    ahead, aside = np.abs(points[DIFFERS_AT, :2] - plan.points[DIFFERS_AT, :2])
    return bool(ahead > DIFFERS_M[0] or aside > DIFFERS_M[1])
