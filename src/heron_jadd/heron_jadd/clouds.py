"""LiDAR clouds of a scene: from the recording to files as nuScenes has them, and how many points lie in each box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_bag.clouds import point_cloud
from heron_bag.errors import BagError
from heron_bag.reader import Bag, Message
from heron_core.se3 import SE3
from heron_jadd.boxes import Box
from heron_jadd.checksum import crc32
from heron_jadd.job import Job
from heron_jadd.lenses import DAMAGED
from heron_jadd.picking import Picker
from heron_jadd.poses import PoseTrack
from heron_jadd.select import I64
from heron_jadd.tables import read_table

LIDAR = "LIDAR_TOP"
FOLDER = "clouds"


class Clouds:
    """Clouds of one scene whose recording has a LiDAR.

    They are not moved by the car's motion during a turn of the sensor: points and stamp are the recording's.

    Args:
        job: the scene.

    Attributes:
        topic: that they come from.
        files: stamp → (bytes, crc32, points) of what is on disk.
        counts: what happened to clouds of the scene → how often.
        recorded_ns: stamps of all that can be used.
    """

    def __init__(self, job: Job) -> None:
        assert job.recording.lidar is not None
        self.topic = job.recording.lidar.topic
        self.files: dict[int, tuple[int, int, int]] = {}
        self.counts: Counter[str] = Counter()
        self.recorded_ns: list[int] = []
        self._picked_ns: list[int] = []
        self._scene, self._step = job.scene, job.config.key_ns
        self._folder = job.home / FOLDER
        self._picker = Picker[NDArray[np.float32]](job.grid_ns.tolist(), self._step // 2)
        self._folder.mkdir(parents=True, exist_ok=True)

    def take(self, bag: Bag, message: Message) -> None:
        """Takes a message of the topic; clouds that the rates want are written."""
        try:
            cloud = point_cloud(bag, message)
        except BagError:
            self.counts.update(("recorded", DAMAGED))
            return
        if not self._scene.start_ns - self._step // 2 <= cloud.stamp_ns <= self._scene.end_ns + self._step // 2:
            return
        self.counts["recorded"] += 1
        if self.recorded_ns and cloud.stamp_ns <= self.recorded_ns[-1]:
            self.counts["out of order"] += 1
            return
        self.recorded_ns.append(cloud.stamp_ns)
        self._write(self._picker.offer(cloud.stamp_ns, cloud.points))

    def finish(self) -> None:
        """No cloud follows."""
        self._write(self._picker.finish())

    def _write(self, picked: tuple[int, NDArray[np.float32]] | None) -> None:
        """A file appears whole and is never written again in place: views have further names of it."""
        if picked is None:
            return
        stamp_ns, points = picked
        data = points.astype("<f4").tobytes()
        path = self._folder / f"{stamp_ns}.pcd.bin"
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)
        self.files[stamp_ns] = len(data), crc32(data), len(points)
        self._picked_ns.append(stamp_ns)

    def posed_ns(self, track: PoseTrack) -> I64:
        """Stamps of the written clouds whose pose is known; the others are counted."""
        stamps = np.array(self._picked_ns, np.int64)
        lost = np.isnan(track.at(stamps)).any(1)
        if lost.any():
            self.counts["without pose"] += int(lost.sum())
        found: I64 = stamps[~lost]
        return found

    def keep_only(self, used: Iterable[int]) -> None:
        """Removes clouds that neither this product (stamps) nor another of the scene has, also those of a run that was killed."""
        kept = set(used)
        for table in self._folder.parent.glob("[!.]*/clouds.parquet"):
            kept.update(read_table(table)["stamp_ns"].to_pylist())
        names = {f"{stamp_ns}.pcd.bin" for stamp_ns in kept}
        for path in self._folder.iterdir():
            if path.name not in names:
                path.unlink()


def read_cloud(path: Path) -> NDArray[np.float32]:
    """(n, 5) x, y, z, intensity, ring."""
    return np.fromfile(path, "<f4").reshape(-1, 5)


def points_inside(points: NDArray[np.float32], pose: SE3, boxes: Sequence[Box]) -> Mapping[int, int]:
    """Actor → points of a cloud in its box.

    Args:
        points: (n, 3 or more) in the sensor's frame.
        pose: of the sensor in base_link.
        boxes: in base_link at the cloud's stamp.
    """
    x, y, z = pose.apply(points[:, :3].astype(np.float64)).T
    found = {}
    for box in boxes:
        c, s = np.cos(box.yaw_rad), np.sin(box.yaw_rad)
        dx, dy, dz = x - box.center[0], y - box.center[1], z - box.center[2]
        width, length, height = box.size
        inside = (np.abs(c * dx + s * dy) <= length / 2.0) & (np.abs(c * dy - s * dx) <= width / 2.0) & (np.abs(dz) <= height / 2.0)
        found[box.actor] = int(inside.sum())
    return found
