"""Drive: in the simulated world, a recording, or the car; ends with a report and a video."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

app = typer.Typer(add_completion=False)

EXIT_STOPPED = 130
EXAMPLES = """Examples:

./heron drive

./heron drive --scenario traffic_guide --seed 7 --out OUT

./heron drive --bag REC --lockstep --out OUT

./heron drive --bag REC --seconds 20 --no-images

./heron drive --live --vehicle config/vehicle/demo --policy POLICY

./heron drive --remote config/profile/remote.yaml
"""


@app.command(epilog=EXAMPLES)
def drive(
    bag: Annotated[Path | None, typer.Option(help="Recording: a rosbag2 folder, .mcap or .db3. Default: the simulated world.")] = None,
    lockstep: Annotated[bool, typer.Option("--lockstep", help="On simulated time: the same bytes each time, as fast as it goes.")] = False,
    live: Annotated[bool, typer.Option("--live", help="The car: cameras and CAN of --vehicle.")] = False,
    policy: Annotated[
        str | None,
        typer.Option(
            help="A policy folder, 'kinematic', or 'expert' in the simulated world. Default: config/policy/driveheron, where there is one "
            "and the car has its cameras; else expert in the simulated world (with --no-images always), kinematic elsewhere."
        ),
    ] = None,
    scenario: Annotated[str, typer.Option(help="Of the simulated world: a name (see ./heron sim list) or a yaml file.")] = "",
    size: Annotated[str, typer.Option(help="Of the simulated cameras' pictures, up to 1920x1280.")] = "640x400",
    street: Annotated[
        bool, typer.Option("--street", help="The generated calibration street, a recording, instead of the simulated world.", hidden=True)
    ] = False,
    remote: Annotated[
        Path | None, typer.Option(help="The policy thinks on another computer, which runs ./heron remote serve: parameter file of the link to it.")
    ] = None,
    vehicle: Annotated[Path | None, typer.Option(help="Folder of the car. Default: the one in the recording.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after this much time.")] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Make the mosaic video and pictures; --no-images: no cameras in the simulated world.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for report.json, the recording of the run, and pictures.")] = Path("out/drive"),
) -> None:
    """Cameras, policy, control and CAN in one run; commands of a replay go to a shadow bus that no car hears."""
    from heron_bringup.drive.inputs import DriveOptions
    from heron_bringup.drive.run import drive as run_drive
    from heron_bringup.latency_report import print_report

    console = Console()
    options = DriveOptions(out, bag, lockstep, live, policy, vehicle, seconds, images, seed, scenario, _size(size), street, remote)
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), TimeElapsedColumn())
    lines = _Lines(console)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("preparing", total=None)

        def progress(unit: str, done: float, total: float) -> None:
            told = f"{done:.0f} of {total:.0f} {unit}"
            if console.is_terminal:
                bar.update(task, description=told, completed=done, total=total or None)
            else:
                lines.tell(told, unit, done, total)

        outcome = run_drive(
            options,
            say=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
            progress=progress,
        )
    print_report(outcome.report, outcome.report["budget_ms"]["total"])
    console.print(f"report: {out / 'report.json'}", highlight=False, markup=False, soft_wrap=True)
    for failure in outcome.failures:
        console.print(f"[bold red]failed:[/] {escape(failure)}", highlight=False, soft_wrap=True)
    if outcome.stopped:
        raise typer.Exit(EXIT_STOPPED)
    if outcome.failures:
        raise typer.Exit(1)


class _Lines:
    """Progress where there is no terminal to draw a bar on: a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._kind, self._next = "", 0.0

    def tell(self, told: str, unit: str, done: float, total: float) -> None:
        """Prints `told` each ten seconds of the run, or each tenth of what is drawn."""
        kind = unit.split(",")[0]
        step = 10.0 if kind == "s" else max(total / 10.0, 1.0)
        if kind != self._kind:
            self._kind, self._next = kind, step
        if done >= self._next and done < total:
            self._next += step
            self._console.print(f"  {told}", highlight=False, markup=False, soft_wrap=True)


def _size(text: str) -> tuple[int, int]:
    from heron_core.errors import InputError

    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"--size {text!r} is no size; give WIDTHxHEIGHT, such as 640x400")
    return int(width), int(height)
