"""What happens in a scene, in numbers: of the tables and a few pictures of one that is finished. What cannot be told is None, never 0.

Lane changes are not among them: poses without lanes cannot tell one from a bend, and no recording says it. What a driver that explains itself said is
in `explained_<reason>`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.signals import FixType
from heron_jadd.config import AFTER_S, BEFORE_S, NS
from heron_jadd.recording import REFERENCE
from heron_jadd.tables import read_table
from heron_jadd.tokens import digest

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]
Value = float | int | str | None
STEP_S = 0.1  # of the time base that speed and heading are brought to
VERSION = 1  # of the way they are computed; another one makes the catalogue compute all of them anew
GIVEN_BACK = {"disengagement": "disengagements", "override": "overrides"}  # kinds of events → columns


@dataclass(frozen=True)
class FeatureConfig:
    """When something counts as what.

    Attributes:
        brake_mps2: a hard brake is a deceleration of at least this: "forward deceleration exceeds -3 m/s²", Li et al., From Lagging to Leading:
            Validating Hard Braking Events as High-Density Indicators of Segment Crash Risk, arXiv 2601.06327, 2026.
        brake_window_s: over which the deceleration is the mean, so that steps of the speed signal are none; ours.
        apart_s: two of a kind with less between them are one; ours.
        standing_mps: slower is standing; as `jadd info` has it.
        turn_deg, turn_within_s: a turn at a junction changes the heading by so much in so much time of moving; ours: a right angle less the part that
            is driven as a wide bend, and more than a motorway's bend (400 m, 30 m/s) reaches in that time.
        turning_rps: a turn lasts while the yaw rate is at least this; ours.
        ahead_m, beside_m, along_deg: standing traffic is a vehicle whose middle is no more than so far beside the axis of the car (half a lane of
            3.5 m, Road Structure Ordinance art. 5), whose near end is no more than so far before base_link, and that points our way; the others ours.
        gnss_gap_s: fixes are lost over a longer gap; ours: one late fix of a receiver of 1 Hz is none.
        pictures: key frames of one camera that tell how bright it is.
        night: a mean grey value (0 .. 255) below it is night, or a tunnel; a guess, since exposure follows the light: `brightness` has the value.
        tolerance_s: who drives changes up to so long before control says why; a tick of control, generously.
    """

    brake_mps2: float = 3.0
    brake_window_s: float = 0.5
    apart_s: float = 1.0
    standing_mps: float = 0.5
    turn_deg: float = 60.0
    turn_within_s: float = 10.0
    turning_rps: float = 0.05
    ahead_m: float = 15.0
    beside_m: float = 1.75
    along_deg: float = 45.0
    gnss_gap_s: float = 1.5
    pictures: int = 5
    night: float = 50.0
    tolerance_s: float = 0.2

    @property
    def digest(self) -> str:
        """Of these values and the way they are used: features with another are out of date."""
        return digest((VERSION, sorted(dataclasses.asdict(self).items())))


AS_USUAL = FeatureConfig()


@dataclass(frozen=True)
class Span:
    """A scene: its first and last sample, and the time between two."""

    start_ns: int
    end_ns: int
    key_ns: int

    def inside(self, stamp_ns: I64, later_s: float = 0.0) -> NDArray[np.bool_]:
        """Which stamps are the scene's: up to where the next one can begin, so that of scenes in a row each stamp is in one.

        Args:
            stamp_ns: of whatever.
            later_s: both ends are so much later.
        """
        later_ns = round(later_s * NS)
        return np.asarray((self.start_ns + later_ns <= stamp_ns) & (stamp_ns < self.end_ns + self.key_ns + later_ns), np.bool_)


def scene_features(folder: Path, store: Path, start_ns: int, end_ns: int, config: FeatureConfig = AS_USUAL) -> dict[str, Value]:
    """Features of one scene on disk.

    Args:
        folder: of its tables.
        store: that the files of its images are named from.
        start_ns: its first sample.
        end_ns: its last sample.
        config: thresholds.
    """
    names = ("poses", "gnss", "events", "explanations", "instructions", "boxes", "samples", "frames")
    tables = {name: _columns(folder / f"{name}.parquet") for name in names if (folder / f"{name}.parquet").is_file()}
    span = Span(start_ns, end_ns, int(np.median(np.diff(tables["samples"]["stamp_ns"]))))
    return {**features(tables, span, config), **light(tables["frames"], store, config)}


def features(tables: Mapping[str, Columns], span: Span, config: FeatureConfig) -> dict[str, Value]:
    """All but what pictures tell; `tables` as a scene's Parquet files have them, without those that the recording cannot fill."""
    found: dict[str, Value] = {"duration_s": round((span.end_ns - span.start_ns) / NS, 3)}
    found |= motion(tables["poses"], span, config)
    found |= _standing_traffic(tables, config)
    found |= gnss(tables.get("gnss"), span, config)
    found |= _happened(tables.get("events"), span, config)
    found |= _counted("explained", _named_inside(tables.get("explanations"), "reason", span))
    found |= _counted("instructed", _named_inside(tables.get("instructions"), "manoeuvre", span))
    found |= _counted("boxes", tables["boxes"]["category"].tolist())
    return found


def motion(poses: Columns, span: Span, config: FeatureConfig) -> dict[str, Value]:
    """Distance, speeds, standing, braking, turns: of the dataset's poses, since every scene has them, and slopes do not tilt them as an IMU."""
    times = np.arange(span.start_ns - round(BEFORE_S * NS), span.end_ns + round(AFTER_S * NS) + 1, round(STEP_S * NS))
    stamps = poses["stamp_ns"]
    speed, yaw = (np.interp(times, stamps, poses[name]) for name in ("speed_mps", "yaw_rad"))
    half = max(round(config.brake_window_s / STEP_S / 2), 1)
    slope = np.full(len(times), np.nan)
    slope[half:-half] = (speed[2 * half :] - speed[: -2 * half]) / (2 * half * STEP_S)
    known = (times >= stamps[0]) & (times <= stamps[-1])
    slope[half:-half][~(known[2 * half :] & known[: -2 * half])] = np.nan
    left, right = turns(np.abs(speed[known]), yaw[known], span.inside(times)[known], config)
    inside = (times >= span.start_ns) & (times <= span.end_ns) & known
    speed, slope = np.abs(speed[inside]), np.where(speed < 0, -slope, slope)[inside]
    standing = speed < config.standing_mps
    hardest = -float(np.nanmin(slope)) if np.isfinite(slope).any() else math.nan
    return {
        "distance_m": _round(float(np.sum((speed[1:] + speed[:-1]) / 2.0 * STEP_S))),
        "speed_mean_mps": _round(float(speed.mean()) if len(speed) else math.nan),
        "speed_max_mps": _round(float(speed.max()) if len(speed) else math.nan),
        "stopped_s": round(float(standing.sum()) * STEP_S, 1),
        "hardest_brake_mps2": _round(max(hardest, 0.0)),
        "hard_brakes": len(_runs(np.nan_to_num(slope) <= -config.brake_mps2, round(config.apart_s / STEP_S))),
        "turns_left": left,
        "turns_right": right,
    }


def turns(speed_mps: F64, yaw_rad: F64, inside: NDArray[np.bool_], config: FeatureConfig) -> tuple[int, int]:
    """How many turns to the left and to the right have their middle inside; waiting within a turn is left out.

    Args:
        speed_mps: (n,) `STEP_S` between values.
        yaw_rad: (n,) likewise, unwrapped.
        inside: (n,) which of them are the scene's; the others let turns be whole that a scene's end cuts.
        config: thresholds.
    """
    moving = speed_mps >= config.standing_mps
    yaw, within = yaw_rad[moving], inside[moving]
    if len(yaw) < 3:
        return 0, 0
    rate, found = np.gradient(yaw, STEP_S), []
    width = round(config.turn_within_s / STEP_S)
    for sign in (1.0, -1.0):
        count = 0
        for begin, end in _runs(sign * rate >= config.turning_rps, round(config.apart_s / STEP_S)):
            path = sign * yaw[begin:end]  # a roundabout is one turn, however long
            reach = min(width, len(path) - 1)
            turned = (path[reach:] - path[:-reach]).max() if reach > 0 else 0.0
            count += bool(within[(begin + end) // 2] and turned >= math.radians(config.turn_deg))
        found.append(count)
    return found[0], found[1]


def gnss(fixes: Columns | None, span: Span, config: FeatureConfig) -> dict[str, Value]:
    """Where it was, how long without a fix, and the share of RTK among fixes; all None where the recording has no receiver."""
    found: dict[str, Value] = dict.fromkeys(("gnss_lost_s", "gnss_rtk_share", "latitude_deg", "longitude_deg"))
    if fixes is None:
        return found
    good = fixes["fix"] != int(FixType.NONE)
    stamps = np.concatenate([[span.start_ns], np.unique(np.clip(fixes["stamp_ns"][good], span.start_ns, span.end_ns)), [span.end_ns]])
    gaps_s = np.diff(stamps) / NS
    found["gnss_lost_s"] = round(float(gaps_s[gaps_s > config.gnss_gap_s].sum()), 3)
    there = good & span.inside(fixes["stamp_ns"])
    if there.any():
        found["gnss_rtk_share"] = _round(float((fixes["fix"][there] == int(FixType.RTK_FIXED)).mean()))
        found["latitude_deg"], found["longitude_deg"] = (round(float(np.median(fixes[name][there])), 7) for name in ("latitude_deg", "longitude_deg"))
    return found


def pictures(frames: Columns, config: FeatureConfig) -> list[str]:
    """Files of the images that `light` looks at: key frames of the front camera, or of the first."""
    channels = frames["channel"].tolist()
    camera = REFERENCE if REFERENCE in channels else min(channels, default="")
    keys = np.flatnonzero(frames["is_key_frame"].astype(np.bool_) & (frames["channel"] == camera))
    if not len(keys):
        return []
    return [str(file) for file in frames["file"][keys[np.linspace(0, len(keys) - 1, min(config.pictures, len(keys))).round().astype(int)]]]


def light(frames: Columns, store: Path, config: FeatureConfig) -> dict[str, Value]:
    """Mean grey value, and whether that is night: of the middle of `pictures`, read at an eighth of their size."""
    means = []
    for file in pictures(frames, config):
        image = cv2.imread(str(store / file), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        if image is not None:
            height, width = image.shape
            middle = image[height // 4 : -(-height * 3 // 4), width // 4 : -(-width * 3 // 4)]  # undistorted images have black rims
            means.append(float(middle.mean()))
    if not means:
        return {"brightness": None, "night": None}
    brightness = float(np.median(means))
    return {"brightness": round(brightness, 1), "night": int(brightness < config.night)}


def _standing_traffic(tables: Mapping[str, Columns], config: FeatureConfig) -> dict[str, Value]:
    """Seconds that the car stands with a vehicle close ahead, of the samples' boxes; None in a scene without boxes."""
    boxes, samples, poses = tables["boxes"], tables["samples"], tables["poses"]
    if not len(boxes["category"]):
        return {"standing_traffic_s": None}
    ahead = np.array([str(name).startswith("vehicle.") for name in boxes["category"]])
    number = {token: k for k, token in enumerate(samples["token"].tolist())}
    of = np.array([number[token] for token in boxes["sample_token"].tolist()])
    x, y, yaw, speed = (np.interp(samples["stamp_ns"], poses["stamp_ns"], poses[name]) for name in ("x_m", "y_m", "yaw_rad", "speed_mps"))
    dx, dy, c, s = boxes["x_m"] - x[of], boxes["y_m"] - y[of], np.cos(yaw[of]), np.sin(yaw[of])
    along, beside = c * dx + s * dy, c * dy - s * dx
    turned = np.remainder(boxes["yaw_rad"] - yaw[of] + math.pi, 2.0 * math.pi) - math.pi
    gap = along - boxes["length_m"] / 2.0
    ahead &= (gap > 0.0) & (gap <= config.ahead_m) & (np.abs(beside) <= config.beside_m) & (np.abs(turned) <= math.radians(config.along_deg))
    caught = np.bincount(of[ahead], minlength=len(speed)).astype(bool) & (np.abs(speed) < config.standing_mps)
    held_s = np.append(np.diff(samples["stamp_ns"]) / NS, 0.0)  # a sample holds until the next one
    return {"standing_traffic_s": round(float(held_s[caught].sum()), 3)}


def _happened(events: Columns | None, span: Span, config: FeatureConfig) -> dict[str, Value]:
    """Events by kind; how the car was given back, by cause. That ends a scene, so it is the scene's before, though it lies after its last sample."""
    found: dict[str, Value] = {**dict.fromkeys(GIVEN_BACK.values(), 0), "later_disengagements": 0}
    if events is None:
        return found
    stamps, kinds = events["stamp_ns"], events["kind"]
    back = span.inside(stamps, config.tolerance_s)
    for kind, name in GIVEN_BACK.items():
        chosen = back & (kinds == kind)
        found[name] = int(chosen.sum())
        found |= _counted(name, [cause for cause in events["cause"][chosen].tolist() if cause])
    soon = ~back & (stamps > span.end_ns) & (stamps <= span.end_ns + round(AFTER_S * NS))
    found["later_disengagements"] = int((soon & (kinds == "disengagement")).sum())
    others = span.inside(stamps) & ~np.isin(kinds, list(GIVEN_BACK))
    return found | _counted("events", kinds[others].tolist())


def _named_inside(table: Columns | None, column: str, span: Span) -> list[str]:
    if table is None:
        return []
    names: list[str] = table[column][span.inside(table["stamp_ns"])].tolist()
    return names


def _counted(group: str, names: Iterable[str]) -> dict[str, Value]:
    """group_name → how often; names become those of columns."""
    counts = Counter(f"{group}_{plain}" for name in names if (plain := re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")))
    return dict(sorted(counts.items()))


def _runs(true: NDArray[np.bool_], bridged: int) -> list[tuple[int, int]]:
    """(begin, end) of stretches that are true; shorter gaps than `bridged` values are none."""
    found: list[tuple[int, int]] = []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2).tolist():
        if found and begin - found[-1][1] < bridged:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def _round(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _columns(path: Path) -> Columns:
    table = read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}
