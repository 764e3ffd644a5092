"""What the end-to-end tests share: real data, one import of it, and a small generated drive. Makes `drives` and `recordings` importable."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from drives import ROOT, Run, Running, heron, report_of
from outside import Outside
from recordings import small_car, small_drive

from heron_bringup import cli


@dataclass
class Observed:
    """A whole real-time run, and what a plain ROS 2 node beside it received; `graph`: as it saw the nodes while they drove."""

    code: int
    text: str
    out: Path
    left: dict[int, str]
    seen: dict[str, list[Any]]
    graph: dict[str, dict[str, set[str]]]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings; skips the test without it."""
    folder = Path(os.environ.get("HERON_REAL_DATA", ROOT.parent / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder}; set HERON_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def front_and_can(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dash camera's video and a car's CAN log as one recording."""
    out = tmp_path_factory.mktemp("imported") / "front_and_can"
    ended = heron("bag", "import", ROOT / "config" / "import" / "front_and_can.yaml", "--out", out, HERON_REAL_DATA=str(real_data))
    assert ended.code == 0, ended.text
    return out


@pytest.fixture(scope="session")
def car(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration car with seven small cameras; do not change it."""
    return small_car(tmp_path_factory.mktemp("vehicle") / "small")


@pytest.fixture(scope="session")
def small(car: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of CAN, then two seconds of seven small cameras at 10 Hz with CAN; do not change it."""
    return small_drive(tmp_path_factory.mktemp("drive") / "small", car)


@pytest.fixture(scope="session")
def observed(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """The small recording in real time, watched from outside."""
    folder = tmp_path_factory.mktemp("realtime")
    run = Running("drive", "--bag", small, "--policy", "kinematic", "--no-images", "--out", folder / "out", log=folder / "said.txt")
    try:
        with Outside(run.domain) as outside:
            outside.listen()
            outside.spin(lambda: bool(outside.seen.get("/plan/trajectory")) or run.process.poll() is not None, 60)
            outside.spin(lambda: False, 0.5)  # what was made last is found, too
            graph = outside.graph()
            outside.spin(lambda: run.process.poll() is not None, 60)
            return Observed(run.wait(1), run.text(), folder / "out", run.pids(), outside.seen, graph)
    finally:
        run.close()


@pytest.fixture
def drive(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """`drive(recording, *options)` → a lock-step run of the baseline in this process; an exception that is not one of ours fails the test."""

    def run(recording: Path, *options: object) -> Run:
        out = tmp_path / "out"
        capfd.readouterr()
        given = ["--policy", "kinematic", "--no-images", "--out", str(out), *map(str, options)]
        code = cli.main(["drive", "--bag", str(recording), "--lockstep", *given])
        said = "".join(capfd.readouterr())
        return Run(code, said, report_of(out) if (out / "report.json").exists() else {}, out)

    return run
