"""Patterns make what they say, all of it, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from heron_model.words.grammar import Grammar, count, draw, makes, sentences, tidy, words_of

LISTS = {"side": "left|right // port // starboard", "where": "at the {spot} // // now", "spot": "corner|bend"}


def test_all_sentences_of_a_pattern() -> None:
    tree = Grammar(words_of(LISTS, "train")).tree("turn {side} [{where}]")
    found = [tidy(text) for text in sentences(tree)]
    assert count(tree) == len(found) == 9
    assert set(found) == {f"turn {side}{where}" for side in ("left", "right", "port") for where in ("", " at the corner", " at the bend")}


def test_a_split_has_its_own_words_and_the_shared_ones() -> None:
    assert words_of(LISTS, "train")["side"] == "left|right|port"
    assert words_of(LISTS, "held_out")["side"] == "left|right|starboard"
    assert words_of(LISTS, "held_out")["where"] == "at the {spot}|now"
    assert words_of(LISTS, "train")["spot"] == words_of(LISTS, "held_out")["spot"] == "corner|bend"


def test_drawing_gives_each_sentence_and_they_are_recognised() -> None:
    tree = Grammar({}).tree("(a|b) [c(d|e)]")
    rng = np.random.default_rng(0)
    drawn = {tidy(draw(tree, rng)) for _ in range(200)}
    assert drawn == {"a", "b", "a cd", "a ce", "b cd", "b ce"}
    assert all(makes(tree, text) for text in drawn)
    assert not any(makes(tree, text) for text in ("a c", "ab", "cd", "a cdd", ""))


@pytest.mark.parametrize(("pattern", "fault"), [("turn {way}", "way"), ("(a|b", "not closed"), ("a)", "closes nothing"), ("{loop}", "itself")])
def test_a_faulty_pattern_is_refused(pattern: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Grammar({"loop": "x{loop}"}).tree(pattern)


def test_a_word_list_with_two_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="2 parts"):
        words_of({"side": "left // right"}, "train")
