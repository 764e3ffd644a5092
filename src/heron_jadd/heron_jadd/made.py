"""What a run did and what was lost, as it is told and kept in `report.json`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heron_jadd.job import Job
from heron_jadd.lenses import BEFORE_KEYFRAME, DAMAGED, TORN
from heron_jadd.quarantine import LEAVE_OUT, Quarantined

LOST_FIXES = {"gated": "outliers", "invalid": "invalid", "late": "out of order", "gnss_gaps": "gaps", "restarts": "leaps of the position"}
LOSSES = (TORN, DAMAGED, BEFORE_KEYFRAME, "out of order", "without pose")  # of images, as a manifest counts them


@dataclass
class Made:
    """What a run did.

    Attributes:
        scenes, reused: in the dataset, and how many of them were there already.
        samples, frames, image_bytes: of the dataset.
        left_out_s: seconds of the recordings that are in no scene.
        filtered: scenes that were made, and that `JaddConfig.keep` leaves out.
        between: scenes that were made, and that are left out since they lie in places of both splits, or nobody knows where.
        problems: what was lost or is worth knowing, in words.
        quarantined: recordings, or scenes of them, that are not in the dataset because of what they are.
        seconds: stage → wall time.
        cpu_s: of this process and its workers; those of a Spark cluster do not count.
        views: folders for the devkit.
    """

    scenes: int = 0
    reused: int = 0
    samples: int = 0
    frames: int = 0
    image_bytes: int = 0
    left_out_s: float = 0.0
    filtered: int = 0
    between: int = 0
    problems: list[str] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_s: float = 0.0
    views: list[Path] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """JSON."""
        return {**dataclasses.asdict(self), "views": [str(view) for view in self.views]}

    def fixes(self, path: Path, counts: Mapping[str, int]) -> None:
        """Takes note of what became of a recording's GNSS fixes, where some were not used (`tracks.about`)."""
        lost = [f"{counts[name]} {text}" for name, text in LOST_FIXES.items() if counts[name]]
        if lost:
            self.problems.append(f"{path}: GNSS fixes: {counts['used']} used, {', '.join(lost)}")

    def lost(self, jobs: Sequence[Job], manifests: Sequence[Mapping[str, Any]]) -> None:
        """Says what was lost when the scenes were made; a recording of which none is whole is quarantined."""
        all_lost: Counter[str] = Counter()
        of: dict[str, Counter[str]] = {}
        whole: Counter[str] = Counter()
        for job, manifest in zip(jobs, manifests, strict=True):
            losses, path = _losses(manifest["quality"]), str(job.recording.path)
            all_lost.update(losses)
            of.setdefault(path, Counter()).update(losses)
            whole[path] += is_whole(manifest)
            self.problems += [f"{path}: {warning}" for warning in manifest["warnings"]]
        self.problems = list(dict.fromkeys(self.problems)) + _told(all_lost)
        if whole.total() < len(jobs):
            self.problems.append(f"{len(jobs) - whole.total()} of {len(jobs)} scenes have no two whole samples and are left out")
        for path, losses in of.items():
            if not whole[path]:
                why = ", ".join(_told(losses)) or "no images where its log says"
                self.quarantined.append(Quarantined(path, f"no scene of it has two whole samples: {why}", LEAVE_OUT))

    def count(self, manifests: Iterable[Mapping[str, Any]]) -> None:
        """Sums up the scenes of the dataset."""
        for manifest in manifests:
            self.scenes += 1
            self.samples += manifest["tables"]["samples"]
            self.frames += manifest["tables"]["frames"]
            self.image_bytes += manifest["image_bytes"]


def is_whole(manifest: Mapping[str, Any]) -> bool:
    """Two samples make a scene."""
    return bool(manifest["tables"]["samples"] > 1)


def _losses(quality: Mapping[str, Any]) -> Counter[str]:
    """Of one scene, as its manifest counts them."""
    found = Counter({f"samples left out, {why}": count for why, count in quality["dropped"].items()})
    for camera, counts in quality["cameras"].items():
        found.update({f"images of {camera}, {why}": counts[why] for why in LOSSES if counts.get(why)})
    found.update({f"CAN frames, {why}": count for why, count in quality["can"].items()})
    return found


def _told(lost: Mapping[str, int]) -> list[str]:
    return [f"{count} {what}" for what, count in sorted(lost.items())]
