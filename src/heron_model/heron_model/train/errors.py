"""What can go wrong in a training run, for the person at the keyboard."""

from __future__ import annotations

from heron_core.errors import InputError


class DataError(InputError):
    """Samples that cannot be trained on; the text says which and why."""


class CheckpointError(InputError):
    """A checkpoint that does not fit this run."""


class DivergedError(InputError):
    """The loss was not a number several times in a row; the run cannot go on by itself."""

    is_failure = True
