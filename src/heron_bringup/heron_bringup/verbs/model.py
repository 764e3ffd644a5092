"""DriveHeron, the model: make samples, train, export, evaluate and deliver policies."""

import importlib
from pathlib import Path

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def model() -> None:
    """Make policies and deliver them; PyTorch and its company are installed when a command that makes them first runs."""


# A command is a module verbs/model_<command>.py with an `app` of its own; it exists when its module does.
for _path in sorted(Path(__file__).parent.glob("model_*.py")):
    app.add_typer(importlib.import_module(f"heron_bringup.verbs.{_path.stem}").app)
