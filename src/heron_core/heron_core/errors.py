"""The exceptions that Heron raises on purpose: one base, a few precise children."""

from typing import ClassVar


class HeronError(Exception):
    """Base of every error whose text is meant for the person at the keyboard.

    Attributes:
        is_failure: the run failed (exit code 1); else it was asked for something wrong (2).
    """

    is_failure: ClassVar[bool] = False


class ConfigError(HeronError):
    """A configuration value is unknown, impossible or missing; the text names file, key and allowed range."""


class InputError(HeronError):
    """A recording, image, calibration or policy that was handed in cannot be used; the text says why."""


class RigMismatchError(HeronError):
    """A policy and a rig do not fit each other."""
