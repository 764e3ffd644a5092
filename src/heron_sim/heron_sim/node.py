"""The components of a simulation: the world with its car and cameras, and the expert driver."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from heron_can.io import CanIo
from heron_control.proving_ground.closed_loop import LoopCar
from heron_control.proving_ground.simulated_car import TICK_NS
from heron_core.errors import ConfigError
from heron_core.frames import CameraFrame, FrameSet
from heron_core.rig import load_rig
from heron_core.signals import ControlStatus, Event, Explanation
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory
from heron_core.truth import Truth
from heron_runtime.lockstep import LockstepHost
from heron_runtime.node import HeronNode
from heron_sim.config import ExpertNodeConfig, WorldNodeConfig
from heron_sim.driving.expert import Expert, ExpertPlan
from heron_sim.driving.judge import Judge
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.scenario import Scenario, lasting, load_scenario
from heron_sim.world import World

JUDGE_TICKS = 5
IMAGE_TICKS = 10
TRUTHS_KEPT = 20  # two seconds


@lru_cache(maxsize=1)
def _built(path: str, seed: int) -> tuple[Scenario, Town, Route]:
    """Both components of one process drive in the same town: it is made once."""
    scenario = load_scenario(path, Path(path).parent)
    return scenario, *scenario.build(seed)


class WorldNode(HeronNode):
    """Town, traffic, car and cameras on the one clock; the judge sits in it."""

    NAME = "world"
    Config = WorldNodeConfig

    def setup(self) -> None:
        """Builds the town, puts the car on its buses, warms the renderer up."""
        config: WorldNodeConfig = self.config
        if not isinstance(self.host, LockstepHost):
            raise ConfigError("the simulated world runs in lock-step only: ./heron drive")
        scenario, town, route = _built(config.scenario, config.seed)
        vehicle, rig = LoopCar.load(Path(config.vehicle)), load_rig(Path(config.vehicle) / "rig.yaml")
        scenario = lasting(scenario, config.seconds or None)
        self._seconds, self._criteria = scenario.config.seconds, scenario.config.criteria
        self._world = World(town, route, scenario.config, config.seed, vehicle, self.now_ns())
        self._judge = Judge(town, route, Expert(town, route, vehicle.model, vehicle.limits))
        self._ios: dict[str, CanIo] = {}
        for name, bus in vehicle.car.buses("sim").items():
            self._ios[name] = CanIo.shared(name, bus, vehicle.car.wanted[name])
            self.at_end(self._ios[name].release)
            self._ios[name].listen(partial(self._world.receive, name))
            self.at_end(partial(self._ios[name].listen, None))
        self._truth, self._instruction = self.advertise("/sim/truth"), self.advertise("/instruction")
        self._said, self._reason, self._gave_up = "", "", 0
        self._explained: list[tuple[float, str]] = []
        if config.images:
            from heron_sim.cameras import Cameras  # numba: heavy

            self._show(Cameras(town, rig, scenario.config.weather, config.seed, config.jpeg_quality, config.threads))
        self.subscribe("/control/status", self._on_status)
        self.subscribe("/events", self._on_event)
        self.subscribe("/plan/explanation", self._on_explanation)
        self._tell()
        self.feed(self._ticks, self._tick)

    def report(self) -> dict[str, Any]:
        """How it was driven, and what broke the scenario's criteria."""
        result = self._judge.result()
        failures = result.failures(self._criteria, self._gave_up, self._explained)
        if not self._world.driver.engaged:
            failures.insert(0, f"Heron never drove: {self._reason or 'its control said nothing'}")
        name = Path(self.config.scenario).stem
        return {
            "driving": result.report(),
            "scenario": {
                "name": name,
                "seed": self.config.seed,
                "seconds": self._seconds,
                "failures": failures,
                "notes": list(self._world.notes),
            },
            "car": dict(sorted(self._world.counts.items())),
        }

    def _show(self, cameras: Any) -> None:
        self.at_end(cameras.close)
        self.advertise("/tf_static").publish(dataclasses.replace(cameras.rig.transforms(), stamp_ns=self.now_ns()))
        for camera, info in zip(cameras.rig.cameras.values(), cameras.rig.infos(), strict=True):
            self.advertise(f"{camera.topic}/camera_info").publish(dataclasses.replace(info, stamp_ns=self.now_ns()))
        self._images = {name: self.advertise(f"{camera.topic}/image/compressed") for name, camera in cameras.rig.cameras.items()}
        self._exposure = self.worker("capture", cameras.frames, self._arrived, newest_only=False)

    def _ticks(self) -> Iterator[tuple[int, int]]:
        start_ns = self._world.start_ns
        return ((start_ns + i * TICK_NS, i) for i in range(1, round(self._seconds * 1e9 / TICK_NS) + 1))

    def _tick(self, number: int) -> None:
        for bus, frame in self._world.tick(self.now_ns()):
            self._ios[bus].push([frame])
        if number % JUDGE_TICKS == 0:
            truth = self._world.truth()
            self._judge.observe(truth)
            if number % IMAGE_TICKS == 0:
                self._truth.publish(truth)
                self._tell()
                if self.config.images:
                    self._exposure.submit(truth)

    def _tell(self) -> None:
        instruction = self._world.instruction()
        if instruction.manoeuvre != self._said:
            self._said = instruction.manoeuvre
            self._instruction.publish(instruction)

    def _arrived(self, frames: list[CameraFrame]) -> None:
        for frame in frames:
            self._images[frame.camera].publish(dataclasses.replace(frame, received_ns=self.now_ns()))

    def _on_status(self, status: ControlStatus) -> None:
        self._world.display, self._reason = status.engagement, status.reason

    def _on_explanation(self, said: Explanation) -> None:
        self._explained.append(((said.stamp_ns - self._world.start_ns) / 1e9, said.english))

    def _on_event(self, event: Event) -> None:
        self._gave_up += event.kind in ("disengagement", "override")


class _Asked(NamedTuple):
    truth: Truth
    stages: Stages


class _Answer(NamedTuple):
    asked: _Asked
    start_ns: int
    plan: ExpertPlan


class ExpertNode(HeronNode):
    """The privileged driver in the place of a policy: it sees /sim/truth, and plans when and as late as a policy would."""

    NAME = "policy"
    Config = ExpertNodeConfig

    def setup(self) -> None:
        """Builds the expert."""
        config: ExpertNodeConfig = self.config
        vehicle = LoopCar.load(Path(config.vehicle))
        _, town, route = _built(config.scenario, config.seed)
        self._expert = Expert(town, route, vehicle.model, vehicle.limits)
        self._plan, self._explanation = self.advertise("/plan/trajectory"), self.advertise("/plan/explanation")
        self._worker = self.worker("inference", self._think, self._done)
        self._truths: dict[int, Truth] = {}
        self._digest = hashlib.sha256()
        self._plans, self._said = 0, ""
        if config.images:
            self.subscribe("/sim/truth", self._keep)
            self.subscribe("/frames", self._on_frames)
        else:
            # As late as with pictures: what they would take passes here.
            self._pictures = self.worker("preprocess", lambda truth: truth, self._on_truth)
            self._capture = self.worker("capture", lambda truth: truth, self._pictures.submit)
            self.subscribe("/sim/truth", self._capture.submit)

    def report(self) -> dict[str, Any]:
        """Plans, and their digest as a policy's."""
        return {
            "policy": {"name": "expert"},
            "plans": self._plans,
            "trajectory_sha256": self._digest.hexdigest(),
            "frame_sets_dropped": self._worker.dropped,
        }

    def _keep(self, truth: Truth) -> None:
        self._truths[truth.stamp_ns] = truth
        while len(self._truths) > TRUTHS_KEPT:
            del self._truths[next(iter(self._truths))]

    def _on_frames(self, frames: FrameSet) -> None:
        truth = self._truths.get(frames.stamp_ns)
        if truth is None:
            self.count("no_plan_truth")
        else:
            self._worker.submit(_Asked(truth, frames.stages))

    def _on_truth(self, truth: Truth) -> None:
        now_ns = self.now_ns()
        self._worker.submit(_Asked(truth, Stages(exposure_ns=truth.stamp_ns, received_ns=now_ns, frames_complete_ns=now_ns, preprocessed_ns=now_ns)))

    def _think(self, asked: _Asked) -> _Answer:
        return _Answer(asked, self.now_ns(), self._expert.plan(asked.truth))

    def _done(self, answer: _Answer) -> None:
        stages = answer.asked.stages.mark(inference_start_ns=answer.start_ns, inference_end_ns=self.now_ns())
        plan = Trajectory.make(answer.asked.truth.stamp_ns, answer.plan.points, self._plans, "expert", stages)
        self._plans += 1
        self._digest.update(plan.stamp_ns.to_bytes(8, "little", signed=True) + plan.points.tobytes())
        self._plan.publish(plan)
        said = answer.plan.explanation
        if said.english != self._said:
            self._said = said.english
            self._explanation.publish(Explanation(plan.stamp_ns, said.reason.value, said.english, said.japanese))
