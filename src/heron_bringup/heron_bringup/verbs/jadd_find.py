"""`./heron jadd find`: scenes by what happens in them, and datasets of those that are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heron_bringup.jadd_parameters import Catalogue, Dataset, StageFolder, refuse_url
from heron_core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from heron_jadd.selection import Column as Asked
    from heron_jadd.selection import Found

app = typer.Typer(add_completion=False)

SHOWN = 50  # scenes; all of them with --json, and in what --save and --out make


@app.command(
    "find",
    epilog="Examples: ./heron jadd find DATASET | ./heron jadd find DATASET 'hard_brakes > 0 OR disengagements > 0'"
    " | ./heron jadd find DATASET \"turns_left > 0 AND driver = 'human'\" --save lefts --out LEFTS",
)
def find(
    dataset: Dataset,
    query: Annotated[
        str | None,
        typer.Argument(help="A condition with AND, OR, NOT, comparisons, BETWEEN, IN, LIKE, IS NULL; default: show what can be asked for."),
    ] = None,
    save: Annotated[str | None, typer.Option(help="Keep the selection as DATASET/selections/SAVE.json.")] = None,
    out: Annotated[str | None, typer.Option(help="Make a dataset of the scenes that are found, and no others, in this folder.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many scenes.")] = None,
    catalogue: Catalogue = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    stage: StageFolder = None,
) -> None:
    """Find scenes by signals and events; keep the selection, or make a dataset of it."""
    from rich.console import Console

    from heron_jadd.catalogue import is_current, update
    from heron_jadd.database import place_catalogue
    from heron_jadd.features import AS_USUAL
    from heron_jadd.fetch import at_hand, catalogued, keep_selection, pull_some
    from heron_jadd.places import Stage, is_url
    from heron_jadd.selection import columns, select
    from heron_jadd.selection import find as search
    from heron_jadd.stored import dataset_of

    if query is None and (save or out or limit):
        raise InputError("--save, --out and --limit need a query, e.g. 'hard_brakes > 0'")
    refuse_url("--out", out or "", "select into a folder")
    if catalogue and is_url(dataset):
        raise InputError(f"--catalogue {catalogue}: a dataset at a URL keeps its catalogue there")
    if catalogue:
        dataset_of(Path(dataset))  # a folder that is none is left alone
        place_catalogue(Path(dataset), catalogue)
    console, place = Console(), Stage(stage)
    views: list[Path] = []
    saved = None
    with place.telling(), at_hand(dataset, place, catalogued) as folder:
        if not is_current(folder, AS_USUAL):
            update(folder)
        if query is None:
            _show_columns(columns(folder), console, as_json)
            return
        found = search(folder, query, limit)
        if save:
            saved = place.named(str(keep_selection(dataset, folder, save, query, found.tokens)))
        if out:
            what = Path(out), save or Path(out).resolve().name, query
            views = pull_some(dataset, found.tokens, *what) if is_url(dataset) else select(folder, found.tokens, *what)
    if as_json:
        told = {"query": query, "scenes": list(found.rows), "of": found.scenes, "saved": saved, "views": [str(view) for view in views]}
        print(json.dumps(told, ensure_ascii=False))
        return
    _show(found, console)
    for text in ([f"selection {saved}"] if saved else []) + [f"for the devkit: {view}" for view in views]:
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def _show(found: Found, console: Console) -> None:
    from rich.table import Column, Table

    names = tuple(dict.fromkeys(("name", "driver", "split", "duration_s", *found.columns)))
    table = Table(*(Column(name, no_wrap=True) for name in names), box=None, pad_edge=False)
    for row in found.rows[:SHOWN]:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
    if found.rows:
        _print_whole(table, console)
    if len(found.rows) > SHOWN:
        console.print(f"… and {len(found.rows) - SHOWN} more", highlight=False)
    console.print(f"{len(found.rows):,} of {found.scenes:,} scenes", highlight=False)


def _show_columns(found: list[Asked], console: Console, as_json: bool) -> None:
    from rich.table import Column, Table

    from heron_jadd.catalogue import COLUMNS

    if as_json:
        print(json.dumps({each.name: {"min": each.least, "max": each.greatest, "scenes": each.scenes} for each in found}, ensure_ascii=False))
        return
    numbers = (Column(name, justify="right", no_wrap=True) for name in ("min", "max", "scenes"))
    table = Table(Column("column", no_wrap=True), *numbers, Column("", no_wrap=True), box=None, pad_edge=False)
    for each in found:
        values = ("" if value is None else str(value) if len(str(value)) < 12 else f"{str(value)[:8]}…" for value in (each.least, each.greatest))
        table.add_row(each.name, *values, str(each.scenes), COLUMNS[each.name][1] if each.name in COLUMNS else "how often")
    _print_whole(table, console)


def _print_whole(table: Table, console: Console) -> None:
    """No cell is cut, however narrow the terminal."""
    from rich.console import Console

    width = console.measure(table, options=console.options.update(max_width=1000)).maximum
    Console(width=max(width, console.width)).print(table)
