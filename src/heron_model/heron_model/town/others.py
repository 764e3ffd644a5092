"""What the expert would do at a moment, had it been told another manoeuvre: the same pictures, another way.

A drive shows each junction with one instruction only, so a policy may learn to look where the road leads, and not to listen. Here the expert is asked
for every manoeuvre that the car's lane leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.trajectory import STEP_S
from heron_core.truth import Truth
from heron_model.others import Other
from heron_model.town.labels import Labeller
from heron_sim.drawing.rays import View
from heron_sim.drawing.renderer import Picture
from heron_sim.driving.expert import Expert
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.other_ways import other_ways
from heron_sim.roads.route import Route, Turn
from heron_sim.roads.town import Town

BESIDE_M = 1.5  # further from the other way's line: the car is in another lane still
LEAST_M = 1.0  # a way that differs less within the plan teaches nothing
LATERAL_MPS2 = 3.0  # more of it: told too late, nobody would turn any more


@dataclass(frozen=True)
class _Way:
    manoeuvre: Manoeuvre
    route: Route
    expert: Expert
    labeller: Labeller


@dataclass(frozen=True)
class OtherPlan:
    """The expert's plan for another manoeuvre.

    Attributes:
        manoeuvre: that is told.
        points: (40, 4) what it does.
    """

    manoeuvre: Manoeuvre
    points: NDArray[np.float32]
    _truth: Truth
    _labeller: Labeller

    def seen_in(self, pictures: Mapping[str, Picture]) -> Other:
        """With the words of its way, as far as pictures with labels show them."""
        words = self._labeller.words(self._truth, pictures)
        return Other(self.manoeuvre.value, self.points, words["signal"], words["ahead"])


class OtherManoeuvres:
    """The expert on the other ways of one drive's route; to be asked about every 100 ms, in order of time."""

    def __init__(self, vehicle: LoopCar, town: Town, route: Route, views: Mapping[str, View]) -> None:
        self._vehicle, self._town, self._route, self._views = vehicle, town, route, views
        self._ways: dict[float, list[_Way]] = {}

    def at(self, truth: Truth, plan: NDArray[np.float32]) -> list[OtherPlan]:
        """What else could be told now.

        Args:
            truth: of the moment.
            plan: (40, 4) of the expert on the route itself.

        Returns:
            Nothing where no junction with a choice is told yet, where the car is in it already, and where the plans would hardly differ.
        """
        s_m = truth.ego.route_s_m
        turn = next((each for each in self._route.turns if each.told_m <= s_m < each.begin_m), None)
        if turn is None:
            return []
        found = [self._on(way, truth) for way in self._ways_of(turn)]
        return [each for each in found if each is not None and _apart_m(each.points, plan) >= LEAST_M]

    def _ways_of(self, turn: Turn) -> list[_Way]:
        if turn.begin_m not in self._ways:
            town, car = self._town, self._vehicle
            self._ways[turn.begin_m] = [
                _Way(manoeuvre, way, Expert(town, way, car.model, car.limits), Labeller(town.network, way, self._views))
                for manoeuvre, way in other_ways(town.network, self._route, turn).items()
            ]
        return self._ways[turn.begin_m]

    def _on(self, way: _Way, truth: Truth) -> OtherPlan | None:
        s_m, left_m = way.route.line.nearest(truth.ego.x_m, truth.ego.y_m)
        if s_m < 1.0 or abs(left_m) > BESIDE_M:
            return None
        there = replace(truth, ego=replace(truth.ego, route_s_m=s_m))
        points = way.expert.plan(there).points
        return None if _lateral_mps2(points) > LATERAL_MPS2 else OtherPlan(way.manoeuvre, points, there, way.labeller)


def _apart_m(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Between the ends of two plans."""
    return float(np.hypot(*(one[-1, :2] - other[-1, :2])))


def _lateral_mps2(points: NDArray[np.float32]) -> float:
    """The most that a plan turns: speed times yaw rate."""
    yaw_rate = np.diff(np.unwrap(points[:, 2])) / STEP_S
    return float(np.abs(points[1:, 3] * yaw_rate).max())
