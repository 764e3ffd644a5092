"""What is told of a dataset is what was put into it, however its rows are grouped; and the picture shows it."""

import json
import shutil

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from toy_drive import SPEED_MPS

from heron_bringup import cli
from heron_core.errors import InputError
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.info import describe
from heron_jadd.pictures import GREY, THUMB_PX, contact_sheet, draw, shots

CONFIG = JaddConfig(pose="odometry", undistort=False, scene_s=5.0, shortest_s=4.0, rate_hz=5.0, across_engagement=True)
CAMERAS = ("CAM_FRONT", "CAM_BACK")
ENGAGED_S = (2.0, 6.5)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two recordings: in one Heron drives from 2 to 6.5 s, in the other nobody but a human, a camera is late and an image torn."""
    folder = tmp_path_factory.mktemp("info")
    one = toy.drive(folder / "one", 11.2, cameras=CAMERAS, engaged_s=ENGAGED_S)
    messages = toy.entries(6.0, cameras=CAMERAS, late=[("CAM_BACK", 1.2)])
    torn = next(k for k, each in enumerate(messages) if each[1].startswith("/camera/back/") and each[2].stamp_ns == toy.START_NS + 33 * 100 * toy.MS)
    messages[torn] = toy.torn(messages[torn])
    create([one, toy.write(folder / "two", messages)], folder / "out", CONFIG)
    return folder / "out"


@pytest.fixture(scope="module")
def info(dataset):
    return describe(dataset)


def rows(dataset, name):
    return pq.read_table(dataset / "tables" / f"{name}.parquet").to_pylist()


def test_how_much_there_is(dataset, info):
    scenes = rows(dataset, "scenes")
    files = list((dataset / "nuscenes").glob("s*/*/*.jpg"))
    assert (info.recordings, info.scenes, info.samples) == (2, 3, sum(scene["samples"] for scene in scenes))
    assert (info.images, info.image_bytes) == (len(files), sum(file.stat().st_size for file in files))
    assert info.table_bytes == sum(file.stat().st_size for file in (dataset / "tables").iterdir())
    for camera in CAMERAS:
        counts = info.cameras[camera]
        assert counts["samples"] == info.samples == len(list((dataset / "nuscenes/samples" / camera).iterdir()))
        assert counts["sweeps"] == len(list((dataset / "nuscenes/sweeps" / camera).iterdir()))
        assert counts["bytes"] == sum(file.stat().st_size for file in files if file.parent.name == camera)
        assert counts["sizes"] == ["192x108"]


def test_how_long_how_far_how_fast(dataset, info):
    lasting = [(scene["end_ns"] - scene["start_ns"]) / 1e9 for scene in rows(dataset, "scenes")]
    assert info.seconds == sum(lasting)
    assert info.metres == pytest.approx(SPEED_MPS * info.seconds, rel=1e-3)  # and not what lies beside the scenes
    assert info.standing_s == 0.0
    assert histogram(info.speed_mps, 1.0) == {SPEED_MPS: pytest.approx(info.seconds, abs=1e-6)}
    assert histogram(info.yaw_rate_rps, np.degrees(1.0)) == {2.0: pytest.approx(info.seconds, abs=1e-6)}  # 2.9 °/s in bins of 2
    assert histogram(info.steer_rad, np.degrees(1.0)) == {1.0: pytest.approx(info.seconds, abs=1e-6)}  # 1.1° in bins of 1
    assert [track.driver for track in info.tracks] == ["mixed", "mixed", "human"]
    assert sum(len(track.places) for track in info.tracks) == pytest.approx(50 * info.seconds, abs=len(info.tracks))


def histogram(found, scale):
    """Lower edge → seconds, of bins that are not empty."""
    return {round(float(found.edges[k] * scale), 6): float(found.seconds[k]) for k in np.flatnonzero(found.seconds)}


def test_who_drives_in_scenes_that_both_drive_in(info):
    assert info.drivers_s == {"human": pytest.approx(info.seconds - 4.0, abs=0.05), "heron": pytest.approx(4.0, abs=0.05)}
    # 4.5 s, less the half second between two scenes


def test_what_is_said_is_counted_once_though_tables_reach_beyond_scenes(dataset, info):
    for name, what in (("instructions", "left"), ("explanations", "turn"), ("events", "disengagement")):
        assert info.said[name] == {what: 2}
    assert len(rows(dataset, "explanations")) == len(rows(dataset, "events")) == 3


def test_boxes_and_things(dataset, info):
    boxes = rows(dataset, "boxes")
    for category, count in info.boxes.items():
        mine = [row for row in boxes if row["category"] == category]
        assert count == {"boxes": len(mine), "instances": len({row["instance_token"] for row in mine})}
    assert list(info.boxes) == ["vehicle.car", "human.pedestrian.adult"]
    assert info.boxes["vehicle.car"]["instances"] == 2 * info.scenes


def test_what_was_lost(info):
    assert info.dropped == {"no image of CAM_BACK": 3}
    assert info.lost == {"CAM_BACK": {"torn": 1}}
    assert info.apart_ms == 0.0
    assert info.jitter_ms == pytest.approx(100.0)  # the gap of the torn image


def test_splits(dataset, info):
    scenes = rows(dataset, "scenes")
    for name, split in info.splits.items():
        mine = [scene for scene in scenes if scene["split"] == name]
        assert split["scenes"] == len(mine)
        assert split["samples"] == sum(scene["samples"] for scene in mine)
        assert split["recordings"] == 1
    assert set(info.splits) == {"train", "val"}


def test_how_rows_are_grouped_does_not_matter(dataset, info, tmp_path):
    shutil.copytree(dataset, tmp_path / "copy", symlinks=True)
    for file in (tmp_path / "copy" / "tables").iterdir():
        table = pq.read_table(file)
        order = list(dict.fromkeys(table["scene_token"].to_pylist())) if "scene_token" in table.column_names else []
        with pq.ParquetWriter(file, table.schema) as writer:
            for token in order:
                writer.write_table(table.filter(np.array(table["scene_token"].to_pylist()) == token))
            if not order:
                writer.write_table(table)
    other = describe(tmp_path / "copy").report()
    for report in (other, mine := info.report()):
        for key in ("dataset", "table_bytes"):
            del report[key]
    assert other == mine


def test_a_gap_in_the_poses_is_no_time_at_any_speed(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "copy", symlinks=True)
    file = tmp_path / "copy" / "tables" / "poses.parquet"
    table = pq.read_table(file)
    first = rows(dataset, "scenes")[0]
    into_s = (table["stamp_ns"].to_numpy() - first["start_ns"]) / 1e9
    pq.write_table(table.filter((np.array(table["scene_token"].to_pylist()) != first["token"]) | (into_s < 1.0) | (into_s > 2.0)), file)
    found = describe(tmp_path / "copy")
    assert found.speed_mps.seconds.sum() == pytest.approx(found.seconds - 1.0, abs=0.05)
    assert found.metres == pytest.approx(SPEED_MPS * found.seconds, rel=1e-2)  # the car came through


def test_the_contact_sheet_shows_the_front_camera_and_what_is_missing(dataset):
    camera, chosen = shots(dataset)
    assert camera == "CAM_FRONT"
    assert len(chosen) == 3
    assert chosen[0].files[0].name == f"{rows(dataset, 'scenes')[0]['start_ns']}.jpg"
    assert chosen[0].files[2].name == f"{rows(dataset, 'scenes')[0]['end_ns']}.jpg"
    gone = [chosen[0].files[0].with_name("gone.jpg"), *chosen[0].files[1:]]
    sheet = contact_sheet([type(chosen[0])("", tuple(gone)), *chosen[1:]])
    corner = sheet[25:35, 40:60].mean()  # of the missing image, beside the cross
    beside = sheet[25:35, 40 + THUMB_PX[0] + 8 : 60 + THUMB_PX[0]].mean()
    assert corner == pytest.approx(GREY, abs=1.0)
    assert beside == pytest.approx(30.0, abs=6.0)  # as the toy's front camera is painted


def test_the_picture_has_the_drives_in_the_colours_of_who_drives(info, tmp_path):
    draw(info, tmp_path / "glance.png")
    image = cv2.imread(str(tmp_path / "glance.png"))
    assert image.shape[1] == 1400
    for colour in ((0x0E, 0x82, 0xE6), (0x7F, 0x7F, 0x7F)):  # human, both; blue, green, red
        assert (np.abs(image[60:560, 35:600].astype(int) - colour).max(-1) < 8).sum() > 50


def test_the_command(dataset, tmp_path, capsys):
    assert cli.main(["jadd", "info", str(dataset), "--out", str(tmp_path / "glance.png"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["recordings"], told["scenes"], told["parameters"]["scene_s"]) == (2, 3, 5.0)
    assert told["picture"] == str(tmp_path / "glance.png")
    assert (tmp_path / "glance.png").stat().st_size > 10_000
    assert cli.main(["jadd", "info", str(dataset), "--no-picture"]) == 0
    text = capsys.readouterr().out
    for part in ("2 recordings, 3 scenes", "WARNING: images of CAM_BACK left out: torn 1", "instructions: left 2", "scene_s 5.0"):
        assert part in text
    assert not (dataset / "info.png").exists()


def test_what_is_no_dataset_says_so(dataset, tmp_path, capsys):
    assert cli.main(["jadd", "info", str(tmp_path)]) == 2
    assert "no dataset: it has no dataset.json" in capsys.readouterr().err
    assert cli.main(["jadd", "info", str(dataset), "--out", str(tmp_path / "a.jpg")]) == 2
    shutil.copytree(dataset, tmp_path / "copy", symlinks=True)
    (tmp_path / "copy" / "tables" / "boxes.parquet").unlink()
    with pytest.raises(InputError, match=r"damaged: tables-\w+/boxes.parquet is missing"):
        describe(tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")
    shutil.copytree(dataset, tmp_path / "copy", symlinks=True)
    scenes = tmp_path / "copy" / "tables" / "scenes.parquet"
    pq.write_table(pq.read_table(scenes).slice(1), scenes)
    with pytest.raises(InputError, match="damaged: table poses has rows of scenes that are not in table scenes"):
        describe(tmp_path / "copy")
