"""What every kind of source offers to the import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from heron_bag.errors import BagError

Item = tuple[int, str, object]  # log_ns, topic, native message


@dataclass
class Tally:
    """What happened on the way, for the report: counts by name, and things to say once."""

    counts: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def remark(self, text: str) -> None:
        """Says `text` unless it was said before."""
        if text not in self.remarks:
            self.remarks.append(text)


class Recording(Protocol):
    """One source.

    Attributes:
        label: for messages. files: what it is made of.
        first_ns: its own time of its first datum. absolute: whether that is time since 1970.
        offset_s: from the configuration. expected: messages, or None when only reading tells.
    """

    label: str
    files: list[Path]
    first_ns: int
    absolute: bool
    offset_s: float
    expected: int | None

    def items(self, shift_ns: int, tally: Tally) -> Iterator[Item]:
        """Messages in order of log time; `shift_ns` is added to every own time."""


def seconds_to_ns(seconds: float) -> int:
    """Exact for every decimal fraction that a person writes: 0.1 s is 100,000,000 ns."""
    return round(Fraction(str(seconds)) * 1_000_000_000)


def find_file(pattern: str, base: Path) -> Path:
    """The one file of a pattern; relative ones start at `base`.

    Raises:
        BagError: none or several.
    """
    files = find_files(pattern, base)
    if len(files) != 1:
        raise BagError(f"{pattern}: stands for {len(files)} files, expected one")
    return files[0]


def find_files(pattern: str, base: Path) -> list[Path]:
    """Files of a glob pattern, sorted by name.

    Raises:
        BagError: there is none; real recordings are found through HERON_REAL_DATA.
    """
    path = base.absolute() / pattern
    files = sorted(file for file in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if file.is_file())
    if not files:
        raise BagError(f"{pattern}: no such file; set HERON_REAL_DATA to the folder of real recordings if it belongs there")
    return files
