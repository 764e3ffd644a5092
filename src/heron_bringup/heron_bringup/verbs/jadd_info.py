"""`./heron jadd info`: what a dataset holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heron_bringup.jadd_parameters import Dataset, StageFolder
from heron_core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from heron_jadd.info import Info

app = typer.Typer(add_completion=False)

PICTURE = "info.png"


@app.command(
    "info",
    epilog="Examples: ./heron jadd info DATASET | ./heron jadd info DATASET --json --no-picture | ./heron jadd info DATASET --out glance.png",
)
def info(
    dataset: Dataset,
    out: Annotated[Path | None, typer.Option(help="The picture, a .png; default: info.png in the dataset; of a URL: here.")] = None,
    picture: Annotated[bool, typer.Option("--picture/--no-picture", help="Draw it: a map, histograms, boxes, a contact sheet.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    stage: StageFolder = None,
) -> None:
    """Show what a dataset holds: how much, who drives, what is seen and said, what was lost; and draw it."""
    from rich.console import Console

    from heron_jadd.fetch import at_hand, described
    from heron_jadd.fetch import drawn as drawable
    from heron_jadd.info import describe
    from heron_jadd.pictures import draw
    from heron_jadd.places import Stage, is_url

    drawn = (out or (Path() if is_url(dataset) else Path(dataset)) / PICTURE) if picture else None
    if drawn is not None and drawn.suffix != ".png":
        raise InputError(f"--out {drawn}: give the name of a .png file")
    place = Stage(stage)
    with place.telling(), at_hand(dataset, place, drawable if picture else described) as folder:
        found = describe(folder)
        if drawn is not None:
            drawn.parent.mkdir(parents=True, exist_ok=True)
            draw(found, drawn)
    if as_json:
        print(place.named(json.dumps(found.report() | {"picture": str(drawn) if drawn else None}, ensure_ascii=False)))
        return
    console = Console()
    _show(found, place.named(str(found.path)), console)
    if drawn is not None:
        console.print(f"picture: {drawn}", highlight=False, markup=False, soft_wrap=True)


def _show(found: Info, where: str, console: Console) -> None:
    from rich.table import Column, Table

    from heron_jadd.config import JaddConfig

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    much = f"{found.recordings:,} recordings, {found.scenes:,} scenes, {found.samples:,} samples, {_lasting(found.seconds)}, {_far(found.metres)}"
    line(f"{where}: {much}")
    table = Table(Column("camera"), *(Column(name, justify="right") for name in ("size", "samples", "sweeps", "MB")), box=None, pad_edge=False)
    for name, camera in found.cameras.items():
        table.add_row(name, ", ".join(camera["sizes"]), f"{camera['samples']:,}", f"{camera['sweeps']:,}", f"{camera['bytes'] / 1e6:,.1f}")
    table.add_row("all", "", "", f"{found.images:,} images", f"{found.image_bytes / 1e6:,.1f}", style="bold")
    console.print(table)
    line(f"tables: {found.table_bytes / 1e6:,.1f} MB")
    standing = f"; standing for {_lasting(found.standing_s)}"
    line("driven by: " + ", ".join(f"{who} {_lasting(seconds)}" for who, seconds in found.drivers_s.items() if seconds) + standing)
    for name, split in found.splits.items():
        line(f"{name}: {split['recordings']:,} recordings, {split['scenes']:,} scenes, {split['samples']:,} samples, {_lasting(split['seconds'])}")
    things = (f"{name} {count['boxes']:,} ({count['instances']:,} things)" for name, count in found.boxes.items())
    line("boxes: " + (", ".join(things) or "none"))
    for name, counts in found.said.items():
        line(f"{name}: {_counts(counts)}")
    timing = (("exposures stray from their rhythm", found.jitter_ms), ("images lie beside their sample", found.apart_ms))
    line("quality: " + ", ".join(f"{what} by at most {value:g} ms" for what, value in timing if value is not None))
    for why, count in found.dropped.items():
        line(f"WARNING: {count:,} samples left out, {why}", "bold red")
    for camera_name, lost in found.lost.items():
        line(f"WARNING: images of {camera_name} left out: {_counts(lost)}", "bold red")
    for why, count in found.can.items():
        line(f"CAN: {count:,} {why}")
    usual = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(JaddConfig()).items()}
    changed = {name: value for name, value in found.parameters.items() if value != usual.get(name)}
    line(
        "parameters: " + (", ".join(f"{name} {json.dumps(value)}" for name, value in changed.items()) or "all as usual") + "; all of them with --json"
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _lasting(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120.0 else f"{seconds / 60.0:.1f} min" if seconds < 7200.0 else f"{seconds / 3600.0:,.1f} h"


def _far(metres: float) -> str:
    return f"{metres:.0f} m" if metres < 10_000.0 else f"{metres / 1000.0:,.1f} km"
