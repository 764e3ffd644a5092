"""Presets of the model: small yaml files over the defaults in `config.py`."""

from __future__ import annotations

from pathlib import Path

from heron_core.errors import ConfigError
from heron_core.settings import from_mapping, load_yaml
from heron_model.config import ModelConfig


def preset_names(folder: Path) -> list[str]:
    """Of the presets in a folder such as `config/model`."""
    return sorted(file.stem for file in folder.glob("*.yaml"))


def load_preset(name: str, folder: Path) -> ModelConfig:
    """A preset by its name in `folder`, or by the path of a yaml file.

    Raises:
        ConfigError: there is none of this name, or its file is wrong.
    """
    file = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not name.endswith(".yaml") and name not in preset_names(folder):
        raise ConfigError(f"no preset {name!r}; there are {', '.join(preset_names(folder))}, or name a yaml file")
    return from_mapping(ModelConfig, load_yaml(file), str(file))
