"""Random and adversarial trajectories and command streams: not one frame on the bus breaks a limit, and a gate that lets one through is found out."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from heron_bringup.actuation import fuzz as actuation_fuzz
from heron_bringup.actuation import fuzz_case
from heron_bringup.actuation.fuzz import FuzzReport, fuzz
from heron_bringup.actuation.fuzz_car import FAULTS, Parts
from heron_bringup.actuation.fuzz_case import ARGUMENTS, COMMANDS, TIMES, run_case
from heron_bringup.actuation.fuzz_plans import KINDS
from heron_bringup.paths import config_folder
from heron_control import gate, gate_window

DEMO = config_folder() / "vehicle" / "demo"
OUTCOMES = ("engaged", "engaged_again", "plan_rejected", "angle_returned", "gate_narrowed", "gate_ladder", "gate_refused")
EVERYTHING = {*FAULTS, *TIMES, *OUTCOMES}
EVERYTHING |= {f"plan_{kind}" for kind in KINDS} | {f"command_{kind}" for kind in COMMANDS} | {f"argument_{kind}" for kind in ARGUMENTS}


@pytest.fixture(scope="module")
def parts() -> Parts:
    return Parts(DEMO)


def check(report: FuzzReport, cases: int) -> None:
    assert report.unsafe == [] and report.crashes == []
    assert (report.cases, report.frames_unsafe) == (cases, 0)
    assert report.frames_checked > 60 * cases, "cases are too short"
    assert report.frames_with_request > 0.4 * report.frames_checked, "the gate was hardly ever asked for anything"
    assert {name for name in EVERYTHING if not report.faults_met.get(name)} == set(), "these never happened"
    assert report.faults_met["engaged"] > 0.4 * cases, "control hardly ever drove"


@pytest.mark.timeout(300)
def test_a_thousand_cases_break_no_limit() -> None:
    check(fuzz(1_000, seed=1, jobs=os.cpu_count() or 1), 1_000)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_a_hundred_thousand_cases_break_no_limit() -> None:
    check(fuzz(100_000, seed=1_000_000, jobs=os.cpu_count() or 1, progress=True), 100_000)


def unchecked(parts: Parts, **values: float) -> Parts:
    """A car whose gate has other limits than its judge, past every ceiling."""
    bent = Parts(DEMO)
    bent.limits = copy.copy(parts.limits)
    for name, value in values.items():
        object.__setattr__(bent.limits, name, value)
    return bent


@pytest.mark.parametrize(
    ("looser", "limit", "cases"),
    [
        ({"lateral_accel_mps2": 3.3}, "lateral_accel", 60),
        ({"lateral_jerk_mps3": 4.5}, "lateral_jerk", 20),
        ({"curvature_per_m": 0.205}, "curvature", 100),
        ({"jerk_mps3": 4.6}, "jerk", 20),
        ({"accel_max_mps2": 2.2}, "accel", 300),
        ({"accel_min_mps2": -5.0}, "accel", 200),
        ({"steer_rate_rps": 0.9}, "steer_rate", 60),
        ({"steer_rate_30mps_rps": 0.9}, "steer_rate", 100),
        ({"command_rate_factor": 2.0}, "rate", 150),
    ],
)
def test_looser_limits_in_the_gate_are_found_out(parts: Parts, looser: dict[str, float], limit: str, cases: int) -> None:
    assert limit in broken(unchecked(parts, **looser), cases)


@pytest.mark.parametrize(
    ("module", "name", "value", "limit", "cases"),
    [
        (gate, "MAX_STEP_NS", 40_000_000, "jerk", 100),
        (gate, "MAX_SILENCE_NS", 200_000_000, "continuity", 100),
        (gate_window, "LATERAL_ACCEL_CEILING_MPS2", 9.0, "lateral_accel", 300),
    ],
)
def test_a_gate_that_forgets_is_found_out(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, value: float, limit: str, cases: int
) -> None:
    monkeypatch.setattr(module, name, value)
    assert limit in broken(parts, cases)


def broken(parts: Parts, cases: int) -> Iterator[str]:
    """Limits that were broken, as they come up."""
    return (found.limit for seed in range(cases) for found in run_case(parts, seed).violations)


def test_a_seed_is_a_case(parts: Parts) -> None:
    assert run_case(parts, 17) == run_case(parts, 17) == fuzz_case.run_case(Parts(DEMO), 17)
    assert run_case(parts, 17) != run_case(parts, 18)


def test_the_report_does_not_depend_on_the_number_of_processes() -> None:
    assert fuzz(60, seed=5, jobs=2) == fuzz(60, seed=5, jobs=1)


def test_the_command_tells_how_to_make_an_unsafe_case_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], parts: Parts
) -> None:
    bent = unchecked(parts, lateral_jerk_mps3=5.0)
    monkeypatch.setattr(actuation_fuzz, "_parts", lambda vehicle: bent)
    assert actuation_fuzz.main(["--cases", "20", "--seed", "1", "--jobs", "1", "--out", str(tmp_path)]) == 1
    report: dict[str, Any] = json.loads((tmp_path / "actuation_fuzz.json").read_text())
    assert report["frames_unsafe"] and "lateral_jerk" in report["limits_broken"]
    seed = report["unsafe"][0]["seed"]
    assert f"--cases 1 --seed {seed}" in capsys.readouterr().out
    assert [found.limit for found in run_case(bent, seed).violations] == [found["limit"] for found in report["unsafe"][0]["violations"]]


def test_a_crash_of_control_is_told_with_its_seed(monkeypatch: pytest.MonkeyPatch, parts: Parts) -> None:
    def crash(self: object, tick: int) -> None:
        raise ZeroDivisionError("a straight path")

    monkeypatch.setattr(fuzz_case._Case, "_act", crash)
    monkeypatch.setattr(actuation_fuzz, "_parts", lambda vehicle: parts)
    report = fuzz(2, seed=3)
    assert [case["seed"] for case in report.crashes] == [3, 4] and "a straight path" in report.crashes[0]["error"] and not report.clean


@pytest.mark.parametrize("words", [["--cases", "0"], ["--jobs", "-1"], ["--vehicle", "/no/such/car"]])
def test_wrong_use_is_no_clean_run(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = actuation_fuzz.main(words)
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2 and words[1] in capsys.readouterr().err
