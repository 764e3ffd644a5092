"""A policy on another computer: the same drive as with the policy on board, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drives import heron, report_of
from remote_drives import check_frames, hosts, link_file, plans_of, remote_drive, rungs, serving

from heron_core.signals import Ladder

DIGESTS = ("trajectory_sha256", "can_tx_sha256", "bag_sha256")
DRIVE = ("--scenario", "empty_road", "--seconds", 2.5, "--size", "96x64", "--seed", 3, "--policy", "config/policy/driveheron")
CUT = ("--scenario", "empty_road", "--seconds", 5, "--size", "96x64", "--seed", 3, "--policy", "config/policy/driveheron")
WIRED = ("remote_encode", "remote_uplink", "remote_server_queue", "remote_server_inference", "remote_downlink", "remote_wire", "remote_round_trip")


@pytest.mark.timeout(300)
def test_the_same_drive_with_the_policy_on_another_host(tmp_path: Path) -> None:
    link = link_file(tmp_path)
    with hosts() as (vehicle, there), serving(there, link, tmp_path / "server"):
        away = remote_drive(vehicle, link, tmp_path / "away", *DRIVE)
        bad = link_file(tmp_path, "bad", simulated={"delay_ms": 40.0, "loss": 0.05, "cut_every_s": 2.0, "cut_min_s": 0.6, "cut_max_s": 1.0})
        cut = remote_drive(vehicle, bad, tmp_path / "cut", *CUT)
    assert away.code == 0, away.text
    here = heron("drive", *DRIVE, "--out", tmp_path / "here", timeout_s=110.0)
    assert here.code == 0, here.text
    thought_away, thought_here = report_of(tmp_path / "away"), report_of(tmp_path / "here")
    assert {name: thought_away[name] for name in DIGESTS} == {name: thought_here[name] for name in DIGESTS}
    assert thought_away["plans"] == thought_here["plans"] > 10
    assert thought_away["policy"]["backend"] == "remote" != thought_here["policy"]["backend"]
    _check_link(thought_away)
    assert cut.code == 0, cut.text
    report = report_of(tmp_path / "cut")
    fates = report["remote"]["simulated"]
    assert fates["cut"] > 5 and fates["passed"] - report["plans"] in (0, 1) and report["plans"] > 10  # one may be on its way
    assert all(plan.stages.inference_end_ns - plan.stages.inference_start_ns >= 110_000_000 for plan in plans_of(tmp_path / "cut"))
    assert rungs(tmp_path / "cut") >= {Ladder.WARN, Ladder.SOFT_STOP}, "the cut was long enough for the ladder"
    check_frames(tmp_path / "cut")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_processes_of_the_car_get_their_plans_from_the_other_host(tmp_path: Path) -> None:
    link = link_file(tmp_path)
    drive = heron("drive", *DRIVE, "--out", tmp_path / "here", timeout_s=110.0)
    assert drive.code == 0, drive.text
    with hosts() as (vehicle, there), serving(there, link, tmp_path / "server"):
        live = remote_drive(vehicle, link, tmp_path / "live", "--bag", tmp_path / "here" / "bag", "--no-images")
    assert live.code == 0, live.text
    _check_live(report_of(tmp_path / "live"))


def _check_link(vehicle: dict[str, Any]) -> None:
    """Both hosts' stages are in the vehicle's report, and the link was clean."""
    stages = vehicle["latency_ms"]
    assert set(WIRED) <= set(stages)
    parts = sum(stages[name]["p50"] for name in ("remote_uplink", "remote_server_queue", "remote_server_inference", "remote_downlink"))
    assert 0.5 * stages["remote_round_trip"]["p50"] < parts < 1.5 * stages["remote_round_trip"]["p50"]
    link = vehicle["remote"]
    assert link["answers"] == link["requests"] == vehicle["plans"] and link["lost"] == link["displaced"] == link["gateway_restarts"] == 0
    assert link["sent_bytes"] > 100_000 * vehicle["plans"] and set(link["messages"]) == {"accepted"}


def _check_live(report: dict[str, Any]) -> None:
    """The processes of the car, in real time: plans come from the other host, and the clocks of both are known to a fraction of a frame."""
    assert report["mode"] == "realtime" and report["policy"]["backend"] == "remote"
    link = report["remote"]
    assert 5 < report["plans"] <= link["answers"] <= link["requests"]
    assert link["connected"] and link["pictures"]["encoding"].startswith("jpeg")
    assert link["clock"]["uncertainty_ms"] < 50.0 and abs(link["clock"]["offset_ms"]) < 50.0  # two namespaces have one clock
