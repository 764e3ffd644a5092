"""The containers of a launch file, all in this process, on a lock-step scheduler."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from heron_core.errors import HeronError
from heron_runtime.launch_reader import Component, Process
from heron_runtime.loader import resolve
from heron_runtime.lockstep import Scheduler


class ComponentCrashError(HeronError):
    """A component raised what it should not have.

    Attributes:
        reports: of all components, as far as they got.
    """

    is_failure = True

    def __init__(self, text: str, reports: list[dict[str, Any]]) -> None:
        super().__init__(text)
        self.reports = reports


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
        ComponentCrashError: a component raised an exception that is not one of ours while it ran.
    """
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    nodes: list[Any] = []
    try:
        # Consumers first: what a producer publishes on its first step already finds its readers.
        for process in processes:
            nodes += [_construct(component, process.name, scheduler) for component in reversed(process.components)]
        try:
            scheduler.run(until_ns, progress)
        except HeronError:
            raise
        except Exception as error:
            culprit = _culprit(error, nodes)
            if culprit is None:
                raise
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"component {culprit.get_name()} crashed: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
            raise ComponentCrashError(text, [node.full_report() for node in nodes]) from error
        return [node.full_report() for node in nodes]
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


def _culprit(error: BaseException, nodes: list[Any]) -> Any:
    """The component whose code the exception came through; None: none's."""
    owners = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((owner for owner in reversed(owners) if any(owner is node for node in nodes)), None)


def _construct(component: Component, process: str, scheduler: Scheduler) -> Any:
    rules = [f"__node:={component.name}", f"__ns:={component.namespace or '/'}", *(f"{old}:={new}" for old, new in component.remaps)]
    return resolve(component.package, component.plugin)(
        lockstep=lambda node: scheduler.host(node, process),
        cli_args=["--ros-args", *(word for rule in rules for word in ("-r", rule))],
        use_global_arguments=False,
        parameter_overrides=[Parameter(name, value=value) for name, value in component.params.items()],
    )
