"""Batches in the sampler's order, read ahead by one thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from heron_model.train.sampler import Draw, MixtureSampler, State

AHEAD = 3  # batches that wait: enough to hide a slow one, and little memory
_PATIENCE_S = 0.2  # how soon a full queue notices that nobody wants more

Read = Callable[[Sequence[Draw]], dict[str, Tensor]]


@dataclass(frozen=True)
class Batch:
    """What one step trains on.

    Attributes:
        tensors: as `heron_model.sample_reader.collate` makes them.
        draws: of this process's samples.
        after: the sampler's state once this batch is done.
    """

    tensors: dict[str, Tensor]
    draws: tuple[Draw, ...]
    after: State


class Batches:
    """Reads batches from any state on.

    Args:
        sampler: decides the order.
        read: draws → tensors; called in the reading thread.
        name: of a draw, for error messages.
        rank, processes: this process takes every `processes`-th sample of a batch.
    """

    def __init__(self, sampler: MixtureSampler, read: Read, name: Callable[[Draw], str] = str, rank: int = 0, processes: int = 1) -> None:
        self.sampler = sampler
        self.name = name
        self._read, self._rank, self._processes = read, rank, processes

    @contextmanager
    def ahead(self, state: State, size: int) -> Iterator[Iterator[Batch]]:
        """Endless batches of `size` samples from `state` on, while the context lasts; an error of the reader comes out of the iterator."""
        waiting: queue.Queue[Batch | BaseException] = queue.Queue(AHEAD)
        stop = threading.Event()
        thread = threading.Thread(target=self._fill, args=(state, size, waiting, stop), name="read ahead", daemon=True)
        thread.start()
        try:
            yield _drain(waiting)
        finally:
            stop.set()
            thread.join()

    def one(self, state: State, size: int) -> Batch:
        """The batch after `state`, read here and now."""
        draws, after = self.sampler.take(state, size)
        mine = tuple(draws[self._rank :: self._processes])
        return Batch(self._read(mine), mine, after)

    def _fill(self, state: State, size: int, waiting: queue.Queue[Any], stop: threading.Event) -> None:
        while not stop.is_set():
            entry: Batch | BaseException
            try:
                entry = self.one(state, size)
                state = entry.after
            except BaseException as error:  # whatever it is, the loop must hear of it
                entry = error
            while not stop.is_set():
                try:
                    waiting.put(entry, timeout=_PATIENCE_S)
                    break
                except queue.Full:
                    continue
            if isinstance(entry, BaseException):
                return


def _drain(waiting: queue.Queue[Batch | BaseException]) -> Iterator[Batch]:
    while True:
        entry = waiting.get()
        if isinstance(entry, BaseException):
            raise entry
        yield entry
