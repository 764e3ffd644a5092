"""A LeRobot dataset, read as LeRobot does: steps and pictures are those of the scenes, and a stopped run goes on to the same bytes."""

import json
import shutil
from dataclasses import replace

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from toy_drive import MS, SPEED_MPS, START_NS, TURN_RPS

from heron_bringup import cli
from heron_core.errors import InputError
from heron_core.vehicle import Signal
from heron_jadd import lerobot_files, lerobot_video
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.lerobot import export
from heron_jadd.lerobot_stats import Pictures, joined, of_numbers
from heron_jadd.selection import save_selection

CONFIG = JaddConfig(pose="odometry", undistort=False, scene_s=4.0, shortest_s=3.0, rate_hz=5.0, val_share=0.5)
CAMERAS = ("CAM_FRONT", "CAM_BACK")


def drive(path, seconds, torn=()):
    """The wheel turns by 0.1 rad/s, the car says that it gains 0.5 m/s²; images of CAM_BACK with these numbers are torn."""
    messages, stamps = [], {START_NS + index * 100 * MS for index in torn}
    for log_ns, topic, message in toy.entries(seconds, cameras=CAMERAS):
        t_s = (log_ns - START_NS) / 1e9
        if topic == "/vehicle/state":
            message = replace(message, signals={**message.signals, "steer": Signal(0.1 * t_s, 0, True)})
        elif topic == "/odom":
            message = replace(message, speed_mps=SPEED_MPS + 0.5 * t_s)
        broken = topic.startswith("/camera/back/") and message.stamp_ns in stamps
        messages.append(toy.torn((log_ns, topic, message)) if broken else (log_ns, topic, message))
    return toy.write(path, messages)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two drives of two and one scenes; from 1.4 to 1.7 s of the longer one CAM_BACK has no image that can be used: two steps have none."""
    folder = tmp_path_factory.mktemp("lerobot")
    create([drive(folder / "one", 8.6, range(14, 18)), drive(folder / "two", 4.4)], folder / "out", CONFIG)
    return folder / "out"


@pytest.fixture(scope="module")
def exported(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "robot"
    return out, export(dataset, out, workers=2)


class Reader:
    """LeRobot's own way through the files: info.json → episodes → rows, and the video frame at from_timestamp + timestamp."""

    def __init__(self, root):
        self.root, self.info = root, json.loads((root / "meta/info.json").read_text())
        self.rows = [row for path in sorted(root.glob("data/*/*.parquet")) for row in pq.read_table(path).to_pylist()]
        self.episodes = [row for path in sorted(root.glob("meta/episodes/*/*.parquet")) for row in pq.read_table(path).to_pylist()]
        self.tasks = {row["task_index"]: row["task"] for row in pq.read_table(root / "meta/tasks.parquet").to_pylist()}
        self._videos = {}

    def image(self, index, camera):
        row = self.rows[index]
        episode, key = self.episodes[row["episode_index"]], f"observation.images.{camera}"
        where = {name: episode[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")}
        path = self.root / self.info["video_path"].format(video_key=key, chunk_index=where["chunk_index"], file_index=where["file_index"])
        if path not in self._videos:
            with av.open(str(path)) as video:
                self._videos[path] = {round(frame.time * 1000): frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)}
        asked_s = where["from_timestamp"] + row["timestamp"]
        assert asked_s < where["to_timestamp"]
        return self._videos[path][round(asked_s * 1000)]


def scenes(dataset):
    return {row["token"]: row for row in pq.read_table(dataset / "tables/scenes.parquet").to_pylist()}


def since_start(dataset, made, row):
    """Seconds since the drive began."""
    return (scenes(dataset)[made.scenes[row["episode_index"]]["token"]]["start_ns"] - START_NS) / 1e9 + row["frame_index"] / 5


def test_episodes_are_scenes_and_their_splits_are_ranges(dataset, exported):
    out, made = exported
    read, told = Reader(out), scenes(dataset)
    splits = [told[each["token"]]["split"] for each in made.scenes]
    assert read.info["codebase_version"] == "v3.0"
    assert sorted(each["token"] for each in made.scenes) == sorted(told)
    assert splits == sorted(splits)
    assert read.info["splits"] == {split: f"{splits.index(split)}:{splits.index(split) + splits.count(split)}" for split in ("train", "val")}
    assert [row["index"] for row in read.rows] == list(range(read.info["total_frames"])) == list(range(made.frames))
    for number, (episode, scene) in enumerate(zip(read.episodes, made.scenes, strict=True)):
        rows = read.rows[episode["dataset_from_index"] : episode["dataset_to_index"]]
        assert {row["episode_index"] for row in rows} == {episode["episode_index"]} == {number}
        assert len(rows) == episode["length"] == scene["steps"] == 21
        assert [row["frame_index"] for row in rows] == list(range(21))
        assert [row["timestamp"] for row in rows] == pytest.approx([k / 5 for k in range(21)])


def test_a_step_has_the_cameras_image_of_its_time(dataset, exported):
    out, made = exported
    read, told, again = Reader(out), scenes(dataset), 0
    for number, row in enumerate(read.rows):
        scene = told[made.scenes[row["episode_index"]]["token"]]
        for k, camera in enumerate(CAMERAS):
            exposed_ns = scene["start_ns"] + row["frame_index"] * 200 * MS + round(row["exposure_offset_s"][k] * 1e9)
            index = round((exposed_ns - START_NS) / (100 * MS))
            assert abs(exposed_ns - START_NS - index * 100 * MS) < 1000
            assert (np.abs(row["exposure_offset_s"][k]) > 0.1) == (row["exposure_offset_s"][k] < 0.0)
            expected = cv2.imdecode(toy.picture(index, camera), cv2.IMREAD_COLOR)
            assert np.abs(read.image(number, camera).astype(int) - expected).mean() < 4.0
            again += row["exposure_offset_s"][k] < -0.1
    assert again


def test_for_a_lost_image_the_one_before_is_shown_and_counted(exported):
    out, made = exported
    rows = Reader(out).rows
    late = [(row["frame_index"], round(row["exposure_offset_s"][1], 3)) for row in rows if row["exposure_offset_s"][1] < -0.1]
    assert late == [(7, -0.2), (8, -0.4)]
    assert made.shown_again == 2
    assert all(row["exposure_offset_s"][0] == 0.0 for row in rows)


def test_after_half_a_second_without_image_the_longest_stretch_is_the_episode(tmp_path):
    create([drive(tmp_path / "one", 8.6, range(14, 20))], tmp_path / "out", CONFIG)
    made = export(tmp_path / "out", tmp_path / "robot")
    rows = Reader(tmp_path / "robot").rows
    assert [each["steps"] for each in made.scenes] == [11, 21]
    assert (made.left_out, made.shown_again) == (10, 0)
    assert [row["pose"][0] for row in rows[:2]] == pytest.approx([toy.pose(t_s)[0] for t_s in (2.0, 2.2)], abs=1e-3)


def test_state_and_action_are_what_the_car_did(dataset, exported):
    out, made = exported
    read = Reader(out)
    assert made.state == ("speed_mps", "yaw_rate_rps", "steer_rad") == tuple(read.info["features"]["observation.state"]["names"])
    assert list(made.unknown) == ["accel_mps2"]
    assert made.action == ("steer_rad", "accel_mps2")
    for row in read.rows:
        t_s = since_start(dataset, made, row)
        assert row["observation.state"] == pytest.approx([SPEED_MPS + 0.5 * t_s, TURN_RPS, 0.1 * t_s], abs=1e-5)
        assert row["action"] == pytest.approx([0.1 * (t_s + 0.2), 0.5], abs=1e-4)
        assert row["pose"] == pytest.approx(toy.pose(t_s), abs=1e-3)


def test_the_task_is_what_was_asked_for_last(dataset, exported):
    out, made = exported
    read = Reader(out)
    for row in read.rows:
        assert read.tasks[row["task_index"]] == ("turn left, please" if since_start(dataset, made, row) > 2.99 else "follow the road")
    for episode in read.episodes:
        rows = read.rows[episode["dataset_from_index"] : episode["dataset_to_index"]]
        assert episode["tasks"] == list(dict.fromkeys(read.tasks[row["task_index"]] for row in rows))


def test_statistics_are_those_of_the_values(exported):
    out, _ = exported
    read, whole = Reader(out), json.loads((out / "meta/stats.json").read_text())
    values = np.array([row["pose"] for row in read.rows])
    for name, expected in (("min", values.min(0)), ("max", values.max(0)), ("mean", values.mean(0)), ("std", values.std(0))):
        assert whole["pose"][name] == pytest.approx(expected, abs=1e-6)
    assert whole["pose"]["count"] == [len(values)]
    part = [row["pose"][0] for row in read.rows if row["episode_index"] == 1]
    assert read.episodes[1]["stats/pose/q90"][0] == pytest.approx(np.quantile(part, 0.9))
    pictures = np.stack([read.image(k, "CAM_BACK")[..., ::-1] for k in range(len(read.rows))]) / 255.0
    assert np.ravel(whole["observation.images.CAM_BACK"]["mean"]) == pytest.approx(pictures.mean((0, 1, 2)), abs=0.02)
    assert np.ravel(whole["observation.images.CAM_BACK"]["std"]) == pytest.approx(pictures.std((0, 1, 2)), abs=0.02)
    assert np.shape(whole["observation.images.CAM_BACK"]["q99"]) == (3, 1, 1)


def test_statistics_of_pictures_are_red_green_blue_from_0_to_1():
    pictures, rng = Pictures(300), np.random.default_rng(1)
    seen = []
    for k in range(300):
        image = np.clip(rng.normal((200, 100, 20), 8.0, (4, 6, 3)), 0, 255).astype(np.uint8)
        pictures.see(k, image)
        seen.append(image[..., ::-1] / 255.0)
    found, whole = pictures.stats(), np.stack(seen)
    assert found["count"] == [100]
    assert np.ravel(found["mean"]) == pytest.approx(whole.mean((0, 1, 2)), abs=0.005)
    assert np.ravel(found["std"]) == pytest.approx(whole.std((0, 1, 2)), abs=0.005)
    assert np.ravel(found["q90"]) == pytest.approx(np.quantile(whole, 0.9, axis=(0, 1, 2)), abs=0.006)
    assert np.ravel(found["min"])[2] < 0.70 < np.ravel(found["max"])[2]
    assert np.shape(found["min"]) == (3, 1, 1)


def test_joined_statistics_are_those_of_all():
    rng = np.random.default_rng(3)
    parts = [rng.normal(k, k + 1, (20 * (k + 1), 2)) for k in range(3)]
    found, whole = joined([of_numbers(part) for part in parts]), np.concatenate(parts)
    assert found["mean"] == pytest.approx(whole.mean(0))
    assert found["std"] == pytest.approx(whole.std(0))
    assert np.all(np.array(found["q10"]) <= np.quantile(whole, 0.1, axis=0))
    assert found["count"] == [120]


def everything(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_stopped_run_goes_on_to_the_same_bytes(dataset, exported, tmp_path, monkeypatch):
    out, made = exported
    encoded, really = [], lerobot_video.Pictures.stats

    def stopped(self):
        encoded.append(1)
        if len(encoded) == 4:
            raise KeyboardInterrupt
        return really(self)

    monkeypatch.setattr(lerobot_video.Pictures, "stats", stopped)
    with pytest.raises(KeyboardInterrupt):
        export(dataset, tmp_path / "robot")
    assert not (tmp_path / "robot").exists()
    assert export(dataset, tmp_path / "robot") == made
    assert len(encoded) == 4 + 3  # the third scene's, and the one that was stopped
    assert everything(tmp_path / "robot") == everything(out)
    assert [path.name for path in tmp_path.iterdir()] == ["robot"]
    assert export(dataset, tmp_path / "robot") == made
    assert len(encoded) == 7


def test_files_are_of_bounded_size(dataset, exported, tmp_path, monkeypatch):
    monkeypatch.setattr(lerobot_files, "VIDEO_MB", 0)
    monkeypatch.setattr(lerobot_files, "DATA_MB", 0)
    monkeypatch.setattr(lerobot_files, "CHUNK", 2)
    export(dataset, tmp_path / "robot")
    read, usual = Reader(tmp_path / "robot"), Reader(exported[0])
    files = ["chunk-000/file-000", "chunk-000/file-001", "chunk-001/file-000"]
    for folder in ("data", "meta/episodes", "videos/observation.images.CAM_BACK"):
        there = tmp_path / "robot" / folder
        assert [path.relative_to(there).with_suffix("").as_posix() for path in sorted(there.rglob("file*"))] == files
    assert read.rows == usual.rows
    assert [(row["data/chunk_index"], row["data/file_index"]) for row in read.episodes] == [(0, 0), (0, 1), (1, 0)]
    for index in (0, 30, 60):
        assert np.array_equal(read.image(index, "CAM_BACK"), usual.image(index, "CAM_BACK"))


def test_a_selection_is_exported_alone(dataset, tmp_path, capsys):
    chosen = sorted(scenes(dataset))[:1]
    save_selection(dataset, "some", "x", chosen)
    assert cli.main(["jadd", "export", str(dataset), "--selection", "some", "--fps", "10", "--out", str(tmp_path / "robot")]) == 2
    assert "has 5 images a second" in capsys.readouterr().err
    assert cli.main(["jadd", "export", str(dataset), "--selection", "some", "--fps", "2", "--out", str(tmp_path / "robot")]) == 0
    assert "1 episodes, 9 steps at 2 Hz" in capsys.readouterr().out
    assert [each["token"] for each in json.loads((tmp_path / "robot/report.json").read_text())["scenes"]] == chosen


def test_what_cannot_be_exported_is_told(dataset, exported, tmp_path):
    with pytest.raises(InputError, match="holds something else"):
        export(dataset, exported[0], fps=2)
    with pytest.raises(InputError, match="no selection 'none'; there is "):
        export(dataset, tmp_path / "robot", selection="none")
    with pytest.raises(InputError, match="no dataset"):
        export(tmp_path, tmp_path / "robot")
    create([toy.drive(tmp_path / "all", 4.4), toy.drive(tmp_path / "two", 4.3, cameras=CAMERAS)], tmp_path / "out", CONFIG)
    with pytest.raises(InputError, match="LeRobot wants equal cameras"):
        export(tmp_path / "out", tmp_path / "robot")
    assert not (tmp_path / "robot").exists()


def test_a_missing_image_is_named(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "out", symlinks=True)
    image = next((tmp_path / "out/scenes").rglob("CAM_BACK/*.jpg"))
    image.unlink()
    with pytest.raises(InputError, match=f"{image.name}: is missing or damaged"):
        export(tmp_path / "out", tmp_path / "robot")
