"""Mappings (from yaml or ROS parameters) into frozen dataclasses: unknown keys and impossible values are errors that name their source."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from heron_core.errors import ConfigError

T = TypeVar("T")


_DEEPEST = 1000
"""libyaml overruns the stack where a document is nested some ten thousand levels deep."""
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> Any:
    """What a yaml document says; by libyaml, which is ten times as fast, unless it could be nested too deeply for that.

    Raises:
        yaml.YAMLError: it is not valid, or nested too deeply for anything.
    """
    most = max(text.count("[") + text.count("{"), max(map(len, text.splitlines()), default=0))  # each level takes a bracket, or a column
    try:
        return yaml.load(text, Loader=_FAST if most <= _DEEPEST else yaml.SafeLoader)
    except RecursionError as error:
        raise yaml.YAMLError("nested too deeply") from error


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping at the top of a yaml file.

    Raises:
        ConfigError: no such file, not yaml, or not a mapping.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid yaml: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds {type(content).__name__}, expected a mapping of keys to values")
    return content


def from_mapping(cls: type[T], values: Mapping[str, Any], source: str) -> T:
    """An instance of the frozen dataclass `cls` with `values` over its defaults; nested dataclasses, tuples and dicts of them are built too.

    Raises:
        ConfigError: an unknown key (with the nearest known one), a missing key, a wrong type, or a value that `cls` refuses. The text starts
            with `source`, e.g. the file, and the key's full path.
    """
    hints = typing.get_type_hints(cls)
    known = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{source}: unknown key {key!r}{hint} (known: {', '.join(known)})")
    arguments = {key: _build(hints[key], value, f"{source}: {key}") for key, value in values.items()}
    missing = [
        name
        for name, field in known.items()
        if name not in arguments and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{source}: missing {', '.join(missing)}")
    try:
        return cls(**arguments)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{source}: {error}") from error


def _build(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _build(next(option for option in arguments if option is not type(None)), value, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: {value!r} is not one of {', '.join(map(str, arguments))}")
        return value
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: {value!r} is not a mapping")
        return from_mapping(typing.cast(type[Any], hint), value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: {value!r} is not a list")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_build(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        if len(value) != len(arguments):
            raise ConfigError(f"{where}: {len(value)} values, expected {len(arguments)}")
        return tuple(_build(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(arguments, value, strict=True)))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: {value!r} is not a mapping")
        return {key: _build(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        if value not in [member.value for member in hint]:
            raise ConfigError(f"{where}: {value!r} is not one of {', '.join(str(member.value) for member in hint)}")
        return hint(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{where}: {value!r} is a {type(value).__name__}, expected {getattr(hint, '__name__', hint)}")
