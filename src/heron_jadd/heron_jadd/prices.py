"""What computing and storing cost: a file of the user's, since nobody else knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from heron_core.settings import from_mapping, load_yaml

GB = 1e9
HOUR_S = 3600.0


@dataclass(frozen=True)
class Prices:
    """Prices in one currency; none has a default, so that no sum is made of numbers that nobody gave.

    Attributes:
        currency: in which they are, e.g. USD.
        core_hour: of one core for one hour.
        gb_month: of 1e9 bytes stored for one month.
        gb_moved: of 1e9 bytes read or written.
        months: how long the dataset is kept.

    Raises:
        ValueError: no currency, or a price that is negative or no number.
    """

    currency: str
    core_hour: float
    gb_month: float
    gb_moved: float
    months: float

    def __post_init__(self) -> None:
        if not self.currency.strip():
            raise ValueError("currency is empty, expected e.g. USD")
        for name in ("core_hour", "gb_month", "gb_moved", "months"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} = {value:g}, allowed 0 and more")

    def of(self, cpu_s: float, stored: float, moved: float) -> dict[str, float]:
        """Money for computing, storing and moving, and the sum; `stored` and `moved` in bytes."""
        parts = {
            "computing": cpu_s / HOUR_S * self.core_hour,
            "storing": stored / GB * self.gb_month * self.months,
            "moving": moved / GB * self.gb_moved,
        }
        return {**parts, "sum": sum(parts.values())}


def load_prices(path: Path) -> Prices:
    """Prices of a file.

    Raises:
        ConfigError: it cannot be read, or a key is missing, unknown or impossible; the text names file and key.
    """
    return from_mapping(Prices, load_yaml(path), str(path))
