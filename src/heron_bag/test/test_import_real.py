"""The import files of the project, on the real recordings they name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import av
import cantools
import numpy as np
import pytest
from asammdf import MDF
from bag_samples import REPOSITORY, mcap_of, real_data
from mcap_ros2.reader import read_ros2_messages
from rosbags.rosbag2 import Reader

from heron_bag.attachments import PROVENANCE, notes_of
from heron_bag.digest import bag_digest
from heron_bag.importing.config import load_import_config
from heron_bag.importing.importer import ImportResult, import_recording
from heron_bag.markers import labels
from heron_bag.native import camera_frames, can_batches, gnss_fixes, odometries, rig_of
from heron_bag.reader import open_bag
from heron_core.camera import LensModel
from heron_core.signals import FixType

FILES = sorted((REPOSITORY / "config" / "import").glob("*.yaml"))


def run(name: str, out: Path) -> ImportResult:
    real_data()
    file = REPOSITORY / "config" / "import" / f"{name}.yaml"
    return import_recording(load_import_config(file), file, out)


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_every_import_file_works_twice_the_same_and_others_read_it(tmp_path: Path, name: str) -> None:
    result = run(name, tmp_path / "1" / "b")
    run(name, tmp_path / "2" / "b")
    assert bag_digest(tmp_path / "1" / "b") == bag_digest(tmp_path / "2" / "b")
    count = sum(result.messages.values())
    assert count
    with Reader(tmp_path / "1" / "b") as rosbags:
        assert sum(1 for _ in rosbags.messages(rosbags.connections)) == rosbags.message_count == count
    assert sum(1 for message in read_ros2_messages(str(mcap_of(tmp_path / "1" / "b"))) if message.ros_msg) == count
    with open_bag(tmp_path / "1" / "b") as bag:
        assert bag.warnings == []
        assert notes_of(bag.attachments)[0] == result.notes[0]


def test_front_and_can(tmp_path: Path) -> None:
    data = real_data()
    run("front_and_can", tmp_path / "b")
    with open_bag(tmp_path / "b") as bag:
        frames = [frame for _, frame in camera_frames(bag)]
        batches = list(can_batches(bag))
        rig = rig_of(bag)
        attached = set(bag.attachments)
        assert "Two real recordings laid on one time line" in notes_of(bag.attachments)[0]
        assert "assumed" in notes_of(bag.attachments)[1]
    assert len(frames) == 221
    assert set(np.diff([frame.stamp_ns for frame in frames])) == {40_000_000}
    assert {"vehicle/can.yaml", "vehicle/vehicle.yaml", "vehicle/limits.yaml", "vehicle/canmod-gps.dbc", "vehicle/demo.dbc"} <= attached
    assert (rig.cameras["CAM_FRONT"].lens.width, rig.cameras["CAM_FRONT"].lens.height) == (960, 540)
    assert batches[0][0] <= frames[0].stamp_ns - 1_000_000_000  # the state is there before frame 0
    assert batches[-1][0] >= frames[-1].stamp_ns + 500_000_000
    database = cantools.database.load_file(data / "can_drive" / "canmod-gps.dbc")
    speeds = [
        (int(stamp), database.decode_message(7, payload, decode_choices=False))
        for _, batch in batches if batch.channel == "gps"
        for stamp, can_id, payload in zip(batch.stamp_ns, batch.ids, batch.payloads(), strict=True) if can_id == 7
    ]  # fmt: skip
    before = [speed for stamp, speed in speeds if stamp < frames[0].stamp_ns - 1_000_000_000]
    assert before and before[0]["SpeedValid"] == 1 and before[0]["Speed"] > 20  # type: ignore[index, call-overload]
    log = MDF(data / "can_drive" / "00000002-60FEB8E3.MF4")
    decoded = log.extract_bus_logging({"CAN": [(str(data / "can_drive" / "canmod-gps.dbc"), 0)]})
    theirs = decoded.get("Speed")
    ours = np.array([speed["Speed"] for _, speed in speeds], dtype=np.float64)  # type: ignore[index, call-overload]
    assert len(ours) >= 11
    at = next(i for i in range(len(theirs.samples)) if np.allclose(theirs.samples[i : i + len(ours)], ours))  # both are whole there
    steps_ns = np.diff([stamp for stamp, _ in speeds])
    assert np.abs(steps_ns - np.diff(theirs.timestamps[at : at + len(ours)]) * 1e9).max() < 2000  # the logger's clock ticks 50 µs, floats 0.2 µs


def test_front_video_decodes_to_the_pictures_of_the_file(tmp_path: Path) -> None:
    data = real_data()
    run("front_and_can", tmp_path / "b")
    decoder = av.CodecContext.create("h264", "r")
    pictures = []
    with open_bag(tmp_path / "b") as bag:
        for _, frame in camera_frames(bag):
            pictures += decoder.decode(av.Packet(frame.data.tobytes()))
    pictures += decoder.decode(None)
    with av.open(str(data / "front_video" / "solidWhiteRight.mp4")) as container:
        count = 0
        for ours, theirs in zip(pictures, container.decode(video=0), strict=True):
            count += 1
            if count % 20 == 1:
                assert np.array_equal(ours.to_ndarray(), theirs.to_ndarray())
    assert count == 221


def test_surround_dgp(tmp_path: Path) -> None:
    data = real_data() / "surround_dgp" / "scene_01"
    run("surround_dgp", tmp_path / "b")
    with open_bag(tmp_path / "b") as bag:
        frames = [frame for _, frame in camera_frames(bag)]
        rig = rig_of(bag)
        files = json.loads(bag.attachments[PROVENANCE])["files"]
        labelled = {each.stamp_ns: {box.id: box for box in each.boxes} for _, each in labels(bag)}
        poses = [pose for _, pose in odometries(bag)]
    assert len(frames) == 9
    assert len(files) == 9 + 7  # images of the same name in three folders, calibration, scene, ontology, three files of boxes, import file
    assert {frame.stamp_ns for frame in frames} == {1556919593841523000, 1556919593941523000, 1556919594041524200}
    assert frames[0].data.tobytes() == (data / "rgb" / "CAMERA_01" / "15569195938415230.jpg").read_bytes()
    for name, yaw_deg in (("CAM_FRONT", 0), ("CAM_FRONT_LEFT", 60), ("CAM_FRONT_RIGHT", -60)):
        ahead = rig.cameras[name].pose.rotation @ np.array([0.0, 0.0, 1.0])
        assert abs(np.degrees(np.arctan2(ahead[1], ahead[0])) - yaw_deg) < 15
    assert rig.cameras["CAM_FRONT"].lens.fx == 2167.6926048451924
    assert len(poses) == 6 and max(abs(pose.speed_mps) for pose in poses) < 0.01  # sweeps and exposures; it stands
    assert sum(len(boxes) for boxes in labelled.values()) == 286
    for theirs, name in (("CAMERA_01", "CAM_FRONT"), ("CAMERA_05", "CAM_FRONT_LEFT"), ("CAMERA_06", "CAM_FRONT_RIGHT")):
        for file in (data / "bounding_box_3d" / theirs).glob("*.json"):  # the scene's own boxes in the frame of the camera
            for item in json.loads(file.read_text())["annotations"]:
                ours = rig.cameras[name].pose.inverse().compose(labelled[int(file.stem) * 100][item["instance_id"]].pose)
                assert ours.translation.tolist() == pytest.approx(list(item["box"]["pose"]["translation"].values()), abs=1e-3)


def test_fisheye(tmp_path: Path) -> None:
    run("fisheye", tmp_path / "b")
    with open_bag(tmp_path / "b") as bag:
        frames = [frame for _, frame in camera_frames(bag)]
        rig = rig_of(bag)
    assert {frame.camera for frame in frames} == set(rig.cameras) == {"CAM_FRONT", "CAM_LEFT", "CAM_RIGHT", "CAM_BACK"}
    front = rig.cameras["CAM_FRONT"].lens
    assert (front.model, front.width, front.height) == (LensModel.EQUIDISTANT, 960, 640)
    assert front.distortion == (-4.3735601598704078e-02, 2.1692522970939803e-02, -2.6388839028513571e-02, 8.4123126605702321e-03)


def test_gnss_rtk_equals_the_expected_decode(tmp_path: Path) -> None:
    expected = real_data() / "gnss" / "nmea-rtk.log.chk"
    result = run("gnss_rtk", tmp_path / "b")
    assert result.counts == {"DGPS fixes": 104, "RTK_FIXED fixes": 18}
    with open_bag(tmp_path / "b") as bag:
        fixes = [fix for _, fix in gnss_fixes(bag)]
    by_time = {}
    for line in expected.read_text().splitlines():
        if line.startswith("{") and '"TPV"' in line and '"time"' in line:
            report = json.loads(line)
            by_time[re.sub(r"0*Z$", "", report["time"])] = report
    compared = 0
    for fix in fixes:
        moment = np.datetime64(fix.stamp_ns, "ns").astype("datetime64[ms]").astype(str).rstrip("0").rstrip(".")
        report = by_time.get(moment) or by_time.get(f"{moment}.")
        if report is None:
            continue
        compared += 1
        assert fix.latitude_deg == pytest.approx(report["lat"], abs=2e-9)
        assert fix.longitude_deg == pytest.approx(report["lon"], abs=2e-9)
        assert fix.altitude_m == pytest.approx(report["altHAE"], abs=2e-3)
        assert fix.fix == (FixType.DGPS if report["status"] == 2 else FixType.RTK_FIXED)
    assert compared > 100
