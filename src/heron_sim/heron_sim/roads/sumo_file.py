"""Reads the XML of a SUMO network as it stands, and checks it element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree

import numpy as np

from heron_core.errors import InputError
from heron_sim.roads.line import F64

_LANE_M = 3.2  # SUMO's width of a lane that gives none
_CARS = frozenset(("passenger", "all"))
_T = TypeVar("_T")


@dataclass(frozen=True)
class NetLane:
    """A lane: shape (n, 2) in the file's coordinates; who may use it."""

    id: str
    index: int
    speed_mps: float
    width_m: float
    shape: F64
    cars: bool
    walkers: bool


@dataclass(frozen=True)
class NetEdge:
    """A direction of a street, with its lanes from the kerb inwards; `function` is empty for streets."""

    id: str
    start: str
    end: str
    function: str
    lanes: tuple[NetLane, ...]


@dataclass(frozen=True)
class NetConnection:
    """A way across a junction: from a lane (edge, index) to another, over internal lanes; its column in a program of lights."""

    start: tuple[str, int]
    end: tuple[str, int]
    via: str
    program: str
    column: int
    direction: str


@dataclass(frozen=True)
class NetRequest:
    """Right of way of one link of a junction: links that it lets pass, links that it meets."""

    response: frozenset[int]
    foes: frozenset[int]


@dataclass(frozen=True)
class NetJunction:
    """A junction with its links, in the order of `internal` lanes."""

    id: str
    kind: str
    x_m: float
    y_m: float
    arriving: tuple[str, ...]
    internal: tuple[str, ...]
    shape: F64
    requests: dict[int, NetRequest]


@dataclass(frozen=True)
class NetProgram:
    """A cycle of lights: offset, and (seconds, one letter per column) of each phase."""

    id: str
    offset_s: float
    phases: tuple[tuple[float, str], ...]


@dataclass
class NetFile:
    """Everything that is read from a file."""

    path: Path
    left_hand: bool = False
    offset: tuple[float, float] = (0.0, 0.0)
    projection: str = "!"
    edges: dict[str, NetEdge] = field(default_factory=dict)
    connections: list[NetConnection] = field(default_factory=list)
    junctions: dict[str, NetJunction] = field(default_factory=dict)
    programs: dict[str, NetProgram] = field(default_factory=dict)


class _Element:
    """An XML element whose attributes are read with errors that name file, element and value."""

    def __init__(self, path: Path, element: ElementTree.Element) -> None:
        self._path, self.element = path, element

    def fail(self, text: str) -> InputError:
        name = self.element.get("id") or self.element.get("from") or ""
        return InputError(f"{self._path}: <{self.element.tag}{f' {name!r}' if name else ''}>: {text}")

    def text(self, name: str, default: str | None = None) -> str:
        value = self.element.get(name, default)
        if value is None:
            raise self.fail(f"attribute {name} is missing")
        return value

    def read(self, name: str, convert: Callable[[str], _T], wanted: str, default: str | None = None) -> _T:
        text = self.text(name, default)
        try:
            return convert(text)
        except ValueError:
            raise self.fail(f"{name} = {text[:60]!r} is not {wanted}") from None

    def number(self, name: str, default: str | None = None) -> float:
        return self.read(name, _finite, "a finite number", default)

    def whole(self, name: str, default: str | None = None) -> int:
        return self.read(name, int, "a whole number", default)

    def shape(self, name: str, least: int, default: str | None = None) -> F64:
        return self.read(name, lambda text: _shape(text, least), f"a list of at least {least} 'x,y' places", default)

    def children(self, tag: str) -> list[_Element]:
        return [_Element(self._path, child) for child in self.element.iterfind(tag)]


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _shape(text: str, least: int) -> F64:
    places = [tuple(_finite(number) for number in place.split(","))[:2] for place in text.split()]
    if len(places) < least or any(len(place) != 2 for place in places):
        raise ValueError(text)
    return np.array(places, np.float64).reshape(-1, 2)


def read_net_file(path: Path) -> NetFile:
    """Reads `path`.

    Raises:
        InputError: not XML, not a SUMO network, or an element that makes no sense; the text names it.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(f"{path}: cannot be read as XML: {error}") from None
    if root.tag != "net":
        raise InputError(f"{path}: the outer element is <{root.tag}>, a SUMO network has <net>")
    top, net = _Element(path, root), NetFile(path, root.get("lefthand", "false") in ("1", "true"))
    for location in top.children("location"):
        offset = location.shape("netOffset", 1, "0,0")[0]
        net.offset, net.projection = (float(offset[0]), float(offset[1])), location.text("projParameter", "!")
    for element in top.children("edge"):
        edge = _edge(element)
        net.edges[edge.id] = edge
    for element in top.children("junction"):
        junction = _junction(element)
        net.junctions[junction.id] = junction
    for element in top.children("tlLogic"):
        program = _program(element)
        net.programs.setdefault(program.id, program)
    net.connections = [_connection(element, net) for element in top.children("connection")]
    if not any(not edge.function for edge in net.edges.values()):
        raise InputError(f"{path}: no <edge> that is a street")
    return net


def _edge(element: _Element) -> NetEdge:
    function = element.text("function", "")
    lanes = []
    for k, lane in enumerate(sorted(element.children("lane"), key=lambda lane: lane.whole("index"))):
        if lane.whole("index") != k:
            raise lane.fail(f"index = {lane.whole('index')}, expected {k}")
        allow, disallow = set(lane.text("allow", "").split()), set(lane.text("disallow", "").split())
        open_to = {
            name: bool(group & allow) if allow else not group & disallow for name, group in (("cars", _CARS), ("walkers", {"pedestrian", "all"}))
        }
        width, speed = lane.number("width", str(_LANE_M)), lane.number("speed", "13.89")
        if not (0.3 <= width <= 60.0 and speed > 0.0):
            raise lane.fail(f"width = {width:g} m, speed = {speed:g} m/s; allowed 0.3 .. 60 and above 0")
        lanes.append(NetLane(lane.text("id"), k, speed, width, lane.shape("shape", 2), open_to["cars"], open_to["walkers"]))
    if not lanes and not function:
        raise element.fail("has no <lane>")
    inside = bool(function)
    return NetEdge(
        element.text("id"), element.text("from", "" if inside else None), element.text("to", "" if inside else None), function, tuple(lanes)
    )


def _junction(element: _Element) -> NetJunction:
    requests = {}
    for request in element.children("request"):
        bits = {name: request.text(name, "") for name in ("response", "foes")}
        for name, text in bits.items():
            if set(text) - {"0", "1"}:
                raise element.fail(f"<request {request.text('index')}> {name} = {text!r} is not made of 0 and 1")
        response, foes = (frozenset(k for k, bit in enumerate(reversed(text)) if bit == "1") for text in bits.values())
        requests[request.whole("index")] = NetRequest(response, foes)
    return NetJunction(
        element.text("id"),
        element.text("type", "priority"),
        element.number("x"),
        element.number("y"),
        tuple(element.text("incLanes", "").split()),
        tuple(element.text("intLanes", "").split()),
        element.shape("shape", 0, ""),
        requests,
    )


def _program(element: _Element) -> NetProgram:
    phases = []
    for phase in element.children("phase"):
        seconds, state = phase.number("duration"), phase.text("state")
        if seconds < 0.0 or set(state) - set("GgyYrRsuoO"):
            raise element.fail(f"<phase> duration = {seconds:g}, state = {state!r}: letters GgyYrsuoO are read, durations from 0")
        if seconds > 0.0:
            phases.append((seconds, state))
    if not phases or len({len(state) for _, state in phases}) != 1:
        raise element.fail("needs phases with states of the same length")
    return NetProgram(element.text("id"), element.number("offset", "0"), tuple(phases))


def _connection(element: _Element, net: NetFile) -> NetConnection:
    ends = []
    for edge, lane in (("from", "fromLane"), ("to", "toLane")):
        name, index = element.text(edge), element.whole(lane)
        if name not in net.edges:
            raise element.fail(f"{edge} = {name!r}: no such edge")
        if not 0 <= index < len(net.edges[name].lanes):
            raise element.fail(f"{lane} = {index}: edge {name!r} has {len(net.edges[name].lanes)} lanes")
        ends.append((name, index))
    program, column = element.text("tl", ""), element.whole("linkIndex", "-1")
    if program:
        if program not in net.programs:
            raise element.fail(f"tl = {program!r}: no such <tlLogic>")
        if not 0 <= column < len(net.programs[program].phases[0][1]):
            raise element.fail(f"linkIndex = {column}: <tlLogic {program!r}> has {len(net.programs[program].phases[0][1])} columns")
    return NetConnection(ends[0], ends[1], element.text("via", ""), program, column, element.text("dir", "s"))
