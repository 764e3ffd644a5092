"""Remuxed video: every image of the dataset is found in it, and is the picture that the recorded packets decode to."""

import json

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy

from heron_bag.native import camera_frames
from heron_bag.reader import open_bag
from heron_bringup import cli
from heron_camera.colour import bgr_of
from heron_camera.decode import VideoDecoder
from heron_core.errors import InputError
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.recording import probe
from heron_jadd.remux import remux

CONFIG = JaddConfig(undistort=False, pose="odometry", scene_s=2.0, shortest_s=2.0, rate_hz=5.0)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """A recording with one camera of video and one of JPEGs, and its dataset: key frames lie apart from where scenes begin."""
    folder = tmp_path_factory.mktemp("filmed")
    drive = toy.write(folder / "drive", toy.filmed(toy.entries(6.0, ("CAM_FRONT", "CAM_BACK")), "CAM_FRONT", group=7))
    create([drive], folder / "dataset", CONFIG)
    return drive, folder / "dataset"


def decoded(path):
    """(pts in µs, key frame or not, picture) of every image of a file."""
    with av.open(str(path)) as container:
        return [
            (round(each.pts * each.time_base * 1_000_000), each.key_frame, each.to_ndarray(format="yuv420p")) for each in container.decode(video=0)
        ]


def test_every_image_is_found_and_is_the_recorded_one(filmed, tmp_path):
    drive, dataset = filmed
    made = remux(dataset, [probe(drive)], tmp_path / "out")
    rows = pq.read_table(tmp_path / "out/frames.parquet").to_pylist()
    ours = [row for row in pq.read_table(dataset / "tables/frames.parquet").to_pylist() if row["channel"] == "CAM_FRONT"]
    same = ("token", "scene_token", "channel", "stamp_ns", "is_key_frame")
    assert [{name: row[name] for name in same} for row in rows] == [{name: row[name] for name in same} for row in ours]
    assert (made.scenes, made.videos, made.images, made.without) == (2, 2, len(ours), ("CAM_BACK",))
    with open_bag(drive) as bag:
        decoder = VideoDecoder("CAM_FRONT")
        pictures = {frame.stamp_ns: decoder.decode(frame).picture for _, frame in camera_frames(bag, {"/camera/front/video": "CAM_FRONT"})}
    seen = 0
    for file in sorted({row["file"] for row in rows}):
        images = decoded(tmp_path / "out" / file)
        assert images[0][1], "the file begins with a key frame"
        seen += len(images)
        for row in (row for row in rows if row["file"] == file):
            pts_us, _, image = images[row["frame"]]
            assert pts_us == row["pts_us"]
            assert images[row["seek_frame"]][1] and not any(key for _, key, _ in images[row["seek_frame"] + 1 : row["frame"] + 1])
            planes = [plane.pixels for plane in pictures[row["stamp_ns"]].planes]
            assert np.array_equal(np.concatenate([plane.ravel() for plane in planes]), image.ravel())
            assert bgr_of(pictures[row["stamp_ns"]]).shape == (toy.HEIGHT, toy.WIDTH, 3)
    assert seen == made.packets
    assert made.bytes < sum(row["bytes"] for row in ours)
    torn = tmp_path / ".again.part" / rows[0]["file"]
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"of a run that was killed")
    remux(dataset, [probe(drive)], tmp_path / "again")
    assert all((tmp_path / "again" / file).read_bytes() == (tmp_path / "out" / file).read_bytes() for file in {row["file"] for row in rows})


def test_it_is_given_on_the_command_line_and_told(filmed, tmp_path, capsys):
    drive, dataset = filmed
    assert cli.main(["jadd", "remux", str(dataset), "--input", str(drive), "--out", str(tmp_path / "out")]) == 0
    assert "2 videos of 2 scenes" in capsys.readouterr().out
    assert json.loads((tmp_path / "out/report.json").read_text())["videos"] == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["frames.parquet", "report.json", "videos"]


def test_what_cannot_be_is_refused(filmed, tmp_path):
    drive, dataset = filmed
    other = toy.drive(tmp_path / "other", 3.0)
    with pytest.raises(InputError, match="was not given, of which it has scenes"):
        remux(dataset, [probe(other)], tmp_path / "out")
    create([other], tmp_path / "plain", CONFIG)
    with pytest.raises(InputError, match="its recordings have no video"):
        remux(tmp_path / "plain", [probe(other)], tmp_path / "out")
    with pytest.raises(InputError, match="there is something in it"):
        remux(dataset, [probe(drive)], tmp_path / "plain")
    assert not (tmp_path / "out").exists()
