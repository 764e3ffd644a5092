"""How many times faster than real time the world is without pictures, in one process and on all cores."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

from heron_core.errors import HeronError
from heron_runtime.watchdog import die_with_parent
from heron_sim.matrix import one_thread_each
from heron_sim.scenario import Scenario, lasting

WARM_UP_S = 3.0  # a drive before the clock runs: kernels are loaded, or compiled the first time
STARTED_WITHIN_S = 600.0

_together: Barrier | None = None  # of a process of the pool


class DriveBenchError(HeronError):
    """A measured drive ended before its time."""

    is_failure = True


@dataclass(frozen=True)
class Speed:
    """What was driven, all processes together.

    Attributes:
        simulated_s: of all of them.
        wall_s: from when all were ready until the last was done.
        cpu_share: CPU time over wall time, mean of the processes: well below 1, the machine was busy with something else.
    """

    simulated_s: float
    wall_s: float
    cpu_share: float = 1.0

    @property
    def factor(self) -> float:
        """Times faster than real time."""
        return self.simulated_s / self.wall_s


def measured(vehicle: Path, scenario: Scenario, seed: int, processes: int, latency_s: float | None) -> Speed:
    """Drives a scenario once in each process, all at once, a seed more in each; making the town and its traffic counts.

    Args:
        vehicle: folder of the car.
        scenario: to drive.
        seed: of the first process.
        processes: how many, of one thread each.
        latency_s: from a plan's stamp until it arrives, with Heron's decoding, odometry, control and gate in the loop; None: plans are carried
            out ideally.

    Raises:
        DriveBenchError: a drive ended early, so that nothing was measured.
    """
    context = multiprocessing.get_context("spawn")
    with (
        one_thread_each(),
        ProcessPoolExecutor(processes, context, initializer=_joins, initargs=(context.Barrier(processes), os.getpid())) as pool,
    ):
        spans = [each.result() for each in [pool.submit(_timed, vehicle, scenario, seed + i, latency_s) for i in range(processes)]]
    wall_s = max(end for _, end, _ in spans) - min(begin for begin, _, _ in spans)
    return Speed(scenario.config.seconds * processes, wall_s, sum(cpu_s / (end - begin) for begin, end, cpu_s in spans) / processes)


def _joins(together: Barrier, parent_pid: int) -> None:
    global _together
    _together = together
    die_with_parent(parent_pid)


def _timed(vehicle: Path, scenario: Scenario, seed: int, latency_s: float | None) -> tuple[float, float, float]:
    """Begin and end of a drive on the clock that all processes share, and its CPU time."""
    try:
        _drive(vehicle, lasting(scenario, min(WARM_UP_S, scenario.config.seconds)), seed, latency_s)
        if _together is not None:
            _together.wait(STARTED_WITHIN_S)
    except BaseException:
        if _together is not None:
            _together.abort()  # nobody waits for this one
        raise
    begin, cpu_s = time.perf_counter(), time.process_time()
    seconds, why = _drive(vehicle, scenario, seed, latency_s)
    if seconds < scenario.config.seconds - 0.1:
        raise DriveBenchError(f"{scenario.name}, seed {seed}: the drive ended after {seconds:g} of {scenario.config.seconds:g} s: {why}")
    return begin, time.perf_counter(), time.process_time() - cpu_s


def _drive(vehicle: Path, scenario: Scenario, seed: int, latency_s: float | None) -> tuple[float, str]:
    from heron_control.proving_ground.closed_loop import LoopCar
    from heron_sim.driving.episode import drive_episode
    from heron_sim.driving.ideal import drive_ideally

    car, (town, route) = LoopCar.load(vehicle), scenario.build(seed)
    if latency_s is None:
        return drive_ideally(car, town, route, scenario.config, seed).seconds, ""
    episode = drive_episode(car, town, route, scenario.config, seed, latency_s)
    return episode.seconds, "; ".join(episode.failures)
