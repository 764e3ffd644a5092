"""The expert: a privileged, smooth driver that sees the truth and plans in the format of a policy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import read_only
from heron_core.limits import Limits
from heron_core.trajectory import POINTS, STEP_S
from heron_core.vehicle_model import VehicleModel
from heron_sim.driving.expert_actors import Seen, follow, see
from heron_sim.driving.expert_aside import Aside
from heron_sim.driving.expert_junction import JunctionRules
from heron_sim.driving.expert_path import PathAhead
from heron_sim.driving.expert_reason import Narrator, Situation
from heron_sim.driving.expert_route import RouteMap
from heron_sim.driving.expert_speed import Motion, Stop, drive, times_to
from heron_sim.driving.expert_walkers import CrossingRules
from heron_sim.driving.explain import Explanation, Reason
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.truth import Actor, ActorKind, EgoTruth, GuideSign, Truth

END_M = 2.0  # kept to the end of the route
GUIDE_M = 5.0  # and to a traffic guide
START_DELAY_S = 0.8  # from the decision until a standing car moves
CONTINUES_NS = 250_000_000
CONTINUES_MPS = 0.5


@dataclass(frozen=True)
class ExpertPlan:
    """What the expert wants.

    Attributes:
        points: (40, 4) float32, read-only: x, y, yaw, speed at 0.1 … 4.0 s in base_link at the truth's time.
        explanation: what the car does and why.
    """

    points: NDArray[np.float32]
    explanation: Explanation


class Expert:
    """Drives one route; to be asked about every 100 ms, in order of time."""

    def __init__(self, town: Town, route: Route, model: VehicleModel, limits: Limits) -> None:
        """For one car on one route.

        Args:
            town: where.
            route: to follow.
            model: of the car.
            limits: of the car; the expert stays within them.
        """
        self._map = RouteMap(town.network, route)
        self._top_mps = limits.speed_max_mps - 1.0
        self._junctions, self._crossings = JunctionRules(self._map), CrossingRules(self._map)
        self._aside, self._narrator = Aside(self._map, town), Narrator()
        self._last: tuple[int, Motion] | None = None

    def plan(self, truth: Truth) -> ExpertPlan:
        """The plan of this moment."""
        ego = truth.ego
        s_m, _ = self._map.route.line.nearest(ego.x_m, ego.y_m, ego.route_s_m)
        dt_s = 0.1 if self._last is None else min(max((truth.time_ns - self._last[0]) / 1e9, 0.0), 0.5)
        middle = PathAhead(self._map, ego, s_m)
        seen = see(middle, ego, truth.actors)
        aside, path = self._aside.update(truth, middle, seen), middle
        if aside is not None:
            path = PathAhead(self._map, ego, s_m, aside)
            seen = see(path, ego, truth.actors)
        step_m = float(path.along_m[-1]) / (len(path.along_m) - 1)
        limit = np.minimum(path.limit_mps, self._top_mps)
        limit = np.minimum(limit, self._aside.limit(path))
        arrive = times_to(ego.speed_mps, limit, step_m, START_DELAY_S if ego.speed_mps < 1.0 else 0.2).tolist()
        leads, stops = follow(seen, ego, arrive, step_m, self._map.upstream)
        stops += self._junctions.stops(truth, path, seen, arrive, step_m, dt_s)
        stops += self._crossings.stops(truth, path, arrive, step_m, dt_s)
        stops += self._guides(path, ego, truth.actors)
        stops.append(Stop(path.along_at(self._map.end_m) - ego.front_m - END_M, Reason.SLOW_END))
        motion = drive(ego.speed_mps, self._accel(truth), limit.tolist(), step_m, stops, leads)
        self._last = (truth.time_ns, motion)
        points = np.empty((POINTS, 4), np.float32)
        points[:, :3] = path.seen_from(ego, motion.driven_m)
        points[:, 3] = motion.speed_mps
        return ExpertPlan(read_only(points), self._tell(truth, motion, s_m, seen))

    def _accel(self, truth: Truth) -> float:
        """Acceleration to go on from: what the last plan has now, if the car does that."""
        ego = truth.ego
        if self._last is not None and ego.engaged and 0 < truth.time_ns - self._last[0] <= CONTINUES_NS:
            since_s, motion = (truth.time_ns - self._last[0]) / 1e9, self._last[1]
            exact = since_s / STEP_S
            i = min(int(exact + 1e-6), POINTS - 2)
            if abs(float(motion.speed_mps[max(i - 1, 0)]) - ego.speed_mps) < CONTINUES_MPS:
                part = exact - i
                return float(motion.accel_mps2[i] + part * (motion.accel_mps2[i + 1] - motion.accel_mps2[i]))
        return min(max(ego.accel_mps2, -3.5), 2.0) if ego.speed_mps > 0.0 else 0.0

    def _guides(self, path: PathAhead, ego: EgoTruth, actors: tuple[Actor, ...]) -> list[Stop]:
        found = []
        for actor in actors:
            if actor.kind is ActorKind.GUIDE and actor.sign is GuideSign.STOP:
                at_m, aside_m = self._map.route.line.nearest(actor.x_m, actor.y_m, float(path.s_m[0]) + 40.0, 60.0)
                left = path.along_at(at_m) - ego.front_m
                faces = math.cos(actor.yaw_rad - self._map.route.line.at(at_m).yaw) < -0.5
                if faces and abs(aside_m) < 6.0 and left > 0.5:
                    found.append(Stop(left - GUIDE_M if left > GUIDE_M else max(left - 1.5, 0.0), Reason.SLOW_GUIDE, True))
        return found

    def _tell(self, truth: Truth, motion: Motion, s_m: float, seen: list[Seen]) -> Explanation:
        gate, inside = self._junctions.near_turn(s_m, truth.ego.front_m)
        turn = Manoeuvre.FOLLOW if gate is None else gate.turn.manoeuvre
        now = Situation(
            time_s=truth.time_s,
            ego=truth.ego,
            decided=motion.reason,
            wished_mps2=motion.wished_mps2,
            goes_m=float(motion.driven_m[-1]),
            turn=turn,
            inside=inside,
            passing=self._aside.passing,
            yellow=gate is not None and self._junctions.passes_yellow(gate),
        )
        return self._narrator.tell(now)
