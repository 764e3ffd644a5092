"""What a dataset holds, in numbers: read from its Parquet tables, the columns that are needed, one row group at a time."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heron_jadd.recording import HERON, HUMAN, UNKNOWN, driver_of
from heron_jadd.table_reader import F64, I64, Tables, distinct, numbers

LONGEST_S = 0.5  # a value holds until the next one, but not over a longer gap
TRACK_POINTS = 100_000  # of all drives together, for a map
SPEED_BINS_MPS = np.arange(0.0, 61.0)
STEER_BINS_RAD = np.radians(np.arange(-45.0, 46.0))
YAW_RATE_BINS_RPS = np.radians(np.arange(-60.0, 61.0, 2.0))
LOST = ("torn", "damaged", "out of order", "without pose")  # of images, as the quality of a scene counts them


@dataclass(frozen=True, eq=False)
class Histogram:
    """Seconds per value; what lies beyond the ends is in the first and the last bin.

    Attributes:
        edges: (n + 1,) in SI units.
        seconds: (n,).
    """

    edges: F64
    seconds: F64

    def report(self) -> dict[str, list[float]]:
        """JSON."""
        return {"edges": [round(float(edge), 6) for edge in self.edges], "seconds": [round(float(each), 3) for each in self.seconds]}


@dataclass(frozen=True, eq=False)
class Track:
    """Where the car was in one scene: (n, 2) x, y in metres in the recording's map frame, thinned out."""

    recording: str
    driver: str
    places: F64


@dataclass(frozen=True, eq=False)
class Info:
    """A dataset.

    Attributes:
        path: of it.
        parameters: that it was made with.
        recordings, scenes, samples, images, image_bytes, table_bytes: how much there is.
        seconds, metres: inside scenes, from their first sample to their last.
        cameras: name → samples, sweeps, bytes, sizes (as WIDTHxHEIGHT).
        drivers_s: human or heron → seconds.
        splits: name → recordings, scenes, samples, seconds.
        boxes: category → boxes, and instances: a thing in a scene.
        said: instructions by manoeuvre, explanations by reason, events by kind: how often, inside scenes.
        dropped: why → samples left out.
        lost: camera → why → images.
        can: what was not understood of the buses → how often.
        jitter_ms, apart_ms: the worst of any camera and scene: of the time between images, and of an image from its sample; None: not known.
        standing_s: slower than half a metre per second.
        speed_mps, steer_rad, yaw_rate_rps: histograms; steering None where no recording tells it.
        tracks: a scene each.
    """

    path: Path
    parameters: Mapping[str, Any]
    recordings: int
    scenes: int
    samples: int
    images: int
    image_bytes: int
    table_bytes: int
    seconds: float
    metres: float
    cameras: Mapping[str, Mapping[str, Any]]
    drivers_s: Mapping[str, float]
    splits: Mapping[str, Mapping[str, Any]]
    boxes: Mapping[str, Mapping[str, int]]
    said: Mapping[str, Mapping[str, int]]
    dropped: Mapping[str, int]
    lost: Mapping[str, Mapping[str, int]]
    can: Mapping[str, int]
    jitter_ms: float | None
    apart_ms: float | None
    standing_s: float
    speed_mps: Histogram
    steer_rad: Histogram | None
    yaw_rate_rps: Histogram
    tracks: Sequence[Track]

    def report(self) -> dict[str, Any]:
        """JSON; hours and kilometres for people, histograms with their edges."""
        plain = ("recordings", "scenes", "samples", "images", "image_bytes", "table_bytes", "cameras", "splits", "boxes", "dropped", "lost", "can")
        found = {name: getattr(self, name) for name in (*plain, "jitter_ms", "apart_ms", "parameters")}
        found |= {"dataset": str(self.path), "hours": round(self.seconds / 3600.0, 6), "km": round(self.metres / 1000.0, 6), **self.said}
        found |= {"drivers_min": {who: round(seconds / 60.0, 4) for who, seconds in self.drivers_s.items()}}
        found |= {"standing_min": round(self.standing_s / 60.0, 4), "speed_mps": self.speed_mps.report()}
        return found | {"steer_rad": self.steer_rad and self.steer_rad.report(), "yaw_rate_rps": self.yaw_rate_rps.report()}


def describe(path: Path) -> Info:
    """Reads a dataset's tables; no image is opened.

    Raises:
        InputError: it is no dataset, or damaged.
    """
    tables = Tables(path)
    lasting = (tables.end_ns - tables.start_ns) / 1e9
    splits: defaultdict[str, Counter[str]] = defaultdict(Counter)
    of_split: defaultdict[str, set[str]] = defaultdict(set)
    for scene, seconds in zip(tables.scenes, lasting.tolist(), strict=True):
        splits[scene["split"]].update({"scenes": 1, "samples": scene["samples"], "seconds": seconds})
        of_split[scene["split"]].add(scene["recording"])
    motion = _motion(tables)
    quality = _quality(tables)
    steer = Histogram(STEER_BINS_RAD, _lasting(tables, "state", "steer", STEER_BINS_RAD)) if tables.has("state") else None
    return Info(
        path=path,
        parameters=tables.about["parameters"],
        recordings=len({scene["recording"] for scene in tables.scenes}),
        scenes=len(tables.scenes),
        samples=sum(scene["samples"] for scene in tables.scenes),
        images=sum(scene["frames"] for scene in tables.scenes),
        image_bytes=sum(scene["image_bytes"] for scene in tables.scenes),
        table_bytes=sum(file.stat().st_size for file in tables.folder.iterdir()),
        seconds=float(lasting.sum()),
        cameras=_cameras(tables),
        drivers_s=_drivers(tables, lasting),
        splits={name: {"recordings": len(of_split[name]), **count} for name, count in sorted(splits.items())},
        boxes=_boxes(tables),
        said={
            "instructions": _counted(tables, "instructions", "manoeuvre"),
            "explanations": _counted(tables, "explanations", "reason"),
            "events": _counted(tables, "events", "kind"),
        },
        steer_rad=steer if steer is not None and steer.seconds.any() else None,
        **quality,
        **motion,
    )


def _motion(tables: Tables) -> dict[str, Any]:
    """Distance, histograms and tracks, of the poses."""
    step = max(tables.file("poses").metadata.num_rows // TRACK_POINTS, 1)
    metres, standing_s = 0.0, 0.0
    speeds, turns = np.zeros(len(SPEED_BINS_MPS) - 1), np.zeros(len(YAW_RATE_BINS_RPS) - 1)
    kept: list[tuple[I64, F64]] = []
    for scene, (stamps, *columns) in tables.groups("poses", "stamp_ns", "x_m", "y_m", "speed_mps", "yaw_rate_rps"):
        stamp_ns = stamps.to_numpy()
        chosen = tables.inside(scene, stamp_ns)
        scene, stamp_ns = scene[chosen], stamp_ns[chosen]
        x, y, speed, turn = (numbers(column)[chosen] for column in columns)
        going_on = np.diff(scene) == 0
        metres += float(np.nansum(np.hypot(np.diff(x), np.diff(y))[going_on]))
        seconds = _holding(scene, stamp_ns)
        standing_s += float(seconds[np.abs(speed) < 0.5].sum())
        speeds += _binned(np.abs(speed), seconds, SPEED_BINS_MPS)
        turns += _binned(turn, seconds, YAW_RATE_BINS_RPS)
        kept.append((scene[::step], np.stack([x[::step], y[::step]], 1)))
    scene, places = (
        np.concatenate([each for each, _ in kept] or [np.zeros(0, np.int64)]),
        np.concatenate([each for _, each in kept] or [np.zeros((0, 2))]),
    )
    begins = np.flatnonzero(np.diff(scene, prepend=-1))
    parts = np.split(places, begins[1:]) if len(begins) else []
    owners = [tables.scenes[number] for number in scene[begins].tolist()]
    return {
        "metres": metres,
        "standing_s": standing_s,
        "speed_mps": Histogram(SPEED_BINS_MPS, speeds),
        "yaw_rate_rps": Histogram(YAW_RATE_BINS_RPS, turns),
        "tracks": [Track(owner["recording"], owner["driver"], part) for owner, part in zip(owners, parts, strict=True)],
    }


def _holding(scene: I64, stamp_ns: I64) -> F64:
    """(n,) seconds until the next row of the same scene; 0 for the last one and before gaps."""
    found = np.zeros(len(scene))
    found[:-1] = np.where(np.diff(scene) == 0, np.diff(stamp_ns) / 1e9, 0.0)
    return np.where((found > 0.0) & (found <= LONGEST_S), found, 0.0)


def _binned(values: F64, seconds: F64, edges: F64) -> F64:
    known = np.isfinite(values)
    inner = np.clip(np.searchsorted(edges, values[known], side="right") - 1, 0, len(edges) - 2)
    return np.bincount(inner, weights=seconds[known], minlength=len(edges) - 1).astype(np.float64)


def _lasting(tables: Tables, name: str, column: str, edges: F64) -> F64:
    """Seconds per bin of a signal."""
    found = np.zeros(len(edges) - 1)
    for scene, (stamps, values) in tables.groups(name, "stamp_ns", column):
        stamp_ns = stamps.to_numpy()
        chosen = tables.inside(scene, stamp_ns)
        found += _binned(numbers(values)[chosen], _holding(scene[chosen], stamp_ns[chosen]), edges)
    return found


def _counted(tables: Tables, name: str, column: str) -> dict[str, int]:
    """How often each value comes inside scenes; the most frequent first."""
    found: Counter[str] = Counter()
    for scene, (stamps, values) in tables.groups(name, "stamp_ns", column):
        names, which = distinct(values)
        counts = np.bincount(which[tables.inside(scene, stamps.to_numpy())], minlength=len(names))
        found.update({each: count for each, count in zip(names, counts.tolist(), strict=True) if count})
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _cameras(tables: Tables) -> dict[str, dict[str, Any]]:
    """Of each camera: samples, sweeps, bytes, sizes."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for _, (channels, keys, sizes) in tables.groups("frames", "channel", "is_key_frame", "bytes"):
        names, which = distinct(channels)
        key = keys.to_numpy().astype(np.int64)
        images, samples = np.bincount(which, minlength=len(names)), np.bincount(which, weights=key, minlength=len(names))
        stored = np.bincount(which, weights=numbers(sizes), minlength=len(names))
        for name, image, sample, size in zip(names, images.tolist(), samples.tolist(), stored.tolist(), strict=True):
            found[name].update({"samples": int(sample), "sweeps": image - int(sample), "bytes": int(size)})
    sensors = tables.file("sensors").read(columns=["channel", "width", "height"]).to_pylist()
    shapes: defaultdict[str, set[str]] = defaultdict(set)
    for row in sensors:
        shapes[row["channel"]].add(f"{row['width']}x{row['height']}")
    return {name: {**count, "sizes": sorted(shapes[name])} for name, count in found.items()}


def _boxes(tables: Tables) -> dict[str, dict[str, int]]:
    """Boxes and instances of each category; a scene's rows are in one row group."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for _, (categories, instances) in tables.groups("boxes", "category", "instance_token"):
        names, which = distinct(categories)
        _, thing = distinct(instances)
        boxes = np.bincount(which, minlength=len(names))
        things = np.bincount(which[np.unique(thing, return_index=True)[1]], minlength=len(names))
        for name, box, each in zip(names, boxes.tolist(), things.tolist(), strict=True):
            found[name].update({"boxes": box, "instances": each})
    return {name: dict(count) for name, count in sorted(found.items(), key=lambda item: -item[1]["boxes"])}


def _drivers(tables: Tables, lasting: F64) -> dict[str, float]:
    """Seconds that each drives; in mixed scenes the control status tells, and before the first one it is a human.

    What is not known is told where there is some; of mixed scenes it counts as a human's.
    """
    who = np.array([scene["driver"] for scene in tables.scenes])
    heron_s, unknown_s = (float(lasting[who == name].sum()) for name in (HERON, UNKNOWN))
    mixed = ~np.isin(who, (HERON, HUMAN, UNKNOWN))
    if mixed.any():
        for scene, (stamps, engagements) in tables.groups("drivers", "stamp_ns", "engagement"):
            names, which = distinct(engagements)
            drives = np.array([driver_of(name) == HERON for name in names], np.bool_)[which]
            begin_ns = stamps.to_numpy()
            following = np.append(np.where(np.diff(scene) == 0, begin_ns[1:], np.iinfo(np.int64).max), np.iinfo(np.int64).max)
            begin_ns, end_ns = np.maximum(begin_ns, tables.start_ns[scene]), np.minimum(following, tables.end_ns[scene])
            heron_s += float(np.maximum(end_ns - begin_ns, 0)[drives & mixed[scene]].sum() / 1e9)
    found = {HUMAN: round(float(lasting.sum()) - heron_s - unknown_s, 6), HERON: round(heron_s, 6)}
    return {**found, UNKNOWN: round(unknown_s, 6)} if unknown_s else found


def _quality(tables: Tables) -> dict[str, Any]:
    """What was lost, summed up, and the worst jitter."""
    dropped: Counter[str] = Counter()
    can: Counter[str] = Counter()
    lost: defaultdict[str, Counter[str]] = defaultdict(Counter)
    worst: dict[str, float | None] = {"jitter_ms": None, "apart_ms": None}
    for chunk in tables.quality.chunks:
        for text in chunk:
            quality = json.loads(text.as_py())
            dropped.update(quality["dropped"])
            can.update(quality.get("can", {}))
            for camera, counts in quality["cameras"].items():
                lost[camera].update({why: counts[why] for why in LOST if counts.get(why)})
                for name, so_far in worst.items():
                    if counts.get(name) is not None:
                        worst[name] = max(counts[name], so_far or 0.0)
    found = {camera: dict(counts) for camera, counts in sorted(lost.items()) if counts}
    return {"dropped": dict(sorted(dropped.items())), "lost": found, "can": dict(sorted(can.items())), **worst}
