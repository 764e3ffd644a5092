"""A little of a dataset made for real before the rest of it: what this machine takes for it now, beside what the constants of `costs` say.

Images pass through in it: what developing them takes is measured image by image (`sample_images`). A labeller is asked, clouds are written.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from heron_bag.reader import Bag
from heron_core.errors import InputError
from heron_jadd.can_motion import TAP
from heron_jadd.config import NS, PoseSource
from heron_jadd.costs import Costs
from heron_jadd.excerpt import Excerpt
from heron_jadd.forecast import Forecaster
from heron_jadd.job import Job
from heron_jadd.poses import POSE_TOPICS
from heron_jadd.publish import publish, table_bytes
from heron_jadd.recording import STATUS, Recording, fused_of_can, probe
from heron_jadd.sample_images import CameraSample
from heron_jadd.scene import run_scene
from heron_jadd.splits import TRAIN
from heron_jadd.tracks import fused, make_track, track_file

SHARE, LEAST_S, MOST_S = 0.15, 4.0, 10.0  # of what is to be made, so much is tried
PREFIX, LEFT_S = ".trial-", 3600.0  # of its folder; one that nobody has written to for so long is of a process that is gone
FUSED_S = 10.0  # of a recording, whose poses are fused twice: the first time all is loaded
FUSED_TOPICS = ("/gnss/fix", "/imu", "/vehicle/state")


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        probing, fusing, making, merging: CPU time over what the constants say.
        tables: bytes of tables over what the constants say.
        first_s: CPU seconds of the first scene of a process over that of others.
        cloud_bytes: of LiDAR clouds, for each second.
    """

    probing: float
    fusing: float
    making: float
    merging: float
    tables: float
    first_s: float
    cloud_bytes: float


def tried(bag: Bag, job: Job, samples: Mapping[str, CameraSample], costs: Costs, seconds: float, slow: float) -> Trial | None:
    """Makes a stretch of a scene in a folder that is removed again; None: it has no two whole samples, and tells nothing.

    Args:
        bag: the recording, open.
        job: a scene that is to be made, not of video.
        samples: camera → what its images are like.
        costs: the constants.
        seconds: of all scenes that are to be made.
        slow: what is taken for the cost of fusing poses over what the constants say, where none are fused.

    Raises:
        InputError: the recording cannot be used, or the labeller fails.
    """
    recorded = {camera: dataclasses.replace(sample, stored=[]) for camera, sample in samples.items()}
    with tempfile.TemporaryDirectory(dir=_disk(job.store), prefix=PREFIX) as folder:
        first, second = (Path(folder) / name for name in ("first", "second"))
        warm = _stretch(bag, job, first, LEAST_S)
        began = time.process_time()
        if run_scene(warm)["tables"]["samples"] < 2:
            return None
        first_s = time.process_time() - began
        publish([warm], {warm.token: TRAIN}, first, {"parameters": dataclasses.asdict(warm.config)})
        long = _stretch(bag, job, second, min(max(SHARE * seconds, LEAST_S), MOST_S), first)
        forecaster = Forecaster(bag, job.recording, recorded)
        usual, forecast = forecaster.of(warm).work.times(costs.scene), forecaster.of(long)
        began = time.process_time()
        if run_scene(long)["tables"]["samples"] < 2:
            return None
        making = (time.process_time() - began) / forecast.work.times(costs.scene)
        began = time.process_time()
        publish([long], {long.token: TRAIN}, second, {"parameters": dataclasses.asdict(long.config)})
        merged = dataclasses.replace(forecast.work, images=forecast.images)
        merging = (time.process_time() - began) / (costs.merge_s + merged.times(costs.merge))
        tables = table_bytes(second) / merged.times(costs.table_bytes)
        fusing = _fusing(bag, costs) if job.config.pose == "fusion" else None
        first_s = max(first_s - making * usual, 0.0)
        return Trial(_probing(bag, job.recording, costs), fusing or slow, making, merging, tables, first_s, _cloud_bytes(long))


def _probing(bag: Bag, recording: Recording, costs: Costs) -> float:
    began = time.process_time()
    probe(recording.path, tuple(recording.cameras), recording.foreign)
    expected = costs.recording_s + costs.status_s * (bag.topics[STATUS].count if STATUS in bag.topics else 0)
    return (time.process_time() - began) / expected


def _fusing(bag: Bag, costs: Costs) -> float | None:
    """None: so short a stretch cannot be fused."""
    of_can = fused_of_can(bag)
    topics = [topic for topic in ((TAP,) if of_can else FUSED_TOPICS) if topic in bag.topics]
    begin_ns = bag.start_ns + max(bag.end_ns - bag.start_ns - round(FUSED_S * NS), 0) // 2

    def read_and_fuse() -> int:
        excerpt, count = Excerpt(bag), 0
        for topic, _, log_ns, raw in bag.messages(topics, begin_ns, begin_ns + round(FUSED_S * NS)):
            excerpt.add(topic, log_ns, raw)
            count += 1
        fused(excerpt)
        return count

    try:
        read_and_fuse()
        began = time.process_time()
        count = read_and_fuse()
    except InputError:
        return None
    return (time.process_time() - began) / (count * (costs.can_fused_s if of_can else costs.fused_s))


def _stretch(bag: Bag, job: Job, store: Path, seconds: float, known: Path | None = None) -> Job:
    """The last seconds of the scene, all of it if it is shorter; the track of a folder that knows it is not made again."""
    config, key_ns = job.config, job.config.key_ns
    length_ns = min(round(seconds * NS), job.scene.end_ns - job.scene.start_ns)
    start_ns = job.scene.end_ns - length_ns
    scene = dataclasses.replace(job.scene, start_ns=start_ns - (start_ns - job.scene.start_ns) % key_ns)
    pose: PoseSource = config.pose
    if pose == "fusion":  # its track may not be there yet, and what it takes is estimated for itself
        sources: tuple[PoseSource, ...] = ("odometry", "truth")
        pose = next((source for source in sources if POSE_TOPICS[source] in bag.topics and bag.topics[POSE_TOPICS[source]].count), "fusion")
    track = Path()
    if pose == "fusion":
        track = track_file(store, job.recording)
        if known is not None:
            shutil.copytree(track_file(known, job.recording).parent, track.parent)
        make_track(store, job.recording)
    return Job(job.recording, scene, dataclasses.replace(config, pose=pose, undistort=False), store, track)


def _cloud_bytes(job: Job) -> float:
    path = job.folder / "clouds.parquet"
    if not path.is_file():
        return 0.0
    return float(sum(pq.read_table(path, columns=["bytes"])["bytes"].to_pylist())) * NS / (job.scene.end_ns - job.scene.start_ns)


def _disk(store: Path) -> Path | None:
    """A folder on the disk that the dataset will be on; None: wherever temporary files are. What a killed trial left in the dataset goes."""
    if store.is_dir():
        for old in store.glob(f"{PREFIX}*"):
            if time.time() - old.stat().st_mtime > LEFT_S:
                shutil.rmtree(old, ignore_errors=True)
        return store
    return store.parent if not store.exists() and store.parent.is_dir() else None
