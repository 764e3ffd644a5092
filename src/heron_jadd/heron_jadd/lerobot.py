"""A dataset for LeRobot, of a JADD: format v3.0 (https://huggingface.co/docs/lerobot/lerobot-dataset-v3), one episode for each scene.

It appears when it is whole. Until then its videos lie beside it, and a run that was stopped goes on with them.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from heron_core.errors import InputError
from heron_jadd.job import Job
from heron_jadd.lenses import lenses_of
from heron_jadd.lerobot_files import VERSION, Writer
from heron_jadd.lerobot_stats import of_numbers
from heron_jadd.lerobot_steps import ALWAYS, MEASURED, Said, steps_of
from heron_jadd.lerobot_tables import columns, features, image_key
from heron_jadd.lerobot_video import encode, made_by
from heron_jadd.publish import alone
from heron_jadd.scene import sync
from heron_jadd.selection import saved_selection
from heron_jadd.stored import dataset_of, jobs_of, scene_rows
from heron_jadd.tokens import SCHEMA, digest

REPORT, FIRST_SPLIT = "report.json", "train"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Exported:
    """What was made.

    Attributes:
        digest: of all that decides its content.
        fps, episodes, frames: of the dataset.
        tasks: texts, by their numbers.
        state, action: names of the components.
        unknown: component → a scene that has no value of it all along, wherefore no episode has it.
        shown_again: camera images that stand for one that is missing.
        left_out: steps of scenes that are in no episode, as something of them is not known.
        scenes: of the episodes, by their numbers: name, token, steps.
        without: names of scenes with less than two steps.
    """

    digest: str
    fps: int
    episodes: int
    frames: int
    tasks: tuple[str, ...]
    state: tuple[str, ...]
    action: tuple[str, ...]
    unknown: Mapping[str, str] = field(default_factory=dict)
    shown_again: int = 0
    left_out: int = 0
    scenes: tuple[Mapping[str, Any], ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """What is exported: scenes in the order of the episodes, and what they share."""

    dataset: Path
    rows: Sequence[Mapping[str, Any]]
    jobs: Sequence[Job]
    said: Mapping[str, Said]
    sizes: Mapping[str, tuple[int, int]]
    fps: int
    part: Path

    def video(self, job: Job, camera: str) -> Path:
        """Where the video of an episode lies until all are there."""
        return self.part / f"{job.token}-{digest((job.product, self.fps, made_by()))}" / f"{camera}.mp4"


def export(
    dataset: Path,
    out: Path,
    fps: int | None = None,
    selection: str = "",
    workers: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> Exported:
    """Makes a LeRobot dataset of a JADD's scenes, or leaves the same one that is there.

    Args:
        dataset: the JADD.
        out: folder to make.
        fps: steps per second; None: the dataset's rate.
        selection: name of a kept selection; "": all scenes.
        workers: threads that encode.
        progress: called with a stage, how much of it is done, and how much there is.

    Raises:
        InputError: nothing to export, cameras that differ between recordings, a rate that the images do not have, or something else in the folder.
    """
    about = dataset_of(dataset)
    rows = scene_rows(dataset, about["tables"])
    if selection:
        wanted = set(saved_selection(dataset, selection))
        missing = wanted - {row["token"] for row in rows}
        if missing:
            raise InputError(f"{dataset}: {len(missing)} scenes of selection {selection} are not in it any more; ./heron jadd find makes it anew")
        rows = [row for row in rows if row["token"] in wanted]
    if not rows:
        raise InputError(f"{dataset}: there is no scene to export")
    rows.sort(key=lambda row: (row["split"] != FIRST_SPLIT, row["split"]))  # LeRobot's splits are ranges of episodes
    jobs = jobs_of(dataset, rows, about["parameters"])
    rate = fps or int(jobs[0].config.rate_hz)
    name = digest((about["tables"], [(job.token, job.product) for job in jobs], rate, VERSION, made_by()))
    there = _there(out, name)
    if there is not None:
        return there
    part = out.with_name(f".{out.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    plan = _Plan(dataset, rows, jobs, _said(dataset, rows), _sizes(jobs), rate, part)
    with alone(part):
        known, unknown = _filmed(plan, workers, progress)
        whole = part / "whole"
        shutil.rmtree(whole, ignore_errors=True)  # of a run that was stopped
        made = _written(plan, whole, known, progress)
        made = dataclasses.replace(made, digest=name, unknown=unknown)
        report = {"schema": SCHEMA, "of": about["tables"], **dataclasses.asdict(made)}
        (whole / REPORT).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        sync(whole)
        if out.is_dir():
            out.rmdir()  # an empty one
        whole.rename(out)
    shutil.rmtree(part)
    return made


def _there(out: Path, name: str) -> Exported | None:
    """The export that is in the folder already, None: it is empty, or there is none.

    Raises:
        InputError: something else is.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        told = json.loads((out / REPORT).read_text(encoding="utf-8"))
        if told.get("digest") == name:
            kept = {each.name: told[each.name] for each in dataclasses.fields(Exported)}
            values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in kept.items()}
            return Exported(**values)
    except (OSError, ValueError, AttributeError, KeyError):
        pass  # whatever it is, it is not ours
    raise InputError(f"{out}: holds something else than this export; give another folder, or remove it")


def _sizes(jobs: Sequence[Job]) -> dict[str, tuple[int, int]]:
    """Camera → width, height of its video.

    Raises:
        InputError: recordings differ.
    """
    found: dict[str, tuple[int, int]] = {}
    for job in {job.recording.identity: job for job in jobs}.values():
        lenses = lenses_of(job.recording.rig, job.config, tuple(job.recording.cameras))
        sizes = {camera: (lens.width & ~1, lens.height & ~1) for camera, lens in lenses.items()}  # as `encode` makes them
        if found and sizes != found:
            told = [", ".join(f"{camera} {width}x{height}" for camera, (width, height) in each.items()) for each in (found, sizes)]
            raise InputError(f"recording {job.recording.identity} has {told[1]}, another {told[0]}; LeRobot wants equal cameras: export selections")
        found = sizes
    return found


def _said(dataset: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, Said]:
    """Recording → what was asked for since when, in all of its scenes that the dataset has: an instruction holds until the next."""
    recordings = {row["token"]: row["recording"] for row in scene_rows(dataset, dataset_of(dataset)["tables"])}
    told: defaultdict[str, set[tuple[int, str]]] = defaultdict(set)
    for row in pq.read_table(dataset / dataset_of(dataset)["tables"] / "instructions.parquet").to_pylist():
        told[recordings[row["scene_token"]]].add((row["stamp_ns"], row["text"] or row["manoeuvre"]))
    return {row["recording"]: sorted(told[row["recording"]]) for row in rows}


def _filmed(plan: _Plan, workers: int, progress: Progress) -> tuple[set[str], dict[str, str]]:
    """Encodes all videos; what is measured in all scenes, and (component → a scene that lacks it)."""
    unknown: dict[str, str] = {}

    def film(job: Job) -> frozenset[str]:
        steps = steps_of(job, plan.fps, ())
        if steps is None:
            return frozenset(ALWAYS) | frozenset(MEASURED)
        for camera, files in steps.files.items():
            video = plan.video(job, camera)
            video.parent.mkdir(parents=True, exist_ok=True)
            encode(plan.dataset, files, plan.fps, video)
        return frozenset(steps.values)

    with ThreadPoolExecutor(workers) as pool:
        try:
            for done, (row, told) in enumerate(zip(plan.rows, pool.map(film, plan.jobs), strict=True), 1):
                for name in set(MEASURED) - told:
                    unknown.setdefault(name, row["name"])
                progress("videos", done, len(plan.jobs))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return set(MEASURED) - set(unknown), dict(sorted(unknown.items()))


def _written(plan: _Plan, whole: Path, known: set[str], progress: Progress) -> Exported:
    """Writes all files but the report."""
    state = tuple(name for name in (*ALWAYS, *MEASURED) if name in ALWAYS or name in known)
    action = ("steer_rad" if "steer_rad" in known else "yaw_rate_rps", "accel_mps2")
    writer = Writer(whole, features(plan.sizes, plan.fps, state, action), tuple(plan.sizes), plan.fps)
    shown_again = left_out = 0
    scenes, without = [], []
    for done, (row, job) in enumerate(zip(plan.rows, plan.jobs, strict=True), 1):
        steps = steps_of(job, plan.fps, plan.said[row["recording"]])
        progress("writing", done, len(plan.jobs))
        if steps is None:
            without.append(row["name"])
            continue
        values = columns(steps, plan.fps, state, action, writer.numbers_of(steps.tasks), writer.episodes, writer.frames)
        videos = {camera: plan.video(job, camera) for camera in plan.sizes}
        stats = {image_key(camera): encode(plan.dataset, steps.files[camera], plan.fps, video) for camera, video in videos.items()}
        stats |= {key: of_numbers(each) for key, each in values.items()}
        writer.add(values, videos, stats, steps.tasks, row["split"])
        shown_again, left_out = shown_again + steps.shown_again, left_out + steps.left_out
        scenes.append({"name": row["name"], "token": row["token"], "steps": len(steps.tasks)})
    if not scenes:
        raise InputError(f"{plan.dataset}: no scene has two steps of which poses and an image of every camera are known")
    writer.close(", ".join(sorted({job.recording.rig.name for job in plan.jobs})))
    return Exported(
        digest="",
        fps=plan.fps,
        episodes=writer.episodes,
        frames=writer.frames,
        tasks=tuple(writer.tasks),
        state=state,
        action=action,
        shown_again=shown_again,
        left_out=left_out,
        scenes=tuple(scenes),
        without=tuple(without),
    )
