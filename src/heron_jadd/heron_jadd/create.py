"""From recordings to a dataset: take in, split, make the scenes in parallel, merge. Whatever is done already is not done again."""

from __future__ import annotations

import dataclasses
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from heron_bag.foreign import Foreign
from heron_core.errors import HeronError, InputError
from heron_jadd.afar import Here
from heron_jadd.config import JaddConfig
from heron_jadd.engines import Failed, results
from heron_jadd.intake import take_in
from heron_jadd.job import Job
from heron_jadd.keeping import check_keep, kept
from heron_jadd.made import Made, is_whole
from heron_jadd.plan import jobs_of, source_of
from heron_jadd.publish import alone, publish
from heron_jadd.quarantine import LEAVE_OUT, Quarantined, quarantined
from heron_jadd.recording import Recording
from heron_jadd.room import MB, Room
from heron_jadd.splits import by_drive, by_place
from heron_jadd.stored import store_recording
from heron_jadd.tracks import make_track, track_file

NAMED = 3  # scenes that failed for one reason
Progress = Callable[[str, int, int], None]
Manifest = dict[str, Any]


class FailedError(HeronError):
    """Scenes could not be made; the text says which and why."""

    is_failure = True


def create(
    inputs: Sequence[Path],
    out: Path,
    config: JaddConfig,
    workers: int = 1,
    progress: Progress = lambda stage, done, total: None,
    spark: str = "",
    planned: Callable[[Sequence[Recording]], int | None] = lambda recordings: None,
    foreign: Foreign | None = None,
    place: Here | None = None,
) -> Made:
    """Makes a dataset, or goes on with it.

    Args:
        inputs: recordings; one that cannot be used is named in `Made.quarantined`, and the others become the dataset.
        out: folder of the dataset; others than this may be in it, with other parameters: scenes and images that they share are made once.
        config: parameters.
        workers: processes.
        progress: called with a stage, how much of it is done, and how much there is.
        planned: called with the recordings before anything is made of them; tells how many bytes will be written, or None.
        foreign: how to read recordings that are not ours (`heron_bag.foreign`).
        place: where finished scenes are kept, and come from (`afar`); None: in the folder.
        spark: master URL of a Spark cluster that makes the scenes instead of processes of this machine (`engines`); the bytes are the same.

    Raises:
        InputError: nothing to make a dataset of, or no Spark.
        FailedError: not all scenes could be made, for no fault of their recordings; those that could be are kept, and the dataset is not touched.
        DiskFullError: likewise.
    """
    made, began_s, room, place = Made(), _cpu_s(), Room(out), place or Here()
    check_keep(config.keep)  # not after hours
    with room.watched():
        out.mkdir(parents=True, exist_ok=True)
    with room.watched(), alone(out), _timed(made, "whole"):
        with _timed(made, "pre-process"):
            recordings = _taken_in(inputs, out, config, foreign, made)
            planning_s = _cpu_s()
            room.needed_bytes = planned(recordings)
            began_s += _cpu_s() - planning_s  # an estimate is no part of what it estimates
            if room.lacks_bytes:
                made.problems.append(f"{out}: the disk may not do: about {room.lacks_bytes / MB:,.0f} MB more than are free will be written")
            recordings = _posed(recordings, out, config, made, progress, place)
        with _timed(made, "split"):
            jobs = [job for recording in recordings for job in jobs_of(recording, out, config)[0]]
        with _timed(made, "sampling"):
            place.bring(jobs)
            before = [job.manifest() for job in jobs]
            manifests = _sampled(jobs, before, workers, spark, made, progress, room, place)
        with _timed(made, "merge"):
            splits = _split_up(_chosen(jobs, manifests, config, made, progress), config, made)
            chosen = [(job, was, manifest) for job, was, manifest in zip(jobs, before, manifests, strict=True) if job.token in splits]
            made.reused = sum(was is not None for _, was, _ in chosen)
            made.count(manifest for _, _, manifest in chosen if manifest is not None)
            steps = _steps("merge", (1 + place.views) * len(chosen), progress)
            about = {"parameters": dataclasses.asdict(config)}
            made.views = publish([job for job, _, _ in chosen], splits, out, about, steps, place.views)
    made.cpu_s = round(_cpu_s() - began_s, 3)
    return made


def _cpu_s() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _taken_in(inputs: Sequence[Path], out: Path, config: JaddConfig, foreign: Foreign | None, made: Made) -> list[Recording]:
    found = take_in(inputs, config, foreign)
    made.left_out_s, made.problems, made.quarantined = found.left_out_s, found.problems, found.quarantined
    for recording in found.recordings:
        store_recording(out, recording, config.cameras)
    return found.recordings


def _posed(recordings: Sequence[Recording], out: Path, config: JaddConfig, made: Made, progress: Progress, place: Here) -> list[Recording]:
    """Makes the fused tracks that are missing; the recordings that have theirs, or need none."""
    found = []
    for number, recording in enumerate(recordings, 1):
        if source_of(recording, config) == "fusion":
            progress("poses", number, len(recordings))
            place.bring_file(track_file(out, recording), out)
            try:
                told = make_track(out, recording)
            except InputError as error:
                made.quarantined.append(quarantined(recording.path, error))
                continue
            made.fixes(recording.path, told["counts"])
        found.append(recording)
    if not found:
        raise InputError("no recording can be used: " + "; ".join(map(str, made.quarantined)))
    return found


def _sampled(
    jobs: Sequence[Job], before: Sequence[Manifest | None], workers: int, spark: str, made: Made, progress: Progress, room: Room, place: Here
) -> list[Manifest | None]:
    """Manifests of all scenes, in order; None: what is wrong with its recording is among the quarantined."""
    found = list(before)
    missing = [k for k, manifest in enumerate(found) if manifest is None]
    failed: list[tuple[Job, Failed]] = []
    there = len(jobs) - len(missing)
    progress("sampling", there, len(jobs))
    with closing(results([jobs[k] for k in missing], workers, spark)) as each_result:  # workers are at rest when it is left
        for done, (k, result) in enumerate(each_result, there + 1):
            if not isinstance(result, Failed):
                found[missing[k]] = result
                place.keep(jobs[missing[k]])
            elif result.fault == "disk":
                raise room.error(result.path, result.code)  # the others would fail as well
            else:
                failed.append((jobs[missing[k]], result))
            progress("sampling", done, len(jobs))
    failed.sort(key=lambda each: (each[0].recording.first_ns, each[0].recording.identity, each[0].scene.start_ns))
    ours = [each for each in failed if each[1].fault != "recording" or len(failed) == len(jobs)]
    if ours:
        told = "; ".join(f"{why} ({', '.join(scenes)})" for why, scenes in _by_reason(ours, True).items())
        raise FailedError(f"{len(ours)} of {len(jobs)} scenes could not be made (the others are kept): {told}")
    made.quarantined += _quarantined_scenes(failed, Counter(job.recording.path for job in jobs))
    return found


def _quarantined_scenes(failed: Sequence[tuple[Job, Failed]], scenes_of: Counter[Path]) -> Iterator[Quarantined]:
    of: defaultdict[Path, list[tuple[Job, Failed]]] = defaultdict(list)
    for each in failed:
        of[each[0].recording.path].append(each)
    for path, some in of.items():
        told = "; ".join(f"{why} (scenes {', '.join(scenes)})" for why, scenes in _by_reason(some, False).items())
        yield Quarantined(str(path), f"{len(some)} of its {scenes_of[path]} scenes cannot be made: {told}", LEAVE_OUT)


def _by_reason(failed: Sequence[tuple[Job, Failed]], with_path: bool) -> dict[str, list[str]]:
    """Why → the first scenes that failed for it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for job, why in failed:
        after_s = (job.scene.start_ns - job.recording.first_ns) / 1e9
        found[why.reason].append(f"{job.recording.path} from {after_s:.1f} s" if with_path else f"from {after_s:.1f} s")
    return {why: [*scenes[:NAMED], *([f"and {len(scenes) - NAMED} more"] if len(scenes) > NAMED else [])] for why, scenes in sorted(found.items())}


def _chosen(jobs: Sequence[Job], manifests: Sequence[Manifest | None], config: JaddConfig, made: Made, progress: Progress) -> list[Job]:
    """Of the scenes that could be made the whole ones that `keep` is true of."""
    there = [(job, manifest) for job, manifest in zip(jobs, manifests, strict=True) if manifest is not None]
    made.lost([job for job, _ in there], [manifest for _, manifest in there])
    whole = [(job, manifest) for job, manifest in there if is_whole(manifest)]
    if not whole:
        raise FailedError("no scene has two whole samples: " + "; ".join(made.problems))
    step = _steps("keep", len(whole), progress)
    found = kept([job for job, _ in whole], config.keep, step)
    made.filtered = len(whole) - len(found.tokens)
    made.problems += [f"keep = {config.keep!r}: no scene has {name}, which counts as 0" for name in found.unheard]
    if not found.tokens:
        raise FailedError(f"none of the {len(whole)} scenes is kept by keep = {config.keep!r}; they stay, and another condition finds them done")
    return [job for job, _ in whole if job.token in found.tokens]


def _split_up(jobs: Sequence[Job], config: JaddConfig, made: Made) -> Mapping[str, str]:
    """Token → split, of the scenes that have one."""
    found = by_place(jobs, config.val_share) if config.val_by == "place" else by_drive(jobs, config.val_share)
    made.between = len(found.border) + len(found.nowhere)
    if found.border:
        made.problems.append(f"{len(found.border)} scenes lie in places for training and in places for validation, and are left out")
    if found.nowhere:
        why = "they have neither fused poses nor fixes; val_by = drive takes them"
        made.problems.append(f"{len(found.nowhere)} scenes are left out, since nobody knows where they were: {why}")
    if not found.of:
        raise FailedError("no scene is in one split: " + "; ".join(made.problems))
    return found.of


def _steps(stage: str, total: int, progress: Progress) -> Callable[[], None]:
    """Tells a step of a stage each time it is called."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(stage, done, total)

    return step


@contextmanager
def _timed(made: Made, stage: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        made.seconds[stage] = round(time.perf_counter() - began, 3)
