"""One module per verb; heron_bringup.cli says what a module must offer."""

from pathlib import Path


def verb_modules(folder: Path) -> list[Path]:
    """The modules of `folder` that are verbs; `<verb>_<command>.py` is a command of a verb."""
    return sorted(path for path in folder.glob("[a-z]*.py") if "_" not in path.stem)
