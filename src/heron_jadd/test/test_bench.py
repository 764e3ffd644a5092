"""The benchmark measures what it says: on cameras so small that it takes seconds."""

import shutil
from pathlib import Path

import pytest
import toy_drive as toy

from heron_core.rig import dump_rig
from heron_jadd import bench

DEMO = Path(__file__).resolve().parents[3] / "config/vehicle/demo"


def test_every_figure_is_measured(tmp_path, monkeypatch):
    car = shutil.copytree(DEMO, tmp_path / "car")
    (car / "rig.yaml").write_text(dump_rig(toy.rig(("CAM_FRONT", "CAM_BACK"))))
    monkeypatch.setattr(bench, "SCENE_S", 1.0)
    monkeypatch.setattr(bench, "USUAL_S", 1.5)
    monkeypatch.setattr(bench, "_SHORT", {"scene_s": 1.0, "shortest_s": 1.0})
    found = bench.run(car, rounds=1, workers_too=False, counts=())
    assert set(found) == {"passthrough_ratio", "undistort_ratio", "h264_ratio"}
    assert all(0.02 < value < 500.0 for value in found.values())


def test_the_floors_do_the_work_that_they_are_named_for(tmp_path):
    """As many images as a scene has, and none of them empty."""
    from heron_jadd.config import JaddConfig
    from heron_jadd.job import Job
    from heron_jadd.recording import probe
    from heron_jadd.split import split

    config = JaddConfig(scene_s=2.0, shortest_s=2.0, pose="odometry")
    recording = bench._recording(tmp_path / "drive", toy.rig(("CAM_FRONT", "CAM_BACK")), DEMO, 2.0)
    probed = probe(recording)
    scene = next(each for each in split(probed, config).scenes if each.start_ns >= bench.START_NS + 2 * bench.S)
    job = Job(probed, scene, config, tmp_path)
    for floor in (bench._read_and_write, bench._decode_remap_encode):
        out = tmp_path / floor.__name__
        out.mkdir()
        floor(job, out)
        sizes = [path.stat().st_size for path in out.iterdir()]
        assert len(sizes) == 2 * len(job.grid_ns)
        assert min(sizes) > 1000


def test_a_picture_is_as_large_as_one_of_a_street():
    import cv2

    size = len(cv2.imencode(".jpg", bench._picture(1280, 1920, 3), [cv2.IMWRITE_JPEG_QUALITY, 90])[1])
    assert 300_000 < size < 1_500_000, pytest.approx(size)
