"""Steps of an episode: a scene at a constant rate, with the image that each camera had, what the car measured, what it did next, and its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heron_core.errors import InputError
from heron_jadd.config import NS
from heron_jadd.job import Job
from heron_jadd.poses import LONGEST_NS

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
ALWAYS = {"speed_mps": ("poses", "speed_mps"), "yaw_rate_rps": ("poses", "yaw_rate_rps")}
MEASURED = {"steer_rad": ("state", "steer"), "accel_mps2": ("state", "accel_x")}  # where the car tells them
POSE = ("x_m", "y_m", "yaw_rad")
BEFORE_ANY = "follow the road"  # the task until the first instruction: how the simulator and the policies call it
Said = Sequence[tuple[int, str]]


@dataclass(frozen=True, eq=False)
class Steps:
    """An episode of n steps and c cameras.

    Attributes:
        stamp_ns: (n,) on the recording's clock, a constant period apart.
        files: camera → n image files, relative to the dataset.
        offset_s: (n, c) exposure of each image less the step's time; beyond half a period: an image that is shown again, for want of its own.
        shown_again: how many images are.
        pose: (n, 3) `POSE` of base_link in the recording's map frame.
        values, after: `ALWAYS` and `MEASURED` at each step and at the one after it → (n,); a name that is not known all along is missing.
        tasks: n texts.
        left_out: steps of the scene before and after the stretch.
    """

    stamp_ns: I64
    files: Mapping[str, list[str]]
    offset_s: F64
    shown_again: int
    pose: F64
    values: Mapping[str, F64]
    after: Mapping[str, F64]
    tasks: list[str]
    left_out: int


def steps_of(job: Job, fps: int, said: Said) -> Steps | None:
    """The longest stretch of a scene of which all that is always told is known; None: it has no two steps.

    An image belongs to a step if it was exposed within half a period of it; else the camera's last one is shown again, for half a second at most.

    Args:
        job: a finished scene.
        fps: steps per second.
        said: (from when, text) of the recording, in order.

    Raises:
        InputError: the cameras have fewer images than that.
    """
    stamps, images = _grid(job, fps), _images(job)
    half_ns = NS // fps // 2 + 1000
    found, offsets, fresh = {}, [], []
    for camera, (times, files) in images.items():
        nearest = np.searchsorted((times[1:] + times[:-1]) / 2, stamps)
        own = np.abs(times[nearest] - stamps) <= half_ns
        apart_ns = float(np.median(np.diff(times)))
        if apart_ns > 1.5 * NS / fps:
            raise InputError(f"scene {job.token}: {camera} has {NS / apart_ns:.0f} images a second; give --fps not above that, instead of {fps}")
        shown = np.maximum.accumulate(np.where(own, nearest, -1))
        found[camera] = (shown, files)
        offsets.append(np.where(shown >= 0, times[shown] - stamps, -NS) / NS)
        fresh.append(own)
    offset_s = np.stack(offsets, 1)
    read = {table: _table(job, table) for table in ("poses", "state")}
    following = stamps + round(NS / fps)
    wanted = ALWAYS | MEASURED | {name: ("poses", name) for name in POSE}
    values, after = ({name: _at(read[table], column, when) for name, (table, column) in wanted.items()} for when in (stamps, following))
    known = np.abs(offset_s).max(1) <= LONGEST_NS / NS
    for name in (*ALWAYS, *POSE):
        known &= np.isfinite(values[name]) & np.isfinite(after[name])
    begin, end = _longest(known)
    if end - begin < 2:
        return None
    part = slice(begin, end)
    told = [name for name in (*ALWAYS, *MEASURED) if np.isfinite(values[name][part]).all() and np.isfinite(after[name][part]).all()]
    return Steps(
        stamp_ns=stamps[part],
        files={camera: [files[k] for k in shown[part].tolist()] for camera, (shown, files) in found.items()},
        offset_s=offset_s[part],
        shown_again=int((~np.stack(fresh, 1)[part]).sum()),
        pose=np.stack([values[name][part] for name in POSE], 1),
        values={name: values[name][part] for name in told},
        after={name: after[name][part] for name in told},
        tasks=_tasks(stamps[part], said),
        left_out=len(stamps) - (end - begin),
    )


def _grid(job: Job, fps: int) -> I64:
    """Times of the scene's rate, from its first sample to its last."""
    samples = np.asarray(pq.read_table(job.folder / "samples.parquet", columns=["stamp_ns"])["stamp_ns"].to_numpy(), np.int64)
    start = job.scene.start_ns
    first, last = -((start - int(samples[0])) * fps // NS), (int(samples[-1]) - start) * fps // NS
    found: I64 = start + np.round(np.arange(first, last + 1) * (NS / fps)).astype(np.int64)
    return found


def _images(job: Job) -> dict[str, tuple[I64, list[str]]]:
    """Camera → exposures, files; in the recording's order of cameras."""
    frames = pq.read_table(job.folder / "frames.parquet", columns=["channel", "stamp_ns", "file"]).to_pydict()
    found: dict[str, list[tuple[int, str]]] = {camera: [] for camera in job.recording.cameras}
    for camera, stamp_ns, file in zip(*frames.values(), strict=True):
        found[camera].append((stamp_ns, file))
    return {camera: (np.array([at for at, _ in rows], np.int64), [file for _, file in rows]) for camera, rows in found.items()}


def _table(job: Job, name: str) -> dict[str, NDArray[np.generic]]:
    path = job.folder / f"{name}.parquet"
    if not path.is_file():
        return {}
    table = pq.read_table(path)
    return {column: table[column].to_numpy() for column in table.column_names}


def _at(table: Mapping[str, NDArray[np.generic]], column: str, when_ns: I64) -> F64:
    """A column at other times, linearly; NaN beyond its ends, in gaps of more than half a second, and where there is no such table."""
    if column not in table:
        return np.full(len(when_ns), np.nan)
    values = np.asarray(table[column], np.float64)
    fine = np.isfinite(values)
    times, values = np.asarray(table["stamp_ns"], np.int64)[fine], values[fine]
    if len(times) < 2:
        return np.full(len(when_ns), np.nan)
    after = np.clip(np.searchsorted(times, when_ns), 1, len(times) - 1)
    lost = (times[after] - times[after - 1] > LONGEST_NS) | (when_ns < times[0]) | (when_ns > times[-1])
    found: F64 = np.where(lost, np.nan, np.interp(when_ns, times, values))
    return found


def _longest(known: NDArray[np.bool_]) -> tuple[int, int]:
    """Begin and end of the longest run of True, the first of several."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], known, [False]))))
    if not len(edges):
        return 0, 0
    begins, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - begins))
    return int(begins[best]), int(ends[best])


def _tasks(stamps: I64, said: Said) -> list[str]:
    texts = [BEFORE_ANY, *(text for _, text in said)]
    return [texts[k] for k in np.searchsorted([at for at, _ in said], stamps, side="right").tolist()]
