"""Inspecting and cutting."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bag_samples import FRONT, PERIOD_NS, START_NS, frame, put, rig, write_frames

from heron_bag.attachments import PROVENANCE, notes_of, policy_files, provenance, vehicle_files
from heron_bag.cut import cut_recording
from heron_bag.errors import BagError
from heron_bag.h264 import is_keyframe
from heron_bag.info import describe, rhythm
from heron_bag.mcap_file import McapFile
from heron_bag.reader import open_bag
from heron_bag.writer import BagWriter
from heron_core.arrays import read_only
from heron_core.frames import CameraFrame
from heron_core.signals import Instruction


def test_rates_gaps_and_missing_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with BagWriter(tmp_path / "b", chunk_bytes=8192) as writer:
        writer.attach(PROVENANCE, provenance("test", ["a note"], {}))
        for index in (*range(10), *range(15, 20), *range(22, 40)):  # 5 and 2 are missing
            put(writer, FRONT, START_NS + index * PERIOD_NS, frame(index))
        put(writer, "/tf_static", START_NS, rig().transforms())
    monkeypatch.setattr(McapFile, "content", lambda *_: pytest.fail("info must not read a payload"))
    report = describe(tmp_path / "b")
    front, static = report.topics
    assert (front.count, front.period_ms, front.gaps, front.missing) == (33, 100.0, 2, 7)
    assert front.longest_gap_s == pytest.approx(0.6)
    assert front.rate_hz == pytest.approx(32 / 3.9)
    assert (static.count, static.rate_hz) == (1, None)
    assert report.notes == ["a note"]
    assert report.attachments == {PROVENANCE: len(provenance("test", ["a note"], {}))}
    assert json.loads(json.dumps(report.to_json()))["duration_s"] == pytest.approx(3.9)


def test_gap_is_more_than_two_and_a_half_periods() -> None:
    steady = np.arange(20, dtype=np.int64) * 100
    assert rhythm(steady)["gaps"] == 0
    for shift, gaps in ((140, 0), (160, 1)):
        times = steady.copy()
        times[10:] += shift
        assert rhythm(times)["gaps"] == gaps


def _unit(index: int) -> CameraFrame:
    """An access unit as a coder writes them: a key frame every tenth, with parameter sets before it."""
    head = b"\0\0\0\1\x67aaa\0\0\0\1\x68b\0\0\1\x65" if index % 10 == 0 else b"\0\0\0\1\x41"
    stamp_ns = START_NS + index * PERIOD_NS
    return CameraFrame("CAM_FRONT", stamp_ns, stamp_ns, "h264", read_only(np.frombuffer(head + b"\x99" * 200, np.uint8)))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    with BagWriter(tmp_path / "v", chunk_bytes=4096) as writer:
        writer.attach("vehicle/rig.yaml", b"name: x")
        writer.attach(PROVENANCE, provenance("test", ["old note"], {}))
        put(writer, "/tf_static", START_NS, rig().transforms())
        put(writer, "/camera/front/camera_info", START_NS, rig().infos()[0])
        for index in range(100):
            put(writer, "/camera/front/video", START_NS + index * PERIOD_NS, _unit(index))
            put(writer, "/imu", START_NS + index * PERIOD_NS, frame(index, 10))
        put(writer, "/instruction", START_NS + 2 * PERIOD_NS, Instruction(START_NS, "left"))
        put(writer, "/instruction", START_NS + 4 * PERIOD_NS, Instruction(START_NS, "right"))
    return tmp_path / "v"


def test_cut_starts_video_at_the_key_frame_and_keeps_what_is_needed(video: Path, tmp_path: Path) -> None:
    counts = cut_recording(video, tmp_path / "c", 7.5, 1.0)
    assert counts == {"/camera/front/camera_info": 1, "/camera/front/video": 15, "/imu": 10, "/instruction": 1, "/tf_static": 1}
    with open_bag(tmp_path / "c") as bag:
        assert bag.log_times("/camera/front/video").tolist() == [START_NS + i * PERIOD_NS for i in range(70, 85)]
        assert bag.log_times("/imu").tolist() == [START_NS + i * PERIOD_NS for i in range(75, 85)]
        assert bag.log_times("/tf_static").tolist() == [START_NS + 75 * PERIOD_NS]
        instruction = next(bag.messages(["/instruction"]))
        assert bag.decode(instruction[1], instruction[3]).manoeuvre == "right"
        assert bag.attachments["vehicle/rig.yaml"] == b"name: x"
        notes = notes_of(bag.attachments)
        assert notes[0] == "old note" and notes[1].startswith("cut from v")


def test_cut_by_topic_and_at_a_key_frame(video: Path, tmp_path: Path) -> None:
    assert cut_recording(video, tmp_path / "c", 5.0, None, ["/camera/*/video"]) == {"/camera/front/video": 50}
    assert sum(cut_recording(video, tmp_path / "all").values()) == 204
    with pytest.raises(BagError, match="no topic matches /nope"):
        cut_recording(video, tmp_path / "d", topics=["/nope"])
    for start_s, duration_s in ((11.0, None), (-1.0, 1.0), (1.0, 0.0)):
        with pytest.raises(BagError, match="nothing lies"):
            cut_recording(video, tmp_path / "d", start_s, duration_s)
    assert not (tmp_path / "d").exists()
    assert not list(tmp_path.glob(".*"))


def test_cut_refuses_to_overwrite(video: Path, tmp_path: Path) -> None:
    write_frames(tmp_path / "b", 2)
    with pytest.raises(BagError, match="exists already"):
        cut_recording(video, tmp_path / "b")
    assert describe(tmp_path / "b").messages == 4


def test_key_frames_are_told_from_others() -> None:
    assert is_keyframe(_unit(0).data)
    assert not is_keyframe(_unit(1).data)
    assert not is_keyframe(b"\0\0\0\1\x67\x65\x65\0\0\0\1\x41\0\0")  # 0x65 inside a parameter set is no slice
    assert not is_keyframe(b"")


def test_attachments_of_vehicle_and_policy(tmp_path: Path) -> None:
    (tmp_path / "car").mkdir()
    (tmp_path / "policy").mkdir()
    with pytest.raises(BagError, match="is empty"):
        vehicle_files(tmp_path / "car")
    with pytest.raises(BagError, match="no such folder"):
        vehicle_files(tmp_path / "nope")
    with pytest.raises(BagError, match=r"no policy\.yaml"):
        policy_files(tmp_path / "policy")
    (tmp_path / "car" / "rig.yaml").write_text("name: x")
    (tmp_path / "policy" / "policy.yaml").write_text("contract: 1")
    (tmp_path / "policy" / "driver.onnx").write_bytes(b"graph")
    assert vehicle_files(tmp_path / "car") == {"vehicle/rig.yaml": b"name: x"}
    digests = json.loads(policy_files(tmp_path / "policy")["policy/digests.json"])["sha256"]
    assert set(digests) == {"policy.yaml", "driver.onnx"}
    (tmp_path / "policy" / "driver.onnx").write_bytes(b"grapH")
    assert json.loads(policy_files(tmp_path / "policy")["policy/digests.json"])["sha256"]["driver.onnx"] != digests["driver.onnx"]
