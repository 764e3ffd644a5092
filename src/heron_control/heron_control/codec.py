"""What the gate needs of a car's command frames: how they look on the wire, what they can express, writing and reading them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from heron_control.command import Command

# Rounding of floating-point numbers, as a share of a raster step: far below one step, so it lets nothing through.
GRID_SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One frame as it goes on the wire."""

    bus: str
    id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Grid:
    """Values that a signal can express: offset + n · step, in the command's unit."""

    step: float
    offset: float = 0.0

    def nearest(self, value: float, low: float, high: float) -> float | None:
        """The expressible value nearest to `value` in [low, high], or None. Never rounds out of the range."""
        if low > high:
            return None
        first, last = math.ceil((low - self.offset) / self.step - GRID_SLACK), math.floor((high - self.offset) / self.step + GRID_SLACK)
        if first > last:
            return None
        inside = min(max(value, low), high)  # first: a huge number has no integer
        return self.offset + self.step * min(max(round((inside - self.offset) / self.step), first), last)


class CommandCodec(Protocol):
    """Commands to frames and back, as the car's DBC says. Holds no state: the gate counts."""

    @property
    def steer_grid(self) -> Grid:
        """Road-wheel angles that a frame can express, rad."""

    @property
    def accel_grid(self) -> Grid:
        """Accelerations that a frame can express, m/s²."""

    def encode(self, command: Command, count: int) -> Sequence[RawFrame]:
        """Frames of one tick, with the counter of the `count`-th tick and the checksum.

        Raises:
            ValueError: the frames cannot express the command.
        """

    def decode(self, frames: Sequence[RawFrame], count: int) -> Command | None:
        """What a car reads in these frames; None when they contradict each other or counter or checksum are wrong."""
