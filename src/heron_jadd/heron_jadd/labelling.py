"""The plug for an auto-labeller: a function of somebody else that sees a scene's samples and says which boxes are in them.

It is named MODULE:FUNCTION, importable where the dataset is made, and has an attribute `version`, a text that changes when its boxes may. It gets a
`Sight` and returns, for each of its moments in order, a sequence of `Label`. What it said is kept with the scene, under a digest of its name, its
version and all that it saw: other datasets of the scene ask it no more.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from heron_core.errors import HeronError, InputError
from heron_jadd.boxes import CATEGORIES, Box, Eye, corners_of, visible_shares
from heron_jadd.poses import LONGEST_NS, PoseTrack
from heron_jadd.tokens import digest

FOLDER = "labels"
KNOWN = frozenset(CATEGORIES.values())


class LabellerError(HeronError):
    """An auto-labeller failed, or said something that is no box; the text names it."""

    is_failure = True


@dataclass(frozen=True)
class Moment:
    """A sample.

    Attributes:
        stamp_ns: of it.
        pose: x, y in metres and yaw in radians of base_link in the map.
        images: camera → its stored image, a JPEG.
    """

    stamp_ns: int
    pose: tuple[float, float, float]
    images: Mapping[str, Path]


@dataclass(frozen=True)
class Sight:
    """What a labeller sees of a scene: camera → lens of its images and pose in base_link, and the samples in order."""

    cameras: Mapping[str, Eye]
    moments: Sequence[Moment]


@dataclass(frozen=True)
class Label:
    """A box.

    Attributes:
        track: number of the thing: the same in all samples of the scene.
        category: one of `boxes.CATEGORIES`, nuScenes' names.
        center: middle of the box in base_link at the sample's time, metres.
        yaw_rad: of its length axis in base_link.
        size: width, length, height in metres.
        score: 0 to 1.
    """

    track: int
    category: str
    center: tuple[float, float, float]
    yaw_rad: float
    size: tuple[float, float, float]
    score: float


@dataclass(frozen=True)
class Labeller:
    """An auto-labeller: MODULE:FUNCTION, its version, and the function."""

    name: str
    version: str
    label: Callable[[Sight], Sequence[Sequence[Label]]]


@lru_cache(maxsize=4)
def labeller_of(name: str) -> Labeller:
    """The labeller that MODULE:FUNCTION names.

    Raises:
        InputError: it cannot be imported, or has no version.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever its module does when it is imported
        raise InputError(f"labeller {name}: cannot be imported: {type(error).__name__}: {error}; PYTHONPATH has to lead to it") from error
    version = getattr(found, "version", "")
    if not callable(found) or not isinstance(version, str) or not version:
        raise InputError(f"labeller {name}: has to be a function with an attribute `version`, a text that changes when its boxes may")
    return Labeller(name, version, found)


def labels_of(labeller: Labeller, sight: Sight, crc32: Sequence[int], home: Path) -> list[list[Label]]:
    """Boxes of each moment: as they were said before, else as the labeller says them now.

    Args:
        labeller: who says them.
        sight: what it sees.
        crc32: of all images of the moments, in their order.
        home: folder of the scene.

    Raises:
        LabellerError: it fails, or says something that is no box.
    """
    eyes = [(name, dataclasses.astuple(eye.lens), eye.pose.rotation.tolist(), eye.pose.translation.tolist()) for name, eye in sight.cameras.items()]
    seen = [(moment.stamp_ns, moment.pose, list(moment.images)) for moment in sight.moments]
    path = home / FOLDER / f"{digest((labeller.name, labeller.version, eyes, seen, list(crc32)))}.json"
    try:
        return [[_label(each) for each in moment] for moment in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        pass  # not said yet, or torn by a power failure
    found = _asked(labeller, sight)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps([[dataclasses.asdict(label) for label in moment] for moment in found]) + "\n", encoding="utf-8")
    part.replace(path)
    return found


def _label(told: Mapping[str, Any]) -> Label:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    return Label(**values)


def _asked(labeller: Labeller, sight: Sight) -> list[list[Label]]:
    try:
        found = [list(moment) for moment in labeller.label(sight)]
    except Exception as error:  # code of somebody else
        raise LabellerError(f"labeller {labeller.name} {labeller.version} failed: {type(error).__name__}: {error}") from error
    if len(found) != len(sight.moments):
        raise LabellerError(f"labeller {labeller.name} {labeller.version} spoke of {len(found)} samples, expected {len(sight.moments)}")
    for moment, labels in zip(sight.moments, found, strict=True):
        tracks = set()
        for label in labels:
            why = _fault(label) or ("its track stands twice" if label.track in tracks else "")
            if why:
                raise LabellerError(f"labeller {labeller.name} {labeller.version}, sample of {moment.stamp_ns} ns: {label}: {why}")
            tracks.add(label.track)
    return found


def _fault(label: object) -> str:
    if not isinstance(label, Label):
        return "is no heron_jadd.labelling.Label"
    if label.category not in KNOWN:
        return f"the category is none of {', '.join(sorted(KNOWN))}"
    if len(label.center) != 3 or len(label.size) != 3 or not all(map(math.isfinite, (*label.center, *label.size, label.yaw_rad))):
        return "center, size and yaw_rad have to be finite: x, y, z; width, length, height; an angle"
    if min(label.size) <= 0.0 or not 0.0 <= label.score <= 1.0:
        return "sizes have to be above 0, the score from 0 to 1"
    return ""


def boxes_of(sight: Sight, found: Sequence[Sequence[Label]], track: PoseTrack) -> Callable[[int, Mapping[str, Eye], float], list[Box] | None]:
    """Boxes at a moment, as `boxes.boxes_at` has them: those of the nearest sample, moved as the car moved since, as if they stood still."""
    stamps = np.array([moment.stamp_ns for moment in sight.moments], np.int64)

    def at(stamp_ns: int, eyes: Mapping[str, Eye], reach_m: float) -> list[Box] | None:
        nearest = int(np.abs(stamps - stamp_ns).argmin())
        if abs(int(stamps[nearest]) - stamp_ns) > LONGEST_NS:
            return None
        (x, y, yaw), (now_x, now_y, now_yaw) = sight.moments[nearest].pose, track.at(np.array([stamp_ns], np.int64))[0].tolist()
        c, s, turned = math.cos(yaw), math.sin(yaw), yaw - now_yaw
        boxes = []
        for label in found[nearest]:
            bx, by, bz = label.center
            dx, dy = x + c * bx - s * by - now_x, y + s * bx + c * by - now_y
            there = (math.cos(now_yaw) * dx + math.sin(now_yaw) * dy, math.cos(now_yaw) * dy - math.sin(now_yaw) * dx, bz)
            if math.hypot(*there[:2]) <= reach_m:
                boxes.append(Box(label.track, label.category, "", there, math.remainder(label.yaw_rad + turned, math.tau), label.size, math.nan))
        shares = visible_shares([corners_of(box) for box in boxes], eyes.values())
        return [dataclasses.replace(box, visible=share) for box, share in zip(boxes, shares, strict=True)]

    return at
