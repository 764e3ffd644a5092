"""`./heron jadd estimate`: what a dataset would cost."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from heron_bringup.jadd_parameters import (
    Cameras,
    Inputs,
    LabellerName,
    More,
    Preset,
    PricesFile,
    Rate,
    StageFolder,
    Topics,
    Workers,
    config_of,
    foreign_of,
    prices_of,
    refuse_url,
    with_labeller,
)

app = typer.Typer(add_completion=False)


@app.command(
    "estimate",
    epilog="Examples: ./heron jadd estimate --input REC | ./heron jadd estimate --input REC1 --input REC2 --preset pass_through --rate 2 --workers 64"
    " | ./heron jadd estimate --input REC --out DATASET --prices PRICES.yaml --json",
)
def estimate(
    inputs: Inputs,
    out: Annotated[str, typer.Option(help="Folder of the dataset, if there is one: scenes that it has cost nothing.")] = "",
    preset: Preset = "nuscenes",
    rate: Rate = None,
    cameras: Cameras = None,
    more: More = None,
    topics: Topics = None,
    workers: Workers = None,
    prices: PricesFile = None,
    labeller: LabellerName = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    stage: StageFolder = None,
) -> None:
    """Reckon scenes, images, bytes, core-hours, time and money of a dataset, and make nothing."""
    from rich.console import Console
    from rich.table import Table

    from heron_jadd.estimate import estimate as reckon
    from heron_jadd.estimate import jobs_of_all
    from heron_jadd.intake import take_in
    from heron_jadd.places import Stage

    refuse_url("--out", out, "create tells as well, before it makes anything")
    config = config_of(preset, rate, cameras, with_labeller(more, labeller))
    priced, place = prices_of(prices), Stage(stage)
    with place.telling():
        try:
            taken = take_in(place.recordings(inputs), config, foreign_of(topics))
            jobs, left_out_s = jobs_of_all(taken.recordings, Path(out or os.devnull), config)  # in which no scene can be
            found = reckon(jobs, priced, workers or len(os.sched_getaffinity(0)), left_out_s)
        finally:
            place.forget(inputs)
    if as_json:
        quarantined = [dataclasses.asdict(each) for each in taken.quarantined]
        print(place.named(json.dumps({**found.report(), "quarantined": quarantined}, ensure_ascii=False)))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for what, much in found.lines():
        table.add_row(what, much)
    console = Console()
    for bad in taken.quarantined:
        console.print(place.named(f"QUARANTINED: {bad}"), style="bold red", highlight=False, markup=False, soft_wrap=True)
    console.print(table, highlight=False, markup=False, soft_wrap=True)
    if prices is None:
        console.print("prices are examples: give your own by --prices", highlight=False, markup=False, soft_wrap=True)
