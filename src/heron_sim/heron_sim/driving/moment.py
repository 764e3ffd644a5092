"""One moment of a scenario: the world after the expert has driven so long."""

from __future__ import annotations

from dataclasses import dataclass, replace

from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.errors import HeronError, InputError
from heron_core.vehicle import VehicleState
from heron_sim.driving.episode import drive_episode
from heron_sim.driving.expert import Expert, ExpertPlan
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.scenario import Scenario
from heron_sim.truth import Truth

PLAN_S = 0.1  # moments are those of the plans, which are those of the images


class MomentError(HeronError):
    """The drive ended before the moment came."""

    is_failure = True


@dataclass(frozen=True)
class Moment:
    """The world at one time, and what the expert said then in English."""

    town: Town
    route: Route
    truth: Truth
    said: str


def moment(vehicle: LoopCar, scenario: Scenario, seed: int, at_s: float, latency_s: float) -> Moment:
    """The world of a scenario `at_s` seconds after its start, to 0.1 s; plans arrive `latency_s` after their stamp.

    Raises:
        InputError: a time beyond the scenario's, an impossible route, no room to spawn.
        MomentError: the drive ended before.
    """
    if not 0.0 <= at_s <= scenario.config.seconds:
        raise InputError(f"{at_s:g} s is not in {scenario.name}: allowed 0 .. {scenario.config.seconds:g}")
    town, route = scenario.build(seed)
    expert = Expert(town, route, vehicle.model, vehicle.limits)
    seen: list[tuple[Truth, ExpertPlan]] = []

    def planner(truth: Truth, state: VehicleState) -> ExpertPlan:
        plan = expert.plan(truth)
        if truth.time_s <= at_s + 1e-6:
            seen[:] = [(truth, plan)]
        return plan

    config = replace(scenario.config, seconds=max(at_s + PLAN_S, 1.0))
    episode = drive_episode(vehicle, town, route, config, seed, latency_s, planner)
    if not seen or seen[0][0].time_s < at_s - PLAN_S - 1e-6:
        raise MomentError(f"{scenario.name}, seed {seed}: the drive ended before {at_s:g} s: {'; '.join(episode.failures)}")
    truth, plan = seen[0]
    return Moment(town, route, truth, plan.explanation.english)
