"""From frame sets, vehicle states and instructions to what a policy is asked, and from its answer to a plan."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_core.signals import Instruction
from heron_core.trajectory import POINTS, Trajectory
from heron_core.vehicle import VehicleState
from heron_vla.ego_history import EgoHistory
from heron_vla.folder import PolicyFolder
from heron_vla.frame_history import FrameHistory
from heron_vla.instructions import Instructions, Verdict
from heron_vla.signature import PolicyError


class Planner:
    """Holds ego history, older frame sets and instructions.

    Args:
        folder: the policy's promises.
        deadline_ns: a plan older than this when it is made is dropped.
        manoeuvre: in force until an instruction comes.

    Raises:
        PolicyError: the policy does not know the manoeuvre.
    """

    def __init__(self, folder: PolicyFolder, deadline_ns: int, manoeuvre: str) -> None:
        self._folder, self._deadline_ns = folder, deadline_ns
        self.instructions = Instructions(folder, manoeuvre)
        self._history = EgoHistory(folder.spec.ego_history)
        self._frames = FrameHistory(folder.spec.history)
        self._cameras = tuple(view.camera for view in folder.views)
        self._digest = hashlib.sha256()
        self.refused: Counter[str] = Counter()
        self.plans = 0

    @property
    def trajectory_sha256(self) -> str:
        """Over stamp and points of every plan so far."""
        return self._digest.hexdigest()

    def add_state(self, state: VehicleState) -> None:
        """Remembers what the car does."""
        self._history.add(state)

    def instruct(self, instruction: Instruction) -> Verdict | None:
        """Takes a manoeuvre and text; see `Instructions.give`.

        Raises:
            PolicyError: the policy does not know the manoeuvre; the one before stays.
        """
        try:
            return self.instructions.give(instruction)
        except PolicyError:
            self.refused["manoeuvre"] += 1
            raise

    def ask(self, frames: FrameSet) -> PolicyInput | str:
        """What the policy is asked on this frame set, or why it is not: `kind: text`, counted by kind."""
        fault = self._frames_fault(frames)
        if fault:
            return self._refusal(fault)
        past = self._frames.at(frames.stamp_ns)
        self._frames.add(frames)
        history = self._history.at(frames.stamp_ns)
        if isinstance(history, str):
            return self._refusal(f"ego_history: {history}")
        if isinstance(past, str):
            return self._refusal(f"history: {past}")
        return PolicyInput(frames, history, self.instructions.command, self.instructions.text, past)

    def answer(self, frames: FrameSet, points: NDArray[np.float32], start_ns: int, end_ns: int) -> Trajectory | str:
        """The plan to publish, or why it is dropped: `kind: text`, counted by kind."""
        age_ms = (end_ns - frames.stamp_ns) / 1e6
        if end_ns - frames.stamp_ns > self._deadline_ns:
            self.refused["deadline"] += 1
            return f"deadline: plan is {age_ms:.0f} ms old when made, allowed {self._deadline_ns / 1e6:.0f} ms"
        if points.shape != (POINTS, 4) or not np.isfinite(points).all():
            self.refused["output"] += 1
            return f"output: {points.shape} or not finite, expected ({POINTS}, 4)"
        stages = frames.stages.mark(inference_start_ns=start_ns, inference_end_ns=end_ns)
        plan = Trajectory.make(frames.stamp_ns, points, self.plans, self._folder.digest, stages)
        self.plans += 1
        self._digest.update(plan.stamp_ns.to_bytes(8, "little", signed=True) + plan.points.tobytes())
        return plan

    def _refusal(self, text: str) -> str:
        self.refused[text.split(":")[0]] += 1
        return text

    def _frames_fault(self, frames: FrameSet) -> str:
        wanted = self._folder.preprocessing.digest
        if wanted and frames.digest != wanted:
            return f"preprocessing: frame set is {frames.digest[:12]}, the policy wants {wanted[:12]}"
        if frames.cameras != self._cameras:
            return f"views: frame set has {', '.join(frames.cameras)}, the policy wants {', '.join(self._cameras)}"
        blind = [view.camera for view, valid in zip(self._folder.views, frames.valid, strict=True) if view.required and not valid]
        return f"views: no image of {', '.join(blind)}, which the policy requires" if blind else ""
