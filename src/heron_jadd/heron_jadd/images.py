"""Images of a scene, from the recording to the disk, while small messages are put aside: one pass over the stretch."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from heron_bag.markers import LABELS_TOPIC
from heron_bag.native import camera_frame
from heron_bag.reader import Bag
from heron_bag.serialise import COMPRESSED_VIDEO
from heron_camera.picture import PictureError
from heron_core.frames import CameraFrame
from heron_jadd.clouds import Clouds
from heron_jadd.config import AFTER_S, BEFORE_S, NS, JaddConfig
from heron_jadd.excerpt import Excerpt
from heron_jadd.job import MANIFEST, Job
from heron_jadd.lenses import DAMAGED, Developer, Taken
from heron_jadd.measured import TOPICS
from heron_jadd.picking import Picker
from heron_jadd.poses import POSE_TOPICS, PoseTrack
from heron_jadd.select import I64

PRE_ROLL_S = 5.0  # of video, from a key frame on, before the scene's first image
SLACK_NS = NS  # messages are logged so much earlier or later than the first image's lag tells
SMALL = tuple(dict.fromkeys((*TOPICS.values(), *POSE_TOPICS.values(), LABELS_TOPIC)))


class Images:
    """Images of one scene.

    Args:
        job: the scene.

    Attributes:
        files: camera → stamp → (bytes, crc32) of what is on disk and whole.
        counts: camera → what happened to its images → how often.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._folder = job, str(job.images)
        self._cameras = tuple(job.recording.cameras)
        self._known = _vouched(job)
        self.files = {camera: dict(known) for camera, known in self._known.items()}
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._recorded_ns: defaultdict[str, list[int]] = defaultdict(list)  # of all images that can be used
        self._picked_ns: defaultdict[str, list[int]] = defaultdict(list)  # of those that the rates want
        for camera in self._cameras:
            (job.images / camera).mkdir(parents=True, exist_ok=True)

    def stream(self, bag: Bag, excerpt: Excerpt, clouds: Clouds | None = None) -> None:
        """Writes the images that the rates want; small messages go to the excerpt, clouds to who takes them."""
        job, recording, scene, step = self._job, self._job.recording, self._job.scene, self._job.config.key_ns
        names = {topic: camera for camera, topic in recording.cameras.items()}
        pickers = {camera: Picker[Taken](job.grid_ns.tolist(), step // 2) for camera in self._cameras}
        videos = {camera for camera, topic in recording.cameras.items() if bag.topics[topic].ros_type == COMPRESSED_VIDEO}
        developer = Developer(recording.rig, job.config)
        begin = scene.start_ns + recording.lag_ns - round(max(BEFORE_S, PRE_ROLL_S if videos else 0.0) * NS) - SLACK_NS
        end = scene.end_ns + recording.lag_ns + round(AFTER_S * NS) + SLACK_NS
        topics = [*names, *(topic for topic in SMALL if topic in bag.topics), *([clouds.topic] if clouds else [])]
        for message in bag.messages(topics, begin, end):
            topic, _, log_ns, raw = message
            camera = names.get(topic)
            if clouds and topic == clouds.topic:
                if scene.start_ns - step - SLACK_NS <= log_ns - recording.lag_ns <= scene.end_ns + step + SLACK_NS:
                    clouds.take(bag, message)
            elif camera is None:
                excerpt.add(topic, log_ns, raw)
            elif (
                camera in videos or scene.start_ns - step <= log_ns - recording.lag_ns
            ) and log_ns - recording.lag_ns <= scene.end_ns + step + SLACK_NS:
                taken = self._taken(camera_frame(bag, message, camera), developer)
                if taken is not None:
                    self._write(developer, pickers[camera].offer(taken.stamp_ns, taken))
        for picker in pickers.values():
            self._write(developer, picker.finish())
        if clouds:
            clouds.finish()

    def _taken(self, frame: CameraFrame, developer: Developer) -> Taken | None:
        """The image, if it is of the scene and can be used; the others of the scene are counted."""
        scene, step = self._job.scene, self._job.config.key_ns
        taken = developer.take(frame)
        if not scene.start_ns - step // 2 <= frame.stamp_ns <= scene.end_ns + step // 2:
            return None
        counts, recorded = self.counts[frame.camera], self._recorded_ns[frame.camera]
        counts["recorded"] += 1
        if not isinstance(taken, str) and recorded and frame.stamp_ns <= recorded[-1]:
            taken = "out of order"
        if isinstance(taken, str):
            counts[taken] += 1
            return None
        recorded.append(frame.stamp_ns)
        return taken

    def _write(self, developer: Developer, picked: tuple[int, Taken] | None) -> None:
        """Puts an image on disk; one that another product of the scene has already is left. What a killed run left half written is written anew."""
        if picked is None:
            return
        stamp_ns, frame = picked
        files = self.files[frame.camera]
        if stamp_ns not in files:
            try:
                stored = developer.develop(frame)
            except PictureError:
                self.counts[frame.camera][DAMAGED] += 1
                return
            with open(f"{self._folder}/{frame.camera}/{stamp_ns}.jpg", "wb", buffering=0) as file:  # noqa: PTH123 - paths cost more than writing
                if file.write(stored.data) != len(stored.data):
                    raise OSError(28, "No space left on device", file.name)
            files[stamp_ns] = len(stored.data), stored.crc32
        self._picked_ns[frame.camera].append(stamp_ns)

    def posed_ns(self, camera: str, track: PoseTrack) -> I64:
        """Exposures of the picked images whose pose is known; the others are counted."""
        stamps = np.array(self._picked_ns[camera], np.int64)
        lost = np.isnan(track.at(stamps)).any(1)
        if lost.any():
            self.counts[camera]["without pose"] += int(lost.sum())
        found: I64 = stamps[~lost]
        return found

    def reach_ns(self, camera: str) -> int:
        """How far an image may lie from its sample's time: what is asked for, or half a period as it was recorded, whatever the rate."""
        return reach_ns(self._job.config, self._recorded_ns[camera])

    def jitter_ms(self, camera: str) -> float | None:
        """The most that a period of the camera differs from its usual one."""
        return jitter_ms(self._recorded_ns[camera])

    def keep_only(self, used: Mapping[str, set[int]]) -> None:
        """Removes images that neither this product (camera → stamps) nor another uses, also those of a run that was killed."""
        for camera in self._cameras:
            kept = {f"{stamp_ns}.jpg" for stamp_ns in (*used.get(camera, ()), *self._known[camera])}
            with os.scandir(f"{self._folder}/{camera}") as entries:
                for entry in entries:
                    if entry.name not in kept:
                        Path(entry.path).unlink()


def reach_ns(config: JaddConfig, recorded_ns: Sequence[int]) -> int:
    """How far from its sample's time something that was recorded at these times may lie."""
    if config.sync_ms > 0.0:
        return round(config.sync_ms * 1e6)
    return round(float(np.median(np.diff(recorded_ns))) / 2.0) if len(recorded_ns) > 1 else config.key_ns // 2


def jitter_ms(recorded_ns: Sequence[int]) -> float | None:
    """The most that a period of these times differs from the usual one."""
    steps = np.diff(recorded_ns) / 1e6
    return round(float(np.abs(steps - np.median(steps)).max()), 3) if len(steps) else None


def _vouched(job: Job) -> dict[str, dict[int, tuple[int, int]]]:
    """Camera → stamp → (bytes, crc32) of images that finished products of the same scene and profile have."""
    found: dict[str, dict[int, tuple[int, int]]] = {camera: {} for camera in job.recording.cameras}
    for manifest in sorted(job.home.glob(f"[!.]*/{MANIFEST}")):
        if json.loads(manifest.read_text(encoding="utf-8"))["profile"] == job.profile:
            table = pq.read_table(manifest.with_name("frames.parquet"), columns=["channel", "stamp_ns", "bytes", "crc32"])
            for camera, stamp_ns, size, crc32 in zip(*(column.to_pylist() for column in table.columns), strict=True):
                if camera in found:
                    found[camera][stamp_ns] = size, crc32
    return found
