"""The policy component: /frames, /vehicle/state and /instruction in, /plan/trajectory out. It sees nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_bag.native import instructions
from heron_bag.reader import open_bag
from heron_core.errors import ConfigError
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_core.rig import load_rig
from heron_core.signals import Instruction
from heron_runtime.node import HeronNode
from heron_vla.config import PolicyConfig
from heron_vla.folder import PolicyError, load_policy
from heron_vla.planner import Planner
from heron_vla.session import OnnxPolicy


class _Result(NamedTuple):
    frames: FrameSet
    start_ns: int
    points: NDArray[np.float32] | PolicyError


def _instructions(path: Path) -> Iterator[tuple[int, Instruction]]:
    with open_bag(path) as bag:
        yield from instructions(bag)


class PolicyNode(HeronNode):
    """Plans on the newest frame set in a thread of its own."""

    NAME = "policy"
    Config = PolicyConfig

    def setup(self) -> None:
        """Opens the policy, checks it against the rig, warms it up."""
        config: PolicyConfig = self.config
        if not config.policy:
            raise ConfigError(f"{self.get_name()}: parameter policy is empty, expected a policy folder")
        rig = load_rig(Path(config.rig)) if config.rig else None
        folder = load_policy(Path(config.policy), rig)
        self._planner = Planner(folder, config.deadline_ms * 1_000_000, config.manoeuvre)
        self._policy = OnnxPolicy(folder, config.providers, config.threads, config.warm_up)
        self._plan = self.advertise("/plan/trajectory")
        self._worker = self.worker("inference", self._infer, self._done)
        self._said = ""
        self.subscribe("/vehicle/state", self._planner.add_state)
        self.subscribe("/instruction", self._on_instruction)
        self.subscribe("/frames", self._on_frames)
        if config.recording:
            self.feed(lambda: _instructions(Path(config.recording)), self.advertise("/instruction").publish)

    def report(self) -> dict[str, Any]:
        """Plans, what was not planned on and why, copies."""
        return {
            "policy": {"name": self._policy.folder.spec.name, "digest": self._policy.digest, "provider": self._policy.provider},
            "plans": self._planner.plans,
            "plans_refused": dict(sorted(self._planner.refused.items())),
            "frame_sets_dropped": self._worker.dropped,
            "image_copies": self._policy.image_copies,
            "trajectory_sha256": self._planner.trajectory_sha256,
        }

    def _on_frames(self, frames: FrameSet) -> None:
        request = self._planner.ask(frames)
        if isinstance(request, str):
            self._refuse(request)
        else:
            self._worker.submit(request)

    def _infer(self, request: PolicyInput) -> _Result:
        start_ns = self.now_ns()
        try:
            return _Result(request.frames, start_ns, self._policy.plan(request))
        except PolicyError as error:
            return _Result(request.frames, start_ns, error)

    def _done(self, result: _Result) -> None:
        if isinstance(result.points, PolicyError):
            self._refuse(f"policy: {result.points}")
            return
        plan = self._planner.answer(result.frames, result.points, result.start_ns, self.now_ns())
        if isinstance(plan, str):
            self._refuse(plan)
            return
        self._said = ""
        self._plan.publish(plan)

    def _on_instruction(self, instruction: Instruction) -> None:
        try:
            self._planner.instruct(instruction)
        except PolicyError as error:
            self.event("plan", f"instruction refused, the one before stays: {error}")

    def _refuse(self, text: str) -> None:
        kind = text.split(":")[0]
        self.count(f"no_plan_{kind}")
        if kind != self._said:  # say it once, count it always
            self.event("plan", f"no plan: {text}")
        self._said = kind
