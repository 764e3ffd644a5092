"""Judge how control drives: manoeuvres on the plant, printed, drawn and written to report.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from heron_control.proving_ground.manoeuvre import Manoeuvre
    from heron_control.proving_ground.tuning import Result

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def control() -> None:
    """Control on the plant: no car, no ROS, no network."""


@app.command(
    epilog="Examples: ./heron control tune --out out/tune | ./heron control tune --out OUT --manoeuvre curve --speed 50 --speed 100 |"
    " ./heron control tune --out OUT --older-s 0.2 --uncompensated"
)
def tune(
    out: Annotated[Path, typer.Option(help="Folder for report.json, one PNG per manoeuvre, and ages.png of what late plans cost.")],
    vehicle: Annotated[Path | None, typer.Option(help="Folder of a car; default: the demonstration car.")] = None,
    manoeuvre: Annotated[list[str] | None, typer.Option(help="step, slalom, curve or stop; may be repeated; default: all.")] = None,
    speed: Annotated[list[float] | None, typer.Option(help="km/h; may be repeated; default: 10, 30, 50 and 100.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sensors' noise.")] = 1,
    older_s: Annotated[float, typer.Option(help="Plans arrive by so much later, 0 .. 0.2 s.")] = 0.0,
    uncompensated: Annotated[
        bool, typer.Option("--uncompensated", help="Take plans for as young as they arrive: what age compensation is good for.")
    ] = False,
) -> None:
    """Drive step, slalom, curve and stop in the closed loop with noise, dead time and lag; exit 1 when a figure breaks its bound."""
    from heron_bringup.paths import config_folder
    from heron_control.proving_ground.closed_loop import LoopCar
    from heron_control.proving_ground.manoeuvre import MANOEUVRES
    from heron_control.proving_ground.tuning import SPEEDS_KMH, TuningConfig, plan_ages, plan_drives, report, run
    from heron_control.proving_ground.tuning_plots import picture, picture_of_ages
    from heron_core.errors import InputError

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    config = TuningConfig(tuple(dict.fromkeys(manoeuvre or MANOEUVRES)), tuple(speed or SPEEDS_KMH), seed, older_s, not uncompensated)
    car = LoopCar.load(vehicle or config_folder() / "vehicle" / "demo")
    planned = plan_drives(car, config)
    compared = plan_ages(planned)
    out.mkdir(parents=True, exist_ok=True)
    console = Console()
    driven: dict[Manoeuvre, Result] = {}
    pictures: list[Path] = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn(), console=console, transient=True
    )
    with bar as progress:
        wanted = dict.fromkeys([*planned, *compared])
        task = progress.add_task("", total=sum(each.config.seconds for each in wanted))
        done_s = 0.0
        for each in wanted:
            progress.update(task, description=f"{each.name} {each.speed_mps * 3.6:.0f} km/h", completed=done_s)
            start_s = done_s
            driven[each] = run(car, each, lambda time_s, start_s=start_s: progress.update(task, completed=start_s + time_s))  # type: ignore[misc]
            done_s += each.config.seconds
        results, ages = [driven[each] for each in planned], [driven[each] for each in compared]
        for name in config.names:
            progress.update(task, description=f"drawing {name}")
            pictures.append(out / f"{name}.png")
            picture([result for result in results if result.manoeuvre.name == name], car.limits, pictures[-1])
        if ages:
            pictures.append(out / "ages.png")
            picture_of_ages(ages, pictures[-1])
    summary = report(results, config, ages)
    (out / "report.json").write_text(json.dumps(summary, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    console.print(_table(results))
    if ages:
        console.print(_table_of_ages(ages))
    told = [(result, "") for result in results] + [(result, f", plans {result.age}") for result in ages[1:] if result.manoeuvre.config.compensated]
    for result, late in told:
        for fault in result.faults:
            console.print(f"[red]{result.manoeuvre.name} at {result.speed_kmh:g} km/h{late}: {fault}[/red]", highlight=False)
    console.print(f"written: {out / 'report.json'}, {', '.join(path.name for path in pictures)}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if summary["passed"] else 1)


def _table(results: Sequence[Result]) -> Table:
    table = Table(
        title="control on the plant: what the car truly did",
        title_justify="left",
        caption_justify="left",
        box=SIMPLE,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.caption = "a in m/s², jerk in m/s³; gate: ticks that it narrowed"
    heads = ("", "km/h", "cross cm\nmax / rms", "settle\ns", "stop\ncm", "lateral\na / jerk", "longit.\na / jerk", "gate", "")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    last = ""
    for result in results:
        figures, name = result.figures, result.manoeuvre.name
        if last and name != last:
            table.add_section()
        table.add_row(
            "" if name == last else name,
            f"{result.speed_kmh:g}",
            _numbers(".1f", 100 * figures.cross_track_max_m, 100 * figures.cross_track_rms_m),
            _numbers(".1f", figures.settle_s),
            _numbers("+.0f", 100 * figures.stop_error_m),
            _numbers(".2f", figures.lateral_accel_mps2, figures.lateral_jerk_mps3),
            _numbers(".2f", max(figures.accel_max_mps2, -figures.accel_min_mps2), figures.jerk_mps3),
            str(figures.narrowed),
            "[red]out[/red]" if result.faults else "[green]ok[/green]",
        )
        last = name
    return table


def _table_of_ages(results: Sequence[Result]) -> Table:
    title = f"what late plans cost: {results[0].manoeuvre.name} at {results[0].speed_kmh:g} km/h"
    table = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("plans", "cross cm\nmax / rms", "lateral\na / jerk", "gate", ""):
        table.add_column(head, justify="left" if head == "plans" else "right", no_wrap=True)
    for result in results:
        figures = result.figures
        table.add_row(
            result.age,
            _numbers(".1f", 100 * figures.cross_track_max_m, 100 * figures.cross_track_rms_m),
            _numbers(".2f", figures.lateral_accel_mps2, figures.lateral_jerk_mps3),
            str(figures.narrowed),
            "[red]out[/red]" if result.faults else "[green]ok[/green]",
        )
    return table


def _numbers(form: str, *values: float) -> str:
    return "" if any(isnan(value) for value in values) else " / ".join(format(value, form) for value in values)
