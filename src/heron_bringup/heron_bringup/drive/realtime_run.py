"""A run in real time: the processes of the launch file as on the car, under a supervisor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from heron_bag.native import control_statuses, explanations, instructions, plans, vehicle_states
from heron_bag.reader import open_bag
from heron_bringup.drive.report import read_component_reports
from heron_bringup.drive.result import STATES_SKIPPED, RunResult
from heron_bringup.secured import check_graph
from heron_runtime.domain import VARIABLE
from heron_runtime.launch_reader import Process
from heron_runtime.supervisor import Supervisor

LEAD_S = 6.0
"""From the start of the processes to the first input: they load their models meanwhile."""
TAIL_S = 1.0
"""After the last input: what is under way still finishes."""


def run_realtime(
    processes: Sequence[Process],
    start_ns: int | None,
    end_ns: int | None,
    out: Path,
    domain: int | None,
    progress: Callable[[float, float], None],
) -> RunResult:
    """Starts the processes, lets recorded time (or, without `start_ns`, wall time) pass until `end_ns`, stops them, and collects what they left.

    Args:
        processes: the parsed launch file.
        start_ns: recorded time of the first input; None on the car.
        end_ns: recorded time of the last input; None: until Ctrl-C.
        out: gets `log/`; holds `components/` and `bag/` afterwards.
        domain: DDS domain of the processes; None: the environment's.
        progress: called with seconds done and in all.

    Raises:
        ConfigError: DDS security is asked for, and not to be had; nothing was started.
    """
    environment = dict(os.environ) if domain is None else {**os.environ, VARIABLE: str(domain)}
    check_graph(processes, environment)
    offset_ns = 0 if start_ns is None else time.time_ns() + round(LEAD_S * 1e9) - start_ns
    begin_ns = time.time_ns() if start_ns is None else start_ns
    total_s = 0.0 if end_ns is None else (end_ns - begin_ns) / 1e9

    def finished() -> bool:
        now_ns = time.time_ns() - offset_ns
        progress(max(0.0, (now_ns - begin_ns) / 1e9), total_s)
        return end_ns is not None and now_ns > end_ns + round(TAIL_S * 1e9)

    timed = [_with_offset(process, offset_ns) for process in processes]
    supervisor = Supervisor(timed, environment, out)
    exits = supervisor.run(finished)
    reports, damaged = read_component_reports(out / "components")
    result = RunResult(reports, end_ns=time.time_ns() - offset_ns)
    result.failed = (*(process.explain() for process in exits if process.failed), *damaged)
    result.failed += tuple(part["report"]["error"] for part in reports if part["report"].get("error"))  # e.g. the recorder's disk was full
    if supervisor.interrupted and end_ns is not None:
        result.failed += (f"stopped by a signal before the end: {max(0.0, (result.end_ns - begin_ns) / 1e9):.1f} s of {total_s:.1f} s",)
    if (out / "bag").exists():
        with open_bag(out / "bag") as bag:
            result.plans = [plan for _, plan in plans(bag)]
            result.words = [*(word for _, word in explanations(bag)), *(word for _, word in instructions(bag))]
            result.statuses = [status for _, status in control_statuses(bag)]
            result.states = [state for _, state in islice(vehicle_states(bag), None, None, STATES_SKIPPED)]
    return result


def _with_offset(process: Process, offset_ns: int) -> Process:
    components = tuple(replace(component, params={**component.params, "time_offset_ns": offset_ns}) for component in process.components)
    return replace(process, components=components)
