"""Both ends of a range are allowed, nothing outside it is, and the text says what is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from heron_core.ranges import check_ranges


@dataclass(frozen=True)
class Settings:
    share: float = 0.5
    drives: int = 10

    def __post_init__(self) -> None:
        check_ranges(self, ("share", 0.0, 1.0), ("drives", 1, math.inf))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_both_ends_are_allowed(share: float) -> None:
    assert Settings(share).share == share


@pytest.mark.parametrize("share", [-1e-9, 1.0 + 1e-9, math.nan, math.inf])
def test_what_lies_outside_is_refused_by_name(share: float) -> None:
    with pytest.raises(ValueError, match=rf"^share = {share}, allowed 0\.0 \.\. 1\.0$"):
        Settings(share)


def test_every_range_is_looked_at_and_infinity_is_never_a_value() -> None:
    with pytest.raises(ValueError, match=r"^drives = 0, allowed 1 \.\. inf$"):
        Settings(drives=0)
    with pytest.raises(ValueError, match=r"^drives = inf"):
        Settings(drives=math.inf)  # type: ignore[arg-type]
