"""Lanes, conflicts and crossings as flat arrays: what the traffic's kernels read."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.network import Crossing, Lane, Manoeuvre, RoadNetwork
from heron_sim.traffic.conflicts import Conflict, conflicts
from heron_sim.traffic.records import Records, records

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

CELL_M = 0.5
LATERAL_MPS2 = 1.8  # in bends: what passengers still find comfortable (ISO 15622 allows 2.0 at these speeds)
BEND_BRAKE_MPS2 = 1.3
TURNS = {Manoeuvre.FOLLOW: 0, Manoeuvre.LEFT: 1, Manoeuvre.RIGHT: -1, Manoeuvre.STRAIGHT: 0}


class LaneTable(NamedTuple):
    """All lanes of a network.

    Attributes:
        lanes: by id, and one row more that ends the last: `first`, `count`, `step`: its cells and their spacing (m); `length`, `width` (m);
            `junction`, `signal`, `turn` of a connector (else -1, -1, 0), turn as an indicator shows it; `stop`: arc length at which front bumpers
            stop before the junction (or the end); `conflict_first`, `band_first`: its rows there; `beside`: lane next to it towards the middle, or
            -1; `beside_same`: that goes in the same direction.
        cells: `x`, `y`, `yaw` (unwrapped) of the middle; `allow`: the speed that limit, bends and braking for bends allow (m/s).
        conflicts: see `Conflict`: `lane`, `begin`, `end`, `other_end`, `yields`, `fork`.
        bands: where lanes meet crossings, by arc length: `s` on the lane, `half` width of the crossing, `crossing` (id), and from `low` to `high` the
            stretch of the walkers' way (arc length) that vehicles of the lane need.
    """

    lanes: Records
    cells: Records
    conflicts: Records
    bands: Records


def lane_table(network: RoadNetwork) -> LaneTable:
    """The network for the kernels."""
    lanes = network.lanes
    count = [max(int(np.ceil(lane.line.length_m / CELL_M)) + 1, 2) for lane in lanes]
    poses = [lane.line.poses(np.linspace(0.0, lane.line.length_m, n)) for lane, n in zip(lanes, count, strict=True)]
    step = np.array([lane.line.length_m / (n - 1) for lane, n in zip(lanes, count, strict=True)])
    allow = [_allowed(lane.speed_limit_mps, pose[:, 2], d) for lane, pose, d in zip(lanes, poses, step, strict=True)]
    middle = np.concatenate(poses)
    found = conflicts(network, poses, step)
    bands = [_bands(network, lane.id) for lane in lanes]
    beside = np.array([_beside(network, lane) for lane in lanes], np.int64)
    rows = records(
        first=_starts(count),
        count=np.array(count),
        step=step,
        length=np.array([lane.line.length_m for lane in lanes]),
        width=np.array([lane.width_m for lane in lanes]),
        junction=np.array([-1 if lane.junction is None else lane.junction for lane in lanes]),
        signal=np.array([-1 if lane.signal is None else lane.signal for lane in lanes]),
        turn=np.array([TURNS[lane.turn] for lane in lanes]),
        stop=np.array([lane.line.length_m - 0.5 if lane.stop_s_m is None else lane.stop_s_m for lane in lanes]),
        conflict_first=_starts([len(row) for row in found]),
        band_first=_starts([len(row) for row in bands]),
        beside=beside[:, 0],
        beside_same=beside[:, 1],
    )
    cells = records(x=middle[:, 0], y=middle[:, 1], yaw=middle[:, 2], allow=np.concatenate(allow))
    return LaneTable(rows, cells, _conflict_rows(found), _band_rows(bands))


def _starts(counts: list[int]) -> I64:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _conflict_rows(found: list[list[Conflict]]) -> Records:
    flat = np.array([row for rows in found for row in rows], np.float64).reshape(-1, 6)
    whole = flat.astype(np.int64)
    return records(lane=whole[:, 0], begin=flat[:, 1], end=flat[:, 2], other_end=flat[:, 3], yields=whole[:, 4], fork=whole[:, 5])


def _band_rows(found: list[list[tuple[float, float, float, float, float]]]) -> Records:
    flat = np.array([row for rows in found for row in rows], np.float64).reshape(-1, 5)
    return records(s=flat[:, 0], half=flat[:, 1], crossing=flat[:, 2].astype(np.int64), low=flat[:, 3], high=flat[:, 4])


def _allowed(limit_mps: float, yaw: F64, step_m: float) -> F64:
    """Speed by cell: the limit, `LATERAL_MPS2` in bends, and before bends what braking at `BEND_BRAKE_MPS2` needs."""
    reach = max(round(2.0 / step_m), 1)
    index = np.arange(len(yaw))
    low, high = np.maximum(index - reach, 0), np.minimum(index + reach, len(yaw) - 1)
    bend = np.abs(yaw[high] - yaw[low]) / np.maximum((high - low) * step_m, 1e-3)
    allowed: F64 = np.minimum(limit_mps, np.sqrt(LATERAL_MPS2 / np.maximum(bend, 1e-6)))
    speeds: list[float] = np.maximum(allowed, 2.0).tolist()
    gain = 2.0 * BEND_BRAKE_MPS2 * step_m
    for i in range(len(speeds) - 2, -1, -1):
        speeds[i] = min(speeds[i], math.sqrt(speeds[i + 1] ** 2 + gain))
    return np.array(speeds)


def _bands(network: RoadNetwork, lane: int) -> list[tuple[float, float, float, float, float]]:
    found = [
        (s, crossing.width_m / 2.0, float(crossing.id), *_stretch(network.lanes[lane], crossing, s))
        for crossing in network.crossings
        for other, s in crossing.lanes
        if other == lane
    ]
    return sorted(found)


def _stretch(lane: Lane, crossing: Crossing, s_m: float) -> tuple[float, float]:
    place = lane.line.at(s_m)
    middle, _ = crossing.line.nearest(place.x, place.y)
    half = lane.width_m / 2.0 + 0.5
    return middle - half, middle + half


def _beside(network: RoadNetwork, lane: Lane) -> tuple[int, int]:
    """The lane next to this one towards the middle of the road, and whether it goes the same way."""
    if lane.junction is not None:
        return -1, 0
    inner = lane.right if network.left_hand else lane.left
    if inner is not None:
        return inner, 1
    here = lane.line.at(lane.line.length_m / 2.0)
    for other in network.lanes:
        if other.junction is None and other.id != lane.id and other.line.within(here.x, here.y, 1.6 * lane.width_m):
            s, left = other.line.nearest(here.x, here.y)
            there = other.line.at(s)
            if abs(left) < 1.6 * lane.width_m and np.cos(there.yaw - here.yaw) < -0.9 and 1.0 < s < other.line.length_m - 1.0:
                return other.id, 0
    return -1, 0
