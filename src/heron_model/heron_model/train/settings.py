"""How a preset is trained: `config/train/<preset>.yaml` over the defaults of `heron_model.train.config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heron_core.settings import from_mapping, load_yaml
from heron_model.train.config import RoundConfig, TrainConfig

ROUNDS = "rounds"  # the key of the rounds; all others are of the training before them


def train_settings(preset: str, folder: Path, **changed: Any) -> TrainConfig:
    """Of the training; `changed` over both (None: unchanged).

    Raises:
        ConfigError: the file says something that it may not, or `changed` does.
    """
    path, values = _read(preset, folder)
    values.pop(ROUNDS, None)
    return from_mapping(TrainConfig, values | {name: value for name, value in changed.items() if value is not None}, str(path))


def round_settings(preset: str, folder: Path, count: int | None = None) -> tuple[RoundConfig, ...]:
    """Of the rounds of correction that follow.

    Args:
        preset: name of the file.
        folder: of the files.
        count: so many rounds, the last one repeated if the file has fewer; None: as many as the file has.

    Raises:
        ConfigError: the file says something that it may not.
    """
    path, values = _read(preset, folder)
    found = from_mapping(_Rounds, {ROUNDS: values.get(ROUNDS, [])}, str(path)).rounds
    if count is None:
        return found
    last = found[-1] if found else RoundConfig()
    return (*found[:count], *[last] * (count - len(found)))


@dataclass(frozen=True)
class _Rounds:
    rounds: tuple[RoundConfig, ...]


def _read(preset: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / f"{preset}.yaml"
    return path, load_yaml(path) if path.is_file() else {}
