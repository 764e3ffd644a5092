"""Which moments near a light are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heron_core.trajectory import POINTS
from heron_core.truth import EgoTruth, Lamp, Truth
from heron_model.town.drive import Moment
from heron_model.town.keep import near_lights
from heron_model.town.labels import Labeller
from heron_model.town.make import world_views
from heron_sim.config import RouteConfig
from heron_sim.driving.expert import ExpertPlan
from heron_sim.driving.explain import Explanation, Reason
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.router import plan_route
from heron_sim.roads.simple import cross_town

VEHICLE = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
PLAN = ExpertPlan(np.zeros((POINTS, 4), np.float32), Explanation(Reason.CRUISE, "", ""))


def test_lights_are_kept_while_they_say_stop_and_few_of_the_moments_that_are_stood_through() -> None:
    town = cross_town(True)
    route = plan_route(town.network, RouteConfig(turns=(Manoeuvre.STRAIGHT,), length_m=200.0), 3)
    labeller = Labeller(town.network, route, world_views(VEHICLE))

    def moments(count: int, left_m: float, speed_mps: float, lamp: Lamp) -> list[Moment]:
        s_m = line_m - left_m
        pose = route.line.at(s_m)
        ego = EgoTruth(pose.x, pose.y, pose.yaw, speed_mps, route_s_m=s_m, engaged=True)
        return [Moment(Truth(0, ego, (), dict.fromkeys(range(4), lamp)), PLAN, False)] * count

    line_m = route.turns[0].begin_m - 40.0
    first = labeller.gate(moments(1, 0.0, 0.0, Lamp.RED)[0].truth)
    assert first is not None
    line_m += first[1]
    drive = moments(60, 25.0, 6.0, Lamp.GREEN) + moments(20, 25.0, 6.0, Lamp.YELLOW)
    drive += moments(20, 50.0, 6.0, Lamp.RED) + moments(200, 12.0, 0.0, Lamp.RED) + moments(20, -0.7, 0.0, Lamp.GREEN)
    kept = near_lights(drive, labeller, 1)
    assert [index for index in kept if index < 100] == list(range(60, 80, 2))
    assert 10 < len(kept) - 10 < 45 and max(kept) < 300
    over = labeller.gate(moments(1, -0.7, 0.0, Lamp.RED)[0].truth)
    assert over is not None and over[0] == first[0], "a nose over the line has its light still"
