"""Words of a policy: instructions to numbers, numbers to explanations, and what it thought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from heron_vla.contract import TextSpec
from heron_vla.signature import PolicyError

MAX_CHARACTERS = 400
"""Of an instruction that is looked at; a longer one is too long in every language."""
MAX_UNKNOWN_SHARE = 1 / 3
"""Of an instruction's tokens; with more than these it is in a language that the policy has no words for."""

Fault = Literal["too_long", "unknown"]


@dataclass(frozen=True)
class Tokens:
    """An instruction as the graph `navigator` takes it.

    Attributes:
        ids: (1, L) int64.
        mask: (1, L) bool, True where there is text.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Thoughts:
    """What a policy thought before it planned.

    Attributes:
        words: slot → its most likely word.
        certainty: slot → that word's probability.
    """

    words: Mapping[str, str]
    certainty: Mapping[str, float]


class Language:
    """Tokenizer and slots of one policy.

    Args:
        path: the tokenizer's file.
        spec: what policy.yaml says about text.

    Raises:
        PolicyError: no such library, not a tokenizer, or one without the declared tokens.
    """

    def __init__(self, path: Path, spec: TextSpec) -> None:
        self.spec = spec
        self._tokenizer = _open(path)
        self.languages = {name: self._id(path, token) for name, token in spec.languages.items()}
        self.end, self._pad = self._id(path, spec.end), self._id(path, spec.pad)
        unknown = getattr(self._tokenizer.model, "unk_token", None)
        self._unknown = self._tokenizer.token_to_id(unknown) if unknown else None
        self._ours = {index for index, token in self._tokenizer.get_added_tokens_decoder().items() if token.special} - {self._unknown}
        self.nothing = self._tokens([])
        self.lengths = (self.nothing, self._tokens([self.end]))  # every length of text that a graph meets

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self._tokenizer.get_vocab_size())

    def read(self, text: str) -> Tokens | Fault:
        """An instruction as numbers, or why it cannot be read. There are two lengths, none and the longest, so that no plan meets a new shape."""
        if len(text) > MAX_CHARACTERS:
            return "too_long"
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        if len(ids) > self.spec.max_tokens:
            return "too_long"
        if self._unknown is not None and ids.count(self._unknown) > MAX_UNKNOWN_SHARE * len(ids):
            return "unknown"
        if not self._ours.isdisjoint(ids):  # what somebody writes never becomes one of our tokens
            return "unknown"
        return self._tokens(ids) if ids else self.nothing

    def say(self, ids: Sequence[int]) -> str:
        """Tokens as a sentence; special ones are left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def thoughts(self, shares: NDArray[np.float32]) -> Thoughts:
        """The output `thoughts` of one plan in words."""
        words, certainty, begin = {}, {}, 0
        for slot in self.spec.slots:
            part = shares[begin : begin + len(slot.words)]
            begin += len(slot.words)
            best = int(part.argmax())
            words[slot.name], certainty[slot.name] = slot.words[best], float(part[best])
        return Thoughts(words, certainty)

    def _tokens(self, ids: Sequence[int]) -> Tokens:
        length = self.spec.max_tokens if ids else 1
        padded = np.full((1, length), self._pad, dtype=np.int64)
        padded[0, : len(ids)] = ids
        return Tokens(padded, np.arange(length)[None] < len(ids))

    def _id(self, path: Path, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise PolicyError(f"{path}: the tokenizer has no token {token!r}, which policy.yaml declares")
        return int(found)


def _open(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer  # heavy
    except ImportError as error:
        raise PolicyError(f"{path}: a policy with text needs the Python package tokenizers, which is not installed") from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        raise PolicyError(f"{path}: not a tokenizer: {str(error).strip()}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True  # they are letters like others in what somebody writes
    return tokenizer
