"""Lanes, conflicts and crossings as flat arrays: what the traffic's kernels read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.network import Crossing, Lane, Manoeuvre, RoadNetwork
from heron_sim.traffic.conflicts import Conflict, conflicts

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

CELL_M = 0.5
LATERAL_MPS2 = 1.8  # in bends: what passengers still find comfortable (ISO 15622 allows 2.0 at these speeds)
BEND_BRAKE_MPS2 = 1.3
TURNS = {Manoeuvre.FOLLOW: 0, Manoeuvre.LEFT: 1, Manoeuvre.RIGHT: -1, Manoeuvre.STRAIGHT: 0}


class LaneTable(NamedTuple):
    """All lanes of a network; rows are lanes unless said otherwise.

    Attributes:
        first, cells, step: where a lane's cells begin in the arrays by cell, how many, their spacing (m).
        length, width: metres.
        junction, signal, turn: of a connector (else -1, -1, 0); turn as an indicator shows it.
        stop: arc length at which front bumpers stop before the junction (or the end).
        x, y, yaw, allow: by cell: the middle, the direction (unwrapped), and the speed that limit, bends and braking for bends allow (m/s).
        conflict_first: (n + 1,) rows of `conflict_*` of each lane.
        conflict_lane, conflict_begin, conflict_end, conflict_other_end, conflict_yields, conflict_fork: see `Conflict`.
        band_first: (n + 1,) rows of `band_*` of each lane, by arc length.
        band_s, band_half, band_crossing, band_low, band_high: where a lane meets a crossing: arc length on the lane, half width of the crossing, id,
            and the stretch of the walkers' way (arc length) that vehicles of the lane need.
        beside: lane next to this one towards the middle of the road, or -1; beside_same: it goes in the same direction.
    """

    first: I64
    cells: I64
    step: F64
    length: F64
    width: F64
    junction: I64
    signal: I64
    turn: I64
    stop: F64
    x: F64
    y: F64
    yaw: F64
    allow: F64
    conflict_first: I64
    conflict_lane: I64
    conflict_begin: F64
    conflict_end: F64
    conflict_other_end: F64
    conflict_yields: I64
    conflict_fork: I64
    band_first: I64
    band_s: F64
    band_half: F64
    band_crossing: I64
    band_low: F64
    band_high: F64
    beside: I64
    beside_same: I64


def lane_table(network: RoadNetwork) -> LaneTable:
    """The network for the kernels."""
    lanes = network.lanes
    cells = np.array([max(int(np.ceil(lane.line.length_m / CELL_M)) + 1, 2) for lane in lanes], np.int64)
    poses = [lane.line.poses(np.linspace(0.0, lane.line.length_m, int(n))) for lane, n in zip(lanes, cells, strict=True)]
    step = np.array([lane.line.length_m / (n - 1) for lane, n in zip(lanes, cells, strict=True)])
    allow = [_allowed(lane.speed_limit_mps, pose[:, 2], d) for lane, pose, d in zip(lanes, poses, step, strict=True)]
    middle = np.concatenate(poses)
    rows = conflicts(network, poses, step)
    bands = [_bands(network, lane.id) for lane in lanes]
    beside = [_beside(network, lane) for lane in lanes]
    return LaneTable(
        first=_starts([int(n) for n in cells])[:-1],
        cells=cells,
        step=step,
        length=np.array([lane.line.length_m for lane in lanes]),
        width=np.array([lane.width_m for lane in lanes]),
        junction=np.array([-1 if lane.junction is None else lane.junction for lane in lanes], np.int64),
        signal=np.array([-1 if lane.signal is None else lane.signal for lane in lanes], np.int64),
        turn=np.array([TURNS[lane.turn] for lane in lanes], np.int64),
        stop=np.array([lane.line.length_m - 0.5 if lane.stop_s_m is None else lane.stop_s_m for lane in lanes]),
        x=middle[:, 0].copy(),
        y=middle[:, 1].copy(),
        yaw=middle[:, 2].copy(),
        allow=np.concatenate(allow),
        conflict_first=_starts([len(found) for found in rows]),
        **_columns(rows),
        band_first=_starts([len(found) for found in bands]),
        band_s=_flat([[row[0] for row in found] for found in bands]),
        band_half=_flat([[row[1] for row in found] for found in bands]),
        band_crossing=_flat([[row[2] for row in found] for found in bands]).astype(np.int64),
        band_low=_flat([[row[3] for row in found] for found in bands]),
        band_high=_flat([[row[4] for row in found] for found in bands]),
        beside=np.array([other for other, _ in beside], np.int64),
        beside_same=np.array([same for _, same in beside], np.int64),
    )


def _starts(counts: list[int]) -> I64:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _flat(rows: list[list[float]]) -> F64:
    return np.array([value for row in rows for value in row], np.float64)


def _columns(rows: list[list[Conflict]]) -> dict[str, NDArray[np.int64] | NDArray[np.float64]]:
    flat = [row for found in rows for row in found]
    return {
        "conflict_lane": np.array([row.other for row in flat], np.int64),
        "conflict_begin": np.array([row.begin_m for row in flat], np.float64),
        "conflict_end": np.array([row.end_m for row in flat], np.float64),
        "conflict_other_end": np.array([row.other_end_m for row in flat], np.float64),
        "conflict_yields": np.array([row.yields for row in flat], np.int64),
        "conflict_fork": np.array([row.fork for row in flat], np.int64),
    }


def _allowed(limit_mps: float, yaw: F64, step_m: float) -> F64:
    """Speed by cell: the limit, `LATERAL_MPS2` in bends, and before bends what braking at `BEND_BRAKE_MPS2` needs."""
    reach = max(round(2.0 / step_m), 1)
    index = np.arange(len(yaw))
    low, high = np.maximum(index - reach, 0), np.minimum(index + reach, len(yaw) - 1)
    bend = np.abs(yaw[high] - yaw[low]) / np.maximum((high - low) * step_m, 1e-3)
    allowed: F64 = np.minimum(limit_mps, np.sqrt(LATERAL_MPS2 / np.maximum(bend, 1e-6)))
    allowed = np.maximum(allowed, 2.0)
    for i in range(len(allowed) - 2, -1, -1):
        allowed[i] = min(allowed[i], float(np.sqrt(allowed[i + 1] ** 2 + 2.0 * BEND_BRAKE_MPS2 * step_m)))
    return allowed


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
        if other.junction is None and other.id != lane.id:
            s, left = other.line.nearest(here.x, here.y)
            there = other.line.at(s)
            if abs(left) < 1.6 * lane.width_m and np.cos(there.yaw - here.yaw) < -0.9 and 1.0 < s < other.line.length_m - 1.0:
                return other.id, 0
    return -1, 0
