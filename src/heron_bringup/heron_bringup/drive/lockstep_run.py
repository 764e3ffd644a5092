"""A lock-step run: every component of the launch file in this process, on simulated time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from rclpy.parameter import Parameter

from heron_bag.writer import BagWriter
from heron_bringup.drive.sink import OutputBag
from heron_core.trajectory import Trajectory
from heron_core.vehicle import VehicleState
from heron_runtime.launch_reader import Component, Process
from heron_runtime.loader import resolve
from heron_runtime.lockstep import Scheduler

STATE_KEPT_EVERY = 10


@dataclass
class RunResult:
    """What a run leaves behind.

    Attributes:
        components: full report of each component.
        plans: every plan, in order.
        states: every tenth vehicle state, for the picture.
        end_ns: recorded time at the end.
        failed: why the run is not whole, e.g. a process that died.
    """

    components: list[dict[str, Any]]
    plans: list[Trajectory] = field(default_factory=list)
    states: list[VehicleState] = field(default_factory=list)
    end_ns: int = 0
    failed: tuple[str, ...] = ()


def run_lockstep(
    processes: Sequence[Process],
    start_ns: int,
    until_ns: int | None,
    latency_ns: Mapping[str, int],
    out_bag: Path,
    attachments: Mapping[str, bytes],
    progress: Callable[[int], None],
) -> RunResult:
    """Runs the components of `processes` in lock-step.

    Args:
        processes: the parsed launch file.
        start_ns: recorded time at which simulated time starts.
        until_ns: recorded time at which to stop early, or None.
        latency_ns: stage → simulated latency.
        out_bag: folder of the recording of everything that was published but images.
        attachments: go into that recording.
        progress: called with recorded time.
    """
    scheduler = Scheduler(start_ns, latency_ns)
    result = RunResult([])
    kept = 0

    def keep(topic: str, time_ns: int, message: Any) -> None:
        nonlocal kept
        if isinstance(message, Trajectory):
            result.plans.append(message)
        elif isinstance(message, VehicleState):
            if kept % STATE_KEPT_EVERY == 0:
                result.states.append(message)
            kept += 1

    scheduler.tap(keep)
    rclpy.init(args=[])
    nodes: list[Any] = []
    try:
        with BagWriter(out_bag) as writer:
            for name, data in attachments.items():
                writer.attach(name, data)
            scheduler.tap(OutputBag(writer).write)
            # Consumers first: what a producer publishes on its first step already finds its readers.
            for process in processes:
                for component in reversed(process.components):
                    nodes.append(construct(component, process.name, scheduler))
            result.end_ns = scheduler.run(until_ns, progress)
        result.components = [node.full_report() for node in nodes]
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
    return result


def construct(component: Component, process: str, scheduler: Scheduler) -> Any:
    """The component on the scheduler, as a container would construct it."""
    rules = [f"__node:={component.name}", f"__ns:={component.namespace or '/'}", *(f"{old}:={new}" for old, new in component.remaps)]
    cli_args = ["--ros-args", *(word for rule in rules for word in ("-r", rule))]
    overrides = [Parameter(name, value=value) for name, value in component.params.items()]
    cls = resolve(component.package, component.plugin)
    return cls(
        lockstep=lambda node: scheduler.host(node, process),
        cli_args=cli_args,
        use_global_arguments=False,
        parameter_overrides=overrides,
    )
