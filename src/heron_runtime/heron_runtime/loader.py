"""Finds, constructs and destroys the components of a container."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ament_index_python import get_resource, has_resource

from heron_core.errors import HeronError
from heron_runtime.names import full_name

RESOURCE = "rclcpp_components"  # the ament index type that `ros2 component types` reads


class LoadError(HeronError):
    """A component cannot be loaded; the text says why."""


@dataclass(frozen=True)
class LoadRequest:
    """What to load, as in composition_interfaces/srv/LoadNode; empty texts mean the component's own defaults."""

    package: str
    plugin: str
    name: str = ""
    namespace: str = ""
    remaps: tuple[str, ...] = ()
    parameters: Sequence[Any] = field(default_factory=tuple)
    log_level: int = 0


def resolve(package: str, plugin: str) -> type[Any]:
    """The class behind a line `plugin;module:Class` in the ament index resource of `package`.

    Raises:
        LoadError: no such package, plugin, module or class; the text lists what there is.
    """
    if not has_resource(RESOURCE, package):
        raise LoadError(
            f"package {package!r} declares no components: there is no share/ament_index/resource_index/{RESOURCE}/{package} on AMENT_PREFIX_PATH"
        )
    table = dict(line.split(";", 1) for line in get_resource(RESOURCE, package)[0].splitlines() if ";" in line)
    if plugin not in table:
        raise LoadError(f"package {package!r} has no component {plugin!r} (it has: {', '.join(sorted(table)) or 'none'})")
    module, _, name = table[plugin].partition(":")
    try:
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
    except AttributeError as error:
        raise LoadError(f"component {plugin!r}: module {module} has no class {name!r}") from error


class Components:
    """The components that a container holds, by unique id.

    Args:
        context: rclpy context that the components share.
        executor: gets every component's callbacks.
        reserved: full names that no component may take (the container's own).
    """

    def __init__(self, context: Any, executor: Any, reserved: Sequence[str] = ()) -> None:
        self._context, self._executor, self._reserved = context, executor, tuple(reserved)
        self._nodes: dict[int, Any] = {}
        self._next_id = 1

    def names(self) -> dict[int, str]:
        """Unique id → full node name, in load order."""
        return {uid: str(node.get_fully_qualified_name()) for uid, node in self._nodes.items()}

    def nodes(self) -> list[Any]:
        """The components in load order."""
        return list(self._nodes.values())

    def load(self, request: LoadRequest) -> tuple[int, str]:
        """Constructs a component and gives it to the executor; returns its unique id and full name.

        Raises:
            LoadError: not declared, or the name is taken (found before construction when the request names the node).
            Exception: whatever the constructor raises.
        """
        if request.name:
            self._refuse_taken(full_name(request.namespace, request.name))
        cls = resolve(request.package, request.plugin)
        rules = [f"__node:={request.name}"] if request.name else []
        rules += [f"__ns:={request.namespace}"] if request.namespace else []
        cli_args = ["--ros-args", *(word for rule in (*rules, *request.remaps) for word in ("-r", rule))]
        try:
            node = cls(context=self._context, cli_args=cli_args, use_global_arguments=False, parameter_overrides=list(request.parameters))
        except BaseException:
            self._executor.create_task(_collect)  # a half-built node stays in the ROS graph until its reference cycles are gone
            raise
        name = str(node.get_fully_qualified_name())
        try:
            self._refuse_taken(name)
            if request.log_level:
                node.get_logger().set_level(request.log_level)
            self._executor.add_node(node)
        except BaseException:
            node.destroy_node()
            raise
        uid, self._next_id = self._next_id, self._next_id + 1
        self._nodes[uid] = node
        return uid, name

    def unload(self, uid: int) -> str:
        """Destroys a component and returns its full name.

        Raises:
            LoadError: nothing has this id.
        """
        if uid not in self._nodes:
            loaded = ", ".join(f"{uid} {name}" for uid, name in self.names().items())
            raise LoadError(f"no component has the unique id {uid} (loaded: {loaded or 'none'})")
        node = self._nodes.pop(uid)
        name = str(node.get_fully_qualified_name())
        try:
            self._executor.remove_node(node)
            node.destroy_node()
        finally:
            self._executor.create_task(_collect)  # a later turn, because the executor still holds the node in this one
        return name

    def pop_last(self) -> Any:
        """Takes the component that was loaded last out of the container, for its destruction; None when there is none left."""
        return self._nodes.pop(max(self._nodes)) if self._nodes else None

    def _refuse_taken(self, name: str) -> None:
        if name in self._reserved or name in self.names().values():
            raise LoadError(f"the node name {name} is taken in this container; give the component another name or unload the first")


def _collect() -> None:
    """Frees destroyed nodes; frozen cycles would never be collected, and the node would stay in the ROS graph."""
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()
