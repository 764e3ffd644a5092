"""Recordings of others, read as if they were ours: a map names their topics, and the files that ours would carry. Nothing is copied."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_bag.attachments import vehicle_files
from heron_bag.errors import BagError
from heron_bag.native import RIG_ATTACHMENT
from heron_bag.reader import Bag, Message, TopicInfo, open_bag
from heron_bag.serialise import CAMERA_INFO, CAN_BATCH, COMPRESSED_IMAGE, COMPRESSED_VIDEO, IMAGE, NAV_SAT_FIX, serialise
from heron_core.arrays import read_only
from heron_core.canbus import FLAG_ERROR, FLAG_EXTENDED, FLAG_REMOTE, CanBatch
from heron_core.rig import default_topic
from heron_core.settings import from_mapping, load_yaml

CAN_FRAME = "can_msgs/msg/Frame"  # of ros2_socketcan and its kin: one message for each frame
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
TAP, STATIC = "/can/tap", "/tf_static"
ENDS = {COMPRESSED_IMAGE: "image/compressed", COMPRESSED_VIDEO: "video", IMAGE: "image"}  # of our topics of a camera
BATCH_NS = 10_000_000  # frames of so long, with nothing else between, go into one batch


@dataclass(frozen=True)
class CameraTopics:
    """Topics of one camera.

    Attributes:
        image: sensor_msgs/CompressedImage (JPEG), sensor_msgs/Image, or foxglove_msgs/CompressedVideo (H.264).
        info: sensor_msgs/CameraInfo; "": the calibration is in `rig` or `vehicle`.
    """

    image: str
    info: str = ""


@dataclass(frozen=True)
class TopicMap:
    """What a map may say; topics that it does not name are not read, but for /tf_static.

    Attributes:
        cameras: our name, e.g. CAM_FRONT → its topics.
        gnss: sensor_msgs/NavSatFix; imu: sensor_msgs/Imu; odometry: nav_msgs/Odometry; "": there is none.
        can: bus, as can.yaml names it → topic of can_msgs/Frame, or of heron_msgs/CanBatch, whose messages name their bus themselves.
        clouds: topics of sensor_msgs/PointCloud2, which keep their names.
        rig: a rig.yaml; "": CameraInfo and /tf_static tell, up to the frame base_link.
        vehicle: folder of the car's configuration (rig.yaml, can.yaml, DBC files), as `config/vehicle/demo` is one.
    """

    cameras: Mapping[str, CameraTopics]
    gnss: str = ""
    imu: str = ""
    odometry: str = ""
    can: Mapping[str, str] = field(default_factory=dict)
    clouds: tuple[str, ...] = ()
    rig: str = ""
    vehicle: str = ""

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ValueError("cameras is empty; name at least one, e.g. CAM_FRONT: {image: /camera/image_raw/compressed}")
        wrong = [name for name in self.cameras if not name.startswith("CAM_") or name != name.upper()]
        if wrong:
            raise ValueError(f"cameras.{wrong[0]}: a camera is called CAM_…, e.g. CAM_FRONT")
        topics = [*(topics.image for topics in self.cameras.values()), self.gnss, self.imu, self.odometry, *self.can.values(), *self.clouds]
        twice = sorted({topic for topic in topics if topic and topics.count(topic) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is named twice")


@dataclass(frozen=True)
class Foreign:
    """A map with the files that it names.

    Attributes:
        path: of the map, for messages.
        topics: what it says.
        attachments: that a recording of ours would carry.
    """

    path: Path
    topics: TopicMap
    attachments: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """16 hex digits of all that decides how a recording is read: it is another one under another map."""
        files = [(name, hashlib.sha256(data).hexdigest()) for name, data in sorted(self.attachments.items())]
        cameras = sorted((name, dataclasses.astuple(topics)) for name, topics in self.topics.cameras.items())
        told = (cameras, self.topics.gnss, self.topics.imu, self.topics.odometry, sorted(self.topics.can.items()), self.topics.clouds, files)
        return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()

    def open(self, path: Path) -> Bag:
        """A recording as this map reads it.

        Raises:
            BagError: it cannot be read, or lacks a topic of the map, or has another type there.
        """
        bag = open_bag(path)
        try:
            return _MappedBag(bag, self)
        except BaseException:
            bag.close()
            raise


def load_topic_map(path: Path) -> Foreign:
    """Reads a map; relative paths in it start where it lies.

    Raises:
        ConfigError: unreadable, an unknown key or an impossible value. BagError: a file that it names is not there.
    """
    topics = from_mapping(TopicMap, load_yaml(path), str(path))
    files = vehicle_files(path.parent / topics.vehicle) if topics.vehicle else {}
    if topics.rig:
        rig = path.parent / topics.rig
        if not rig.is_file():
            raise BagError(f"{path}: rig: {rig} is not there")
        files[RIG_ATTACHMENT] = rig.read_bytes()
    return Foreign(path, topics, files)


class _MappedBag(Bag):
    """Another `Bag` under our names; CAN frames come in batches."""

    def __init__(self, bag: Bag, foreign: Foreign) -> None:
        self._bag, self._map = bag, foreign
        self.path, self.attachments, self.warnings = bag.path, {**bag.attachments, **foreign.attachments}, bag.warnings
        self.start_ns, self.end_ns = bag.start_ns, bag.end_ns
        self._theirs: dict[str, str] = {}  # our name → theirs, but for CAN
        self._buses = {topic: bus for bus, topic in foreign.topics.can.items()}
        self._frames: set[str] = set()  # topics of can_msgs/Frame
        self.topics = dict(sorted(self._found().items()))

    def _found(self) -> dict[str, TopicInfo]:
        said = self._map.topics
        if STATIC in self._bag.topics:
            self._theirs[STATIC] = STATIC
        for name, camera in said.cameras.items():
            ros_type = self._type(f"cameras.{name}.image", camera.image, tuple(ENDS))
            self._theirs[f"/camera/{default_topic(name)}/{ENDS[ros_type]}"] = camera.image
            if camera.info:
                self._type(f"cameras.{name}.info", camera.info, (CAMERA_INFO,))
                self._theirs[f"/camera/{default_topic(name)}/camera_info"] = camera.info
        for key, topic, ours, ros_type in (
            ("gnss", said.gnss, "/gnss/fix", NAV_SAT_FIX),
            ("imu", said.imu, "/imu", "sensor_msgs/msg/Imu"),
            ("odometry", said.odometry, "/odom", "nav_msgs/msg/Odometry"),
        ):
            if topic:
                self._type(key, topic, (ros_type,))
                self._theirs[ours] = topic
        for topic in said.clouds:
            self._type("clouds", topic, (POINT_CLOUD,))
            self._theirs[topic] = topic
        found = {ours: self._bag.topics[theirs] for ours, theirs in self._theirs.items()}
        for topic, bus in self._buses.items():
            if self._type(f"can.{bus}", topic, (CAN_FRAME, CAN_BATCH)) == CAN_FRAME:
                self._frames.add(topic)
        if self._buses:  # as many as frames, though the batches will be fewer
            found[TAP] = TopicInfo(CAN_BATCH, sum(self._bag.topics[topic].count for topic in self._buses))
        return found

    def _type(self, key: str, topic: str, allowed: tuple[str, ...]) -> str:
        where = f"{self.path}: {self._map.path}: {key}"
        if topic not in self._bag.topics:
            raise BagError(f"{where}: it has no topic {topic}; it has {', '.join(self._bag.topics) or 'none'}")
        found = self._bag.topics[topic].ros_type
        if found not in allowed:
            raise BagError(f"{where}: {topic} is {found}, expected {' or '.join(allowed)}")
        return found

    def messages(self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[Message]:
        """See `Bag.messages`."""
        names = self._check_topics(topics)
        ours = {self._theirs[name]: name for name in names if name != TAP}
        wanted = [*ours, *(self._buses if TAP in names else ())]
        return self._renamed(self._bag.messages(wanted, start_ns, stop_ns), ours)

    def _renamed(self, messages: Iterator[Message], ours: Mapping[str, str]) -> Iterator[Message]:
        held: dict[str, list[tuple[int, Any]]] = {}  # topic → frames, with their log times
        for topic, ros_type, log_ns, raw in messages:
            first_ns = min((frames[0][0] for frames in held.values()), default=log_ns)
            if held and (topic in ours or log_ns - first_ns >= BATCH_NS):
                yield from self._batches(held)
                held = {}
            if topic in self._frames:
                held.setdefault(topic, []).append((log_ns, self._bag.decode(ros_type, raw)))
            else:
                yield ours.get(topic, TAP), ros_type, log_ns, raw
        yield from self._batches(held)

    def _batches(self, held: Mapping[str, list[tuple[int, Any]]]) -> Iterator[Message]:
        for topic, frames in sorted(held.items(), key=lambda item: item[1][-1][0]):
            batch = _batch(self._buses[topic], [message for _, message in frames])
            yield TAP, CAN_BATCH, frames[-1][0], memoryview(serialise(batch))

    def log_times(self, topic: str) -> NDArray[np.int64]:
        """See `Bag.log_times`; of frames, not of batches."""
        self._check_topics([topic])
        if topic != TAP:
            return self._bag.log_times(self._theirs[topic])
        return np.sort(np.concatenate([self._bag.log_times(each) for each in self._buses]))

    @property
    def corrupt_chunks(self) -> int:
        """See `Bag.corrupt_chunks`."""
        return self._bag.corrupt_chunks

    def close(self) -> None:
        """See `Bag.close`."""
        self._bag.close()


def _batch(bus: str, frames: list[Any]) -> CanBatch:
    """Of can_msgs/Frame messages; what its driver sent is not told apart from what it received."""
    lengths = [min(int(frame.dlc), 8) for frame in frames]
    flags = [FLAG_EXTENDED * bool(frame.is_extended) | FLAG_ERROR * bool(frame.is_error) | FLAG_REMOTE * bool(frame.is_rtr) for frame in frames]
    stamps = [int(frame.header.stamp.sec) * 1_000_000_000 + int(frame.header.stamp.nanosec) for frame in frames]
    payloads = [np.asarray(frame.data, np.uint8)[:length] for frame, length in zip(frames, lengths, strict=True)]
    return CanBatch(
        bus,
        read_only(np.array(stamps, np.int64)),
        read_only(np.array([frame.id for frame in frames], np.uint32)),
        read_only(np.array(flags, np.uint8)),
        read_only(np.array(lengths, np.uint8)),
        read_only(np.concatenate(payloads)),
    )
