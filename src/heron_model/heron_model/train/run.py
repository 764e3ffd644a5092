"""A DriveHeron learns from folders of samples: everything from the first look at the data to the checkpoint that can be exported."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from heron_bag.attachments import code_version
from heron_model import hugging_face
from heron_model.config import ModelConfig
from heron_model.export.further import open_model
from heron_model.lora import add_adapters
from heron_model.losses import LossConfig, losses
from heron_model.model import DriveHeron
from heron_model.pretrained import from_internvl
from heron_model.sample_reader import Samples, collate
from heron_model.train.config import MixtureConfig, TrainConfig
from heron_model.train.displacement import EgoTable, HeldOut
from heron_model.train.errors import CheckpointError, DataError
from heron_model.train.loop import Task, Trainer
from heron_model.train.sampler import Draw, MixtureSampler
from heron_model.train.sources import check_folders, data_digest, labelled, split_drives
from heron_model.words.tokenizer import Tokenizer
from heron_model.words.tokenizer import train as train_tokenizer

HELD_OUT_SHARE = 0.05  # of the drives of each source, where no folder is named for it
CHECKPOINT, TOKENIZER = "model", "tokenizer.json"


@dataclass(frozen=True)
class Lesson:
    """What a run learns from and is measured on.

    Attributes:
        mixture: sources and their ratios.
        held_out: folders to measure on; none: the last drives of every source, which are then not trained on.
        start: a checkpoint or policy folder to begin with instead of new weights, or None.
    """

    mixture: MixtureConfig
    held_out: tuple[Path, ...] = ()
    start: Path | None = None

    @property
    def folders(self) -> list[Path]:
        """Of the sources."""
        return [source.folder for source in self.mixture.sources]


def train_model(
    preset: ModelConfig,
    lesson: Lesson,
    config: TrainConfig,
    out: Path,
    resume: bool = False,
    more: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda report: {},
) -> dict[str, Any]:
    """Trains; `out` then holds `model/` (a checkpoint for export), curves.png, metrics.jsonl and report.json.

    Args:
        preset: of the model.
        lesson: data.
        config: settings.
        out: folder of the run.
        resume: go on with a stopped run.
        more: report of `Trainer.run` → what else the model's provenance says.

    Returns:
        the report of `Trainer.run`, and `checkpoint`, the folder `model/`.

    Raises:
        DataError: samples that cannot be trained on.
        CheckpointError: what is in `out`, or what was to begin with, does not fit.
        DivergedError: the loss was no number three times in a row.
    """
    check_folders([*lesson.folders, *lesson.held_out])
    both = {folder.resolve() for folder in lesson.folders} & {folder.resolve() for folder in lesson.held_out}
    if both:
        raise DataError(f"{', '.join(map(str, sorted(both)))}: both trained on and held out; what is measured on must be new to the model")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    if not resume:
        (out / TOKENIZER).unlink(missing_ok=True)
    model, tokenizer = _model(preset, lesson.start, out / TOKENIZER)
    task = _task(model, tokenizer, lesson, config)
    report = Trainer(task, config, out).run(resume)
    provenance = {
        "data": f"{sum(task.sampler.sizes):,} samples of {', '.join(folder.name for folder in lesson.folders)}; sha256 {task.identity['data']}",
        "recipe": {**dataclasses.asdict(config), "samples": report["samples"]},
        "code": code_version(),
        **more(report),
        "metrics": _metrics(report),
    }
    hugging_face.save(model, out / TOKENIZER, out / CHECKPOINT, provenance)
    return {**report, "checkpoint": str(out / CHECKPOINT)}


def _model(preset: ModelConfig, start: Path | None, words: Path) -> tuple[DriveHeron, Tokenizer]:
    """A model with new weights, of a real checkpoint, or of an earlier run; its tokenizer is written to `words`.

    A tokenizer that is there already is that of the run that goes on: how words are numbered must not change with the code.
    """
    if start is not None:
        found = open_model(start)
        if found.model.config != dataclasses.replace(preset, checkpoint=""):
            raise CheckpointError(f"{start}: a model {found.model.config.name} of another architecture than preset {preset.name}")
        model, tokenizer = found.model, Tokenizer.load(found.tokenizer)
        tokenizer.save(words)
    elif preset.checkpoint:
        model = from_internvl(preset, words)
        tokenizer = Tokenizer.load(words)
    else:
        tokenizer = Tokenizer.load(words) if words.is_file() else train_tokenizer()
        tokenizer.save(words)
        model = DriveHeron(preset, tokenizer.size)
    return add_adapters(model, preset.lora), tokenizer


def _task(model: DriveHeron, tokenizer: Tokenizer, lesson: Lesson, config: TrainConfig) -> Task:
    sources = [Samples([folder], tokenizer, model.config) for folder in lesson.folders]
    if lesson.held_out:
        files = [path for folder in lesson.folders for path in sorted(folder.glob("*.parquet"))]
        sizes = [len(source) for source in sources]
        measured = Samples(list(lesson.held_out), tokenizer, model.config)
        places = [(measured, index) for index in range(len(measured))]
    else:
        split = [split_drives(folder, HELD_OUT_SHARE) for folder in lesson.folders]
        files = [path for kept, _ in split for path in kept]
        sizes = [labelled(kept) for kept, _ in split]
        places = [(source, index) for source, size in zip(sources, sizes, strict=True) for index in range(size, len(source))]
    if not places:
        raise DataError("none of the sources holds drives to measure on; name a folder with --held-out")
    sampler = MixtureSampler(sizes, [source.ratio for source in lesson.mixture.sources], config.epoch_samples, config.seed)
    chosen = [places[index] for index in np.linspace(0, len(places) - 1, min(len(places), config.held_out_samples)).astype(int)]

    def read(draws: Sequence[Draw]) -> dict[str, Tensor]:
        return collate([sources[draw.source].draw(draw.sample, np.random.default_rng(draw.seed), config.asks) for draw in draws])

    def held_out() -> Iterator[Mapping[str, Tensor]]:
        for first in range(0, len(chosen), config.batch):
            yield collate([source[index] for source, index in chosen[first : first + config.batch]])

    digest = data_digest([*lesson.folders, *lesson.held_out])
    identity = {"data": digest, "model": dataclasses.asdict(model.config), "start": str(lesson.start or "")}
    name = lambda draw: f"{lesson.folders[draw.source].name}/{sources[draw.source].name(draw.sample)}"  # noqa: E731
    count = partial(losses, config=LossConfig(braking=config.braking))
    return Task(model, count, sampler, read, identity, HeldOut(held_out, EgoTable.read(files)), name)


def _metrics(report: Mapping[str, Any]) -> dict[str, Any]:
    last = report["epochs"][-1] if report["epochs"] else {}
    return {f"{who}.{name}": value for who, found in last.get("displacement", {}).items() for name, value in found.items()}
