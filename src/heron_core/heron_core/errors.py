"""The exceptions that Heron raises on purpose: one base, a few precise children."""


class HeronError(Exception):
    """Base of every error whose text is meant for the person at the keyboard."""


class ConfigError(HeronError):
    """A configuration value is unknown, impossible or missing; the text names file, key and allowed range."""


class InputError(HeronError):
    """A recording, image, calibration or policy that was handed in cannot be used; the text says why."""


class RigMismatchError(HeronError):
    """A policy and a rig do not fit each other."""
