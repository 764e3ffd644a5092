"""Recordings that cannot be part of a dataset: one of them among many is named and left out, and the others become the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heron_core.errors import HeronError, InputError

LEAVE_OUT = "./heron bag info --check tells what can be read of it; copy or record it anew, or leave it out"


class UnusableError(InputError):
    """A recording that nothing can be made of.

    Attributes:
        reason: names the recording, and what is wrong.
        remedy: what helps.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True)
class Quarantined:
    """A recording, or scenes of it, that are not in the dataset because of what the recording is.

    Attributes:
        recording: where it lies.
        reason: what is wrong with it.
        remedy: what helps.
    """

    recording: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        """As it is told."""
        named = self.reason if self.recording in self.reason else f"{self.recording}: {self.reason}"
        return f"{named}; {self.remedy}"


def quarantined(path: Path, error: HeronError | OSError) -> Quarantined:
    """Of what was raised when the recording was read."""
    if isinstance(error, UnusableError):
        return Quarantined(str(path), error.reason, error.remedy)
    return Quarantined(str(path), str(error), LEAVE_OUT)
