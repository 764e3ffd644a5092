"""What a policy looks at and listens to: one thing of a scene is changed, and its plan must change with it.

Nothing else differs between the two questions: same truth, same noise, same history.

- *lamp*: the expert slows for a red light; the lamp alone is recoloured to green. The plan must go at least `FURTHER_M` further.
- *command*, *sentence*: shortly before a junction that leaves the choice; the manoeuvre alone, or (with the manoeuvre `follow` both times) the
  sentence alone is changed to what leads further to the right. The plan's end must move at least `ASIDE_M` to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_sim.driving.expert import ExpertPlan
from heron_sim.driving.explain import Reason
from heron_sim.driving.judge_rules import lamp_of
from heron_sim.driving.judge_stopping import StopLine, stop_lines
from heron_sim.evaluation.scenes import Asked, Scene, Wanted
from heron_sim.roads.network import Lamp, Manoeuvre
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.truth import Truth

FURTHER_M, ASIDE_M = 2.0, 1.5
RED_M, RED_MPS = (6.0, 28.0), 2.5  # way to the line at which a red light is asked about, and least speed
TURN_M, TURN_MPS = (1.0, 7.0), 2.0  # the same before a junction


@dataclass(frozen=True)
class Probe:
    """How plans changed.

    Attributes:
        name: of the probe.
        scenes: asked about.
        changed: of them, with the change that must be.
        mean_m: of the change, in the direction that it must have.
    """

    name: str
    scenes: int
    changed: int
    mean_m: float

    @property
    def share(self) -> float | None:
        """Of scenes that changed as they must."""
        return self.changed / self.scenes if self.scenes else None

    def report(self) -> dict[str, Any]:
        """JSON."""
        return {"scenes": self.scenes, "changed": self.changed, "share": self.share, "mean_m": round(self.mean_m, 3)}


def before_red(town: Town, route: Route) -> Wanted:
    """Moments at which the expert, still driving, slows for a red light of the route."""
    lines = stop_lines(town.network, route)

    def wanted(truth: Truth, plan: ExpertPlan) -> bool:
        if plan.explanation.reason is not Reason.SLOW_RED or truth.ego.speed_mps < RED_MPS:
            return False
        return any(RED_M[0] < ahead < RED_M[1] and lamp_of(town.network, truth, line.group) is Lamp.RED for line, ahead in _ahead(lines, truth))

    return wanted


def before_turn(route: Route) -> Wanted:
    """Moments shortly before the first junction with a choice, where the plan of 4 s reaches into it."""
    first = next((turn for turn in route.turns if turn.manoeuvre is not Manoeuvre.FOLLOW), None)

    def wanted(truth: Truth, plan: ExpertPlan) -> bool:
        if first is None or truth.ego.speed_mps < TURN_MPS:
            return False
        return TURN_M[0] < first.begin_m - truth.ego.route_s_m - truth.ego.front_m < TURN_M[1]

    return wanted


def probe_lamp(asked: Asked, scene: Scene) -> float:
    """Metres that the plan goes further when the red lamp ahead alone turns green.

    Raises:
        PolicyError: the policy cannot plan here.
    """
    lines = stop_lines(scene.town.network, scene.route)
    line = next(line for line, ahead in _ahead(lines, scene.truth) if ahead > 0.0)
    manoeuvre = scene.route.instructed_at(scene.truth.ego.route_s_m)
    red, green = (asked.plan(manoeuvre, lamps={line.group: lamp}) for lamp in (Lamp.RED, Lamp.GREEN))
    return way_m(green) - way_m(red)


def probe_command(asked: Asked, left: Manoeuvre, right: Manoeuvre) -> float:
    """Metres that the plan's end moves to the right from one manoeuvre to another that leads further to the right.

    Raises:
        PolicyError: the policy cannot plan here.
    """
    return _to_the_right(asked.plan(left), asked.plan(right))


def probe_sentence(asked: Asked, left: str, right: str) -> float:
    """The same from one sentence to the other, the manoeuvre being `follow`.

    Raises:
        PolicyError: the policy cannot plan here.
    """
    return _to_the_right(asked.plan(Manoeuvre.FOLLOW, left), asked.plan(Manoeuvre.FOLLOW, right))


def summed(name: str, changes_m: Sequence[float], least_m: float) -> Probe:
    """A probe over scenes."""
    return Probe(name, len(changes_m), sum(each >= least_m for each in changes_m), fmean(changes_m) if changes_m else 0.0)


def way_m(points: NDArray[np.float32]) -> float:
    """Length of a plan."""
    steps = np.diff(np.vstack([np.zeros(2), points[:, :2].astype(np.float64)]), axis=0)
    return float(np.hypot(steps[:, 0], steps[:, 1]).sum())


def _to_the_right(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    return float(left[-1, 1] - right[-1, 1])


def _ahead(lines: Sequence[StopLine], truth: Truth) -> list[tuple[StopLine, float]]:
    front_m = truth.ego.route_s_m + truth.ego.front_m
    return [(line, line.at_m - front_m) for line in lines]
