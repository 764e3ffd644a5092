"""A car's cameras: where they are and what lens each has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from heron_core.camera import Lens, LensModel
from heron_core.errors import ConfigError
from heron_core.se3 import SE3
from heron_core.settings import from_mapping, load_yaml, parse_yaml

BASE_FRAME = "base_link"
# Optical axes (x right, y down, z forward) of a camera that looks straight ahead, in base_link (x forward, y left, z up).
FORWARD_OPTICAL = SE3(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3))


@dataclass(frozen=True)
class RigCamera:
    """One camera on the car.

    Attributes:
        name: e.g. CAM_FRONT_LEFT.
        topic_name: the part after /camera/, e.g. front_left.
        lens: intrinsics.
        pose: optical frame in base_link.
        frame_id: name of the optical frame in /tf_static.
    """

    name: str
    topic_name: str
    lens: Lens
    pose: SE3
    frame_id: str

    @property
    def topic(self) -> str:
        """Namespace of the camera's topics."""
        return f"/camera/{self.topic_name}"


@dataclass(frozen=True)
class Rig:
    """All cameras of one car, by name, in the order of its file."""

    name: str
    cameras: Mapping[str, RigCamera]

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ValueError(f"rig {self.name!r} has no cameras")
        topics = [camera.topic_name for camera in self.cameras.values()]
        twice = sorted({topic for topic in topics if topics.count(topic) > 1})
        if twice:
            raise ValueError(f"rig {self.name!r} has two cameras on topic {', '.join(twice)}")

    def by_topic(self, topic_name: str) -> RigCamera:
        """The camera whose topics start with /camera/`topic_name`; KeyError when there is none."""
        for camera in self.cameras.values():
            if camera.topic_name == topic_name:
                return camera
        raise KeyError(topic_name)

    def infos(self) -> tuple[CameraInfo, ...]:
        """What each camera announces on its camera_info topic."""
        return tuple(CameraInfo(camera.name, camera.frame_id, camera.lens) for camera in self.cameras.values())

    def transforms(self) -> StaticTransforms:
        """What goes to /tf_static."""
        return StaticTransforms(tuple(StaticTransform(BASE_FRAME, camera.frame_id, camera.pose) for camera in self.cameras.values()))


@dataclass(frozen=True)
class CameraInfo:
    """Intrinsics as announced by a camera; `camera` is the rig's name, `frame_id` its optical frame."""

    camera: str
    frame_id: str
    lens: Lens
    stamp_ns: int = 0


@dataclass(frozen=True)
class StaticTransform:
    """Pose of frame `child` in frame `parent`."""

    parent: str
    child: str
    pose: SE3


@dataclass(frozen=True)
class StaticTransforms:
    """All transforms of one /tf_static message."""

    transforms: tuple[StaticTransform, ...]
    stamp_ns: int = 0


@dataclass(frozen=True)
class _CameraEntry:
    """One camera in rig.yaml; `rotation_wxyz` turns optical axes into base_link axes."""

    topic: str
    width: int
    height: int
    model: str
    k: tuple[float, float, float, float]
    d: tuple[float, ...]
    position_m: tuple[float, float, float]
    rotation_wxyz: tuple[float, float, float, float]
    frame_id: str = ""


@dataclass(frozen=True)
class _RigFile:
    name: str
    cameras: Mapping[str, _CameraEntry]


def default_topic(camera: str) -> str:
    """CAM_FRONT_LEFT → front_left."""
    return camera.removeprefix("CAM_").lower()


def default_frame_id(camera: str) -> str:
    """CAM_FRONT_LEFT → camera_front_left_optical."""
    return f"camera_{default_topic(camera)}_optical"


def load_rig(path: Path) -> Rig:
    """Reads rig.yaml.

    Raises:
        ConfigError: unreadable, unknown or missing key, or a calibration that no camera can have; names file and camera.
    """
    return parse_rig(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else _refuse(path)


def _refuse(path: Path) -> Rig:
    load_yaml(path)  # says why it cannot be read
    raise ConfigError(f"{path}: is not a file")


def parse_rig(text: str, source: str) -> Rig:
    """As `load_rig`, from the text of a rig.yaml (e.g. a recording's attachment); `source` is named in errors."""
    try:
        content = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid yaml: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: holds {type(content).__name__}, expected a mapping with name and cameras")
    file = from_mapping(_RigFile, content, source)
    try:
        return Rig(file.name, {name: _camera(name, entry, source) for name, entry in file.cameras.items()})
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from error


def _camera(name: str, entry: _CameraEntry, source: str) -> RigCamera:
    try:
        lens = Lens(LensModel(entry.model), entry.width, entry.height, *entry.k, entry.d)
        pose = SE3.from_quaternion_wxyz(entry.rotation_wxyz, entry.position_m)
    except ValueError as error:
        raise ConfigError(f"{source}: camera {name}: {error}") from error
    return RigCamera(name, entry.topic, lens, pose, entry.frame_id or default_frame_id(name))


def dump_rig(rig: Rig) -> str:
    """The text of a rig.yaml from which `load_rig` makes the same rig."""
    cameras = {}
    for camera in rig.cameras.values():
        lens = camera.lens
        cameras[camera.name] = {
            "topic": camera.topic_name,
            "width": lens.width,
            "height": lens.height,
            "model": lens.model.value,
            "k": [float(value) for value in (lens.fx, lens.fy, lens.cx, lens.cy)],
            "d": list(lens.distortion),
            "position_m": [float(value) for value in camera.pose.translation],
            "rotation_wxyz": list(camera.pose.to_quaternion_wxyz()),
            "frame_id": camera.frame_id,
        }
    return yaml.safe_dump({"name": rig.name, "cameras": cameras}, sort_keys=False, default_flow_style=None, width=200)


def rig_from_announcements(name: str, topics: Mapping[str, CameraInfo], transforms: Iterable[StaticTransforms]) -> Rig:
    """A rig from what a recording or a running system announces.

    Args:
        name: of the rig.
        topics: topic name (the part after /camera/) → its camera info.
        transforms: /tf_static messages; chains of frames up to base_link are followed.

    Raises:
        ConfigError: a camera has no chain of transforms to base_link.
    """
    told, cameras = tuple(transforms), {}
    for topic_name, info in topics.items():
        try:
            pose = pose_in_base(info.frame_id, told)
        except ConfigError as error:
            raise ConfigError(f"/camera/{topic_name}: {error}") from error
        cameras[info.camera] = RigCamera(info.camera, topic_name, info.lens, pose, info.frame_id)
    return Rig(name, cameras)


def pose_in_base(frame_id: str, transforms: Iterable[StaticTransforms]) -> SE3:
    """Pose of a frame in base_link.

    Args:
        frame_id: name of the frame.
        transforms: /tf_static messages; the chain of frames up to base_link is followed.

    Raises:
        ConfigError: there is no such chain.
    """
    parents = {item.child: item for message in transforms for item in message.transforms}
    frame, pose = frame_id, SE3.identity()
    for _ in range(len(parents) + 1):
        if frame == BASE_FRAME:
            return pose
        link = parents.get(frame)
        if link is None:
            raise ConfigError(f"no transform from {BASE_FRAME} to {frame_id!r} ({frame!r} has no parent in /tf_static)")
        frame, pose = link.parent, link.pose.compose(pose)
    raise ConfigError(f"/tf_static goes in a circle above {frame_id!r}")
