"""Native messages to CDR and back, against ROS's own messages, and the rig of a recording."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from bag_samples import START_NS, batch, frame, put, rig

from heron_bag.definitions import require, schema_text
from heron_bag.errors import BagError
from heron_bag.native import camera_frames, can_batches, gnss_fixes, imu_samples, instructions, rig_of
from heron_bag.reader import Bag, open_bag
from heron_bag.serialise import canonical, ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_core.arrays import read_only
from heron_core.frames import CameraFrame, FrameSet
from heron_core.rig import dump_rig
from heron_core.signals import ControlStatus, Engagement, Event, FixType, GnssFix, ImuSample, Instruction, Ladder
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory
from heron_core.vehicle import Odometry, Signal, VehicleState

STAGES = Stages(1, 2, 3, 4, 5, 6, 7, 8)
PLAN = Trajectory.make(START_NS, np.arange(160, dtype=np.float32).reshape(40, 4), 7, "digest", STAGES)


def pixels(encoding: str) -> CameraFrame:
    shape = {"rgb8": (4, 6, 3), "bgr8": (4, 6, 3), "mono8": (4, 6), "nv12": (6, 6), "yuyv": (4, 6, 2)}[encoding]
    data = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    return CameraFrame(f"CAM_{encoding.upper()}", START_NS, START_NS, encoding, read_only(data))


RAW = [pixels(encoding) for encoding in ("rgb8", "bgr8", "mono8", "nv12", "yuyv")]
VIEWS = read_only(np.arange(72, dtype=np.uint8).reshape(1, 3, 4, 6))
SAMPLES = {
    "/camera/front/image/compressed": frame(3, 101),
    "/camera/front/video": CameraFrame("CAM_FRONT", START_NS, START_NS, "h264", read_only(np.arange(99, dtype=np.uint8))),
    **{f"/camera/{found.encoding}/image": found for found in RAW},
    "/camera/front/camera_info": rig().infos()[0],
    "/tf_static": rig().transforms(),
    "/can/tap": batch(0),
    "/vehicle/state": VehicleState(START_NS, {"speed": Signal(3.5, 1000, True), "steer": Signal(-0.1, 5, False)}),
    "/odom": Odometry(START_NS, 1.0, 2.0, 0.3, 4.0, 0.1, False),
    "/imu": ImuSample(START_NS, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    "/gnss/fix": GnssFix(START_NS, 55.1, 10.2, 30.3, FixType.RTK_FIXED, 0.02),
    "/instruction": Instruction(START_NS, "left", "turn ä"),
    "/plan/trajectory": PLAN,
    "/control/status": ControlStatus(START_NS, Engagement.SHADOW, "why", True, 5, 0.1, -0.2, 3, 4, STAGES, Ladder.WARN, True, False, True, 0.2, 0.1),
    "/events": Event(START_NS, "bookmark", "x", "text"),
    "/clock": START_NS,
    "/frames": FrameSet(
        START_NS, "d", ("CAM_FRONT",), (START_NS,), (True,), {"images": VIEWS}, {}, STAGES
    ),
}  # fmt: skip


@pytest.mark.parametrize("topic", SAMPLES)
def test_bytes_are_those_that_ros_writes_for_the_converted_message(topic: str) -> None:
    serialization = pytest.importorskip("rclpy.serialization", reason="ROS 2 is not here")
    from heron_runtime.topics import topic_row

    native = SAMPLES[topic]
    row = topic_row(topic)
    ours = bytes(serialise(native))
    assert row.ros_type == ros_type_of(native)
    theirs = serialization.serialize_message(row.to_ros()(native))
    assert bytes(canonical(row.ros_type, theirs)) == ours
    back = row.from_ros()(serialization.deserialize_message(ours, row.ros_class()), topic, START_NS)
    assert bytes(serialise(back)) == ours


@pytest.fixture
def bag(tmp_path: Path) -> Bag:
    with BagWriter(tmp_path / "b") as writer:
        for topic, native in SAMPLES.items():
            put(writer, topic, START_NS, native)
    return open_bag(tmp_path / "b")


def test_natives_come_back(bag: Bag) -> None:
    assert next(gnss_fixes(bag))[1] == SAMPLES["/gnss/fix"]
    assert next(imu_samples(bag))[1] == SAMPLES["/imu"]
    assert next(instructions(bag))[1] == SAMPLES["/instruction"]
    assert next(can_batches(bag))[1].payloads() == batch(0).payloads()
    for _, found in camera_frames(bag, [f"/camera/{each.encoding}/image" for each in RAW]):
        wanted = next(each for each in RAW if each.encoding == found.encoding)
        assert np.array_equal(found.data, wanted.data)
        assert (found.camera, found.stamp_ns, found.received_ns) == (wanted.camera, START_NS, START_NS)
        assert not found.data.flags.writeable
    with pytest.raises(BagError, match="holds no images"):
        camera_frames(bag, ["/imu"])


def test_image_rows_with_padding_and_impossible_sizes(tmp_path: Path) -> None:
    store = require("sensor_msgs/msg/Image")
    with BagWriter(tmp_path / "b") as writer:
        writer.add_topic("/camera/front/image", "sensor_msgs/msg/Image")
        message = store.deserialize_cdr(serialise(RAW[2]), "sensor_msgs/msg/Image")
        message.step, message.data = 8, np.arange(32, dtype=np.uint8)  # type: ignore[attr-defined]
        writer.write("/camera/front/image", START_NS, store.serialize_cdr(message, "sensor_msgs/msg/Image"))
        message.height = 400  # type: ignore[attr-defined]
        writer.write("/camera/front/image", START_NS + 1, store.serialize_cdr(message, "sensor_msgs/msg/Image"))
    with open_bag(tmp_path / "b") as found:
        frames = camera_frames(found)
        assert np.array_equal(next(frames)[1].data, np.arange(32, dtype=np.uint8).reshape(4, 8)[:, :6])
        with pytest.raises(BagError, match="6x400 mono8"):
            next(frames)


@pytest.mark.parametrize(
    ("kind", "std"), [*((kind, 3.0) for kind in FixType if kind is not FixType.RTK_FIXED), (FixType.RTK_FIXED, 0.02), (FixType.DGPS, float("nan"))]
)  # NavSatFix tells the two kinds of RTK apart by their accuracy only
def test_every_kind_of_fix_survives(tmp_path: Path, kind: FixType, std: float) -> None:
    with BagWriter(tmp_path / "b") as writer:
        put(writer, "/gnss/fix", START_NS, GnssFix(START_NS, 1.0, 2.0, 3.0, kind, std))
    with open_bag(tmp_path / "b") as found:
        assert next(gnss_fixes(found))[1].fix is kind


def test_rig_from_attachment_or_from_topics(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "a") as writer:
        writer.attach("vehicle/rig.yaml", dump_rig(rig()).encode())
        put(writer, "/imu", START_NS, SAMPLES["/imu"])
    with BagWriter(tmp_path / "t") as writer:
        put(writer, "/camera/front/camera_info", START_NS, rig().infos()[0])
        put(writer, "/tf_static", START_NS, rig().transforms())
    for name in "at":
        with open_bag(tmp_path / name) as found:
            camera = rig_of(found).cameras["CAM_FRONT"]
            assert camera.lens == rig().cameras["CAM_FRONT"].lens
            assert np.allclose(camera.pose.rotation, rig().cameras["CAM_FRONT"].pose.rotation)


def test_a_rig_in_the_spelling_of_ros_1_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CameraInfo has K, D, R, P there, and bags that were converted keep the names."""
    told: list[str] = []

    def spelt(ros_type: str) -> str:
        told.append(re.sub(r"^(float64\[.*\] )([dkrp])$", lambda found: found[1] + found[2].upper(), schema_text(ros_type), flags=re.M))
        return told[-1]

    monkeypatch.setattr("heron_bag.writer.schema_text", spelt)
    with BagWriter(tmp_path / "old") as writer:
        put(writer, "/camera/front/camera_info", START_NS, rig().infos()[0])
        put(writer, "/tf_static", START_NS, rig().transforms())
    assert "float64[9] K\n" in told[0]
    with open_bag(tmp_path / "old") as found:
        assert rig_of(found).cameras["CAM_FRONT"].lens == rig().cameras["CAM_FRONT"].lens


def test_recording_without_calibration_says_how_to_give_one(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "none") as writer:
        put(writer, "/imu", START_NS, SAMPLES["/imu"])
    with BagWriter(tmp_path / "half") as writer:
        put(writer, "/camera/front/camera_info", START_NS, rig().infos()[0])
    with BagWriter(tmp_path / "bad") as writer:
        writer.attach("vehicle/rig.yaml", dump_rig(rig()).replace("800.0", "-800.0").encode())
    with open_bag(tmp_path / "none") as found, pytest.raises(BagError, match=r"none: without calibration.*calibration:"):
        rig_of(found)
    with open_bag(tmp_path / "half") as found, pytest.raises(BagError, match="no /tf_static"):
        rig_of(found)
    with open_bag(tmp_path / "bad") as found, pytest.raises(BagError, match=r"vehicle/rig\.yaml.*CAM_FRONT"):
        rig_of(found)


def test_canonical_zeroes_padding() -> None:
    raw = bytearray(serialise(SAMPLES["/gnss/fix"]))
    clean = bytes(raw)
    changed = 0
    for position in range(4, len(raw)):
        dirty = bytearray(clean)
        dirty[position] ^= 0xFF
        with suppress(BagError):  # a length that does not fit
            changed += bytes(canonical("sensor_msgs/msg/NavSatFix", bytes(dirty))) == clean
    assert changed >= 3  # padding before latitude, at least


def test_unknown_type_is_refused_with_the_remedy() -> None:
    with pytest.raises(BagError, match=r"other_msgs/msg/Thing.*source the workspace"):
        require("other_msgs/msg/Thing")
