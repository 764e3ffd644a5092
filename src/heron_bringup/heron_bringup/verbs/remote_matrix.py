"""`./heron remote matrix`: what a bad link does to plans and drives."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heron_bringup.remote_cells import DELAYS, LOSSES, RATES, cells_of

if TYPE_CHECKING:
    from heron_bringup.remote_matrix import DriveWish

app = typer.Typer(add_completion=False)
EXIT_STOPPED = 130


@app.command(
    "matrix",
    epilog="Examples: ./heron remote matrix --out OUT | ./heron remote matrix --bag REC --busy 0.3 --out OUT"
    " | ./heron remote matrix --loss 5 --delay 50 --mbps 20 --drive-seconds 0 --out OUT",
)
def matrix(
    out: Annotated[Path, typer.Option(help="Folder for rows.jsonl (kept while it runs; a stopped matrix goes on), matrix.md, matrix.png, drives/.")],
    loss: Annotated[str, typer.Option(help="Percent of the packets that are lost, each way.")] = LOSSES,
    delay: Annotated[str, typer.Option(help="Milliseconds, each way.")] = DELAYS,
    mbps: Annotated[str, typer.Option(help="Megabits per second, each way; 0: no limit.")] = RATES,
    policy: Annotated[Path | None, typer.Option(help="A policy folder. Default: the one that ships.")] = None,
    bag: Annotated[Path | None, typer.Option(help="Recording whose pictures are asked with. Default: the generated one.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="Of asking, in each cell, in real time.")] = 15.0,
    drive_seconds: Annotated[float, typer.Option(min=0.0, max=600.0, help="Of each drive, on simulated time; 0: no drives.")] = 20.0,
    scenario: Annotated[str, typer.Option(help="That is driven: a name (./heron sim list) or a yaml file.")] = "town",
    seed: Annotated[int, typer.Option(min=0, help="Of the drives.")] = 7,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the drives' cameras.")] = "320x200",
    fallback: Annotated[Path | None, typer.Option(help="Folder of a policy on board, which plans while the link is down. Default: none.")] = None,
    busy: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="A cell waits up to 2 min until others use less than this share of the machine.")
    ] = 1.0,
) -> None:
    """Measure plans over links that lose, delay and throttle packets, then drive with what was measured. Needs root and iproute2, on Linux."""
    from rich.console import Console

    from heron_bringup.config import GeneratedConfig
    from heron_bringup.drive.outcome import cache_folder, policy_folder
    from heron_bringup.generated import ensure_generated
    from heron_bringup.paths import shipped_policy
    from heron_bringup.remote_matrix import DriveWish, MatrixWish, known_rows, run_matrix
    from heron_core.errors import InputError

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    cells = cells_of(loss, delay, mbps)
    chosen = policy or shipped_policy()
    if chosen is None:
        raise InputError("no policy ships with this installation; give --policy FOLDER")
    if bag is not None and not bag.exists():
        raise InputError(f"--bag {bag}: no such recording")
    drive = DriveWish(scenario, drive_seconds, seed, size, fallback) if drive_seconds else None
    if drive is not None:
        _check(drive, out)
    wish = MatrixWish(
        cells, policy_folder(str(chosen)), bag or ensure_generated(cache_folder().parent, GeneratedConfig()), seconds, drive=drive, busy=busy
    )
    console = Console()
    wanted = len(cells) * (1 if drive is None else 2) + (drive is not None)
    known = len(known_rows(wish, out))
    if known:
        console.print(f"{known} of {wanted} rows are there already", highlight=False)
    made = known

    def say(text: str) -> None:
        nonlocal made
        made += 1
        console.print(f"{made} of {wanted}: {text}", highlight=False, markup=False, soft_wrap=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: hosts and server do not stay behind
    try:
        rows = run_matrix(wish, out, say)
    except KeyboardInterrupt:
        rows = known_rows(wish, out)
        console.print(f"stopped; {len(rows)} of {wanted} rows are done, the same command goes on", highlight=False)
        _write(rows, out, wish.cells, console)
        raise typer.Exit(EXIT_STOPPED) from None
    _write(rows, out, wish.cells, console)


def _check(drive: DriveWish, out: Path) -> None:
    """What is wrong with the drives is said before an hour of measuring."""
    from heron_bringup.drive.inputs import DriveOptions
    from heron_bringup.drive.outcome import policy_folder
    from heron_bringup.paths import config_folder
    from heron_bringup.sim_pictures import parse_size
    from heron_sim.scenario import lasting, load_scenario

    DriveOptions(out, seconds=drive.seconds, seed=drive.seed, size=parse_size(drive.size))
    lasting(load_scenario(drive.scenario, config_folder() / "scenario"), drive.seconds)
    if drive.fallback is not None:
        policy_folder(str(drive.fallback))


def _write(rows: list[dict[str, Any]], out: Path, cells: Any, console: Any) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from heron_bringup.remote_matrix_report import events_of, ideal_of, joined, markdown, picture

    found, ideal = joined(rows, cells), ideal_of(rows)
    if not found:
        return
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("lost, delay, rate")
    for head in ("plans\nHz", "in time\n%", "age, ms\np50 / p99", "pictures", "fallback\ns", "driven\nm"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("what happened")
    for each in found:
        cell, link, drive = each["cell"], each["link"], each["drive"]
        figures = [
            f"{cell.loss_percent:g} %, {cell.delay_ms:g} ms, {cell.mbps:g} Mbit/s",
            f"{link['plans_hz']:.1f}",
            f"{100 * link['in_deadline']:.1f}",
        ]
        figures += [f"{link['age_ms']['p50']:.0f} / {link['age_ms']['p99']:.0f}", link["pictures"].replace("_", " ")]
        figures += ["", "", ""] if drive is None else [f"{drive['fallback_s']:.1f}", f"{drive['distance_m']:.0f}", events_of(drive, ideal)]
        table.add_row(*figures)
    console.print(table)
    if ideal is not None:
        console.print(f"over an ideal link: {ideal['distance_m']:.0f} m; {events_of(ideal) or 'nothing happened'}", highlight=False)
    (out / "report.json").write_text(json.dumps({"rows": rows}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (out / "matrix.md").write_text(markdown(rows, cells), encoding="utf-8")
    picture(rows, cells, out / "matrix.png")
    console.print(f"written: {out / 'matrix.md'}, matrix.png, report.json, rows.jsonl, traces/, drives/", highlight=False, soft_wrap=True)
