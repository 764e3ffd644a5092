"""Random and adversarial trajectories and command streams, through pilot and gate onto a bus whose bytes an independent judge reads.

    python -m heron_bringup.actuation.fuzz --cases 2000 --seed 1 --jobs 2 --out DIR

Case i has the seed SEED + i, so `--cases 1 --seed N` makes the case of seed N again. `--out DIR` gets `actuation_fuzz.json`. Exit code 1 says that a
frame broke a limit, or that control crashed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from heron_bringup.actuation.fuzz_car import Parts
from heron_bringup.actuation.fuzz_case import CaseResult, run_case
from heron_bringup.paths import config_folder
from heron_core.errors import HeronError
from heron_runtime.watchdog import die_with_parent

CHUNK = 50  # cases per task of a worker
TOLD = 100  # unsafe cases that a report lists in full


@dataclass
class FuzzReport:
    """Sum of many cases.

    Attributes:
        seed, cases: which ones.
        frames_checked, frames_with_request, frames_unsafe: by the judge.
        limits_broken: violations per limit.
        faults_met: ticks in which each fault had its effect.
        unsafe: seed and violations of the first unsafe cases.
        crashes: seed and error of the cases in which control crashed.
    """

    seed: int
    cases: int = 0
    frames_checked: int = 0
    frames_with_request: int = 0
    frames_unsafe: int = 0
    limits_broken: dict[str, int] = field(default_factory=dict)
    faults_met: dict[str, int] = field(default_factory=dict)
    unsafe: list[dict[str, Any]] = field(default_factory=list)
    crashes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """No frame broke a limit and control never crashed."""
        return not self.frames_unsafe and not self.crashes

    def add(self, case: CaseResult) -> None:
        """Counts one case."""
        self.cases += 1
        self.frames_checked += case.frames
        self.frames_with_request += case.requests
        self.frames_unsafe += case.unsafe_frames
        _count(self.faults_met, case.met)
        _count(self.limits_broken, Counter(found.limit for found in case.violations))
        if case.violations and len(self.unsafe) < TOLD:
            self.unsafe.append({"seed": case.seed, "violations": [asdict(found) for found in case.violations]})
        if case.crash:
            self.crashes.append({"seed": case.seed, "error": case.crash})

    def to_json(self) -> str:
        """The report, sorted."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def fuzz(cases: int, seed: int, jobs: int = 1, progress: bool = False, vehicle: Path | None = None) -> FuzzReport:
    """Runs `cases` cases with the seeds `seed`, `seed` + 1, …, in `jobs` processes; the report does not depend on `jobs`.

    `vehicle` is the folder of one car; default: the demonstration car.
    """
    vehicle = vehicle or config_folder() / "vehicle" / "demo"
    report, shown = FuzzReport(seed), time.monotonic()
    for results in _chunks(cases, seed, jobs, vehicle):
        for case in results:
            report.add(case)
        if progress and time.monotonic() - shown > 5.0:
            shown = time.monotonic()
            print(f"{report.cases} of {cases} cases, {report.frames_checked} frames, {report.frames_unsafe} unsafe", file=sys.stderr, flush=True)
    return report


def run_bench(cases: int = 2000, seed: int = 1) -> dict[str, Any]:
    """The keys `frames_checked` and `frames_unsafe` of `bench actuation`."""
    report = fuzz(cases, seed, jobs=os.cpu_count() or 1)
    return {
        "frames_checked": report.frames_checked,
        "frames_unsafe": report.frames_unsafe,
        "fuzz_cases": report.cases,
        "fuzz_crashes": len(report.crashes),
    }


def _count(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, times in more.items():
        total[name] = total.get(name, 0) + times


def _chunks(cases: int, seed: int, jobs: int, vehicle: Path) -> Iterator[list[CaseResult]]:
    starts = range(seed, seed + cases, CHUNK)
    tasks = [(str(vehicle), start, min(CHUNK, seed + cases - start)) for start in starts]
    if jobs <= 1 or len(tasks) <= 1:
        yield from map(_run_chunk, tasks)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), spawn, initializer=die_with_parent, initargs=(os.getpid(),)) as pool:
        yield from pool.map(_run_chunk, tasks)


@lru_cache(maxsize=1)
def _parts(vehicle: str) -> Parts:
    return Parts(Path(vehicle))


def _run_chunk(task: tuple[str, int, int]) -> list[CaseResult]:
    vehicle, start, count = task
    return [run_case(_parts(vehicle), seed) for seed in range(start, start + count)]


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m heron_bringup.actuation.fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=2000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of the first case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--vehicle", type=Path, help="folder of one car; default: the demonstration car")
    parser.add_argument("--out", type=Path, help="folder for actuation_fuzz.json")
    asked = parser.parse_args(arguments)
    for name in ("cases", "jobs"):
        if getattr(asked, name) < 1:
            parser.error(f"--{name} {getattr(asked, name)}, allowed: 1 and more")
    return asked


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    asked = _arguments(arguments)
    try:
        if asked.vehicle:
            Parts(asked.vehicle)  # a wrong car is said here, not by every worker
    except HeronError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 2
    report = fuzz(asked.cases, asked.seed, asked.jobs, progress=True, vehicle=asked.vehicle)
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "actuation_fuzz.json").write_text(report.to_json())
    print(
        f"{report.cases} cases from seed {report.seed}: {report.frames_checked} frames, {report.frames_with_request} with a request,"
        f" {report.frames_unsafe} unsafe, {len(report.crashes)} crashes"
    )
    for case in report.unsafe[:10]:
        first = case["violations"][0]
        print(f"  --cases 1 --seed {case['seed']}: {len(case['violations'])} violations, first {first}")
    for crash in report.crashes[:10]:
        print(f"  --cases 1 --seed {crash['seed']}: {crash['error']}")
    return 0 if report.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
