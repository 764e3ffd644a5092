"""Explanations in words: decoded token by token from the memory of a plan, off the driving path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_vla.backends import PROVIDERS, open_graph
from heron_vla.contract import CACHE, CACHE_OUTPUT, KEEP, LOGITS_OUTPUT, POSITION_INPUT, TOKEN_INPUT
from heron_vla.folder import PolicyFolder
from heron_vla.session import Memory
from heron_vla.signature import PolicyError


class Speech(NamedTuple):
    """One explanation.

    Attributes:
        english, japanese: the sentences.
        whole: both came to their end.
    """

    english: str
    japanese: str
    whole: bool


class Speaker:
    """Says what a policy with text means. ONNX Runtime in the thread that calls: every token is a new shape, to which OpenVINO would compile anew.

    Args:
        folder: a checked policy folder with text.
        providers: preferred execution providers.

    Raises:
        PolicyError: a policy without text, or a graph that cannot be opened.
    """

    def __init__(self, folder: PolicyFolder, providers: Sequence[str] = PROVIDERS) -> None:
        if folder.language is None:
            raise PolicyError(f"policy {folder.spec.name} reads and says nothing")
        self._language = folder.language
        self._graph = open_graph(folder.decode_path, "onnxruntime", providers)

    def say(self, memory: Memory) -> Speech:
        """Both sentences for the plan that left `memory`, the likeliest token each time.

        Raises:
            PolicyError: the graph fails.
        """
        english, english_whole = self._sentence(memory, "en")
        japanese, japanese_whole = self._sentence(memory, "ja")
        return Speech(english, japanese, english_whole and japanese_whole)

    def _sentence(self, memory: Memory, language: str) -> tuple[str, bool]:
        token, said = self._language.languages[language], list[int]()
        cache, keep, position = memory.cache, memory.keep, memory.next_position
        for _ in range(self._language.spec.max_speech_tokens - 1):
            keep = np.concatenate([keep, np.ones((1, 1), dtype=np.bool_)], axis=1)
            inputs: dict[str, NDArray[Any]] = {TOKEN_INPUT: np.array([[token]], dtype=np.int64), POSITION_INPUT: position, KEEP: keep, CACHE: cache}
            found, _ = self._graph.run(inputs, [LOGITS_OUTPUT, CACHE_OUTPUT])
            cache, position = found[CACHE_OUTPUT], position + 1
            token = int(found[LOGITS_OUTPUT][0, : self._language.vocabulary].argmax())
            if token == self._language.end:
                return self._language.say(said), True
            said.append(token)
        return self._language.say(said), False
