"""`./heron jadd export`: a dataset in another's format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heron_bringup.jadd_parameters import Dataset, StageFolder, refuse_url
from heron_bringup.jadd_progress import bars
from heron_core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from heron_jadd.lerobot import Exported

app = typer.Typer(add_completion=False)

FORMATS = ("lerobot",)


@app.command(
    "export",
    epilog="Examples: ./heron jadd export DATASET --out LEROBOT | ./heron jadd export DATASET --selection lefts --fps 5 --out LEFTS",
)
def export(
    dataset: Dataset,
    out: Annotated[str, typer.Option(help="Folder to make; it appears when it is whole, and a stopped run goes on.")],
    form: Annotated[str, typer.Option("--format", help="lerobot: LeRobot's format v3.0, one episode for each scene.")] = "lerobot",
    selection: Annotated[str, typer.Option(help="A selection that jadd find --save kept. Default: all scenes.")] = "",
    fps: Annotated[int | None, typer.Option(min=1, max=60, help="Steps per second. Default: the dataset's rate.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=512, help="Threads that encode; default: one per core.")] = None,
    stage: StageFolder = None,
) -> None:
    """Give a dataset to other tools: videos and tables of LeRobot; what was exported is in OUT/report.json."""
    from rich.console import Console

    from heron_jadd.fetch import at_hand, scenes_of
    from heron_jadd.lerobot import export as make
    from heron_jadd.places import Stage

    if form not in FORMATS:
        raise InputError(f"--format {form}: allowed {', '.join(FORMATS)}")
    refuse_url("--out", out, "export into a folder, and copy that")
    console, place = Console(), Stage(stage)
    with bars(console) as show, place.telling(), at_hand(dataset, place, scenes_of(selection), show) as folder:
        made = make(folder, Path(out), fps, selection, workers or len(os.sched_getaffinity(0)), show)
    _show(made, out, console)


def _show(made: Exported, out: str, console: Console) -> None:
    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    line(f"{made.episodes:,} episodes, {made.frames:,} steps at {made.fps} Hz, {len(made.tasks):,} tasks")
    line(f"state: {', '.join(made.state)}; action, what the car did next: {', '.join(made.action)}")
    for name, scene in made.unknown.items():
        line(f"WARNING: {name} is left out: {scene} does not know it all along", "bold red")
    if made.shown_again:
        line(f"WARNING: {made.shown_again:,} camera images were missing; the ones before them are shown again (exposure_offset_s tells)", "bold red")
    if made.left_out:
        line(f"WARNING: {made.left_out:,} steps left out: poses or images of them are not known", "bold red")
    if made.without:
        line(f"WARNING: without two steps, and left out: {', '.join(made.without)}", "bold red")
    line(f'LeRobotDataset("NAME", root="{out}")')
