"""What is said: natural sentences in both languages, that change only with their reason."""

from __future__ import annotations

import pytest

from heron_sim.driving.expert_reason import Narrator, Situation
from heron_sim.driving.explain import PHRASES, Reason, explain
from heron_sim.roads.network import Manoeuvre
from heron_sim.truth import EgoTruth


def _now(time_s: float, decided: Reason | None, speed: float, goes: float = 20.0, wished: float = -1.0) -> Situation:
    ego = EgoTruth(0.0, 0.0, 0.0, speed)
    return Situation(time_s, ego, decided, wished, goes, Manoeuvre.FOLLOW, False, None, False)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_polite_sentence(reason: Reason) -> None:
    english, japanese = PHRASES[reason]
    assert english.isascii()
    assert english[0].islower()
    assert not english.endswith(".")
    assert japanese.endswith(("ます", "ました"))
    assert not japanese.isascii()


def test_the_issues_examples() -> None:
    said = explain(Reason.SLOW_RED)
    assert (said.english, said.japanese) == ("slowing for the red light", "赤信号なので減速します")
    assert explain(Reason.SLOW_GUIDE).japanese == "交通誘導員の合図で停止します"
    assert explain(Reason.WAIT_PEDESTRIAN, Manoeuvre.LEFT).english == "turning left, giving way to the pedestrian"
    assert explain(Reason.TURN, Manoeuvre.RIGHT).japanese == "右折します"


def test_it_tells_the_story_of_a_red_light() -> None:
    narrator, said = Narrator(), []
    story = [(None, 10.0, 40.0, 0.0)] * 60 + [(Reason.SLOW_RED, 8.0, 15.0, -1.0)] * 30 + [(Reason.SLOW_RED, 0.0, 0.0, -1.0)] * 30
    story += [(None, 1.0, 9.0, 1.6)] * 20 + [(None, 8.0, 30.0, 0.8)] * 20
    for i, (decided, speed, goes, wished) in enumerate(story):
        reason = narrator.tell(_now(0.1 * i, decided, speed, goes, wished)).reason
        if not said or said[-1] is not reason:
            said.append(reason)
    assert said == [Reason.START, Reason.CRUISE, Reason.SLOW_RED, Reason.WAIT_RED, Reason.START_GREEN, Reason.CRUISE]


def test_who_speeds_up_does_not_say_that_it_slows() -> None:
    for decided, said in ((Reason.SLOW_RED, Reason.CRUISE), (Reason.GIVE_WAY, Reason.CRUISE), (Reason.FOLLOW_CAR, Reason.FOLLOW_CAR)):
        narrator = Narrator()
        assert [narrator.tell(_now(10.0 + 0.1 * i, decided, 6.0, 30.0, 0.6)).reason for i in range(20)][-1] is said


def test_a_flicker_is_not_told() -> None:
    narrator = Narrator()
    for i in range(100):
        decided = Reason.FOLLOW_CAR if i % 3 == 0 else None
        said = narrator.tell(_now(10.0 + 0.1 * i, decided, 10.0, 40.0, -0.1 if decided else 0.0))
        if i > 10:
            assert said.reason is Reason.CRUISE


def test_braking_hard_is_told_at_once() -> None:
    narrator = Narrator()
    assert narrator.tell(_now(5.0, Reason.SLOW_PEDESTRIAN, 8.0, 6.0, -3.3)).reason is Reason.BRAKE_HARD
