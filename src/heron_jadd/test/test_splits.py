"""Splits by place: no cell is in both splits, more recordings change nothing, what lies in cells of both is left out and said."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy_drive as toy

from heron_core.signals import FixType, GnssFix
from heron_jadd.check import check
from heron_jadd.config import JaddConfig
from heron_jadd.create import FailedError, create
from heron_jadd.selection import select
from heron_jadd.splits import PLACE_DEG, cells_of, misplaced, validation
from heron_jadd.stored import jobs_of

CONFIG = JaddConfig(
    undistort=False, pose="odometry", scene_s=2.0, shortest_s=2.0, rate_hz=2.0, keyframe_hz=2.0, cameras=("CAM_FRONT",), val_by="place", val_share=0.5
)
CELL = (7000, 27814)  # cells from here to the east are train, val, val, train, train, by their hashes


def far(path, legs):
    """A drive whose fixes go east, so many cells from one leg's beginning to its end, each leg 2.5 s long; None: no fixes."""
    found = []
    for log_ns, topic, message in toy.entries(2.5 * len(legs) - 0.4, ("CAM_FRONT",), truth=False):
        if isinstance(message, GnssFix):
            t_s = (message.stamp_ns - toy.START_NS) / toy.S
            leg = legs[min(int(t_s // 2.5), len(legs) - 1)]
            if leg is None:
                message = dataclasses.replace(message, fix=FixType.NONE)
            else:
                east = leg[0] + (leg[1] - leg[0]) * (t_s % 2.5) / 2.5
                message = dataclasses.replace(message, latitude_deg=(CELL[0] + 0.5) * PLACE_DEG, longitude_deg=(CELL[1] + east) * PLACE_DEG)
        found.append((log_ns, topic, message))
    return toy.write(path, found)


def rows(out, name="scenes"):
    return pq.read_table(out / f"tables/{name}.parquet").to_pylist()


def places(out, row):
    """By the dataset's own table of fixes."""
    inside = [
        fix for fix in rows(out, "gnss") if fix["scene_token"] == row["token"] and row["start_ns"] <= fix["stamp_ns"] <= row["end_ns"] and fix["fix"]
    ]
    return {(math.floor(fix["latitude_deg"] / PLACE_DEG), math.floor(fix["longitude_deg"] / PLACE_DEG)) for fix in inside}


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    """Cells 0, 1 and 2 within them; from 2 into 3; back in 1; nowhere. And another drive, in 1 and 4."""
    root = tmp_path_factory.mktemp("drives")
    legs = [(0.2, 0.4), (1.2, 1.4), (2.2, 2.4), (2.8, 3.2), (1.5, 1.6), None]
    return [far(root / "one", legs), far(root / "two", [(1.1, 1.2), (4.1, 4.2), (3.1, 3.2)])]


@pytest.fixture(scope="module")
def dataset(drives, tmp_path_factory):
    out = tmp_path_factory.mktemp("dataset")
    return out, create(drives, out, CONFIG)


def test_no_place_is_in_both_splits(dataset):
    out, made = dataset
    where = {split: set() for split in ("train", "val")}
    for row in rows(out):
        assert places(out, row)
        where[row["split"]] |= places(out, row)
    assert where["train"]
    assert where["val"]
    assert not where["train"] & where["val"]
    assert made.scenes == len(rows(out)) == 9 - made.between
    assert any("nobody knows where they were" in problem for problem in made.problems)
    assert made.between == 2
    assert any("1 scenes lie in places for training and in places for validation" in problem for problem in made.problems)
    assert {row["split"] for row in rows(out, "recordings")} == {"both"}
    told = json.loads((out / "nuscenes/v1.0-trainval/splits.json").read_text())
    assert {name: f"jadd_{row['split']}" for row in rows(out) for name in [row["name"]]} == {
        name: split for split, names in told.items() for name in names
    }


def test_the_check_and_a_selection_know_such_splits(dataset, tmp_path):
    out, _ = dataset
    assert not check(out).findings
    select(out, [row["token"] for row in rows(out)], tmp_path / "all", "all")
    assert (tmp_path / "all/tables").readlink() == (out / "tables").readlink()


@pytest.mark.slow
def test_more_recordings_change_no_scenes_split(dataset, drives, tmp_path):
    create(drives[1:], tmp_path, CONFIG)
    before = {row["token"]: row["split"] for row in rows(tmp_path)}
    assert before.items() <= {row["token"]: row["split"] for row in rows(dataset[0])}.items()


@pytest.mark.slow
def test_drives_are_split_whole(drives, tmp_path):
    made = create(drives, tmp_path, dataclasses.replace(CONFIG, val_by="drive"))
    assert (made.scenes, made.between) == (9, 0)
    assert len({(row["recording"], row["split"]) for row in rows(tmp_path)}) == 2
    assert sorted(row["split"] for row in rows(tmp_path, "recordings")) == ["train", "val"]


def test_the_share_is_about_what_is_asked_for_and_neither_split_is_empty():
    cells = [(row, column) for row in range(7000, 7040) for column in range(27800, 27850)]
    for share in (0.1, 0.2, 0.5):
        assert len(validation(cells, share)) / len(cells) == pytest.approx(share, abs=0.02)
    assert validation(cells, 0.1) < validation(cells, 0.2)
    assert (len(validation(cells, 0.0)), len(validation(cells, 1.0))) == (0, 2000)
    for one in range(0, 2000, 100):
        assert len(validation(cells[one : one + 2], 0.3)) == 1
        assert len(validation(cells[one : one + 1], 0.3)) in (0, 1)


@pytest.mark.slow
def test_fused_poses_tell_the_place_and_dead_reckoning_tells_none(tmp_path):
    drive = toy.drive(tmp_path / "drive", 6.0, cameras=("CAM_FRONT",), truth=False)
    fused = dataclasses.replace(CONFIG, pose="fusion", val_share=1.0)
    made = create([drive], tmp_path / "out", fused)
    assert {row["split"] for row in rows(tmp_path / "out")} == {"val"}
    assert made.between == 0
    (job,) = (
        job for job in jobs_of(tmp_path / "out", rows(tmp_path / "out")[1:2], json.loads((tmp_path / "out/dataset.json").read_text())["parameters"])
    )
    (job.folder / "gnss.parquet").unlink()
    assert cells_of(job) == {(7002, 27804)}, "just north-east of 35.01 N, 139.02 E"
    lost = far(tmp_path / "lost", [None, None])
    with pytest.raises(FailedError, match="neither fused poses nor fixes; val_by = drive takes them"):
        create([lost], tmp_path / "nowhere", CONFIG)


def test_check_computes_the_places_anew(dataset, tmp_path):
    """A scene whose split was changed is found, by its own place or by another scene of it; so is a scene of which nobody knows where it was."""
    whole, _ = dataset
    assert check(whole).findings == {}
    out = tmp_path / "copy"
    shutil.copytree(whole, out, symlinks=True)
    path = out / "tables/scenes.parquet"
    table = pq.read_table(path)
    told = table.to_pylist()
    told[0]["split"] = "val" if told[0]["split"] == "train" else "train"
    pq.write_table(pa.Table.from_pylist(told, table.schema), path, compression="zstd")
    found = check(out, quick=True).findings["split_place"]
    assert f"{told[0]['name']} is in {told[0]['split']}; the place at 35.000, 139.07" in found.examples[0]
    assert misplaced({"a": {CELL}, "b": {CELL}}, {"a": "train", "b": "val"}, 0.5)[0][2] == "scene a lies there too, and is in train"
    where = out / "scenes" / told[1]["token"] / told[1]["product"] / "gnss.parquet"
    fixes = pq.read_table(where)
    pq.write_table(fixes.set_column(fixes.schema.get_field_index("fix"), "fix", pa.array([0] * len(fixes), pa.int32())), where, compression="zstd")
    assert any("nobody knows where it was" in each for each in check(out, quick=True).findings["split_place"].examples)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_what_the_splits_say_is_never_misplaced(share):
    """Whichever scenes are left out; and a scene in the other split is, but for the one place that may have been moved."""
    rng = np.random.default_rng(4)
    for _ in range(60):
        places = {(int(north), int(east)) for north, east in rng.integers(0, 30, (rng.integers(1, 9), 2))}
        held = validation(places, share)
        kept = [place for place in sorted(places) if rng.random() < 0.7]
        cells = {str(place): {place} for place in kept}
        splits = {str(place): "val" if place in held else "train" for place in kept}
        assert misplaced(cells, splits, share) == []
        turned = {token: "train" if split == "val" else "val" for token, split in splits.items()}
        assert len(misplaced(cells, turned, share)) >= len(kept) - 2
