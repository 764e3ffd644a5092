"""The tokenizer: small, the same each time, single tokens for thoughts, any text in, short sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heron_model.layout import SLOTS, SPECIALS, SPEECH_TOKENS, TEXT_TOKENS
from heron_model.words.explanations import MEANINGS, canonical, every_explanation
from heron_model.words.grammar import SPLITS
from heron_model.words.instructions import INTENTS, instruction
from heron_model.words.tokenizer import VOCABULARY, Tokenizer, train

LANGUAGES = ("en", "ja")


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return train()


def test_specials_come_first_and_there_are_few_tokens(words: Tokenizer) -> None:
    assert words.size <= VOCABULARY
    assert words.pad == 0
    ids = [words.pad, words.end, *words.languages.values(), *(each for slot in words.slots for each in slot)]
    assert ids == list(range(len(SPECIALS)))
    assert [len(slot) for slot in words.slots] == [len(slot.words) for slot in SLOTS]


def test_training_twice_gives_the_same_file(words: Tokenizer, tmp_path: Path) -> None:
    train().save(tmp_path)
    words.save(tmp_path / "other.json")
    assert (tmp_path / "tokenizer.json").read_bytes() == (tmp_path / "other.json").read_bytes()
    again = Tokenizer.load(tmp_path)
    assert again.encode("Turn left, 次の角") == words.encode("turn left, 次の角")


@pytest.mark.parametrize(
    "text", ["turn left", "次の交差点を右に曲がって", "übergroß 😀 Ω", "向左转 좌회전 يسار", "<en> <reason:cruise> <0x41> ▁", "a" * 2000]
)
def test_any_text_survives_and_none_is_special(words: Tokenizer, text: str) -> None:
    ids = words.encode(text)
    assert min(ids) >= len(SPECIALS)
    assert words.decode(ids) == text.lower().replace("▁", "").strip()
    assert len(words.encode(text, TEXT_TOKENS)) <= TEXT_TOKENS


def test_marks_alone_are_no_text(words: Tokenizer) -> None:
    assert words.encode("…") == words.encode("  ") == words.encode("。") == []


def test_case_and_closing_marks_change_nothing(words: Tokenizer) -> None:
    assert words.encode("Turn  LEFT!") == words.encode("ｔurn left。") == words.encode("turn left")


@pytest.mark.parametrize("language", LANGUAGES)
def test_instructions_are_short(words: Tokenizer, language: str) -> None:
    rng = np.random.default_rng(4)
    for split, share in (("train", 0.99), ("held_out", 0.96)):
        known = [intent for intent in INTENTS if intent not in ("unknown", "declined")]
        lengths = [len(words.encode(instruction(known[i % len(known)], language, split, rng))) for i in range(800)]  # type: ignore[arg-type]
        assert np.mean(np.array(lengths) <= TEXT_TOKENS) >= share


@pytest.mark.parametrize("language", LANGUAGES)
def test_explanations_fit_and_come_back(words: Tokenizer, language: str) -> None:
    for split in SPLITS:
        for text in every_explanation(language, split):
            assert len(words.encode(text)) <= SPEECH_TOKENS - 2, text
    for told in MEANINGS:
        text = canonical(told.reason, told.turn, language)
        speech = words.speech(text, language, SPEECH_TOKENS)
        assert (speech[0], speech[-1]) == (words.languages[language], words.end)
        assert words.decode([*speech, 99]) == text


def test_a_tokenizer_of_another_layout_is_refused(words: Tokenizer, tmp_path: Path) -> None:
    words.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace("<reason:cruise>", "<reason:glide>"), encoding="utf-8")
    with pytest.raises(ValueError, match="reason:cruise"):
        Tokenizer.load(tmp_path)
