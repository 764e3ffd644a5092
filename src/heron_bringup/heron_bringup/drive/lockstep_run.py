"""A lock-step run: every component of the launch file in this process, on simulated time, recorded in canonical bytes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_bringup.drive.result import STATES_SKIPPED, RunResult
from heron_bringup.secured import check_lockstep
from heron_core.frames import CameraFrame, FrameSet
from heron_core.signals import ControlStatus, Explanation, Instruction
from heron_core.trajectory import Trajectory
from heron_core.truth import Truth
from heron_core.vehicle import VehicleState
from heron_runtime.launch_reader import Process
from heron_runtime.lockstep import Scheduler
from heron_runtime.lockstep_container import ComponentCrashError, run_components
from heron_runtime.topics import topic_row


def run_lockstep(
    processes: Sequence[Process],
    start_ns: int,
    until_ns: int | None,
    latency_ns: Mapping[str, int],
    out_bag: Path,
    attachments: Mapping[str, bytes],
    progress: Callable[[int], None],
    images: bool = False,
    watch: Callable[[Any], None] | None = None,
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
        images: they are recorded too: nothing else has them.
        watch: gets every message that is published.

    Raises:
        HeronError: DDS security is asked for, and not to be had; or a component cannot be constructed.
    """
    check_lockstep(processes)
    scheduler, result = Scheduler(start_ns, latency_ns), RunResult()
    with BagWriter(out_bag) as writer:
        for name, data in attachments.items():
            writer.attach(name, data)
        scheduler.tap(_Recorder(writer, (FrameSet,) if images else (CameraFrame, FrameSet)).write)
        scheduler.tap(_keeper(result))
        if watch is not None:
            scheduler.tap(lambda topic, time_ns, message: watch(message))
        try:
            with _stopped_by_ctrl_c(scheduler):
                result.components = run_components(processes, scheduler, until_ns, progress)
        except ComponentCrashError as crash:
            result.components, result.failed = crash.reports, (str(crash),)
    result.end_ns, result.stopped = scheduler.now_ns(), scheduler.stopped
    if result.stopped:
        result.failed += (f"stopped by Ctrl-C after {(result.end_ns - start_ns) / 1e9:.1f} s",)
    return result


@contextmanager
def _stopped_by_ctrl_c(scheduler: Scheduler) -> Iterator[None]:
    """Ctrl-C ends the run between two events, so that it leaves a whole report; another one ends everything."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody else's, or ignored; in another thread it is not ours to take
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        scheduler.stop()
        signal.signal(number, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Recorder:
    """Writes what is published but messages of the types `without`; images of a recording stay there."""

    def __init__(self, writer: BagWriter, without: tuple[type, ...]) -> None:
        self._writer, self._without = writer, without
        self._known: set[str] = set()

    def write(self, topic: str, time_ns: int, message: Any) -> None:
        if isinstance(message, self._without):
            return
        if topic not in self._known:
            self._known.add(topic)
            self._writer.add_topic(topic, ros_type_of(message), latched=topic_row(topic).quality.latched)
        self._writer.write(topic, time_ns, serialise(message))


def _keeper(result: RunResult) -> Callable[[str, int, Any], None]:
    states = count()

    def keep(topic: str, time_ns: int, message: Any) -> None:
        if isinstance(message, Trajectory):
            result.plans.append(message)
        elif isinstance(message, (Explanation, Instruction)):
            result.words.append(message)
        elif isinstance(message, Truth):
            result.truths.append(message)
        elif isinstance(message, ControlStatus):
            result.statuses.append(message)
        elif isinstance(message, VehicleState) and next(states) % STATES_SKIPPED == 0:
            result.states.append(message)

    return keep
