"""The tokenizer of presets that are trained from nothing: byte-pair encoding over the grammars' own sentences.

Text is folded (NFKC, lower case, no closing punctuation) and cut into words, digits and runs of one Japanese script before pairs are
merged, so that no token holds half a phrase. Characters that the grammars never use fall back to their bytes: any text encodes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as HfTokenizer

from heron_model.layout import END, LANGUAGES, PAD, SLOTS, SPECIALS
from heron_model.words.explanations import every_explanation
from heron_model.words.instructions import INTENTS, instruction

FILE = "tokenizer.json"
VOCABULARY = 1200
SENTENCES = 24_000  # of instructions that it is trained on
SEED = 20
MIN_LETTERS = 12  # times a character must occur to have a token of its own
MIN_COUNT = 3  # of a pair that is merged
MARK = "▁"  # begins a word of Latin letters
BYTES = tuple(f"<0x{value:02X}>" for value in range(256))
WORDS = r"▁?[a-z]+|▁?[0-9]|\p{Han}+|\p{Hiragana}+|[\p{Katakana}ー]+|▁|[^\s▁a-z0-9\p{Han}\p{Hiragana}\p{Katakana}ー]"


class Tokenizer:
    """Text to tokens and back.

    Attributes:
        size: how many tokens there are.
        pad, end: their ids.
        languages: language → id of the token that begins an explanation.
        slots: per slot of `layout.SLOTS` the ids of its words.
    """

    def __init__(self, inner: HfTokenizer) -> None:
        """From a trained one.

        Raises:
            ValueError: it lacks special tokens of the layout.
        """
        known: dict[str, int] = inner.get_vocab(with_added_tokens=True)
        missing = [token for token in SPECIALS if token not in known]
        if missing:
            raise ValueError(f"the tokenizer lacks {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}; train it again for this layout")
        inner.encode_special_tokens = True  # a passenger who spells one writes ordinary text
        self._inner = inner
        self.size = len(known)
        self.pad, self.end = known[PAD], known[END]
        self.languages = {name: known[token] for name, token in LANGUAGES.items()}
        self.slots = tuple(tuple(known[token] for token in slot.tokens) for slot in SLOTS)
        self._special = frozenset(known[token] for token in SPECIALS)

    @staticmethod
    def load(path: Path) -> Tokenizer:
        """From `tokenizer.json`, or from the folder that holds it."""
        return Tokenizer(HfTokenizer.from_file(str(path / FILE if path.is_dir() else path)))

    def save(self, path: Path) -> None:
        """As `tokenizer.json` (or into the folder), the same bytes each time."""
        document = json.loads(self._inner.to_str())
        target = path / FILE if path.is_dir() else path
        target.write_text(json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def encode(self, text: str, max_tokens: int | None = None) -> list[int]:
        """Ids of a text, cut to `max_tokens`; special tokens spelled out in it are text."""
        return [int(token) for token in self._inner.encode(text, add_special_tokens=False).ids[:max_tokens]]

    def speech(self, text: str, language: str, max_tokens: int) -> list[int]:
        """An explanation as it is decoded: its language's token, the text, the end; cut to `max_tokens` with the end kept."""
        return [self.languages[language], *self.encode(text, max_tokens - 2), self.end]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids up to the first end; special tokens are left out."""
        kept: list[int] = []
        for token in ids:
            if token == self.end:
                break
            if token not in self._special:
                kept.append(int(token))
        return str(self._inner.decode(kept, skip_special_tokens=False)).strip()


def corpus() -> Iterable[str]:
    """The sentences that the tokenizer is trained on: of the split `train` alone, and none of `unknown`, whose letters are left to their bytes."""
    rng = np.random.default_rng(SEED)
    intents = [intent for intent in INTENTS if intent != "unknown"]
    for index in range(SENTENCES):
        yield instruction(intents[index % len(intents)], ("en", "ja")[index // len(intents) % 2], "train", rng)
    for language in LANGUAGES:
        yield from every_explanation(language, "train")


def train() -> Tokenizer:
    """The tokenizer of `corpus`, the same each time."""
    inner = HfTokenizer(models.BPE(byte_fallback=True))
    inner.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"^[\s▁]+|[\s▁.!?。]+$"), ""),
            normalizers.Replace(Regex(r"[’‘]"), "'"),
            normalizers.Replace(Regex(r"[\s▁]+"), MARK),
            normalizers.Replace(Regex(r"^(?=[a-z])"), MARK),
        ]
    )
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    inner.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    sentences = list(corpus())
    letters: Counter[str] = Counter()
    for text in sentences:
        letters.update(inner.normalizer.normalize_str(text))
    known = sorted(letter for letter, number in letters.items() if number >= MIN_LETTERS)  # made-up names have letters that seldom come again
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=MIN_COUNT,
        special_tokens=[*SPECIALS, *BYTES],
        initial_alphabet=known,
        limit_alphabet=len(known),
        show_progress=False,
    )
    inner.train_from_iterator(sentences, trainer)
    document = json.loads(inner.to_str())
    document["added_tokens"] = [token for token in document["added_tokens"] if token["content"] in SPECIALS]  # bytes are ordinary tokens
    return Tokenizer(HfTokenizer.from_str(json.dumps(document)))
