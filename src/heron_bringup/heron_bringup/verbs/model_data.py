"""`./heron model data`: samples to train on, from recordings, from the simulated world, or from texts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from heron_model.town.config import TownDataConfig

app = typer.Typer(add_completion=False)


@app.command(
    "data",
    epilog="Examples: ./heron model data --out SAMPLES --drives 40 | ./heron model data --recording B --out SAMPLES"
    " | ./heron model data --text PAIRS.jsonl --out SAMPLES",
)
def data(
    out: Annotated[Path, typer.Option(help="Folder for the samples; of the world: a stopped run goes on.")],
    recording: Annotated[list[Path] | None, typer.Option(help="A recording (folder, .mcap or .db3) to take samples of; repeatable.")] = None,
    text: Annotated[Path | None, typer.Option(help='General data without pictures: a .jsonl file of {"text": …, "english": …} lines.')] = None,
    drives: Annotated[
        int | None, typer.Option(min=1, help="In the world: how many, each in a town of its own. Default: as TownDataConfig says.")
    ] = None,
    first_seed: Annotated[int | None, typer.Option(help="In the world: of the first drive, 50000 or more.")] = None,
    seconds: Annotated[float | None, typer.Option(help="In the world: how long each drive lasts.")] = None,
    policy: Annotated[Path | None, typer.Option(help="In the world: a policy that drives while the expert tells what it would do (DAgger).")] = None,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the drives, those that the policy drives.")] = 1.0,
    only: Annotated[
        str,
        typer.Option(
            help="In the world: only moments of one kind: choices (another manoeuvre could be told), yielding, lights, braking. Default: all."
        ),
    ] = "",
    late_braking: Annotated[
        float | None, typer.Option(help="In the world: of the times that the expert brakes, those that the car does so late, and then harder.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=10, help="Of recordings: samples in each half second.")] = 1,
    vehicle: Annotated[Path | None, typer.Option(help="Folder of a car; default: the recording's own, in the world the demonstration car.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=512, help="Processes; default: one per core.")] = None,
) -> None:
    """Make samples to train on: of the world by default, or of recordings, or of texts."""
    from rich.console import Console

    from heron_core.errors import InputError

    console = Console()
    if text is not None and recording:
        raise InputError("--text and --recording make samples of different kinds; make two folders, and train on both")
    of_world = {
        "--only": only or None,
        "--late-braking": late_braking,
        "--drives": drives,
        "--first-seed": first_seed,
        "--seconds": seconds,
        "--policy": policy,
    }
    useless = [option for option, value in of_world.items() if value is not None]
    if useless and (text is not None or recording):
        raise InputError(f"{', '.join(useless)}: for samples of the world; leave it out beside {'--recording' if recording else '--text'}")
    if text is not None:
        from heron_model.general import text_samples

        console.print(f"{text_samples(text, out):,} samples of {text} in {out}", highlight=False)
    elif recording:
        _of_recordings(recording, out, steps, vehicle, console)
    else:
        from heron_model.town.config import TownDataConfig

        given: dict[str, Any] = {
            "only": only,
            "late_braking_share": late_braking,
            "drives": drives,
            "first_seed": first_seed,
            "seconds": seconds,
            "policy_share": share if policy is not None else None,
        }
        try:
            config = TownDataConfig(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        except ValueError as error:
            raise InputError(str(error)) from error
        count = world_samples(out, config, vehicle, workers, policy, console)
        console.print(f"{count:,} samples of {config.drives} drives in {out}", highlight=False)


def _of_recordings(recordings: list[Path], out: Path, steps: int, vehicle: Path | None, console: Console) -> None:
    from heron_core.errors import InputError
    from heron_model.recordings import RecordingConfig, recording_samples

    names = [path.stem for path in recordings]
    if len(set(names)) < len(names):
        raise InputError(f"two recordings are called {next(name for name in names if names.count(name) > 1)}; rename one")
    for path in recordings:
        folder = out if len(recordings) == 1 else out / path.stem
        with console.status(f"reading {path}") as status:

            def show(count: int, path: Path = path, status: Status = status) -> None:
                status.update(f"{path}: {count:,} samples")

            report = recording_samples(path, folder, RecordingConfig(steps_per_past=steps), vehicle, show)
        skipped = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in report["skipped"].items())
        console.print(f"{report['samples']:,} samples of {path} in {folder}; passed over: {skipped or 'nothing'}", highlight=False)


def world_samples(out: Path, config: TownDataConfig, vehicle: Path | None, workers: int | None, policy: Path | None, console: Console) -> int:
    """Samples of the world with a bar; how many there are."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from heron_bringup.paths import config_folder
    from heron_model.town.make import drive_file, make_samples

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    seeds = range(config.first_seed, config.first_seed + config.drives)
    made = sum(drive_file(out, seed).exists() for seed in seeds)
    samples = 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("driving in the world", total=config.drives, completed=made)

        def on_drive(row: Mapping[str, Any]) -> None:
            nonlocal made, samples
            made, samples = made + 1, samples + row["samples"]
            bar.update(task, advance=1, description=f"driving in the world, {samples:,} samples")
            if not console.is_terminal and made % max(1, config.drives // 20) == 0:  # no bar is seen
                console.print(f"  {made} of {config.drives} drives, {samples:,} samples", highlight=False)

        car = vehicle or config_folder() / "vehicle" / "demo"
        return make_samples(out, car, config, workers or len(os.sched_getaffinity(0)), policy, on_drive)
