"""`./heron drive` in the simulated world: the whole graph in a closed loop, without a ray-caster where its pictures do not matter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drives import ROOT, Run, environment, heron, report_of
from recordings import bytes_of, noise_jpeg

from heron_bag.native import camera_frames, explanations, instructions, truths
from heron_bag.reader import open_bag
from heron_bringup import cli
from heron_core.frames import CameraFrame
from heron_sim import cameras
from heron_sim.node import ExpertNode
from heron_sim.safety_driver import SafetyDriver
from heron_vla.folder import PolicyError
from heron_vla.session import Answer, OnnxPolicy

NET = ROOT / "src/heron_sim/test/data/two_junctions.net.xml"
DIGESTS = ("trajectory_sha256", "can_tx_sha256", "bag_sha256")


class Noise:
    """In the place of the cameras: pictures that show nothing, but are as many and as late."""

    def __init__(self, town: Any, rig: Any, *_: Any) -> None:
        self.rig = rig

    def frames(self, truth: Any) -> list[CameraFrame]:
        lens = {name: camera.lens for name, camera in self.rig.cameras.items()}
        return [
            CameraFrame(name, truth.stamp_ns, truth.stamp_ns, "jpeg", bytes_of(noise_jpeg(each.width, each.height, truth.time_ns // 10**8 % 13)))
            for name, each in lens.items()
        ]

    def close(self) -> None:
        pass


@pytest.fixture
def simulate(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """`simulate(*options)` → a run in this process, cameras see noise."""
    monkeypatch.setattr(cameras, "Cameras", Noise)
    monkeypatch.setattr("heron_bringup.drive.simulated._pictures", lambda *_: None)

    def run(*options: object, out: str = "out") -> Run:
        capfd.readouterr()
        code = cli.main(["drive", "--out", str(tmp_path / out), "--size", "96x64", *map(str, options)])
        said = "".join(capfd.readouterr())
        report = tmp_path / out / "report.json"
        return Run(code, said, report_of(tmp_path / out) if report.exists() else {}, tmp_path / out)

    return run


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    reports = []
    for i, (seed, hashing) in enumerate(((5, "1"), (5, "2"), (6, "1"))):
        out = tmp_path / str(i)
        ended = heron("drive", "--no-images", "--seconds", 2, "--seed", seed, "--out", out, timeout_s=400.0, PYTHONHASHSEED=hashing)
        assert ended.code == 0, ended.text
        reports.append(report_of(out))
    first, again, other = ({name: report[name] for name in DIGESTS} for report in reports)
    assert first == again
    assert all(first[name] != other[name] for name in DIGESTS)


def test_a_drive_ends_with_a_report_and_a_recording_of_everything(simulate: Callable[..., Run]) -> None:
    run = simulate("--scenario", "empty_road", "--seconds", 6, "--policy", "expert")
    assert run.code == 0, run.said
    driving = run.report["driving"]
    assert driving["distance_m"] > 3.0 and 0.0 < driving["route_completion"] < 0.1
    assert (driving["collisions"], driving["at_fault_collisions"], driving["red_lights_run"], driving["off_road_s"]) == (0, 0, 0, 0.0)
    assert run.report["engagement"]["engagements"] == 1 and run.report["scenario"]["failures"] == []
    assert set(run.report["cameras"]) == {camera for camera in run.report["cameras"] if run.report["cameras"][camera]["frames"] == 60}
    assert run.report["plans"] == 60 and run.report["latency_ms"]["exposure_to_can"]["p99"] <= 100.0
    with open_bag(run.out / "bag") as bag:
        seen = [truth for _, truth in truths(bag)]
        frames = list(camera_frames(bag))
        assert [truth.time_ns for truth in seen] == [i * 10**8 for i in range(1, 61)]
        assert len(frames) == 7 * 60 and {frame.stamp_ns for _, frame in frames} == {truth.stamp_ns for truth in seen}
        assert {log_ns - frame.stamp_ns for log_ns, frame in frames} == {12_000_000}
        assert all(each.english and each.japanese for _, each in explanations(bag)) and list(explanations(bag))
        assert list(instructions(bag))
        assert {"/can/tap", "/odom", "/imu", "/gnss/fix", "/plan/trajectory", "/control/status", "/tf_static"} <= set(bag.topics)
        assert {"vehicle/rig.yaml", "vehicle/can.yaml", "scenario/empty_road.yaml"} <= set(bag.attachments)


def test_the_recording_replayed_gives_the_plans_of_the_live_run(simulate: Callable[..., Run], tmp_path: Path) -> None:
    live = simulate("--scenario", "empty_road", "--seconds", 5, "--policy", "kinematic")
    replay = simulate("--bag", live.out / "bag", "--policy", "kinematic", "--lockstep", "--no-images", out="replay")
    assert replay.code == 0, replay.said
    assert live.report["plans"] == replay.report["plans"] > 20
    assert live.report["trajectory_sha256"] == replay.report["trajectory_sha256"]
    with open_bag(live.out / "bag") as recorded, open_bag(replay.out / "bag") as heard:
        assert list(instructions(recorded)) == list(instructions(heard)) != []


STOPPED_AFTER_2_S = """
import signal, sys
from heron_bringup import cli
from heron_sim.driving.judge import Judge

signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal: whoever starts tests in the background has it ignored
observe = Judge.observe

def impatient(judge, truth):
    observe(judge, truth)
    if truth.time_ns == 2 * 10**9:
        signal.raise_signal(signal.SIGINT)

Judge.observe = impatient
code = cli.main(sys.argv[1:])
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
sys.exit(code)
"""


def test_ctrl_c_leaves_the_report_of_what_was_driven(tmp_path: Path) -> None:
    words = ["drive", "--scenario", "empty_road", "--seconds", "9", "--no-images", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", STOPPED_AFTER_2_S, *words]
    ended = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=100.0)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 130 and "stopped by Ctrl-C after 2.0 s" in said, (ended.returncode, said)
    report = report_of(tmp_path / "out")
    assert report["recorded_s"] == 2.0 and report["driving"]["distance_m"] > 1.0
    with open_bag(tmp_path / "out" / "bag") as bag:
        assert len(list(truths(bag))) == 20


def test_the_policy_alone_is_told_what_a_policy_may_see(simulate: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    from heron_vla.node import PolicyNode

    heard: list[str] = []
    subscribe = PolicyNode.subscribe
    monkeypatch.setattr(PolicyNode, "subscribe", lambda self, topic, *rest: (heard.append(topic), subscribe(self, topic, *rest))[1])
    assert simulate("--scenario", "empty_road", "--seconds", 1.5, "--policy", "kinematic").report["mode"] == "simulation"
    assert sorted(heard) == ["/frames", "/instruction", "/vehicle/state"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--scenario", "moon"), "no scenario 'moon'"),
        (("--scenario", "nowhere/at/all.yaml"), "no such scenario file"),
        (("--scenario", "town", "--bag", "x"), "--scenario town is for the simulated world"),
        (("--bag", "x", "--policy", "expert"), "--policy expert is for the simulated world"),
        (("--policy", "kinematic", "--no-images"), "only the expert can drive"),
        (("--policy", "nothing/there"), "neither 'kinematic' nor a folder"),
        (("--size", "big"), "--size 'big' is no size"),
        (("--size", "9000x9000"), "allowed 16x16 .. 1920x1280"),
        (("--seed", "-1"), "--seed -1"),
    ],
)
def test_wrong_wishes_are_refused_in_a_sentence(simulate: Callable[..., Run], options: tuple[str, ...], text: str) -> None:
    run = simulate(*options)
    assert run.code == cli.EXIT_WRONG_USE and text in run.said, run.said


@pytest.mark.parametrize(
    ("scenario", "text"),
    [
        (f"town: {{net: {NET}, left_hand: false}}\nroute: {{length_m: 19000}}", "19000 m"),
        ("route: {turns: [follow]}", "follow"),
        ("seconds: -3", "seconds = -3"),
        ("wheather: {}", "wheather"),
        ("town: {net: nothing.net.xml}", "nothing.net.xml"),
    ],
)
def test_impossible_scenarios_are_refused_in_a_sentence(simulate: Callable[..., Run], tmp_path: Path, scenario: str, text: str) -> None:
    (tmp_path / "my.yaml").write_text(scenario)
    run = simulate("--scenario", tmp_path / "my.yaml", "--no-images")
    assert run.code == cli.EXIT_WRONG_USE and text in run.said, run.said


def test_a_policy_that_crashes_is_a_failed_run_with_a_report(simulate: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    setup = ExpertNode.setup

    def begin(self: ExpertNode) -> None:
        setup(self)
        plan = self._expert.plan  # of this driver alone: the world's judge asks an expert of its own

        def crash(truth: Any) -> Any:
            if truth.time_ns > 3_000_000_000:
                raise RuntimeError("out of wits")
            return plan(truth)

        monkeypatch.setattr(self._expert, "plan", crash)

    monkeypatch.setattr(ExpertNode, "setup", begin)
    run = simulate("--scenario", "empty_road", "--seconds", 6, "--no-images")
    assert run.code == cli.EXIT_FAILED and "component policy crashed: RuntimeError: out of wits" in run.said
    assert run.report["plans"] == 30 and run.report["driving"]["distance_m"] >= 0.0
    with open_bag(run.out / "bag") as bag:
        assert len(list(truths(bag))) == 31  # what was driven until then can be looked at


def test_a_policy_that_sends_nothing_is_a_failed_run(simulate: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: OnnxPolicy, request: Any) -> Any:
        raise PolicyError("no idea")

    monkeypatch.setattr(OnnxPolicy, "answer", nothing)
    run = simulate("--scenario", "empty_road", "--seconds", 4, "--policy", "kinematic")
    assert run.code == cli.EXIT_FAILED and "no plan was made" in run.said and "Heron never drove" in run.said
    assert run.report["engagement"]["engagements"] == 0
    assert run.report["driving"]["distance_m"] < 4.0 * 7.0 + 1.0  # rolls on as it began, with the safety driver at the wheel


def test_a_policy_whose_plans_go_anywhere_is_told_so(simulate: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxPolicy, "answer", lambda self, request: Answer(np.full((40, 4), 1e30, np.float32)))
    run = simulate("--scenario", "empty_road", "--seconds", 2, "--policy", "kinematic")
    assert run.code == cli.EXIT_FAILED and "control refused every plan: " in run.said and "Heron never drove" in run.said
    assert run.report["engagement"]["engagements"] == 0


def test_who_never_engages_has_failed(simulate: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SafetyDriver, "_buttons", lambda *_: {})
    run = simulate("--scenario", "empty_road", "--seconds", 4, "--no-images")
    assert run.code == cli.EXIT_FAILED and "Heron never drove" in run.said
