"""What becomes of an instruction: the manoeuvre counts at once, the text when the policy has said what it understood.

A text that was understood as a manoeuvre is also told as one, unless another was given: what was understood once, off the driving path, need not be
understood anew for every plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from heron_core.policy import PolicyInput
from heron_core.signals import Instruction
from heron_vla.contract import INTENT
from heron_vla.folder import PolicyFolder
from heron_vla.language import Thoughts, Tokens

SHOWN = 60
"""Characters of an instruction that are repeated to people."""

NEUTRAL = "follow"
"""The manoeuvre that asks for nothing; beside it a text's own counts."""

Kind = Literal["understood", "declined", "unknown", "too_long", "unread"]
# What is said of a text that is not followed: for people who read English, and Japanese.
REFUSALS: Mapping[Kind, tuple[str, str]] = {
    "declined": ("I will not do that: it is not safe or not allowed", "その指示は安全でないか禁止されているため、従えません"),
    "unknown": ("I did not understand the instruction", "指示を理解できませんでした"),
    "too_long": ("the instruction is too long for me", "指示が長すぎて理解できません"),
}


@dataclass(frozen=True)
class Verdict:
    """What became of a text.

    Attributes:
        kind: what.
        text: for the log: the beginning of the instruction and what is done.
        english, japanese: for people in the car; empty where the driving itself will tell.
    """

    kind: Kind
    text: str
    english: str = ""
    japanese: str = ""


class Instructions:
    """The instruction in force and the one that waits to be understood.

    Attributes:
        text: in force; empty: none.
        counts: verdicts by kind.

    Raises:
        PolicyError: the policy does not know the first manoeuvre.
    """

    def __init__(self, folder: PolicyFolder, manoeuvre: str) -> None:
        self._folder = folder
        self._given, self.text, self._meant = manoeuvre, "", ""
        folder.command(manoeuvre)
        self.counts: Counter[str] = Counter()
        self._waiting, self._asked = "", False

    @property
    def manoeuvre(self) -> str:
        """In force: the one given, or where that is neutral the one that the text in force was understood as."""
        return self._meant if self._given == NEUTRAL and self.text and self._meant else self._given

    @property
    def command(self) -> int:
        """Index of `manoeuvre`."""
        return self._folder.command(self.manoeuvre)

    def give(self, instruction: Instruction) -> Verdict | None:
        """Takes an instruction; None when it is in force, or waits for `settle`.

        Raises:
            PolicyError: the policy does not know the manoeuvre; everything stays as it was.
        """
        self._folder.command(instruction.manoeuvre)
        before, self._given = self._given, instruction.manoeuvre
        language, text = self._folder.language, instruction.text.strip()
        if language is None:
            self.text = text
            return self._verdict("unread", text, f"policy {self._folder.spec.name} reads no text") if text else None
        if text and text in (self.text, self._waiting):
            return None
        if self._given != before or not text:  # else what was asked before stays until the new text is understood, and when it is not
            self.text = ""
        self._waiting, self._asked = "", False
        read = language.read(text)
        if not isinstance(read, Tokens):
            return self._refusal(read, text)
        self._waiting = text if read is not language.nothing else ""
        return None

    def question(self, request: PolicyInput) -> PolicyInput | None:
        """What the policy must be asked, off the driving path, before a plan may use the text that waits. None: nothing waits, or it was asked."""
        if not self._waiting or self._asked:
            return None
        self._asked = True
        return replace(request, text=self._waiting, command=self._folder.command(self._given))

    def settle(self, text: str, thoughts: Thoughts) -> Verdict | None:
        """What the policy understood; None when a newer instruction came meanwhile."""
        if text != self._waiting:
            return None
        self._waiting = ""
        intent = thoughts.words[INTENT]
        if intent == "declined":
            return self._refusal("declined", text)
        if intent == "unknown":
            return self._refusal("unknown", text)
        self.text, self._meant = text, intent if intent in self._folder.spec.manoeuvres else ""
        return self._verdict("understood", text, f"understood as {intent} ({thoughts.certainty[INTENT]:.0%})")

    def give_up(self, text: str) -> None:
        """The policy could not be asked; given again, the text is asked about again."""
        if text == self._waiting:
            self._waiting = ""

    def _refusal(self, kind: Kind, text: str) -> Verdict:
        english, japanese = REFUSALS[kind]
        counts = f"manoeuvre {self.manoeuvre} counts" + (" and the text before" if self.text else "")
        return self._verdict(kind, text, f"not followed: {english}; {counts}", english, japanese)

    def _verdict(self, kind: Kind, text: str, told: str, english: str = "", japanese: str = "") -> Verdict:
        self.counts[kind] += 1
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
        return Verdict(kind, f"{shown!r}: {told}", english, japanese)
