"""Makes one scene: reads its stretch of the recording once, writes its images and tables, and commits them by one rename."""

from __future__ import annotations

import ctypes
import json
import math
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from heron_bag.attachments import VEHICLE
from heron_bag.columns import columns
from heron_bag.markers import labels
from heron_bag.native import truths
from heron_jadd.boxes import Box, Eye, boxes_at, labelled_at, neighbours
from heron_jadd.can_signals import BusDecoder, bus_decoders
from heron_jadd.clouds import FOLDER as CLOUDS
from heron_jadd.clouds import LIDAR, Clouds, points_inside, read_cloud
from heron_jadd.config import AFTER_S, BEFORE_S, NS
from heron_jadd.excerpt import Excerpt
from heron_jadd.images import Images, jitter_ms, reach_ns
from heron_jadd.job import MANIFEST, Job
from heron_jadd.labelling import Label, Moment, Sight, boxes_of, labeller_of, labels_of
from heron_jadd.lenses import lenses_of
from heron_jadd.measured import measured
from heron_jadd.poses import POSE_TOPICS, PoseTrack, pose_track
from heron_jadd.select import I64, Selection, select
from heron_jadd.tables import table_of, write_table
from heron_jadd.tokens import SCHEMA, token
from heron_jadd.tracks import read_track

Rows = list[tuple[Any, ...]]
Known = Callable[[int, Mapping[str, Eye], float], list[Box] | None]


def run_scene(job: Job) -> dict[str, Any]:
    """Makes the scene unless it is done; its manifest.

    Raises:
        InputError: the recording cannot be used.
        OSError: the disk is full, or not ours.
    """
    done = job.manifest()
    if done is not None:
        return done
    part = job.home / f".{job.product}.part"
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    part.mkdir(parents=True)
    try:
        manifest = _make(job, part)
        (part / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        sync(part)
        part.rename(job.folder)  # the commit; should power fail before it reaches the disk, the scene is made again
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return manifest


def _make(job: Job, part: Path) -> dict[str, Any]:
    can: Counter[str] = Counter()
    span_ns = job.scene.start_ns - round(BEFORE_S * NS), job.scene.end_ns + round(AFTER_S * NS)
    with job.recording.open() as bag:
        excerpt, images = Excerpt(bag), Images(job)
        clouds = Clouds(job) if job.config.lidar and job.recording.lidar is not None else None
        images.stream(bag, excerpt, clouds)
        track = read_track(job.track, *span_ns) if job.config.pose == "fusion" else pose_track(excerpt, job.config.pose)
        stamps = {camera: images.posed_ns(camera, track) for camera in job.recording.cameras}
        timed, reach = dict(stamps), {camera: images.reach_ns(camera) for camera in stamps}
        if clouds is not None:
            timed[LIDAR], reach[LIDAR] = clouds.posed_ns(track), reach_ns(job.config, clouds.recorded_ns)
        chosen = select(timed, job.scene, job.config, job.grid_ns, reach)
        frames = _frames(job, chosen, stamps, images, track)
        tables = {"samples": table_of("samples", [(_sample(job, stamp_ns), stamp_ns) for stamp_ns in chosen.sample_ns.tolist()])}
        tables["frames"] = table_of("frames", frames)
        sight = _sight(job, chosen, stamps, track) if job.config.boxes and job.config.labeller else None
        if sight is not None:
            labels = labels_of(labeller_of(job.config.labeller), sight, _checksums(sight, images), job.home)
            known: Known | None = boxes_of(sight, labels, track)
        else:
            known = _known(excerpt, _asked(chosen, timed)) if job.config.boxes else None
        tables["boxes"] = table_of("boxes", _boxes(job, chosen, known, track))
        if sight is not None:
            tables["labels"] = table_of("labels", _labels(job, sight, labels, tables["boxes"]["token"].to_pylist()))
        if clouds is not None:
            tables["clouds"] = table_of("clouds", _clouds(job, chosen, timed[LIDAR], clouds, track))
            tables["points"] = table_of("points", _points(job, chosen, timed[LIDAR], known, tables["boxes"]["token"].to_pylist()))
            clouds.keep_only(tables["clouds"]["stamp_ns"].to_pylist())
        tables |= measured(excerpt, track, span_ns, _decoders(bag.attachments), can)
        warnings = sorted(set(bag.warnings) - set(job.recording.warnings))
    used: defaultdict[str, set[int]] = defaultdict(set)
    for row in frames:
        used[row[2]].add(row[3])
    images.keep_only(used)
    for name, table in tables.items():
        write_table(table, part / f"{name}.parquet")
    return {
        "schema": SCHEMA,
        "scene": job.token,
        "product": job.product,
        "profile": job.profile,
        "recording": job.recording.identity,
        "start_ns": job.scene.start_ns,
        "end_ns": job.scene.end_ns,
        "driver": job.scene.driver,
        "tables": {name: table.num_rows for name, table in sorted(tables.items())},
        "image_bytes": sum(row[8] for row in frames),
        "quality": {**_quality(chosen, images, clouds), "can": dict(sorted(can.items()))},
        "warnings": warnings,
    }


def _decoders(attachments: Mapping[str, bytes]) -> dict[str, BusDecoder]:
    return _parsed(tuple((name, attachments[name]) for name in sorted(attachments) if name.startswith(f"{VEHICLE}/")))


@lru_cache(maxsize=4)
def _parsed(files: tuple[tuple[str, bytes], ...]) -> dict[str, BusDecoder]:
    """DBC and yaml take a tenth of a second to parse, and scenes of one recording have the same."""
    return bus_decoders(dict(files))


def _sample(job: Job, stamp_ns: int) -> str:
    return token("sample", job.recording.identity, stamp_ns)


def _frames(job: Job, chosen: Selection, stamps: dict[str, I64], images: Images, track: PoseTrack) -> Rows:
    rows: Rows = []
    lenses = lenses_of(job.recording.rig, job.config, tuple(stamps))
    folder = job.images.relative_to(job.store).as_posix()
    samples = [_sample(job, stamp_ns) for stamp_ns in chosen.sample_ns.tolist()]
    for camera, times in stamps.items():
        keys = {int(index): k for k, index in enumerate(chosen.keys[camera])}
        indices = np.union1d(chosen.keys[camera], chosen.sweeps[camera]).astype(np.int64)
        following = np.searchsorted(chosen.keys[camera], indices).tolist()  # a sweep's sample is the one after it
        lens = lenses[camera]
        for index, pose, number in zip(indices.tolist(), track.at(times[indices]).tolist(), following, strict=True):
            stamp_ns = int(times[index])
            name = token("sample_data", job.recording.identity, camera, stamp_ns, job.profile)
            apart = int(chosen.apart_ns[camera][keys[index]]) if index in keys else 0
            size = (lens.width, lens.height, *images.files[camera][stamp_ns])
            rows.append((name, samples[number], camera, stamp_ns, index in keys, f"{folder}/{camera}/{stamp_ns}.jpg", *size, apart, *pose))
    return rows


def _clouds(job: Job, chosen: Selection, times: I64, clouds: Clouds, track: PoseTrack) -> Rows:
    keys = {int(index): k for k, index in enumerate(chosen.keys[LIDAR])}
    indices = np.union1d(chosen.keys[LIDAR], chosen.sweeps[LIDAR]).astype(np.int64)
    following = np.searchsorted(chosen.keys[LIDAR], indices).tolist()
    folder, samples = (job.home / CLOUDS).relative_to(job.store).as_posix(), chosen.sample_ns.tolist()
    rows: Rows = []
    for index, pose, number in zip(indices.tolist(), track.at(times[indices]).tolist(), following, strict=True):
        stamp_ns = int(times[index])
        name, (size, crc32, points) = token("sample_data", job.recording.identity, LIDAR, stamp_ns, ""), clouds.files[stamp_ns]
        apart = int(chosen.apart_ns[LIDAR][keys[index]]) if index in keys else 0
        what = name, _sample(job, samples[number]), stamp_ns, index in keys, f"{folder}/{stamp_ns}.pcd.bin"
        rows.append((*what, points, size, crc32, apart, *pose))
    return rows


def _asked(chosen: Selection, times: Mapping[str, I64]) -> I64:
    """Moments at which boxes are asked for: of samples, and of their clouds."""
    clouds = times[LIDAR][chosen.keys[LIDAR]] if LIDAR in times else chosen.sample_ns
    return np.union1d(chosen.sample_ns, clouds)


def _points(job: Job, chosen: Selection, times: I64, at: Known | None, boxes: Collection[str]) -> Rows:
    """Points of each sample's cloud in each box, where that was when the cloud was."""
    if at is None or job.recording.lidar is None:
        return []
    rows: Rows = []
    wanted = set(boxes)
    for sample_ns, stamp_ns in zip(chosen.sample_ns.tolist(), times[chosen.keys[LIDAR]].tolist(), strict=True):
        cloud = read_cloud(job.home / CLOUDS / f"{stamp_ns}.pcd.bin")
        around = at(stamp_ns, {}, math.inf) or ()
        for actor, count in points_inside(cloud, job.recording.lidar.pose, around).items():
            name = token("sample_annotation", job.recording.identity, actor, sample_ns)
            if name in wanted:
                rows.append((name, stamp_ns, count))
    return rows


def _sight(job: Job, chosen: Selection, stamps: Mapping[str, I64], track: PoseTrack) -> Sight:
    """What an auto-labeller is shown."""
    times = {camera: stamps[camera][chosen.keys[camera]].tolist() for camera in stamps}
    moments = []
    for k, (stamp_ns, pose) in enumerate(zip(chosen.sample_ns.tolist(), track.at(chosen.sample_ns).tolist(), strict=True)):
        moments.append(Moment(stamp_ns, tuple(pose), {camera: job.images / camera / f"{each[k]}.jpg" for camera, each in times.items()}))
    return Sight(_eyes(job), moments)


def _checksums(sight: Sight, images: Images) -> list[int]:
    return [images.files[camera][int(path.stem)][1] for moment in sight.moments for camera, path in moment.images.items()]


def _labels(job: Job, sight: Sight, labels: Sequence[Sequence[Label]], boxes: Collection[str]) -> Rows:
    """Who said each box, and how sure it is."""
    labeller, wanted = labeller_of(job.config.labeller), set(boxes)
    rows: Rows = []
    for moment, found in zip(sight.moments, labels, strict=True):
        for label in found:
            name = token("sample_annotation", job.recording.identity, label.track, moment.stamp_ns)
            if name in wanted:
                rows.append((name, moment.stamp_ns, labeller.name, labeller.version, label.score))
    return rows


def _eyes(job: Job) -> dict[str, Eye]:
    lenses = lenses_of(job.recording.rig, job.config, tuple(job.recording.cameras))
    return {name: Eye(lens, job.recording.rig.cameras[name].pose) for name, lens in lenses.items()}


def _boxes(job: Job, chosen: Selection, at: Known | None, track: PoseTrack) -> Rows:
    if at is None:
        return []
    eyes = _eyes(job)
    rows: Rows = []
    for stamp_ns, (x, y, yaw) in zip(chosen.sample_ns.tolist(), track.at(chosen.sample_ns).tolist(), strict=True):
        c, s = math.cos(yaw), math.sin(yaw)
        for box in at(stamp_ns, eyes, job.config.reach_m) or ():
            bx, by, bz = box.center
            name = token("sample_annotation", job.recording.identity, box.actor, stamp_ns)
            instance = token("instance", job.recording.identity, job.scene.start_ns, box.actor)
            place = (x + c * bx - s * by, y + s * bx + c * by, bz, yaw + box.yaw_rad)
            rows.append((name, _sample(job, stamp_ns), instance, box.category, box.attribute, *place, *box.size, box.visible))
    return rows


def _known(excerpt: Excerpt, asked_ns: I64) -> Known | None:
    """Boxes at any of the moments `asked_ns`: as labelled, else as the simulated world has them; None: the recording has neither."""
    labelled = [each for _, each in labels(excerpt)]
    if labelled:
        return partial(labelled_at, labelled)
    topic = POSE_TOPICS["truth"]
    if topic not in excerpt.topics or not len(excerpt.log_times(topic)):
        return None
    stamps = columns(excerpt, topic, ["header.stamp"])["header.stamp"]
    if (np.diff(stamps) > 0).all():  # the truth of everybody is long, and most of it is not asked for
        excerpt.keep(topic, neighbours(stamps, asked_ns))
    return partial(boxes_at, [truth for _, truth in truths(excerpt)])


def _quality(chosen: Selection, images: Images, clouds: Clouds | None) -> dict[str, Any]:
    told = {camera: (images.counts[camera], images.jitter_ms(camera)) for camera in sorted(images.files)}
    if clouds is not None:
        told[LIDAR] = clouds.counts, jitter_ms(clouds.recorded_ns)
    cameras = {}
    for camera, (counts, jitter) in told.items():
        apart = np.abs(chosen.apart_ns.get(camera, np.empty(0, np.int64)))
        apart_ms = round(float(apart.max()) / 1e6, 3) if len(apart) else None
        cameras[camera] = {**dict(sorted(counts.items())), "jitter_ms": jitter, "apart_ms": apart_ms}
    return {"samples": len(chosen.sample_ns), "dropped": dict(sorted(chosen.dropped.items())), "cameras": cameras}


def sync(folder: Path) -> None:
    """What is written on the folder's file system, images too, is on the disk when this returns: one call instead of one for each file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(handle)
