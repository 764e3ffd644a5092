"""Conditions over named columns, as people type them → SQL that can do nothing else: a grammar of its own, values bound as parameters.

    condition  = part { OR part }          part = term { AND term }        term = [NOT] term | comparison
    comparison = value [ (= | != | < | <= | > | >=) value | [NOT] BETWEEN value AND value | [NOT] IN (value, …) | [NOT] LIKE 'text' | IS [NOT] NULL ]
    value      = sums, products, brackets and ABS() of columns and numbers, or 'text'

A number alone is true unless it is 0. The SQL is the standard's, the same in SQLite and PostgreSQL, but for LIKE.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from heron_core.errors import InputError

Kind = Literal["number", "text", "truth"]
TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|('(?:[^']|'')*')|([A-Za-z_][A-Za-z_0-9]*)|(<=|>=|<>|!=|==|[-+*/()<>=,]))")
KEYWORDS = frozenset(("and", "or", "not", "between", "in", "like", "is", "null", "abs"))
COMPARISONS = {"=": "=", "==": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
DEEPEST, LONGEST = 50, 10_000  # brackets within each other, characters: more is no question of a person


@dataclass(frozen=True)
class Condition:
    """A condition as SQL.

    Attributes:
        sql: for a WHERE, with a ? for each value.
        values: of them, in order.
        columns: that it asks for, in order.
    """

    sql: str
    values: tuple[float | int | str, ...]
    columns: tuple[str, ...]


def condition_of(text: str, columns: Mapping[str, Kind], like: str = "({} LIKE {})") -> Condition:
    """Reads a condition.

    Args:
        text: as typed.
        columns: name → kind of what may be asked for.
        like: LIKE of the database that will be asked (`heron_jadd.database`).

    Raises:
        InputError: it is none; the text says where and what was expected, or which columns there are.
    """
    if len(text) > LONGEST:
        raise InputError(f"the query has {len(text):,} characters; allowed are {LONGEST:,}")
    parser = _Parser(text, _tokens(text), columns, like)
    sql = parser.truth(parser.either())
    parser.end()
    return Condition(sql, tuple(parser.values), tuple(dict.fromkeys(parser.used)))


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = TOKEN.match(text, at)
        if match is None:
            what = text[at:].strip()[:20]
            raise InputError(f"query {text!r}: cannot read {what!r}; a condition is such as: hard_brakes > 0 AND driver = 'heron'")
        number, quoted, name, sign = match.groups()
        kind = "number" if number else "text" if quoted else "sign" if sign else "word" if name.lower() in KEYWORDS else "name"
        found.append((kind, match.group(0).strip(), match.start()))
        at = match.end()
    return found


@dataclass
class _Parser:
    """Recursive descent; every part gives its SQL and what kind it is of."""

    text: str
    tokens: Sequence[tuple[str, str, int]]
    columns: Mapping[str, Kind]
    like: str
    at: int = 0
    depth: int = 0
    values: list[float | int | str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)

    def either(self) -> tuple[str, Kind]:
        return self._joined("or", self.both)

    def both(self) -> tuple[str, Kind]:
        return self._joined("and", self.term)

    def _joined(self, word: str, part: object) -> tuple[str, Kind]:
        assert callable(part)
        found: tuple[str, Kind] = part()
        while self._takes(word):
            left = self.truth(found)
            found = f"({left} {word.upper()} {self.truth(part())})", "truth"
        return found

    def term(self) -> tuple[str, Kind]:
        if not self._takes("not"):
            return self.comparison()
        self._deeper()
        inner = self.truth(self.term())
        self.depth -= 1
        return f"(NOT {inner})", "truth"

    def comparison(self) -> tuple[str, Kind]:
        left = self.sum()
        kind, sign = self._next()
        if kind == "sign" and sign in COMPARISONS:
            self.at += 1
            return self._same(left, [self.sum()], f"({{}} {COMPARISONS[sign]} {{}})")
        if self._takes("is"):
            negated = "NOT " if self._takes("not") else ""
            self._expect("null")
            return f"({self._value(left)} IS {negated}NULL)", "truth"
        negated = "NOT " if self._takes("not") else ""
        if self._takes("between"):
            low = self.sum()
            self._expect("and")
            return self._same(left, [low, self.sum()], f"({{}} {negated}BETWEEN {{}} AND {{}})")
        if self._takes("in"):
            self._expect("(")
            among = [self.sum()]
            while self._takes(","):
                among.append(self.sum())
            self._expect(")")
            return self._same(left, among, f"({{}} {negated}IN ({', '.join(['{}'] * len(among))}))")
        if self._takes("like"):
            if left[1] != "text":
                raise self._wrong("LIKE compares text")
            found = self._same(left, [self.sum()], self.like)
            return (f"(NOT {found[0]})", found[1]) if negated else found
        if negated:
            raise self._wrong("expected BETWEEN, IN or LIKE after NOT")
        return left

    def sum(self) -> tuple[str, Kind]:
        return self._arithmetic("+-", self.product)

    def product(self) -> tuple[str, Kind]:
        return self._arithmetic("*/", self.factor)

    def _arithmetic(self, signs: str, part: object) -> tuple[str, Kind]:
        assert callable(part)
        found: tuple[str, Kind] = part()
        while (sign := self._next()) and sign[0] == "sign" and sign[1] in signs:
            self.at += 1
            left, right = self._number(found), self._number(part())
            found = (f"(1.0 * {left} / NULLIF({right}, 0))" if sign[1] == "/" else f"({left} {sign[1]} {right})"), "number"
        return found

    def factor(self) -> tuple[str, Kind]:
        kind, word = self._next()
        at = self.at
        self.at += 1
        if kind == "number":
            return self._bound(float(word) if re.search(r"[.eE]", word) or len(word) > 18 else int(word)), "number"
        if kind == "text":
            return self._bound(word[1:-1].replace("''", "'")), "text"
        if kind == "name":
            return self._column(word)
        if word == "-":
            self._deeper()
            inner = self._number(self.factor())
            self.depth -= 1
            return f"(- {inner})", "number"
        if word == "(" or word.lower() == "abs":
            if word != "(":
                self._expect("(")
            self._deeper()
            found = self.either()
            self.depth -= 1
            self._expect(")")
            return found if word == "(" else (f"ABS({self._number(found)})", "number")
        self.at = at
        raise self._wrong("expected a column, a number, 'text' or a bracket")

    def truth(self, found: tuple[str, Kind]) -> str:
        """As a condition."""
        if found[1] == "text":
            raise self._wrong("text alone is neither true nor false; compare it, e.g. driver = 'heron'")
        return found[0] if found[1] == "truth" else f"({found[0]} <> 0)"

    def end(self) -> None:
        """Nothing may follow."""
        if self.at < len(self.tokens):
            raise self._wrong("expected AND, OR or the end")

    def _number(self, found: tuple[str, Kind]) -> str:
        if found[1] != "number":
            raise self._wrong("expected a number here")
        return found[0]

    def _value(self, found: tuple[str, Kind]) -> str:
        if found[1] == "truth":
            raise self._wrong("a condition is no value")
        return found[0]

    def _same(self, left: tuple[str, Kind], right: Sequence[tuple[str, Kind]], form: str) -> tuple[str, Kind]:
        for each in right:
            if {left[1], each[1]} == {"text", "number"}:
                raise self._wrong("text and a number cannot be compared")
        return form.format(self._value(left), *map(self._value, right)), "truth"

    def _bound(self, value: float | int | str) -> str:
        self.values.append(value)
        return "?"

    def _column(self, word: str) -> tuple[str, Kind]:
        name = word.lower()
        if name not in self.columns:
            near = difflib.get_close_matches(name, self.columns, 1, 0.5)
            meant = f"; did you mean {near[0]}?" if near else "; text needs quotes: 'text'"
            raise InputError(f"query {self.text!r}: there is no column {word}{meant} Columns: {', '.join(sorted(self.columns))}")
        self.used.append(name)
        return f'"{name}"', self.columns[name]

    def _next(self) -> tuple[str, str]:
        return self.tokens[self.at][:2] if self.at < len(self.tokens) else ("end", "")

    def _takes(self, word: str) -> bool:
        kind, found = self._next()
        if kind in ("word", "sign") and found.lower() == word:
            self.at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise self._wrong(f"expected {word.upper()}")

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._wrong(f"more than {DEEPEST} brackets within each other")

    def _wrong(self, why: str) -> InputError:
        where = f"at {self.text[self.tokens[self.at][2] :].strip()[:20]!r}" if self.at < len(self.tokens) else "at its end"
        return InputError(f"query {self.text!r}: {where}: {why}")
