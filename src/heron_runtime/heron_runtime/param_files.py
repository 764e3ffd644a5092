"""ROS 2 parameter files, read as `ros2 launch` reads them for a component."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heron_core.errors import ConfigError
from heron_core.settings import load_yaml
from heron_runtime.names import full_name
from heron_runtime.substitutions import SubstitutionError, Value, checked

KEY = "ros__parameters"
ANY_NODE = "/**"


def parameters_for(path: Path, namespace: str, name: str) -> dict[str, Value]:
    """What the file says about one node: the entries of `/**`, then those of its full name; nested keys dotted.

    Raises:
        ConfigError: not such a file, another wildcard than `/**` (launch would pass it over), or a value that no parameter can hold.
    """
    sections = _sections(load_yaml(path), path)
    found: dict[str, Value] = {}
    for section in (ANY_NODE, full_name(namespace, name)):
        for key, value in _flatten(sections.get(section, {})).items():
            try:
                found[key] = checked(_floats(value), str(value))
            except SubstitutionError as error:
                raise ConfigError(f"{path}: {section}: {key}: {error}") from error
    return found


def _sections(tree: Mapping[str, Any], path: Path) -> dict[str, Mapping[str, Any]]:
    sections: dict[str, Mapping[str, Any]] = {}

    def walk(branch: Mapping[str, Any], keys: tuple[str, ...]) -> None:
        for key, value in branch.items():
            where = "/" + "/".join(part for part in keys if part)
            if key == KEY:
                if "*" in where and where != ANY_NODE:
                    raise ConfigError(f"{path}: wildcard {where!r} is not supported (supported: {ANY_NODE} and full node names)")
                if not isinstance(value, Mapping):
                    raise ConfigError(f"{path}: {where}: {KEY} holds {type(value).__name__}, expected a mapping")
                sections[where] = {**sections.get(where, {}), **value}
            elif isinstance(value, Mapping):
                walk(value, (*keys, str(key).strip("/")))
            else:
                raise ConfigError(f"{path}: {where}: key {key!r} stands outside {KEY}")

    walk(tree, ())
    return sections


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _floats(value: Any) -> Any:
    """[1, 2.5] → [1.0, 2.5], as launch reads a file (in an XML value it refuses the mixture)."""
    if isinstance(value, list) and {type(item) for item in value} == {int, float}:
        return [float(item) for item in value]
    return value
