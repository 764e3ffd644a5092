"""The simulated world: its scenarios, matrices of them over seeds, and pictures of any moment."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

app = typer.Typer(add_completion=False, no_args_is_help=True)

EXIT_STOPPED = 130


@app.callback()
def sim() -> None:
    """The simulated world without ROS: scenarios, matrices, pictures; ./heron drive drives in it."""


@app.command("list", epilog="Examples: ./heron sim list")
def list_() -> None:
    """The scenarios that there are, and what each is about."""
    from heron_bringup.paths import config_folder
    from heron_sim.scenario import load_scenario, scenario_names

    folder = config_folder() / "scenario"
    table = Table("scenario", "what it is", "seconds", "light and sky", box=SIMPLE, pad_edge=False)
    for name in scenario_names(folder):
        config = load_scenario(name, folder).config
        table.add_row(name, config.title, f"{config.seconds:g}", f"{config.weather.light}, {config.weather.sky}")
    console = Console()
    console.print(table)
    console.print("Drive one: ./heron drive --scenario NAME. A scenario is a small yaml file: give a path to use your own.", highlight=False)


@app.command(
    epilog="Examples: ./heron sim matrix --out out/matrix | ./heron sim matrix town traffic_guide --seeds 0:100 --out OUT |"
    " ./heron sim matrix town --policy kinematic --seeds 0:20 --out OUT | ./heron sim matrix town --policy POLICY --out OUT"
)
def matrix(
    out: Annotated[Path, typer.Option(help="Folder for runs.jsonl (kept while it runs; a stopped matrix goes on) and report.json.")],
    scenarios: Annotated[
        list[str] | None, typer.Argument(help="Names (./heron sim list) or paths of yaml files; default: all that there are.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="As 7, 0:100 (without its end) or 1,5,10:20.")] = "0:10",
    policy: Annotated[str, typer.Option(help="expert or kinematic, which need no pictures; or a policy's folder, as of ./heron model.")] = "expert",
    workers: Annotated[int | None, typer.Option(min=1, max=512, help="Processes; default: one per core.")] = None,
    vehicle: Annotated[Path | None, typer.Option(help="Folder of a car; default: the demonstration car.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="How long each drive lasts; default: as the scenario says. A shorter one must drive less far.")
    ] = None,
) -> None:
    """Drive scenarios over many seeds, with images where the policy wants them; exit 1 when a drive does not meet its scenario's criteria."""
    from heron_bringup.drive.budget import load_budget
    from heron_bringup.paths import config_folder
    from heron_control.proving_ground.closed_loop import LoopCar
    from heron_core.errors import InputError
    from heron_sim.driving.episode import POLICIES
    from heron_sim.matrix import parse_seeds, run_matrix, summary
    from heron_sim.matrix_jobs import Row, jobs
    from heron_sim.scenario import lasting, load_scenario, scenario_names

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    folder, car = config_folder() / "scenario", vehicle or config_folder() / "vehicle" / "demo"
    if policy not in POLICIES:
        check_policy(policy, car)
    LoopCar.load(car)  # what is wrong with it is said once, before anything starts
    chosen = [load_scenario(name, folder) for name in dict.fromkeys(scenarios or scenario_names(folder))]
    if len({each.name for each in chosen}) < len(chosen):
        raise InputError(f"two scenarios have the same name: {', '.join(sorted(each.name for each in chosen))}")
    wanted = jobs([lasting(each, seconds) for each in chosen], parse_seeds(seeds), policy, car, load_budget(config_folder() / "budget.yaml").total_s)
    console, rows, stopped = Console(), list[Row](), False
    bar = Progress(
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar as progress:
        task = progress.add_task("driving", total=len(wanted))

        def on_row(row: Row) -> None:
            rows.append(row)
            failed = sum(not each["passed"] for each in rows)
            progress.update(task, advance=1, description=f"driving, {failed} failed" if failed else "driving")
            if not console.is_terminal and len(rows) % max(len(wanted) // 20, 1) == 0:  # no bar is seen
                console.print(f"  {len(rows)} of {len(wanted)} drives, {failed} failed", highlight=False)

        try:
            rows = run_matrix(wanted, out, workers or len(os.sched_getaffinity(0)), on_row)
        except KeyboardInterrupt:
            stopped = True
    summed = {"policy": policy, "seeds": seeds, "wanted": len(wanted), "stopped": stopped, **summary(rows)}
    (out / "report.json").write_text(json.dumps(summed, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    _tell(console, summed)
    console.print(f"written: {out / 'report.json'}, runs.jsonl", highlight=False, soft_wrap=True)
    if stopped:
        console.print(f"{len(rows)} of {len(wanted)} drives are done; the same command goes on", highlight=False)
        raise typer.Exit(EXIT_STOPPED)
    raise typer.Exit(0 if summed["passed"] == summed["runs"] else 1)


def check_policy(policy: str, vehicle: Path) -> None:
    """What is wrong with a policy's folder is said once, before anything starts."""
    from heron_core.errors import InputError
    from heron_core.rig import load_rig
    from heron_sim.driving.episode import POLICIES
    from heron_vla.folder import load_policy

    if not Path(policy).is_dir():
        raise InputError(f"no policy {policy!r}; there are: {', '.join(POLICIES)}; or give the path of a policy's folder")
    load_policy(Path(policy), load_rig(vehicle / "rig.yaml"))


def _tell(console: Console, summed: dict[str, Any]) -> None:
    """The table of a matrix, and what failed."""
    table = Table(title=f"{summed['policy']}: {summed['passed']} of {summed['runs']} drives passed", title_justify="left", box=SIMPLE, pad_edge=False)
    heads = ("scenario", "passed", "colli-\nsions", "at\nfault", "red\nlights", "left\nroad", "mean\nm", "wall\ns", "x real\ntime")
    for head in heads:
        table.add_column(head, justify="left" if head == "scenario" else "right", no_wrap=True)
    for name, each in [*summed["scenarios"].items(), ("all", summed)]:
        if name == "all":
            table.add_section()
        colour = "green" if each["passed"] == each["runs"] else "red"
        counts = [str(each[key]) for key in ("collisions", "at_fault_collisions", "red_lights_run", "left_the_road")]
        numbers = [f"{each['mean_distance_m']:.0f}", f"{each['wall_s']:.1f}", f"{each['realtime_factor']:.1f}"]
        table.add_row(name, f"[{colour}]{each['passed']}/{each['runs']}[/{colour}]", *counts, *numbers)
    console.print(table)
    told: Sequence[dict[str, Any]] = summed["failures"][:20]
    for each in told:
        console.print(f"[red]{each['scenario']}, seed {each['seed']}: {'; '.join(each['failures'])}[/red]", highlight=False)
    if len(summed["failures"]) > len(told):
        console.print(f"… and {len(summed['failures']) - len(told)} more: see report.json", highlight=False)


@app.command(
    epilog="Examples: ./heron sim picture night_city --seed 3 --at 12 --out out/night | ./heron sim picture fog --at 14 --labels --out OUT |"
    " ./heron sim picture town --size 1920x1280 --out OUT"
)
def picture(
    scenario: Annotated[str, typer.Argument(help="A name (./heron sim list) or the path of a yaml file.")],
    out: Annotated[Path, typer.Option(help="Folder for a PNG per camera, plan.png from above, sheet.jpg with all of them, and moment.json.")],
    seed: Annotated[int, typer.Option(min=0, help="Of town, route and traffic.")] = 1,
    at: Annotated[float, typer.Option(help="Seconds after the start; the expert drives until then.")] = 10.0,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of each camera.")] = "640x400",
    labels: Annotated[bool, typer.Option("--labels", help="Depth, instances and boxes too.")] = False,
    vehicle: Annotated[Path | None, typer.Option(help="Folder of a car; default: the demonstration car.")] = None,
) -> None:
    """Draw one moment of a scenario as every camera sees it, and from above."""
    from heron_bringup.drive.budget import load_budget
    from heron_bringup.paths import config_folder
    from heron_bringup.sim_pictures import parse_size, write_moment
    from heron_control.proving_ground.closed_loop import LoopCar
    from heron_core.errors import InputError
    from heron_core.rig import load_rig
    from heron_sim.scenario import load_scenario

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    car = vehicle or config_folder() / "vehicle" / "demo"
    wanted, dimensions = load_scenario(scenario, config_folder() / "scenario"), parse_size(size)
    latency_s = load_budget(config_folder() / "budget.yaml").total_s
    loop_car, rig = LoopCar.load(car), load_rig(car / "rig.yaml")
    console = Console()
    with console.status(f"driving {wanted.name} up to {at:g} s, then drawing (the first time compiles, a minute or two) …"):
        written, said = write_moment(loop_car, rig, wanted, seed, at, latency_s, dimensions, labels, out)
    console.print(f"{wanted.name}, seed {seed}, at {at:g} s: {said}", highlight=False)
    console.print(f"written: {', '.join(path.name for path in written)} in {out}", highlight=False, soft_wrap=True)
