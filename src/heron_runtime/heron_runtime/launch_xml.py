"""XML with line numbers, and the table of what a launch file may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from heron_core.errors import ConfigError


class LaunchError(ConfigError):
    """A launch file cannot be used; the text starts with `file:line:`."""


@dataclass
class Element:
    """One tag.

    Attributes:
        path, line: where it stands, line from 1.
        attributes: as written.
    """

    tag: str
    attributes: dict[str, str]
    path: Path
    line: int
    children: list[Element] = field(default_factory=list)

    def fail(self, text: str) -> NoReturn:
        """Raises LaunchError with file and line."""
        raise LaunchError(f"{self.path}:{self.line}: {text}")


@dataclass(frozen=True)
class Grammar:
    """What one tag may hold.

    Attributes:
        required, optional: attributes.
        children: tags.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


_CONDITION = ("if", "unless")
_ACTIONS = ("arg", "let", "set_env", "group", "include", "node", "node_container")
_PROCESS = ("namespace", "output", *_CONDITION)
TAGS: Mapping[str, Grammar] = {
    "launch": Grammar((), (), _ACTIONS),
    "arg": Grammar(("name",), ("default", "description"), ("choice",)),
    "choice": Grammar(("value",)),
    "let": Grammar(("name", "value"), _CONDITION),
    "set_env": Grammar(("name", "value"), _CONDITION),
    "group": Grammar((), ("scoped", *_CONDITION), _ACTIONS),
    "include": Grammar(("file",), _CONDITION, ("arg",)),
    "node": Grammar(("pkg", "exec"), ("name", "args", *_PROCESS), ("param", "remap")),
    "node_container": Grammar(("pkg", "exec", "name", "namespace"), ("output", "ros_args", *_CONDITION), ("param", "remap", "composable_node")),
    "composable_node": Grammar(("pkg", "plugin", "name"), ("namespace", *_CONDITION), ("param", "remap", "extra_arg")),
    "param": Grammar((), ("name", "value", "type", "from"), ("param",)),
    "remap": Grammar(("from", "to")),
    "extra_arg": Grammar(("name", "value")),
}
_INCLUDED_ARG = Grammar(("name", "value"))


def read(path: Path) -> Element:
    """The root of a launch file, every tag and attribute checked against `TAGS`.

    Raises:
        LaunchError: unreadable, not XML, not `<launch>`, or holding what is not supported.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise LaunchError(f"{path}: cannot be read: {error.strerror}") from error
    root = _tree(text, path)
    if root.tag != "launch":
        root.fail(f"the root is <{root.tag}>, expected <launch>")
    _check(root, TAGS["launch"])
    return root


def _tree(text: bytes, path: Path) -> Element:
    parser = expat.ParserCreate()
    top = Element("", {}, path, 0)
    open_elements = [top]

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, path, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(tag: str) -> None:
        open_elements.pop()

    def characters(data: str) -> None:
        if data.strip():
            raise LaunchError(f"{path}:{parser.CurrentLineNumber}: text {data.strip()!r} between tags")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise LaunchError(f"{path}:{error.lineno}: not valid XML: {expat.errors.messages[error.code]}") from error
    return top.children[0]


def _check(element: Element, grammar: Grammar) -> None:
    allowed = (*grammar.required, *grammar.optional)
    for name in element.attributes:
        if name not in allowed:
            element.fail(f"attribute {name!r} of <{element.tag}> is not supported (supported: {', '.join(allowed) or 'none'})")
    for name in grammar.required:
        if name not in element.attributes:
            element.fail(f"<{element.tag}> needs the attribute {name!r}")
    if "if" in element.attributes and "unless" in element.attributes:
        element.fail(f"<{element.tag}> has both 'if' and 'unless'")
    for child in element.children:
        if child.tag not in grammar.children:
            where = f"inside <{element.tag}> " if child.tag in TAGS else ""
            child.fail(f"tag <{child.tag}> is not supported {where}(supported: {', '.join(grammar.children) or 'none'})")
        _check(child, _INCLUDED_ARG if (element.tag, child.tag) == ("include", "arg") else TAGS[child.tag])
