"""`./heron jadd pull`: a dataset at a URL, brought to a disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heron_bringup.jadd_progress import bars
from heron_core.errors import InputError

app = typer.Typer(add_completion=False)


@app.command(
    "pull",
    epilog="Examples: ./heron jadd pull s3://BUCKET/DATASET --out DATASET | ./heron jadd pull s3://BUCKET/DATASET --selection lefts --out LEFTS",
)
def pull(
    dataset: Annotated[str, typer.Argument(help="URL of a dataset, as jadd create makes it.")],
    out: Annotated[Path, typer.Option(help="Folder to make; a stopped pull goes on.")],
    selection: Annotated[str, typer.Option(help="A selection that jadd find --save kept. Default: all scenes.")] = "",
) -> None:
    """Bring a dataset to a disk, where it has its view for the devkit: the same bytes as if it had been made there."""
    from rich.console import Console

    from heron_jadd.fetch import pull as bring
    from heron_jadd.fetch import pull_some
    from heron_jadd.places import is_url

    if not is_url(dataset):
        raise InputError(f"{dataset}: no URL; ./heron jadd find makes datasets of datasets in folders")
    console = Console()
    with bars(console) as show:
        views = pull_some(dataset, None, out, selection, progress=show) if selection else bring(dataset, out, show)
    console.print("for the devkit: " + ", ".join(map(str, views)), highlight=False, markup=False, soft_wrap=True)
