"""Every limit and comparison of the gate and of who drives, mutated, makes a test fail: all in the slow suite, one of each kind always."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import mutants
import mutation
import mutation_report
import pytest


def run(out: Path, *options: str) -> dict[str, int]:
    """The numbers of its report, in a process of its own: it loads the gate anew for every mutant."""
    done = subprocess.run([sys.executable, mutation.__file__, "--out", str(out), *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / "mutation.md").read_text().startswith("# Mutants of the gate and of who drives: ")
    numbers: dict[str, int] = json.loads((out / "mutation.json").read_text())
    return numbers


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_every_mutant_is_killed(tmp_path: Path) -> None:
    numbers = run(tmp_path)
    assert numbers["mutants"] > 900 and numbers["killed"] + numbers["equivalent"] == numbers["mutants"]
    assert numbers["equivalent"] == len(mutation_report.EQUIVALENT)


def test_one_mutant_of_each_kind_is_killed(tmp_path: Path) -> None:
    numbers = run(tmp_path, "--sample")
    assert numbers["mutants"] >= 12 and numbers["killed"] == numbers["mutants"]


@pytest.mark.parametrize(
    ("files", "read"),
    [
        ("gate gate_window", "jerk_mps3 accel_max_mps2 accel_min_mps2 lateral_jerk_mps3 curvature_per_m steer_max_rad speed_max_mps accel_mps2"),
        ("gate gate_window", "command_rate_factor period_s share window_s blind_s"),
        ("ladder", "warn_s soft_stop_s emergency_s emergency_distance_m"),
        ("conditions", "age_max_s blind_s torque_nm throttle deviation_m deviation_yaw_rad deviation_yaw_warn_rad speed_max_mps"),
    ],
)
def test_every_limit_that_is_read_has_mutants(files: str, read: str) -> None:
    found = [each for name in files.split() for each in mutants.mutants(f"heron_control/heron_control/{name}.py")]
    assert set(read.split()) <= {each.before.split(".")[-1] for each in found if each.kind == "limit"}


def test_the_harness_sees_a_survivor(tmp_path: Path) -> None:
    """A change that no test can see is told as such, and its row says so."""
    mutant = mutants.Mutant("heron_control/heron_control/gate.py", 1, "Gate.send", "number", "1", "2", 0, 0)
    mutation_report.write_report({mutant: "", dataclasses.replace(mutant, variant=1): "test_x"}, 1.0, tmp_path)
    text = (tmp_path / "mutation.md").read_text()
    assert "1 of 2 killed" in text and "**SURVIVED**" in text and "test_x" in text
