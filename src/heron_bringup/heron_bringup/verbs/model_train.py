"""`./heron model train`: from nothing, or from samples, to a policy that drives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from heron_model.town.config import TownDataConfig
    from heron_model.train.config import MixtureConfig
    from heron_model.train.steps import Steps

app = typer.Typer(add_completion=False)

EXIT_STOPPED = 130
RUN = "run.json"  # in the folder of the run
PATHS = ("data", "sources", "held_out", "start")  # options that name places
SETTINGS = ("minutes", "samples", "batch", "epoch_samples", "seed")  # options that change settings of the training


@app.command(
    "train",
    epilog="Examples: ./heron model train --preset tiny --out OUT | ./heron model train --preset tiny --data SAMPLES --minutes 40 --out OUT"
    " | ./heron model train --out OUT --resume",
)
def train(
    out: Annotated[Path, typer.Option(help="Folder of the run: samples, a folder for each training, then model, policy, curves.png, report.json.")],
    preset: Annotated[str | None, typer.Option(help="Of the model: a name in config/model, or a yaml file; default: tiny.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of samples (./heron model data); repeatable. None: they are made in the world.")
    ] = None,
    sources: Annotated[Path | None, typer.Option(help="Instead of --data: a yaml file, sources: [{folder: …, ratio: …}, …].")] = None,
    held_out: Annotated[list[Path] | None, typer.Option(help="Folder of samples to measure on; default: the last drives of each source.")] = None,
    start: Annotated[Path | None, typer.Option(help="Begin with the model of an earlier run (its folder `model`), or of a policy folder.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Of the training before the rounds: as many samples as this machine learns from in this time.")
    ] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="To train on before the rounds, instead of --minutes.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples of one step.")] = None,
    epoch: Annotated[int | None, typer.Option(min=1, help="Samples between two measurements; default: as many as there are.")] = None,
    drives: Annotated[int | None, typer.Option(min=1, help="Without --data: drives of the expert in the world.")] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100,
            help="Of correction: the policy so far drives, the expert says what it would do, training goes on with both. "
            "Default: as config/train says for the preset; with --data or --sources 0.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything that is drawn.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped or killed, to the same result.")] = False,
    export: Annotated[bool, typer.Option(help="Make a policy folder of the result.")] = True,
) -> None:
    """Train a model: samples, training, rounds of correction; the result is a policy folder. Ctrl-C keeps what was done; --resume goes on."""
    from rich.console import Console

    from heron_bringup.paths import config_folder
    from heron_bringup.verbs.model_data import world_samples
    from heron_bringup.verbs.model_export import write
    from heron_core.errors import InputError
    from heron_model.presets import load_preset
    from heron_model.train.recipe import MODEL, POLICY, Means, Recipe, run_recipe
    from heron_model.train.settings import round_settings, train_settings

    if minutes is not None and samples is not None:
        raise InputError("--minutes and --samples both say how long to train; give one")
    if sources is not None and data:
        raise InputError("--sources and --data both name what to train on; give one")
    given = {
        "preset": preset,
        **{"data": _texts(data), "sources": _text(sources), "held_out": _texts(held_out), "start": _text(start), "drives": drives},
        **{"minutes": minutes, "samples": samples, "batch": batch, "epoch_samples": epoch, "seed": seed, "rounds": rounds},
    }
    run = _remembered(out, given, resume)
    folder = config_folder()
    model = load_preset(run.get("preset", "tiny"), folder / "model")
    from_nothing = "data" not in run and "sources" not in run
    recipe = Recipe(
        model,
        train_settings(model.name, folder / "train", **{name: run.get(name) for name in SETTINGS}),
        round_settings(model.name, folder / "train", run.get("rounds", None if from_nothing else 0)),
        _data(run),
        tuple(Path(folder) for folder in run.get("held_out", [])),
        Path(run["start"]) if "start" in run else None,
        export,
        _command(run),
    )
    console = Console()
    means = Means(
        lambda samples, config, policy: world_samples(samples, config, None, None, policy, console),
        lambda checkpoint, policy: write(checkpoint, policy, console),
        lambda line: console.print(line, highlight=False),
    )
    try:
        steps = run_recipe(recipe, out, means, resume)
    except KeyboardInterrupt:
        console.print(f"stopped. What is done is kept; ./heron model train --out {out} --resume goes on", highlight=False)
        raise typer.Exit(EXIT_STOPPED) from None
    _tell_times(console, steps)
    drive = f"; policy in {out / POLICY}. Drive it: ./heron drive --policy {out / POLICY}" if export else ""
    console.print(f"model in {out / MODEL}{drive}", highlight=False)


def _texts(paths: list[Path] | None) -> list[str] | None:
    return [str(path.absolute()) for path in paths] if paths else None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _remembered(out: Path, given: dict[str, Any], resume: bool) -> dict[str, Any]:
    """What the run was started with; kept in its folder, so that `--resume` needs nothing else. What is given anew counts."""
    from heron_model.train.recipe import begun

    path = out / RUN
    kept = json.loads(path.read_text(encoding="utf-8")) if resume and path.is_file() else {}
    run = {**kept, **{name: value for name, value in given.items() if value is not None}}
    if not begun(out):
        memory = run
    elif resume and "rounds" in run:  # rounds may follow that were not asked for at the start
        memory = {**kept, "rounds": run["rounds"]}
    else:  # what stands there belongs to what it was begun with
        return run
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(memory, indent=1) + "\n", encoding="utf-8")
    return run


def _command(run: dict[str, Any]) -> tuple[str, ...]:
    """That makes the run again: the options that it was started with, places by their names."""
    words = ["./heron", "model", "train"]
    for name, value in {"preset": "tiny", **run}.items():
        option = "--epoch" if name == "epoch_samples" else f"--{name.replace('_', '-')}"
        for each in value if isinstance(value, list) else [value]:
            words += [option, Path(each).name if name in PATHS else f"{each:g}" if isinstance(each, float) else str(each)]
    return (*words, "--out", "RUN")


def _data(run: dict[str, Any]) -> TownDataConfig | MixtureConfig:
    """What to learn from: drives in the world where nothing is named."""
    from heron_core.settings import from_mapping
    from heron_model.town.config import TownDataConfig
    from heron_model.train.config import MixtureConfig, SourceConfig
    from heron_model.train.sources import load_mixture

    if "sources" in run:
        return load_mixture(Path(run["sources"]))
    if "data" in run:
        return MixtureConfig(tuple(SourceConfig(Path(folder)) for folder in run["data"]))
    return from_mapping(TownDataConfig, {"drives": run["drives"]} if "drives" in run else {}, "--drives")


def _tell_times(console: Console, steps: Steps) -> None:
    """The time of each part, of all sittings together."""
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table("part", "min", box=SIMPLE, pad_edge=False)
    for part, minutes in steps.times():
        table.add_row(part, f"{minutes:.1f}")
    table.add_section()
    table.add_row("all", f"{sum(minutes for part, minutes in steps.times() if not part.startswith(' ')):.1f}")
    console.print(table)
