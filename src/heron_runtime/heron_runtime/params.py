"""ROS parameters ↔ frozen config dataclasses."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from heron_core.settings import from_mapping

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class RuntimeConfig:
    """Parameters that every component has.

    Attributes:
        autostart: configure and activate on construction; false leaves that to a lifecycle manager.
        report_dir: folder for the component's report at the end; empty for none.
        time_offset_ns: wall time minus recorded time in a real-time replay, 0 on the car.
    """

    autostart: bool = True
    report_dir: str = ""
    time_offset_ns: int = 0


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` → `{"a": {"b": 1}}`."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        branch = tree
        *parents, leaf = name.split(".")
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def flatten(config: Any) -> dict[str, Any]:
    """A config instance as ROS parameters: nested dataclasses and mappings dotted, tuples as lists, paths as text, None as empty text."""
    flat: dict[str, Any] = {}
    items = config.items() if isinstance(config, Mapping) else ((field.name, getattr(config, field.name)) for field in dataclasses.fields(config))
    for name, value in items:
        if dataclasses.is_dataclass(value) or isinstance(value, Mapping):
            flat.update({f"{name}.{inner}": leaf for inner, leaf in flatten(value).items()})
        elif value is None:
            flat[name] = ""
        elif isinstance(value, Path):
            flat[name] = str(value)
        else:
            flat[name] = list(value) if isinstance(value, tuple) else value
    return flat


def config_from_parameters(cls: type[T], flat: Mapping[str, Any], source: str) -> T:
    """An instance of `cls` from ROS parameters; empty text stands for None where None is allowed (ROS parameters have no null).

    Raises:
        ConfigError: as `heron_core.settings.from_mapping`.
    """
    return from_mapping(cls, _nulls(cls, nest(flat)), source)


def split_runtime(flat: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters of `RuntimeConfig`, and the component's own."""
    names = {field.name for field in dataclasses.fields(RuntimeConfig)}
    return {k: v for k, v in flat.items() if k in names}, {k: v for k, v in flat.items() if k not in names}


def _nulls(cls: Any, tree: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    cleaned = dict(tree)
    for name, value in tree.items():
        hint = hints.get(name)
        options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else ()
        if value == "" and type(None) in options:
            cleaned[name] = None
        elif isinstance(value, dict) and dataclasses.is_dataclass(hint):
            cleaned[name] = _nulls(hint, value)
    return cleaned
