"""Reading: ours and others' recordings, order, ranges, no copies; and others read ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bag_samples import FRONT, PERIOD_NS, START_NS, batch, frame, mcap_of, put, write_frames
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from mcap_ros2.reader import read_ros2_messages
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin
from rosbags.rosbag2 import Writer as RosbagsWriter

from heron_bag.definitions import require, schema_text
from heron_bag.digest import bag_digest
from heron_bag.errors import BagError
from heron_bag.native import camera_frames, can_batches
from heron_bag.reader import open_bag
from heron_bag.serialise import CAN_BATCH, COMPRESSED_IMAGE, serialise
from heron_bag.writer import BagWriter


def test_messages_come_back_in_order_of_log_time_whatever_the_order_of_writing(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(200)
    with BagWriter(tmp_path / "b", chunk_bytes=4096) as writer:
        for index in order.tolist():
            put(writer, FRONT if index % 2 else "/other", START_NS + index // 4, frame(index, size=100))
    with open_bag(tmp_path / "b") as bag:
        times = [log_ns for _, _, log_ns, _ in bag.messages()]
        assert times == sorted(times)
        assert len(times) == 200
        assert (bag.start_ns, bag.end_ns) == (START_NS, START_NS + 49)
        assert bag.log_times(FRONT).tolist() == sorted(START_NS + i // 4 for i in range(200) if i % 2)


def test_range_is_half_open_and_topics_are_checked(tmp_path: Path) -> None:
    with open_bag(write_frames(tmp_path / "b", 10)) as bag:
        chosen = [log_ns for _, _, log_ns, _ in bag.messages([FRONT], START_NS + 2 * PERIOD_NS, START_NS + 5 * PERIOD_NS)]
        assert chosen == [START_NS + i * PERIOD_NS for i in (2, 3, 4)]
        with pytest.raises(BagError, match=r"/nope.*has /camera/front"):
            bag.messages(["/nope"])


def test_frames_are_views_into_the_chunk(tmp_path: Path) -> None:
    with open_bag(write_frames(tmp_path / "b", 4, chunk_bytes=1 << 20)) as bag:
        raws = [np.frombuffer(raw, np.uint8) for _, _, _, raw in bag.messages([FRONT])]
        assert all(not raw.flags.writeable for raw in raws)
        frames = [found for _, found in camera_frames(bag)]
    for index, found in enumerate(frames):  # also after the bag is closed
        assert np.array_equal(found.data, frame(index).data)
        assert found.camera == "CAM_FRONT"
        assert not found.data.flags.writeable
        assert found.data.base is not None
    addresses = [found.data.__array_interface__["data"][0] for found in frames]
    assert max(addresses) - min(addresses) < 1 << 20  # one buffer holds all four


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.ZSTD, CompressionType.LZ4])
@pytest.mark.parametrize("chunked", [True, False])
def test_mcap_of_other_writers_is_read(tmp_path: Path, compression: CompressionType, chunked: bool) -> None:
    path = tmp_path / "other.mcap"
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=4096, compression=compression, use_chunking=chunked)
        writer.start(profile="ros2", library="test")
        schema = writer.register_schema(COMPRESSED_IMAGE, "ros2msg", schema_text(COMPRESSED_IMAGE).encode())
        channel = writer.register_channel(FRONT, "cdr", schema)
        for index in range(20):
            writer.add_message(channel, START_NS + index, bytes(serialise(frame(index))), START_NS + index)
        writer.finish()
    with open_bag(path) as bag:
        assert bag.topics[FRONT].count == 20
        assert bag.warnings == []
        assert [found.stamp_ns for _, found in camera_frames(bag)] == [frame(i).stamp_ns for i in range(20)]
        assert bag.log_times(FRONT).tolist() == [START_NS + i for i in range(20)]


def _stock(path: Path, plugin: StoragePlugin, mode: CompressionMode | None = None) -> Path:
    """A recording as rosbag2 lays it out, without attachments."""
    writer = RosbagsWriter(path, version=9, storage_plugin=plugin)
    if mode:
        writer.set_compression(mode, CompressionFormat.ZSTD)
    store = require(CAN_BATCH)
    with writer:
        front = writer.add_connection(FRONT, COMPRESSED_IMAGE, typestore=store)
        can = writer.add_connection("/can/tap", CAN_BATCH, typestore=store)
        for index in range(12):
            writer.write(front, START_NS + index * PERIOD_NS, bytes(serialise(frame(index))))
            writer.write(can, START_NS + index * PERIOD_NS + 5, bytes(serialise(batch(index))))
    return path


@pytest.mark.parametrize(
    ("plugin", "mode"),
    [
        (StoragePlugin.MCAP, None), (StoragePlugin.MCAP, CompressionMode.STORAGE), (StoragePlugin.SQLITE3, None),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE), (StoragePlugin.SQLITE3, CompressionMode.FILE),
    ],
)  # fmt: skip
def test_stock_recordings_are_read(tmp_path: Path, plugin: StoragePlugin, mode: CompressionMode | None) -> None:
    with open_bag(_stock(tmp_path / "b", plugin, mode)) as bag:
        assert {name: info.count for name, info in bag.topics.items()} == {FRONT: 12, "/can/tap": 12}
        assert dict(bag.attachments) == {}
        assert (bag.start_ns, bag.end_ns) == (START_NS, START_NS + 11 * PERIOD_NS + 5)
        assert len(list(camera_frames(bag))) == 12
        batches = [found for _, found in can_batches(bag)]
        assert [found.payloads() for found in batches] == [batch(i).payloads() for i in range(12)]
        assert len(bag.log_times(FRONT)) == 12


def test_the_same_messages_have_the_same_digest_in_every_storage(tmp_path: Path) -> None:
    digests = {
        bag_digest(_stock(tmp_path / "m", StoragePlugin.MCAP)),
        bag_digest(_stock(tmp_path / "z", StoragePlugin.MCAP, CompressionMode.STORAGE)),
        bag_digest(_stock(tmp_path / "s", StoragePlugin.SQLITE3)),
    }
    assert len(digests) == 1


def test_single_db3_file_is_read(tmp_path: Path) -> None:
    file = next(_stock(tmp_path / "b", StoragePlugin.SQLITE3).glob("*.db3"))
    with open_bag(file) as bag:
        assert len(list(camera_frames(bag))) == 12


def test_split_recording_is_one_recording(tmp_path: Path) -> None:
    first, second = write_frames(tmp_path / "a", 5), write_frames(tmp_path / "b", 5, first=5)
    mcap_of(second).rename(first / "b_0.mcap")
    text = (first / "metadata.yaml").read_text().replace("- a_0.mcap", "- a_0.mcap\n  - b_0.mcap")
    (first / "metadata.yaml").write_text(text)
    with open_bag(first) as bag:
        assert bag.topics[FRONT].count == 10
        assert [found.stamp_ns for _, found in camera_frames(bag)] == [frame(i).stamp_ns for i in range(10)]


def test_other_readers_open_ours(tmp_path: Path) -> None:
    path = tmp_path / "b"
    with BagWriter(path, chunk_bytes=8192) as writer:
        writer.attach("vehicle/rig.yaml", b"name: x")
        for index in range(30):
            put(writer, FRONT, START_NS + index * PERIOD_NS, frame(index))
            put(writer, "/can/tap", START_NS + index * PERIOD_NS + 2_000_000, batch(index))
    with Reader(path) as rosbags:
        assert rosbags.message_count == 60
        assert sum(1 for _ in rosbags.messages(rosbags.connections)) == 60
        assert rosbags.duration == 29 * PERIOD_NS + 2_000_000 + 1
    with Reader(mcap_of(path)) as rosbags:
        assert rosbags.message_count == 60
    with mcap_of(path).open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert sum(1 for _ in reader.iter_messages()) == 60
        assert [(found.name, found.data) for found in reader.iter_attachments()] == [("vehicle/rig.yaml", b"name: x")]
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        assert summary.statistics.message_count == 60
    decoded = [message.ros_msg for message in read_ros2_messages(str(mcap_of(path)), topics=["/can/tap"])]
    assert list(decoded[7].id) == batch(7).ids.tolist()
    assert list(decoded[7].stamp_ns) == batch(7).stamp_ns.tolist()


def test_digest_sees_payload_time_topic_and_count_but_not_interleaving(tmp_path: Path) -> None:
    def digest(name: str, items: list[tuple[str, int, int]]) -> str:
        with BagWriter(tmp_path / name, chunk_bytes=4096) as writer:
            for topic, log_ns, index in items:
                put(writer, topic, log_ns, frame(index))
        return bag_digest(tmp_path / name)

    items = [("/a", 5, 1), ("/a", 5, 2), ("/b", 5, 3), ("/a", 6, 4)]
    same = digest("0", items)
    assert digest("1", items[::-1]) == same
    others = [items[:3], [*items[:3], ("/a", 7, 4)], [*items[:3], ("/a", 6, 5)], [*items[:3], ("/b", 6, 4)]]
    assert len({same} | {digest(f"o{i}", other) for i, other in enumerate(others)}) == 5


@pytest.mark.parametrize("content", [None, b"", b"hello, this is no recording at all"])
def test_what_is_no_recording_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.mcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BagError, match=r"x\.mcap"):
        open_bag(path)


def test_folders_without_a_recording_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"neither metadata\.yaml nor"):
        open_bag(tmp_path)
    write_frames(tmp_path / "b", 2)
    mcap_of(tmp_path / "b").unlink()
    with pytest.raises(BagError, match=r"b_0\.mcap.*missing"):
        open_bag(tmp_path / "b")
    (tmp_path / "b" / "metadata.yaml").write_text("rosbag2_bagfile_information: 3")
    with pytest.raises(BagError, match="not the metadata"):
        open_bag(tmp_path / "b")
