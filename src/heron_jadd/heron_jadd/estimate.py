"""What a dataset will cost, before any scene of it is made: from the recordings' indexes, a few of their images, and measured costs."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from heron_bag.reader import Bag
from heron_jadd.can_motion import TAP
from heron_jadd.config import NS, JaddConfig
from heron_jadd.costs import Costs, Work, yardstick_s
from heron_jadd.forecast import MB, Forecast, Forecaster
from heron_jadd.job import Job
from heron_jadd.merge import DATASET
from heron_jadd.plan import jobs_of
from heron_jadd.prices import Prices
from heron_jadd.recording import STATUS, Recording, fused_of_can
from heron_jadd.sample_images import CameraSample, merged, sample_images
from heron_jadd.trial import FUSED_TOPICS, Trial, tried

SAMPLED = 8  # recordings of one rig whose images are looked at
DEVELOPED_SHARE = 0.004  # of the images that are to be made: so many are developed for the estimate, which has to stay cheap
OF_MERGE = ("version", "location", "keep", "val_share", "val_by", "lidar_placeholder")


@dataclass(frozen=True)
class Estimate:
    """Of a dataset, and of the run that makes it.

    Attributes:
        scenes, reused: in the dataset, and how many of them are there already and cost nothing.
        samples, images, image_bytes: of the dataset.
        cloud_bytes: of its LiDAR clouds, as far as they are to be written.
        table_bytes: of its tables, of its scenes' tables, and of the view's JSON.
        read_bytes, written_bytes: by the run.
        cpu_s: stage → CPU seconds of the run, all processes together.
        wall_s: of the run, if the cores are free and the disk keeps up.
        workers: processes.
        prices: that the money was reckoned with.
        left_out_s: seconds of the recordings that are in no scene.
    """

    scenes: int
    reused: int
    samples: int
    images: int
    image_bytes: int
    table_bytes: int
    read_bytes: int
    written_bytes: int
    cpu_s: Mapping[str, float]
    wall_s: float
    workers: int
    prices: Prices
    left_out_s: float = 0.0
    cloud_bytes: int = 0

    @property
    def whole_cpu_s(self) -> float:
        """CPU seconds of all stages."""
        return sum(self.cpu_s.values())

    @property
    def money(self) -> dict[str, float]:
        """What for → how much; `storing` is of what is written."""
        return self.prices.of(self.whole_cpu_s, self.written_bytes, self.read_bytes + self.written_bytes)

    def report(self) -> dict[str, Any]:
        """JSON."""
        return {**dataclasses.asdict(self), "core_hours": self.whole_cpu_s / 3600.0, "money": self.money}

    def lines(self) -> list[tuple[str, str]]:
        """(what, how much) to be printed."""
        stages = ", ".join(f"{stage} {_lasting(seconds)}" for stage, seconds in self.cpu_s.items())
        processes = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        there = f" ({self.reused:,} are there)" if self.reused else ""
        clouds = f"{_sized(self.cloud_bytes)} of clouds, " if self.cloud_bytes else ""
        money = ", ".join(f"{what} {value:,.4g}" for what, value in self.money.items() if what != "sum")
        return [
            ("scenes", f"{self.scenes:,}{there}; {self.left_out_s:.1f} s of the recordings are in none"),
            ("images", f"{self.images:,}, {self.samples:,} samples"),
            ("bytes", f"{_sized(self.image_bytes)} of images, {clouds}{_sized(self.table_bytes)} of tables"),
            ("to read, to write", f"{_sized(self.read_bytes)}, {_sized(self.written_bytes)}"),
            ("core-hours", f"{self.whole_cpu_s / 3600.0:,.4g} ({stages})"),
            ("wall time", f"{_lasting(self.wall_s)} with {processes}"),
            ("money", f"{self.money['sum']:,.4g} {self.prices.currency} ({money}, for {self.prices.months:g} months)"),
        ]


def jobs_of_all(recordings: Sequence[Recording], out: Path, config: JaddConfig) -> tuple[list[Job], float]:
    """Scenes as a run would make them, and seconds of the recordings that are in none; nothing is made."""
    parts = [jobs_of(recording, out, config) for recording in recordings]
    return [job for jobs, _ in parts for job in jobs], sum(left_out_s for _, left_out_s in parts)


def estimate(jobs: Sequence[Job], prices: Prices, workers: int = 1, left_out_s: float = 0.0, costs: Costs | None = None) -> Estimate:
    """What it takes to make the jobs' scenes and to merge them.

    It supposes that no image is torn or without a pose, and that log times tell exposures.

    Args:
        jobs: all scenes of the dataset, those of one recording together.
        prices: of computing, storing and moving.
        workers: processes.
        left_out_s: seconds of the recordings that are in no scene.
        costs: as measured; None: those of `Costs`, with what a `trial` of the first scene says of them.
    """
    given, costs = costs is not None, costs or Costs()
    trial: Trial | None = None
    sticks = [yardstick_s()]
    with ExitStack() as opened:
        bags: dict[str, Bag] = {}  # of the recordings that are sampled
        samples = _sampled(jobs, lambda recording: bags.setdefault(recording.identity, opened.enter_context(recording.open())))
        parts = []
        for recording, group in _by_recording(jobs):
            bag = bags.get(recording.identity)
            with nullcontext(bag) if bag else recording.open() as there:
                part = _part(there, recording, group, samples.get(_kind(recording), {}), costs)
                missing = [job for job, forecast in zip(group, part.forecasts, strict=True) if not forecast.done]
                if trial is None and missing and not given and not part.filmed:
                    seconds = len(jobs) * (missing[0].scene.end_ns - missing[0].scene.start_ns) / NS
                    trial = tried(there, missing[0], samples[_kind(recording)], costs, seconds, yardstick_s() / costs.yardstick_s)
                parts.append(part)
    sticks.append(yardstick_s())
    slow = fmean(sticks) / costs.yardstick_s  # so many times slower is this machine now than the one that the costs were measured on
    warm = trial is not None  # a process in which something was tried has loaded all that the first scene of others has yet to load
    trial = trial or Trial(slow, slow, slow, slow, 1.0, slow * costs.first_s, 0.0)
    forecasts = [each for part in parts for each in part.forecasts]
    whole, new = [each for each in forecasts if each.whole], [each for each in forecasts if not each.done]
    processes = max(min(workers, len(new)), 1)
    started_s = processes * (trial.first_s * (bool(new) and not (warm and processes == 1)) + slow * costs.process_s * (processes > 1))
    maps_s = max((sum(sample.maps_s for sample in kind.values()) for kind in samples.values()), default=0.0)
    sampling_s = started_s + trial.making * sum(each.work.times(costs.scene) for each in new)
    sampling_s += sum(part.develop_s for part in parts) + processes * maps_s
    merged = sum((dataclasses.replace(each.work, images=each.images) for each in whole), Work())
    merge_s = 0.0 if _is_merged(jobs, bool(new)) else trial.merging * (costs.merge_s + merged.times(costs.merge))
    table_bytes = trial.tables * merged.times(costs.table_bytes)
    fuse_s = sum(part.fuse_s for part in parts)
    before_s = slow * (costs.start_s + costs.first_fused_s * (fuse_s > 0.0 and not warm))
    before_s += trial.probing * sum(part.probe_s for part in parts) + trial.fusing * fuse_s
    cores = min(processes, len(os.sched_getaffinity(0)))
    made_ns = sum(job.scene.end_ns - job.scene.start_ns for job in jobs if job.recording.lidar and job.config.lidar and job.manifest() is None)
    cloud_bytes = round(trial.cloud_bytes * made_ns / NS)
    rounds = math.ceil(len(new) / cores)  # scenes are not divided
    return Estimate(
        scenes=len(whole),
        reused=len(forecasts) - len(new),
        samples=sum(each.samples for each in whole),
        images=sum(each.images for each in whole),
        image_bytes=round(sum(each.image_bytes for each in whole)),
        table_bytes=round(table_bytes),
        read_bytes=round(MB * (sum(each.work.read_mb for each in new) + sum(part.fused_mb for part in parts))),
        written_bytes=round(MB * sum(each.work.written_mb for each in new) + table_bytes * (merge_s > 0.0)) + cloud_bytes,
        cpu_s={"pre-process": round(before_s, 3), "sampling": round(sampling_s, 3), "merge": round(merge_s, 3)},
        wall_s=round(before_s + (sampling_s / len(new) * rounds if new else 0.0) + merge_s, 3),
        workers=workers,
        prices=prices,
        left_out_s=left_out_s,
        cloud_bytes=cloud_bytes,
    )


@dataclass(frozen=True)
class _Part:
    """Of one recording: its scenes; CPU seconds to look at it, to fuse its poses, to take and develop its images (on this machine); any video?"""

    forecasts: list[Forecast]
    probe_s: float
    fuse_s: float
    fused_mb: float
    develop_s: float
    filmed: bool


def _part(bag: Bag, recording: Recording, jobs: Sequence[Job], samples: Mapping[str, CameraSample], costs: Costs) -> _Part:
    forecaster = Forecaster(bag, recording, samples)
    forecasts = [forecaster.of(job) for job in jobs]
    counts = {topic: info.count for topic, info in bag.topics.items()}
    probe_s = costs.recording_s + costs.status_s * counts.get(STATUS, 0)
    fuses = jobs[0].config.pose == "fusion" and not jobs[0].track.is_file()
    fuse_s = _fuse_s(bag, counts, forecaster.size_mb, costs) if fuses else 0.0
    develop_s = sum(count * samples[camera].usual_develop_s for each in forecasts for camera, count in each.new.items())
    develop_s += sum(count * samples[camera].usual_take_s for each in forecasts for camera, count in each.decoded.items())
    return _Part(forecasts, probe_s, fuse_s, forecaster.size_mb if fuses else 0.0, develop_s, any(each.decoded for each in forecasts))


def _fuse_s(bag: Bag, counts: Mapping[str, int], size_mb: float, costs: Costs) -> float:
    if fused_of_can(bag):
        return costs.can_fused_s * counts.get(TAP, 0) + costs.can_read_s * size_mb
    return costs.fused_s * sum(counts.get(topic, 0) for topic in FUSED_TOPICS)


Kind = tuple[Any, ...]


def _kind(recording: Recording) -> Kind:
    """Recordings of one kind have the same cameras and lenses: their images are alike."""
    return tuple((camera, recording.rig.cameras[camera].lens) for camera in recording.cameras)


def _by_recording(jobs: Sequence[Job]) -> list[tuple[Recording, list[Job]]]:
    grouped = [list(group) for _, group in groupby(jobs, lambda job: job.recording.identity)]
    return [(group[0].recording, group) for group in grouped]


def _sampled(jobs: Sequence[Job], bag_of: Callable[[Recording], Bag]) -> dict[Kind, dict[str, CameraSample]]:
    """Kind → camera → what its images are like: those of a few recordings that have scenes to be made, spread over all of them."""
    kinds: dict[Kind, list[list[Job]]] = {}
    for recording, group in _by_recording(jobs):
        missing = [job for job in group if job.manifest() is None]
        if missing:
            kinds.setdefault(_kind(recording), []).append(missing)
    found = {}
    for kind, groups in kinds.items():
        some = [groups[k * len(groups) // min(SAMPLED, len(groups))] for k in range(min(SAMPLED, len(groups)))]
        to_make = sum(len(job.grid_ns) for group in groups for job in group)  # of each camera
        developed = math.ceil(DEVELOPED_SHARE * to_make / len(some))
        samples = []
        for group in some:
            samples.append(sample_images(bag_of(group[0].recording), group[0].recording, group[0].config, developed))
        found[kind] = merged(samples)
    return found


def _is_merged(jobs: Sequence[Job], new: bool) -> bool:
    """The dataset's tables are there, of the same scenes and parameters."""
    pointer = jobs[0].store / DATASET if jobs else Path()
    if new or not pointer.is_file():
        return False
    told = json.loads(pointer.read_text(encoding="utf-8"))
    wanted = dataclasses.asdict(jobs[0].config)
    same = all(told["parameters"].get(name) == wanted[name] for name in OF_MERGE)
    return bool(same and told["scenes"] == len(jobs))


def _lasting(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120.0 else f"{seconds / 60.0:.1f} min" if seconds < 7200.0 else f"{seconds / 3600.0:,.1f} h"


def _sized(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.2f} {unit}"
    return f"{count / 1e6:,.1f} MB"
