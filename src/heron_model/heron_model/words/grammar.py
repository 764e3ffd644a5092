"""A paraphrase grammar: patterns with choices, options and named word lists, in two splits that share no pattern.

A pattern is text with `(a|b)` for one of several, `[a]` for perhaps, and `{name}` for a word list. A word list is `both // train // held_out`,
each part words divided by `|`; one without `//` is the same in both splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")

# A tree is a sequence of texts and choices between trees.
Choice = tuple["Tree", ...]
Tree = tuple["str | Choice", ...]

_SYNTAX = re.compile(r"[()\[\]|]")
_NAME = re.compile(r"\{(\w+)\}")
_DEPTH = 8  # of word lists within word lists


def words_of(lists: Mapping[str, str], split: Split) -> dict[str, str]:
    """The word lists of one split, each as a pattern of alternatives."""
    chosen = {}
    for name, text in lists.items():
        parts = [part.strip() for part in text.split("//")]
        if len(parts) not in (1, 3):
            raise ValueError(f"word list {name!r} has {len(parts)} parts, expected one, or both // train // held_out")
        mine = [parts[0], *parts[1 + SPLITS.index(split) : 2 + SPLITS.index(split)]]
        chosen[name] = "|".join(part for part in mine if part)
    return chosen


def tree_of(pattern: str, words: Mapping[str, str]) -> Tree:
    """A pattern read.

    Raises:
        ValueError: a word list that is not there, or brackets that do not match.
    """
    text = pattern
    for _ in range(_DEPTH):
        missing = {name for name in _NAME.findall(text) if name not in words}
        if missing:
            raise ValueError(f"pattern {pattern!r} names the word lists {sorted(missing)}, there are {', '.join(sorted(words))}")
        text = _NAME.sub(lambda found: f"({words[found[1]]})", text)
        if not _NAME.search(text):
            break
    else:
        raise ValueError(f"pattern {pattern!r}: word lists name each other more than {_DEPTH} deep")
    choice, end = _choice(text, 0, "")
    if end != len(text):
        raise ValueError(f"pattern {text!r}: {text[end]!r} closes nothing at {end}")
    return choice[0] if len(choice) == 1 else (choice,)


def _choice(text: str, start: int, closing: str) -> tuple[Choice, int]:
    """The alternatives from `start` up to `closing`, and where that stands."""
    options: list[Tree] = []
    parts: list[str | Choice] = []
    at = start
    while at < len(text):
        found = _SYNTAX.search(text, at)
        until = found.start() if found else len(text)
        if until > at:
            parts.append(text[at:until])
        if found is None or found[0] in ")]":
            at = until
            break
        if found[0] == "|":
            options.append(tuple(parts))
            parts, at = [], until + 1
            continue
        inner, at = _choice(text, until + 1, ")" if found[0] == "(" else "]")
        parts.append((*inner, ()) if found[0] == "[" else inner)
        at += 1
    if (text[at : at + 1] or "") != closing and closing:
        raise ValueError(f"pattern {text!r}: the bracket opened before {start} is not closed by {closing!r}")
    return (*options, tuple(parts)), at


def draw(tree: Tree, rng: np.random.Generator) -> str:
    """One sentence of the tree, every choice made evenly."""
    texts = []
    for part in tree:
        texts.append(part if isinstance(part, str) else draw(part[int(rng.integers(len(part)))], rng))
    return "".join(texts)


def count(tree: Tree) -> int:
    """How many ways lead through the tree."""
    ways = 1
    for part in tree:
        if not isinstance(part, str):
            ways *= sum(count(option) for option in part)
    return ways


def sentences(tree: Tree) -> Iterator[str]:
    """Every sentence of the tree; mind `count`."""
    if not tree:
        yield ""
        return
    first, rest = tree[0], tree[1:]
    for tail in sentences(rest):
        if isinstance(first, str):
            yield first + tail
        else:
            for option in first:
                yield from (head + tail for head in sentences(option))


def expression(tree: Tree) -> str:
    """A regular expression that matches the tree's sentences as `tidy` leaves them, whatever the white space in them."""
    texts = []
    for part in tree:
        if isinstance(part, str):
            texts.append(re.sub(r"(\\ )+", r"\\s*", re.escape(part)))
        else:
            texts.append("(?:" + "|".join(expression(option) for option in part) + ")")
    return "".join(texts)


def tidy(text: str) -> str:
    """Without the gaps that options leave."""
    return re.sub(r"\s+([,.!?:])", r"\1", re.sub(r"\s+", " ", text)).strip(" ,、")
