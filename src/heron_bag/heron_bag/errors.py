"""What can go wrong with a recording."""

from heron_core.errors import HeronError, InputError


class BagError(InputError):
    """A recording cannot be read; the text names the file and the reason."""


class BagWriteError(HeronError):
    """A recording could not be written on; the text says what was kept and that it is readable.

    Attributes:
        reason: of the disk, without what was kept.
    """

    is_failure = True

    def __init__(self, text: str, reason: str | None = None) -> None:
        super().__init__(text)
        self.reason = reason or text
