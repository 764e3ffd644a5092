"""`./heron jadd remux`: the recorded video of a dataset's scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heron_bringup.jadd_parameters import Dataset, Inputs, StageFolder, Topics, foreign_of, refuse_url
from heron_bringup.jadd_progress import bars

app = typer.Typer(add_completion=False)


@app.command("remux", epilog="Examples: ./heron jadd remux DATASET --input REC --out VIDEOS")
def remux(
    dataset: Dataset,
    inputs: Inputs,
    out: Annotated[str, typer.Option(help="Folder to make; it appears when it is whole, and a stopped run goes on.")],
    selection: Annotated[str, typer.Option(help="A selection that jadd find --save kept. Default: all scenes.")] = "",
    topics: Topics = None,
    stage: StageFolder = None,
) -> None:
    """Give the recorded video of a dataset's scenes as MP4 files, not decoded, with a table that finds every image of the dataset in them."""
    from rich.console import Console

    from heron_jadd.fetch import at_hand, scenes_of
    from heron_jadd.places import Stage
    from heron_jadd.recording import probe
    from heron_jadd.remux import remux as make

    refuse_url("--out", out, "remux into a folder, and copy that")
    console, place, foreign = Console(), Stage(stage), foreign_of(topics)
    with bars(console) as show, place.telling(), at_hand(dataset, place, scenes_of(selection, False), show) as folder:
        try:
            recordings = [probe(path, (), foreign) for path in place.recordings(inputs)]
            made = make(folder, recordings, Path(out), selection, show)
        finally:
            place.forget(inputs)
    text = f"{made.videos:,} videos of {made.scenes:,} scenes, {made.packets:,} images, {made.bytes / 1e6:,.1f} MB in {out}"
    console.print(f"{text}; frames.parquet tells where the dataset's {made.images:,} are", highlight=False, markup=False, soft_wrap=True)
    if made.without:
        console.print(f"without video: {', '.join(made.without)}", highlight=False, markup=False, soft_wrap=True)
