"""The processes of the car, in real time, on a small recording: whole, interrupted, and with one of them killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drives import Running, report_of, until
from recordings import CAMERAS, FRAMES, LEAD_NS, start_of

from heron_bag.native import plans, vehicle_states
from heron_bag.reader import open_bag

pytestmark = pytest.mark.alone

KEYS = ("policy", "cameras", "plans", "can", "image_copies", "latency_ms", "gate", "engagement", "trajectory_sha256", "can_tx_sha256", "bag_sha256")


@dataclass
class Cut:
    """A run that was disturbed in its middle."""

    code: int
    text: str
    out: Path
    left: dict[int, str]
    took_s: float
    killed_pid: int


def _wait_for_the_middle(running: Running, small: Path, out: Path) -> None:
    """Until half of the images have been played."""

    def offset_ns() -> int:
        spec = json.loads((out / "spec" / "perception.json").read_text())
        return int(spec["components"][0]["params"]["time_offset_ns"])

    until(lambda: (out / "spec" / "actuation.json").exists() or running.process.poll() is not None, 30, "the processes")
    middle_ns = offset_ns() + start_of(small) + LEAD_NS + 1_200_000_000
    until(lambda: time.time_ns() > middle_ns or running.process.poll() is not None, 30, "the middle of the recording")
    assert running.process.poll() is None, running.text()


def _cut(small: Path, folder: Path, disturb: Callable[[Running], int]) -> Cut:
    """A run that is disturbed in its middle by `disturb`, which returns the pid of what it killed."""
    options = ("--policy", "kinematic", "--no-images", "--out", folder / "out")
    with closing(Running("drive", "--bag", small, *options, log=folder / "said.txt")) as running:
        _wait_for_the_middle(running, small, folder / "out")
        began_s = time.monotonic()
        killed_pid = disturb(running)
        code = running.wait()
        return Cut(code, running.text(), folder / "out", running.pids(), time.monotonic() - began_s, killed_pid)


def test_a_whole_run_reports_everything(observed: Any) -> None:
    report = report_of(observed.out)
    assert observed.code == 0, observed.text
    assert set(KEYS) <= set(report)
    assert report["mode"] == "realtime" and report["failed"] == []
    assert report["image_copies"] == 0 and report["can"]["tx"] > 100 and report["can"]["rx"] > 1500
    assert {"limited", "rejected"} <= set(report["gate"]) and report["engagement"]["state"] == "shadow"
    for stage in ("preprocess", "inference", "exposure_to_can"):
        assert 0 < report["latency_ms"][stage]["p50"] <= report["latency_ms"][stage]["p99"] < 2000, stage
    assert all(len(report[name]) == 64 for name in ("trajectory_sha256", "can_tx_sha256", "bag_sha256"))


def test_nothing_is_lost_without_being_counted(observed: Any) -> None:
    """A busy machine may lose frame sets; then the report says which stage lost them."""
    report = report_of(observed.out)
    lost = report["queue_dropped"].get("frames", {})
    assert len(report["cameras"]) == CAMERAS
    for name, camera in report["cameras"].items():
        topic = f"/camera/{name.removeprefix('CAM_').lower()}/image/compressed"
        assert camera["frames"] + lost.get(topic, 0) == report["source"]["published"][name] == FRAMES
    sets = report["frame_sets"]
    assert sets["published"] == sets["complete"] - sets["displaced"]
    assert report["plans"] == sets["published"] - report["frame_sets_dropped"] - sum(report["plans_refused"].values())
    assert report["plans"] > FRAMES // 2


def test_a_whole_run_records_what_was_published_and_leaves_no_process(observed: Any) -> None:
    assert not observed.left, observed.left
    with open_bag(observed.out / "bag") as bag:
        assert bag.warnings == []
        recorded = list(plans(bag))
        assert not [topic for topic in bag.topics if topic.startswith("/camera/") and topic.endswith("/compressed")]
        assert "vehicle/rig.yaml" in bag.attachments and "/can/tap" in bag.topics
    assert len(recorded) == report_of(observed.out)["plans"]


def test_ctrl_c_ends_in_order_with_a_report(small: Path, tmp_path: Path) -> None:
    def interrupt(running: Running) -> int:
        running.ctrl_c()
        return 0

    run = _cut(small, tmp_path, interrupt)
    assert run.code == 1 and "failed: stopped by a signal before the end" in run.text, run.text
    assert not run.left and run.took_s < 20
    report = report_of(run.out)
    assert 0 < report["plans"] < FRAMES and len(report["failed"]) == 1
    assert "Traceback" not in run.text
    with open_bag(run.out / "bag") as bag:
        assert bag.warnings == []
        assert report["plans"] - len(list(plans(bag))) in (0, 1)  # one may be on its way to the recorder


def test_a_killed_process_is_named_and_the_other_ends_in_order(small: Path, tmp_path: Path) -> None:
    def kill(running: Running) -> int:
        pid = running.pid_of("perception.json")
        os.kill(pid, signal.SIGKILL)
        return pid

    run = _cut(small, tmp_path, kill)
    assert run.code == 1, run.text
    assert f"process perception (pid {run.killed_pid}) ended with SIGKILL; its last lines:" in run.text
    assert (run.out / "log" / "perception.log").read_text().splitlines()[-1] in run.text
    assert "Traceback" not in run.text and not run.left and run.took_s < 20
    assert "stopping: SIGINT" in (run.out / "log" / "actuation.log").read_text()
    report = report_of(run.out)
    assert "perception" in report["failed"][0] and len(report["failed"]) == 1
    assert report["can"]["tx"] > 100 and report["gate"]["rejected"] == 0, "control reported at its end"
    with open_bag(run.out / "bag") as bag:  # the recorder died too: what it had written counts
        assert bag.warnings and len(list(vehicle_states(bag))) > 20
