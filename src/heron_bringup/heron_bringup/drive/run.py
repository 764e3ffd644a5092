"""One run, from the command line's options to its report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from heron_bag.digest import bag_digest
from heron_bag.reader import Bag
from heron_bringup.config import GeneratedConfig
from heron_bringup.drive.budget import Budget, load_budget
from heron_bringup.drive.inputs import DriveOptions, check_inputs, fitting_driver, link_arguments, open_recording, prepare_out, unpack_vehicle
from heron_bringup.drive.lockstep_run import run_lockstep
from heron_bringup.drive.outcome import DriveOutcome, Progress, cache_folder, failures, policy_folder
from heron_bringup.drive.realtime_run import run_realtime
from heron_bringup.drive.report import join_reports, write_report
from heron_bringup.drive.result import RunResult
from heron_bringup.drive.simulated import drive_simulated
from heron_bringup.generated import ensure_generated
from heron_bringup.paths import config_folder, launch_folder
from heron_core.errors import InputError
from heron_runtime.domain import own_domain
from heron_runtime.launch_reader import Process, parse


def drive(options: DriveOptions, say: Callable[[str], None], progress: Progress) -> DriveOutcome:
    """Drives in the simulated world, a recording or the car, and writes `report.json`, the output recording and the pictures into `options.out`.

    Args:
        options: what the command line says.
        say: gets one line per step, for the person at the terminal.
        progress: see `Progress`.

    Raises:
        HeronError: an input cannot be used; the text says why.
    """
    if options.simulated:
        return drive_simulated(options, say, progress)
    policy = policy_folder(options.driver)
    budget = load_budget(config_folder() / "budget.yaml")
    if options.live:
        return _drive_live(options, policy, budget, say, progress)
    path = options.bag or _generated(options.seed, say, progress)
    with open_recording(path) as bag:
        for warning in bag.warnings:
            say(f"warning: {warning}")
        prepare_out(options.out, [each for each in (path, options.vehicle, policy) if each is not None])
        vehicle = options.vehicle or unpack_vehicle(bag, config_folder() / "vehicle" / "demo", options.out / "vehicle")
        policy = policy_folder(fitting_driver(options, vehicle, say))
        check_inputs(vehicle, policy)
        processes = _processes(options, policy, vehicle, path)
        say(f"driving {path} in {'lock-step' if options.lockstep else 'real time'} with {policy.name}")
        started_s = time.monotonic()
        result = _replay(options, processes, bag, budget, say, progress)
        wall_s = time.monotonic() - started_s
    report = _report(options, result, budget, wall_s, result.end_ns - bag.start_ns)
    report["bag"] = str(path)
    write_report(report, options.out)  # first: a disk that fills up costs the pictures only
    if options.images and result.plans and not result.failed:
        say("drawing the pictures")
        _pictures(options, path, vehicle, result, report, budget.total, say, progress)
    return DriveOutcome(report, failures(report, result), result.stopped)


def _generated(seed: int, say: Callable[[str], None], progress: Progress) -> Path:
    def drawn(done: int, total: int) -> None:
        if done == 1:
            say(f"drawing the calibration street: {total} images, once, in a minute or two")
        progress("images", done, total)

    return ensure_generated(cache_folder().parent, GeneratedConfig(seed=seed), drawn)


def _processes(options: DriveOptions, policy: Path, vehicle: Path, bag: Path | None) -> list[Process]:
    arguments = {
        "vehicle": str(vehicle.resolve()),
        "policy": str(policy.resolve()),
        "bag": "" if bag is None else str(bag.resolve()),
        "profile": str(config_folder() / "profile" / f"{'vehicle' if bag is None else 'replay'}.yaml"),
        "report_dir": str((options.out / "components").resolve()),
        "clock": "true" if bag is not None and not options.lockstep else "false",
        "record": "false" if options.lockstep else "true",
        "record_to": str((options.out / "bag").resolve()),
        **link_arguments(options),
    }
    return parse(launch_folder() / "heron.launch.xml", arguments)


def _replay(options: DriveOptions, processes: list[Process], bag: Bag, budget: Budget, say: Callable[[str], None], progress: Progress) -> RunResult:
    end_ns = bag.end_ns if options.seconds is None else min(bag.end_ns, bag.start_ns + round(options.seconds * 1e9))
    total_s = (end_ns - bag.start_ns) / 1e9
    if options.lockstep:
        attachments = dict(bag.attachments)
        return run_lockstep(
            processes,
            bag.start_ns,
            None if options.seconds is None else end_ns,
            budget.latency_ns(),
            options.out / "bag",
            attachments,
            lambda now_ns: progress("s", (now_ns - bag.start_ns) / 1e9, total_s),
        )
    with own_domain(os.environ) as domain:
        say(f"to listen in: ROS_DOMAIN_ID={domain}")
        return run_realtime(processes, bag.start_ns, end_ns, options.out, domain, partial(progress, "s"))


def _drive_live(options: DriveOptions, policy: Path, budget: Budget, say: Callable[[str], None], progress: Progress) -> DriveOutcome:
    if options.vehicle is None:
        raise InputError("--live needs --vehicle FOLDER (rig.yaml, vehicle.yaml, can.yaml, limits.yaml of the car)")
    check_inputs(options.vehicle, policy)
    prepare_out(options.out, [options.vehicle, policy])
    processes = _processes(options, policy, options.vehicle, None)
    say("driving live; disengaged until the engage service is called (Ctrl-C ends)")
    started_s = time.monotonic()
    now_ns = time.time_ns()
    end_ns = None if options.seconds is None else now_ns + round(options.seconds * 1e9)
    result = run_realtime(processes, None, end_ns, options.out, None, partial(progress, "s"))
    wall_s = time.monotonic() - started_s
    report = _report(options, result, budget, wall_s, result.end_ns - now_ns)
    write_report(report, options.out)
    return DriveOutcome(report, failures(report, result))


def _report(options: DriveOptions, result: RunResult, budget: Budget, wall_s: float, recorded_ns: int) -> dict[str, Any]:
    report = join_reports(result.components)
    report["mode"] = "live" if options.live else "lockstep" if options.lockstep else "realtime"
    report["recorded_s"] = round(recorded_ns / 1e9, 3)
    report["wall_s"] = round(wall_s, 3)
    report["bag_sha256"] = bag_digest(options.out / "bag") if (options.out / "bag").exists() else None  # the recorder may not have started
    report["budget_ms"] = {"total": budget.total}
    report["failed"] = list(result.failed)
    return report


def _pictures(
    options: DriveOptions,
    bag: Path,
    vehicle: Path,
    result: RunResult,
    report: dict[str, Any],
    total_ms: float,
    say: Callable[[str], None],
    progress: Progress,
) -> None:
    from heron_bringup.latency_report import draw_budget
    from heron_bringup.mosaic import exposure_to_can_ms, make_mosaic

    to_can_ms = exposure_to_can_ms(result.statuses)
    drawn = partial(progress, "pictures")
    title, words = report["policy"]["name"], result.words if report.get("explanations") else ()
    made = make_mosaic(bag, vehicle, result.plans, result.states, options.out, to_can_ms=to_can_ms, title=title, words=words, progress=drawn)
    draw_budget(report["latency_ms"], options.out / "budget.png", total_ms)
    say(f"pictures: {', '.join(str(path) for path in (*made, options.out / 'budget.png'))}")
