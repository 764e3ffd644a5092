"""What an import file (config/import/*.yaml) may say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from heron_core.errors import ConfigError
from heron_core.settings import from_mapping, load_yaml

REAL_DATA = "HERON_REAL_DATA"


@dataclass(frozen=True)
class VideoSource:
    """A video file whose H.264 packets are taken as they are.

    Attributes:
        file: any container that FFmpeg reads. camera: e.g. CAM_FRONT. offset_s: see `Timeline`.
    """

    file: str
    camera: str
    offset_s: float = 0.0


@dataclass(frozen=True)
class ImagesSource:
    """Image files of one camera, in order of their names; JPEG is taken as it is, anything else encoded as JPEG.

    Attributes:
        files: glob pattern. camera: e.g. CAM_FRONT. offset_s: see `Timeline`.
        name_unit_ns: the file name is its time, counted in this unit.
        fps: images follow each other at this rate; neither is needed for a single image.
        jpeg_quality: of images that are not JPEG.
    """

    files: str
    camera: str
    offset_s: float = 0.0
    name_unit_ns: int | None = None
    fps: float | None = None
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        if self.name_unit_ns is not None and self.fps is not None:
            raise ValueError("images have name_unit_ns and fps; give one")
        if self.name_unit_ns is not None and self.name_unit_ns < 1:
            raise ValueError(f"name_unit_ns is {self.name_unit_ns}, expected 1 or more")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError(f"fps is {self.fps}, expected more than 0, up to 1000")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality is {self.jpeg_quality}, expected 1 … 100")


@dataclass(frozen=True)
class CanSource:
    """CAN logs that follow each other: MF4, candump (.log), ASC, BLF.

    Attributes:
        files: in order of time. offset_s: see `Timeline`.
        channel: bus name of all frames, or
        channels: channel in the log → bus name; frames of other channels are left out and counted.
        from_s, duration_s: the part of the log that is taken, from its first frame on.
        batch_ms: frames of this long go into one message.
    """

    files: tuple[str, ...]
    offset_s: float = 0.0
    channel: str = ""
    channels: Mapping[int, str] = field(default_factory=dict)
    from_s: float = 0.0
    duration_s: float | None = None
    batch_ms: int = 10

    def __post_init__(self) -> None:
        if bool(self.channel) == bool(self.channels):
            raise ValueError("can needs either channel (one bus) or channels (channel in the log → bus)")
        if not self.files:
            raise ValueError("can has no files")
        if self.from_s < 0 or (self.duration_s is not None and self.duration_s <= 0):
            raise ValueError(f"can takes {self.duration_s} s from {self.from_s} s on; expected a part after the log's start")
        if not 1 <= self.batch_ms <= 1000:
            raise ValueError(f"batch_ms is {self.batch_ms}, expected 1 … 1000")


@dataclass(frozen=True)
class NmeaSource:
    """A log of NMEA sentences (GGA, RMC).

    Attributes:
        file: one sentence a line. offset_s: see `Timeline`.
        std_m: fix quality → horizontal standard deviation at HDOP 1, in metres; the receiver does not say it in GGA.
    """

    file: str
    offset_s: float = 0.0
    std_m: Mapping[str, float] = field(default_factory=lambda: {"autonomous": 4.0, "dgps": 1.0, "rtk_fixed": 0.02, "rtk_float": 0.4})


@dataclass(frozen=True)
class DgpSource:
    """Poses of the car and labelled boxes of a scene in the Dataset Governance Policy format; its images are an `images` source per camera.

    Attributes:
        scene: its scene_*.json, or a glob pattern of one. offset_s: see `Timeline`.
        name_unit_ns: the names of its files are their times, counted in this unit; the times inside the JSON are not used.
    """

    scene: str
    name_unit_ns: int
    offset_s: float = 0.0

    def __post_init__(self) -> None:
        if self.name_unit_ns < 1:
            raise ValueError(f"name_unit_ns is {self.name_unit_ns}, expected 1 or more")


@dataclass(frozen=True)
class Source:
    """Exactly one kind of source."""

    video: VideoSource | None = None
    images: ImagesSource | None = None
    can: CanSource | None = None
    nmea: NmeaSource | None = None
    dgp: DgpSource | None = None

    def __post_init__(self) -> None:
        if sum(item is not None for item in (self.video, self.images, self.can, self.nmea, self.dgp)) != 1:
            raise ValueError("a source is exactly one of video, images, can, nmea, dgp")


@dataclass(frozen=True)
class Timeline:
    """How the sources lie on one time line.

    Attributes:
        align: `own`: every source keeps its own absolute time, shifted by its offset_s; `start`: the first datum of each source lies
            at `start` plus its offset_s, for recordings that have nothing to do with each other or no absolute time.
        start: ISO 8601 with time zone, for `start`.
    """

    align: Literal["own", "start"] = "own"
    start: str = ""

    def __post_init__(self) -> None:
        if (self.align == "start") != bool(self.start):
            raise ValueError("timeline needs `start` with `align: start`, and only then")
        if self.start:
            self.start_ns()

    def start_ns(self) -> int:
        """`start` as int64 nanoseconds since 1970."""
        try:
            moment = datetime.fromisoformat(self.start.replace("Z", "+00:00"))
        except ValueError:
            raise ValueError(f"timeline start {self.start!r} is not ISO 8601, e.g. 2021-07-26T13:20:00Z") from None
        if moment.tzinfo is None:
            raise ValueError(f"timeline start {self.start!r} has no time zone; append Z for UTC")
        delta = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
        return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000


@dataclass(frozen=True)
class Mounting:
    """Where a camera sits in base_link; angles turn a camera that looks straight ahead: yaw left, pitch down, roll clockwise seen from behind."""

    position_m: tuple[float, float, float]
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0


@dataclass(frozen=True)
class NominalCamera:
    """A camera of which only the view is known: square pixels, centred, no distortion."""

    width: int
    height: int
    hfov_deg: float
    mounting: Mounting

    def __post_init__(self) -> None:
        if not 1 <= self.hfov_deg < 170:
            raise ValueError(f"hfov_deg is {self.hfov_deg}, expected 1 … 170")


@dataclass(frozen=True)
class OpencvCamera:
    """A camera calibrated with OpenCV.

    Attributes:
        file: yml with camera_matrix, dist_coeffs and resolution. model: plumb_bob, rational_polynomial or equidistant.
    """

    file: str
    model: str
    mounting: Mounting


@dataclass(frozen=True)
class DgpCalibration:
    """A calibration in the Dataset Governance Policy format: intrinsics and poses in the vehicle's frame; it knows no distortion.

    Attributes:
        file: json, or a glob pattern of one. cameras: name in the file → camera. width, height: of the images, which the file lacks.
    """

    file: str
    cameras: Mapping[str, str]
    width: int
    height: int


@dataclass(frozen=True)
class Calibration:
    """Exactly one of: a rig.yaml, a DGP file, OpenCV files by camera, nominal cameras.

    Attributes:
        assumed: what of it was not measured; stored in the recording and printed.
    """

    rig: str | None = None
    dgp: DgpCalibration | None = None
    opencv: Mapping[str, OpencvCamera] = field(default_factory=dict)
    nominal: Mapping[str, NominalCamera] = field(default_factory=dict)
    assumed: str = ""

    def __post_init__(self) -> None:
        if sum(bool(item) for item in (self.rig, self.dgp, self.opencv, self.nominal)) != 1:
            raise ValueError("calibration is exactly one of rig, dgp, opencv, nominal")


@dataclass(frozen=True)
class ImportConfig:
    """One recording to be made.

    Attributes:
        name: of its rig.
        note: what a reader of the recording has to know; stored and printed.
        vehicle: folder of the car's configuration, whose files are attached.
        attach: name inside the recording → file.
    """

    name: str
    sources: tuple[Source, ...]
    note: str = ""
    timeline: Timeline = field(default_factory=Timeline)
    calibration: Calibration | None = None
    vehicle: str | None = None
    attach: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("nothing to import: sources is empty")


def load_import_config(path: Path) -> ImportConfig:
    """Reads an import file; `${HERON_REAL_DATA}` (default ../shared/data beside the repository) is filled in, relative paths start at the file.

    Raises:
        ConfigError: unreadable, an unknown key or an impossible value; names file and key.
    """
    content = _expand(load_yaml(path), path)
    return from_mapping(ImportConfig, content, str(path))


def real_data(path: Path) -> Path:
    """The folder of real recordings for the import file `path` (config/import/<name>.yaml of a repository)."""
    given = os.environ.get(REAL_DATA)
    return Path(given).absolute() if given else path.resolve().parents[3] / "shared" / "data"


def _expand(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, path) for item in value]
    if isinstance(value, str) and "${" in value:
        filled = value.replace(f"${{{REAL_DATA}}}", str(real_data(path)))
        if "${" in filled:
            raise ConfigError(f"{path}: {value!r}: only ${{{REAL_DATA}}} is known")
        return filled
    return value
