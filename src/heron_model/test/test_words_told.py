"""From rows of drives to scores of explanations: what counts as true, in time, and as a change that was left unexplained."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from heron_core.trajectory import TIMES_S
from heron_model.words.explanations import canonical
from heron_model.words.told import NEAR_S, SOON_S, explained

STEADY = np.stack([8.0 * TIMES_S, 0.0 * TIMES_S, 0.0 * TIMES_S, np.full(40, 8.0)], axis=1).tolist()
STANDING = np.zeros((40, 4)).tolist()


def said(time_s: float, reason: str, speed_mps: float = 8.0, turn: str = "follow", followed: Any = None) -> dict[str, Any]:
    return {
        "time_s": time_s,
        "reason": reason,
        "english": canonical(reason, turn, "en"),
        "japanese": canonical(reason, turn, "ja"),
        "speed_mps": speed_mps,
        "accel_mps2": 0.0,
        "yaw_rate_rps": 0.0,
        "followed": followed,
    }


def row(scene: list[tuple[float, str, str]], *told: dict[str, Any], until_s: float = 60.0) -> dict[str, Any]:
    """`scene`: time, reason, turn of the expert."""
    truth = [(time_s, reason, canonical(reason, turn, "en")) for time_s, reason, turn in scene]
    made: dict[str, Any] = json.loads(json.dumps({"told": {"said": list(told), "scene": truth, "until_s": until_s}}))
    return made


LEARNT = [row([], said(0.0, "cruise"), said(5.0, "cruise"), said(9.0, "wait_red", 0.0), said(12.0, "start_green", 0.0), said(15.0, "wait_red", 0.0))]
SCENE = [(0.0, "cruise", "follow"), (10.0, "slow_red", "follow"), (20.0, "wait_red", "follow")]


def agreement(*told: dict[str, Any], scene: list[tuple[float, str, str]] = SCENE) -> float:
    found = explained([row(scene, *told)], [], LEARNT).scores
    assert [each.language for each in found] == ["en", "ja"]
    assert found[0].agreement == found[1].agreement
    return found[0].agreement


def test_true_is_what_the_expert_says_then_or_nearly_then() -> None:
    assert agreement(said(12.0, "slow_red")) == 1.0
    assert agreement(said(10.0 - NEAR_S + 0.1, "slow_red")) == 1.0
    assert agreement(said(10.0 + NEAR_S - 0.1, "cruise")) == 1.0
    assert agreement(said(10.0 - NEAR_S - 0.1, "slow_red")) == 0.0
    assert agreement(said(10.0 + NEAR_S + 0.1, "cruise")) == 0.0
    assert agreement(said(12.0, "slow_red"), said(13.0, "cruise")) == 0.5


def test_the_leave_in_time_is_told_and_counts_for_the_baselines_too() -> None:
    found = explained([row(SCENE, said(9.8, "slow_red"))], [], LEARNT)
    assert (found.scores[0].agreement, found.at_once["en"]) == (1.0, 0.0)
    assert found.scores[0].look_up == 1.0  # at 8 m/s it says cruise, which is true just now


def test_a_turn_is_true_with_its_side_alone() -> None:
    scene = [(0.0, "follow_car", "follow"), (10.0, "turn", "left")]
    assert agreement(said(9.8, "turn", turn="left"), scene=scene) == 1.0
    assert agreement(said(12.0, "turn", turn="left"), scene=scene) == 1.0
    assert agreement(said(12.0, "turn", turn="right"), scene=scene) == 0.0
    assert agreement(said(9.8, "turn", turn="right"), scene=scene) == 0.0


def test_what_nobody_understands_is_neither_true_nor_done() -> None:
    mute = said(12.0, "slow_red", followed=STEADY) | {"english": "", "japanese": "あ"}
    found = explained([row(SCENE, mute)], [], LEARNT).scores[0]
    assert (found.understood, found.agreement, found.consistent, found.followed) == (0.0, 0.0, 0.0, 1)


def test_words_are_held_against_what_was_driven() -> None:
    told = [
        said(1.0, "cruise", followed=STEADY),
        said(12.0, "slow_red", followed=STEADY),
        said(21.0, "wait_red", 0.0, followed=STANDING),
        said(58.0, "cruise"),
    ]
    found = explained([row(SCENE, *told)], [row(SCENE, said(1.0, "cruise", followed=STEADY))], LEARNT)
    assert (found.scores[0].consistent, found.scores[0].followed) == (pytest.approx(2 / 3), 3)
    assert found.scores[0].contradictions == (("said slow_red, but not: speed falls", 1),)
    assert found.expert[0].consistent == 1.0


def test_a_change_of_the_scene_must_be_explained_soon() -> None:
    def changes(*told: dict[str, Any], scene: list[tuple[float, str, str]] = SCENE, until_s: float = 60.0) -> tuple[int, int]:
        found = explained([row(scene, *told, until_s=until_s)], [], LEARNT).changes
        return found.explained, found.count

    assert changes() == (0, 2)
    assert changes(said(10.3, "slow_red"), said(20.0 + SOON_S - 0.1, "wait_red")) == (2, 2)
    assert changes(said(10.0 + SOON_S + 0.1, "slow_red")) == (0, 2)
    assert changes(said(8.0, "slow_red")) == (1, 2)  # told before, and still what was told last
    assert changes(said(8.0, "slow_red"), said(9.0, "cruise")) == (0, 2)
    assert changes(until_s=21.0) == (0, 1)  # what is left is too short to judge
    assert changes(scene=[(0.0, "cruise", "follow"), (10.0, "curve", "follow"), (10.5, "cruise", "follow")]) == (0, 1)  # a reason that comes and goes
    assert changes(scene=[(0.0, "turn", "follow"), (10.0, "turn", "left")]) == (0, 0)
    missed = explained([row(SCENE, said(10.3, "slow_red"))], [], LEARNT).changes.missed
    assert missed == (("wait_red", 1),)


def test_lines_say_what_is_kept_and_what_looks_at_nothing_would_get() -> None:
    told = [said(1.0, "cruise", followed=STEADY), said(10.1, "slow_red", followed=STEADY), said(20.1, "wait_red", 0.0, followed=STANDING)]
    lines = explained([row(SCENE, *told)], [], LEARNT).lines()
    by_text = {line.text: line for line in lines}
    assert by_text["explanations that are true, English"].kept is True
    assert by_text["explanations that are true, Japanese"].found[0] == "100.0% of 3"
    assert by_text["explanations that the car then did, English"].kept is False
    assert by_text["… looked up by motion / always the same"].found[0] == "100.0% / 66.7%"
    assert by_text["changes of the scene explained within 2 s"].found[0] == "2 of 2"
    report = explained([row(SCENE, *told)], [], LEARNT).report()
    assert json.loads(json.dumps(report))["scores"][0]["reasons"]["slow_red"] == [1, 1.0]


def test_silence_keeps_nothing() -> None:
    found = explained([row(SCENE), {"told": None}], [], LEARNT)
    assert found.scores == ()
    assert [line.kept for line in found.lines() if line.demand] == [False] * 4
    assert found.changes.count == 2


def test_an_event_without_a_known_future_promises_nothing() -> None:
    lines = explained([row(SCENE, said(12.0, "slow_red"))], [], LEARNT)
    assert math.isnan(lines.scores[0].consistent)
    assert lines.report()["scores"][0]["consistent"] is None
    assert {line.text: line.kept for line in lines.lines()}["explanations that the car then did, Japanese"] is False
