"""Which connectors of a junction come so near to each other that two vehicles cannot use them at once, and where."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.network import RoadNetwork

F64 = NDArray[np.float64]
NEAR_M = 2.9  # middles of two vehicles: twice half a truck, and what their corners sweep in bends


class Conflict(NamedTuple):
    """A stretch of one connector on which a vehicle on another is in its way.

    Attributes:
        other: the other connector.
        begin_m, end_m: arc lengths of the stretch on this one.
        other_end_m: where the stretch ends on the other.
        yields: this one gives way to the other.
        fork: both begin at the same lane (they follow each other instead of waiting).
    """

    other: int
    begin_m: float
    end_m: float
    other_end_m: float
    yields: bool
    fork: bool


def conflicts(network: RoadNetwork, poses: list[F64], step_m: F64) -> list[list[Conflict]]:
    """By lane: its conflicts; found from the geometry, so that they hold for any map. Priority comes from the map.

    Args:
        network: the map.
        poses: by lane: (cells, 3) places along it.
        step_m: by lane: their spacing.
    """
    rows: list[list[Conflict]] = [[] for _ in network.lanes]
    for junction in network.junctions:
        for a in junction.connectors:
            for b in junction.connectors:
                if a < b:
                    _meet(network, poses, step_m, a, b, rows)
    return rows


def _meet(network: RoadNetwork, poses: list[F64], step_m: F64, a: int, b: int, rows: list[list[Conflict]]) -> None:
    east = poses[a][:, None, 0] - poses[b][None, :, 0]
    north = poses[a][:, None, 1] - poses[b][None, :, 1]
    near = east**2 + north**2 < NEAR_M**2
    if not near.any():
        return
    lane_a, lane_b = network.lanes[a], network.lanes[b]
    fork = bool(set(lane_a.predecessors) & set(lane_b.predecessors))
    join = bool(set(lane_a.successors) & set(lane_b.successors))
    on_a, on_b = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    if fork and not join:  # only where they part; later they may come near again, in no town of ours
        on_a, on_b = _leading(on_a), _leading(on_b)
    begin_a, end_a = float(on_a[0] * step_m[a]), float(on_a[-1] * step_m[a])
    begin_b, end_b = float(on_b[0] * step_m[b]), float(on_b[-1] * step_m[b])
    if join:
        end_a, end_b = lane_a.line.length_m, lane_b.line.length_m
    rows[a].append(Conflict(b, begin_a, end_a, end_b, b in lane_a.yields_to, fork))
    rows[b].append(Conflict(a, begin_b, end_b, end_a, a in lane_b.yields_to, fork))


def _leading(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first run of neighbouring cells."""
    gaps = np.flatnonzero(np.diff(cells) > 1)
    return cells[: int(gaps[0]) + 1] if len(gaps) else cells
