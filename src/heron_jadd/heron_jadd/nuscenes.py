"""The nuScenes view of a dataset: JSON tables, and images under the names that the devkit expects, linked to the ones of the scenes."""

from __future__ import annotations

import datetime
import json
import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_jadd.boxes import CATEGORIES
from heron_jadd.can_bus import Inertial, States, can_bus, driven_route
from heron_jadd.can_bus_files import write_can_bus
from heron_jadd.clouds import LIDAR
from heron_jadd.config import NS
from heron_jadd.job import Job
from heron_jadd.merge import sensor_rows, sensor_token
from heron_jadd.nuscenes_files import Record, ego_pose, link
from heron_jadd.nuscenes_lidar import add_clouds, add_sensors, points_of
from heron_jadd.poses import PoseTrack
from heron_jadd.tables import read_table
from heron_jadd.tokens import token

FIRST_SCENE, SHARD = 2000, 1000  # the devkit wants four digits; official splits own all numbers up to 1110
ATTRIBUTES = {
    "vehicle.moving": "Vehicle is moving.",
    "vehicle.stopped": "Vehicle, with a driver, that stands.",
    "cycle.with_rider": "There is a rider on the bicycle.",
    "pedestrian.moving": "The human is moving.",
    "pedestrian.standing": "The human is standing.",
}
VISIBILITIES = ((0.4, "v0-40"), (0.6, "v40-60"), (0.8, "v60-80"), (math.inf, "v80-100"))
MAP_SIZE = 64  # pixels of the blank map
TABLES = (
    *("category", "attribute", "visibility", "instance", "sensor", "calibrated_sensor", "ego_pose", "log", "scene", "sample"),
    *("sample_data", "sample_annotation", "map"),
)
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class _View:
    """A shard while it is made: records go to their files as they come, so that memory does not grow with the scenes."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder, self.tables = folder, folder / version
        self.tables.mkdir(parents=True)
        self.starts_us: set[int] = set()
        self.logs: list[str] = []
        self.missing: dict[str, str] = {}  # of nuScenes' CAN messages
        self.splits: defaultdict[str, list[str]] = defaultdict(list)
        self._files = {name: (self.tables / f"{name}.json").open("w", encoding="utf-8") for name in TABLES}
        self._begun: set[str] = set()

    def __enter__(self) -> _View:
        return self

    def __exit__(self, *_: object) -> None:
        for name, file in self._files.items():
            file.write("\n]\n" if name in self._begun else "[]\n")
            file.close()

    def add(self, name: str, *records: Record) -> None:
        """Records of one table."""
        file = self._files[name]
        for record in records:
            file.write(",\n" if name in self._begun else "[\n")
            file.write(ENCODER.encode(record))
            self._begun.add(name)


def scene_names(jobs: Sequence[Job]) -> dict[str, str]:
    """Scene token → scene-2000 … scene-2999, anew in every shard."""
    return {job.token: f"scene-{FIRST_SCENE + k % SHARD}" for k, job in enumerate(jobs)}


def write_view(
    jobs: Sequence[Job], names: Mapping[str, str], splits: Mapping[str, str], folder: Path, done: Callable[[], None] = lambda: None
) -> None:
    """Makes one shard.

    Args:
        jobs: its finished scenes, at most `SHARD`, of one configuration.
        names: scene token → name.
        splits: token of a scene → split, e.g. train.
        folder: what to make; it must not exist.
        done: called after each scene.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with _View(part, jobs[0].config.version) as view:
        _fixed(view, jobs)
        for job in jobs:
            _scene(view, job, names[job.token])
            view.splits[f"jadd_{splits[job.token]}"].append(names[job.token])
            done()
        _json(view.tables / "splits.json", dict(view.splits))
        _json(view.tables / "can_bus_missing.json", dict(sorted(view.missing.items())))
    part.rename(folder)


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=0, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _fixed(view: _View, jobs: Sequence[Job]) -> None:
    """Tables that do not grow with the scenes."""
    config = jobs[0].config
    for category in CATEGORIES.values():
        view.add("category", {"token": token("category", category), "name": category, "description": ""})
    for attribute, text in ATTRIBUTES.items():
        view.add("attribute", {"token": token("attribute", attribute), "name": attribute, "description": text})
    for number, (_, level) in enumerate(VISIBILITIES, 1):
        text = f"visibility of whole object is between {level[1:].replace('-', ' and ')}%"
        view.add("visibility", {"token": str(number), "level": level, "description": text})
    recordings = {job.recording.identity: job for job in jobs}
    channels = dict.fromkeys(channel for job in recordings.values() for channel in job.recording.cameras)
    for channel in channels:
        view.add("sensor", {"token": token("sensor", channel), "channel": channel, "modality": "camera"})
        (view.folder / "samples" / channel).mkdir(parents=True)
        (view.folder / "sweeps" / channel).mkdir(parents=True)
    distortion = {}
    for job in recordings.values():
        recording = job.recording
        began = datetime.datetime.fromtimestamp(recording.first_ns / NS, datetime.timezone.utc)
        log: Record = {"token": token("log", recording.identity), "logfile": recording.identity, "vehicle": recording.rig.name}
        view.logs.append(log["token"])
        view.add("log", {**log, "date_captured": began.strftime("%Y-%m-%d"), "location": config.location or recording.rig.name})
        for row in sensor_rows(recording, config):
            sensor: Record = {"token": row["token"], "sensor_token": token("sensor", row["channel"]), "translation": row["translation_m"]}
            intrinsic = np.array(row["k"]).reshape(3, 3).tolist()
            view.add("calibrated_sensor", {**sensor, "rotation": row["rotation_wxyz"], "camera_intrinsic": intrinsic})
            distortion[row["token"]] = {"model": row["model"], "distortion": row["distortion"]}
    add_sensors(view.add, view.folder, recordings.values())
    if not config.undistort:
        _json(view.tables / "distortion.json", distortion)
    (view.folder / "maps").mkdir()
    cv2.imwrite(str(view.folder / "maps" / "blank.png"), np.zeros((MAP_SIZE, MAP_SIZE), np.uint8))
    view.add("map", {"token": token("map", "blank"), "log_tokens": view.logs, "category": "semantic_prior", "filename": "maps/blank.png"})


def _scene(view: _View, job: Job, name: str) -> None:
    samples, frames, boxes = (read_table(job.folder / f"{table}.parquet").to_pylist() for table in ("samples", "frames", "boxes"))
    start_us = samples[0]["stamp_ns"] // 1000
    later_us = next(k for k in range(len(view.starts_us) + 1) if start_us + k not in view.starts_us)
    view.starts_us.add(start_us + later_us)  # list_scenes of the devkit raises where two scenes begin at the same microsecond

    def time_us(stamp_ns: int) -> int:
        return stamp_ns // 1000 + later_us

    linked = _chain([{"token": row["token"], "timestamp": time_us(row["stamp_ns"]), "scene_token": job.token} for row in samples])
    view.add("sample", *linked)
    scene: Record = {"token": job.token, "log_token": token("log", job.recording.identity), "nbr_samples": len(samples)}
    scene |= {"first_sample_token": samples[0]["token"], "last_sample_token": samples[-1]["token"], "name": name}
    said = f"; boxes by {job.config.labeller}, no ground truth" if job.config.labeller and job.config.boxes else ""
    view.add("scene", {**scene, "description": f"{job.scene.driver} drives{said}"})
    channels: defaultdict[str, list[Record]] = defaultdict(list)
    images = _Images(view, job)
    for row in frames:
        channels[row["channel"]].append(images.record(row, time_us(row["stamp_ns"])))
    keys = [row for row in frames if row["is_key_frame"] and row["channel"] == job.recording.reference]
    channels[LIDAR] = add_clouds(view.add, view.folder, job, keys, time_us)
    for records in channels.values():
        view.add("sample_data", *_chain(records))
    _annotations(view, boxes, points_of(job))
    _can_bus(view, job, name)


def _can_bus(view: _View, job: Job, name: str) -> None:
    """The car's signals as nuScenes has them."""
    poses = _columns(job, "poses")
    track = PoseTrack(
        poses["stamp_ns"], np.column_stack([poses[axis] for axis in ("x_m", "y_m", "yaw_rad")]), poses["speed_mps"], poses["yaw_rate_rps"]
    )
    imu, state = _columns(job, "imu"), _columns(job, "state")
    inertial = imu and Inertial(imu["stamp_ns"], *(np.column_stack([imu[f"{kind}_{axis}"] for axis in "xyz"]) for kind in ("rate", "accel")))
    states = state and States(state["stamp_ns"], {key: values for key, values in state.items() if key != "stamp_ns" and not np.isnan(values).all()})
    found = can_bus(track, states or None, inertial or None, driven_route(track), steer_ratio=job.recording.steer_ratio)
    write_can_bus(view.folder, name, found.messages)
    view.missing.update(found.missing)
    view.missing.update(dict.fromkeys(found.notes, ""))


def _columns(job: Job, name: str) -> dict[str, NDArray[Any]]:
    """Columns of a table of the scene; none where the recording lacks it. NaN: null."""
    path = job.folder / f"{name}.parquet"
    if not path.is_file():
        return {}
    table = read_table(path)
    return {column: table[column].to_numpy() for column in table.column_names}


def _chain(records: list[Record]) -> list[Record]:
    """Each record names the one before and the one after."""
    for k, record in enumerate(records):
        record["prev"] = records[k - 1]["token"] if k else ""
        record["next"] = records[k + 1]["token"] if k + 1 < len(records) else ""
    return records


class _Images:
    """Images of a scene: a further name of each, its pose, its record. What they share is found once: no other thing is as many."""

    def __init__(self, view: _View, job: Job) -> None:
        self._view, self._store, self._folder = view, str(job.store), str(view.folder)
        self._name = f"{job.recording.identity}-{job.profile[:8]}"
        self._sensors = {channel: sensor_token(job.recording, channel, job.profile) for channel in job.recording.cameras}

    def record(self, row: Record, time_us: int) -> Record:
        """Of a row of the table of frames."""
        channel = row["channel"]
        file = f"{'samples' if row['is_key_frame'] else 'sweeps'}/{channel}/{self._name}__{channel}__{row['stamp_ns'] // 1000}.jpg"
        link(f"{self._store}/{row['file']}", f"{self._folder}/{file}")
        self._view.add("ego_pose", ego_pose(row, row["token"], time_us))
        return {
            "token": row["token"],
            "sample_token": row["sample_token"],
            "ego_pose_token": row["token"],
            "calibrated_sensor_token": self._sensors[channel],
            "timestamp": time_us,
            "fileformat": "jpg",
            "is_key_frame": row["is_key_frame"],
            "height": row["height"],
            "width": row["width"],
            "filename": file,
        }


def _annotations(view: _View, rows: Sequence[Record], points: Mapping[str, int] | None) -> None:
    instances: defaultdict[str, list[Record]] = defaultdict(list)
    category = {}
    for row in rows:
        half = row["yaw_rad"] / 2.0
        seen = row["visible"]
        level = 1 if math.isnan(seen) else next(number for number, (limit, _) in enumerate(VISIBILITIES, 1) if seen < limit)
        category[row["instance_token"]] = row["category"]
        instances[row["instance_token"]].append(
            {
                "token": row["token"],
                "sample_token": row["sample_token"],
                "instance_token": row["instance_token"],
                "visibility_token": str(level),
                "attribute_tokens": [token("attribute", row["attribute"])] if row["attribute"] else [],
                "translation": [row["x_m"], row["y_m"], row["z_m"]],
                "size": [row["width_m"], row["length_m"], row["height_m"]],
                "rotation": [math.cos(half), 0.0, 0.0, math.sin(half)],
                # without LiDAR 1 says that a camera sees it, so that evaluations keep it
                "num_lidar_pts": int(seen > 0.0) if points is None else points.get(row["token"], 0),
                "num_radar_pts": 0,
            }
        )
    order = {row["sample_token"]: k for k, row in reversed(list(enumerate(rows)))}  # who is there from the beginning comes first, the longest before
    for name, records in sorted(instances.items(), key=lambda each: (order[each[1][0]["sample_token"]], -len(each[1]))):
        view.add("sample_annotation", *_chain(records))
        ends = {"first_annotation_token": records[0]["token"], "last_annotation_token": records[-1]["token"]}
        view.add("instance", {"token": name, "category_token": token("category", category[name]), "nbr_annotations": len(records), **ends})
