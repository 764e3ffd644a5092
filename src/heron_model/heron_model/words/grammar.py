"""A paraphrase grammar: patterns with choices, options and named word lists, in two splits that share no pattern.

A pattern is text with `(a|b)` for one of several, `[a]` for perhaps, and `{name}` for a word list. A word list is `both // train // held_out`,
each part words divided by `|`; one without `//` is the same in both splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Literal

import numpy as np

NAME, LONGEST_NAME = "~", 15  # in a pattern: a name that nobody has heard before, and how many letters it may have
Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")

# A tree is a sequence of texts and choices between trees.
Choice = tuple["Tree", ...]
Tree = tuple["str | Choice", ...]

_SYNTAX = re.compile(r"[()\[\]|]|\{(\w+)\}")


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


class Grammar:
    """Reads patterns that name word lists. A list is read once, and all trees that name it share it."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """Of word lists, each a pattern of alternatives."""
        self._words = words
        self._read: dict[str, Choice] = {}
        self._open: list[str] = []  # lists being read, to find one that names itself

    def tree(self, pattern: str) -> Tree:
        """A pattern read.

        Raises:
            ValueError: a word list that is not there or names itself, or brackets that do not match.
        """
        choice = self._choice_of(pattern)
        return choice[0] if len(choice) == 1 else (choice,)

    def _list(self, name: str) -> Choice:
        if name not in self._read:
            if name not in self._words:
                raise ValueError(f"no word list {name!r}; there are {', '.join(sorted(self._words))}")
            if name in self._open:
                raise ValueError(f"word list {name!r} names itself: {' → '.join((*self._open, name))}")
            self._open.append(name)
            self._read[name] = self._choice_of(self._words[name])
            self._open.pop()
        return self._read[name]

    def _choice_of(self, pattern: str) -> Choice:
        choice, end = self._choice(pattern, 0, "")
        if end != len(pattern):
            raise ValueError(f"pattern {pattern!r}: {pattern[end]!r} closes nothing at {end}")
        return choice

    def _choice(self, text: str, start: int, closing: str) -> tuple[Choice, int]:
        """The alternatives from `start` up to `closing`, and where that stands."""
        options: list[Tree] = []
        parts: list[str | Choice] = []
        at = start
        while at < len(text):
            found = _SYNTAX.search(text, at)
            until = found.start() if found else len(text)
            if until > at:
                parts.append(text[at:until])
            at = until
            if found is None or found[0] in ")]":
                break
            if found[0] == "|":
                options.append(tuple(parts))
                parts = []
            elif found[1]:
                parts.append(self._list(found[1]))
            else:
                inner, at = self._choice(text, until + 1, ")" if found[0] == "(" else "]")
                parts.append((*inner, ()) if found[0] == "[" else inner)
                found = None
            at = at + 1 if found is None else found.end()
        if closing and text[at : at + 1] != closing:
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


def makes(tree: Tree, text: str) -> bool:
    """The tree has this sentence, white space and commas apart."""
    wanted = _squeezed(text)
    known: dict[tuple[int, int], frozenset[int]] = {}

    def ends(choice: Choice, start: int) -> frozenset[int]:
        key = id(choice), start
        if key not in known:
            known[key] = frozenset().union(*(follow(option, start) for option in choice))
        return known[key]

    def follow(parts: Tree, start: int) -> frozenset[int]:
        at = frozenset({start})
        for part in parts:
            if isinstance(part, str):
                piece = _squeezed(part)
                if piece == NAME:
                    at = frozenset(end for each in at for end in range(each + 1, min(each + LONGEST_NAME, len(wanted)) + 1))
                else:
                    at = frozenset(each + len(piece) for each in at if wanted.startswith(piece, each))
            else:
                at = frozenset().union(*(ends(part, each) for each in at))
            if not at:
                break
        return at

    return len(wanted) in follow(tree, 0)


@cache
def _squeezed(text: str) -> str:
    return re.sub(r"[\s,、]", "", text)


def tidy(text: str) -> str:
    """Without the gaps that options leave."""
    return re.sub(r"\s+([,.!?:])", r"\1", re.sub(r"\s+", " ", text)).strip(" ,、")
