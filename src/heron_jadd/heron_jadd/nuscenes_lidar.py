"""LIDAR_TOP of a nuScenes view: clouds of recordings that have them, and an empty one for code that cannot do without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from heron_jadd.clouds import LIDAR
from heron_jadd.job import Job
from heron_jadd.merge import sensor_token
from heron_jadd.nuscenes_files import Record, ego_pose, link
from heron_jadd.recording import Recording
from heron_jadd.tables import read_table
from heron_jadd.tokens import token

NO_POINTS = np.zeros((500, 5), np.float32)
PLACEHOLDER, HEIGHT_M = f"samples/{LIDAR}/empty.pcd.bin", 1.8
Add = Callable[..., None]
"""Takes the name of a table, and records of it."""


def has_clouds(job: Job) -> bool:
    """Whether the scene's LIDAR_TOP is a real one."""
    return job.config.lidar and job.recording.lidar is not None


def add_sensors(add: Add, folder: Path, jobs: Iterable[Job]) -> None:
    """Records of the sensor and of where it is on each car, and folders for its files.

    Args:
        add: to the view.
        folder: the view.
        jobs: one scene of each recording.
    """
    shown = [job for job in jobs if job.config.lidar_placeholder or has_clouds(job)]
    if not shown:
        return
    add("sensor", {"token": token("sensor", LIDAR), "channel": LIDAR, "modality": "lidar"})
    for job in shown:
        add("calibrated_sensor", _calibrated(job.recording if has_clouds(job) else None, job))
    for kind in ("samples", "sweeps"):
        (folder / kind / LIDAR).mkdir(parents=True)
    if not all(map(has_clouds, shown)):
        (folder / PLACEHOLDER).write_bytes(NO_POINTS.tobytes())


def _calibrated(recording: Recording | None, job: Job) -> Record:
    place: Record = {"translation": [0.0, 0.0, HEIGHT_M], "rotation": [1.0, 0.0, 0.0, 0.0]}
    if recording is not None and recording.lidar is not None:
        pose = recording.lidar.pose
        place = {"translation": pose.translation.tolist(), "rotation": list(pose.to_quaternion_wxyz())}
    return {"token": sensor_token(job.recording, LIDAR, ""), "sensor_token": token("sensor", LIDAR), **place, "camera_intrinsic": []}


def add_clouds(add: Add, folder: Path, job: Job, keys: Sequence[Record], time_us: Callable[[int], int]) -> list[Record]:
    """Poses of a scene's clouds; their records, not yet chained.

    Args:
        add: to the view.
        folder: the view.
        job: the scene.
        keys: rows of the table of frames with the key frames of the reference camera, whose times a placeholder has.
        time_us: from nanoseconds on the recording's clock to the view's time.
    """
    identity, found = job.recording.identity, []
    if has_clouds(job):
        for row in read_table(job.folder / "clouds.parquet").to_pylist():
            file = f"{'samples' if row['is_key_frame'] else 'sweeps'}/{LIDAR}/{identity}__{LIDAR}__{row['stamp_ns'] // 1000}.pcd.bin"
            link(job.store / row["file"], folder / file)
            found.append(_record(add, job, row, row["token"], file, time_us(row["stamp_ns"])))
    elif job.config.lidar_placeholder:
        names = (token("sample_data", identity, LIDAR, row["stamp_ns"], "") for row in keys)
        found = [_record(add, job, row, name, PLACEHOLDER, time_us(row["stamp_ns"])) for row, name in zip(keys, names, strict=True)]
    return found


def _record(add: Add, job: Job, row: Record, name: str, file: str, time_us: int) -> Record:
    add("ego_pose", ego_pose(row, name, time_us))
    return {
        "token": name,
        "sample_token": row["sample_token"],
        "ego_pose_token": name,
        "calibrated_sensor_token": sensor_token(job.recording, LIDAR, ""),
        "timestamp": time_us,
        "fileformat": "pcd",
        "is_key_frame": row["is_key_frame"],
        "height": 0,
        "width": 0,
        "filename": file,
    }


def points_of(job: Job) -> dict[str, int] | None:
    """Token of a box → points of the cloud in it; None: there is no LiDAR."""
    if not has_clouds(job):
        return None
    rows: list[dict[str, Any]] = read_table(job.folder / "points.parquet").to_pylist()
    return {row["box_token"]: row["points"] for row in rows}
