"""Datasets: recordings become JADD, a nuScenes-compatible dataset of scenes."""

import importlib
from pathlib import Path

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def jadd() -> None:
    """Make datasets of recordings, and look into them."""


# A command is a module verbs/jadd_<command>.py with an `app` of its own; it exists when its module does.
for _path in sorted(Path(__file__).parent.glob("jadd_*.py")):
    app.add_typer(importlib.import_module(f"heron_bringup.verbs.{_path.stem}").app)
