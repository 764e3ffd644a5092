"""The one exception of the set-up."""


class SetupError(Exception):
    """The set-up cannot go on; the text names the cause and the command that cures it."""
