"""What a run of `drive` refuses before it starts, and what it leaves alone in its output folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_bringup.drive.inputs import EXPERT, KINEMATIC, MARKER, DriveOptions, fitting_driver, open_recording, prepare_out
from heron_bringup.drive.report import read_component_reports
from heron_bringup.paths import config_folder, shipped_policy
from heron_core.arrays import read_only
from heron_core.errors import InputError
from heron_core.frames import CameraFrame
from heron_core.rig import load_rig
from heron_core.signals import Event
from heron_vla.folder import load_policy
from heron_vla.kinematic import write_kinematic


def test_results_of_an_earlier_run_go_and_everything_else_stays(tmp_path: Path) -> None:
    prepare_out(tmp_path)
    (tmp_path / "bag").mkdir()
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "mine.txt").write_text("keep")
    prepare_out(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", MARKER}


def test_a_folder_that_no_run_made_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "vehicle").mkdir()
    with pytest.raises(InputError, match=r"holds vehicle, which no run.*another folder"):
        prepare_out(tmp_path)
    assert (tmp_path / "vehicle").is_dir()


@pytest.mark.parametrize("inside", ["bag", "bag/bag_0.mcap", "vehicle"])
def test_an_input_inside_the_output_is_never_removed(tmp_path: Path, inside: str) -> None:
    prepare_out(tmp_path)
    (tmp_path / inside).mkdir(parents=True)
    with pytest.raises(InputError, match="lies in --out"):
        prepare_out(tmp_path, [tmp_path / inside])
    assert (tmp_path / inside).is_dir()


def test_an_output_that_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file is a file; give a folder"):
        prepare_out(tmp_path / "file")
    with pytest.raises(InputError, match=r"/proc/nowhere cannot be written: No such file"):
        prepare_out(Path("/proc/nowhere"))


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_seconds_are_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="--seconds"):
        DriveOptions(Path("out"), seconds=seconds)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy that ships with Heron; it wants the demonstration car's front camera."""
    folder = write_kinematic(tmp_path / "driveheron")
    description = yaml.safe_load((folder / "policy.yaml").read_text())
    description["views"][0]["required"] = True
    (folder / "policy.yaml").write_text(yaml.safe_dump(description))
    monkeypatch.setattr("heron_bringup.drive.inputs.shipped_policy", lambda: folder)
    return folder


BAG = Path("recording")


@pytest.mark.parametrize(
    ("options", "with_it", "without"),
    [
        ({}, "shipped", EXPERT),
        ({"images": False}, EXPERT, EXPERT),
        ({"policy": EXPERT}, EXPERT, EXPERT),
        ({"policy": KINEMATIC}, KINEMATIC, KINEMATIC),
        ({"bag": BAG}, "shipped", KINEMATIC),
        ({"bag": BAG, "images": False}, "shipped", KINEMATIC),
        ({"bag": BAG, "policy": "mine"}, "mine", "mine"),
        ({"street": True}, "shipped", KINEMATIC),
        ({"live": True}, KINEMATIC, KINEMATIC),
    ],
)
def test_who_drives_unless_told(options: dict[str, Any], with_it: str, without: str, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert DriveOptions(Path("out"), **options).driver == (str(shipped) if with_it == "shipped" else with_it)
    monkeypatch.setattr("heron_bringup.drive.inputs.shipped_policy", lambda: None)
    assert DriveOptions(Path("out"), **options).driver == without


def test_a_car_without_the_cameras_of_the_shipped_policy_is_driven_by_another(shipped: Path, tmp_path: Path) -> None:
    demo, said = config_folder() / "vehicle" / "demo", list[str]()
    assert fitting_driver(DriveOptions(Path("out"), bag=BAG), demo, said.append) == str(shipped)
    assert said == []
    rig = yaml.safe_load((demo / "rig.yaml").read_text())
    del rig["cameras"]["CAM_FRONT"]
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(rig))
    for options, other in ((DriveOptions(Path("out"), bag=BAG), KINEMATIC), (DriveOptions(Path("out")), EXPERT)):
        assert fitting_driver(options, tmp_path, said.append) == other
        assert "CAM_FRONT" in said[-1]
        assert said[-1].endswith(f"so {other} drives")
    asked = DriveOptions(Path("out"), bag=BAG, policy=str(shipped))
    assert fitting_driver(asked, tmp_path, said.append) == str(shipped), "what was asked for is refused, not replaced"


def test_the_shipped_policy_fits_the_demonstration_car_and_is_small() -> None:
    folder = shipped_policy()
    assert folder is not None, "config/policy/driveheron is gone: nothing learnt would drive"
    assert load_policy(folder, load_rig(config_folder() / "vehicle" / "demo" / "rig.yaml")).spec.name == "driveheron"
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 15_000_000
    assert list(folder.glob("*.md")), "a policy ships with its card"


def test_a_component_report_cut_short_is_told_not_raised(tmp_path: Path) -> None:
    (tmp_path / "can.json").write_text('{"component": "can"}')
    (tmp_path / "policy.json").write_text('{"compo')
    reports, damaged = read_component_reports(tmp_path)
    assert reports == [{"component": "can"}]
    assert len(damaged) == 1 and "policy.json" in damaged[0]


@pytest.mark.parametrize(
    ("topic", "message", "text"),
    [
        ("/events", Event(1, "k", "s", "t"), r"no images"),
        (
            "/camera/front/image/compressed",
            CameraFrame("CAM_FRONT", 1, 1, "jpeg", read_only(np.zeros(3, np.uint8))),
            r"no CAN frames",
        ),
    ],
)
def test_a_recording_that_cannot_be_driven_says_what_it_lacks(tmp_path: Path, topic: str, message: object, text: str) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic(topic, ros_type_of(message))
        writer.write(topic, 1, serialise(message))
    with pytest.raises(InputError, match=text):
        open_recording(tmp_path / "bag")
