"""Importing from files that the test makes: formats, refusals, determinism."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import can
import cv2
import numpy as np
import pytest
import yaml
from bag_samples import mcap_of

from heron_bag.digest import bag_digest
from heron_bag.errors import BagError
from heron_bag.importing.can_log import allow_mf4
from heron_bag.importing.config import load_import_config
from heron_bag.importing.importer import ImportResult, import_recording
from heron_bag.importing.recording import seconds_to_ns
from heron_bag.native import camera_frames, can_batches, gnss_fixes, rig_of
from heron_bag.reader import open_bag
from heron_core.canbus import FLAG_EXTENDED, FLAG_REMOTE
from heron_core.errors import ConfigError
from heron_core.signals import FixType

START = {"align": "start", "start": "2024-01-01T00:00:00Z"}
START_NS = 1_704_067_200_000_000_000


def run(tmp_path: Path, sources: list[dict[str, Any]], name: str = "out", **more: Any) -> ImportResult:
    """Imports what a yaml file with these sources says."""
    file = tmp_path / "import.yaml"
    file.write_text(yaml.safe_dump({"name": "test", "timeline": START, "sources": sources, **more}))
    return import_recording(load_import_config(file), file, tmp_path / name)


def make_video(path: Path, b_frames: int = 0, codec: str = "libx264", frames: int = 12) -> list[Any]:
    """A video of noise; returns its decoded pictures."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if codec == "libx264":
            stream.options = {"bf": str(b_frames), "g": "5", "b-adapt": "0"}
        for index in range(frames):
            picture = np.full((48, 64, 3), index * 20, np.uint8)
            picture[:, index * 4 : index * 4 + 8] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_video_packets_are_kept_and_decode_to_the_same_pictures(tmp_path: Path) -> None:
    wanted = make_video(tmp_path / "v.mp4")
    run(tmp_path, [{"video": {"file": "v.mp4", "camera": "CAM_FRONT", "offset_s": 0.1}}])
    decoder = av.CodecContext.create("h264", "r")
    found, stamps = [], []
    with open_bag(tmp_path / "out") as bag:
        for _, frame in camera_frames(bag):
            stamps.append(frame.stamp_ns)
            assert frame.data[:3].tolist() == [0, 0, 0] and frame.data[3] == 1
            found += decoder.decode(av.Packet(frame.data.tobytes()))
    found += decoder.decode(None)
    assert stamps == [START_NS + 100_000_000 + round(i * 1e9 / 30) for i in range(12)]
    assert len(found) == len(wanted) == 12
    assert all(np.array_equal(frame.to_ndarray(format="rgb24"), picture) for frame, picture in zip(found, wanted, strict=True))


def test_video_that_cannot_be_taken_as_it_is_is_refused(tmp_path: Path) -> None:
    make_video(tmp_path / "b.mp4", b_frames=2)
    make_video(tmp_path / "m.mp4", codec="mpeg4")
    (tmp_path / "x.mp4").write_bytes(b"no video")
    for name, reason in (("b", "B frames.*-bf 0"), ("m", "is mpeg4, only H.264"), ("x", "cannot be read as a video"), ("nope", "no such file")):
        with pytest.raises(BagError, match=reason):
            run(tmp_path, [{"video": {"file": f"{name}.mp4", "camera": "CAM_FRONT"}}])
    assert not (tmp_path / "out").exists()


def test_images_by_rate_by_name_and_alone(tmp_path: Path) -> None:
    for index in range(4):
        cv2.imwrite(str(tmp_path / f"{17040672000000000 + index}.jpg"), np.full((16, 16, 3), 60 * index, np.uint8))
    cv2.imwrite(str(tmp_path / "still.png"), np.full((16, 16, 3), 99, np.uint8))
    result = run(
        tmp_path,
        [
            {"images": {"files": "1704*.jpg", "camera": "CAM_FRONT", "fps": 29.97}},
            {"images": {"files": "still.png", "camera": "CAM_BACK", "offset_s": 0.25}},
        ],
    )
    assert result.remarks == ["images of CAM_BACK are not JPEG (.png); encoded as JPEG of quality 95"]
    assert result.remarks[0] in result.notes
    with open_bag(tmp_path / "out") as bag:
        front = [frame for _, frame in camera_frames(bag) if frame.camera == "CAM_FRONT"]
        back = next(frame for _, frame in camera_frames(bag) if frame.camera == "CAM_BACK")
    assert [frame.stamp_ns - START_NS for frame in front] == [0, 33366700, 66733400, 100100100]
    assert front[2].data.tobytes() == (tmp_path / "17040672000000002.jpg").read_bytes()  # untouched
    assert back.stamp_ns == START_NS + 250_000_000
    assert abs(int(cv2.imdecode(np.array(back.data), cv2.IMREAD_COLOR)[8, 8, 0]) - 99) <= 2
    run(tmp_path, [{"images": {"files": "1704*.jpg", "camera": "CAM_FRONT", "name_unit_ns": 100}}], "own", timeline={"align": "own"})
    with open_bag(tmp_path / "own") as bag:
        assert [frame.stamp_ns for _, frame in camera_frames(bag)] == [START_NS + i * 100 for i in range(4)]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"files": "*.jpg", "camera": "CAM_FRONT"}, "2 images without times"),
        ({"files": "*.jpg", "camera": "CAM_FRONT", "name_unit_ns": 100}, "'a' is not a time"),
        ({"files": "*.png", "camera": "CAM_FRONT"}, "cannot be read as an image"),
    ],
)
def test_images_without_sense_are_refused(tmp_path: Path, source: dict[str, Any], reason: str) -> None:
    for name in "ab":
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "c.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(BagError, match=reason):
        run(tmp_path, [{"images": source}])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.jpg", "c.png", "import.yaml"]


def _log(path: Path, first_s: float = 1_600_000_000.0) -> list[can.Message]:
    messages = [
        can.Message(
            timestamp=first_s + index * 0.004, arbitration_id=0x18FF0000 + index if index % 5 == 0 else 0x100 + index, channel=0,
            is_extended_id=index % 5 == 0, data=bytes(range(index % 9)), is_remote_frame=False,
        )
        for index in range(50)
    ]  # fmt: skip
    if path.suffix == ".mf4":
        allow_mf4()
    with can.Logger(str(path)) as log:
        for message in messages:
            log(message)
    return messages


@pytest.mark.parametrize("suffix", ["log", "asc", "blf", "mf4"])
def test_can_logs_of_every_format(tmp_path: Path, suffix: str) -> None:
    wanted = _log(tmp_path / f"drive.{suffix}")
    result = run(tmp_path, [{"can": {"files": [f"drive.{suffix}"], "channel": "vehicle", "offset_s": 0.5}}])
    assert result.counts == {"CAN frames of bus vehicle": 50}
    with open_bag(tmp_path / "out") as bag:
        batches = list(can_batches(bag))
    stamps = np.concatenate([batch.stamp_ns for _, batch in batches]) - START_NS
    assert stamps[0] == 500_000_000
    assert np.abs(stamps - 500_000_000 - np.arange(50) * 4_000_000).max() <= 1000  # python's floats: 1 µs
    assert [payload for _, batch in batches for payload in batch.payloads()] == [bytes(message.data) for message in wanted]
    assert [int(i) for _, batch in batches for i in batch.ids] == [message.arbitration_id for message in wanted]
    assert [bool(f & FLAG_EXTENDED) for _, batch in batches for f in batch.flags] == [message.is_extended_id for message in wanted]
    for log_ns, batch in batches:
        assert log_ns == batch.stamp_ns[-1]  # nothing is known before it happened
        assert batch.stamp_ns[-1] - batch.stamp_ns[0] < 10_000_000
        assert batch.channel == "vehicle"


def test_can_part_channels_and_flags(tmp_path: Path) -> None:
    lines = [f"({1_600_000_000 + i * 0.1:.6f}) can{i % 2} {'123#R' if i == 6 else f'{i:03X}#AA'}\n" for i in range(40)]
    (tmp_path / "drive.log").write_text("".join(lines))
    run(tmp_path, [{"can": {"files": ["drive.log"], "channel": "all", "from_s": 0.5, "duration_s": 1.0}}])
    with open_bag(tmp_path / "out") as bag:
        batches = [batch for _, batch in can_batches(bag)]
    assert [int(i) for batch in batches for i in batch.ids] == [5, 0x123, 7, 8, 9, 10, 11, 12, 13, 14]
    assert [int(f) for batch in batches for f in batch.flags][1] == FLAG_REMOTE
    assert batches[0].stamp_ns[0] == START_NS


def test_can_log_whose_time_jumps_is_refused(tmp_path: Path) -> None:
    times = [*range(20), *range(5, 10)]
    (tmp_path / "drive.log").write_text("".join(f"({1_600_000_000 + t}.000000) can0 123#AA\n" for t in times))
    with pytest.raises(BagError, match=r"jumps back by 1[0-9].*split the log"):
        run(tmp_path, [{"can": {"files": ["drive.log"], "channel": "v"}}])
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*"))


def test_broken_and_empty_can_logs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mf4").write_bytes(b"nothing of that kind")
    (tmp_path / "b.log").write_text("")
    for name, reason in (("a.mf4", "cannot be read as a CAN log"), ("b.log", "holds no CAN frame")):
        with pytest.raises(BagError, match=reason):
            run(tmp_path, [{"can": {"files": [name], "channel": "v"}}])


def _sentence(body: str) -> str:
    checksum = 0
    for character in body:
        checksum ^= ord(character)
    return f"${body}*{checksum:02X}\n"


def test_nmea_dates_fixes_over_midnight_and_counts_broken_lines(tmp_path: Path) -> None:
    def pair(time: str, date: str, quality: int) -> str:
        place = "4807.038,N,01131.000,E"
        return _sentence(f"GPGGA,{time},{place},{quality},08,1.0,545.4,M,46.9,M,,") + _sentence(f"GPRMC,{time},A,{place},022.4,084.4,{date},003.1,W")

    text = pair("235959.90", "311223", 1) + pair("000000.00", "010124", 4) + pair("000000.10", "010124", 5)
    broken = pair("000000.20", "010124", 2).replace("4807", "4808")
    empty = _sentence("GPGGA,000000.30,,,,,0,00,,,M,,M,,") + "$GARBAGE\n"
    (tmp_path / "n.log").write_text(text + broken + empty)
    result = run(tmp_path, [{"nmea": {"file": "n.log"}}], timeline={"align": "own"})
    assert result.counts == {"AUTONOMOUS fixes": 1, "NONE fixes": 1, "RTK_FIXED fixes": 1, "RTK_FLOAT fixes": 1, "broken NMEA sentences left out": 3}
    with open_bag(tmp_path / "out") as bag:
        fixes = [fix for _, fix in gnss_fixes(bag)]
    assert [fix.stamp_ns - START_NS for fix in fixes] == [-100_000_000, 0, 100_000_000, 300_000_000]
    assert [fix.fix for fix in fixes] == [FixType.AUTONOMOUS, FixType.RTK_FIXED, FixType.RTK_FLOAT, FixType.NONE]
    assert fixes[0].latitude_deg == pytest.approx(48.1173)
    assert fixes[0].altitude_m == pytest.approx(592.3)
    assert np.isnan(fixes[3].latitude_deg)


def test_source_without_absolute_time_needs_a_place_on_the_time_line(tmp_path: Path) -> None:
    make_video(tmp_path / "v.mp4")
    with pytest.raises(BagError, match=r"no absolute time.*align: start"):
        run(tmp_path, [{"video": {"file": "v.mp4", "camera": "CAM_FRONT"}}], timeline={"align": "own"})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"sources": [{"vidoe": {}}]}, "unknown key 'vidoe'.*video"),
        ({"sources": []}, "sources is empty"),
        ({"sources": [{}]}, "exactly one of"),
        ({"sources": [{"can": {"files": ["x"]}}]}, "either channel"),
        ({"sources": [{"images": {"files": "x", "camera": "C", "fps": 0}}]}, "fps is 0"),
        ({"sources": [{"video": {"file": "${HOME}/x", "camera": "C"}}]}, "only .*HERON_REAL_DATA"),
        ({"timeline": {"align": "start", "start": "2024-01-01"}, "sources": [{"nmea": {"file": "x"}}]}, "no time zone"),
        ({"timeline": {"align": "start"}, "sources": [{"nmea": {"file": "x"}}]}, "needs `start`"),
    ],
)
def test_wrong_import_files_are_refused_by_file_and_key(tmp_path: Path, content: dict[str, Any], reason: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({"name": "x", **content}))
    with pytest.raises(ConfigError, match=rf"wrong\.yaml.*{reason}"):
        load_import_config(file)


def test_impossible_calibration_is_refused(tmp_path: Path) -> None:
    make_video(tmp_path / "v.mp4")
    source = [{"video": {"file": "v.mp4", "camera": "CAM_FRONT"}}]
    (tmp_path / "k.yml").write_text("%YAML:1.0\n---\ncamera_matrix: 3\n")
    opencv = {"CAM_FRONT": {"file": "k.yml", "model": "plumb_bob", "mounting": {"position_m": [0, 0, 1]}}}
    with pytest.raises(BagError, match=r"calibration of test|no matrix"):
        run(tmp_path, source, calibration={"opencv": opencv})
    (tmp_path / "c.json").write_text('{"names": ["A"], "intrinsics": [{"fx": -5, "fy": 5, "cx": 1, "cy": 1, "skew": 0}], "extrinsics": [{}]}')
    for cameras, reason in (({"B": "CAM_FRONT"}, "no camera B"), ({"A": "CAM_FRONT"}, "calibration of test")):
        with pytest.raises(BagError, match=reason):
            run(tmp_path, source, calibration={"dgp": {"file": "c.json", "cameras": cameras, "width": 64, "height": 48}})


def test_interrupted_import_leaves_nothing(tmp_path: Path) -> None:
    make_video(tmp_path / "v.mp4")
    file = tmp_path / "import.yaml"
    file.write_text(yaml.safe_dump({"name": "t", "timeline": START, "sources": [{"video": {"file": "v.mp4", "camera": "CAM_FRONT"}}]}))

    def stop(done: int, total: int | None) -> None:
        assert total == 12
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_recording(load_import_config(file), file, tmp_path / "out", stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["import.yaml", "v.mp4"]
    (tmp_path / ".out.part").mkdir()  # as kill -9 leaves it
    import_recording(load_import_config(file), file, tmp_path / "out")
    with pytest.raises(BagError, match="exists already"):
        import_recording(load_import_config(file), file, tmp_path / "out")


def test_two_imports_are_equal_to_the_bit(tmp_path: Path) -> None:
    make_video(tmp_path / "v.mp4")
    _log(tmp_path / "drive.log")
    sources = [{"can": {"files": ["drive.log"], "channel": "v"}}, {"video": {"file": "v.mp4", "camera": "CAM_FRONT"}}]
    nominal = {"CAM_FRONT": {"width": 64, "height": 48, "hfov_deg": 60, "mounting": {"position_m": [1, 0, 1], "yaw_deg": 10}}}
    for folder in ("1", "2"):
        result = run(tmp_path, sources, f"{folder}/b", calibration={"nominal": nominal, "assumed": "all of it"})
        assert result.notes == ["assumed, not measured: all of it"]
    assert bag_digest(tmp_path / "1" / "b") == bag_digest(tmp_path / "2" / "b")
    assert mcap_of(tmp_path / "1" / "b").read_bytes() == mcap_of(tmp_path / "2" / "b").read_bytes()
    with open_bag(tmp_path / "1" / "b") as bag:
        camera = rig_of(bag).cameras["CAM_FRONT"]
    assert camera.pose.rotation @ np.array([0, 0, 1.0]) == pytest.approx([np.cos(np.radians(10)), np.sin(np.radians(10)), 0])  # looks 10° left
    assert camera.lens.fx == pytest.approx(32 / np.tan(np.radians(30)))


def test_decimal_seconds_are_exact() -> None:
    assert [seconds_to_ns(value) for value in (0.1, 2.0, 0.000000001, 1e9 + 0.3)] == [100_000_000, 2_000_000_000, 1, 1_000_000_000_300_000_000]
