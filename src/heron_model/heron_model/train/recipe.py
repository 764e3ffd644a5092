"""From nothing to a policy that drives: samples, training, rounds of correction. Each step is done once, in however many sittings.

samples/                what the expert drove, unless samples were given
base/                   the first training: checkpoints, curves.png, metrics.jsonl, report.json, model/, policy/
samples_1/, round_1/    the first round: what the policy of base/ drove and the expert said, and the training after it; and so on
model/, policy/, curves.png, report.json    copies of the last training's
"""

from __future__ import annotations

import dataclasses
import gc
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heron_model.config import ModelConfig
from heron_model.export.further import open_model
from heron_model.layout import views
from heron_model.plain_yaml import plain
from heron_model.town.config import TownDataConfig
from heron_model.train.checkpoint import checkpoints
from heron_model.train.config import MixtureConfig, RoundConfig, SourceConfig, TrainConfig
from heron_model.train.corrections import correction_drives, with_corrections
from heron_model.train.errors import CheckpointError, DataError
from heron_model.train.journal import CURVES
from heron_model.train.loop import FREE, REPORT
from heron_model.train.run import CHECKPOINT, Lesson, train_model
from heron_model.train.sources import check_folders, views_of
from heron_model.train.steps import Steps

SAMPLES, BASE, ROUND, MODEL, POLICY = "samples", "base", "round", CHECKPOINT, "policy"  # folders of a run
TRAINING, EXPORT = "training", "export"  # parts of the table of times
LIMITS = (
    "Learnt in the simulated world only: never on a real road, never in a real car.",
    "Traffic keeps left; town streets; day and dusk, dry and rain. Night, fog and work zones were not trained.",
    "Sentences outside the grammar of heron_model/words are understood by chance. An explanation says what it thinks, which may be wrong.",
)
"""Of every model whose samples are all from the world; a card has them."""


@dataclass(frozen=True)
class Recipe:
    """What is made, and of what.

    Attributes:
        model: preset.
        training: the first one, on `data`.
        rounds: of correction after it.
        data: drives of the expert, made first; or samples that are there.
        held_out: folders to measure on; none: the last drives of every source.
        start: a checkpoint or policy folder to begin with, or None.
        export: whether a policy is made of the last model.
        command: that makes it all again, for the provenance.
    """

    model: ModelConfig
    training: TrainConfig
    rounds: tuple[RoundConfig, ...]
    data: TownDataConfig | MixtureConfig
    held_out: tuple[Path, ...] = ()
    start: Path | None = None
    export: bool = True
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Means:
    """How the caller does what takes long, with whatever he shows meanwhile.

    Attributes:
        drive: makes what is missing in a folder of samples, with a policy or (None) the expert at the wheel; how many there are.
        export: checkpoint folder → policy folder.
        say: called with a line when something begins or is done.
    """

    drive: Callable[[Path, TownDataConfig, Path | None], int]
    export: Callable[[Path, Path], None]
    say: Callable[[str], None] = lambda line: None


def run_recipe(recipe: Recipe, out: Path, means: Means, resume: bool = False) -> Steps:
    """Makes what is missing in the folder of a run; its steps, with the time that each part took.

    Raises:
        CheckpointError: `out` holds a run and `resume` is False, or another run.
        DataError: samples that cannot be trained on, or with rounds that do not fit.
        DivergedError: the loss was no number three times in a row.
        KeyboardInterrupt: Ctrl-C; with `resume` it goes on.
    """
    out = out.absolute()  # a checkpoint remembers what it began with
    _check(recipe, out, resume)
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(recipe, out, means, Steps(out, resume), resume)
    if isinstance(recipe.data, MixtureConfig):
        mixture = recipe.data
        run.told.append(f"samples that were there: {', '.join(source.folder.name for source in mixture.sources)}")
    else:
        mixture = MixtureConfig((SourceConfig(run.drive(SAMPLES, SAMPLES, recipe.data)),))
    stage = run.train(TRAINING, BASE, Lesson(mixture, recipe.held_out, recipe.start), recipe.training)
    corrections: list[Path] = []
    for number, each in enumerate(recipe.rounds, 1):
        policy = run.export(stage)
        corrections.append(run.drive(f"round {number}: drives", f"{SAMPLES}_{number}", correction_drives(number, each), policy))
        lesson = Lesson(with_corrections(mixture, corrections, each.share), recipe.held_out, stage / MODEL)
        changed = {"samples": each.samples, "minutes": 0.0, "learning_rate": each.learning_rate, "warm_up": each.warm_up}
        config = dataclasses.replace(recipe.training, **changed)  # type: ignore[arg-type]
        stage = run.train(f"round {number}: training", f"{ROUND}_{number}", lesson, config)
    folders = [MODEL]
    if recipe.export:
        run.export(stage)
        folders.append(POLICY)
    for name in folders:
        shutil.copytree(stage / name, out / name, dirs_exist_ok=True)
    for name in (CURVES, REPORT):
        shutil.copyfile(stage / name, out / name)
    return run.steps


def begun(out: Path) -> bool:
    """Whether a run in this folder has come to training."""
    return bool(checkpoints(out / BASE))


def _check(recipe: Recipe, out: Path, resume: bool) -> None:
    """Whatever can be known to be wrong before anything is made."""
    if checkpoints(out):
        raise CheckpointError(f"{out}: holds checkpoints of a single training, not a whole run; give another folder")
    if begun(out) and not resume:
        raise CheckpointError(f"{out}: holds a run already; go on with --resume, or give another folder")
    given = [source.folder for source in recipe.data.sources] if isinstance(recipe.data, MixtureConfig) else []
    check_folders([*given, *recipe.held_out])
    if recipe.rounds:
        world = plain([dataclasses.asdict(view) for view in views()])
        for folder in [*given, *recipe.held_out]:
            if views_of(folder) != world:
                raise DataError(f"{folder}: made for other views than a correction drive has; train with --rounds 0")
    if recipe.start is not None:
        open_model(recipe.start)


def _place(checkpoint: Path) -> str:
    """Two names tell which model; where they lie does not matter."""
    return "/".join(checkpoint.parts[-2:])


class _Run:
    """One sitting: what was told of each step so far goes into the provenance of every model."""

    def __init__(self, recipe: Recipe, out: Path, means: Means, steps: Steps, resume: bool) -> None:
        self.steps = steps
        self.told: list[str] = []
        self._recipe, self._out, self._means, self._resume = recipe, out, means, resume
        self._trained = 0  # number of the step that the model so far comes of

    def drive(self, part: str, name: str, config: TownDataConfig, policy: Path | None = None) -> Path:
        """Samples of the world, in a folder."""
        folder = self._out / name

        def work() -> dict[str, Any]:
            self._means.say(f"{part}: {config.drives}")
            count = self._means.drive(folder, config, policy)
            towns = [int(path.stem.rpartition("_")[2]) for path in sorted(folder.glob("drive_*.parquet"))]
            who = "the expert" if policy is None else f"the policy of step {self._trained}, told by the expert what to do"
            text = f"samples: {len(towns)} drives of {who}, {config.seconds:g} s each, towns {towns[0]} to {towns[-1]}: {count:,} samples"
            return {"text": f"{text}, {self.steps.minutes(part):.1f} min"}

        what = {"drives": config.drives, "first_seed": config.first_seed}
        self.told.append(self.steps.do(part, what, folder, work)["text"])
        return folder

    def train(self, part: str, name: str, lesson: Lesson, config: TrainConfig) -> Path:
        """A training; the folder that it leaves."""
        folder, recipe, text = self._out / name, self._recipe, ""

        def more(report: Mapping[str, Any]) -> dict[str, Any]:
            nonlocal text
            self.steps.at_least(part, sum(report["seconds"].values()))
            text = f"{self._how(lesson, config, report)}, {self.steps.minutes(part):.1f} min"
            steps = {str(number): each for number, each in enumerate([*self.told, text], 1)}
            limits = {"limits": list(LIMITS)} if isinstance(recipe.data, TownDataConfig) else {}
            return {"steps": {**steps, "again": shlex.join(recipe.command)}, **limits}

        def work() -> dict[str, Any]:
            self._means.say(f"{part}: on {', '.join(source.name for source in lesson.folders)}")
            report = train_model(recipe.model, lesson, config, folder, self._resume, more)
            gc.collect()  # the samples, gigabytes of them, which drives and the next training want the room of
            self._means.say(f"{part}: {report['samples']:,} samples, {report['skipped']} steps skipped; model in {report['checkpoint']}")
            return {"text": text, "seconds": report["seconds"]}

        what = {
            "model": recipe.model.name,
            "train": {name: value for name, value in dataclasses.asdict(config).items() if name not in FREE},
            "sources": [[source.folder.name, source.ratio] for source in lesson.mixture.sources],
            "held_out": [source.name for source in lesson.held_out],
            "start": "" if lesson.start is None else _place(lesson.start),
        }
        self.told.append(self.steps.do(part, what, folder / MODEL, work)["text"])
        self._trained = len(self.told)
        return folder

    def _how(self, lesson: Lesson, config: TrainConfig, report: Mapping[str, Any]) -> str:
        """A training in one line, but for its time."""
        start = "" if lesson.start is None else f" from the model of {f'step {self._trained}' if self._trained else _place(lesson.start)}"
        ratios = [(source.folder.name, source.ratio) for source in lesson.mixture.sources]
        whole = sum(ratio for _, ratio in ratios)
        shares = [f"{ratio / whole:.0%} of {name}" for name, ratio in ratios] if whole else []
        rate = f"{report['samples']:,} samples at {config.learning_rate:g} after {config.warm_up:,}"
        return ", ".join([f"training{start}: {rate}", *shares, f"seed {config.seed}"])

    def export(self, stage: Path) -> Path:
        """The policy of a training's model."""

        def work() -> dict[str, Any]:
            self._means.export(stage / MODEL, stage / POLICY)
            return {}

        self.steps.do(f"export of {stage.name}", {}, stage / POLICY, work, EXPORT)
        return stage / POLICY
