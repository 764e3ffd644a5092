"""Filters at creation: the language and the columns of `jadd find`, and the same dataset as if the others had never been recorded."""

import dataclasses
import json
import shutil

import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from typer.testing import CliRunner

from heron_bringup.verbs.jadd_create import app
from heron_core.errors import InputError
from heron_jadd import keeping
from heron_jadd.catalogue import update
from heron_jadd.config import JaddConfig
from heron_jadd.create import FailedError, create
from heron_jadd.selection import find

CONFIG = JaddConfig(undistort=False, pose="odometry", scene_s=3.0, shortest_s=2.0, rate_hz=2.0, cameras=("CAM_FRONT",))


def keeping_only(keep):
    return dataclasses.replace(CONFIG, keep=keep)


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """Three scenes: Heron drives the first one, an event is in the second."""
    return toy.drive(tmp_path_factory.mktemp("drive") / "drive", 10.0, cameras=("CAM_FRONT",), engaged_s=(-10.0, 3.3))


@pytest.fixture(scope="module")
def whole(drive, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    create([drive], out, CONFIG)
    update(out)
    return out


def rows(out, name="scenes"):
    return pq.read_table(out / f"tables/{name}.parquet").to_pylist()


@pytest.mark.parametrize(
    "keep", ["driver = 'human' and disengagements == 0", "duration_s > 2.9", "boxes_human_pedestrian_adult > 0 AND NOT boxes_vehicle_bus"]
)
def test_what_is_kept_is_what_find_finds(whole, drive, tmp_path, keep):
    wanted = [] if "bus" in keep else list(find(whole, keep).tokens)
    out = shutil.copytree(whole, tmp_path / "out", symlinks=True)
    made = create([drive], out, keeping_only(keep))
    assert (made.scenes, made.filtered, made.reused) == (len(rows(out)), 3 - len(rows(out)), made.scenes)
    if wanted:
        assert [row["token"] for row in rows(out)] == wanted
        assert 0 < len(wanted) < 3
    for name in ("samples", "frames", "poses"):
        assert {row["scene_token"] for row in rows(out, name)} == {row["token"] for row in rows(out)}
    view = json.loads((out / "nuscenes/v1.0-trainval/scene.json").read_text())
    assert [each["token"] for each in view] == [row["token"] for row in rows(out)]
    update(out)
    assert find(out, "1").scenes == made.scenes
    assert any("boxes_vehicle_bus" in problem for problem in made.problems) == ("bus" in keep)


@pytest.mark.slow
def test_it_does_not_matter_what_was_there_before(whole, drive, tmp_path):
    keep = keeping_only("disengagements > 0")
    create([drive], tmp_path / "anew", keep)
    out = shutil.copytree(whole, tmp_path / "out", symlinks=True)
    create([drive], out, keep)
    assert (tmp_path / "anew/tables").readlink() == (out / "tables").readlink() != (whole / "tables").readlink()
    assert json.loads((out / "dataset.json").read_text())["parameters"]["keep"] == "disengagements > 0"
    create([drive], out, CONFIG)
    assert (out / "tables").readlink() == (whole / "tables").readlink()


def test_a_condition_that_is_none_is_refused_before_anything_is_made(drive, tmp_path):
    for keep, told in {
        "speed > 2": "no column speed; did you mean",
        "night and": "expected a column",
        "split = 'val'": "no column split",
        "number < 5": "no column number",
    }.items():
        with pytest.raises(InputError, match=told):
            create([drive], tmp_path / "out", keeping_only(keep))
    assert not (tmp_path / "out").exists()


def test_no_scene_that_is_kept_is_no_dataset(whole, drive, tmp_path):
    out = shutil.copytree(whole, tmp_path / "out", symlinks=True)
    with pytest.raises(FailedError, match=r"none of the 3 scenes is kept by keep = 'speed_max_mps > 90'"):
        create([drive], out, keeping_only("speed_max_mps > 90"))
    assert (out / "tables").readlink() == (whole / "tables").readlink()


@pytest.mark.slow
def test_the_command_counts_what_is_left_out(drive, tmp_path):
    names = ("undistort=false", "pose=odometry", "scene_s=3", "shortest_s=2", "keep=driver = 'heron' and speed_mean_mps > 2")
    options = [part for name in names for part in ("--set", name)]
    told = CliRunner().invoke(app, ["--input", str(drive), "--out", str(tmp_path), "--rate", "2", "--workers", "1", *options], catch_exceptions=False)
    assert told.exit_code == 0
    assert "2 more scenes were made, and are left out" in told.stdout
    assert json.loads((tmp_path / "report.json").read_text())["filtered"] == 2
    assert keeping.check_keep(" ") is None
