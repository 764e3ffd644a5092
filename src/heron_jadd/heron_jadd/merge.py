"""Scenes that are done → the tables of a dataset: Parquet, many scenes to a row group, as a generation that a pointer names when it is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from heron_core.se3 import SE3
from heron_jadd.config import JaddConfig
from heron_jadd.job import Job
from heron_jadd.lenses import lenses_of, profile_of
from heron_jadd.recording import Recording
from heron_jadd.splits import BOTH
from heron_jadd.tables import SCHEMAS, read_table, schema_of
from heron_jadd.tokens import digest, token
from heron_jadd.tracks import about

DATASET = "dataset.json"
ROWS = 100_000  # of a table that are held before they are written: a row group
PIECES = 256  # that are held as they came: a table takes kilobytes, however few its rows
SCENE = pa.field("scene_token", pa.string())
SCENES = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("token", "name", "recording", "driver", "split", "product", "profile")),
        *(pa.field(name, pa.int64()) for name in ("start_ns", "end_ns", "samples", "frames", "image_bytes")),
        pa.field("quality", pa.string()),
    ]
)
# origin: of the map frame that poses are in, where they are fused and fixes were used; counts: of GNSS fixes, as JSON
RECORDINGS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("identity", "rig", "pose", "split")),
        *(pa.field(name, pa.int64()) for name in ("first_ns", "last_ns", "scenes")),
        pa.field("cameras", pa.list_(pa.string())),
        *(pa.field(name, pa.float64()) for name in ("steer_ratio", "origin_latitude_deg", "origin_longitude_deg", "origin_altitude_m")),
        pa.field("counts", pa.string()),
    ]
)
SENSORS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("token", "recording", "channel", "profile", "model")),
        *(pa.field(name, pa.int32()) for name in ("width", "height")),
        *(pa.field(name, pa.list_(pa.float64())) for name in ("k", "distortion", "translation_m", "rotation_wxyz")),
    ]
)


def sensor_token(recording: Recording, channel: str, profile: str) -> str:
    """Of a calibrated sensor: other images have another."""
    return token("calibrated_sensor", recording.identity, channel, profile)


def merge(jobs: Sequence[Job], names: Mapping[str, str], splits: Mapping[str, str], out: Path, done: Callable[[], None] = lambda: None) -> Path:
    """Writes the tables of a dataset, and points `dataset.json` at them; the folder of the tables.

    Args:
        jobs: finished scenes, in the dataset's order.
        names: scene token → name in nuScenes' form.
        splits: scene token → its split.
        out: the dataset.
        done: called after each scene.
    """
    generation = digest([(job.token, job.product, names[job.token], splits[job.token]) for job in jobs])
    folder = out / f"tables-{generation}"
    if not folder.is_dir():
        part = out / f".tables-{generation}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _write(jobs, names, splits, part, done)
        part.rename(folder)
    return folder


def point(out: Path, content: Mapping[str, Any]) -> None:
    """Replaces `dataset.json` whole, then removes tables and views that it no longer names."""
    unfinished = out / f".{DATASET}.{os.getpid()}"
    unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(out / DATASET)
    kept = {content["tables"], *content["nuscenes"]}
    for pattern in ("tables-*", "nuscenes-*"):
        for old in out.glob(pattern):
            if old.name not in kept and old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)


def _write(jobs: Sequence[Job], names: Mapping[str, str], splits: Mapping[str, str], part: Path, done: Callable[[], None]) -> None:
    with ExitStack() as stack:
        appenders = {name: stack.enter_context(_Appender(part / f"{name}.parquet", _of_many(name))) for name in SCHEMAS}
        scenes = stack.enter_context(_Appender(part / "scenes.parquet", SCENES))
        for job in jobs:
            manifest, scene = job.manifest(), job.token
            assert manifest is not None, job.folder
            for name in manifest["tables"]:
                table = read_table(job.folder / f"{name}.parquet", schema_of(name))
                appenders[name].add(table.add_column(0, SCENE, pa.repeat(scene, table.num_rows)))
            scenes.add(pa.Table.from_pylist([_scene_row(job, manifest, names[scene], splits[scene])], SCENES))
            done()
    recordings = {(job.recording.identity, job.profile): job for job in jobs}
    sensors = [row for job in recordings.values() for row in sensor_rows(job.recording, job.config)]
    pq.write_table(pa.Table.from_pylist(sensors, SENSORS), part / "sensors.parquet", compression="zstd")
    scenes_of = Counter(job.recording.identity for job in jobs)
    splits_of: defaultdict[str, set[str]] = defaultdict(set)
    for job in jobs:
        splits_of[job.recording.identity].add(splits[job.token])
    split_of = {identity: min(found) if len(found) == 1 else BOTH for identity, found in splits_of.items()}
    rows = [_recording_row(job, split_of[identity], scenes_of[identity]) for (identity, _), job in recordings.items()]
    pq.write_table(pa.Table.from_pylist(rows, RECORDINGS), part / "recordings.parquet", compression="zstd")


def _scene_row(job: Job, manifest: Mapping[str, Any], name: str, split: str) -> dict[str, Any]:
    told = {key: manifest[key] for key in ("driver", "product", "profile", "start_ns", "end_ns", "image_bytes")}
    tables = manifest["tables"]
    more = {"samples": tables["samples"], "frames": tables["frames"], "quality": json.dumps(manifest["quality"], sort_keys=True)}
    return {"token": job.token, "name": name, "recording": job.recording.identity, "split": split, **told, **more}


def _recording_row(job: Job, split: str, scenes: int) -> dict[str, Any]:
    recording, told = job.recording, about(job.track) if job.config.pose == "fusion" else {}
    origin = {f"origin_{name}": value for name, value in (told.get("origin") or {}).items()}
    row = {"identity": recording.identity, "rig": recording.rig.name, "pose": job.config.pose, "split": split, "scenes": scenes}
    row |= {"first_ns": recording.first_ns, "last_ns": recording.last_ns, "cameras": list(recording.cameras), "steer_ratio": recording.steer_ratio}
    return {**row, **origin, "counts": json.dumps(told.get("counts"), sort_keys=True)}


def sensor_rows(recording: Recording, config: JaddConfig) -> Iterable[dict[str, Any]]:
    """Rows of the table of calibrated sensors."""
    profile = profile_of(config)
    for channel, lens in lenses_of(recording.rig, config, tuple(recording.cameras)).items():
        pose: SE3 = recording.rig.cameras[channel].pose
        yield {
            "token": sensor_token(recording, channel, profile),
            "recording": recording.identity,
            "channel": channel,
            "profile": profile,
            "model": lens.model.value,
            "width": lens.width,
            "height": lens.height,
            "k": lens.k.ravel().tolist(),
            "distortion": list(lens.distortion),
            "translation_m": pose.translation.tolist(),
            "rotation_wxyz": list(pose.to_quaternion_wxyz()),
        }


def _of_many(name: str) -> Any:
    """The schema of a table of a dataset: that of a scene, and which one."""
    return schema_of(name).insert(0, SCENE)


class _Appender:
    """A Parquet file that is added to; the size of its row groups does not depend on how the scenes came, nor its memory on how many there are."""

    def __init__(self, path: Path, schema: Any) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._held: list[Any] = []
        self._rows = 0

    def __enter__(self) -> _Appender:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, table: Any) -> None:
        """The rows of one scene."""
        if not table.num_rows:
            return
        self._held.append(table)
        self._rows += table.num_rows
        if self._rows >= ROWS:
            self._flush()
        elif len(self._held) >= PIECES:
            self._held = [self._whole()]

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(self._whole())
        self._held, self._rows = [], 0

    def _whole(self) -> Any:
        return pa.concat_tables(self._held).combine_chunks()
