"""`./heron jadd check`: whether a dataset is whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from heron_bringup.jadd_parameters import Dataset, StageFolder, refuse_url
from heron_bringup.jadd_progress import bars
from heron_core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from heron_jadd.check import Checked

app = typer.Typer(add_completion=False)


@app.command("check", epilog="Examples: ./heron jadd check DATASET | ./heron jadd check DATASET --quick")
def check(
    dataset: Dataset,
    quick: Annotated[bool, typer.Option("--quick", help="Do not read the images: only their names and sizes.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, max=512, help="Threads that read images; default: one per core.")] = None,
    stage: StageFolder = None,
) -> None:
    """Look for damage and contradictions in a dataset: exit code 1 if there are any; all of it in DATASET/check.json."""
    from rich.console import Console

    from heron_jadd.check import check as look
    from heron_jadd.fetch import at_hand, everything
    from heron_jadd.places import Stage, is_url

    if quick:
        refuse_url("--quick", dataset, "whoever checks a dataset at a URL reads its images; leave --quick away")

    console, place = Console(), Stage(stage)
    with bars(console) as show, place.telling(), at_hand(dataset, place, everything, show) as folder:
        checked = look(folder, quick, workers or len(os.sched_getaffinity(0)), progress=show, viewed=not is_url(dataset))
    _show(checked, dataset, console)
    if checked.findings:
        raise typer.Exit(1)


def _show(checked: Checked, dataset: str, console: Console) -> None:
    from heron_jadd.check_remedies import REMEDIES
    from heron_jadd.fetch import keep_check

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    read = "no image read" if checked.quick else f"{checked.images_read:,} images read ({checked.bytes_read / 1e6:,.1f} MB)"
    views = f"{checked.views} view" if checked.views == 1 else f"{checked.views} views"
    line(f"{dataset}: {checked.scenes:,} scenes, {checked.samples:,} samples, {checked.frames:,} frames, {views}; {read}")
    for kind, found in checked.findings.items():
        line(f"{kind}: {found.count:,}", "bold red")
        for example in found.examples:
            line(f"  {example}")
        if found.count > len(found.examples):
            line(f"  … and {found.count - len(found.examples):,} more")
        line(f"  remedy: {REMEDIES[kind]}")
    if not checked.findings:
        line("nothing is wrong")
    try:
        line(f"report {keep_check(dataset, checked)}")
    except (OSError, InputError) as error:  # somebody else's dataset, or a full disk: the findings count, and they have been shown
        line(f"WARNING: no report: {dataset}: {getattr(error, 'strerror', None) or error}", "bold red")
