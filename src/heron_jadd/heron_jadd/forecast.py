"""What one scene will hold and what work that is, as the recording's index tells it: images are chosen as the scene itself will choose them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from heron_bag.reader import Bag
from heron_bag.serialise import COMPRESSED_VIDEO
from heron_jadd.config import AFTER_S, BEFORE_S, NS
from heron_jadd.costs import Work
from heron_jadd.images import PRE_ROLL_S, SLACK_NS, SMALL
from heron_jadd.job import MANIFEST, Job
from heron_jadd.measured import TOPICS
from heron_jadd.poses import POSE_TOPICS
from heron_jadd.recording import Recording
from heron_jadd.sample_images import CameraSample
from heron_jadd.select import I64, nearest, select

MB = 1e6


@dataclass(frozen=True)
class Forecast:
    """Of one scene.

    Attributes:
        done: it is there already; the counts are then those of its manifest.
        samples, images, image_bytes: in it.
        new: camera → images that have yet to be written.
        decoded: camera → images of a video that are decoded for them.
        work: to make it, and to merge it.
    """

    done: bool
    samples: int
    images: int
    image_bytes: float
    new: Mapping[str, int]
    decoded: Mapping[str, int]
    work: Work

    @property
    def whole(self) -> bool:
        """Two samples make a scene."""
        return self.samples > 1


class Forecaster:
    """Forecasts of the scenes of one recording.

    Args:
        bag: the recording, open.
        recording: what is known of it.
        samples: camera → what its images are like.

    Attributes:
        size_mb: of the recording, 1e6 bytes.
    """

    def __init__(self, bag: Bag, recording: Recording, samples: Mapping[str, CameraSample]) -> None:
        self._bag, self._recording, self._samples = bag, recording, samples
        self.size_mb = sum(file.stat().st_size for file in _files(recording)) / MB
        self._exposed_ns: dict[str, I64] = {}

    def of(self, job: Job) -> Forecast:
        """What the job comes to, if no image is torn and every image has a pose."""
        manifest = job.manifest()
        if manifest is not None:
            tables = manifest["tables"]
            work = self._work(job, tables["samples"], tables["frames"], 0.0)
            return Forecast(True, tables["samples"], tables["frames"], manifest["image_bytes"], {}, {}, work)
        scene, half = job.scene, job.config.key_ns // 2
        stamps = {camera: self._exposures(camera) for camera in self._recording.cameras}
        stamps = {camera: times[(times >= scene.start_ns - half) & (times <= scene.end_ns + half)] for camera, times in stamps.items()}
        chosen = select(stamps, scene, job.config, job.grid_ns, {camera: _reach_ns(job, times) for camera, times in stamps.items()})
        images = {camera: times[np.union1d(chosen.keys[camera], chosen.sweeps[camera]).astype(np.int64)] for camera, times in stamps.items()}
        new = {camera: _unknown(job, camera, times) for camera, times in images.items()}
        each = {camera: sample.bytes_each for camera, sample in self._samples.items()}
        count = sum(map(len, images.values()))
        written = sum(new[camera] * each[camera] for camera in new)
        work = self._work(job, len(chosen.sample_ns), sum(new.values()), written)
        size = sum(len(times) * each[camera] for camera, times in images.items())
        return Forecast(False, len(chosen.sample_ns), count, size, new, self._decoded(job), work)

    def _exposures(self, camera: str) -> I64:
        """When all images of a camera were exposed, as far as log times tell."""
        if camera not in self._exposed_ns:
            lags = self._samples[camera].lag_ns
            lag_ns = round(float(np.median(lags))) if lags else self._recording.lag_ns
            self._exposed_ns[camera] = np.unique(self._bag.log_times(self._recording.cameras[camera])) - lag_ns
        return self._exposed_ns[camera]

    def _stretch(self, job: Job) -> tuple[int, int]:
        """From and to which log time the scene is read."""
        before = max(BEFORE_S, PRE_ROLL_S if self._videos() else 0.0)
        lag_ns = self._recording.lag_ns
        return job.scene.start_ns + lag_ns - round(before * NS) - SLACK_NS, job.scene.end_ns + lag_ns + round(AFTER_S * NS) + SLACK_NS

    def _share(self, begin_ns: int, end_ns: int) -> float:
        """Of the recording that lies between two log times."""
        bag = self._bag
        return max(min(end_ns, bag.end_ns) - max(begin_ns, bag.start_ns), 0) / max(bag.end_ns - bag.start_ns, 1)

    def _work(self, job: Job, samples: int, written: int, written_bytes: float) -> Work:
        share, topics = self._share(*self._stretch(job)), self._bag.topics
        boxed = samples if job.config.boxes and POSE_TOPICS["truth"] in topics else 0
        can = topics[TOPICS["signals"]].count * share if TOPICS["signals"] in topics else 0.0
        small = sum(topics[topic].count for topic in SMALL if topic in topics) * share - can
        return Work(1.0, written, boxed, can, small, self.size_mb * share, written_bytes / MB)

    def _videos(self) -> list[str]:
        return [camera for camera, topic in self._recording.cameras.items() if self._bag.topics[topic].ros_type == COMPRESSED_VIDEO]

    def _decoded(self, job: Job) -> dict[str, int]:
        begin, end = self._stretch(job)[0], job.scene.end_ns + self._recording.lag_ns + job.config.key_ns + SLACK_NS
        return {camera: round(self._bag.topics[self._recording.cameras[camera]].count * self._share(begin, end)) for camera in self._videos()}


def _files(recording: Recording) -> list[Path]:
    """Files that hold its messages."""
    path = recording.path
    return sorted([*path.glob("*.mcap"), *path.glob("*.db3")]) if path.is_dir() else [path]


def _reach_ns(job: Job, exposed_ns: I64) -> int:
    """As `Images.reach_ns`."""
    if job.config.sync_ms > 0.0:
        return round(job.config.sync_ms * 1e6)
    return round(float(np.median(np.diff(exposed_ns))) / 2.0) if len(exposed_ns) > 1 else job.config.key_ns // 2


def _unknown(job: Job, camera: str, exposed_ns: I64) -> int:
    """How many of the images no finished product of the scene has, of the same profile."""
    if len(exposed_ns) == 0 or not (job.images / camera).is_dir():
        return len(exposed_ns)
    known: list[int] = []
    for frames in job.home.glob(f"[!.]*/{MANIFEST}"):
        table = pq.read_table(frames.with_name("frames.parquet"), columns=["stamp_ns", "file"], filters=[("channel", "=", camera)])
        known += [stamp for stamp, file in zip(*(column.to_pylist() for column in table.columns), strict=True) if f"/{job.images.name}/" in file]
    if not known:
        return len(exposed_ns)
    times = np.unique(np.array(known, np.int64))
    near = 10_000_000  # log times tell exposures no better
    return int((np.abs(times[nearest(times, exposed_ns)] - exposed_ns) > near).sum())
