"""Checkpoints: weights and optimiser as safetensors, the rest as JSON; nothing is ever unpickled.

A checkpoint is a folder `checkpoint-<step>`, written under another name and then renamed, so that whatever bears the name is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import nn

from heron_core.errors import ConfigError
from heron_core.settings import from_mapping
from heron_model.train.errors import CheckpointError
from heron_model.train.optimiser import MovingAverage
from heron_model.train.sampler import State

FORMAT = 1
KEPT = 2  # the newest, and one in case the disk bites
MODEL, OPTIMISER, AVERAGE, STATE = "model.safetensors", "optimiser.safetensors", "average.safetensors", "state.json"
_NAME = "checkpoint-"


@dataclass(frozen=True)
class Progress:
    """What a run knows besides its tensors.

    There is no state of a random generator: whatever a step draws follows from the seed and the step's number.

    Attributes:
        total: samples of the whole run, as planned at its start.
        step: optimiser steps tried, skipped ones among them.
        seen: samples.
        sampler: where the next batch begins.
        skipped: steps without an update, because the loss was not a number.
        in_a_row: how many of them just now.
        seconds: per kind of work, of all sittings together.
        epochs: what was measured after each.
    """

    total: int
    step: int = 0
    seen: int = 0
    sampler: State = field(default_factory=State)
    skipped: int = 0
    in_a_row: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    epochs: tuple[dict[str, Any], ...] = ()


def save(out: Path, progress: Progress, identity: dict[str, Any], model: nn.Module, optimiser: torch.optim.Optimizer, average: Any) -> Path:
    """Writes a checkpoint into `out` and removes old ones; returns its folder.

    Args:
        out: of the run.
        progress: see `Progress`.
        identity: what must be the same when the run goes on: model, data, settings. JSON.
        model: plain, not wrapped for several devices.
        optimiser: of its parameters.
        average: `MovingAverage` or None.
    """
    target = out / f"{_NAME}{progress.step:09d}"
    partial = out / f".{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_weights(partial / MODEL, model)
    save_file(_flat(model, optimiser), str(partial / OPTIMISER))
    if average is not None:
        save_file({name: value.contiguous() for name, value in average.values.items()}, str(partial / AVERAGE))
    with (partial / STATE).open("w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "identity": identity, "progress": asdict(progress)}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    shutil.rmtree(target, ignore_errors=True)  # of the same step: stopped twice without a step between
    partial.rename(target)
    for old in checkpoints(out)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def checkpoints(out: Path) -> list[Path]:
    """Whole checkpoints of a run, oldest first."""
    return sorted(path for path in out.glob(f"{_NAME}*") if path.is_dir())


def read_progress(folder: Path, identity: dict[str, Any]) -> Progress:
    """Where the run was.

    Raises:
        CheckpointError: it cannot be read, or belongs to another model, other data or other settings; the text names what differs.
    """
    path = folder / STATE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise CheckpointError(f"{path}: format {content['format']}, this code reads {FORMAT}; train anew into another folder")
        kept, progress = content["identity"], content["progress"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: no checkpoint that can be read ({error}); remove {folder} to go on from the one before") from error
    differing = list(differences(kept, json.loads(json.dumps(identity))))
    if differing:
        raise CheckpointError(f"{folder}: made by another run: {'; '.join(differing[:5])}. Give the same arguments, or train into another folder")
    try:
        return from_mapping(Progress, progress, str(path))
    except ConfigError as error:
        raise CheckpointError(str(error)) from error


def load(folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, average: MovingAverage | None) -> None:
    """Puts the tensors of a checkpoint into `model`, `optimiser` and `average`.

    Raises:
        CheckpointError: another architecture, or damaged files.
    """
    load_weights(folder / MODEL, model)
    device = next(model.parameters()).device
    try:
        _restore(model, optimiser, load_file(str(folder / OPTIMISER), device=str(device)))
        if average is not None:
            values = load_file(str(folder / AVERAGE), device=str(device))
            if {name: value.shape for name, value in values.items()} != {name: value.shape for name, value in average.values.items()}:
                raise CheckpointError(f"{folder / AVERAGE}: averages of another architecture")
            average.values = values
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{folder}: damaged: {error}; remove it to go on from the one before") from error


def save_weights(path: Path, model: nn.Module) -> None:
    """Writes a model's weights as safetensors; tied ones once."""
    save_model(model, str(path))


def load_weights(path: Path, model: nn.Module) -> None:
    """Puts the weights of a safetensors file into `model`.

    Raises:
        CheckpointError: damaged, or of another architecture; the text names the first tensors that differ.
    """
    try:
        load_model(model, str(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: no weights that can be read: {error}") from error
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:4]] or [str(error)]
        raise CheckpointError(f"{path}: weights of another architecture: {' '.join(lines)[:400]}") from error


def differences(kept: Any, wanted: Any, where: str = "") -> Iterator[str]:
    """What differs between two JSON values, by name."""
    if isinstance(kept, dict) and isinstance(wanted, dict):
        for key in sorted(kept.keys() | wanted.keys()):
            yield from differences(kept.get(key), wanted.get(key), f"{where}.{key}" if where else key)
    elif kept != wanted:
        yield f"{where} was {kept!r}, now {wanted!r}"


def _names(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[torch.Tensor, str]:
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {parameter: names[parameter] for group in optimiser.param_groups for parameter in group["params"]}


def _flat(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """State of the optimiser as tensors called `<parameter>/<what>`."""
    return {
        f"{name}/{key}": value.detach().contiguous()
        for parameter, name in _names(model, optimiser).items()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def _restore(model: nn.Module, optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    by_name = {name: parameter for parameter, name in _names(model, optimiser).items()}
    for full, value in tensors.items():
        name, _, key = full.rpartition("/")
        if key != "step" and value.shape != by_name[name].shape:
            raise ValueError(f"{full} is {tuple(value.shape)}, expected {tuple(by_name[name].shape)}")
        optimiser.state[by_name[name]][key] = value.cpu() if key == "step" else value  # as torch keeps it
