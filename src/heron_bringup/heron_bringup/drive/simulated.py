"""A run in the simulated world: scenario, car, cameras and driver in lock-step, from the options to the report."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from heron_bag.digest import bag_digest
from heron_bringup.drive.budget import Budget, load_budget
from heron_bringup.drive.inputs import EXPERT, KINEMATIC, DriveOptions, check_inputs, fitting_driver, link_arguments, prepare_out
from heron_bringup.drive.lockstep_run import run_lockstep
from heron_bringup.drive.outcome import DriveOutcome, Progress, failures, policy_folder
from heron_bringup.drive.report import join_reports, write_report
from heron_bringup.drive.result import RunResult
from heron_bringup.paths import config_folder, launch_folder
from heron_can.car import load_car
from heron_core.errors import InputError
from heron_core.rig import dump_rig, load_rig
from heron_core.signals import Explanation
from heron_core.truth import Truth
from heron_runtime.launch_reader import Process, parse
from heron_sim.drawing import rays
from heron_sim.scenario import Scenario, lasting, load_scenario

START_NS = 1_767_225_600_000_000_000  # 2026-01-01 00:00 UTC: a world's time begins anew with each run
DEFAULT_SCENARIO = "town"
VEHICLE_FILES = ("rig.yaml", "vehicle.yaml", "limits.yaml")


def drive_simulated(options: DriveOptions, say: Callable[[str], None], progress: Progress) -> DriveOutcome:
    """Drives a scenario and writes `report.json`, the recording and the pictures into `options.out`.

    Args:
        options: what the command line says.
        say: gets one line per step, for the person at the terminal.
        progress: see `Progress`.

    Raises:
        HeronError: an input cannot be used; the text says why.
    """
    scenario = load_scenario(options.scenario or DEFAULT_SCENARIO, config_folder() / "scenario")
    scenario = lasting(scenario, options.seconds)
    budget = load_budget(config_folder() / "budget.yaml")
    source = options.vehicle or config_folder() / "vehicle" / "demo"
    _check_car(source, options)
    driver = fitting_driver(options, source, say)
    expert = driver == EXPERT
    policy = policy_folder(KINEMATIC if expert else driver)  # the expert's frame sets have the baseline's pictures
    check_inputs(source, policy)  # before the car is copied: errors name the file that was given
    prepare_out(options.out, [source, policy, scenario.path])
    vehicle = _car(source, options)
    processes = _processes(options, policy, vehicle, scenario.path, expert)
    seconds = scenario.config.seconds
    who = EXPERT if expert else policy.name
    say(f"driving in {scenario.name!r} ({scenario.config.title}), seed {options.seed}, {seconds:g} s, with {who}")
    if options.images:
        _tell_compilation(say)
    telling = _Telling(progress, seconds)
    started_s = time.monotonic()
    result = run_lockstep(
        processes,
        START_NS,
        None,
        budget.latency_ns(),
        options.out / "bag",
        _attachments(vehicle, scenario.path),
        telling.time,
        images=True,
        watch=telling.hear,
    )
    report = _report(options, scenario, result, budget, time.monotonic() - started_s)
    for note in report["scenario"].get("notes", ()):
        say(f"note: {note}")
    write_report(report, options.out)  # first: a disk that fills up costs the pictures only
    if options.images and result.plans and not result.stopped:
        say("drawing the pictures")
        _pictures(options, scenario, vehicle, result, report, budget.total, say, progress)
    broken = () if result.stopped else report["scenario"]["failures"]  # it was not let come so far
    return DriveOutcome(report, (*failures(report, result), *_refused(report), *broken), result.stopped)


def _refused(report: dict[str, Any]) -> tuple[str, ...]:
    """That control took no plan at all, and why."""
    refused = {reason: count for reason, count in report.get("plans_rejected", {}).items() if count}
    if not refused or sum(refused.values()) < report["plans"]:
        return ()
    return (f"control refused every plan: {', '.join(f'{count} {reason}' for reason, count in refused.items())}",)


class _Telling:
    """The live line: simulated time, speed, way and what the driver says."""

    def __init__(self, progress: Progress, seconds: float) -> None:
        self._progress, self._seconds = progress, seconds
        self._said, self._speed_mps, self._way_m = "", 0.0, 0.0
        self._told_ns = 0

    def hear(self, message: Any) -> None:
        """Takes what is published."""
        if isinstance(message, Explanation):
            self._said = message.english
        elif isinstance(message, Truth):
            self._speed_mps = message.ego.speed_mps
            self._way_m += self._speed_mps * 0.1

    def time(self, now_ns: int) -> None:
        """Tells, ten times in a simulated second at most."""
        if now_ns - self._told_ns >= 100_000_000:
            self._told_ns = now_ns
            doing = f": {self._said}" if self._said else ""
            line = f"s, {3.6 * self._speed_mps:.0f} km/h, {self._way_m / 1000.0:.2f} km{doing}"
            self._progress(line, (now_ns - START_NS) / 1e9, self._seconds)


def _check_car(source: Path, options: DriveOptions) -> None:
    if not source.is_dir():
        raise InputError(f"--vehicle {source} is no folder")
    if options.out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"--out {options.out} lies in --vehicle {source}, which is copied there; give another --out")


def _car(source: Path, options: DriveOptions) -> Path:
    """The car's files in the output folder, its cameras with pictures of the size that is rendered."""
    vehicle = options.out / "vehicle"
    shutil.copytree(source, vehicle, dirs_exist_ok=True)
    rig = load_rig(vehicle / "rig.yaml")
    try:
        smaller = replace(rig, cameras={name: rays.sized(camera, *options.size) for name, camera in rig.cameras.items()})
    except ValueError as error:
        raise InputError(f"--size {options.size[0]}x{options.size[1]}: {error}") from error
    (vehicle / "rig.yaml").write_text(dump_rig(smaller), encoding="utf-8")
    return vehicle


def _processes(options: DriveOptions, policy: Path, vehicle: Path, scenario: Path, expert: bool) -> list[Process]:
    arguments = {
        "vehicle": str(vehicle.resolve()),
        "policy": str(policy.resolve()),
        "profile": str(config_folder() / "profile" / "sim.yaml"),
        "simulated": "true",
        "scenario": str(scenario.resolve()),
        "seed": str(options.seed),
        "seconds": str(float(options.seconds or 0.0)),
        "images": str(options.images).lower(),
        "expert": str(expert).lower(),
        **link_arguments(options),
    }
    return parse(launch_folder() / "heron.launch.xml", arguments)


def _attachments(vehicle: Path, scenario: Path) -> dict[str, bytes]:
    files = {f"vehicle/{name}": (vehicle / name).read_bytes() for name in VEHICLE_FILES}
    files |= {f"vehicle/{name}": data for name, data in load_car(vehicle).attachments().items()}
    return {**files, f"scenario/{scenario.name}": scenario.read_bytes()}


def _report(options: DriveOptions, scenario: Scenario, result: RunResult, budget: Budget, wall_s: float) -> dict[str, Any]:
    report = join_reports(result.components)
    report["mode"] = "simulation"
    report["recorded_s"] = round((result.end_ns - START_NS) / 1e9, 3)
    report["wall_s"] = round(wall_s, 3)
    report["bag"] = str(options.out / "bag")
    report["bag_sha256"] = bag_digest(options.out / "bag")
    report["budget_ms"] = {"total": budget.total}
    report["failed"] = list(result.failed)
    report.setdefault("scenario", {"name": scenario.name, "seed": options.seed, "failures": []})
    return report


def _tell_compilation(say: Callable[[str], None]) -> None:
    """Says once why the first start takes longer."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(rays.__file__).with_name("__pycache__"))
    if not any("raycast" in path.name for path in folder.rglob("*.nbc")):
        say("compiling the ray-caster, once, in a minute or so")


def _pictures(
    options: DriveOptions,
    scenario: Scenario,
    vehicle: Path,
    result: RunResult,
    report: dict[str, Any],
    total_ms: float,
    say: Callable[[str], None],
    progress: Progress,
) -> None:
    from heron_bringup.latency_report import draw_budget
    from heron_bringup.mosaic import exposure_to_can_ms, make_mosaic
    from heron_bringup.town_backdrop import TownBackdrop

    made = make_mosaic(
        options.out / "bag",
        vehicle,
        result.plans,
        result.states,
        options.out,
        to_can_ms=exposure_to_can_ms(result.statuses),
        title=report["policy"]["name"],
        words=result.words,
        backdrop=TownBackdrop(scenario.build(options.seed)[0], result.truths) if result.truths else None,
        progress=partial(progress, "pictures"),
    )
    draw_budget(report["latency_ms"], options.out / "budget.png", total_ms)
    say(f"pictures: {', '.join(str(path) for path in (*made, options.out / 'budget.png'))}")
