"""Finished scenes → a dataset that readers see: tables and views beside the old ones, then one pointer that names the new."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from heron_core.errors import InputError
from heron_jadd.job import Job
from heron_jadd.merge import merge, point
from heron_jadd.nuscenes import SHARD, scene_names, write_view
from heron_jadd.tokens import SCHEMA, digest

VIEW = "nuscenes"
LOCK = ".lock"


@contextmanager
def alone(out: Path, name: str = "") -> Iterator[None]:
    """One run per folder, which errors call by its name; a run that was killed leaves no lock.

    Raises:
        InputError: another run is at it.
    """
    with (out / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{name or out}: another run makes a dataset there; wait for it, or give another folder") from error
        yield


def publish(
    jobs: Sequence[Job], splits: Mapping[str, str], out: Path, about: Mapping[str, Any], done: Callable[[], None] = lambda: None, viewed: bool = True
) -> list[Path]:
    """Makes tables and views of finished scenes, and points the dataset at them; the folders for the devkit.

    Args:
        jobs: in the dataset's order, of one configuration.
        splits: token of a scene → its split.
        out: the dataset.
        about: what `dataset.json` says beside the names.
        done: called after each scene of the tables, and after each of the views.
        viewed: whether views are made; else `dataset.json` only says how they will be named where they are (`fetch`).
    """
    config, names = jobs[0].config, scene_names(jobs)
    tables = merge(jobs, names, splits, out, done)
    views = []
    for number, begin in enumerate(range(0, len(jobs), SHARD)):
        view = f"{VIEW}-{digest((tables.name, config.version, config.location, config.lidar_placeholder, number))}"
        if viewed and not (out / view).is_dir():
            write_view(jobs[begin : begin + SHARD], names, splits, out / view, done)
        views.append(view)
    named = [_named(out / (VIEW if number == 0 else f"{VIEW}{number + 1}"), view) for number, view in enumerate(views) if viewed]
    _named(out / "tables", tables.name)
    point(out, {"schema": SCHEMA, "tables": tables.name, VIEW: views, "scenes": len(jobs), **about})
    return named


def _named(name: Path, target: str) -> Path:
    """A name that stays while what it means is replaced."""
    unfinished = name.with_name(f".{name.name}.link")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(target)
    unfinished.replace(name)
    return name


def table_bytes(out: Path) -> int:
    """Bytes that `dataset.json` of a dataset stands for, but for images: tables, its scenes' own tables, fused poses, the views' JSON."""
    scenes = pq.read_table(out / "tables" / "scenes.parquet", columns=["token", "product"]).to_pylist()
    told = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    folders = [out / told["tables"], *(out / "scenes" / scene["token"] / scene["product"] for scene in scenes)]
    for name in (name for name in told["nuscenes"] if (out / name).is_dir()):  # not samples/ and sweeps/: further names of images
        folders += [path for path in (out / name).iterdir() if path.is_dir() and path.name not in ("samples", "sweeps")]
    if (out / "poses").is_dir():
        folders.append(out / "poses")
    return sum(entry.stat().st_size for folder in folders for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False))
