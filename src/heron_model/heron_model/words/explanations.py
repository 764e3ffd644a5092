"""Sentences with which the car explains itself: the expert's own, other ways to say the same, and a reader for both.

The sentence of `heron_sim.driving.explain.explain` is the canonical one and belongs to both splits; the paraphrases of the splits
share no pattern.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np

from heron_model.words import explanations_en, explanations_ja
from heron_model.words.grammar import SPLITS, Grammar, Split, Tree, draw, sentences, tidy, words_of
from heron_sim.driving.explain import WITH_TURN, Reason, explain
from heron_sim.roads.network import Manoeuvre

TOLD = tuple(turn.value for turn in (Manoeuvre.LEFT, Manoeuvre.RIGHT))  # turns that are told together with another reason


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a sentence says.

    Attributes:
        reason: of `Reason`.
        turn: manoeuvre that it names, `follow` if none.
    """

    reason: str
    turn: str = Manoeuvre.FOLLOW.value


MEANINGS = tuple(
    Meaning(reason.value, turn.value)
    for reason in Reason
    for turn in Manoeuvre
    if turn is Manoeuvre.FOLLOW or reason is Reason.TURN or (reason in WITH_TURN and turn.value in TOLD)
)


def meaning(reason: str, turn: str) -> Meaning:
    """What is told of a reason and the turn ahead: most reasons leave the turn out."""
    wanted = Meaning(reason, turn)
    return wanted if wanted in MEANINGS else Meaning(reason)


def canonical(reason: str, turn: str, language: str) -> str:
    """The expert's sentence."""
    said = explain(Reason(reason), Manoeuvre(turn))
    return said.japanese if language == "ja" else said.english


def explanation(reason: str, turn: str, language: str, split: Split, rng: np.random.Generator) -> str:
    """A paraphrase of the expert's sentence.

    Args:
        reason: what decides.
        turn: manoeuvre of the junction that the car is in or just before.
        language: `en` or `ja`.
        split: which patterns and words.
        rng: the only source of chance.
    """
    trees = _trees(meaning(reason, turn), language, split)
    return tidy(draw(trees[int(rng.integers(len(trees)))], rng))


def every_explanation(language: str, split: Split) -> Iterator[str]:
    """The canonical sentences and all paraphrases of a split."""
    for told in MEANINGS:
        yield canonical(told.reason, told.turn, language)
        for tree in _trees(told, language, split):
            yield from map(tidy, sentences(tree))


def read(text: str, language: str) -> Meaning | None:
    """What an explanation says, or None for a sentence that no grammar makes. Case, width and closing marks do not matter."""
    return _meanings(language).get(_folded(text))


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).lower()).strip(" .!。")


def _module(language: str) -> ModuleType:
    return {"en": explanations_en, "ja": explanations_ja}[language]


@cache
def _trees(told: Meaning, language: str, split: Split) -> tuple[Tree, ...]:
    module = _module(language)
    words = words_of(module.WORDS, split)
    if told.reason == Reason.TURN.value:
        patterns = module.TURNS[told.turn][split]
    else:
        patterns = module.PATTERNS[told.reason][split]
        if told.turn in TOLD:
            words |= {"said": "|".join(patterns), "side": module.SIDES[told.turn]}
            patterns = module.WITH_TURN[split]
    grammar = Grammar(words)
    return tuple(grammar.tree(pattern) for pattern in patterns)


@cache
def _meanings(language: str) -> dict[str, Meaning]:
    """Every sentence of both splits, folded.

    Raises:
        ValueError: the grammar says two things with one sentence.
    """
    found: dict[str, Meaning] = {}
    for told in MEANINGS:
        texts = [canonical(told.reason, told.turn, language)]
        texts += [text for split in SPLITS for tree in _trees(told, language, split) for text in sentences(tree)]
        for text in texts:
            key = _folded(tidy(text))
            if found.setdefault(key, told) != told:
                raise ValueError(f"{text!r} says both {found[key]} and {told}")
    return found
