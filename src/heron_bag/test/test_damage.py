"""Damaged recordings: cut short, corrupt, written by a process that was killed, on a disk that filled up."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bag_samples import FRONT, PERIOD_NS, START_NS, frame, mcap_of, put, write_frames
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader

from heron_bag.errors import BagError, BagWriteError
from heron_bag.info import describe
from heron_bag.native import camera_frames
from heron_bag.reader import open_bag
from heron_bag.whole import whole_recording
from heron_bag.writer import BagWriter


def _indexes(path: Path) -> list[int]:
    with open_bag(path) as bag:
        return [(found.stamp_ns - START_NS) // PERIOD_NS for _, found in camera_frames(bag, [FRONT])]


def test_truncated_recording_is_read_up_to_its_last_whole_chunk(tmp_path: Path) -> None:
    path = mcap_of(write_frames(tmp_path / "b", 40))
    whole = path.read_bytes()
    cut = tmp_path / "cut.mcap"
    seen = set()
    for size in [*range(1000, len(whole), 997), len(whole) - 1]:
        cut.write_bytes(whole[:size])
        with open_bag(cut) as bag:
            assert any("truncated" in warning and "lost" in warning for warning in bag.warnings)
            if FRONT not in bag.topics:
                continue
        found = _indexes(cut)
        assert found == list(range(len(found)))
        assert size - len(found) * 2200 < 3 * 8192 + 5000  # no more than the chunk that was cut, and its neighbours' indexes
        seen.add(len(found))
    assert len(seen) > 5
    assert max(seen) == 40  # only the summary was lost


def test_zeros_at_the_end_as_after_a_power_loss(tmp_path: Path) -> None:
    path = mcap_of(write_frames(tmp_path / "b", 20))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(10_000))
    found = _indexes(path)
    assert 5 < len(found) < 20
    assert describe(path).warnings


def test_no_damage_raises_anything_but_a_bag_error(tmp_path: Path) -> None:
    whole, seeded = mcap_of(write_frames(tmp_path / "b", 6)).read_bytes(), random.Random(7)
    path, refused = tmp_path / "damaged.mcap", 0
    for _ in range(300):
        data = bytearray(whole if seeded.random() < 0.7 else whole[: seeded.randrange(100, len(whole))])
        for _ in range(seeded.choice([1, 2, 8])):  # indexes at the end, heads of records at the start
            data[seeded.choice([seeded.randrange(8, min(800, len(data))), -seeded.randrange(1, 90)])] = seeded.choice([0, 255, seeded.randrange(256)])
        path.write_bytes(data)
        try:
            with open_bag(path) as bag:
                for _ in bag.messages():
                    pass
                dict(bag.attachments)
        except BagError as error:
            refused += 1
            assert "damaged.mcap" in str(error)
    assert refused < 300


def test_a_recording_that_is_made_whole_leaves_nothing_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(BagWriteError, match=r"out: not made: No space left on device; make room") as failed,
        whole_recording(tmp_path / "out") as writer,
    ):
        put(writer, FRONT, START_NS, frame(0))
        monkeypatch.setattr("os.writev", full)
        writer.flush()
    assert failed.value.is_failure
    assert list(tmp_path.iterdir()) == []


def test_corrupt_chunk_is_skipped_and_counted(tmp_path: Path) -> None:
    path = mcap_of(write_frames(tmp_path / "b", 40))
    data = bytearray(path.read_bytes())
    at = data.find(bytes(frame(20).data[:64]))
    data[at + 10] ^= 0x40
    path.write_bytes(data)
    with open_bag(tmp_path / "b") as bag:
        assert bag.warnings == []  # the index is whole: only reading finds it
        found = [(got.stamp_ns - START_NS) // PERIOD_NS for _, got in camera_frames(bag)]
        assert bag.corrupt_chunks == 1
        assert len(bag.warnings) == 1
        assert "CRC does not match" in bag.warnings[0] and "skipped" in bag.warnings[0]
    assert 20 not in found
    assert 30 < len(found) < 40
    report = describe(tmp_path / "b", check=True)
    assert report.corrupt_chunks == 1
    assert report.warnings


def test_corrupt_summary_is_said_and_survived(tmp_path: Path) -> None:
    path = mcap_of(write_frames(tmp_path / "b", 20))
    data = bytearray(path.read_bytes())
    data[-200] ^= 0xFF
    path.write_bytes(data)
    with open_bag(tmp_path / "b") as bag:
        assert any("summary" in warning for warning in bag.warnings)
    assert _indexes(tmp_path / "b") == list(range(20))


def test_message_that_does_not_fit_its_type_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "b") as writer:
        writer.add_topic(FRONT, "sensor_msgs/msg/CompressedImage")
        writer.write(FRONT, START_NS, b"\x00\x01\x00\x00\xff\xff\xff\xff")
    with open_bag(tmp_path / "b") as bag, pytest.raises(BagError, match="CompressedImage cannot be decoded"):
        list(camera_frames(bag))


WRITE_FOREVER = """
import sys, time
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from bag_samples import *
with BagWriter(Path(sys.argv[1]), chunk_bytes=20_000) as writer:
    for index in range(1_000_000):
        put(writer, FRONT, START_NS + index * PERIOD_NS, frame(index))
        if index % 50 == 0:
            print(index, flush=True)
        time.sleep(0.0005)
"""


def test_kill_9_loses_the_last_chunk_and_no_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE_FOREVER, str(tmp_path / "b"), str(Path(__file__).parent), *sys.path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    written = 0
    while written < 300:
        written = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = _indexes(tmp_path / "b")
    assert found == list(range(len(found)))
    assert len(found) > written - 12  # a chunk of 20,000 bytes holds 10 frames
    with open_bag(tmp_path / "b") as bag:
        assert any("no metadata.yaml" in warning for warning in bag.warnings)
        assert any("truncated" in warning for warning in bag.warnings)


FILL_DISK = """
import resource, sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from bag_samples import *
from heron_bag.errors import BagWriteError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
writer = BagWriter(Path(sys.argv[1]), chunk_bytes=8192)
writer.attach("vehicle/rig.yaml", b"name: x")
try:
    for index in range(10_000):
        put(writer, FRONT, START_NS + index * PERIOD_NS, frame(index))
    sys.exit("the disk never filled up")
except BagWriteError as error:
    print(error)
try:
    writer.write(FRONT, START_NS, b"")
except BagWriteError:
    print("again refused")
"""


@pytest.mark.parametrize("room", [100_000, 101_234, 103_000, 104_500])
def test_full_disk_ends_the_recording_in_order(tmp_path: Path, room: int) -> None:
    command = [sys.executable, "-c", FILL_DISK, str(tmp_path / "b"), str(room), str(Path(__file__).parent), *sys.path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "disk is full" in said and "kept and readable" in said and "again refused" in said
    assert mcap_of(tmp_path / "b").stat().st_size <= room
    with open_bag(tmp_path / "b") as bag:
        assert bag.warnings == []  # index and metadata are there
        assert bag.attachments["vehicle/rig.yaml"] == b"name: x"
    found = _indexes(tmp_path / "b")
    assert found == list(range(len(found)))
    assert len(found) * 2100 > room * 0.7
    assert f"{len(found):,} messages are kept" in said
    with Reader(tmp_path / "b") as rosbags:
        assert rosbags.message_count == len(found)
    with mcap_of(tmp_path / "b").open("rb") as file:
        assert sum(1 for _ in make_reader(file, validate_crcs=True).iter_messages()) == len(found)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        writer = BagWriter(disk / "b", chunk_bytes=8192)
        with pytest.raises(BagWriteError, match="disk is full"):
            for index in range(1000):
                put(writer, FRONT, START_NS + index * PERIOD_NS, frame(index))
        found = _indexes(disk / "b")
        assert found == list(range(len(found)))
        assert len(found) > 50
        with Reader(disk / "b") as rosbags:
            assert rosbags.message_count == len(found)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_slow_topics_reach_the_disk_within_a_chunk_time(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "b")  # 4 MiB chunks: only time closes them
    for index in range(25):
        put(writer, FRONT, START_NS + index * PERIOD_NS, frame(index))
    assert len(_indexes(mcap_of(tmp_path / "b"))) >= 10  # read while it is written
    writer.close()
    assert _indexes(tmp_path / "b") == list(range(25))


def test_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    write_frames(tmp_path / "b", 3)
    with pytest.raises(BagError, match="exists already"):
        BagWriter(tmp_path / "b")
    assert _indexes(tmp_path / "b") == [0, 1, 2]


def test_reading_is_not_slow(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "b") as writer:
        for index in range(60):
            put(writer, FRONT, START_NS + index * PERIOD_NS, frame(index, size=500_000))
    began = time.perf_counter()
    with open_bag(tmp_path / "b") as bag:
        total = sum(len(raw) for _, _, _, raw in bag.messages())
    assert total / (time.perf_counter() - began) > 3e8  # B/s; 2 to 4 GB/s on an idle machine, and this must hold on a busy one
