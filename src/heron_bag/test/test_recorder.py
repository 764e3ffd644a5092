"""Recording without ROS: queue, drops, full disk, attachments."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bag_samples import FRONT, START_NS, frame, mcap_of

from heron_bag.attachments import PROVENANCE
from heron_bag.config import RecorderConfig
from heron_bag.errors import BagError
from heron_bag.player import Pace, chosen_topics, start_of, timed
from heron_bag.reader import open_bag
from heron_bag.recorder import Recorder, is_wanted
from heron_bag.serialise import COMPRESSED_IMAGE, serialise
from heron_bag.writer import BagWriter

pytestmark = pytest.mark.alone

RAW = bytes(serialise(frame(0, 100_000)))


def test_recording_is_self_contained(tmp_path: Path) -> None:
    car = tmp_path / "car"
    car.mkdir()
    for name in ("rig.yaml", "demo.dbc", "limits.yaml"):
        (car / name).write_text(name)
    recorder = Recorder(RecorderConfig(out=str(tmp_path / "b"), vehicle=str(car)), lambda text: None)
    recorder.add_topic(FRONT, COMPRESSED_IMAGE, latched=False)
    assert all(recorder.put(FRONT, START_NS + index, RAW) for index in range(100))
    recorder.close()
    assert (recorder.error, recorder.dropped) == (None, 0)
    with open_bag(tmp_path / "b") as bag:
        assert bag.warnings == []
        assert bag.topics[FRONT].count == 100
        assert set(bag.attachments) == {PROVENANCE, "vehicle/rig.yaml", "vehicle/demo.dbc", "vehicle/limits.yaml"}
        assert b'"code"' in bag.attachments[PROVENANCE]


def test_a_slow_disk_costs_messages_never_time_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_disk, said = threading.Event(), []
    slow = BagWriter.write

    def wait(self: BagWriter, *arguments: object) -> None:
        assert open_disk.wait(20)
        slow(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(BagWriter, "write", wait)
    recorder = Recorder(RecorderConfig(out=str(tmp_path / "b"), queue_bytes=1 << 20), said.append)
    recorder.add_topic(FRONT, COMPRESSED_IMAGE, latched=False)
    taken = sum(recorder.put(FRONT, START_NS + index, RAW) for index in range(50))
    assert taken == 10  # 1 MiB
    assert recorder.dropped == 40
    assert len(said) == 1 and "falls behind" in said[0]
    open_disk.set()
    recorder.close()
    assert "caught up" in said[1]
    with open_bag(tmp_path / "b") as bag:
        assert bag.topics[FRONT].count == 10


def test_whatever_ends_the_writing_thread_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("odd")

    said: list[str] = []
    monkeypatch.setattr(BagWriter, "write", fail)
    recorder = Recorder(RecorderConfig(out=str(tmp_path / "b")), said.append)
    recorder.add_topic(FRONT, COMPRESSED_IMAGE, latched=False)
    recorder.put(FRONT, START_NS, RAW)
    recorder.close()
    assert "RuntimeError: odd" in str(recorder.error)
    assert said == [str(recorder.error)]
    assert not recorder.put(FRONT, START_NS, RAW)


FULL = """
import resource, sys, time
sys.path[:0] = sys.argv[2:]
from heron_bag.config import RecorderConfig
from heron_bag.recorder import Recorder
from bag_samples import *
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
recorder = Recorder(RecorderConfig(out=sys.argv[1], chunk_bytes=65536), print)
recorder.add_topic(FRONT, "sensor_msgs/msg/CompressedImage", latched=False)
raw = bytes(serialise(frame(0, 10_000)))
for index in range(200):
    recorder.put(FRONT, START_NS + index, raw)
    time.sleep(0.001)
assert recorder.error is not None
assert not recorder.put(FRONT, START_NS, raw)
recorder.close()
print("the process lives")
"""


def test_full_disk_stops_recording_not_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "b"), str(Path(__file__).parent), *sys.path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "disk is full" in said and "the process lives" in said
    with open_bag(tmp_path / "b") as bag:
        assert bag.warnings == []
        assert 35 < bag.topics[FRONT].count < 50
    assert mcap_of(tmp_path / "b").stat().st_size <= 500_000


def test_wrong_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="out is empty"):
        RecorderConfig()
    with pytest.raises(BagError, match="no such folder"):
        Recorder(RecorderConfig(out=str(tmp_path / "b"), vehicle=str(tmp_path / "nope")), print)
    assert not (tmp_path / "b").exists()
    recorder = Recorder(RecorderConfig(out=str(tmp_path / "b")), print)
    recorder.add_topic("/a", "sensor_msgs/msg/Imu", latched=False)
    with pytest.raises(BagError, match="recorded as sensor_msgs/msg/Imu"):
        recorder.add_topic("/a", "sensor_msgs/msg/Image", latched=False)
    with pytest.raises(BagError, match="no definition"):
        recorder.add_topic("/b", "other_msgs/msg/Thing", latched=False)
    recorder.close()


@pytest.mark.parametrize(
    ("topic", "wanted"), [("/camera/front/video", True), ("/camera/front/camera_info", True), ("/imu", False), ("/camera/x/secret", False)]
)
def test_topics_are_chosen_by_pattern(topic: str, wanted: bool) -> None:
    assert is_wanted(topic, ["/camera/*", "/can/tap"], ["*/secret"]) is wanted


def test_pace_and_order_of_playing(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "b") as writer:
        writer.add_topic("/a", COMPRESSED_IMAGE)
        for index in range(5):
            writer.write("/a", START_NS + index * 1_000_000_000, RAW)
    with open_bag(tmp_path / "b") as bag:
        pace = Pace(wall_ns=1000, log_ns=start_of(bag, 2.0), rate=2.0)
        assert [due_ns for due_ns, _ in timed(bag, ["/a"], pace)] == [1000, 500_001_000, 1_000_001_000]
        assert pace.recorded_ns(500_001_000) == START_NS + 3_000_000_000
        with pytest.raises(BagError, match=r"nothing lies after 4\.5 s"):
            start_of(bag, 4.5)
        with pytest.raises(BagError, match="no topic matches"):
            chosen_topics(bag, ["/b*"])
