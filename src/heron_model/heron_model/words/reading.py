"""How well instructions are understood that nobody was trained with, beside a look-up of the nearest sentence of the training.

The sentences are of the grammar's held-out split: they share no pattern with those of the training, and some of their words are their own. What was
understood is the thought `intent`, at moments of drives in held-out towns, while the manoeuvre says `follow` and gives nothing away.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from heron_model.words.instructions import INTENTS, instruction
from heron_sim.evaluation.report import Line

Reading = tuple[str, str, str]
UNDERSTOOD = 0.9  # of sentences
LANGUAGES = {"en": "English", "ja": "Japanese"}
ASKED, LEARNT = 40, 300  # sentences of each intent and language: that are asked about, and that the look-up knows
ASKED_SEED, LEARNT_SEED = 552, 553
LETTERS = 3  # that the look-up compares at a time


@dataclass(frozen=True)
class Understanding:
    """Figures of one language; shares of sentences.

    Attributes:
        language: of the sentences.
        sentences: that were asked about.
        agreement: understood as meant.
        look_up: the same of the nearest sentence of the training; majority: of the best answer that is always the same.
        intents: intent → (sentences, agreement).
        mistaken: (intent, what it was taken for, how often), most frequent first.
    """

    language: str
    sentences: int
    agreement: float
    look_up: float
    majority: float
    intents: Mapping[str, tuple[int, float]]
    mistaken: tuple[tuple[str, str, int], ...]


class LookUp:
    """Takes a sentence for what the most similar one of the training asks: the share of their letters, three at a time, that both have (Dice)."""

    def __init__(self, language: str) -> None:
        """Draws the sentences."""
        rng = np.random.default_rng(LEARNT_SEED)
        self._intents: list[str] = []
        self._sizes: list[int] = []
        self._with: dict[str, list[int]] = defaultdict(list)
        for intent in INTENTS:
            for _ in range(LEARNT):
                parts = _parts(instruction(intent, language, "train", rng))
                for part in parts:
                    self._with[part].append(len(self._intents))
                self._intents.append(intent)
                self._sizes.append(len(parts))

    def intent(self, text: str) -> str:
        """What it takes a sentence for; the first intent of all when nothing is alike."""
        parts = _parts(text)
        shared = Counter(index for part in parts for index in self._with.get(part, ()))
        best = max(shared, key=lambda index: (2.0 * shared[index] / (len(parts) + self._sizes[index]), -index), default=0)
        return self._intents[best]


def readings() -> tuple[Reading, ...]:
    """Language, intent, sentence: the same ones every time, well mixed."""
    rng = np.random.default_rng(ASKED_SEED)
    found = [(language, intent, instruction(intent, language, "held_out", rng)) for language in LANGUAGES for intent in INTENTS for _ in range(ASKED)]
    return tuple(found[i] for i in rng.permutation(len(found)))


def understood(read: Sequence[tuple[str, str, str, str]]) -> tuple[Understanding, ...]:
    """Scores what was understood.

    Args:
        read: language, intent, sentence, and what it was taken for.
    """
    return tuple(_score(name, [each for each in read if each[0] == name]) for name in LANGUAGES if any(each[0] == name for each in read))


def lines(scores: Sequence[Understanding]) -> list[Line]:
    """For the table of an evaluation."""
    found = []
    for each in scores:
        shown = f"{each.agreement:.1%} of {each.sentences}"
        kept = each.agreement >= UNDERSTOOD
        found.append(Line(f"unheard instructions understood, {LANGUAGES[each.language]}", f"≥ {UNDERSTOOD:.0%}", (shown, "", ""), kept))
        found.append(Line("… looked up in training / always the same", "", (f"{each.look_up:.1%} / {each.majority:.1%}", "", ""), None))
    return found


def report(scores: Sequence[Understanding]) -> list[dict[str, Any]]:
    """JSON."""
    return [asdict(each) for each in scores]


def _score(language: str, read: Sequence[tuple[str, str, str, str]]) -> Understanding:
    look_up, count = LookUp(language), len(read)
    meant, right = Counter(intent for _, intent, _, _ in read), Counter(intent for _, intent, _, taken in read if taken == intent)
    mistaken = Counter((intent, taken) for _, intent, _, taken in read if taken != intent)
    looked = sum(look_up.intent(sentence) == intent for _, intent, sentence, _ in read)
    return Understanding(
        language,
        count,
        right.total() / count,
        looked / count,
        max(meant.values()) / count,
        {intent: (meant[intent], right[intent] / meant[intent]) for intent in INTENTS if meant[intent]},
        tuple((*pair, times) for pair, times in mistaken.most_common()),
    )


def _parts(text: str) -> set[str]:
    """Runs of letters of a sentence; case, width, white space and marks do not matter."""
    letters = " " + re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).lower()).strip() + " "
    return {letters[i : i + LETTERS] for i in range(len(letters) - LETTERS + 1)}
