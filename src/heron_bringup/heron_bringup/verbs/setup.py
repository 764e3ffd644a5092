"""Set up this clone: .venv, locked wheels, workspace; every other verb does it when needed."""

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: ./heron setup")
def setup() -> None:
    """Set up this clone and do nothing else; repeat it after a stop or a lost connection."""
    typer.echo("Set up. Next: ./heron --help")  # the work was done by heron_bringup.bootstrap, before this module was found
