"""`./heron model train`: samples → a policy that drives."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from heron_model.train.run import Lesson

app = typer.Typer(add_completion=False)

SAMPLES, POLICY, TIMES, RUN = "samples", "policy", "times.json", "run.json"  # in the folder of the run


@app.command(
    "train",
    epilog="Examples: ./heron model train --preset tiny --out OUT | ./heron model train --preset tiny --data SAMPLES --minutes 40 --out OUT"
    " | ./heron model train --out OUT --resume",
)
def train(
    out: Annotated[Path, typer.Option(help="Folder of the run: samples, checkpoints, curves.png, report.json, model, policy.")],
    preset: Annotated[str | None, typer.Option(help="Of the model: a name in config/model, or a yaml file; default: tiny.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of samples (./heron model data); repeatable. None: they are made in the world.")
    ] = None,
    sources: Annotated[Path | None, typer.Option(help="Instead of --data: a yaml file, sources: [{folder: …, ratio: …}, …].")] = None,
    held_out: Annotated[list[Path] | None, typer.Option(help="Folder of samples to measure on; default: the last drives of each source.")] = None,
    start: Annotated[Path | None, typer.Option(help="Begin with the model of an earlier run (its folder `model`).")] = None,
    minutes: Annotated[float | None, typer.Option(help="Of training: as many samples as this machine learns from in this time.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="To train on in all, instead of --minutes.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples of one step.")] = None,
    epoch: Annotated[int | None, typer.Option(min=1, help="Samples between two measurements; default: as many as there are.")] = None,
    drives: Annotated[int | None, typer.Option(min=1, help="Without --data: drives in the world.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything that is drawn.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped or killed, to the same result.")] = False,
    export: Annotated[bool, typer.Option(help="Make a policy folder of the result.")] = True,
) -> None:
    """Train a model; the result is a policy folder. Ctrl-C keeps what was done; --resume goes on to the same result."""
    from rich.console import Console

    from heron_bringup.paths import config_folder
    from heron_core.errors import InputError
    from heron_model.presets import load_preset
    from heron_model.train.run import train_model, train_settings

    if minutes is not None and samples is not None:
        raise InputError("--minutes and --samples both say how long to train; give one")
    if sources is not None and data:
        raise InputError("--sources and --data both name what to train on; give one")
    given = {
        "preset": preset,
        **{"data": _texts(data), "sources": _text(sources), "held_out": _texts(held_out), "start": _text(start), "drives": drives},
        **{"minutes": minutes, "samples": samples, "batch": batch, "epoch_samples": epoch, "seed": seed},
    }
    run = _remembered(out, given, resume)
    folder = config_folder()
    model = load_preset(run.get("preset", "tiny"), folder / "model")
    settings = {name: run.get(name) for name in ("minutes", "samples", "batch", "epoch_samples", "seed")}
    config = train_settings(model.name, folder / "train", **settings)
    console, times = Console(), _Times(out)
    with times.of("samples"):
        lesson = _lesson(out, run, console)
    with times.of("training"):
        report = train_model(model, lesson, config, out, resume, ["./heron", "model", *sys.argv[2:]])
    console.print(f"{report['samples']:,} samples, {report['skipped']} steps skipped; model in {report['checkpoint']}", highlight=False)
    if export:
        from heron_model.export.policy import write_policy
        from heron_model.hugging_face import load

        with times.of("export"), console.status("exporting") as status:
            write_policy(load(Path(report["checkpoint"])), out / POLICY, "driveheron", tell=lambda step: status.update(step))
        console.print(f"policy in {out / POLICY}. Drive it: ./heron drive --policy {out / POLICY}", highlight=False)
    times.tell(console, report["seconds"])


def _texts(paths: list[Path] | None) -> list[str] | None:
    return [str(path.absolute()) for path in paths] if paths else None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _remembered(out: Path, given: dict[str, Any], resume: bool) -> dict[str, Any]:
    """What the run was started with; kept in its folder, so that `--resume` needs nothing else. What is given anew counts."""
    path = out / RUN
    kept = json.loads(path.read_text(encoding="utf-8")) if resume and path.is_file() else {}
    run = {**kept, **{name: value for name, value in given.items() if value is not None}}
    if not any(out.glob("checkpoint-*")):  # those belong to what stands there
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    return run


def _lesson(out: Path, run: dict[str, Any], console: Console) -> Lesson:
    """What to learn from; made in the world where nothing is named."""
    from heron_bringup.verbs.model_data import world_samples
    from heron_model.town.config import TownDataConfig
    from heron_model.train.config import MixtureConfig, SourceConfig
    from heron_model.train.run import Lesson
    from heron_model.train.sources import load_mixture

    if "sources" in run:
        mixture = load_mixture(Path(run["sources"]))
    else:
        folders = [Path(folder) for folder in run.get("data", [])]
        if not folders:
            folders = [out / SAMPLES]
            config = TownDataConfig(drives=run["drives"]) if "drives" in run else TownDataConfig()
            world_samples(folders[0], config, None, None, None, console)
        mixture = MixtureConfig(tuple(SourceConfig(folder) for folder in folders))
    return Lesson(mixture, tuple(Path(folder) for folder in run.get("held_out", [])), Path(run["start"]) if "start" in run else None)


class _Times:
    """Seconds of each part of the work, of all sittings together, kept beside the run."""

    def __init__(self, out: Path) -> None:
        self._path = out / TIMES
        self._seconds: dict[str, float] = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        began_s = time.monotonic()
        try:
            yield
        finally:
            self._seconds[part] = round(self._seconds.get(part, 0.0) + time.monotonic() - began_s, 1)
            if self._path.parent.is_dir():
                self._path.write_text(json.dumps(self._seconds) + "\n", encoding="utf-8")

    def tell(self, console: Console, inside: dict[str, float]) -> None:
        """The table."""
        from rich.box import SIMPLE
        from rich.table import Table

        table = Table("part", "min", box=SIMPLE, pad_edge=False)
        for part, seconds in self._seconds.items():
            table.add_row(part, f"{seconds / 60:.1f}")
            if part == "training":
                for name, each in inside.items():
                    table.add_row(f"  {name.replace('_', ' ')}", f"{each / 60:.1f}")
        table.add_section()
        table.add_row("all", f"{sum(self._seconds.values()) / 60:.1f}")
        console.print(table)
