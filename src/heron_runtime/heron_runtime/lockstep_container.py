"""The containers of a launch file, all in this process, on a lock-step scheduler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.parameter import Parameter

from heron_runtime.launch_reader import Component, Process
from heron_runtime.loader import resolve
from heron_runtime.lockstep import Scheduler


def run_components(
    processes: Sequence[Process], scheduler: Scheduler, until_ns: int | None = None, progress: Callable[[int], None] | None = None
) -> list[dict[str, Any]]:
    """Constructs every component, runs the scheduler to the end of the inputs, and returns each component's full report.

    Args:
        processes: from `launch_reader.parse`; processes without components (plain nodes) do not take part.
        scheduler: with its taps set.
        until_ns: simulated time at which to stop early.
        progress: called with simulated time after each event.

    Raises:
        HeronError: a component cannot be constructed; the text says why.
    """
    rclpy.init(args=[])
    nodes: list[Any] = []
    try:
        # Consumers first: what a producer publishes on its first step already finds its readers.
        for process in processes:
            nodes += [_construct(component, process.name, scheduler) for component in reversed(process.components)]
        scheduler.run(until_ns, progress)
        return [node.full_report() for node in nodes]
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


def _construct(component: Component, process: str, scheduler: Scheduler) -> Any:
    rules = [f"__node:={component.name}", f"__ns:={component.namespace or '/'}", *(f"{old}:={new}" for old, new in component.remaps)]
    return resolve(component.package, component.plugin)(
        lockstep=lambda node: scheduler.host(node, process),
        cli_args=["--ros-args", *(word for rule in rules for word in ("-r", rule))],
        use_global_arguments=False,
        parameter_overrides=[Parameter(name, value=value) for name, value in component.params.items()],
    )
