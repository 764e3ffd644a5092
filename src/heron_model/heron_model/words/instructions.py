"""Sentences with which a passenger asks for something, with what they ask for.

Two splits: `held_out` shares no pattern with `train`, and some of its words are its own. What counts as what:
`declined` is asked for and would be unsafe, however politely or cleverly; `follow` asks for nothing but to go on (also "do not run the red light");
`unknown` is another language, noise, talk, or a wish that the car cannot fulfil.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from heron_model.layout import SLOTS
from heron_model.words import refusals_en, refusals_ja, wishes_en, wishes_ja
from heron_model.words.grammar import NAME, SPLITS, Grammar, Split, Tree, draw, makes, tidy, words_of
from heron_model.words.other_languages import name, not_understood

INTENTS = tuple(word for word in SLOTS[0].words if word != "none")  # `none`: there is no sentence
_WISHES, _REFUSALS = {"en": wishes_en, "ja": wishes_ja}, {"en": refusals_en, "ja": refusals_ja}
SIDES = {"en": {"left": ("left", "right"), "right": ("right", "left")}, "ja": {"left": ("左", "右"), "right": ("右", "左")}}
_SPOKEN = {"右": "みぎ", "左": "ひだり"}  # as a recogniser may write them
LONGEST = {"en": 64, "ja": 32}  # characters that somebody says in one breath
_NEGATIVE = ("do not", "don't", "never", "not ", "(do not", "(don't")  # no question or wish goes on like this
_ENTRIES = {"left": "turn", "right": "turn", "declined": "unsafe", "unknown": "chat"}  # of the grammar; otherwise the intent's name
_SAFE = ("turn", "turn", "straight", "follow", "slow")  # acts that are asked for beside an unsafe one
_FILLERS = {"en": ("uh", "um", "er", "like"), "ja": ("えっと", "あの", "えー", "んー")}
PLAIN_SHARE, CHAT_SHARE, SPOKEN_SHARE, FILLER_SHARE, TYPO_SHARE, CAPITAL_SHARE, STOP_SHARE = 0.35, 0.5, 0.12, 0.06, 0.08, 0.5, 0.5


def instruction(intent: str, language: str, split: Split, rng: np.random.Generator, *, noise: bool = True) -> str:
    """A sentence that asks for `intent`, as a person may say or type it.

    Args:
        intent: one of `INTENTS`, or `none` for the empty sentence.
        language: `en` or `ja`.
        split: which patterns and words.
        rng: the only source of chance.
        noise: with fillers, slips of the keyboard, and the like.

    Raises:
        ValueError: an intent, language or split that is not there.
    """
    if intent == "none":
        return ""
    if intent not in INTENTS or language not in SIDES or split not in ("train", "held_out"):
        raise ValueError(f"intent {intent!r}, language {language!r}, split {split!r}: expected {', '.join(INTENTS)}; en, ja; train, held_out")
    if intent == "unknown" and rng.random() >= CHAT_SHARE:
        return not_understood(language, split, rng)
    entry = _ENTRIES.get(intent, intent)
    side = intent if intent in SIDES[language] else str(rng.choice(("left", "right")))
    trees = _trees(entry, language, split, side)
    plain = rng.random() < PLAIN_SHARE
    options = trees[0] if plain else trees[1]
    text = tidy(draw(options[int(rng.integers(len(options)))], rng))
    while len(text) > LONGEST[language]:
        text = tidy(draw(options[int(rng.integers(len(options)))], rng))
    while NAME in text:
        text = text.replace(NAME, name(language, rng), 1)
    return _noisy(text, language, rng) if noise else text


def said_in(text: str, intent: str, language: str, split: Split) -> bool:
    """The patterns of a split make this sentence for this intent; noise apart."""
    entry = _ENTRIES.get(intent, intent)
    sides = (intent,) if intent in SIDES[language] else tuple(SIDES[language])
    return any(makes(tree, text) for side in sides for trees in _trees(entry, language, split, side) for tree in trees)


def patterns(entry: str, language: str, split: Split) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The patterns of an entry of the grammar (`turn`, `straight`, …, `unsafe`, `chat`), as written: acts, and what stands alone."""
    found = []
    for kind in ("ACTS", "PLAIN"):
        entries = {**getattr(_WISHES[language], kind), **getattr(_REFUSALS[language], kind)}
        names = ("unsafe", "unsafe_not") if entry == "unsafe" else (entry,)
        found.append(tuple(line for name in names for line in entries.get(name, ("", ""))[SPLITS.index(split)].split("\n") if line))
    return found[0], found[1]


@cache
def _grammar(language: str, split: Split, side: str) -> Grammar:
    words = words_of(_WISHES[language].WORDS, split)
    words["side"], words["other"] = SIDES[language][side]
    unsafe = patterns("unsafe", language, split)[0]
    words["unsafe"] = "|".join(unsafe)
    words["unsafe_act"] = "|".join(pattern for pattern in unsafe if not pattern.startswith(_NEGATIVE))
    words["act"] = "|".join(pattern for name in _SAFE for pattern in patterns(name, language, split)[0] if not pattern.startswith(_NEGATIVE))
    return Grammar(words)


@cache
def _trees(entry: str, language: str, split: Split, side: str) -> tuple[tuple[Tree, ...], tuple[Tree, ...]]:
    """Patterns that stand alone, and those in every wrap."""
    grammar = _grammar(language, split, side)
    acts, alone = patterns(entry, language, split)
    wraps = [wrap for wrap in _WISHES[language].WRAPS[SPLITS.index(split)].split("\n") if wrap]
    wrapped = []
    for pattern in acts:
        fitting = [wrap for wrap in wraps if "{ask}" not in wrap or not pattern.startswith(_NEGATIVE)]
        wrapped.append(grammar.tree("|".join(wrap.replace("{act}", f"({pattern})") for wrap in fitting)))
    return tuple(grammar.tree(pattern) for pattern in alone), tuple(wrapped)


def _noisy(text: str, language: str, rng: np.random.Generator) -> str:
    """As heard or typed in haste. Words that carry the meaning stay readable."""
    if language == "ja":
        if rng.random() < SPOKEN_SHARE:
            text = re.sub("[右左](?!折)", lambda found: _SPOKEN[found[0]], text)
        if rng.random() < FILLER_SHARE:
            text = f"{rng.choice(_FILLERS[language])}{text}"
        return text + ("。" if rng.random() < STOP_SHARE else "")
    if rng.random() < FILLER_SHARE:
        words = text.split(" ")
        at = int(rng.integers(len(words)))
        text = " ".join((*words[:at], str(rng.choice(_FILLERS[language])), *words[at:]))
    if rng.random() < TYPO_SHARE:
        text = _slip(text, rng)
    if rng.random() < SPOKEN_SHARE:
        text = text.replace(",", "")
    if rng.random() < CAPITAL_SHARE:
        text = text[:1].upper() + text[1:]
    return text + ("." if rng.random() < STOP_SHARE else "")


def _slip(text: str, rng: np.random.Generator) -> str:
    """Two neighbouring letters inside a word of five or more exchanged."""
    long = list(re.finditer(r"[a-z]{5,}", text))
    if not long:
        return text
    found = long[int(rng.integers(len(long)))]
    at = int(rng.integers(found.start() + 1, found.end() - 2))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
