"""Mutation of the gate: every limit and comparison, changed in the code, must make a test fail.

    python src/heron_control/test/mutation.py --out DIR

Each mutant is compiled in memory and meets the gate's tests in a child of its own; the first test that fails is its killer. A tool of its own,
because mutmut 3 leaves code outside of functions alone (the ceilings are such code), knows no limits and names no killers.
"""

from __future__ import annotations

import argparse
import ast
import copy
import functools
import importlib
import importlib.util
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

SRC = Path(__file__).resolve().parents[2]
GATE_TESTS, WINDOW_TESTS, CODEC_TESTS = (
    [f"heron_control/test/test_gate{part}.py" for part in parts.split(",")]
    for parts in (",_faults,_counts,_codec,_fuzz", "_window,,_faults,_counts,_fuzz", "_codec,_window,")
)
# Mutated file → tests that it meets, in this order.
SUBJECTS = {
    "heron_core/heron_core/limits.py": ["heron_core/test/test_limits.py", *WINDOW_TESTS],
    "heron_control/heron_control/codec.py": WINDOW_TESTS,
    "heron_control/heron_control/gate_window.py": WINDOW_TESTS,
    "heron_control/heron_control/gate.py": GATE_TESTS,
    "heron_control/heron_control/can_codec.py": CODEC_TESTS,
}
TIMEOUT_S = 60.0
FORK = multiprocessing.get_context("fork")
LIMITS_OF = {"limits", "self", "stop", "soft", "hard", "frame", "model", "ladder", "plan"}
LIMIT_FIELDS = {
    *("lateral_accel_mps2", "lateral_jerk_mps3", "curvature_per_m", "steer_rate_rps", "steer_rate_30mps_rps", "accel_max_mps2", "accel_min_mps2"),
    *("jerk_mps3", "speed_max_mps", "command_rate_factor", "accel_mps2", "hold_mps2", "steer_error_rad", "share", "window_s", "period_s"),
    *("steer_max_rad", "warn_s", "soft_stop_s", "emergency_s", "deviation_yaw_warn_rad", "deviation_yaw_rad", "age_max_s", "lost_s"),
}
LIMIT_CALLS = {"curvature_at", "steer_rate_at", "steer", "curvature"}
ORDER: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
SWAPPED = {"min": "max", "max": "min", "floor": "ceil", "ceil": "floor", "all": "any", "any": "all"}
# (file, line of code, before, after) → why no test can tell it from the original.
_STAMP = "a stamp that nobody reads: only bytes go into and out of the codec"
_ENCODE = "return [RawFrame(sent.bus, sent.frame.id, sent.frame.data) for sent in self._encoder.encode(asked, 0, count)]"
_DECODE = "parts = [self._decoder.decode(frame.bus, self.frame(frame, 0)) for frame in frames]"
EQUIVALENT: dict[tuple[str, str, str, str], str] = {("can_codec.py", line, "0", "1"): _STAMP for line in (_ENCODE, _DECODE)}


@dataclass(frozen=True)
class Mutant:
    """One change of one place."""

    file: str
    line: int
    kind: str
    before: str
    after: str
    slot: int
    variant: int


@functools.cache
def source(file: str) -> str:
    """As it was when the run began."""
    return (SRC / file).read_text()


def slots(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST, str, Callable[[ast.AST], None]]]:
    """(node, parent, field, setter) of everything that runs: no annotations, decorators, texts of errors."""
    todo: list[ast.AST] = [tree]
    while todo:
        parent = todo.pop()
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "decorator_list", "keywords" if isinstance(parent, ast.ClassDef) else ""):
                continue
            for number, item in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(item, ast.AST):
                    yield item, parent, field, partial(value.__setitem__, number) if isinstance(value, list) else partial(setattr, parent, field)
                    if not isinstance(item, (ast.Raise, ast.JoinedStr)):
                        todo.append(item)


def variants(node: ast.AST, parent: ast.AST, field: str) -> Iterator[tuple[str, ast.AST]]:
    """(kind, node in its place)."""
    new = partial(copy.deepcopy, node)
    if isinstance(node, ast.Compare):
        for number, op in enumerate(node.ops):
            for other in ORDER.get(type(op), ()):
                changed = copy.deepcopy(node)
                changed.ops[number] = other()
                yield "comparison", changed
    elif isinstance(node, ast.BoolOp):
        yield "and/or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), copy.deepcopy(node.values))
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield "arithmetic", ast.BinOp(new().left, ARITHMETIC[type(node.op)](), new().right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield "not" if isinstance(node.op, ast.Not) else "sign", new().operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "truth", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        value = node.value
        yield "number", ast.Constant(value + 1 if isinstance(value, int) and abs(value) < 1000 else type(value)(value * 1.01) if value else 1.0)
        if value:
            yield "zero", ast.Constant(type(value)(0))
    elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(parent, ast.Call) and field == "func":
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name in SWAPPED:
            swapped = new()
            setattr(swapped, "id" if isinstance(node, ast.Name) else "attr", SWAPPED[name])
            yield "min/max", swapped
    elif isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "abs":
            yield "abs", new().args[0]
        if name in LIMIT_CALLS:
            yield from (("limit", ast.BinOp(new(), ast.Mult(), ast.Constant(factor))) for factor in (1.1, 0.9))
    elif isinstance(node, ast.Attribute) and node.attr in LIMIT_FIELDS and isinstance(node.ctx, ast.Load) and _root(node) in LIMITS_OF:
        yield from (("limit", ast.BinOp(new(), ast.Mult(), ast.Constant(factor))) for factor in (1.1, 0.9))
    if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield "fault removed" if isinstance(node, ast.Raise) else "call removed", ast.Pass()
    if (
        isinstance(node, (ast.Assign, ast.AugAssign))
        and isinstance(parent, (ast.FunctionDef, ast.If, ast.For))
        and getattr(parent, "name", "") != "__init__"
    ):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if all(isinstance(target, ast.Attribute) for target in targets):
            yield "state kept", ast.Pass()
    if field == "test" and isinstance(parent, (ast.If, ast.IfExp)) and isinstance(node, (ast.Name, ast.Attribute, ast.BoolOp, ast.Call)):
        yield "condition", ast.UnaryOp(ast.Not(), new())


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def mutants(file: str) -> list[Mutant]:
    """All of one file, by line."""
    found = []
    for number, (node, parent, field, _) in enumerate(slots(ast.parse(source(file)))):
        for variant, (kind, changed) in enumerate(variants(node, parent, field)):
            before, after = (ast.unparse(ast.fix_missing_locations(each)).split("\n")[0] for each in (node, changed))
            found.append(Mutant(file, getattr(node, "lineno", 0), kind, before, after, number, variant))
    return sorted(found, key=lambda each: (each.line, each.slot, each.variant))


def compiled(mutant: Mutant) -> Any:
    """The code of the mutated file."""
    tree = ast.parse(source(mutant.file))
    node, parent, field, put = list(slots(tree))[mutant.slot]
    put(list(variants(node, parent, field))[mutant.variant][1])
    return compile(ast.fix_missing_locations(tree), str(SRC / mutant.file), "exec")


def meet_tests(mutant: Mutant | None, file: str, answer: Connection) -> None:
    """In the child: puts the mutant in its module's place, runs the tests, sends the first that fails (empty: none)."""
    import pytest

    class Killer:
        name = ""

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed and not self.name:
                self.name = report.nodeid

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed and not self.name:
                self.name = f"{report.nodeid} (does not load)"

    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    killer = Killer()
    try:
        if mutant is not None:
            name = ".".join(Path(mutant.file).with_suffix("").parts[1:])
            spec = importlib.util.spec_from_file_location(name, SRC / mutant.file)
            assert spec is not None
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            exec(compiled(mutant), module.__dict__)
        sys.path.insert(0, str(Path(__file__).parent))
        arguments = ["-x", "-q", "-c", os.devnull, f"--rootdir={SRC}", "--import-mode=importlib", "-p", "no:cacheprovider"]
        arguments += ["--noconftest", "-p", "gate_drive"]  # nothing else of the package is loaded
        fault = ""
        for test in SUBJECTS[file]:  # file by file: the first kills most, and the others need not even be collected
            code = pytest.main([*arguments, str(SRC / test)], plugins=[killer])
            fault = (killer.name or f"pytest ended with {code}") if code else ""
            if fault:
                break
        answer.send(fault)
    except BaseException as error:
        answer.send(f"{type(error).__name__} when loaded")
    os._exit(0)


def unmutated_fault(file: str) -> str:
    """The test that fails without any mutant: then no mutant is judged."""
    receive, send = FORK.Pipe(duplex=False)
    process = FORK.Process(target=meet_tests, args=(None, file, send))
    process.start()
    fault: str = receive.recv()
    process.join()
    return fault


def run(chosen: list[Mutant], jobs: int, told: Callable[[Mutant, str], None]) -> dict[Mutant, str]:
    """Mutant → killer, or empty where it survived."""
    todo, running, found = list(reversed(chosen)), {}, {}
    while todo or running:
        while todo and len(running) < jobs:
            mutant = todo.pop()
            receive, send = FORK.Pipe(duplex=False)
            process = FORK.Process(target=meet_tests, args=(mutant, mutant.file, send))
            process.start()
            send.close()
            running[receive] = (mutant, process, time.monotonic())
        ready = wait(list(running), timeout=1.0)
        for receive, (mutant, process, since) in list(running.items()):
            late = time.monotonic() - since > TIMEOUT_S
            if receive not in ready and not late:
                continue
            try:
                found[mutant] = receive.recv() if receive in ready else "timeout"
            except EOFError:
                found[mutant] = "the process died"
            process.kill()
            process.join()
            del running[receive]
            told(mutant, found[mutant])
    return found


def warm_up() -> None:
    """Imports what the tests need and no mutant touches, so that children start with it. Must not import the mutated modules."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in ("pytest", "hypothesis", "hypothesis.strategies", "numpy", "yaml", "cantools", "heron_can.car", "heron_can.encode"):
        importlib.import_module(name)
    touched = [file for file in SUBJECTS if ".".join(Path(file).with_suffix("").parts[1:]) in sys.modules]
    assert not touched, touched


def line_of(mutant: Mutant) -> str:
    """Its line of code."""
    return source(mutant.file).splitlines()[mutant.line - 1].strip()


def excuse(mutant: Mutant) -> str:
    """Why it cannot be told from the original, or empty."""
    return EQUIVALENT.get((Path(mutant.file).name, line_of(mutant), mutant.before, mutant.after), "")


def sample(everything: list[Mutant]) -> list[Mutant]:
    """One of each kind, from the middle of its row."""
    kinds = sorted({mutant.kind for mutant in everything})
    rows = ([mutant for mutant in everything if mutant.kind == kind and not excuse(mutant)] for kind in kinds)
    return [row[len(row) // 2] for row in rows]


def write_report(found: dict[Mutant, str], out: Path) -> None:
    """mutation.json and mutation.md in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(mutant), "killer": killer, "equivalent": excuse(mutant)} for mutant, killer in found.items()]
    killed = sum(bool(row["killer"]) for row in rows)
    summary = {"mutants": len(rows), "killed": killed, "equivalent": sum(bool(excuse(m)) and not k for m, k in found.items())}
    (out / "mutation.json").write_text(json.dumps({**summary, "rows": rows}, indent=1) + "\n")
    text = [f"# Mutants of the gate: {killed} of {len(rows)} killed, {summary['equivalent']} equivalent", ""]
    text += ["| where | kind | before → after | killer |", "|---|---|---|---|"]
    for mutant, killer in found.items():
        told = killer.replace("heron_control/test/", "").replace("heron_core/test/", "") or (
            f"equivalent: {excuse(mutant)}" if excuse(mutant) else "**SURVIVED**"
        )
        change = f"`{mutant.before}` → `{mutant.after}`".replace("|", "\\|")
        text.append(f"| {Path(mutant.file).name}:{mutant.line} | {mutant.kind} | {change} | {told} |")
    (out / "mutation.md").write_text("\n".join(text) + "\n")


def main() -> int:
    """0 when every mutant is killed or excused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of mutation.md and mutation.json")
    parser.add_argument("--sample", action="store_true", help="one mutant of each kind")
    parser.add_argument("--only", default="", help="files whose name holds this")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    warm_up()
    everything = [mutant for file in SUBJECTS if options.only in file for mutant in mutants(file)]
    chosen = sample(everything) if options.sample else everything
    for file in sorted({mutant.file for mutant in chosen}):
        fault = unmutated_fault(file)
        if fault:
            print(f"{fault} fails without any mutant", file=sys.stderr)
            return 2
    survivors = []

    def told(mutant: Mutant, killer: str) -> None:
        if not killer and not excuse(mutant):
            survivors.append(mutant)
            print(f"SURVIVED {mutant.file}:{mutant.line} {mutant.before} → {mutant.after}   in: {line_of(mutant)}", flush=True)

    started = time.monotonic()
    found = run(chosen, options.jobs, told)
    write_report({mutant: found[mutant] for mutant in chosen}, options.out)
    print(f"{len(chosen)} mutants, {len(survivors)} survived, {time.monotonic() - started:.0f} s; {options.out / 'mutation.md'}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
