"""Single moments of the expert's drives, at which a policy is asked what it would do: with one thing changed, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.policy import PolicyInput
from heron_core.rig import Rig
from heron_core.vehicle import VehicleState
from heron_sim.config import ScenarioConfig
from heron_sim.driving.episode import drive_episode
from heron_sim.driving.expert import Expert, ExpertPlan
from heron_sim.driving.policy_driver import DEADLINE_NS, Eyes
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.route import Route, Turn
from heron_sim.roads.town import Town
from heron_sim.truth import Lamp, Truth
from heron_vla.contract import INTENT
from heron_vla.folder import PolicyError
from heron_vla.language import Tokens
from heron_vla.planner import Planner
from heron_vla.session import OnnxPolicy

KEPT = 40  # moments of 100 ms before a scene: as long ago as any policy looks
EARLIEST = 20  # moments from the start: whoever stood has begun to drive

Wanted = Callable[[Truth, ExpertPlan], bool]


@dataclass(frozen=True)
class Scene:
    """One moment, with what was before.

    Attributes:
        town, route, config, seed: where and in which weather.
        truths: every 100 ms up to the moment.
        states: of the car at the same times.
    """

    town: Town
    route: Route
    config: ScenarioConfig
    seed: int
    truths: tuple[Truth, ...]
    states: tuple[VehicleState, ...]

    @property
    def truth(self) -> Truth:
        """Of the moment."""
        return self.truths[-1]

    @property
    def turn(self) -> Turn | None:
        """The next junction with a choice."""
        s_m = self.truth.ego.route_s_m
        return next((turn for turn in self.route.turns if turn.manoeuvre is not Manoeuvre.FOLLOW and turn.end_m > s_m), None)

    def choices(self) -> tuple[Manoeuvre, ...]:
        """What can be done at that junction from the lane that leads to it, from left to right."""
        lanes = self.town.network.lanes
        if self.turn is None:
            return ()
        before = lanes[self.turn.lane].predecessors
        possible = {lanes[after].turn for lane in before for after in lanes[lane].successors}
        return tuple(each for each in (Manoeuvre.LEFT, Manoeuvre.STRAIGHT, Manoeuvre.RIGHT) if each in possible)


def find_scenes(
    vehicle: LoopCar, town: Town, route: Route, config: ScenarioConfig, seed: int, latency_s: float, wanted: Wanted, most: int = 1
) -> list[Scene]:
    """Lets the expert drive, and keeps the first moments that are wanted, at least 10 s apart; the drive ends with the last of `most`.

    Raises:
        InputError: no room to spawn.
    """
    expert = Expert(town, route, vehicle.model, vehicle.limits)
    truths: list[Truth] = []
    states: list[VehicleState] = []
    found: list[Scene] = []
    found_s = -math.inf

    def planner(truth: Truth, state: VehicleState) -> ExpertPlan:
        nonlocal found_s
        plan = expert.plan(truth)
        truths.append(truth)
        states.append(state)
        del truths[:-KEPT], states[:-KEPT]
        if len(truths) > EARLIEST and truth.time_s - found_s > 10.0 and wanted(truth, plan):
            found_s = truth.time_s
            found.append(Scene(town, route, config, seed, tuple(truths), tuple(states)))
        return plan

    drive_episode(vehicle, town, route, config, seed, latency_s, planner, until=lambda truth: len(found) >= most)
    return found


class Asked:
    """A policy before one scene: pictures are drawn once for each state of the lamps."""

    def __init__(self, policy: OnnxPolicy, rig: Rig, scene: Scene) -> None:
        """Draws nothing yet.

        Raises:
            RigMismatchError: the rig cannot feed the policy.
        """
        self._policy, self._scene = policy, scene
        self._eyes = Eyes(policy.folder, rig, scene.town, scene.config.weather, scene.seed)
        self._requests: dict[tuple[tuple[int, Lamp], ...], PolicyInput] = {}

    def plan(self, manoeuvre: Manoeuvre, text: str = "", lamps: Mapping[int, Lamp] | None = None) -> NDArray[np.float32]:
        """(40, 4) x, y, yaw, speed in base_link.

        Args:
            manoeuvre: that the policy is told.
            text: sentence that it is told; taken as it is, without being weighed first.
            lamps: signal groups that show something else than they do.

        Raises:
            PolicyError: the policy cannot plan here, and why.
        """
        return self._policy.plan(self._request(manoeuvre, text, lamps or {}))

    def intent(self, text: str) -> str:
        """What the policy takes a sentence for, the manoeuvre being `follow`; as in the car, `too_long` or `unknown` where it cannot read it.

        Raises:
            PolicyError: the policy reads nothing, or cannot be asked here.
        """
        folder = self._policy.folder
        if folder.language is None:
            raise PolicyError(f"policy {folder.spec.name} reads no text")
        read = folder.language.read(text)
        if not isinstance(read, Tokens):
            return read
        thoughts = self._policy.answer(self._request(Manoeuvre.FOLLOW, text, {})).thoughts
        assert thoughts is not None  # it has a language
        return thoughts.words[INTENT]

    def _request(self, manoeuvre: Manoeuvre, text: str, lamps: Mapping[int, Lamp]) -> PolicyInput:
        key = tuple(sorted(lamps.items()))
        if key not in self._requests:
            found = self._look(lamps)
            if isinstance(found, str):
                raise PolicyError(f"{self._policy.folder.path}: no plan at a single moment: {found}")
            self._requests[key] = found
        return replace(self._requests[key], command=self._policy.folder.command(manoeuvre.value), text=text)

    def _look(self, lamps: Mapping[int, Lamp]) -> PolicyInput | str:
        scene, history = self._scene, self._policy.folder.spec.history
        planner = Planner(self._policy.folder, DEADLINE_NS, Manoeuvre.FOLLOW.value)
        for state in scene.states:
            planner.add_state(state)
        found: PolicyInput | str = "no moment"
        for step in reversed(range(history.steps)):
            ago = round(step * history.step_s / 0.1)
            if ago >= len(scene.truths):
                return f"it looks {step * history.step_s:g} s back, the scene has {len(scene.truths) / 10.0:g} s"
            truth = scene.truths[-1 - ago]
            found = planner.ask(self._eyes.see(replace(truth, lamps={**truth.lamps, **lamps})))
        return found
