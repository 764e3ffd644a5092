"""One module per verb; heron_bringup.cli says what a module must offer."""

from pathlib import Path


def verb_modules(folder: Path) -> list[Path]:
    """The modules of `folder` that are verbs.

    `<verb>_<command>.py` is a command of a verb; `model`, which has no others, is a verb once it has one.
    """
    commands = set(folder.glob("[a-z]*_*.py"))
    verbs = set(folder.glob("[a-z]*.py")) - commands
    return sorted(path for path in verbs if path.stem != "model" or any(each.stem.startswith("model_") for each in commands))
