"""The cells of the matrix of links: how much is lost, how far away the server is, how much goes through."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from heron_bringup.relay import CableConfig
from heron_core.errors import InputError

LOSSES, DELAYS, RATES = "0,1,5", "5,20,50", "1000,100,20"
"""Of the whole matrix: percent, milliseconds each way, megabits per second."""
SEED = 1
"""Of what the cable loses."""


@dataclass(frozen=True)
class Cell:
    """One link.

    Attributes:
        loss_percent: of the packets, each way.
        delay_ms: of each way.
        mbps: megabits per second, each way; 0: no limit.
    """

    loss_percent: float
    delay_ms: float
    mbps: float

    @property
    def name(self) -> str:
        """For files and people."""
        return f"loss{self.loss_percent:g}_delay{self.delay_ms:g}_rate{self.mbps:g}"

    @property
    def cable(self) -> CableConfig:
        """What the relay is told."""
        return CableConfig(delay_ms=self.delay_ms, loss=self.loss_percent / 100.0, mbps=self.mbps, seed=SEED)


def cells_of(losses: str, delays: str, rates: str) -> tuple[Cell, ...]:
    """All combinations, the best link first.

    Args:
        losses: percent, as `0,1,5`.
        delays: milliseconds.
        rates: megabits per second.

    Raises:
        InputError: something else than numbers, or a cable that cannot be.
    """
    cells = tuple(Cell(*each) for each in product(_numbers("--loss", losses), _numbers("--delay", delays), _numbers("--mbps", rates)))
    for cell in cells:
        try:
            _ = cell.cable
        except ValueError as error:
            raise InputError(f"loss {cell.loss_percent:g} %, delay {cell.delay_ms:g} ms, {cell.mbps:g} Mbit/s: {error}") from error
    return cells


def _numbers(option: str, text: str) -> Sequence[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{option} {text!r}: expected numbers with commas between them, as 0,1,5") from error
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"{option} {text!r}: expected finite numbers")
    return list(dict.fromkeys(numbers))
