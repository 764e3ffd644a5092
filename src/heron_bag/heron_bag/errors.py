"""What can go wrong with a recording."""

from heron_core.errors import HeronError, InputError


class BagError(InputError):
    """A recording cannot be read; the text names the file and the reason."""


class BagWriteError(HeronError):
    """A recording could not be written on; the text says what was kept and that it is readable."""
