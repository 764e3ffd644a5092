"""A recording becomes samples: what was driven, seen, asked and said stands in them as it was; what is not known is counted."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from heron_bag.reader import open_bag
from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_camera.preprocess import Preprocessor
from heron_core.arrays import read_only
from heron_core.camera import Lens, LensModel
from heron_core.errors import HeronError, InputError
from heron_core.frames import CameraFrame
from heron_core.rig import FORWARD_OPTICAL, Rig, RigCamera, dump_rig
from heron_core.signals import Explanation, Instruction
from heron_core.vehicle import Odometry, Signal, VehicleState
from heron_model.layout import PAST_S, views
from heron_model.recorded_motion import RecordedMotion
from heron_model.recordings import RecordingConfig, recording_samples

START_NS = 1_700_000_000_123_456_789
SPEED, RATE, SECONDS = 6.0, 0.25, 8.0  # a left turn that passes through pi
MS = 1_000_000


def rig(names=("CAM_FRONT", "CAM_FRONT_NARROW", "CAM_BACK")):
    lens = Lens(LensModel.PLUMB_BOB, 192, 128, 90.0, 90.0, 95.5, 63.5, (0.0,) * 5)
    return Rig("test", {name: RigCamera(name, name[4:].lower(), lens, FORWARD_OPTICAL, name.lower()) for name in names})


RIG = rig()


def pose(t_s):
    """Where the car is after t_s: an arc, seen from an odom frame that is turned and moved."""
    turned = RATE * t_s
    x, y = SPEED / RATE * math.sin(turned), SPEED / RATE * (1 - math.cos(turned))
    a = 2.5
    return 30 + math.cos(a) * x - math.sin(a) * y, -7 + math.sin(a) * x + math.cos(a) * y, a + turned


def picture(index):
    """Dark to bright over the drive, red above blue."""
    image = np.full((128, 192, 3), 20 + index, np.uint8)
    image[64:, :, 0] += 40
    image[:64, :, 2] += 80
    return read_only(cv2.imencode(".jpg", image)[1].reshape(-1))


def drive(path, seconds=SECONDS, cars=RIG, lost=(), invalid_s=(), gap_s=(), instruct=True, with_rig=True):
    """A recording of 10 Hz pictures and 50 Hz states; `lost`: (frame, camera)."""
    entries = []
    for tick in range(round(seconds * 50)):
        t_s, stamp_ns = tick / 50, START_NS + tick * 20 * MS
        x, y, yaw = pose(t_s)
        signals = {"speed": Signal(SPEED, 0, True), "yaw_rate": Signal(RATE, 0, True), "accel_x": Signal(t_s / 10, 0, True)}
        entries.append((stamp_ns, "/vehicle/state", VehicleState(stamp_ns, signals)))
        if not any(a <= t_s < b for a, b in gap_s):
            valid = not any(a <= t_s < b for a, b in invalid_s)
            entries.append((stamp_ns, "/odom", Odometry(stamp_ns, x, y, math.remainder(yaw, 2 * math.pi), SPEED, RATE, valid)))
    for index in range(round(seconds * 10)):
        stamp_ns = START_NS + index * 100 * MS + 3 * MS
        for camera in cars.cameras.values():
            if (index, camera.name) not in lost:
                frame = CameraFrame(camera.name, stamp_ns, stamp_ns + 12 * MS, "jpeg", picture(index))
                entries.append((stamp_ns + 12 * MS, f"{camera.topic}/image/compressed", frame))
    if instruct:
        entries.append((START_NS + 1800 * MS, "/instruction", Instruction(START_NS + 1800 * MS, "left", "turn left, please")))
        entries.append((START_NS + 2300 * MS, "/plan/explanation", Explanation(START_NS + 2300 * MS, "turn", "Turning left.", "左に曲がります。")))
    with BagWriter(path) as writer:
        if with_rig:
            writer.attach("vehicle/rig.yaml", dump_rig(cars).encode(), "application/yaml")
        for log_ns, topic, message in sorted(entries, key=lambda entry: entry[0]):
            writer.add_topic(topic, ros_type_of(message))
            writer.write(topic, log_ns, serialise(message))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    report = recording_samples(drive(folder / "bag"), folder / "samples")
    return report, pq.read_table(folder / "samples" / "bag_000.parquet").to_pylist(), folder


def rows_of(folder):
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_the_trajectory_is_the_arc_that_was_driven(made):
    _, rows, _ = made
    labelled = [row for row in rows if row["labelled"]]
    assert len(labelled) == 6
    t = np.arange(1, 41) / 10
    expected = np.stack([SPEED / RATE * np.sin(RATE * t), SPEED / RATE * (1 - np.cos(RATE * t)), RATE * t, np.full(40, SPEED)], axis=1)
    for row in labelled:
        assert np.abs(np.array(row["trajectory"]).reshape(40, 4) - expected).max() < 2e-3
    assert math.remainder(pose(0)[2], 2 * math.pi) > 0 > math.remainder(pose(3.5)[2], 2 * math.pi)  # the recorded yaw wraps on the way


def test_history_past_instruction_and_words(made):
    _, rows, _ = made
    labelled = [row for row in rows if row["labelled"]]
    for row in labelled:
        t_s = (row["stamp_ns"] - START_NS) / 1e9
        history = np.array(row["ego_hist"]).reshape(8, 3)
        assert np.allclose(history[:, 2], (t_s - 0.7 + np.arange(8) / 10) / 10, atol=1e-5)
        assert np.allclose(history[:, :2], (SPEED, RATE))
        assert row["stamp_ns"] - rows[row["past"]]["stamp_ns"] == round(PAST_S * 1e9)
    assert [row["manoeuvre"] for row in labelled] == ["follow"] * 2 + ["left"] * 4
    assert [row["text"] for row in labelled][1:3] == ["", "turn left, please"]
    assert [row["reason"] for row in labelled] == [""] * 3 + ["turn"] * 3
    assert labelled[-1]["japanese"] == "左に曲がります。" and labelled[0]["english"] == ""


def test_pictures_are_the_cars_own_preprocessing(made):
    _, rows, folder = made
    row = next(row for row in rows if row["labelled"])
    index = round((row["stamp_ns"] - START_NS) / 1e8)
    frames = {name: CameraFrame(name, 1, 1, "jpeg", picture(index)) for name in rig().cameras}
    wanted = Preprocessor(rig(), [replace(view, required=False) for view in views()], "fast").run(frames)
    narrow = cv2.imdecode(np.frombuffer(row["view_1"], np.uint8), cv2.IMREAD_COLOR_RGB).transpose(2, 0, 1)
    assert narrow.shape == (3, 160, 256)
    assert np.abs(narrow.astype(int) - wanted.images["narrow"][0]).mean() < 2.0
    assert narrow[0, 20, 128] > narrow[0, 140, 128] + 40  # red above: neither colours nor rows are swapped
    assert row["view_2"] == b"" and row["view_4"]  # no camera at the left front: black
    described = yaml.safe_load((folder / "samples" / "samples.yaml").read_text())
    assert described["black"] == ["CAM_BACK_LEFT", "CAM_BACK_RIGHT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT"]
    assert len(described["views"]) == 7 and described["views"][0]["width"] == 160


def test_what_is_passed_over_is_counted(made):
    report, rows, _ = made
    assert report["skipped"] == {"first_of_the_recording": 1, "ego_history": 1, "future_not_recorded": 8} and len(rows) == 16
    assert report["samples"] == 6 and report["frame_sets"] == {"complete": 80}


def test_it_trains_like_any_other(made):
    pytest.importorskip("torch")
    from heron_model.sample_reader import Samples, collate
    from heron_model.words.tokenizer import train

    samples = Samples([made[2] / "samples"], train())
    batch = collate([samples[0], samples[5]])
    assert len(samples) == 6 and batch["around"].shape == (2, 5, 3, 64, 96) and not batch["around"][:, 0].any()
    assert batch["command"].tolist() == [0, 1] and batch["text_mask"].sum(1).tolist()[0] == 0 and batch["text_mask"][1].any()


def test_odometry_that_is_lost_or_not_valid_is_not_driven_over(tmp_path):
    report = recording_samples(drive(tmp_path / "a", seconds=13.0, invalid_s=[(6.0, 6.02)], gap_s=[(12.5, 12.8)]), tmp_path / "out")
    assert report["skipped"]["odometry_not_valid"] == 9  # four seconds before it, and in it
    assert report["skipped"]["odometry_gap"] == 1


def test_a_camera_that_fails_leaves_its_view_black_and_a_lost_set_its_successor_without_past(tmp_path):
    lost = {(15, "CAM_BACK")} | {(index, name) for index in (19, 20, 21) for name in rig().cameras}
    recording_samples(drive(tmp_path / "a", lost=lost), tmp_path / "out")
    rows = {round((row["stamp_ns"] - START_NS) / 1e8): row for row in rows_of(tmp_path / "out")}
    assert rows[15]["labelled"] and rows[15]["view_4"] == b"" and rows[15]["view_0"]
    assert not rows[22]["labelled"] and rows[27]["labelled"]


def test_a_long_recording_is_split_without_losing_a_past(tmp_path):
    bag = drive(tmp_path / "a", seconds=13.0)
    whole = recording_samples(bag, tmp_path / "whole")
    split = recording_samples(bag, tmp_path / "split", RecordingConfig(rows=10))
    assert whole["samples"] == split["samples"] == 16
    assert len(list((tmp_path / "split").glob("*.parquet"))) == 2
    for path in (tmp_path / "split").glob("*.parquet"):
        rows = pq.read_table(path).to_pylist()
        assert all(row["stamp_ns"] - rows[row["past"]]["stamp_ns"] == 500 * MS for row in rows if row["labelled"])


def test_denser_samples_keep_their_past_half_a_second_back(tmp_path):
    report = recording_samples(drive(tmp_path / "a"), tmp_path / "out", RecordingConfig(steps_per_past=5))
    rows = rows_of(tmp_path / "out")
    assert report["samples"] == 33
    assert all(row["stamp_ns"] - rows[row["past"]]["stamp_ns"] == 500 * MS for row in rows if row["labelled"])


def test_bad_recordings_are_refused_with_the_reason(tmp_path):
    with pytest.raises(InputError, match=r"not one moment can be learnt from: .*future_not_recorded"):
        recording_samples(drive(tmp_path / "short", seconds=3.0), tmp_path / "o1")
    with pytest.raises(HeronError, match="without calibration"):
        recording_samples(drive(tmp_path / "bare", seconds=1.0, with_rig=False), tmp_path / "o2")
    with pytest.raises(HeronError, match="has none of the policy's cameras"):
        recording_samples(drive(tmp_path / "roof", seconds=1.0, cars=rig(("CAM_ROOF",))), tmp_path / "o3")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(InputError, match="is not empty"):
        recording_samples(tmp_path / "short", tmp_path / "full")
    with BagWriter(tmp_path / "empty") as writer:
        writer.attach("vehicle/rig.yaml", dump_rig(rig()).encode(), "application/yaml")
        writer.add_topic("/events", "heron_msgs/msg/Event")
    with open_bag(tmp_path / "empty") as bag, pytest.raises(InputError, match="nothing tells where the car went"):
        RecordedMotion.of(bag)
