"""Recorded video of a dataset's scenes: its packets in MP4 files, not decoded, and a table that finds every image of the dataset in them.

The dataset keeps its JPEGs, which all readers of nuScenes open by name; who reads video needs those no more.
"""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heron_bag.native import camera_frame
from heron_bag.reader import Bag
from heron_bag.serialise import COMPRESSED_VIDEO
from heron_camera.h264 import contains_keyframe
from heron_core.errors import InputError
from heron_jadd.config import NS
from heron_jadd.images import PRE_ROLL_S, SLACK_NS
from heron_jadd.job import Job
from heron_jadd.lerobot_video import EXACT
from heron_jadd.publish import alone
from heron_jadd.recording import Recording
from heron_jadd.scene import sync
from heron_jadd.selection import saved_selection
from heron_jadd.stored import dataset_of, jobs_of, scene_rows
from heron_jadd.tables import read_table

FRAMES, REPORT, VIDEOS = "frames.parquet", "report.json", "videos"
TICK = Fraction(1, 1_000_000)  # of a video's times: microseconds after the first image of the file
# pts_us: when an image is shown; frame: its number in the file, from 0; seek_frame: the key frame that decoding begins at
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("token", "scene_token", "channel", "file")),
        *(pa.field(name, pa.int64()) for name in ("stamp_ns", "pts_us", "frame", "seek_frame")),
        pa.field("is_key_frame", pa.bool_()),  # of nuScenes: a sample's
    ]
)
Progress = Callable[[str, int, int], None]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Remuxed:
    """What was made: scenes and their videos, images of the dataset that are in them, packets and bytes of the files, cameras without video."""

    scenes: int
    videos: int
    images: int
    packets: int
    bytes: int
    without: tuple[str, ...]


def remux(
    dataset: Path, recordings: Sequence[Recording], out: Path, selection: str = "", progress: Progress = lambda stage, done, total: None
) -> Remuxed:
    """Makes `videos/<scene>/<camera>.mp4`, from the key frame before a scene's first image to its last one, and the table `frames.parquet`.

    Args:
        dataset: a JADD, made of the recordings.
        recordings: all that its scenes are of.
        out: folder to make; it appears when it is whole, and a run that was stopped goes on.
        selection: name of a kept selection; "": all scenes.
        progress: called with a stage, how much of it is done, and how much there is.

    Raises:
        InputError: a recording is missing, none has video, an image is not in its recording, or there is something in the folder.
    """
    about, wanted = dataset_of(dataset), set(saved_selection(dataset, selection)) if selection else None
    rows = [row for row in scene_rows(dataset, about["tables"]) if wanted is None or row["token"] in wanted]
    known = {recording.identity: recording for recording in recordings}
    missing = sorted({row["recording"] for row in rows} - known.keys())
    if missing:
        raise InputError(f"{dataset}: recording {missing[0]} was not given, of which it has scenes; --input takes it")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: there is something in it; give another folder, or remove it")
    part = out.with_name(f".{out.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    without: set[str] = set()
    with alone(part):
        for done, job in enumerate(jobs_of(dataset, rows, about["parameters"]), 1):
            recording = known[job.recording.identity]
            with recording.open() as bag:
                filmed = {camera for camera, topic in recording.cameras.items() if bag.topics[topic].ros_type == COMPRESSED_VIDEO}
                without |= job.recording.cameras.keys() - filmed
                for camera in (camera for camera in job.recording.cameras if camera in filmed):
                    found += _remuxed(bag, recording, job, camera, part)
            progress("scenes", done, len(rows))
        if not found:
            raise InputError(f"{dataset}: its recordings have no video: their images are JPEGs already, or raw")
        pq.write_table(pa.Table.from_pylist(found, SCHEMA), part / FRAMES, compression="zstd")
        files = sorted((part / VIDEOS).rglob("*.mp4"))
        packets = sum(json.loads(file.with_suffix(".json").read_text(encoding="utf-8")) for file in files)
        size = sum(file.stat().st_size for file in files)
        made = Remuxed(len({row["scene_token"] for row in found}), len(files), len(found), packets, size, tuple(sorted(without)))
        for file in files:
            file.with_suffix(".json").unlink()
        (part / REPORT).write_text(json.dumps({"of": about["tables"], **dataclasses.asdict(made)}, indent=1) + "\n", encoding="utf-8")
        sync(part)
        shutil.rmtree(out, ignore_errors=True)  # an empty one
        part.rename(out)
    (out / ".lock").unlink(missing_ok=True)
    return made


def _remuxed(bag: Bag, recording: Recording, job: Job, camera: str, part: Path) -> list[dict[str, Any]]:
    """Writes one video unless it is there; rows of `SCHEMA` of its images."""
    frames = read_table(job.folder / "frames.parquet").to_pylist()
    mine = [row for row in frames if row["channel"] == camera]
    if not mine:
        return []
    units = _units(bag, recording, job, camera)
    place = {stamp_ns: number for number, (stamp_ns, _) in enumerate(units)}
    lost = [row["stamp_ns"] for row in mine if row["stamp_ns"] not in place]
    if lost:
        raise InputError(f"{recording.path}: {camera} has no image of {lost[0]} ns, which the dataset has of it")
    keys = np.array([number for number, (_, data) in enumerate(units) if contains_keyframe(data)], np.int64)
    first, last = place[mine[0]["stamp_ns"]], place[mine[-1]["stamp_ns"]]
    if not len(keys) or keys[0] > first:
        raise InputError(f"{recording.path}: {camera} has no key frame in the {PRE_ROLL_S:g} s before {mine[0]['stamp_ns']} ns")
    begin = int(keys[keys <= first][-1])
    file = f"{VIDEOS}/{job.token}/{camera}.mp4"
    told = (part / file).with_suffix(".json")
    if not told.is_file():
        (part / file).parent.mkdir(parents=True, exist_ok=True)
        _mux(part / file, units[begin : last + 1])
        told.write_text(f"{last + 1 - begin}\n", encoding="utf-8")  # last: the file is whole
    shared = {"scene_token": job.token, "channel": camera, "file": file}
    return [
        {
            **shared,
            **{name: row[name] for name in ("token", "stamp_ns", "is_key_frame")},
            "pts_us": _pts(units, begin, place[row["stamp_ns"]]),
            "frame": place[row["stamp_ns"]] - begin,
            "seek_frame": int(keys[keys <= place[row["stamp_ns"]]][-1]) - begin,
        }
        for row in mine
    ]


Unit = tuple[int, NDArray[np.uint8]]


def _units(bag: Bag, recording: Recording, job: Job, camera: str) -> list[Unit]:
    """(exposure, H.264 access unit) of a camera around a scene, as far as it was read to make the scene; rising: what comes late is left out."""
    begin = job.scene.start_ns + recording.lag_ns - round(PRE_ROLL_S * NS) - SLACK_NS
    end = job.scene.end_ns + recording.lag_ns + job.config.key_ns + SLACK_NS
    found: list[Unit] = []
    for message in bag.messages([recording.cameras[camera]], begin, end):
        frame = camera_frame(bag, message, camera)
        if not found or frame.stamp_ns > found[-1][0]:
            found.append((frame.stamp_ns, frame.data))
    return found


def _pts(units: Sequence[Unit], begin: int, number: int) -> int:
    return (units[number][0] - units[begin][0]) // 1000


def _mux(path: Path, units: Sequence[Unit]) -> None:
    """An MP4 of access units, the first of which is a key frame; the same bytes for the same units."""
    with (
        av.open(io.BytesIO(units[0][1].tobytes()), format="h264") as head,  # which tells size and parameter sets
        av.open(str(path), "w", format="mp4", options=EXACT) as container,
    ):
        stream = container.add_stream_from_template(head.streams.video[0])
        stream.time_base = TICK
        for number, (_, data) in enumerate(units):
            packet: Any = av.Packet(data.tobytes())
            packet.stream, packet.time_base = stream, TICK
            packet.pts = packet.dts = _pts(units, 0, number)  # without B-frames both are the same
            packet.duration = _pts(units, 0, min(number + 1, len(units) - 1)) - packet.pts
            packet.is_keyframe = contains_keyframe(data)
            container.mux(packet)
