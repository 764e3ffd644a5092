"""`./heron jadd create`: a dataset of recordings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heron_bringup.jadd_parameters import (
    Cameras,
    Catalogue,
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
    with_labeller,
)
from heron_bringup.jadd_progress import bars
from heron_core.errors import HeronError, InputError

if TYPE_CHECKING:
    from heron_bag.foreign import Foreign
    from heron_jadd.afar import Here
    from heron_jadd.config import JaddConfig
    from heron_jadd.estimate import Estimate
    from heron_jadd.made import Made
    from heron_jadd.places import Stage
    from heron_jadd.recording import Recording

app = typer.Typer(add_completion=False)

SHOWN = 20  # problems; all of them are in report.json


@app.command(
    "create",
    epilog="Examples: ./heron jadd create --input REC --out DATASET | ./heron jadd create --input REC1 --input REC2 --rate 2 --out DATASET"
    " | ./heron jadd create --input s3://BUCKET/REC --out s3://BUCKET/DATASET",
)
def create(
    inputs: Inputs,
    out: Annotated[str, typer.Option(help="Folder or URL of the dataset; a stopped run goes on, and scenes that are there are not made again.")],
    preset: Preset = "nuscenes",
    rate: Rate = None,
    cameras: Cameras = None,
    more: More = None,
    topics: Topics = None,
    workers: Workers = None,
    prices: PricesFile = None,
    labeller: LabellerName = "",
    tag: Annotated[str, typer.Option(help="Under which the account is kept. Default: the folder's name.")] = "",
    catalogue: Catalogue = None,
    allow_bad: Annotated[bool, typer.Option("--allow-bad", help="Exit with 0 even where recordings cannot be used, and are left out.")] = False,
    engine: Annotated[str, typer.Option(help="Who makes the scenes: local (processes), or spark.")] = "local",
    master: Annotated[str, typer.Option(help="Of Spark: master URL of a cluster. Default: this machine.")] = "",
    stage: StageFolder = None,
) -> None:
    """Make a dataset of recordings; the unmodified nuscenes-devkit reads OUT/nuscenes."""
    from heron_jadd.afar import made_at
    from heron_jadd.database import SQLITE, place_catalogue
    from heron_jadd.places import Stage, is_url

    if engine not in ("local", "spark"):
        raise InputError(f"--engine {engine}: allowed local, spark")
    if master and engine != "spark":
        raise InputError(f"--master {master} is of Spark: add --engine spark")
    far = [place for place in (*inputs, out) if is_url(place)]
    if master and far:
        raise InputError(f"--master {master}: its machines do not see the stage of {far[0]}; give folders that all of them see")
    if catalogue and catalogue != SQLITE and is_url(out):
        raise InputError(f"--catalogue {catalogue}: a dataset at a URL keeps its catalogue there, as {SQLITE}")
    run = _Run(config_of(preset, rate, cameras, with_labeller(more, labeller)), prices, workers or len(os.sched_getaffinity(0)), tag, Stage(stage))
    spark = (master or "local") if engine == "spark" else ""
    with run.stage.telling(), made_at(out, run.stage) as (folder, place):
        if catalogue and not is_url(out):
            folder.mkdir(parents=True, exist_ok=True)
            place_catalogue(folder, catalogue)
        try:
            made = run.make(run.stage.recordings(inputs), folder, place, spark, foreign_of(topics))
        finally:
            run.stage.forget(inputs)
    if made.quarantined and not allow_bad:
        run.line("the dataset is whole, but for what is quarantined; so the exit code is 1, and with --allow-bad 0")
        raise typer.Exit(1)


class _Run:
    """One run: what was asked for, and where it tells what it does."""

    def __init__(self, config: JaddConfig, prices: Path | None, workers: int, tag: str, stage: Stage) -> None:
        from rich.console import Console

        self.config, self.workers, self.tag, self.stage = config, workers, tag, stage
        self._priced, self._examples = prices_of(prices), prices is None
        self._console = Console()

    def make(self, recordings: Sequence[Path], out: Path, place: Here, spark: str, foreign: Foreign | None) -> Made:
        """Makes the dataset in a folder, and tells and keeps what it did."""
        from heron_jadd.accounts import account, keep
        from heron_jadd.create import create as make
        from heron_jadd.estimate import estimate, jobs_of_all
        from heron_jadd.room import Room
        from heron_jadd.runs import write_report

        before: list[Estimate] = []

        def reckon(found: Sequence[Recording]) -> int | None:
            jobs, left_out_s = jobs_of_all(found, out, self.config)
            try:
                if jobs:
                    before.append(estimate(jobs, self._priced, self.workers, left_out_s))
                    self._table(before[0].lines())
                    return before[0].written_bytes if place.views else None  # at a URL scenes do not stay on this disk
            except HeronError as error:  # a recording too broken to be sampled, or a labeller that fails; making it will tell
                self.line(f"no estimate: {error}")
            return None

        with bars(self._console) as show:
            made = make(recordings, out, self.config, self.workers, show, spark, reckon, foreign, place)
        with Room(out).watched():
            write_report(out, self.stage.named_all(made.report()))
            self._show(made, out)
            if before:
                found = account(before[0], made, made.cpu_s, out)
                keep(out, found, self.config, self.tag)
                if made.reused < made.scenes:
                    self._table([("", "estimate", "actual", "ratio"), *found.lines()])
                if self._examples:
                    self.line("prices are examples: give your own by --prices")
            place.finish(out)  # last: the catalogue takes over reports and accounts
        return made

    def line(self, text: str, style: str = "") -> None:
        """Prints."""
        self._console.print(self.stage.named(text), style=style, highlight=False, markup=False, soft_wrap=True)

    def _table(self, lines: Iterable[tuple[str, ...]]) -> None:
        from rich.table import Table

        table = Table(show_header=False, box=None, pad_edge=False)
        for line in lines:
            table.add_row(*line)
        self._console.print(table, highlight=False, markup=False, soft_wrap=True)

    def _show(self, made: Made, out: Path) -> None:
        reused = f" ({made.reused} were there)" if made.reused else ""
        what = f"{made.scenes} scenes{reused}, {made.samples:,} samples, {made.frames:,} images, {made.image_bytes / 1e6:,.1f} MB"
        self.line(f"{what} in {made.seconds['whole']:.1f} s")
        if made.left_out_s:
            self.line(f"{made.left_out_s:.1f} s of the recordings are in no scene")
        if made.filtered:
            self.line(f"{made.filtered} more scenes were made, and are left out: what happens in them is not what `keep` asks for")
        for bad in made.quarantined:
            self.line(f"QUARANTINED: {bad}", "bold red")
        for problem in made.problems[:SHOWN]:
            self.line(f"WARNING: {problem}", "bold red")
        if len(made.problems) > SHOWN:
            self.line(f"… and {len(made.problems) - SHOWN} more, in {out / 'report.json'}")
        if made.views:
            self.line(f"tables {out / 'tables'}; for the devkit: " + ", ".join(str(view) for view in made.views))
        else:
            self.line(f"dataset {out}; for the devkit: ./heron jadd pull {out} --out FOLDER")
