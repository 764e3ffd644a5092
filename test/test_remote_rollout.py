"""Rolling to a new policy while a vehicle drives: a corrupt one is refused and the old one drives on, then a good one takes over."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from drives import ROOT, Running, heron, report_of, until
from recordings import start_of
from remote_drives import hosts, link_file, serving

from heron_remote.place import put_in_place
from heron_vla.folder import load_policy

SHIPPED = ROOT / "config" / "policy" / "driveheron"
RECORD = ("--scenario", "empty_road", "--seconds", 20, "--size", "96x64", "--seed", 3, "--policy", "expert")


def put(policy: Path, place: Path, *, corrupt: bool = False) -> None:
    """As `./heron model pull` does: at once."""
    made = place.with_name("made")
    shutil.copytree(policy, made)
    if corrupt:
        graph = made / "navigator.onnx"
        graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    put_in_place(made, place)


@pytest.fixture
def successor(tmp_path: Path) -> Path:
    """The shipped policy under another name."""
    folder = tmp_path / "successor"
    shutil.copytree(SHIPPED, folder)
    text = (folder / "policy.yaml").read_text()
    (folder / "policy.yaml").write_text(text.replace("name: driveheron", "name: successor", 1))
    return folder


def wait_for_plans(run: Running, out: Path, recording: Path) -> None:
    """Until the vehicle has driven for some seconds."""
    spec = out / "spec" / "actuation.json"  # written last
    until(lambda: spec.exists() or run.process.poll() is not None, 60, "the processes")
    offset_ns = int(json.loads((out / "spec" / "perception.json").read_text())["components"][0]["params"]["time_offset_ns"])
    driven_ns = offset_ns + start_of(recording) + 4_000_000_000
    until(lambda: time.time_ns() > driven_ns or run.process.poll() is not None, 30, "the drive")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_new_policy_takes_over_while_a_vehicle_drives_and_a_corrupt_one_does_not(tmp_path: Path, successor: Path) -> None:
    recorded = heron("drive", *RECORD, "--out", tmp_path / "recorded", timeout_s=300.0)
    assert recorded.code == 0, recorded.text
    bag, served, out = tmp_path / "recorded" / "bag", tmp_path / "served", tmp_path / "rolled"
    shutil.copytree(SHIPPED, served)
    first, second = load_policy(SHIPPED).digest, load_policy(successor).digest
    link = link_file(tmp_path, accept=[second])
    drive = ("--bag", bag, "--policy", SHIPPED, "--no-images")
    with hosts() as (vehicle, there), serving(there, link, tmp_path / "server", "--policy", served, "--follow") as server:
        run = Running("drive", *drive, "--remote", link, "--out", out, log=tmp_path / "said.txt", through=vehicle.through)
        try:
            wait_for_plans(run, out, bag)
            put(successor, served, corrupt=True)
            until(lambda: f"{first[:12]} drives on" in server.text(), 20, "the refusal")
            put(successor, served)
            until(lambda: f"policy successor {second[:12]} answers now, in place of {first[:12]}" in server.text(), 20, "the change")
            assert run.process.poll() is None, run.text()
            assert run.wait(90) == 0, run.text()
        finally:
            run.close()
    link_report = report_of(out)["remote"]
    answers = link_report["answers_of"]  # plans go under the name of the vehicle's policy: control drives by those of one name
    assert set(answers) == {first, second} and min(answers.values()) > 10 and sum(answers.values()) == link_report["answers"]
    assert link_report["requests"] - link_report["answers"] == link_report["missed"], "each is accounted for"
    assert link_report["connects"] == 1 and link_report["cuts"] == link_report["gateway_restarts"] == 0, "the vehicle did not notice"
    assert report_of(tmp_path / "server")["next_policies"] == {"refused": 1, "switched": 1}
