"""The policy component: /frames, /vehicle/state and /instruction in, /plan/trajectory and /plan/explanation out. It sees nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from heron_bag.native import instructions
from heron_bag.reader import open_bag
from heron_core.errors import ConfigError
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_core.rig import load_rig
from heron_core.signals import Explanation, Instruction
from heron_runtime.node import HeronNode
from heron_vla.config import PolicyConfig
from heron_vla.contract import REASON
from heron_vla.folder import PolicyFolder, load_policy
from heron_vla.instructions import Verdict
from heron_vla.planner import Planner
from heron_vla.session import Answer, Memory, OnnxPolicy
from heron_vla.signature import PolicyError
from heron_vla.speech import Speaker, Speech
from heron_vla.telling import Telling

SPEECH_NICE = 10
"""Of the threads that read and speak: they wait when the plans need the computer."""


class _Result(NamedTuple):
    frames: FrameSet
    start_ns: int
    answer: Answer | PolicyError


class _Read(NamedTuple):
    text: str
    answer: Answer | PolicyError


class _Moment(NamedTuple):
    stamp_ns: int
    reason: str
    memory: Memory


class _Said(NamedTuple):
    moment: _Moment
    speech: Speech | PolicyError


def _instructions(path: Path) -> Iterator[tuple[int, Instruction]]:
    with open_bag(path) as bag:
        yield from instructions(bag)


class PolicyNode(HeronNode):
    """Plans on the newest frame set in a thread of its own; reads instructions and explains itself in two others."""

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
        self._policy = OnnxPolicy(folder, config.providers, config.threads, config.warm_up, config.backend)
        self._plan = self.advertise("/plan/trajectory")
        self._worker = self.worker("inference", self._infer, self._done)
        self._refused, self._explanations = "", 0
        if folder.language is not None:
            self._learn_to_speak(folder)
        self.subscribe("/vehicle/state", self._planner.add_state)
        self.subscribe("/instruction", self._on_instruction)
        self.subscribe("/frames", self._on_frames)
        if config.recording:
            self.feed(lambda: _instructions(Path(config.recording)), self.advertise("/instruction").publish)

    def report(self) -> dict[str, Any]:
        """Plans, what was not planned on and why, copies, what became of instructions."""
        policy = self._policy
        told = {"instructions": dict(sorted(self._planner.instructions.counts.items())), "explanations": self._explanations}
        return {
            "policy": {"name": policy.folder.spec.name, "digest": policy.digest, "backend": policy.backend, "provider": policy.provider},
            "plans": self._planner.plans,
            "plans_refused": dict(sorted(self._planner.refused.items())),
            "frame_sets_dropped": self._worker.dropped,
            "image_copies": policy.image_copies,
            "trajectory_sha256": self._planner.trajectory_sha256,
            **(told if policy.folder.language else {}),
        }

    def _learn_to_speak(self, folder: PolicyFolder) -> None:
        config: PolicyConfig = self.config
        # A graph of its own: the one that plans is never waited for. ONNX Runtime, because it works in the thread that calls, which is a nice one.
        self._reader = OnnxPolicy(folder, config.providers, warm_up=0, backend="onnxruntime")
        self._speaker, self._telling = Speaker(folder, config.providers), Telling()
        self._explanation = self.advertise("/plan/explanation")
        self._read_worker = self.worker("speech", self._read, self._understood)
        self._speech_worker = self.worker("speech", self._speak, self._spoken)

    def _on_frames(self, frames: FrameSet) -> None:
        request = self._planner.ask(frames)
        if isinstance(request, str):
            self._refuse(request)
            return
        self._worker.submit(request)
        question = self._planner.instructions.question(request)
        if question is not None:
            self._read_worker.submit(question)

    def _infer(self, request: PolicyInput) -> _Result:
        start_ns = self.now_ns()
        try:
            return _Result(request.frames, start_ns, self._policy.answer(request))
        except PolicyError as error:
            return _Result(request.frames, start_ns, error)

    def _done(self, result: _Result) -> None:
        answer = result.answer
        if isinstance(answer, PolicyError):
            self._refuse(f"policy: {answer}")
            return
        plan = self._planner.answer(result.frames, answer.points, result.start_ns, self.now_ns())
        if isinstance(plan, str):
            self._refuse(plan)
            return
        self._refused = ""
        self._plan.publish(plan)
        if answer.thoughts is not None and answer.memory is not None and self._telling.due(plan.stamp_ns, answer.thoughts):
            self._speech_worker.submit(_Moment(plan.stamp_ns, answer.thoughts.words[REASON], answer.memory))

    def _on_instruction(self, instruction: Instruction) -> None:
        try:
            self._tell(self._planner.instruct(instruction), instruction.stamp_ns)
        except PolicyError as error:
            self.event("plan", f"instruction refused, the one before stays: {error}")

    def _read(self, question: PolicyInput) -> _Read:
        """In a thread of its own: what the policy understands, before a plan may use it."""
        _be_nice()
        try:
            return _Read(question.text, self._reader.answer(question))
        except PolicyError as error:
            return _Read(question.text, error)

    def _understood(self, read: _Read) -> None:
        if isinstance(read.answer, PolicyError):
            self._planner.instructions.give_up(read.text)
            self.event("instruction", f"not read, what was asked before counts: {read.answer}", "instruction_unread")
        elif read.answer.thoughts is not None:
            self._tell(self._planner.instructions.settle(read.text, read.answer.thoughts), self.now_ns())

    def _tell(self, verdict: Verdict | None, stamp_ns: int) -> None:
        if verdict is None:
            return
        if verdict.kind != "unread" or self._planner.instructions.counts["unread"] == 1:  # of a policy that reads nothing it is said once
            self.event("instruction", verdict.text, f"instruction_{verdict.kind}")
        if verdict.english:
            self._explain(Explanation(stamp_ns, verdict.kind, verdict.english, verdict.japanese))

    def _speak(self, moment: _Moment) -> _Said:
        """In a thread of its own."""
        _be_nice()
        try:
            return _Said(moment, self._speaker.say(moment.memory))
        except PolicyError as error:
            return _Said(moment, error)

    def _spoken(self, said: _Said) -> None:
        speech = said.speech
        if isinstance(speech, PolicyError):
            self.count("no_explanation")
            self.event("plan", f"no explanation: {speech}")
            return
        self.count("explanations_cut_short", not speech.whole)
        if speech.english or speech.japanese:
            self._explain(Explanation(said.moment.stamp_ns, said.moment.reason, speech.english, speech.japanese))

    def _explain(self, explanation: Explanation) -> None:
        self._explanations += 1
        self._explanation.publish(explanation)

    def _refuse(self, text: str) -> None:
        kind = text.split(":")[0]
        self.count(f"no_plan_{kind}")
        if kind != self._refused:  # say it once, count it always
            self.event("plan", f"no plan: {text}")
        self._refused = kind


def _be_nice() -> None:
    """Lowers the priority of this thread, where it is one of its own: in lock-step it is the only one."""
    thread = threading.get_native_id()
    if threading.current_thread() is not threading.main_thread() and os.getpriority(os.PRIO_PROCESS, thread) < SPEECH_NICE:
        os.setpriority(os.PRIO_PROCESS, thread, SPEECH_NICE)
