"""What every component that plans does, wherever its policy thinks: /frames, /vehicle/state and /instruction in, plans and explanations out."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

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
from heron_vla.language import Thoughts
from heron_vla.planner import Planner
from heron_vla.session import Answer, Memory
from heron_vla.signature import PolicyError
from heron_vla.speech import Speech
from heron_vla.telling import Tell, Telling

SPEECH_NICE = 10
"""Of the threads that read and speak: they wait when the plans need the computer."""


class Thinker(Protocol):
    """Gives plans; called in a thread of its own, and may block there."""

    def answer(self, request: PolicyInput) -> Answer:
        """The plan, and what was thought before; PolicyError: there is none."""


class Voice(Protocol):
    """Puts a plan into words; called in a thread of its own, and may block there."""

    def say(self, memory: Memory) -> Speech:
        """Both sentences for the plan that left `memory`; PolicyError: there are none."""


class Mind(NamedTuple):
    """What a component thinks with.

    Attributes:
        thinker: gives the plans.
        reader: says what is understood of an instruction, never in the way of a plan; None of a policy without text.
        voice: explains; None of a policy without text.
    """

    thinker: Thinker
    reader: Thinker | None = None
    voice: Voice | None = None


class Asked(NamedTuple):
    """What is thought about, and its place in the order of asking."""

    order: int
    request: PolicyInput


class Thought(NamedTuple):
    """A frame set and its place in the order of asking, when thinking about it began, and what came of it."""

    order: int
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
    overs: int  # how often what was said had been over by then


class _Said(NamedTuple):
    moment: _Moment
    speech: Speech | PolicyError


def _instructions(path: Path) -> Iterator[tuple[int, Instruction]]:
    with open_bag(path) as bag:
        yield from instructions(bag)


class PlanningNode(HeronNode):
    """Plans on the newest frame set in a thread of its own; reads instructions and explains itself in two others. A subclass says what with."""

    NAME = "policy"
    Config = PolicyConfig

    def open_mind(self, folder: PolicyFolder) -> Mind:
        """Makes what thinks with this policy; once, in `setup`."""
        raise NotImplementedError(f"{type(self).__name__} has no open_mind()")

    def parallel(self) -> int:
        """How many frame sets are thought about at a time; more than one where thinking is mostly waiting."""
        return 1

    def report_mind(self) -> dict[str, Any]:
        """What the mind adds to the report; `policy` in it says what the policy runs on."""
        raise NotImplementedError(f"{type(self).__name__} has no report_mind()")

    def setup(self) -> None:
        """Opens the policy, checks it against the rig, warms it up."""
        config: PolicyConfig = self.config
        if not config.policy:
            raise ConfigError(f"{self.get_name()}: parameter policy is empty, expected a policy folder")
        rig = load_rig(Path(config.rig)) if config.rig else None
        folder = load_policy(Path(config.policy), rig)
        self._planner = Planner(folder, config.deadline_ms * 1_000_000, config.manoeuvre)
        self._folder, self._mind = folder, self.open_mind(folder)
        self._plan = self.advertise("/plan/trajectory")
        self._workers = [self.worker("inference", self._infer, partial(self.settle, index)) for index in range(self.parallel())]
        self._busy, self._asked, self._newest = [0] * len(self._workers), 0, 0
        self._refused, self._explanations = "", 0
        if folder.language is not None:
            self._learn_to_speak()
        self.subscribe("/vehicle/state", self._planner.add_state)
        self.subscribe("/instruction", self._on_instruction)
        self.subscribe("/frames", self._on_frames)
        if config.recording:
            self.feed(lambda: _instructions(Path(config.recording)), self.advertise("/instruction").publish)

    def report(self) -> dict[str, Any]:
        """Plans, what was not planned on and why, copies, what became of instructions."""
        told = {"instructions": dict(sorted(self._planner.instructions.counts.items())), "explanations": self._explanations}
        return {
            **self.report_mind(),
            "plans": self._planner.plans,
            "plans_refused": dict(sorted(self._planner.refused.items())),
            "frame_sets_dropped": sum(worker.dropped for worker in self._workers),
            "trajectory_sha256": self._planner.trajectory_sha256,
            **(told if self._folder.language else {}),
        }

    def _learn_to_speak(self) -> None:
        self._telling, self._overs = Telling(), 0
        self._explained = False  # a reason was the last thing that was said, not an answer to an instruction
        self._explanation = self.advertise("/plan/explanation")
        self._read_worker = self.worker("speech", self._read, self._understood)
        self._speech_worker = self.worker("speech", self._speak, self._spoken)

    def _on_frames(self, frames: FrameSet) -> None:
        request = self._planner.ask(frames)
        if isinstance(request, str):
            self._refuse(request)
            return
        index = self._busy.index(min(self._busy))
        self._busy[index] = min(2, self._busy[index] + 1)  # one under way, one that waits
        self._asked += 1
        asked = Asked(self._asked, request)
        self._workers[index].submit(asked)
        self.asked(asked)
        question = self._planner.instructions.question(request)
        if question is not None:
            self._read_worker.submit(question)

    def _infer(self, asked: Asked) -> Thought:
        start_ns = self.now_ns()
        try:
            return Thought(asked.order, asked.request.frames, start_ns, self._mind.thinker.answer(asked.request))
        except PolicyError as error:
            return Thought(asked.order, asked.request.frames, start_ns, error)

    def asked(self, asked: Asked) -> None:
        """Called with each frame set that is thought about, for a subclass that thinks about it in more than one way."""

    def settle(self, index: int, result: Thought) -> None:
        """What becomes of a thought; frees its place among those that are thought at a time."""
        self._busy[index] -= 1
        self.conclude(result)

    def conclude(self, result: Thought) -> bool:
        """Publishes the plan that was thought of; False: there is none, or it is of no use, which is counted."""
        answer = result.answer
        if isinstance(answer, PolicyError):
            return self._refuse(f"policy: {answer}")
        if result.order <= self._newest:  # not by stamps: a clock that was set back, or a recording that begins anew, is planned on
            return self._refuse("overtaken: a plan on these images or newer ones came first")
        plan = self._planner.answer(result.frames, answer.points, result.start_ns, self.now_ns())
        if isinstance(plan, str):
            return self._refuse(plan)
        self._refused, self._newest = "", result.order
        self._plan.publish(plan)
        if answer.thoughts is not None and answer.memory is not None:
            self._explain_if_due(plan.stamp_ns, answer.thoughts, answer.memory)
        return True

    def _explain_if_due(self, stamp_ns: int, thoughts: Thoughts, memory: Memory) -> None:
        tell = self._telling.after(stamp_ns, thoughts)
        if tell is Tell.EXPLAIN:
            self._speech_worker.submit(_Moment(stamp_ns, thoughts.words[REASON], memory, self._overs))
        elif tell is Tell.OVER:
            self._overs += 1
            if self._explained:
                self._explanation.publish(Explanation(stamp_ns, "", ""))
            self._explained = False

    def _on_instruction(self, instruction: Instruction) -> None:
        try:
            self._tell(self._planner.instruct(instruction), instruction.stamp_ns)
        except PolicyError as error:
            self.event("plan", f"instruction refused, the one before stays: {error}")

    def _read(self, question: PolicyInput) -> _Read:
        """In a thread of its own: what the policy understands, before a plan may use it."""
        _be_nice()
        assert self._mind.reader is not None
        try:
            return _Read(question.text, self._mind.reader.answer(question))
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
            self._explained = False

    def _speak(self, moment: _Moment) -> _Said:
        """In a thread of its own."""
        _be_nice()
        assert self._mind.voice is not None
        try:
            return _Said(moment, self._mind.voice.say(moment.memory))
        except PolicyError as error:
            return _Said(moment, error)

    def _spoken(self, said: _Said) -> None:
        speech = said.speech
        if isinstance(speech, PolicyError):
            self.count("no_explanation")
            self.event("plan", f"no explanation: {speech}")
            return
        self.count("explanations_cut_short", not speech.whole)
        if (speech.english or speech.japanese) and said.moment.overs == self._overs:  # not by stamps: a clock may be set back
            self._explain(Explanation(said.moment.stamp_ns, said.moment.reason, speech.english, speech.japanese))
            self._explained = True

    def _explain(self, explanation: Explanation) -> None:
        self._explanations += 1
        self._explanation.publish(explanation)

    def _refuse(self, text: str) -> Literal[False]:
        kind = text.split(":")[0]
        self.count(f"no_plan_{kind}")
        if kind != self._refused:  # say it once, count it always
            self.event("plan", f"no plan: {text}")
        self._refused = kind
        return False


def _be_nice() -> None:
    """Lowers the priority of this thread, where it is one of its own: in lock-step it is the only one."""
    thread = threading.get_native_id()
    if threading.current_thread() is not threading.main_thread() and os.getpriority(os.PRIO_PROCESS, thread) < SPEECH_NICE:
        os.setpriority(os.PRIO_PROCESS, thread, SPEECH_NICE)
