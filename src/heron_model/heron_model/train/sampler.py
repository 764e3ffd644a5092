"""Which sample comes when: a pure function of the seed and the position, so that a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_model.train.errors import DataError

_ORDER, _PASS, _DRAW = range(3)  # purposes of random numbers, so that none serves two


class Draw(NamedTuple):
    """One sample to read: its source, its number there, and the seed of whatever is random about this reading of it."""

    source: int
    sample: int
    seed: int


@dataclass(frozen=True)
class State:
    """Where a sampler is: `position` samples of `epoch` are taken."""

    epoch: int = 0
    position: int = 0


class MixtureSampler:
    """Draws from several sources by declared ratios.

    Every epoch holds the same number of each source, in an order of its own. A source is gone through whole, in a new order each time, before any
    of its samples comes again.

    Args:
        sizes: samples of each source.
        ratios: share of each, of any sum; all zero: in proportion to the sizes.
        epoch_samples: samples of an epoch; 0: the sum of the sizes.
        seed: of all orders.

    Raises:
        DataError: a source is empty, or has no place in an epoch.
    """

    def __init__(self, sizes: Sequence[int], ratios: Sequence[float] = (), epoch_samples: int = 0, seed: int = 0) -> None:
        if not sizes or min(sizes) < 1:
            raise DataError(f"source {list(sizes).index(0) + 1 if sizes else 1} of {len(sizes)} has no samples")
        shares = np.array(ratios if any(ratios) else sizes, np.float64)
        self.sizes = tuple(sizes)
        self.epoch_samples = epoch_samples or sum(sizes)
        self.counts = _apportion(shares / shares.sum(), self.epoch_samples)
        lost = [i for i, count in enumerate(self.counts) if count == 0]
        if lost:
            raise DataError(f"source {lost[0] + 1} gets no sample in an epoch of {self.epoch_samples}; raise its ratio or epoch_samples")
        self._seed = seed
        self._order = lru_cache(maxsize=2)(self._make_order)
        self._pass = lru_cache(maxsize=2 * len(sizes))(self._make_pass)

    def take(self, state: State, count: int) -> tuple[list[Draw], State]:
        """The next `count` draws after `state`, across the end of an epoch if need be, and the state after them."""
        draws: list[Draw] = []
        epoch, position = state.epoch, state.position
        while len(draws) < count:
            if position == self.epoch_samples:
                epoch, position = epoch + 1, 0
            draws.append(self._draw(epoch, position))
            position += 1
        return draws, State(epoch, position)

    def _draw(self, epoch: int, position: int) -> Draw:
        sources, ordinals = self._order(epoch)
        source = int(sources[position])
        ordinal = epoch * self.counts[source] + int(ordinals[position])  # of all draws of this source so far
        turn, index = divmod(ordinal, self.sizes[source])
        seed = int(np.random.SeedSequence([self._seed, _DRAW, epoch, position]).generate_state(1, np.uint64)[0])
        return Draw(source, int(self._pass(source, turn)[index]), seed)

    def _make_order(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(epoch_samples,) source of each position, and how many of that source came before it in the epoch."""
        sources = np.repeat(np.arange(len(self.counts)), self.counts)
        sources = np.random.default_rng([self._seed, _ORDER, epoch]).permutation(sources)
        ordinals = np.empty_like(sources)
        for source, count in enumerate(self.counts):
            ordinals[sources == source] = np.arange(count)
        return sources, ordinals

    def _make_pass(self, source: int, turn: int) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, _PASS, source, turn]).permutation(self.sizes[source])


def _apportion(shares: NDArray[np.float64], total: int) -> tuple[int, ...]:
    """`total` split by `shares` into whole numbers: largest remainders, the earlier source first."""
    exact = shares * total
    counts = np.floor(exact).astype(np.int64)
    for source in np.argsort(counts - exact, kind="stable")[: total - int(counts.sum())]:
        counts[source] += 1
    return tuple(int(count) for count in counts)
