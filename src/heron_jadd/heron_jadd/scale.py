"""What a scene costs after it is made, and how much memory that takes, in datasets of few scenes and of many: tables, nuScenes view, catalogue.

The scenes are those of one that was made: the same tables under other tokens, each later than the one before, in drives of half an hour. Their
images are the ones of that scene, so that only tables are many.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from heron_jadd.catalogue import update
from heron_jadd.database import database_of
from heron_jadd.job import MANIFEST, Job
from heron_jadd.merge import merge
from heron_jadd.nuscenes import scene_names
from heron_jadd.publish import publish
from heron_jadd.split import Scene
from heron_jadd.stored import store_recording
from heron_jadd.tables import write_table

DRIVE_SCENES = 90  # of a recording
DIGITS = 8  # of a token: which scene
STAGES = ("tables", "view", "catalogue")


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one dataset.

    Attributes:
        scenes: in it.
        cpu_ms: stage → CPU time for each scene.
        rss_mb: greatest resident memory of the process that did it.
        start_mb: resident memory when it began.
    """

    scenes: int
    cpu_ms: dict[str, float]
    rss_mb: float
    start_mb: float


def many(source: Job, count: int, store: Path) -> list[Job]:
    """Jobs of as many scenes like a finished one; `write_scenes` makes them be there."""
    found, recording = [], source.recording
    length_ns = source.scene.end_ns - source.scene.start_ns + source.config.key_ns
    for number in range(count):
        if number % DRIVE_SCENES == 0:
            recording = dataclasses.replace(
                recording, identity=f"{number // DRIVE_SCENES:016x}", first_ns=source.recording.first_ns + number * length_ns
            )
        shift_ns = number * length_ns
        scene = Scene(source.scene.start_ns + shift_ns, source.scene.end_ns + shift_ns, source.scene.driver)
        found.append(dataclasses.replace(source, recording=recording, scene=scene, store=store))
    return found


def write_scenes(source: Job, jobs: Sequence[Job]) -> None:
    """Writes tables and manifest of each scene of `many`, and what is known of its recording."""
    told = source.manifest()
    assert told is not None, source.folder
    tables = {name: pq.read_table(source.folder / f"{name}.parquet") for name in told["tables"]}
    shared = jobs[0].store / source.images.relative_to(source.store)
    shared.parent.mkdir(parents=True)
    shared.symlink_to(source.images.resolve())
    for number, job in enumerate(jobs):
        if number % DRIVE_SCENES == 0:
            store_recording(job.store, job.recording, job.config.cameras)
        job.folder.mkdir(parents=True)
        shift_ns = job.scene.start_ns - source.scene.start_ns
        for name, table in tables.items():
            write_table(_other(table, f"{number:0{DIGITS}x}", shift_ns), job.folder / f"{name}.parquet")
        own = {"scene": job.token, "recording": job.recording.identity, "start_ns": told["start_ns"] + shift_ns, "end_ns": told["end_ns"] + shift_ns}
        (job.folder / MANIFEST).write_text(json.dumps({**told, **own}, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _other(table: pa.Table, ending: str, shift_ns: int) -> pa.Table:
    """The same rows, so much later, with tokens of another ending."""
    for index, name in enumerate(table.column_names):
        if name.endswith("token"):
            column = pc.binary_join_element_wise(pc.utf8_slice_codeunits(table[name], 0, -DIGITS), ending, "")
        elif name == "stamp_ns":
            column = pc.add(table[name], shift_ns)
        else:
            continue
        table = table.set_column(index, table.schema.field(index), column)
    return table


def cost(source: Job, count: int, folder: Path) -> Cost:
    """Makes a dataset of `count` scenes in a process of its own."""
    with _process() as writing:  # its memory shall not count
        writing.submit(_written, source, count, folder).result()
    with _process() as merging:
        return merging.submit(_merged, source, count, folder).result()


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _written(source: Job, count: int, folder: Path) -> None:
    write_scenes(source, many(source, count, folder))


def _merged(source: Job, count: int, folder: Path) -> Cost:
    start_mb, jobs = _resident_mb("VmRSS"), many(source, count, folder)
    splits, about = {job.token: "train" for job in jobs}, {"parameters": dataclasses.asdict(source.config)}
    publish(jobs[:2], splits, folder, about)  # warms up
    update(folder)
    times = [time.process_time()]
    merge(jobs, scene_names(jobs), splits, folder)
    times.append(time.process_time())
    publish(jobs, splits, folder, about)  # finds the tables done
    times.append(time.process_time())
    database_of(folder).forget()
    update(folder)
    times.append(time.process_time())
    cpu_ms = {stage: 1000.0 * (end - begin) / count for stage, begin, end in zip(STAGES, times, times[1:], strict=False)}
    return Cost(count, cpu_ms, _resident_mb("VmHWM"), start_mb)


def _resident_mb(name: str) -> float:
    """VmRSS: now; VmHWM: the greatest of this program. That of `getrusage` would be the parent's where that had more when it started this one."""
    (line,) = (line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024.0


def run(source: Job, counts: Sequence[int], folder: Path) -> dict[str, float]:
    """cpu_ms_per_scene_<count>, and rss_mb_<count> of the process; the datasets are made, and removed, in the folder."""
    found: dict[str, float] = {}
    for count in counts:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            seen = cost(source, count, Path(place) / "dataset")
        found[f"cpu_ms_per_scene_{count}"] = round(sum(seen.cpu_ms.values()), 3)
        found[f"rss_mb_{count}"] = round(seen.rss_mb, 1)
    return found
