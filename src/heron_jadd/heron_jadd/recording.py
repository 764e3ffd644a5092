"""A recording as the dataset sees it: what it is, which cameras it has, when they began, who drove when."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from heron_bag.clouds import cloud_topics, lidar_pose
from heron_bag.columns import columns
from heron_bag.foreign import Foreign
from heron_bag.native import camera_frames, camera_topics, rig_of
from heron_bag.reader import Bag, open_bag
from heron_core.errors import HeronError, InputError
from heron_core.rig import Rig
from heron_core.se3 import SE3
from heron_core.signals import Engagement
from heron_jadd.can_motion import tells_motion
from heron_jadd.clock import check_clock
from heron_jadd.tokens import digest

EDGE_BYTES = 1 << 16
REFERENCE = "CAM_FRONT"
HUMAN, HERON, UNKNOWN = "human", "heron", "unknown"
FUSED = ("/gnss/fix", "/vehicle/state")  # without these topics no poses can be fused
STATUS = "/control/status"
ENGAGEMENTS = {each.value: each for each in Engagement}
VEHICLE_FILE = "vehicle/vehicle.yaml"


@dataclass(frozen=True)
class Lidar:
    """The LiDAR of a recording: topic of its clouds, its pose in base_link."""

    topic: str
    pose: SE3


@dataclass(frozen=True)
class Recording:
    """What is known of a recording before its images are read.

    Attributes:
        path: of the recording.
        identity: 16 hex digits that follow from its content, wherever it lies, and from how it is read.
        cameras: name → image topic, the reference camera first.
        rig: lenses and poses.
        first_ns, last_ns: exposures of the first image of the reference camera, and of the last of its images by log time.
        lag_ns: log time less exposure, of the first image: what is read by log time is found by exposure.
        drivers: (from exposure time, who): `human`, `heron` or `unknown`, in order; the first from the beginning.
        steer_ratio: steering wheel's angle over the road wheels', of the car's vehicle.yaml; None: not known.
        fusible: it has fixes and a speed.
        warnings: of whoever opened it.
        lidar: whose clouds it has; None: of none.
        foreign: how it is read, where it is not ours.
    """

    path: Path
    identity: str
    cameras: Mapping[str, str]
    rig: Rig
    first_ns: int
    last_ns: int
    lag_ns: int
    drivers: tuple[tuple[int, str], ...]
    steer_ratio: float | None = None
    fusible: bool = False
    warnings: tuple[str, ...] = ()
    lidar: Lidar | None = None
    foreign: Foreign | None = None

    def open(self) -> Bag:
        """The recording, to be read.

        Raises:
            InputError: it is not there any more, or damaged.
        """
        return self.foreign.open(self.path) if self.foreign else open_bag(self.path)

    @property
    def reference(self) -> str:
        """The camera whose exposures are the times of the samples."""
        return next(iter(self.cameras))


def probe(path: Path, cameras: tuple[str, ...] = (), foreign: Foreign | None = None) -> Recording:
    """Looks at a recording.

    Args:
        path: of it.
        cameras: names to take; empty: all.
        foreign: how to read it, if it is not ours.

    Raises:
        InputError: no recording, no images, no calibration, a clock that jumps, or without a camera that is wanted.
    """
    with foreign.open(path) if foreign else open_bag(path) as bag:
        rig = rig_of(bag)
        topics = _topics(bag, rig, cameras)
        reference = next(iter(topics))
        log_ns, first = next(camera_frames(bag, {topics[reference]: reference}), (0, None))
        if first is None:
            raise InputError(f"{path}: {topics[reference]} holds no images")
        check_clock(bag, topics[reference])
        lag_ns = log_ns - first.stamp_ns
        last_ns = int(bag.log_times(topics[reference])[-1]) - lag_ns
        drivers, strange = _drivers(bag, first.stamp_ns)
        warnings = (*bag.warnings, *(f"{count} messages of {STATUS} say {name!r}: who drives then is not known" for name, count in strange.items()))
        lidar, ignored = _lidar(bag)
        span, said = (first.stamp_ns, last_ns, lag_ns), (*warnings, *ignored)
        identity = digest((identity_of(path), foreign.digest)) if foreign else identity_of(path)
        return Recording(path, identity, topics, rig, *span, drivers, _steer_ratio(bag), _fusible(bag), said, lidar, foreign)


def identity_of(path: Path) -> str:
    """16 hex digits of a recording's content: sizes, beginnings and ends of its files; an mcap file ends with an index that has checksums of it."""
    files = sorted([*path.glob("*.mcap"), *path.glob("*.db3")]) if path.is_dir() else [path]
    found = hashlib.blake2b(digest_size=8)
    for file in files:
        size = file.stat().st_size
        found.update(size.to_bytes(8, "little"))
        with file.open("rb") as opened:
            found.update(opened.read(EDGE_BYTES))
            opened.seek(max(size - EDGE_BYTES, 0))
            found.update(opened.read(EDGE_BYTES))
    return found.hexdigest()


def _topics(bag: Bag, rig: Rig, cameras: tuple[str, ...]) -> dict[str, str]:
    there = {name: topic for topic, name in camera_topics(bag).items() if bag.topics[topic].count}
    if not there:
        raise InputError(f"{bag.path}: holds no images")
    missing = [name for name in cameras if name not in there]
    if missing:
        raise InputError(f"{bag.path}: has no images of {', '.join(missing)}; it has {', '.join(sorted(there))}")
    unknown = [name for name in cameras or there if name not in rig.cameras]
    if unknown:
        raise InputError(f"{bag.path}: its calibration lacks {', '.join(sorted(unknown))}; it has {', '.join(rig.cameras)}")
    wanted = sorted(cameras or there, key=lambda name: (name != REFERENCE, list(rig.cameras).index(name)))
    return {name: there[name] for name in wanted}


def _lidar(bag: Bag) -> tuple[Lidar | None, list[str]]:
    """The LiDAR whose clouds become LIDAR_TOP: the first of which /tf_static tells where it is; and what is said of the others."""
    found, ignored = None, []
    for topic in cloud_topics(bag):
        try:
            pose = lidar_pose(bag, topic)
        except HeronError as error:
            ignored.append(f"clouds of {topic} are left out: {error}")
            continue
        if found is None:
            found = Lidar(topic, pose)
        else:
            ignored.append(f"clouds of {topic} are left out: those of {found.topic} are taken")
    return found, ignored


def fused_of_can(bag: Bag) -> bool:
    """Whether poses that are fused are so of what is on the bus, for lack of topics that tell it (`tracks`)."""
    return any(topic not in bag.topics for topic in FUSED) and tells_motion(bag)


def _fusible(bag: Bag) -> bool:
    return all(topic in bag.topics and bag.topics[topic].count for topic in FUSED) or tells_motion(bag)


def _steer_ratio(bag: Bag) -> float | None:
    """Raises InputError: the recording's vehicle.yaml cannot be read."""
    if VEHICLE_FILE not in bag.attachments:
        return None
    try:
        content = yaml.safe_load(bag.attachments[VEHICLE_FILE].decode("utf-8"))
        found = content.get("steer_ratio")
        return None if found is None else float(found)
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{bag.path}: its {VEHICLE_FILE} cannot be read: {error}") from error


def driver_of(engagement: str) -> str:
    """Who drives by a control status; a word that this version does not know tells nothing, and is no reason to call the drive a human's."""
    known = ENGAGEMENTS.get(engagement)
    return UNKNOWN if known is None else HERON if known.drives else HUMAN


def _drivers(bag: Bag, first_ns: int) -> tuple[tuple[tuple[int, str], ...], dict[str, int]]:
    """Who drives from when, and words of the control status that are no engagement → how often.

    A recording without control status is somebody else's, and a human's.
    """
    if STATUS not in bag.topics or not bag.topics[STATUS].count:
        return ((first_ns, HUMAN),), {}
    told = columns(bag, STATUS, ["header.stamp", "engagement"])
    found: list[tuple[int, str]] = []
    strange: Counter[str] = Counter()
    for stamp_ns, engagement in zip(told["header.stamp"].tolist(), told["engagement"].tolist(), strict=True):
        who = driver_of(engagement)
        strange[engagement] += who == UNKNOWN
        if not found or who != found[-1][1]:
            found.append((max(stamp_ns, first_ns) if found else first_ns, who))
    return tuple(found) or ((first_ns, HUMAN),), dict(sorted((+strange).items()))
