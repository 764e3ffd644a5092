"""A policy folder as a driver of the world, without ROS: pictures straight at its virtual cameras, the car's states, the route's instruction.

What it is asked is what `heron_vla` would ask it in the car: the same `Planner` holds ego history, older frame sets and the instruction. Left out is
the way of the pictures through lens, JPEG and undistortion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import address, read_only
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_core.rig import Rig
from heron_core.signals import Instruction
from heron_core.stages import Stages
from heron_core.vehicle import VehicleState
from heron_sim.config import WeatherConfig
from heron_sim.drawing.rays import virtual_view
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.truth import Truth
from heron_sim.world import SAID
from heron_vla.contract import REASON
from heron_vla.folder import PolicyError, PolicyFolder, load_policy
from heron_vla.planner import Planner
from heron_vla.session import Answer, OnnxPolicy
from heron_vla.speech import Speaker, Speech
from heron_vla.telling import Tell, Telling

Instruct = Callable[[Manoeuvre], tuple[str, str]]
"""What the route asks for → manoeuvre and sentence that the policy is given."""

DEADLINE_NS = 500_000_000
CALL_NS = 100_000_000
KEPT = 8  # policies that a process keeps open


def as_the_route_says(manoeuvre: Manoeuvre) -> tuple[str, str]:
    """The manoeuvre, and the world's own sentence for it."""
    return manoeuvre.value, SAID[manoeuvre]


@lru_cache(maxsize=KEPT)
def open_policy(path: Path) -> OnnxPolicy:
    """A policy on one thread of this process, opened once.

    Raises:
        PolicyError: the folder cannot be used.
    """
    return OnnxPolicy(load_policy(path), threads=1, warm_up=1)


class Eyes:
    """What a policy's virtual cameras see of the world, as frame sets."""

    def __init__(self, folder: PolicyFolder, rig: Rig, town: Town, weather: WeatherConfig, seed: int, blank: bool = False) -> None:
        """Compiles the ray-caster where that was not done before.

        Args:
            folder: the policy.
            rig: of the car.
            town: what stands about.
            weather: light and air.
            seed: of the cameras' noise.
            blank: all pictures are black.

        Raises:
            RigMismatchError: the rig cannot feed the policy.
        """
        folder.check_rig(rig)
        self._folder = folder
        self._valid = tuple(view.camera in rig.cameras for view in folder.views)
        self._rows = [sum(other.input == view.input for other in folder.views[:i]) for i, view in enumerate(folder.views)]
        views = {str(i): virtual_view(view, rig.cameras[view.camera]) for i, view in enumerate(folder.views) if self._valid[i]}
        self._renderer = None
        if not blank:
            from heron_sim.drawing.renderer import Renderer  # numba: heavy

            self._renderer = Renderer(town, views, weather, seed, small=True)

    def see(self, truth: Truth, inputs: Collection[str] | None = None) -> FrameSet:
        """The frame set of this moment; with `inputs` the images of these graph inputs alone."""
        shapes = self._folder.image_shapes
        images = {name: np.zeros(shapes[name], np.uint8) for name in shapes if inputs is None or name in inputs}
        if self._renderer is not None:
            only = None if inputs is None else {str(i) for i, view in enumerate(self._folder.views) if view.input in inputs}
            for name, picture in self._renderer.render(truth, only=only).items():
                view, row = self._folder.views[int(name)], self._rows[int(name)]
                images[view.input][row] = picture.image[:, :, ::-1].transpose(2, 0, 1)
        stamp_ns = truth.stamp_ns
        return FrameSet(
            stamp_ns=stamp_ns,
            digest=self._folder.preprocessing.digest or "",
            cameras=tuple(view.camera for view in self._folder.views),
            exposure_ns=tuple(stamp_ns if valid else 0 for valid in self._valid),
            valid=self._valid,
            images={name: read_only(image) for name, image in images.items()},
            addresses={name: address(image) for name, image in images.items()},
            stages=Stages(exposure_ns=stamp_ns, received_ns=stamp_ns, frames_complete_ns=stamp_ns, preprocessed_ns=stamp_ns),
        )


@dataclass(frozen=True)
class Said:
    """A moment at which the policy explained itself, or at which what it had said was over.

    Attributes:
        time_s: of the truth that it answered to.
        reason: that it thought; empty: what it said before is over.
        speech: its sentences; empty when it could not speak.
    """

    time_s: float
    reason: str
    speech: Speech


class PolicyDriver:
    """Plans for `heron_sim.driving.episode` as a policy does in the car; a call every 100 ms, in order of time.

    Attributes:
        refused: why no plan was made → times.
        told: what became of sentences → times.
        asked: the last question that the policy was asked.
        answer: to it.
        said: its explanations, when the car would have told them; empty without a speaker.
    """

    def __init__(
        self,
        policy: OnnxPolicy,
        eyes: Eyes,
        route: Route,
        instruct: Instruct = as_the_route_says,
        plan_every: int = 1,
        speaker: Speaker | None = None,
    ) -> None:
        """For one drive.

        Args:
            policy: to be asked.
            eyes: its pictures.
            route: whose manoeuvres are the instructions.
            instruct: what the policy is told about them.
            plan_every: only so many calls one plans; in between no pictures are drawn but those that a later plan wants as its past.
            speaker: says what the policy means; None: nothing is said.

        Raises:
            PolicyError: the policy does not know the manoeuvre `follow`.
        """
        self._policy, self._eyes, self._route, self._instruct, self._every = policy, eyes, route, instruct, plan_every
        self._planner = Planner(policy.folder, DEADLINE_NS, Manoeuvre.FOLLOW.value)
        history = policy.folder.spec.history
        ago = {round(step * history.step_s * 1e9 / CALL_NS) for step in range(1, history.steps)}
        self._past = {-calls % plan_every for calls in ago}  # calls, counted from one that plans, whose pictures another one wants
        self._calls = -1
        self._instructed: Manoeuvre | None = None
        self._speaker, self._telling = speaker, Telling()
        self.said: list[Said] = []
        self.refused: Counter[str] = Counter()
        self.asked: PolicyInput | None = None
        self.answer: Answer | None = None

    @property
    def told(self) -> Counter[str]:
        """See the class."""
        return self._planner.instructions.counts

    @classmethod
    def of(
        cls,
        path: Path,
        rig: Rig,
        town: Town,
        route: Route,
        weather: WeatherConfig,
        seed: int,
        blank: bool = False,
        instruct: Instruct = as_the_route_says,
        plan_every: int = 1,
        speaks: bool = False,
    ) -> PolicyDriver:
        """The driver of a policy folder; arguments as of `Eyes` and of this class; one that `speaks` explains itself as it does in the car.

        Raises:
            PolicyError: the folder cannot be used, or has no words and should speak.
            RigMismatchError: the rig cannot feed the policy.
        """
        policy = open_policy(path)
        speaker = Speaker(policy.folder) if speaks else None
        return cls(policy, Eyes(policy.folder, rig, town, weather, seed, blank), route, instruct, plan_every, speaker)

    def add_state(self, state: VehicleState) -> None:
        """Remembers what the car does; 100 times a second."""
        self._planner.add_state(state)

    def __call__(self, truth: Truth, state: VehicleState) -> NDArray[np.float32] | None:
        """(40, 4) x, y, yaw, speed in base_link at the truth's stamp; None: no plan is due, or none can be made, or it must not be used."""
        self._calls += 1
        phase = self._calls % self._every
        if phase:
            if phase in self._past:
                self._planner.ask(self._eyes.see(truth, self._policy.folder.spec.history.inputs))
            return None
        manoeuvre = self._route.instructed_at(truth.ego.route_s_m)
        if manoeuvre is not self._instructed:
            self._instructed = manoeuvre
            command, text = self._instruct(manoeuvre)
            self._planner.instruct(Instruction(truth.stamp_ns, command, text))
        asked = self._planner.ask(self._eyes.see(truth))
        if isinstance(asked, str):
            self.refused[asked.split(":")[0]] += 1
            return None
        self._read(asked)
        self.asked = asked
        try:
            self.answer = self._policy.answer(asked)
        except PolicyError:
            self.refused["policy"] += 1
            return None
        self._explain(truth, self.answer)
        return self.answer.points

    def _explain(self, truth: Truth, answer: Answer) -> None:
        if self._speaker is None or answer.thoughts is None or answer.memory is None:
            return
        tell = self._telling.after(truth.stamp_ns, answer.thoughts)
        if tell is Tell.OVER:
            self.said.append(Said(truth.time_s, "", Speech("", "", True)))
        if tell is not Tell.EXPLAIN:
            return
        try:
            speech = self._speaker.say(answer.memory)
        except PolicyError:  # counts as nothing that anybody understands
            speech = Speech("", "", False)
        self.said.append(Said(truth.time_s, answer.thoughts.words[REASON], speech))

    def _read(self, asked: PolicyInput) -> None:
        """A sentence counts once the policy has said what it understood, as in the car; from the next plan on."""
        instructions = self._planner.instructions
        question = instructions.question(asked)
        if question is None:
            return
        try:
            thoughts = self._policy.answer(question).thoughts
        except PolicyError:
            instructions.give_up(question.text)
            return
        if thoughts is not None:
            instructions.settle(question.text, thoughts)
