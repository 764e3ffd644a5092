"""How punctual control is: the real `actuation` process on a Unix bus with a simulated car, while other processes burn every core.

Ticks are read from the stamps of the command frames as the car gets them: `UnixBus` stamps a frame in the process that sends it, at the moment of
sending. So a tick's time contains all that happens until its frame is written, and nothing of how the receiver is scheduled.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from numpy.typing import NDArray

from heron_bringup.actuation.fuzz import run_bench
from heron_bringup.drive.report import read_component_reports
from heron_bringup.paths import config_folder, launch_folder
from heron_can.car import load_car
from heron_control.proving_ground.closed_loop import LoopCar, LoopConfig, drive
from heron_control.proving_ground.course_config import CourseConfig
from heron_control.tracker import Tracker
from heron_core.errors import HeronError
from heron_core.settings import load_yaml
from heron_runtime.bench import domain
from heron_runtime.launch_reader import Component, Process, parse
from heron_runtime.realtime import fifo_permitted
from heron_runtime.supervisor import Supervisor

PERIOD_NS = 10_000_000
START_S = 30.0
WARM_UP_TICKS = 200
SETTLE_S = 2.0
WINDOW_S = 20.0
LOOP_S = 12.0
CAR_PRIORITY = 60
"""The control units of a car are hardware: no load of this machine delays them."""
SPEED_KMH, RADIUS_M = 50, 120
Figures = dict[str, Any]


def run() -> dict[str, Any]:
    """The `actuation` keys of `bench.json`.

    Raises:
        HeronError: a process did not run to its end, or the car got too few frames for a figure.
    """
    figures: Figures = {}
    for part in PARTS:
        figures.update(part())
    return {"actuation": figures}


def punctuality() -> Figures:
    """Deviation of the ticks under load, with SCHED_FIFO and without, and how long a plan takes to the first frame computed from it."""
    figures: Figures = {}
    if fifo_permitted():
        figures.update(_drive(realtime=True))
    else:
        figures["tick_note"] = "SCHED_FIFO is not permitted here: no figure with it; allow 'rtprio' in /etc/security/limits.conf, or run as root"
    normal = _drive(realtime=False)
    figures.update({f"{key[: -len('_ms')]}_normal_ms": normal[key] for key in ("tick_p50_ms", "tick_p99_ms", "tick_late_p99_ms")})
    return figures


def tracking() -> Figures:
    """CPU time that following a plan takes per tick, in a slalom on simulated time, without load."""
    car = LoopCar.load(config_folder() / "vehicle" / "demo")
    course = CourseConfig("slalom", speed_kmh=float(SPEED_KMH), radius_m=float(RADIUS_M), lead_m=20.0).build(car.limits, car.model)
    spent_ms: list[float] = []
    step = Tracker.step

    def timed(tracker: Tracker, *arguments: Any, **named: Any) -> Any:
        began_ns = time.thread_time_ns()
        motion = step(tracker, *arguments, **named)
        spent_ms.append((time.thread_time_ns() - began_ns) / 1e6)
        return motion

    with patch.object(Tracker, "step", timed):
        drive(car, course, LoopConfig(seconds=LOOP_S))
    p50, p99 = np.percentile(spent_ms, (50, 99))
    return {"mpc_cpu_ms": round(float(p50), 3), "mpc_cpu_p99_ms": round(float(p99), 3)}


def tick_figures(stamps_ns: NDArray[np.int64], period_ns: int = PERIOD_NS) -> Figures:
    """Deviations of ticks from their period, and their lateness.

    Args:
        stamps_ns: (n,) of the ticks, in order.
        period_ns: that they should have.

    Returns:
        tick_p50_ms, tick_p99_ms: |distance of two ticks - period|. tick_worst_ms: the largest. tick_late_p99_ms: lateness against the grid of
        the period in which they are least late, below one period. ticks: how many.
    """
    deviation_ms = np.abs(np.diff(stamps_ns) - period_ns) / 1e6
    phases_ns = stamps_ns % period_ns
    late_ms = min(((phases_ns - phase) % period_ns / 1e6 for phase in np.unique(phases_ns)), key=lambda late: float(late.mean()))
    p50, p99 = np.percentile(deviation_ms, (50, 99))
    return {
        "tick_p50_ms": round(float(p50), 3),
        "tick_p99_ms": round(float(p99), 3),
        "tick_worst_ms": round(float(deviation_ms.max()), 3),
        "tick_late_p99_ms": round(float(np.percentile(late_ms, 99)), 3),
        "ticks": len(stamps_ns),
    }


def plan_to_frame(report: dict[str, Any]) -> Figures:
    """Time from a plan's publication in the planner's process to the first frame computed from it, in ticks, from control's full report.

    It begins before the plan arrives (DDS is in it), so it is an upper bound of what the actuation process answers for.
    """
    stages = report["stages_ms"]
    ticks = (np.asarray(stages["transport"]) + np.asarray(stages["control"])) / (PERIOD_NS / 1e6)
    return {"plan_to_frame_ticks": round(float(np.percentile(ticks, 99)), 3), "plans": len(ticks)}


def _drive(realtime: bool) -> Figures:
    """One drive under load on the simulated car."""
    with tempfile.TemporaryDirectory(prefix="heron-bench-") as scratch, ExitStack() as stack:
        out = Path(scratch)
        vehicle = _vehicle(out / "vehicle", channel=f"bench{os.getpid()}")
        log, truth = out / "car.jsonl", f"bench{os.getpid()}-truth"
        supervisor = Supervisor(
            _graph(vehicle, truth, out, realtime), {**os.environ, "ROS_DOMAIN_ID": str(domain()), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, out
        )
        stack.enter_context(_running(_car_command(vehicle, truth, log)))
        burning_ns = 0

        def over() -> bool:
            nonlocal burning_ns
            if not burning_ns and len(command_stamps(log, vehicle)) > WARM_UP_TICKS:  # what starts up is not what drives
                for _ in range(os.cpu_count() or 1):
                    stack.enter_context(_running([sys.executable, "-c", "while True: pass"]))
                burning_ns = time.time_ns()
            late_s = (time.time_ns() - (burning_ns or began_ns)) / 1e9
            return late_s > (SETTLE_S + WINDOW_S if burning_ns else START_S)

        began_ns = time.time_ns()
        failed = [ended.explain() for ended in supervisor.run(over) if ended.failed]
        if failed:
            raise HeronError("\n".join(["the drive did not run to its end", *failed]))
        first_ns = burning_ns + round(SETTLE_S * 1e9)
        stamps_ns = command_stamps(log, vehicle)
        stamps_ns = stamps_ns[(stamps_ns >= first_ns) & (stamps_ns < first_ns + round(WINDOW_S * 1e9))]
        if not burning_ns or len(stamps_ns) < 0.5 * WINDOW_S * 1e9 / PERIOD_NS:
            raise HeronError(f"the car got only {len(stamps_ns)} steering commands in {WINDOW_S:.0f} s: no figure; log of actuation:\n{_tail(out)}")
        reports = {part["component"]: part for part in read_component_reports(out / "components")[0]}
        figures = tick_figures(stamps_ns)
        figures.update(plan_to_frame(reports["control"]) if reports["control"]["stages_ms"].get("transport") else {})
        return figures


def command_stamps(log: Path, vehicle: Path) -> NDArray[np.int64]:
    """(n,) when the steering commands in a log of `car_on_bus` were sent, in order."""
    steer = load_car(vehicle).commands["steer"].message.id
    found: list[int] = []
    if not log.is_file():
        return np.asarray(found, np.int64)
    for line in log.read_text(encoding="utf-8").splitlines()[:-1]:  # the last may be cut off
        entry = json.loads(line)
        if entry["kind"] == "frame" and entry["id"] == steer:
            found.append(entry["ns"])
    return np.asarray(found, np.int64)


def _vehicle(folder: Path, channel: str) -> Path:
    """The demonstration car on a bus of its own: another car may run on this machine."""
    shutil.copytree(config_folder() / "vehicle" / "demo", folder)
    settings = load_yaml(folder / "can.yaml")
    for index, bus in enumerate(settings["buses"].values()):
        bus["channel"] = f"{channel}-{index}"
    (folder / "can.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


def _graph(vehicle: Path, truth: str, out: Path, realtime: bool) -> list[Process]:
    """`actuation` as on the vehicle but on the Unix bus, and a planner that knows the road in place of `perception`."""
    arguments = {"vehicle": str(vehicle), "policy": "none", "report_dir": str(out / "components")}
    actuation = next(process for process in parse(launch_folder() / "heron.launch.xml", arguments) if process.name == "actuation")
    free = ("required_components", "planner")  # those of the vehicle are not here
    parts = tuple(
        replace(part, params={**{name: value for name, value in part.params.items() if name not in free}, "interface": "unix"})
        for part in actuation.components
    )
    params = actuation.params if realtime else {**actuation.params, "realtime_priority": 0}
    course: dict[str, Any] = {"course.kind": "circle", "course.speed_kmh": float(SPEED_KMH), "course.radius_m": float(RADIUS_M)}
    planner = Component("heron_control", "heron_control::CoursePlanner", "policy", "", {"vehicle": str(vehicle), "truth": truth, **course}, ())
    perception = replace(actuation, name="perception", params={"expected_components": ["policy"]}, components=(planner,))
    return [perception, replace(actuation, params=params, components=parts)]


def _car_command(vehicle: Path, truth: str, log: Path) -> list[str]:
    options = {
        "--vehicle": vehicle,
        "--course": "circle",
        "--speed-kmh": SPEED_KMH,
        "--radius-m": RADIUS_M,
        "--truth": truth,
        "--log": log,
        "--seconds": START_S + SETTLE_S + WINDOW_S + 30.0,
        "--priority": CAR_PRIORITY,
        "--act": "do=engage_button,at_s=2,until=followed",
    }
    return [sys.executable, "-m", "heron_control.proving_ground.car_on_bus", *(str(word) for option in options.items() for word in option)]


@contextmanager
def _running(command: Sequence[str]) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def _tail(out: Path) -> str:
    return "\n".join((out / "log" / "actuation.log").read_text(encoding="utf-8").splitlines()[-10:])


PARTS: tuple[Callable[[], Figures], ...] = (punctuality, tracking, run_bench)
"""Each adds its figures."""
