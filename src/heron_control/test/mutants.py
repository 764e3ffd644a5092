"""The mutants of a file: each is one change of one limit, comparison, number, sign, call or statement.

Not mutmut 3: it leaves code outside of functions alone (the ceilings are such code), knows no limits and names no killers.
"""

from __future__ import annotations

import ast
import copy
import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

SRC = Path(__file__).resolve().parents[2]
LIMITS_OF = {"limits", "self", "stop", "soft", "hard", "frame", "model", "ladder", "plan"}
LIMIT_FIELDS = {
    *("lateral_accel_mps2", "lateral_jerk_mps3", "curvature_per_m", "steer_rate_rps", "steer_rate_30mps_rps", "accel_max_mps2", "accel_min_mps2"),
    *("jerk_mps3", "speed_max_mps", "command_rate_factor", "accel_mps2", "hold_mps2", "steer_error_rad", "share", "window_s", "period_s"),
    *("steer_max_rad", "warn_s", "soft_stop_s", "emergency_s", "deviation_yaw_warn_rad", "deviation_yaw_rad", "age_max_s", "lost_s", "blind_s"),
    *("emergency_distance_m", "deviation_m", "torque_nm", "throttle"),
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


@dataclass(frozen=True)
class Mutant:
    """One change of one place.

    Attributes:
        file: below `src`.
        line: of the place.
        function: that holds it, as `Class.name`; empty where importing the file runs it.
        kind, before, after: the change.
        slot, variant: number of the place in `slots`, and of the change in `variants`.
    """

    file: str
    line: int
    function: str
    kind: str
    before: str
    after: str
    slot: int
    variant: int

    @property
    def code(self) -> str:
        """The line that it stands in."""
        return source(self.file).splitlines()[self.line - 1].strip()


@functools.cache
def source(file: str) -> str:
    """As it was when the run began."""
    return (SRC / file).read_text()


def module_of(file: str) -> str:
    """Its dotted name."""
    return ".".join(Path(file).with_suffix("").parts[1:])


@dataclass(frozen=True)
class Slot:
    """A place that something can take another's place in: node, its parent and the field there, the function that runs it."""

    node: ast.AST
    parent: ast.AST
    field: str
    function: str
    put: Callable[[ast.AST], None]


def slots(tree: ast.AST) -> Iterator[Slot]:
    """Everything that runs: no annotations, decorators, texts of errors."""
    todo = [(tree, "", False)]
    while todo:
        parent, path, inside = todo.pop()
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "decorator_list", "keywords" if isinstance(parent, ast.ClassDef) else ""):
                continue
            runs_later = inside or (isinstance(parent, ast.FunctionDef) and field == "body")
            for number, item in enumerate(value if isinstance(value, list) else [value]):
                if not isinstance(item, ast.AST):
                    continue
                put = partial(value.__setitem__, number) if isinstance(value, list) else partial(setattr, parent, field)
                yield Slot(item, parent, field, path if runs_later else "", put)
                if not isinstance(item, (ast.Raise, ast.JoinedStr)):
                    named = isinstance(item, (ast.ClassDef, ast.FunctionDef)) and not runs_later
                    todo.append((item, f"{path}.{item.name}".strip(".") if named else path, runs_later))  # type: ignore[attr-defined]


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
    for number, slot in enumerate(slots(ast.parse(source(file)))):
        for variant, (kind, changed) in enumerate(variants(slot.node, slot.parent, slot.field)):
            before, after = (ast.unparse(ast.fix_missing_locations(each)).split("\n")[0] for each in (slot.node, changed))
            found.append(Mutant(file, getattr(slot.node, "lineno", 0), slot.function, kind, before, after, number, variant))
    return sorted(found, key=lambda each: (each.line, each.slot, each.variant))


def compiled(mutant: Mutant) -> CodeType:
    """The code of the mutated file."""
    tree = ast.parse(source(mutant.file))
    slot = list(slots(tree))[mutant.slot]
    slot.put(list(variants(slot.node, slot.parent, slot.field))[mutant.variant][1])
    return compile(ast.fix_missing_locations(tree), str(SRC / mutant.file), "exec")


def put_in_place(mutant: Mutant) -> None:
    """Gives the mutant's code to its function in the loaded module, so that everybody who holds the function runs it."""
    found: Any = sys.modules[module_of(mutant.file)]
    code = compiled(mutant)
    for name in mutant.function.split("."):
        found = vars(found)[name]
        (code,) = (each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name)
    function = getattr(found, "fget", None) or getattr(found, "func", None) or getattr(found, "__func__", found)
    assert isinstance(function, FunctionType), mutant.function
    function.__code__ = code
