"""Tests at once: those marked `alone` or `slow` have no test of another worker beside them, and each worker has a DDS domain."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MINE = ("PYTEST_", "HERON_TEST_")  # variables of the run that this test is in
FILE = """
import os, time
from pathlib import Path
import pytest

@pytest.mark.{mark}
@pytest.mark.parametrize("index", range(8))
def test_it(index):
    begin = time.monotonic()
    time.sleep(0.1)
    with Path("log.txt").open("a") as log:
        log.write(f"{mark} {{begin}} {{time.monotonic()}} {{os.environ['ROS_DOMAIN_ID']}}\\n")
"""
MARKERS = "\n".join(["[tool.pytest.ini_options]", 'markers = ["alone", "slow", "usual"]'])


@pytest.mark.parametrize("mark", ["alone", "slow", "usual"])
def test_who_must_be_alone_is(tmp_path: Path, mark: str) -> None:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text(MARKERS)
    for name, each in (("one", mark), ("two", "usual")):
        (tmp_path / f"test_{name}.py").write_text(FILE.format(mark=each))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(MINE)} | {
        "ROS_DOMAIN_ID": "80",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout
    ran = sorted((float(begin), float(end), name, domain) for name, begin, end, domain in map(str.split, (tmp_path / "log.txt").open()))
    assert len(ran) == 16
    assert {domain for *_, domain in ran} == {"80", "14"}
    beside = any(later[0] < earlier[1] for earlier, later in pairwise(ran) if mark in (earlier[2], later[2]))
    assert beside == (mark == "usual")
