"""A whole dataset: the same bytes with any number of workers and after any kill, one run at a time, nothing lost without a word."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from toy_drive import START_NS

from heron_core.errors import InputError
from heron_jadd import engines
from heron_jadd.config import JaddConfig
from heron_jadd.create import FailedError, create

CONFIG = JaddConfig(undistort=False, pose="odometry", scene_s=5.0, shortest_s=4.0, rate_hz=5.0)
RUN = """
import sys
from pathlib import Path
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
if __name__ == "__main__":
    config = JaddConfig(undistort=False, pose="odometry", scene_s=5.0, shortest_s=4.0, rate_hz=5.0)
    def told(stage, done, total):
        print(stage, done, flush=True)
    create([Path(path) for path in sys.argv[3:]], Path(sys.argv[1]), config, int(sys.argv[2]), told)
"""


def tree(out):
    """Every file of a dataset with a digest of its bytes."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def table(out, name):
    return json.loads((out / "nuscenes" / "v1.0-trainval" / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    one = toy.drive(folder / "one", 11.0, cameras=("CAM_FRONT", "CAM_BACK"))
    return [one, toy.drive(folder / "two", 6.0, cameras=("CAM_FRONT", "CAM_BACK"), jitter_ms=2.0)]


@pytest.fixture(scope="module")
def undisturbed(drives, tmp_path_factory):
    out = tmp_path_factory.mktemp("dataset")
    return out, create(drives, out, CONFIG)


def started(drives, out, workers=1):
    command = [sys.executable, "-c", RUN, str(out), str(workers), *map(str, drives)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_the_tables_hold_every_scene_of_every_recording(undisturbed):
    out, made = undisturbed
    scenes = pq.read_table(out / "tables" / "scenes.parquet").to_pylist()
    assert [row["name"] for row in scenes] == ["scene-2000", "scene-2001", "scene-2002"]
    assert (made.scenes, made.samples, made.reused) == (3, sum(row["samples"] for row in scenes), 0)
    frames = pq.read_table(out / "tables" / "frames.parquet").to_pylist()
    assert len(frames) == made.frames == sum(row["frames"] for row in scenes)
    assert {row["scene_token"] for row in frames} == {row["token"] for row in scenes}
    assert len({row["token"] for row in frames}) == len(frames)
    assert {row["split"] for row in scenes} == {"train", "val"}
    assert len({(row["recording"], row["split"]) for row in scenes}) == 2
    assert made.image_bytes == sum((out / row["file"]).stat().st_size for row in frames)


def test_the_view_is_linked_whole(undisturbed):
    out, _ = undisturbed
    data = {row["token"]: row for row in table(out, "sample_data")}
    samples = {row["token"]: row for row in table(out, "sample")}
    poses = {row["token"] for row in table(out, "ego_pose")}
    sensors = {row["token"]: row for row in table(out, "calibrated_sensor")}
    for row in data.values():
        assert (out / "nuscenes" / row["filename"]).stat().st_nlink > 1
        assert row["filename"].startswith("samples/" if row["is_key_frame"] else "sweeps/")
        assert row["ego_pose_token"] in poses
        assert row["calibrated_sensor_token"] in sensors
        sample = samples[row["sample_token"]]
        assert (row["timestamp"] <= sample["timestamp"] + 50_000) if row["is_key_frame"] else (row["timestamp"] < sample["timestamp"])
        assert not row["prev"] or data[row["prev"]]["next"] == row["token"]
        assert not row["next"] or data[row["next"]]["timestamp"] > row["timestamp"]
    for scene in table(out, "scene"):
        token, count = scene["first_sample_token"], 1
        while samples[token]["next"]:
            token, count = samples[token]["next"], count + 1
        assert (token, count) == (scene["last_sample_token"], scene["nbr_samples"])
    starts = [samples[scene["first_sample_token"]]["timestamp"] for scene in table(out, "scene")]
    assert len(set(starts)) == len(starts), "both drives begin at the same nanosecond, which the devkit cannot bear"
    assert min(starts) == START_NS // 1000
    boxes = {row["token"]: row for row in table(out, "sample_annotation")}
    for row in table(out, "instance"):
        token, count = row["first_annotation_token"], 1
        while boxes[token]["next"]:
            token, count = boxes[token]["next"], count + 1
        assert (token, count) == (row["last_annotation_token"], row["nbr_annotations"])
    assert (out / "nuscenes" / table(out, "map")[0]["filename"]).is_file()
    assert table(out, "map")[0]["log_tokens"] == [row["token"] for row in table(out, "log")]


def test_the_cars_signals_are_where_the_devkit_looks(undisturbed):
    out, _ = undisturbed
    folder = out / "nuscenes" / "can_bus"
    assert len(list(folder.glob("scene-2001_*.json"))) == 8
    pose = json.loads((folder / "scene-2001_pose.json").read_text())
    scene = next(row for row in table(out, "scene") if row["name"] == "scene-2001")
    begin = next(row["timestamp"] for row in table(out, "sample") if row["token"] == scene["first_sample_token"])
    assert pose[0]["utime"] <= begin - 400_000
    assert pose[-1]["utime"] >= begin + 5_000_000
    assert {row["vel"][0] for row in pose} == {toy.SPEED_MPS}
    assert json.loads((out / "nuscenes" / "v1.0-trainval" / "can_bus_missing.json").read_text())["zoe_veh_info.odom"]


def test_two_workers_make_the_same_bytes(undisturbed, drives, tmp_path):
    process = started(drives, tmp_path, workers=2)
    assert process.wait(60) == 0
    assert tree(tmp_path) == tree(undisturbed[0])


def test_spark_makes_the_same_bytes(undisturbed, drives, tmp_path):
    pytest.importorskip("pyspark", reason="Spark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    create(drives, tmp_path, CONFIG, 2, spark="local")
    assert tree(tmp_path) == tree(undisturbed[0])


def test_spark_that_is_not_there_is_named(drives, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(InputError, match="pip install pyspark"):
        create(drives, tmp_path, CONFIG, spark="local")


def killed_and_resumed(drives, out, moments):
    for lines in moments:
        process = started(drives, out)
        for _ in range(lines):
            process.stdout.readline()
        time.sleep(0.01 * lines)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
    process = started(drives, out)
    assert process.wait(60) == 0
    process.stdout.close()


def test_a_killed_run_goes_on_to_the_same_bytes(undisturbed, drives, tmp_path):
    killed_and_resumed(drives, tmp_path, (1, 5))
    assert tree(tmp_path) == tree(undisturbed[0])


@pytest.mark.slow
def test_ten_kills_in_sampling_and_merge_change_nothing(undisturbed, drives, tmp_path):
    for run in range(10):
        out = tmp_path / str(run)
        killed_and_resumed(drives, out, (run,))
        assert tree(out) == tree(undisturbed[0])


def test_a_second_run_makes_nothing_anew_and_more_recordings_keep_the_old_tokens(drives, tmp_path):
    create(drives[:1], tmp_path, CONFIG)
    before = {row["token"] for row in table(tmp_path, "sample_data")}
    generation = (tmp_path / "tables").readlink()
    made = create(drives, tmp_path, CONFIG)
    assert (made.scenes, made.reused) == (3, 2)
    assert before < {row["token"] for row in table(tmp_path, "sample_data")}
    assert (tmp_path / "tables").readlink() != generation
    assert len(list(tmp_path.glob("tables-*"))) == len(list(tmp_path.glob("nuscenes-*"))) == 1
    assert create(drives, tmp_path, CONFIG).reused == 3


def test_one_run_at_a_time(drives, tmp_path):
    process = started(drives, tmp_path)
    process.stdout.readline()
    with pytest.raises(InputError, match="another run"):
        create(drives, tmp_path, CONFIG)
    process.kill()
    process.wait(10)
    process.stdout.close()
    create(drives, tmp_path, CONFIG)  # the lock went with the process


def test_a_recording_twice_is_taken_once(drives, tmp_path):
    made = create([drives[1], drives[1]], tmp_path, CONFIG)
    assert made.scenes == 1
    assert "the same recording" in made.problems[0]


def test_what_cannot_become_a_dataset_says_why(drives, tmp_path):
    with pytest.raises(InputError, match="no such recording"):
        create([tmp_path / "nothing"], tmp_path / "a", CONFIG)
    with pytest.raises(InputError, match="no recording was given"):
        create([], tmp_path / "a", CONFIG)
    short = toy.drive(tmp_path / "short", 2.0)
    with pytest.raises(InputError, match=r"no stretch of its 1.9 s with one driver is as long as shortest_s = 4"):
        create([short], tmp_path / "b", CONFIG)
    with pytest.raises(InputError, match="no images of CAM_TOP; it has CAM_BACK, CAM_FRONT"):
        create(drives, tmp_path / "c", JaddConfig(cameras=("CAM_TOP",)))
    blind = toy.write(tmp_path / "blind", [each for each in toy.entries(6.0) if "camera" not in each[1]])
    with pytest.raises(InputError, match="holds no images"):
        create([blind], tmp_path / "d", CONFIG)
    lost = toy.write(tmp_path / "lost", [each for each in toy.entries(6.0) if each[1] != "/odom"])
    with pytest.raises(FailedError, match="no poses from odometry: it has no topic /odom"):
        create([lost], tmp_path / "e", CONFIG)
    assert not (tmp_path / "e" / "dataset.json").exists()
    torn = [toy.torn(each) if each[1].startswith("/camera/back/") else each for each in toy.entries(6.0)]
    with pytest.raises(FailedError, match=r"no scene has two whole samples.*images of CAM_BACK, torn"):
        create([toy.write(tmp_path / "torn", torn)], tmp_path / "f", CONFIG)


def test_a_scene_that_fails_keeps_the_others_and_is_named(drives, tmp_path, monkeypatch):
    real, calls = engines.run_scene, []

    def failing(job):
        calls.append(job)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return real(job)

    monkeypatch.setattr(engines, "run_scene", failing)
    with pytest.raises(FailedError, match=r"1 of 3 scenes could not be made.*Input/output error"):
        create(drives, tmp_path, CONFIG)
    monkeypatch.undo()
    assert not (tmp_path / "dataset.json").exists()
    assert create(drives, tmp_path, CONFIG).reused == 2


def test_a_late_camera_costs_its_samples_and_says_so(tmp_path):
    made = create([toy.drive(tmp_path / "late", 6.0, late=[("CAM_BACK", 2.2)])], tmp_path / "out", CONFIG)
    assert made.problems == ["5 samples left out, no image of CAM_BACK"]


def test_hundreds_of_scenes_are_in_shards(undisturbed, drives, tmp_path, monkeypatch):
    monkeypatch.setattr("heron_jadd.publish.SHARD", 2)
    monkeypatch.setattr("heron_jadd.nuscenes.SHARD", 2)
    made = create(drives, tmp_path, CONFIG)
    assert made.views == [tmp_path / "nuscenes", tmp_path / "nuscenes2"]
    names = [json.loads((Path(view) / "v1.0-trainval" / "scene.json").read_text()) for view in made.views]
    assert [[row["name"] for row in rows] for rows in names] == [["scene-2000", "scene-2001"], ["scene-2000"]]


def test_a_recording_that_was_cut_short_gives_what_it_holds_and_says_so(drives, tmp_path):
    cut = shutil.copytree(drives[0], tmp_path / "cut")
    (file,) = cut.glob("*.mcap")
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size * 7 // 10)
    made = create([cut], tmp_path / "out", CONFIG)
    assert made.scenes == 1
    assert any("cut" in problem or "index" in problem or "ends" in problem for problem in made.problems), made.problems


def test_a_corrupt_chunk_costs_its_samples_and_is_named(drives, tmp_path):
    bad = shutil.copytree(drives[0], tmp_path / "bad")
    (file,) = bad.glob("*.mcap")
    data = bytearray(file.read_bytes())
    middle = len(data) // 4
    data[middle : middle + 64] = bytes(64)
    file.write_bytes(data)
    made = create([bad], tmp_path / "out", CONFIG)
    whole = create([drives[0]], tmp_path / "whole", CONFIG)
    assert made.samples < whole.samples
    assert any("corrupt" in problem or "checksum" in problem for problem in made.problems), made.problems


def test_a_worker_that_is_killed_is_named_and_nothing_is_lost(drives, tmp_path, monkeypatch):
    class Dying(engines.ProcessPoolExecutor):
        def submit(self, call, *given):
            return super().submit(os._exit, 9)  # as the kernel ends one that takes too much memory

    monkeypatch.setattr(engines, "ProcessPoolExecutor", Dying)
    with pytest.raises(engines.WorkerError, match=r"killed .* fewer --workers"):
        create(drives, tmp_path, CONFIG, 2)
    monkeypatch.undo()
    assert create(drives, tmp_path, CONFIG, 2).scenes == 3
