"""The `$(…)` of ROS 2 launch files that `launch_reader` understands, and the types of parameter values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from heron_core.errors import ConfigError

Value = bool | int | float | str | list[bool] | list[int] | list[float] | list[str]
SUBSTITUTIONS = ("var", "env", "find-pkg-share", "find-pkg-prefix", "dirname")
TYPES: Mapping[str, type] = {"str": str, "bool": bool, "int": int, "float": float}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class SubstitutionError(ConfigError):
    """A text cannot be expanded; the caller adds file and line."""


@dataclass(frozen=True)
class Scope:
    """What a text may refer to.

    Attributes:
        variables: launch arguments and `let`s.
        directory: of the file being read, for `$(dirname)`.
        environment: for `$(env NAME default)`.
    """

    variables: Mapping[str, str]
    directory: Path
    environment: Mapping[str, str]


def expand(text: str, scope: Scope) -> str:
    """`text` with every substitution replaced; substitutions nest.

    Raises:
        SubstitutionError: an unknown substitution, variable, package or environment variable, or broken syntax.
    """
    if "\\" in text:
        raise SubstitutionError(f"{text!r}: escapes (\\) are not supported here")
    pieces, position = [], 0
    while (start := text.find("$(", position)) >= 0:
        value, end = _substitution(text, start, scope)
        pieces += [text[position:start], value]
        position = end
    return "".join([*pieces, text[position:]])


def _substitution(text: str, start: int, scope: Scope) -> tuple[str, int]:
    """Value of the substitution whose `$(` is at `start`, and the index after its `)`."""
    match = _NAME.match(text, start + 2)
    if match is None:
        raise SubstitutionError(f"{text!r}: no name after '$('")
    name, position, arguments = match.group(), match.end(), []
    while position < len(text) and text[position] == " ":
        argument, position = _argument(text, position + 1, scope)
        arguments.append(argument)
    if position >= len(text) or text[position] != ")":
        raise SubstitutionError(f"{text!r}: '$({name}' is not closed")
    return _evaluate(name, arguments, scope), position + 1


def _argument(text: str, position: int, scope: Scope) -> tuple[str, int]:
    quote = text[position] if position < len(text) and text[position] in "'\"" else ""
    position += len(quote)
    pieces: list[str] = []
    while position < len(text) and (text[position] != quote if quote else text[position] not in " )"):
        if text.startswith("$(", position):
            value, position = _substitution(text, position, scope)
            pieces.append(value)
        else:
            pieces.append(text[position])
            position += 1
    if quote and position >= len(text):
        raise SubstitutionError(f"{text!r}: a quote is not closed")
    return "".join(pieces), position + len(quote)


def _evaluate(name: str, arguments: list[str], scope: Scope) -> str:
    if name not in SUBSTITUTIONS:
        raise SubstitutionError(f"substitution $({name} …) is not supported (supported: {', '.join(SUBSTITUTIONS)})")
    least, most = {"dirname": (0, 0), "env": (1, 2)}.get(name, (1, 1))
    if not least <= len(arguments) <= most:
        raise SubstitutionError(f"$({name}) takes {least if least == most else f'{least} or {most}'} arguments, not {len(arguments)}")
    if name == "dirname":
        return str(scope.directory)
    if name == "var":
        if arguments[0] not in scope.variables:
            raise SubstitutionError(f"$(var {arguments[0]}) is not defined here (defined: {', '.join(sorted(scope.variables)) or 'none'})")
        return scope.variables[arguments[0]]
    if name == "env":
        value = scope.environment.get(arguments[0], arguments[1] if len(arguments) > 1 else None)
        if value is None:
            raise SubstitutionError(f"environment variable {arguments[0]} is not set and $(env {arguments[0]}) gives no default")
        return value
    return _package_folder(arguments[0], share=name == "find-pkg-share")


def _package_folder(package: str, share: bool) -> str:
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        prefix = str(get_package_prefix(package))
    except (OSError, PackageNotFoundError, KeyError) as error:
        raise SubstitutionError(f"package {package!r} is not installed (AMENT_PREFIX_PATH: {os.environ.get('AMENT_PREFIX_PATH', '')})") from error
    return str(Path(prefix, "share", package)) if share else prefix


def typed(text: str, kind: str | None, substitute: Callable[[str], str]) -> Value:
    """The value of a `<param>`: by its `type`, else by yaml's rules, as ROS launch has it.

    Raises:
        SubstitutionError: not of the type, or not a scalar or a uniform list.
    """
    if kind is None or kind == "yaml":
        return _by_yaml(text, substitute)
    if kind in TYPES:
        return _scalar(substitute(text), kind)
    item_kind = kind.removeprefix("list_of_")
    if item_kind == kind or item_kind not in TYPES:
        raise SubstitutionError(f"type {kind!r} is unknown (known: {', '.join(TYPES)}, list_of_…, yaml)")
    items = _load(text)
    if not isinstance(items, list):
        raise SubstitutionError(f"{text!r} is not a {kind}")
    values = [_scalar(substitute(item), item_kind) if isinstance(item, str) else item for item in items]
    if any(type(value) is not TYPES[item_kind] for value in values):
        raise SubstitutionError(f"{text!r} is not a {kind}")
    return checked(values, text)


def checked(value: object, text: str) -> Value:
    """`value` if a ROS parameter can hold it.

    Raises:
        SubstitutionError: a null, a mapping, a mixed or empty list.
    """
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        if not value:
            raise SubstitutionError(f"{text!r}: an empty list has no type in ROS; leave the parameter out")
        kinds = {type(item) for item in value}
        if len(kinds) == 1 and kinds <= set(TYPES.values()):
            return value
    raise SubstitutionError(f"{text!r} is a {type(value).__name__}; a ROS parameter holds bool, int, float, str, or a list of one of them")


def _by_yaml(text: str, substitute: Callable[[str], str]) -> Value:
    """Launch reads yaml twice: the text as written, then what a substitution gave. A quoted '5' without substitution stays text."""

    def expanded(item: object) -> object:
        if not isinstance(item, str) or "$(" not in item:
            return item
        result = substitute(item)
        return _load(result) if result else ""

    first = _load(text) if text else ""
    return checked([expanded(item) for item in first] if isinstance(first, list) else expanded(first), text)


def _load(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SubstitutionError(f"{text!r} is not a yaml value; give the parameter a type") from error


def _scalar(text: str, kind: str) -> Value:
    if kind == "str":
        return text
    try:
        if kind == "bool":
            value = _load({"1": "true", "0": "false"}.get(text, text))
            if not isinstance(value, bool):
                raise ValueError
            return value
        return int(text) if kind == "int" else float(text)
    except ValueError as error:
        raise SubstitutionError(f"{text!r} is not a {kind}") from error
