"""The kinematic baseline: the ONNX graph is the closed form, the closed form is the motion, and the folder keeps the contract."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from heron_core.arrays import address, read_only
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_core.rig import load_rig
from heron_core.se2 import SE2
from heron_vla.folder import PolicyError, load_policy
from heron_vla.kinematic import CAMERAS, SIZE_PX, build_graph, constant_turn, ensure_kinematic, write_kinematic
from heron_vla.session import OnnxPolicy

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_kinematic(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def policy(folder: Path) -> OnnxPolicy:
    return OnnxPolicy(load_policy(folder))


def frame_set() -> FrameSet:
    images = read_only(np.zeros((len(CAMERAS), 3, SIZE_PX, SIZE_PX), dtype=np.uint8))
    n = len(CAMERAS)
    return FrameSet(0, "", tuple(CAMERAS), (1,) * n, (True,) * n, {"images": images}, {"images": address(images)})


def request(speed: float, rate: float) -> PolicyInput:
    history = np.full((8, 3), 99.0, dtype=np.float32)  # only the newest row counts
    history[-1] = speed, rate, 3.0
    return PolicyInput(frame_set(), history, 0)


@pytest.mark.parametrize("speed", [0.0, 0.3, 13.9, 36.0])
@pytest.mark.parametrize("rate", [0.0, 1e-9, 1e-5, 4e-4, 6e-4, -0.05, 0.4, -1.2])
def test_graph_is_the_closed_form(policy: OnnxPolicy, speed: float, rate: float) -> None:
    np.testing.assert_allclose(policy.plan(request(speed, rate)), constant_turn(speed, rate), atol=5e-5)


@pytest.mark.parametrize(("speed", "rate"), [(10.0, 0.0), (10.0, 0.3), (25.0, -0.1), (3.0, 1e-6)])
def test_closed_form_is_the_motion(speed: float, rate: float) -> None:
    pose, step_s, rows = SE2(), 1e-4, []
    for i in range(1, 40_001):
        pose = pose.compose(SE2(speed * step_s, 0.0, rate * step_s))
        if i % 1000 == 0:
            rows.append((pose.x, pose.y, pose.yaw, speed))
    np.testing.assert_allclose(constant_turn(speed, rate), rows, atol=2e-3)


def test_rolling_back_is_planned_as_standstill(policy: OnnxPolicy) -> None:
    assert (policy.plan(request(-0.2, 0.0)) == 0.0).all()


def test_images_are_taken_where_they_lie_and_copies_counted(policy: OnnxPolicy) -> None:
    before = policy.image_copies
    policy.plan(request(5.0, 0.0))
    assert policy.image_copies == before
    asked = request(5.0, 0.0)
    moved = {"images": read_only(asked.frames.images["images"].copy())}
    copied = FrameSet(0, "", asked.frames.cameras, asked.frames.exposure_ns, asked.frames.valid, moved, asked.frames.addresses)
    policy.plan(PolicyInput(copied, asked.ego_history, 0))
    assert policy.image_copies == before + 1


def test_the_next_plan_does_not_change_the_last(policy: OnnxPolicy) -> None:
    first = policy.plan(request(5.0, 0.1))
    kept = first.copy()
    policy.plan(request(20.0, -0.3))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_history_that_is_not_finite_gives_no_plan(policy: OnnxPolicy, value: float) -> None:
    with pytest.raises(PolicyError, match="not finite"):
        policy.plan(request(value, 0.0))


@pytest.mark.parametrize(
    ("inputs", "operation", "text"),
    [
        (["whole", "whole"], "Concat", r"driver.onnx: gave a plan of \(1, 80, 4\), declared was \(1, 40, 4\)"),
        (["whole", "beyond"], "Gather", "driver.onnx: the graph fails when it is run: .*Gather"),
    ],
)
def test_a_graph_that_fails_when_it_is_run_is_said(folder: Path, tmp_path: Path, inputs: list[str], operation: str, text: str) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    graph = onnx.load(str(broken / "driver.onnx"))
    for node in graph.graph.node:
        node.output[:] = ["whole" if name == "trajectory" else name for name in node.output]
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([50]), "beyond"))  # of 40 points
    graph.graph.node.append(onnx.helper.make_node(operation, inputs, ["trajectory"], axis=1))
    was = hashlib.sha256((broken / "driver.onnx").read_bytes()).hexdigest()
    (broken / "driver.onnx").write_bytes(graph.SerializeToString())
    now = hashlib.sha256((broken / "driver.onnx").read_bytes()).hexdigest()
    (broken / "policy.yaml").write_text((broken / "policy.yaml").read_text().replace(was, now))
    with pytest.raises(PolicyError, match=text):
        OnnxPolicy(load_policy(broken))


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    assert build_graph(7) == build_graph(7)
    subprocess.run([sys.executable, "-m", "heron_vla.kinematic", "--out", str(tmp_path / "a")], check=True)
    assert load_policy(tmp_path / "a").digest == load_policy(write_kinematic(tmp_path / "b")).digest


def test_fits_the_demonstration_rig_and_any_other(folder: Path, tmp_path: Path) -> None:
    rig = load_rig(DEMO / "rig.yaml")
    assert load_policy(folder, rig).spec.name == "kinematic"
    assert load_policy(write_kinematic(tmp_path / "one", ["CAM_FRONT"]), rig).image_shapes == {"images": (1, 3, SIZE_PX, SIZE_PX)}
    with pytest.raises(PolicyError, match="CAM_ROOF"):
        write_kinematic(tmp_path / "none", ["CAM_ROOF"])


def test_the_cache_mends_itself(folder: Path) -> None:
    (folder / "driver.onnx").write_bytes(b"torn")
    assert load_policy(ensure_kinematic(folder.parent)).path == folder
