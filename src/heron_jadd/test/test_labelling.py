"""An auto-labeller of somebody else says the boxes: they are what it said, they are marked, it is asked once, and what is no box is refused."""

import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy

from heron_bringup import cli
from heron_core.errors import InputError
from heron_core.se3 import SE3
from heron_jadd import labelling
from heron_jadd.check import check
from heron_jadd.config import JaddConfig
from heron_jadd.create import FailedError, create
from heron_jadd.job import Job
from heron_jadd.poses import PoseTrack
from heron_jadd.recording import probe
from heron_jadd.scene import run_scene
from heron_jadd.split import split

CAMERAS = ("CAM_FRONT", "CAM_BACK")
OPTIONS = {"pose": "odometry", "undistort": False, "scene_s": 3.0, "shortest_s": 2.0, "val_share": 0.0, "rate_hz": 2.0}
CODE = '''
import json
import math
from pathlib import Path

import cv2

from heron_jadd.labelling import Label

HERE = Path(__file__).parent


def detect(sight):
    """A car that stands at (40, 3) in the world, seen by anybody who knows where he is; a walker 4 m to the left, and one too far away."""
    shown = [[[camera, cv2.imread(str(path)).shape[:2]] for camera, path in moment.images.items()] for moment in sight.moments]
    with (HERE / "asked.txt").open("a") as file:
        file.write(json.dumps(shown) + "\\n")
    assert all(eye.lens.width == 192 for eye in sight.cameras.values())
    found = []
    for moment in sight.moments:
        x, y, yaw = moment.pose
        c, s, dx, dy = math.cos(yaw), math.sin(yaw), 40.0 - x, 3.0 - y
        car = Label(7, "vehicle.car", (c * dx + s * dy, c * dy - s * dx, 0.75), 0.1 - yaw, (1.8, 4.5, 1.5), 0.9)
        walker = Label(8, "human.pedestrian.adult", (0.0, 4.0, 0.9), 0.0, (0.5, 0.5, 1.8), 0.4)
        found.append([car, walker, Label(9, "vehicle.car", (300.0, 0.0, 0.7), 0.0, (2.0, 4.0, 1.4), 0.2)])
    return found


detect.version = "3"


def wrong(sight):
    return [[Label(1, WRONG, (1.0, 0.0, 0.0), 0.0, (1.0, 1.0, 1.0), 0.5)] for _ in sight.moments]


WRONG = "unicorn"
wrong.version = "1"


def broken(sight):
    raise ZeroDivisionError("by nothing")


broken.version = "1"


def nameless(sight):
    return []
'''


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """Their module, and a recording."""
    (tmp_path / "their_labels.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    labelling.labeller_of.cache_clear()
    yield tmp_path, toy.drive(tmp_path / "drive", 3.4, cameras=CAMERAS)
    labelling.labeller_of.cache_clear()
    sys.modules.pop("their_labels", None)


def made(folder, out, **more):
    create([folder / "drive"], folder / out, JaddConfig(**{**OPTIONS, "labeller": "their_labels:detect", **more}))
    return {path.stem: pq.read_table(path).to_pylist() for path in (folder / out / "tables").glob("*.parquet")}


def asked(folder):
    path = folder / "asked.txt"
    return path.read_text().splitlines() if path.exists() else []


def test_boxes_are_what_the_labeller_said_and_are_marked(theirs):
    folder, _ = theirs
    tables = made(folder, "out")
    cars = [(row["x_m"], row["y_m"], row["z_m"], row["yaw_rad"], row["visible"]) for row in tables["boxes"] if row["category"] == "vehicle.car"]
    assert len(cars) == len(tables["samples"]) == 7
    for car in cars:
        assert car[:4] == pytest.approx((40.0, 3.0, 0.75, 0.1), abs=1e-6)
        assert car[4] == 1.0
    labels = {row["box_token"]: row for row in tables["labels"]}
    assert {(labels[row["token"]]["score"], row["category"]) for row in tables["boxes"]} == {(0.9, "vehicle.car"), (0.4, "human.pedestrian.adult")}
    assert {(row["labeller"], row["version"]) for row in labels.values()} == {("their_labels:detect", "3")}
    assert len(labels) == len(tables["boxes"]) == 14
    (told,) = json.loads((folder / "out/nuscenes/v1.0-trainval/scene.json").read_text())
    assert told["description"] == "human drives; boxes by their_labels:detect, no ground truth"
    assert not check(folder / "out").findings


def scene(folder, **more):
    """The scene alone, without a dataset around it."""
    config, recording = JaddConfig(**{**OPTIONS, "labeller": "their_labels:detect", **more}), probe(folder / "drive")
    job = Job(recording, split(recording, config).scenes[0], config, folder / "store")
    run_scene(job)
    return {name: pq.read_table(job.folder / f"{name}.parquet").to_pylist() for name in ("boxes", "labels")}


def test_it_is_asked_once_for_what_it_saw(theirs):
    folder, _ = theirs
    first = scene(folder)
    (line,) = asked(folder)
    assert json.loads(line) == [[[camera, [108, 192]] for camera in CAMERAS]] * 7
    assert repr(scene(folder, reach_m=60.0, rate_hz=5.0)) == repr(first)  # another product, the same pictures of the samples; NaN is like NaN
    assert len(asked(folder)) == 1
    (cached,) = (folder / "store").rglob("labels/*.json")
    cached.write_text(cached.read_text()[:-40])  # torn
    assert repr(scene(folder, reach_m=50.0)) == repr(first)
    assert len(asked(folder)) == 2
    sys.modules["their_labels"].detect.version = "4"
    labelling.labeller_of.cache_clear()
    assert {row["version"] for row in scene(folder)["labels"]} == {"4"}
    assert len(asked(folder)) == 3


def test_what_is_no_box_is_refused_and_who_said_it_is_named(theirs):
    folder, _ = theirs
    with pytest.raises(labelling.LabellerError, match=r"labeller their_labels:wrong 1, sample of \d+ ns: .*unicorn.*: the category is none of "):
        scene(folder, labeller="their_labels:wrong")
    with pytest.raises(FailedError, match="labeller their_labels:broken 1 failed: ZeroDivisionError: by nothing"):
        made(folder, "out", labeller="their_labels:broken")
    assert not (folder / "out/dataset.json").exists()
    with pytest.raises(InputError, match="has to be a function with an attribute `version`"):
        scene(folder, labeller="their_labels:nameless")
    with pytest.raises(InputError, match="labeller nowhere:detect: cannot be imported: ModuleNotFoundError"):
        scene(folder, labeller="nowhere:detect")
    with pytest.raises(ValueError, match="expected MODULE:FUNCTION"):
        JaddConfig(labeller="rm -rf")


def test_it_is_given_on_the_command_line(theirs):
    folder, recording = theirs
    more = [option for name, value in OPTIONS.items() for option in ("--set", f"{name}={value}")]
    told = ["--input", str(recording), "--labeller", "their_labels:detect", *more, "--workers", "1", "--out", str(folder / "out")]
    assert cli.main(["jadd", "create", *told]) == 0
    assert len(asked(folder)) == 3  # twice by the estimate, of a stretch: what a labeller takes nobody else knows
    assert len(list((folder / "out").rglob("labels/*.json"))) == 1


def test_an_estimate_asks_it_of_a_stretch_and_says_if_it_fails(theirs, capsys):
    folder, recording = theirs
    told = ["--input", str(recording), *[option for name, value in OPTIONS.items() for option in ("--set", f"{name}={value}")], "--workers", "1"]
    assert cli.main(["jadd", "estimate", *told, "--labeller", "their_labels:detect"]) == 0
    assert [len(json.loads(line)) for line in asked(folder)] == [7, 7]
    assert cli.main(["jadd", "estimate", *told]) == 0
    assert len(asked(folder)) == 2
    assert cli.main(["jadd", "estimate", *told, "--labeller", "their_labels:broken"]) != 0
    assert "labeller their_labels:broken 1 failed: ZeroDivisionError: by nothing" in "".join(capsys.readouterr())


def test_between_samples_boxes_stand_still_in_the_world():
    stamps = np.arange(11, dtype=np.int64) * 100 * toy.MS
    poses = np.column_stack([0.5 * np.arange(11), np.zeros(11), 0.02 * np.arange(11)])
    track = PoseTrack(stamps, poses, np.full(11, 5.0), np.full(11, 0.2))
    sight = labelling.Sight({}, [labelling.Moment(int(stamps[k]), tuple(poses[k].tolist()), {}) for k in (0, 5)])
    label = labelling.Label(1, "vehicle.car", (10.0, 2.0, 0.8), 0.3, (2.0, 4.0, 1.6), 1.0)
    at = labelling.boxes_of(sight, [[label], []], track)
    (box,) = at(200 * toy.MS, {}, 80.0)
    here = SE3.from_rpy(0.0, 0.0, 0.04, (1.0, 0.0, 0.0)).inverse().apply(np.array([(10.0, 2.0, 0.8)]))
    assert box.center == pytest.approx(here[0])
    assert box.yaw_rad == pytest.approx(0.26)
    assert at(300 * toy.MS, {}, 80.0) == []  # of the sample at 500 ms
    assert at(1000 * toy.MS + 1, {}, 80.0) is None
    assert at(200 * toy.MS, {}, 8.0) == []
