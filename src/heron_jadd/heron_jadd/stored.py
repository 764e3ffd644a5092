"""Recordings as a dataset keeps them: what is known of them without their bags; and its finished scenes as jobs again."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from heron_core.camera import Lens, LensModel
from heron_core.errors import InputError
from heron_core.rig import Rig, RigCamera
from heron_core.se3 import SE3
from heron_core.settings import from_mapping
from heron_jadd.config import JaddConfig
from heron_jadd.job import Job
from heron_jadd.merge import DATASET
from heron_jadd.plan import source_of
from heron_jadd.recording import Lidar, Recording
from heron_jadd.split import Scene
from heron_jadd.tokens import SCHEMA, digest
from heron_jadd.tracks import track_file

RECORDINGS = "recordings"
AGAIN = "./heron jadd create with the same recordings writes it, and does not make its scenes anew"


@dataclass(frozen=True)
class MadeJob(Job):
    """A finished scene, by whichever version it was made.

    Attributes:
        made: its product, as the dataset tells it: a later version may name the same parameters otherwise.
    """

    made: str = ""

    @property
    def product(self) -> str:
        """As it was made."""
        return self.made


def recording_file(store: Path, identity: str, cameras: tuple[str, ...]) -> Path:
    """Where a recording is kept that was probed for these cameras (`JaddConfig.cameras`)."""
    return store / RECORDINGS / f"{identity}-{digest(cameras)}.json"


def store_recording(store: Path, recording: Recording, cameras: tuple[str, ...]) -> None:
    """Writes it unless it is there. Where the recording lies is left out, so that the file is the same wherever that is."""
    path = recording_file(store, recording.identity, cameras)
    if path.is_file() and (recording.lidar is None or "lidar" in json.loads(path.read_text(encoding="utf-8"))):  # older versions left it out
        return
    content = {
        "schema": SCHEMA,
        **{name: getattr(recording, name) for name in ("identity", "first_ns", "last_ns", "lag_ns", "drivers", "steer_ratio", "fusible")},
        "cameras": list(recording.cameras.items()),
        "rig": {"name": recording.rig.name, "cameras": [_camera_told(camera) for camera in recording.rig.cameras.values()]},
    }
    if recording.lidar is not None:
        content["lidar"] = {"topic": recording.lidar.topic, **_pose_told(recording.lidar.pose)}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def stored_recording(store: Path, identity: str, cameras: tuple[str, ...]) -> Recording:
    """The recording as it was probed, to the last bit, but for where it lies and what whoever opened it warned of.

    Raises:
        InputError: it is not kept, or the file is damaged.
    """
    path = recording_file(store, identity, cameras)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        rig = Rig(told["rig"]["name"], {each["name"]: _camera_of(each) for each in told["rig"]["cameras"]})
        drivers = tuple((stamp_ns, who) for stamp_ns, who in told["drivers"])
        plain = {name: told[name] for name in ("first_ns", "last_ns", "lag_ns", "steer_ratio", "fusible")}
        lidar = Lidar(told["lidar"]["topic"], _pose_of(told["lidar"])) if "lidar" in told else None
        return Recording(path=Path(identity), identity=identity, cameras=dict(told["cameras"]), rig=rig, drivers=drivers, lidar=lidar, **plain)
    except FileNotFoundError as error:
        raise InputError(f"{path}: is not there: the dataset is of an older version; {AGAIN}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error}); remove it: {AGAIN}") from error


def dataset_of(out: Path) -> dict[str, Any]:
    """The content of `dataset.json`.

    Raises:
        InputError: there is none.
    """
    try:
        found: dict[str, Any] = json.loads((out / DATASET).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{out}: no dataset: it has no {DATASET}; ./heron jadd create makes datasets") from error
    return found


def scene_rows(out: Path, tables: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Rows of the table of scenes of a dataset, in its order.

    Args:
        out: the dataset.
        tables: the folder of its tables.
        columns: those that are wanted; None: all, which for many scenes takes much memory.

    Raises:
        InputError: it is not there.
    """
    try:
        rows: list[dict[str, Any]] = pq.read_table(out / tables / "scenes.parquet", columns=columns and list(columns)).to_pylist()
    except FileNotFoundError as error:
        raise InputError(f"{out}: damaged, or just being replaced: {tables}/scenes.parquet is not there; {AGAIN}") from error
    return rows


def jobs_of(out: Path, rows: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> list[Job]:
    """Finished scenes of a dataset as the jobs that made them; no recording is opened.

    Args:
        out: the dataset.
        rows: of its table of scenes.
        parameters: of `dataset.json`.

    Raises:
        InputError: a recording is not kept, or a scene is not where it should be.
    """
    config = from_mapping(JaddConfig, parameters, str(out / DATASET))
    found: list[Job] = []
    recordings = {identity: stored_recording(out, identity, config.cameras) for identity in sorted({row["recording"] for row in rows})}
    for row in rows:
        recording = recordings[row["recording"]]
        pose = source_of(recording, config)
        track = track_file(out, recording) if pose == "fusion" else Path()
        scene = Scene(row["start_ns"], row["end_ns"], row["driver"])
        job = MadeJob(recording, scene, dataclasses.replace(config, pose=pose), out, track, row["product"])
        if (job.token, job.profile) != (row["token"], row["profile"]) or job.manifest() is None or (pose == "fusion" and not track.is_file()):
            what = f"scene {row['name']} ({row['token']}), or its track of poses,"
            raise InputError(f"{out}: {what} is gone, or was made by a version of heron_jadd too old for this one; make the dataset anew")
        found.append(job)
    return found


def _camera_told(camera: RigCamera) -> dict[str, Any]:
    lens = {**dataclasses.asdict(camera.lens), "model": camera.lens.model.value}
    return {"name": camera.name, "topic_name": camera.topic_name, "frame_id": camera.frame_id, "lens": lens, "pose": _pose_told(camera.pose)}


def _camera_of(told: Mapping[str, Any]) -> RigCamera:
    values = told["lens"]
    lens = Lens(**{**values, "model": LensModel(values["model"]), "distortion": tuple(values["distortion"])})
    return RigCamera(told["name"], told["topic_name"], lens, _pose_of(told["pose"]), told["frame_id"])


def _pose_told(pose: SE3) -> dict[str, Any]:
    return {"rotation": pose.rotation.tolist(), "translation_m": pose.translation.tolist()}


def _pose_of(told: Mapping[str, Any]) -> SE3:
    return SE3(np.array(told["rotation"]), np.array(told["translation_m"]))
