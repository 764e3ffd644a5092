"""Explanations: every reason in both languages, canonical and in other words, and read back."""

from __future__ import annotations

import numpy as np
import pytest

from heron_model.layout import SLOTS
from heron_model.words import explanations_en, explanations_ja
from heron_model.words.explanations import MEANINGS, Meaning, canonical, every_explanation, explanation, meaning, read
from heron_model.words.grammar import SPLITS, Split
from heron_sim.driving.explain import Reason

LANGUAGES = ("en", "ja")


def test_every_reason_of_the_layout_is_told() -> None:
    reasons = set(SLOTS[-1].words)
    assert reasons == {reason.value for reason in Reason} == {told.reason for told in MEANINGS}
    for module in (explanations_en, explanations_ja):
        assert {*module.PATTERNS, "turn"} == reasons
        assert set(module.TURNS) == set(SLOTS[3].words)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("split", SPLITS)
def test_paraphrases_are_read_as_what_they_mean(language: str, split: Split) -> None:
    rng = np.random.default_rng(1)
    for told in MEANINGS:
        drawn = {explanation(told.reason, told.turn, language, split, rng) for _ in range(20)}
        assert len(drawn) >= 2, told
        assert {read(text, language) for text in drawn} == {told}
        assert read(canonical(told.reason, told.turn, language), language) == told


@pytest.mark.parametrize("language", LANGUAGES)
def test_splits_share_only_the_canonical_sentences(language: str) -> None:
    expert = {canonical(told.reason, told.turn, language) for told in MEANINGS}
    train, held_out = (set(every_explanation(language, split)) for split in SPLITS)
    assert train & held_out == expert
    assert min(len(train), len(held_out)) > 5 * len(expert)


def test_reading_forgives_case_and_width_but_not_other_words() -> None:
    assert read("Slowing for the RED light.", "en") == Meaning("slow_red")
    assert read("赤信号なので減速します。", "ja") == Meaning("slow_red")
    assert read("turning left, giving way to the pedestrian", "en") == Meaning("wait_pedestrian", "left")
    assert read("slowing for the red", "en") is None
    assert read("slowing for the red light", "ja") is None
    assert read("", "en") is None


def test_a_turn_is_told_only_where_the_expert_tells_it() -> None:
    assert meaning("slow_red", "left") == Meaning("slow_red")
    assert meaning("wait_gap", "left") == Meaning("wait_gap", "left")
    assert meaning("wait_gap", "straight") == Meaning("wait_gap")
    assert meaning("turn", "straight") == Meaning("turn", "straight")
