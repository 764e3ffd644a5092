"""Wrong configuration, as `heron drive` meets it: one sentence that names file and key, and exit code 2, before anything starts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from drives import ROOT, Run, heron, kinematic, run_graph

from heron_core.errors import ConfigError


def _edited(car: Path, folder: Path, name: str, edit: Callable[[str], str]) -> Path:
    shutil.copytree(car, folder)
    text = (folder / name).read_text()
    assert edit(text) != text
    (folder / name).write_text(edit(text))
    return folder


WRONG_CARS = [
    (
        "rig.yaml",
        lambda text: text.replace("topic: front\n", "topic: front\n    topik: x\n"),
        "CAM_FRONT: unknown key 'topik'; did you mean 'topic'?",
    ),
    ("can.yaml", lambda text: text.replace("odometry:", "odometri:"), "unknown key 'odometri'; did you mean 'odometry'?"),
    ("limits.yaml", lambda text: text.replace("speed_max_mps", "speed_max"), "unknown key 'speed_max'; did you mean 'speed_max_mps'?"),
    ("vehicle.yaml", lambda text: text.replace("wheelbase_m", "wheelbase"), "unknown key 'wheelbase'; did you mean 'wheelbase_m'?"),
    ("limits.yaml", lambda text: text.replace("accel_min_mps2: -3.5", "accel_min_mps2: -35.0"), "accel_min_mps2"),
    ("rig.yaml", lambda text: re.sub(r"- 150\.99\d+", "- -151.0", text), "CAM_FRONT"),
    ("rig.yaml", lambda text: text.replace("model: plumb_bob", "model: plumb"), "plumb"),
    (
        "can.yaml",
        lambda text: text.replace("signal: SPEED,", "signal: SPED,"),
        "state.speed.signal: message VEHICLE_SPEED has no signal 'SPED'; nearest: SPEED",
    ),
]


@pytest.mark.parametrize(("name", "edit", "says"), WRONG_CARS, ids=[f"{name}-{says.split()[-1]}" for name, _, says in WRONG_CARS])
def test_a_wrong_car_is_refused_by_file_and_key(
    name: str, edit: Callable[[str], str], says: str, car: Path, small: Path, tmp_path: Path, drive: Callable[..., Run]
) -> None:
    folder = _edited(car, tmp_path / "car", name, edit)
    run = drive(small, "--vehicle", folder)
    assert run.code == 2
    (line,) = [line for line in run.said.splitlines() if line.startswith("heron drive: ")]
    assert str(folder / name) in line and says in line
    assert "Traceback" not in run.said and not run.report


def test_a_wrong_profile_names_component_and_key(small: Path, car: Path, tmp_path: Path) -> None:
    profile = yaml.safe_load((ROOT / "config" / "profile" / "replay.yaml").read_text())
    profile["/camera"]["ros__parameters"]["exposure_ofset_ms"] = 1.0
    with pytest.raises(ConfigError, match=r"camera: unknown key 'exposure_ofset_ms'; did you mean 'exposure_offset_ms'"):
        run_graph(small, car, tmp_path, profile)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda folder: shutil.rmtree(folder), "is neither 'kinematic' nor a folder"),
        (lambda folder: (folder / "policy.yaml").unlink(), "policy.yaml"),
        (lambda folder: _replace(folder / "policy.yaml", "views:", "viewz:"), "policy.yaml: unknown key 'viewz'; did you mean 'views'?"),
        (lambda folder: _want_roof(folder / "policy.yaml"), "requires CAM_ROOF"),
        (lambda folder: next(folder.glob("*.onnx")).write_bytes(b"x"), ".onnx"),
    ],
    ids=["no folder", "no description", "unknown key", "other rig", "other graph"],
)
def test_a_wrong_policy_is_refused_with_the_reason(
    edit: Callable[[Path], object], says: str, small: Path, tmp_path: Path, drive: Callable[..., Run]
) -> None:
    folder = Path(shutil.copytree(kinematic(), tmp_path / "policy"))
    edit(folder)
    run = drive(small, "--policy", folder)
    assert run.code == 2
    (line,) = [line for line in run.said.splitlines() if line.startswith("heron drive: ")]
    assert says in line and (str(folder) in line or "rig 'demo'" in line)
    assert "Traceback" not in run.said and not run.report


def _want_roof(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    content["views"][0].update(camera="CAM_ROOF", required=True)
    path.write_text(yaml.safe_dump(content))


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("mode", [["--lockstep"], []], ids=["lockstep", "realtime"])
def test_a_person_sees_one_clear_line(mode: list[str], car: Path, small: Path, tmp_path: Path) -> None:
    folder = _edited(car, tmp_path / "car", *WRONG_CARS[2][:2])
    ended = heron("drive", "--bag", small, "--vehicle", folder, "--no-images", "--out", tmp_path / "out", *mode)
    assert ended.code == 2, ended.text
    assert ended.text.count("speed_max'") == 1, ended.text
    assert f"heron drive: {folder / 'limits.yaml'}: unknown key 'speed_max'" in ended.err
    assert "Traceback" not in ended.text
