"""No subscription reaches the bus: shown on the source, so that it holds for code that no test runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2]
CONTROL = SRC / "heron_control" / "heron_control"
# Who may touch a `send` that is not the gate's: (file, function) → whose it is.
SENDERS = {
    ("heron_can/heron_can/io.py", "CanIo.send"): "python-can's bus, below CanIo",
    ("heron_can/heron_can/unixbus.py", "UnixBus.send"): "a socket, below python-can",
    ("heron_control/heron_control/node.py", "ControlNode._write"): "CanIo, handed to the gate and to nobody else",
    ("heron_control/heron_control/proving_ground/car_on_bus.py", "*"): "the simulated car's own end of the bus",
    ("heron_control/heron_control/proving_ground/truth_link.py", "*"): "a simulated car's position, on a bus of its own",
    ("heron_runtime/heron_runtime/executor.py", "*"): "coroutines",
}
HIDING = ("getattr", "attrgetter", "methodcaller")
# Who may open a bus; who of them may send, the list above says.
OPENERS = {
    ("CanIo", "heron_control/heron_control/node.py"),
    ("CanIo", "heron_can/heron_can/bridge.py"),
    ("CanIo", "heron_sim/heron_sim/node.py"),
    ("open_bus", "heron_can/heron_can/io.py"),
    ("open_bus", "heron_control/heron_control/proving_ground/car_on_bus.py"),
    ("open_bus", "heron_control/heron_control/proving_ground/truth_link.py"),
}


def sources() -> list[Path]:
    return sorted(path for path in SRC.glob("heron_*/heron_*/**/*.py"))


def parts(tree: ast.AST, name: str = "") -> Iterator[tuple[str, ast.AST]]:
    """(dotted function, node) of everything in a file."""
    for node in ast.iter_child_nodes(tree):
        inner = f"{name}.{node.name}".lstrip(".") if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) else name
        yield inner, node
        yield from parts(node, inner)


def strangers(file: str, text: str) -> list[str]:
    """Places that touch a `send` and are not listed."""
    found = []
    for function, node in parts(ast.parse(text)):
        hidden = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in HIDING and "'send'" in map(ast.unparse, node.args)
        if hidden or (isinstance(node, ast.Attribute) and node.attr == "send" and ast.unparse(node.value).split(".")[-1] not in ("gate", "_gate")):
            short = ".".join(function.split(".")[:2])
            if not {(file, short), (file, "*")} & set(SENDERS):
                found.append(f"{file}:{getattr(node, 'lineno', 0)} {function}")
    return found


def test_only_the_gates_write_sends_on_a_bus() -> None:
    found = [place for path in sources() for place in strangers(str(path.relative_to(SRC)), path.read_text())]
    assert not found, found


@pytest.mark.parametrize("text", ["class A:\n    def f(self):\n        self.io.send(1)", "s = io.send", "getattr(io, 'send')(1)"])
def test_the_search_finds_senders(text: str) -> None:
    assert strangers("heron_vla/heron_vla/node.py", text)


def test_buses_are_opened_by_who_is_listed() -> None:
    found = set()
    for path in sources():
        file = str(path.relative_to(SRC))
        for _, node in parts(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            found |= {(name, file) for name in names if name in ("CanIo", "open_bus")}
            if isinstance(node, ast.Attribute) and node.attr == "Bus" and ast.unparse(node.value) == "can":
                assert file == "heron_can/heron_can/buses.py", file
    assert found <= OPENERS, found - OPENERS


def chains(node: ast.AST) -> set[str]:
    """Dotted names read in a piece of code: `self._pilot.tick`."""
    return {ast.unparse(each) for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def methods(path: Path, name: str) -> dict[str, ast.FunctionDef]:
    (found,) = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef) and node.name == name)
    return {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}


def reached(start: ast.AST, known: dict[str, ast.FunctionDef]) -> set[str]:
    """Dotted names that code reaches, through methods of its own class."""
    found, todo = chains(start), [start]
    seen: set[str] = set()
    while todo:
        here = chains(todo.pop())
        found |= here
        for name in {chain.split(".")[1] for chain in here if chain.startswith("self.")} & set(known) - seen:
            seen.add(name)
            todo.append(known[name])
    return found


def sends(found: set[str]) -> bool:
    return any(chain.split(".")[-2:] in (["gate", "send"], ["gate", "close"], ["_gate", "send"], ["_gate", "close"]) for chain in found)


def test_the_write_path_is_the_gates_alone() -> None:
    node = methods(CONTROL / "node.py", "ControlNode")
    uses = [function for function, code in node.items() for each in ast.walk(code) if isinstance(each, ast.Attribute) and each.attr == "_write"]
    assert uses == ["setup"]
    gates = [each for each in ast.walk(node["setup"]) if isinstance(each, ast.Call) and ast.unparse(each.func) == "Gate"]
    assert [ast.unparse(each.args[3]) for each in gates] == ["self._write"]
    others = [path for path in CONTROL.glob("*.py") if path.name not in ("gate.py", "node.py")]
    assert not [
        path.name for path in others if any("_write" in chain.split(".") and "gate" in chain for chain in chains(ast.parse(path.read_text())))
    ]


def test_of_the_pilot_only_a_tick_reaches_the_gate_and_what_closes_it() -> None:
    pilot = methods(CONTROL / "pilot.py", "Pilot")
    public = [name for name in pilot if not name.startswith("_")]
    assert sorted(name for name in public if sends(reached(pilot[name], pilot))) == ["rest", "tick"]
    assert not any("gate.send" in chain for chain in reached(pilot["rest"], pilot))


def test_of_the_node_only_the_vehicle_state_ticks_the_pilot_and_its_absence() -> None:
    node = methods(CONTROL / "node.py", "ControlNode")
    ticking, closing, registered = [], [], 0
    for call in ast.walk(node["setup"]):
        if not (
            isinstance(call, ast.Call)
            and ast.unparse(call.func) in ("self.subscribe", "self.every", "self.serve", "self.feed", "self.worker", "self.at_end")
        ):
            continue
        registered += 1
        found = set().union(*(reached(argument, node) for argument in call.args))
        assert not any(chain.startswith("self._write") for chain in found), ast.unparse(call)
        if "self._pilot.tick" in found:
            ticking.append(ast.unparse(call))
        if sends(found):
            closing.append(ast.unparse(call))
    assert registered >= 6
    assert ticking == [  # a vehicle state from elsewhere ticks nothing
        "self.subscribe('/vehicle/state', self._on_state, outside=False)",
        "self.every(LATE_PERIOD_NS, self._tick_without_state)",
    ]
    assert all(text.startswith("self.at_end(") and "gate.close" in text and "gate.send" not in text for text in closing), closing
