"""How well instructions are understood: which are asked, what a look-up makes of them, and the figures."""

from __future__ import annotations

from collections import Counter

import pytest

from heron_model.words.instructions import INTENTS
from heron_model.words.reading import ASKED, LookUp, lines, readings, report, understood


def test_every_intent_is_asked_in_both_languages_and_always_the_same() -> None:
    found = readings()
    assert found == readings()
    assert Counter((language, intent) for language, intent, _ in found) == {
        (language, intent): ASKED for language in ("en", "ja") for intent in INTENTS
    }
    assert len({intent for _, intent, _ in found[:30]}) > 4  # any part of them is mixed


def test_the_look_up_knows_sentences_of_the_training() -> None:
    look_up = LookUp("en")
    assert look_up.intent("Turn left, please!") == "left"
    assert look_up.intent("please turn RIGHT at the next junction") == "right"
    assert look_up.intent("→→→") == INTENTS[0]
    assert LookUp("ja").intent("次の交差点を右に曲がって") == "right"


def test_figures() -> None:
    read = [
        ("en", "left", "turn left", "left"),
        ("en", "right", "turn right", "left"),
        ("en", "left", "make a left", "left"),
        ("ja", "left", "左折して", "left"),
    ]
    english, japanese = understood(read)
    assert (english.sentences, english.agreement, english.majority) == (3, pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert english.intents == {"left": (2, 1.0), "right": (1, 0.0)}
    assert english.mistaken == (("right", "left", 1),)
    assert japanese.agreement == 1.0
    assert english.look_up >= 2 / 3
    assert {line.text: line.kept for line in lines((english, japanese)) if line.demand} == {
        "unheard instructions understood, English": False,
        "unheard instructions understood, Japanese": True,
    }
    assert report((english,))[0]["language"] == "en"
    assert understood([]) == ()
