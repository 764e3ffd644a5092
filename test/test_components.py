"""Components are ROS nodes: an attribute of ours must not take the place of one of rclpy's."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import rclpy

from heron_runtime.node import HeronNode

ROOT = Path(__file__).resolve().parents[1]
NODES = sorted(ROOT.glob("src/heron_*/heron_*/*node.py"))


@pytest.fixture(scope="module")
def taken() -> set[str]:
    """Names that a bare lifecycle node has."""
    from rclpy.lifecycle import LifecycleNode

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=1)
    node: Any = LifecycleNode("bare", context=context, enable_communication_interface=False)
    names = set(vars(node)) | set(dir(LifecycleNode))
    node.destroy_node()
    rclpy.shutdown(context=context)
    return names


@pytest.mark.parametrize("path", NODES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_no_component_hides_an_attribute_of_its_node(path: Path, taken: set[str]) -> None:
    if path.name == "node.py" and path.parent.name == "heron_runtime":
        taken = taken - {"on_configure", "on_activate", "on_deactivate", "destroy_node"}
    else:
        taken = taken | set(vars(HeronNode)) - {"setup", "interrupt", "report", "NAME", "Config", "__doc__", "__module__"}
    assigned = {
        target.attr
        for tree in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(tree, (ast.Assign, ast.AnnAssign))
        for target in (tree.targets if isinstance(tree, ast.Assign) else [tree.target])
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    }
    assert not assigned & {name for name in taken if not name.startswith("__")}


def test_the_scan_sees_assignments() -> None:
    assert NODES
