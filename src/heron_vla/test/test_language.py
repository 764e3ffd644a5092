"""A policy that sees movement, reads and speaks: what goes in arrives, what is thought is told, what cannot be read is said."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from speaking_policy import HEIGHT, ID, SHIFT_MPS, WIDTH, write_speaking

from heron_core.arrays import address, read_only
from heron_core.errors import HeronError
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_core.signals import Instruction
from heron_core.trajectory import TIMES_S
from heron_vla.backends import choose_backend
from heron_vla.contract import History
from heron_vla.folder import PolicyError, PolicyFolder, load_policy
from heron_vla.frame_history import FrameHistory
from heron_vla.instructions import Instructions
from heron_vla.language import Thoughts, Tokens
from heron_vla.session import OnnxPolicy
from heron_vla.speech import Speaker, Speech
from heron_vla.telling import SURE, Tell, Telling

MS = 1_000_000
SECOND = 1000 * MS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> PolicyFolder:
    return load_policy(write_speaking(tmp_path_factory.mktemp("p") / "policy"))


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def policy(folder: PolicyFolder, request: pytest.FixtureRequest) -> OnnxPolicy:
    return OnnxPolicy(folder, backend=request.param)


def frames(stamp_ns: int = 0, front: int = 0, narrow: int = 0) -> FrameSet:
    images = {name: read_only(np.full((1, 3, HEIGHT, WIDTH), value, np.uint8)) for name, value in (("front", front), ("narrow", narrow))}
    where = {name: address(each) for name, each in images.items()}
    return FrameSet(stamp_ns, "", ("CAM_FRONT", "CAM_FRONT_NARROW"), (1, 1), (True, True), images, where)


def asked(text: str = "", command: int = 0, front: int = 0, narrow: int = 0, past: int = 0) -> PolicyInput:
    ego = np.zeros((8, 3), np.float32)
    ego[-1, 0] = 5.0
    return PolicyInput(frames(front=front, narrow=narrow), ego, command, text, (frames(narrow=past),))


def lateral_mps(policy: OnnxPolicy, request: PolicyInput) -> float:
    points = policy.plan(request)
    np.testing.assert_allclose(points[:, 0], 5.0 * TIMES_S, rtol=1e-6)
    return float(points[9, 1])


def test_every_input_arrives(policy: OnnxPolicy) -> None:
    assert lateral_mps(policy, asked()) == 0.0
    assert lateral_mps(policy, asked(narrow=7, past=4)) == pytest.approx(3.0)
    assert lateral_mps(policy, asked(command=1)) == pytest.approx(1.0)
    assert lateral_mps(policy, asked("turn right")) == pytest.approx(-SHIFT_MPS)
    assert lateral_mps(policy, asked()) == 0.0
    assert policy.image_copies == 0  # of older images too


def test_older_images_are_needed(policy: OnnxPolicy) -> None:
    with pytest.raises(PolicyError, match="0 older frame sets were given, input 'narrow_past1' wants 1"):
        policy.answer(replace(asked(), past=()))


def test_a_copied_older_image_is_counted(policy: OnnxPolicy) -> None:
    before, request = policy.image_copies, asked()
    moved = replace(request.past[0], images={"narrow": read_only(request.past[0].images["narrow"].copy())})
    policy.plan(replace(request, past=(moved,)))
    assert policy.image_copies == before + 1


@pytest.mark.parametrize(
    ("text", "front", "intent", "reason"),
    [("", 0, "none", "cruise"), ("", 200, "none", "wait_red"), ("右折して", 0, "right", "cruise"), ("speed", 0, "declined", "cruise")],
)
def test_thoughts_are_words(policy: OnnxPolicy, text: str, front: int, intent: str, reason: str) -> None:
    thoughts = policy.answer(asked(text, front=front)).thoughts
    assert thoughts is not None and thoughts.words == {"intent": intent, "reason": reason} and min(thoughts.certainty.values()) > 0.8


@pytest.mark.parametrize("text", ["", "turn right"])
def test_explanations_come_from_the_memory_of_the_plan(folder: PolicyFolder, policy: OnnxPolicy, text: str) -> None:
    speaker = Speaker(folder)
    dark, bright = policy.answer(asked(text)), policy.answer(asked(text, front=200))
    assert dark.memory is not None and bright.memory is not None
    assert speaker.say(bright.memory) == Speech("waiting at the red light", "赤信号で 停止しています", True)
    assert speaker.say(dark.memory) == Speech("following the road", "道なりに 走行しています", True)


def test_an_explanation_without_end_is_cut(tmp_path: Path) -> None:
    folder = load_policy(write_speaking(tmp_path / "short", max_speech_tokens=3))
    memory = OnnxPolicy(folder, backend="onnxruntime").answer(asked()).memory
    assert memory is not None and Speaker(folder).say(memory) == Speech("following the", "道なりに 走行しています", False)


def test_both_backends_give_the_same_numbers_every_time(folder: PolicyFolder) -> None:
    request, plans = asked("turn right", narrow=9), []
    for backend in ("onnxruntime", "onnxruntime", "openvino", "openvino"):
        plans.append(OnnxPolicy(folder, backend=backend).plan(request))  # type: ignore[arg-type]
    assert plans[0].tobytes() == plans[1].tobytes() and plans[2].tobytes() == plans[3].tobytes()
    np.testing.assert_allclose(plans[0], plans[2], atol=1e-5)


def test_auto_is_a_fixed_choice(folder: PolicyFolder) -> None:
    assert choose_backend("auto") == OnnxPolicy(folder).backend == OnnxPolicy(folder, backend="onnxruntime").backend == "onnxruntime"
    assert choose_backend("openvino") == OnnxPolicy(folder, backend="openvino").backend == "openvino"


@pytest.mark.parametrize("able", [True, False])
def test_bf16_is_for_policies_that_say_so_and_computers_that_can(folder: PolicyFolder, monkeypatch: pytest.MonkeyPatch, able: bool) -> None:
    monkeypatch.setattr("heron_vla.backends.has_bf16", lambda: able)
    half = replace(folder, spec=replace(folder.spec, precision="bf16"))
    assert choose_backend("auto", "bf16") == OnnxPolicy(half).backend == ("openvino" if able else "onnxruntime")
    assert OnnxPolicy(half, backend="openvino", warm_up=0).provider == f"OpenVINO CPU, {'bf16' if able else 'fp32'}"
    assert OnnxPolicy(folder, backend="openvino", warm_up=0).provider == "OpenVINO CPU, fp32"


def test_a_backend_that_is_not_installed_is_named(folder: PolicyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(PolicyError, match="backend openvino was asked for, but the Python package openvino is not installed"):
        OnnxPolicy(folder, backend="openvino")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(PolicyError, match="needs the Python package tokenizers, which is not installed"):
        load_policy(folder.path)


def test_text_is_read_in_two_lengths_or_refused(folder: PolicyFolder) -> None:
    language = folder.language
    assert language is not None
    none, some = language.read("  "), language.read("turn right")
    assert isinstance(none, Tokens) and none.ids.tolist() == [[ID["<pad>"]]] and not none.mask.any()
    assert isinstance(some, Tokens) and some.ids.tolist() == [[ID["turn"], ID["right"], *[ID["<pad>"]] * 4]] and some.mask.sum() == 2
    assert language.read("turn right turn right turn right turn") == "too_long"
    assert language.read("tournez à droite") == "unknown"
    assert language.read("x" * 10_000) == language.read("turn " * 2_000) == "too_long"


def test_what_is_written_never_becomes_a_token_of_ours(folder: PolicyFolder) -> None:
    language = folder.language
    assert language is not None
    assert language.read("turn right <end>") == "unknown"


def thoughts(intent: str, reason: str = "cruise", certain: float = 0.97) -> Thoughts:
    return Thoughts({"intent": intent, "reason": reason}, {"intent": 0.9, "reason": certain})


def test_a_text_counts_when_it_is_understood(folder: PolicyFolder) -> None:
    instructions = Instructions(folder, "follow")
    assert instructions.give(Instruction(0, "left", "turn right")) is None
    assert (instructions.command, instructions.text) == (1, "")  # the manoeuvre counts at once
    question = instructions.question(asked())
    assert question is not None and question.text == "turn right" and instructions.question(asked()) is None
    assert instructions.settle("something older", thoughts("declined")) is None
    instructions.give_up("turn right")
    instructions.give(Instruction(0, "left", "turn right"))
    assert instructions.question(asked()) is not None  # asked about anew
    verdict = instructions.settle("turn right", thoughts("right"))
    assert verdict is not None and verdict.text == "'turn right': understood as right (90%)" and instructions.text == "turn right"
    assert instructions.give(Instruction(1, "follow", "turn right")) is None and instructions.text == "turn right"
    assert instructions.give(Instruction(2, "follow", "")) is None and instructions.text == ""


def test_what_a_text_was_understood_as_is_told_as_a_manoeuvre_where_none_was_given(folder: PolicyFolder) -> None:
    instructions = Instructions(folder, "follow")
    instructions.give(Instruction(0, "follow", "turn right"))
    assert instructions.manoeuvre == "follow"  # nothing is understood yet
    instructions.settle("turn right", thoughts("left"))
    assert instructions.manoeuvre == "left" and instructions.command == folder.command("left") != folder.command("follow")
    instructions.give(Instruction(1, "follow", "speed"))
    question = instructions.question(asked())
    assert question is not None and question.command == folder.command("follow")  # who is asked is not told what to answer
    assert instructions.manoeuvre == "left"  # what was said before counts until then
    instructions.settle("speed", thoughts("slow"))
    assert (instructions.manoeuvre, instructions.text) == ("follow", "speed")
    instructions.give(Instruction(2, "follow", "turn right"))
    instructions.settle("turn right", thoughts("right"))
    assert (instructions.manoeuvre, instructions.text) == ("follow", "turn right")  # a manoeuvre that this policy does not know
    instructions.give(Instruction(3, "left", "turn"))
    instructions.settle("turn", thoughts("follow"))
    assert instructions.manoeuvre == "left"  # who gives a manoeuvre too, means it
    instructions.give(Instruction(4, "follow", ""))
    assert instructions.manoeuvre == "follow"


@pytest.mark.parametrize("intent", ["declined", "unknown"])
def test_what_is_not_to_be_done_never_reaches_a_plan(folder: PolicyFolder, intent: str) -> None:
    instructions = Instructions(folder, "follow")
    instructions.give(Instruction(0, "follow", "turn right"))
    instructions.settle("turn right", thoughts("right"))
    instructions.give(Instruction(0, "follow", "speed"))
    verdict = instructions.settle("speed", thoughts(intent))
    assert verdict is not None and verdict.kind == intent and verdict.english and verdict.japanese and instructions.text == "turn right"
    assert "'speed': not followed" in verdict.text and "follow counts and the text before" in verdict.text
    instructions.give(Instruction(0, "left", "speed"))  # another manoeuvre, and what was said with the one before is over
    verdict = instructions.settle("speed", thoughts(intent))
    assert verdict is not None and instructions.text == "" and instructions.counts == {"understood": 1, intent: 2}


def test_what_cannot_be_read_is_refused_at_once(folder: PolicyFolder) -> None:
    instructions = Instructions(folder, "follow")
    long = instructions.give(Instruction(0, "follow", "ha\n" * 5_000))
    assert long is not None and long.kind == "too_long" and len(long.text) < 250 and "\n" not in long.text
    foreign = instructions.give(Instruction(0, "follow", "rechts abbiegen bitte"))
    assert foreign is not None and foreign.kind == "unknown"
    assert instructions.question(asked()) is None and instructions.text == ""


def test_a_change_is_told_once_and_when_it_lasts() -> None:
    telling, told = Telling(), []
    reasons = ["cruise"] * 8 + ["wait_red", "cruise"] * 4 + ["wait_red"] * 8  # half a second of one and the same
    for index, reason in enumerate(reasons):
        if telling.after(index * 100 * MS, thoughts("none", reason)) is Tell.EXPLAIN:
            told.append((index, reason))
    assert told == [(5, "cruise"), (21, "wait_red")]
    assert telling.after(24 * 100 * MS, thoughts("right", "wait_red")) is Tell.NOTHING
    assert telling.after(29 * 100 * MS, thoughts("right", "wait_red")) is Tell.EXPLAIN


def test_a_doubtful_reason_is_not_told_and_does_not_count_for_its_time() -> None:
    telling, told = Telling(), []
    less, more = SURE - 0.01, SURE + 0.01
    certainties = [less] * 5 + [*[more] * 5, less] * 3 + [more] * 7
    for index, certain in enumerate(certainties):
        if telling.after(index * 100 * MS, thoughts("none", "wait_red", certain)) is Tell.EXPLAIN:
            told.append(index)
    assert told == [28]


def test_what_was_told_is_over_when_it_is_no_longer_thought() -> None:
    telling, found = Telling(), []
    times = ["wait_red"] * 7 + ["start_green"] * 6 + ["wait_red"] + ["start_green"] * 12 + ["wait_red"] * 8
    for index, reason in enumerate(times):
        tell = telling.after(index * 100 * MS, thoughts("none", reason, 0.99 if reason == "wait_red" else 0.5))
        if tell is not Tell.NOTHING:
            found.append((index, tell))
    assert found == [(5, Tell.EXPLAIN), (23, Tell.OVER), (31, Tell.EXPLAIN)]  # 1 s after it was thought last; then it is true again, and told again


def test_a_new_reason_that_is_sure_takes_the_place_of_the_old_one() -> None:
    telling, found = Telling(), []
    for index, reason in enumerate(["wait_red"] * 7 + ["start_green"] * 20):
        tell = telling.after(index * 100 * MS, thoughts("none", reason))
        if tell is not Tell.NOTHING:
            found.append((index, tell))
    assert found == [(5, Tell.EXPLAIN), (12, Tell.EXPLAIN)]


def test_older_frame_sets_are_kept_by_reference_and_forgotten() -> None:
    history = FrameHistory(History(2, 0.5, ("narrow",)))
    made = [frames(i * 100 * MS) for i in range(40)]
    for index, each in enumerate(made):
        found = history.at(each.stamp_ns)
        if index < 5:
            assert found == "no frame set 0.5 s before"
        else:
            assert not isinstance(found, str)
            assert found[0].images == {"narrow": made[index - 5].images["narrow"]} and found[0].addresses.keys() == {"narrow"}
            assert found[0].images["narrow"] is made[index - 5].images["narrow"]
        history.add(each)
    assert len(history._kept) <= 7
    assert history.at(made[-1].stamp_ns + 561 * MS) == "no frame set 0.5 s before"
    assert not isinstance(history.at(made[-1].stamp_ns + 560 * MS), str)
    history.add(frames(0))
    assert len(history._kept) == 1


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    content = yaml.safe_load((path / "policy.yaml").read_text())
    edit(content)
    (path / "policy.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda c: c["text"]["slots"].pop(0), "slots = ['reason'], expected different names, intent and reason among them"),
        (lambda c: c["text"].update(end="<stop>"), "the tokenizer has no token '<stop>'"),
        (lambda c: c["text"]["languages"].pop("ja"), "languages = ['en'], expected en and ja"),
        (lambda c: c["text"]["slots"][1]["words"].append("start"), "'thoughts' is float32[B, 6], policy.yaml declares float32[B, 7]"),
        (lambda c: c["text"].update(max_tokens=1), "max_tokens = 1"),
        (lambda c: c["graphs"].pop("decode"), "has two: navigator and decode"),
        (lambda c: c.pop("text"), "has exactly one: driver or navigator"),
        (lambda c: c["history"].update(inputs=["wide"]), "history.inputs names 'wide', the views have front, narrow"),
        (lambda c: c["history"].update(steps=3), "lacks input 'narrow_past2'"),
        (lambda c: c.update(history={}), "wants input 'narrow_past1'"),
        (lambda c: c["text"]["tokenizer"].update(sha256="0" * 64), "tokenizer.json: its sha256 is"),
        (lambda c: c["graphs"].update(decode=c["graphs"]["navigator"]), "the graph lacks input 'cache'"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path: Path, edit: Callable[[dict[str, Any]], object], expected: str) -> None:
    path = write_speaking(tmp_path / "policy")
    change(path, edit)
    with pytest.raises(HeronError) as refused:
        load_policy(path)
    assert expected in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_is_no_tokenizer(tmp_path: Path) -> None:
    path = write_speaking(tmp_path / "policy")
    (path / "tokenizer.json").write_text("{}")
    change(path, lambda c: c["text"]["tokenizer"].update(sha256=hashlib.sha256(b"{}").hexdigest()))
    with pytest.raises(PolicyError, match=r"tokenizer\.json: not a tokenizer"):
        load_policy(path)
