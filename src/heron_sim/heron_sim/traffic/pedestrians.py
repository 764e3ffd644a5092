"""The walkers' state as flat arrays, and how they walk, wait and cross."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled
from heron_sim.roads.network import RoadNetwork
from heron_sim.traffic.lanes import LaneTable
from heron_sim.traffic.records import Records, records
from heron_sim.traffic.signals import GREEN, RED, SignalTable, lamp
from heron_sim.traffic.vehicles import TRAFFIC
from heron_sim.traffic.walking import WAIT_BEHIND_KERB_M, WalkGraph

I64 = NDArray[np.int64]

ABSENT, WALK, STAND, WAIT, CROSS, ARRIVED = 0, 1, 2, 3, 4, 5
STEP_OUT_S = 0.8  # looks before it steps out
TURN_RPS = 3.0
HURRY = 1.4  # of the speed, once the signal is red
USUAL_MPS = 1.25


class WayTable(NamedTuple):
    """The ways of a `WalkGraph` by cells, and who guards the crossings.

    Attributes:
        edges: by way: `first`, `count`, `step`, `length` as in `LaneTable`; `crossing`: that it is, or -1; `half`: how far walkers may be aside.
        cells: `x`, `y`, `yaw`.
        crossings: by id, and one row more that ends the last: `guarded`: walkers have a signal; its `group` or -1; `seconds` that crossing takes;
            `band_first`: its rows in `band_rows`.
        band_rows: rows of `LaneTable.bands` by crossing.
    """

    edges: Records
    cells: Records
    crossings: Records
    band_rows: I64


Walkers: TypeAlias = Records
"""One row a pedestrian. Columns:


"""


def no_walkers(count: int) -> Walkers:
    """`count` empty rows."""
    whole = {name: np.zeros(count, np.int64) for name in ("mode", "way", "ahead", "script")}
    return records(**whole, **{name: np.zeros(count) for name in ("s", "pace", "side", "clock", "x", "y", "yaw", "v", "stride")})


def way_table(graph: WalkGraph, network: RoadNetwork, net: LaneTable) -> WayTable:
    """The graph for the kernels."""
    count = np.array([max(int(np.ceil(way.line.length_m)) + 1, 2) for way in graph.ways], np.int64)
    poses = [way.line.poses(np.linspace(0.0, way.line.length_m, int(n))) for way, n in zip(graph.ways, count, strict=True)]
    table = np.concatenate(poses) if poses else np.zeros((0, 3))
    rows = [np.flatnonzero(net.bands.crossing == crossing.id) for crossing in network.crossings]
    length = np.array([way.line.length_m for way in graph.ways], np.float64)
    edges = records(
        first=np.concatenate([[0], np.cumsum(count)])[:-1].astype(np.int64),
        count=count,
        step=length / np.maximum(count - 1, 1),
        length=length,
        crossing=np.array([way.crossing for way in graph.ways], np.int64),
        half=np.array([way.half_m for way in graph.ways], np.float64),
    )
    crossings = records(
        band_first=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        guarded=np.array([crossing.signal is not None for crossing in network.crossings], np.int64),
        group=np.array([-1 if crossing.signal is None else crossing.signal for crossing in network.crossings], np.int64),
        seconds=np.array([(crossing.line.length_m + 2.0 * WAIT_BEHIND_KERB_M) / USUAL_MPS for crossing in network.crossings], np.float64),
    )
    cells = records(x=table[:, 0], y=table[:, 1], yaw=table[:, 2])
    return WayTable(edges, cells, crossings, np.concatenate([np.zeros(0, np.int64), *rows]).astype(np.int64))


@compiled
def walker_place(ways: WayTable, way: int, s: float, ahead: int, side: float) -> tuple[float, float, float]:
    """World x, y and walking direction."""
    at = min(max(s, 0.0), ways.edges.length[way]) / ways.edges.step[way]
    i = min(int(at), ways.edges.count[way] - 2)
    share = at - i
    k = ways.edges.first[way] + i
    yaw = ways.cells.yaw[k] + share * (ways.cells.yaw[k + 1] - ways.cells.yaw[k])
    left = side * ways.edges.half[way] * ahead
    x = ways.cells.x[k] + share * (ways.cells.x[k + 1] - ways.cells.x[k]) - left * math.sin(yaw)
    y = ways.cells.y[k] + share * (ways.cells.y[k + 1] - ways.cells.y[k]) + left * math.cos(yaw)
    return x, y, yaw if ahead > 0 else yaw + math.pi


@compiled
def bands_taken(net: LaneTable, ways: WayTable, walkers: Walkers, block: I64, waits: I64) -> None:
    """Marks, by band, the lanes that walkers on a crossing still need (`block`) and those whose drivers somebody asks to stop (`waits`)."""
    block[:] = 0
    waits[:] = 0
    for i in range(len(walkers.mode)):
        mode = walkers.mode[i]
        if mode not in (CROSS, WAIT):
            continue
        crossing = ways.edges.crossing[walkers.way[i]]
        u = walkers.s[i] - WAIT_BEHIND_KERB_M
        for k in range(ways.crossings.band_first[crossing], ways.crossings.band_first[crossing + 1]):
            row = ways.band_rows[k]
            if mode == CROSS:
                if (walkers.ahead[i] > 0 and u < net.bands.high[row] + 0.6) or (walkers.ahead[i] < 0 and u > net.bands.low[row] - 0.6):
                    block[row] = 1
            elif ways.crossings.guarded[crossing] == 0 and walkers.script[i] == 0:
                waits[row] = 1


@compiled
def may_step_out(ways: WayTable, signals: SignalTable, walkers: Walkers, i: int, danger: I64, time_s: float) -> bool:
    """Whether a waiting walker may cross: its signal is green for long enough, and nobody comes who could not stop."""
    crossing = ways.edges.crossing[walkers.way[i]]
    if walkers.script[i] > 0:
        return bool(walkers.script[i] == 2 and danger[crossing] & TRAFFIC == 0)
    if walkers.clock[i] < STEP_OUT_S or danger[crossing] != 0:
        return False
    if ways.crossings.guarded[crossing] == 1:
        state, left_s = lamp(signals, ways.crossings.group[crossing], time_s)
        return state == GREEN and left_s > 0.5 * ways.edges.length[walkers.way[i]] / walkers.pace[i]
    return True


@compiled
def walk(ways: WayTable, signals: SignalTable, walkers: Walkers, danger: I64, time_s: float, dt: float) -> int:
    """Moves all walkers by `dt`; how many have arrived at a node."""
    arrived = 0
    for i in range(len(walkers.mode)):
        mode = walkers.mode[i]
        if mode == ABSENT:
            continue
        way = walkers.way[i]
        if mode == STAND:
            walkers.clock[i] -= dt
            if walkers.clock[i] <= 0.0:
                walkers.mode[i] = WALK
        else:
            walkers.clock[i] += dt
        if mode == WAIT and may_step_out(ways, signals, walkers, i, danger, time_s):
            walkers.mode[i] = mode = CROSS
        wished = 0.0
        if mode in (WALK, CROSS):
            wished = walkers.pace[i]
            crossing = ways.edges.crossing[way]
            if mode == CROSS and ways.crossings.guarded[crossing] == 1 and lamp(signals, ways.crossings.group[crossing], time_s)[0] == RED:
                wished *= HURRY
            walkers.s[i] += walkers.ahead[i] * wished * dt
            if walkers.s[i] < 0.0 or walkers.s[i] > ways.edges.length[way]:
                walkers.s[i] = min(max(walkers.s[i], 0.0), ways.edges.length[way])
                walkers.mode[i] = ARRIVED
                arrived += 1
        x, y, course = walker_place(ways, way, walkers.s[i], walkers.ahead[i], walkers.side[i])
        dx, dy = x - walkers.x[i], y - walkers.y[i]
        away = math.hypot(dx, dy)
        step = min(away, 1.3 * max(wished, walkers.pace[i]) * dt)
        if away > 1e-6:
            walkers.x[i] += dx / away * step
            walkers.y[i] += dy / away * step
            if wished == 0.0 and step > 0.01:
                course = math.atan2(dy, dx)
        walkers.v[i] = step / dt
        walkers.stride[i] += step
        turn = course - walkers.yaw[i]
        turn -= 2.0 * math.pi * math.floor((turn + math.pi) / (2.0 * math.pi))
        walkers.yaw[i] += min(max(turn, -TURN_RPS * dt), TURN_RPS * dt)
    return arrived
