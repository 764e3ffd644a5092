"""ROS 2 launch files (XML) → processes, without ROS's launch system.

The same file runs under `ros2 launch`. What is supported stands in `launch_xml.TAGS` and `substitutions.SUBSTITUTIONS`; everything else is refused by
name, with file and line, so that a file never means one thing here and another there.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from heron_core.errors import ConfigError
from heron_runtime.launch_xml import Element, LaunchError, read
from heron_runtime.names import full_name
from heron_runtime.param_files import parameters_for
from heron_runtime.substitutions import Scope, SubstitutionError, Value, expand, typed

__all__ = ["Component", "LaunchArgument", "LaunchError", "Process", "arguments", "parse"]


@dataclass(frozen=True)
class LaunchArgument:
    """An `<arg>`: its default is None when it must be given."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Component:
    """One component of a container; `params` merged from files and values in the order of the file."""

    package: str
    plugin: str
    name: str
    namespace: str
    params: dict[str, Value]
    remaps: tuple[tuple[str, str], ...]

    @property
    def full_name(self) -> str:
        """`/namespace/name`."""
        return full_name(self.namespace, self.name)


@dataclass(frozen=True)
class Process:
    """One operating-system process of the graph; `env` holds what `set_env` adds; `components` is empty for a plain node."""

    name: str
    namespace: str
    package: str
    executable: str
    arguments: tuple[str, ...]
    params: dict[str, Value]
    remaps: tuple[tuple[str, str], ...]
    env: dict[str, str]
    components: tuple[Component, ...]


def parse(file: Path | str, args: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None) -> list[Process]:
    """The processes that the launch file describes.

    Args:
        file: path of a `*.launch.xml`.
        args: launch arguments, as `name:=value` on the command line of `ros2 launch`.
        environment: for `$(env …)`; the process's own by default.

    Raises:
        LaunchError: anything that is not supported, not defined, not given or not declared; the text starts with `file:line:`.
    """
    path = Path(file).resolve()
    reader = _Reader(dict(args or {}), dict(os.environ if environment is None else environment))
    reader.file(path)
    if unknown := [name for name in (args or {}) if name not in reader.declared]:
        raise LaunchError(f"{path}: unknown argument {', '.join(unknown)} (the file has: {', '.join(reader.declared) or 'none'})")
    names = [full_name(process.namespace, process.name) for process in reader.processes if process.name]
    names += [component.full_name for process in reader.processes for component in process.components]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LaunchError(f"{path}: node name {', '.join(twice)} is used more than once")
    return reader.processes


def arguments(file: Path | str) -> list[LaunchArgument]:
    """The `<arg>`s at the top of the file, for help texts; defaults as written, unexpanded."""
    return [_argument(child) for child in read(Path(file).resolve()).children if child.tag == "arg"]


def _argument(element: Element) -> LaunchArgument:
    given = element.attributes
    choices = tuple(child.attributes["value"] for child in element.children)
    return LaunchArgument(given["name"], given.get("default"), given.get("description", ""), choices)


@dataclass
class _Reader:
    """Walks the tags in order, as launch executes them."""

    variables: dict[str, str]
    environment: dict[str, str]
    processes: list[Process] = field(default_factory=list)
    declared: dict[str, LaunchArgument] = field(default_factory=dict)
    _added: dict[str, str] = field(default_factory=dict)
    _open: tuple[Path, ...] = ()

    def file(self, path: Path, includer: Element | None = None) -> None:
        if path in self._open and includer is not None:
            includer.fail(f"{path} includes itself")
        self._open = (*self._open, path)
        self._actions(read(path).children)
        self._open = self._open[:-1]

    def _actions(self, elements: list[Element]) -> None:
        for element in elements:
            if self._holds(element):
                getattr(self, f"_do_{element.tag}")(element)

    def _do_arg(self, element: Element) -> None:
        argument = _argument(element)
        self.declared[argument.name] = argument
        if argument.name not in self.variables:
            if argument.default is None:
                element.fail(f"argument {argument.name!r} must be given: {argument.description or 'it has no default'}")
            self.variables[argument.name] = self._expand(element, argument.default)
        value = self.variables[argument.name]
        if argument.choices and value not in argument.choices:
            element.fail(f"argument {argument.name} is {value!r}, allowed: {', '.join(argument.choices)}")

    def _do_let(self, element: Element) -> None:
        self.variables[self._text(element, "name")] = self._text(element, "value")

    def _do_set_env(self, element: Element) -> None:
        name, value = self._text(element, "name"), self._text(element, "value")
        self._added[name] = self.environment[name] = value

    def _do_group(self, element: Element) -> None:
        scoped = self._truth(element, self._text(element, "scoped", "true"))
        before = dict(self.variables), dict(self.environment), dict(self._added)
        self._actions(element.children)
        if scoped:
            self.variables, self.environment, self._added = before

    def _do_include(self, element: Element) -> None:
        path = Path(self._text(element, "file"))
        for child in element.children:
            self.variables[self._text(child, "name")] = self._text(child, "value")
        self.file(path if path.is_absolute() else Path.cwd() / path, element)

    def _do_node(self, element: Element) -> None:
        self.processes.append(self._process(element, ()))

    def _do_node_container(self, element: Element) -> None:
        components = [self._component(child) for child in element.children if child.tag == "composable_node" and self._holds(child)]
        self.processes.append(self._process(element, tuple(components)))

    def _process(self, element: Element, components: tuple[Component, ...]) -> Process:
        name, namespace = self._text(element, "name", ""), self._text(element, "namespace", "")
        return Process(
            name,
            namespace,
            self._text(element, "pkg"),
            self._text(element, "exec"),
            self._arguments(element),
            self._params(element, namespace, name),
            self._remaps(element),
            dict(self._added),
            components,
        )

    def _arguments(self, element: Element) -> tuple[str, ...]:
        plain, ros = (shlex.split(self._text(element, name, "")) for name in ("args", "ros_args"))
        return (*plain, *(["--ros-args", *ros] if ros else []))

    def _component(self, element: Element) -> Component:
        for child in element.children:
            if child.tag == "extra_arg" and child.attributes["name"] != "use_intra_process_comms":
                child.fail(f"extra argument {child.attributes['name']!r} is not supported (supported: use_intra_process_comms)")
        name, namespace = self._text(element, "name"), self._text(element, "namespace", "")
        return Component(
            self._text(element, "pkg"),
            self._text(element, "plugin"),
            name,
            namespace,
            self._params(element, namespace, name),
            self._remaps(element),
        )

    def _params(self, element: Element, namespace: str, name: str) -> dict[str, Value]:
        merged: dict[str, Value] = {}
        for child in element.children:
            if child.tag != "param":
                continue
            if "from" in child.attributes:
                if len(child.attributes) > 1 or child.children:
                    child.fail("<param from=…> takes no other attribute and no nested <param>")
                try:
                    merged.update(parameters_for(Path(self._text(child, "from")), namespace, name))
                except LaunchError:
                    raise
                except ConfigError as error:
                    child.fail(str(error))
            else:
                merged.update(self._values(child, ""))
        return merged

    def _values(self, element: Element, prefix: str) -> dict[str, Value]:
        if "name" not in element.attributes or ("value" in element.attributes) == bool(element.children) or "from" in element.attributes:
            element.fail("<param> needs a name with either a value or nested <param>s, or else from=FILE")
        name = prefix + self._text(element, "name")
        if element.children:
            nested: dict[str, Value] = {}
            for child in element.children:
                nested.update(self._values(child, f"{name}."))
            return nested
        kind = element.attributes.get("type")
        try:
            return {name: typed(element.attributes["value"], kind, lambda text: self._expand(element, text))}
        except SubstitutionError as error:
            element.fail(f"parameter {name}: {error}")

    def _remaps(self, element: Element) -> tuple[tuple[str, str], ...]:
        return tuple((self._text(child, "from"), self._text(child, "to")) for child in element.children if child.tag == "remap")

    def _holds(self, element: Element) -> bool:
        for name, wanted in (("if", True), ("unless", False)):
            if name in element.attributes:
                return self._truth(element, self._text(element, name)) is wanted
        return True

    @staticmethod
    def _truth(element: Element, text: str) -> bool:
        value = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
        if value is None:
            element.fail(f"condition {text!r} is none of true, false, 1, 0")
        return value

    def _text(self, element: Element, attribute: str, default: str | None = None) -> str:
        raw = element.attributes.get(attribute, default)
        assert raw is not None  # the grammar has checked required attributes
        return self._expand(element, raw)

    def _expand(self, element: Element, text: str) -> str:
        try:
            return expand(text, Scope(self.variables, element.path.parent, self.environment))
        except SubstitutionError as error:
            element.fail(str(error))
