"""The fused track of a whole recording: made once, smoothed both ways, kept beside the scenes, which read their stretch of it."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from heron_bag.columns import columns
from heron_bag.native import gnss_fixes
from heron_bag.reader import Bag
from heron_core.errors import InputError
from heron_core.signals import FixType
from heron_jadd.can_motion import Motion, can_motion, tells_motion
from heron_jadd.fusion import FusedTrack, FusionConfig, fuse
from heron_jadd.poses import POSE_TOPICS, PoseTrack
from heron_jadd.recording import FUSED, Recording
from heron_jadd.tokens import digest
from heron_sim.roads.town import GeoOrigin

TRACKS = "poses"
CELL_DEG, CELL_M = 0.05, 100.0  # recordings of one cell of so many degrees and metres of height share an origin, and so a map
FIELDS = ("x_m", "y_m", "yaw_rad", "speed_mps", "x_std_m", "y_std_m", "yaw_std_rad")
ABOUT = b"heron"


def track_file(store: Path, recording: Recording) -> Path:
    """Where the track of a recording lies."""
    return store / TRACKS / f"{recording.identity}-{digest(sorted(dataclasses.asdict(FusionConfig()).items(), key=str))}.parquet"


def make_track(store: Path, recording: Recording) -> dict[str, Any]:
    """Makes the track unless it is there; what is known about it (`about`).

    Raises:
        InputError: nothing to fuse, or sensors that contradict themselves; the text says what.
    """
    path = track_file(store, recording)
    if not path.is_file():
        with recording.open() as bag:
            track = fused(bag)
        table = pa.table({"stamp_ns": track.stamp_ns, **{name: getattr(track, name) for name in FIELDS}})
        origin = None if track.origin is None else dataclasses.asdict(track.origin)
        told = {"origin": origin, "counts": dataclasses.asdict(track.counts)}
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        pq.write_table(table.replace_schema_metadata({ABOUT: json.dumps(told, sort_keys=True)}), unfinished, compression="zstd")
        unfinished.replace(path)
    return about(path)


def about(path: Path) -> dict[str, Any]:
    """`origin` (latitude_deg, longitude_deg, altitude_m; None: dead reckoning) and `counts` of a track."""
    found: dict[str, Any] = json.loads(pq.read_schema(path).metadata[ABOUT])
    return found


def read_track(path: Path, begin_ns: int, end_ns: int) -> PoseTrack:
    """The stretch of a track between two stamps, with a little around it."""
    around = [("stamp_ns", ">=", begin_ns - 1_000_000_000), ("stamp_ns", "<=", end_ns + 1_000_000_000)]
    table = pq.read_table(path, columns=["stamp_ns", *FIELDS[:4]], filters=around)
    stamp_ns, x, y, yaw, speed = (table[name].to_numpy() for name in table.column_names)
    seconds = (stamp_ns - stamp_ns[:1]) / 1e9
    rate = np.gradient(yaw, seconds) if len(seconds) > 1 else np.zeros(len(seconds))
    return PoseTrack(stamp_ns, np.column_stack([x, y, yaw]), speed, rate)


def fused(bag: Bag) -> FusedTrack:
    """The track of a recording, or of an excerpt of one. Raises as `make_track`."""
    missing = [topic for topic in FUSED if topic not in bag.topics]
    if missing and not tells_motion(bag):
        raise InputError(f"{bag.path}: no fused poses: it has no topic {missing[0]}; choose another source of poses ({', '.join(POSE_TOPICS)})")
    motion = can_motion(bag) if missing else _published(bag)
    good = motion.kinds != int(FixType.NONE)
    origin = _origin(motion.gnss[good]) if good.any() else None
    try:
        return fuse(motion.gnss_ns, motion.gnss, motion.kinds, motion.imu_ns, motion.rate, motion.speed_ns, motion.speed, FusionConfig(), origin)
    except ValueError as error:
        raise InputError(f"{bag.path}: its GNSS, IMU and speed cannot be fused: {error}") from error


def _published(bag: Bag) -> Motion:
    """As topics have it."""
    fixes = [each for _, each in gnss_fixes(bag)]
    gnss_ns = np.array([each.stamp_ns for each in fixes], np.int64)
    gnss = np.array([(each.latitude_deg, each.longitude_deg, each.altitude_m, each.horizontal_std_m) for each in fixes]).reshape(-1, 4)
    kinds = np.array([int(each.fix) for each in fixes], np.int64)
    imu_ns, rate = np.empty(0, np.int64), np.empty(0)
    if "/imu" in bag.topics:
        found = columns(bag, "/imu", ["header.stamp", "angular_velocity.z"])
        imu_ns, rate = found["header.stamp"], found["angular_velocity.z"]
    state = columns(bag, "/vehicle/state", ["header.stamp", "speed.value", "speed.age_ns", "speed.valid"])
    heard_ns = state["header.stamp"] - state["speed.age_ns"]
    fresh = state["speed.valid"].astype(np.bool_) & (np.diff(np.maximum.accumulate(heard_ns), prepend=heard_ns[:1] - 1) > 0)  # each value once
    return Motion(gnss_ns, gnss, kinds, imu_ns, rate, heard_ns[fresh], state["speed.value"][fresh])


def _origin(fixes: np.ndarray[Any, np.dtype[np.float64]]) -> GeoOrigin:
    """The corner of the cell that the recording lies in: the same for every recording of the neighbourhood, whatever else is in the dataset."""
    latitude, longitude, altitude = np.nanmedian(fixes[:, :3], axis=0)
    return GeoOrigin(*(round(round(value / cell) * cell, 6) for value, cell in ((latitude, CELL_DEG), (longitude, CELL_DEG), (altitude, CELL_M))))
