"""The vehicles' state as flat arrays, and how they move along their lanes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled
from heron_sim.traffic.lanes import LaneTable
from heron_sim.traffic.records import Records, records

PATH = 6  # lanes that a vehicle knows ahead of its own
NONE, TRAFFIC, EGO = 0, 1, 2


Vehicles: TypeAlias = Records
"""One row a vehicle; the ego car is one of them (`role` EGO), moved by others. Columns:

    role: NONE, TRAFFIC or EGO.
    bicycle: 1 for one.
    lane, s: the lane of its middle (-1: the ego car is nowhere near its route), and the arc length on it.
    path, prev: (n, PATH) lanes to come, -1 from where it does not know; (n, 2) the last two lanes, latest first, or -1.
    v, a: speed, acceleration (m/s, m/s²).
    length, width, wheelbase: metres.
    lat, lat_goal: offset from the middle of the lane, left positive; where it wants to be.
    factor, top: desired speed as a share of the limit; and at most (m/s).
    pull, headway: IDM: acceleration (m/s²), time headway (s).
    grant: connector that it may enter (or is entering), -1 none.
    wait: how long it has been standing for others at a junction (s).
    blocked: it cannot enter its junction now whatever others do: red, or no room behind.
    hold: it brakes to a halt because a script says so.
    passing: it is overtaking a bicycle.
    pace: speed that a script asks for, or -1.
    x, y, yaw, yaw_rate: middle of its box in the world.
    stride: metres since it appeared.
    indicator, brake: as in `Actor`.
    next_lane, next_d: the next connector on its way or -1, and the distance from its front to the stop line; kept by `permits.permit`.
"""

WHOLE = ("role", "bicycle", "lane", "grant", "blocked", "hold", "passing", "indicator", "brake", "next_lane")
REAL = (
    *("s", "v", "a", "length", "width", "wheelbase", "lat", "lat_goal", "factor", "top", "pull", "headway", "wait", "pace"),
    *("x", "y", "yaw", "yaw_rate", "stride", "next_d"),
)


def no_vehicles(count: int) -> Vehicles:
    """`count` empty rows."""
    columns: dict[str, NDArray[Any]] = {name: np.zeros(count, np.int64) for name in WHOLE}
    columns |= {name: np.zeros(count) for name in REAL}
    columns |= {"path": np.full((count, PATH), -1), "prev": np.full((count, 2), -1)}
    for name in ("lane", "grant", "pace", "next_lane"):
        columns[name][:] = -1
    return records(**columns)


class Shift(NamedTuple):
    """A stretch of `lane` (or -1) whose vehicles pass on the lane `beside`: where their offset begins, is full, begins to end, ended; its size."""

    lane: int
    begin: float
    full: float
    leave: float
    end: float
    left: float
    beside: int = -1


@compiled
def shifted(shift: Shift, lane: int, s: float) -> float:
    """Offset of the way from the middle of a lane, left positive."""
    if lane != shift.lane or s <= shift.begin or s >= shift.end:
        return 0.0
    share = 1.0
    if s < shift.full:
        share = (s - shift.begin) / (shift.full - shift.begin)
    elif s > shift.leave:
        share = (shift.end - s) / (shift.end - shift.leave)
    return shift.left * share * share * (3.0 - 2.0 * share)


@compiled
def place(net: LaneTable, shift: Shift, lane: int, s: float, lat: float) -> tuple[float, float, float]:
    """World x, y and direction of a lane at `s`, `lat` to its left; beyond the ends straight on."""
    inside = min(max(s, 0.0), net.lanes.length[lane])
    at = inside / net.lanes.step[lane]
    i = min(int(at), net.lanes.count[lane] - 2)
    share = at - i
    k = net.lanes.first[lane] + i
    yaw = net.cells.yaw[k] + share * (net.cells.yaw[k + 1] - net.cells.yaw[k])
    c, n = math.cos(yaw), math.sin(yaw)
    left = lat + shifted(shift, lane, s)
    beyond = s - inside
    x = net.cells.x[k] + share * (net.cells.x[k + 1] - net.cells.x[k]) + beyond * c - left * n
    y = net.cells.y[k] + share * (net.cells.y[k + 1] - net.cells.y[k]) + beyond * n + left * c
    return x, y, yaw


@compiled
def along(net: LaneTable, cars: Vehicles, i: int, ahead: float) -> tuple[int, float]:
    """Lane and arc length `ahead` of a vehicle's middle on its way (negative: behind)."""
    lane, s = cars.lane[i], cars.s[i] + ahead
    k = 0
    while s > net.lanes.length[lane] and k < PATH and cars.path[i, k] >= 0:
        s -= net.lanes.length[lane]
        lane = cars.path[i, k]
        k += 1
    k = 0
    while s < 0.0 and k < 2 and cars.prev[i, k] >= 0:
        lane = cars.prev[i, k]
        s += net.lanes.length[lane]
        k += 1
    return lane, s


@compiled
def pose(net: LaneTable, shift: Shift, cars: Vehicles, i: int, dt: float) -> None:
    """Puts a vehicle's box where its axles are on the lane; both axles keep to the middle, so it cuts bends as little as possible."""
    half = cars.wheelbase[i] / 2.0
    lane, s = along(net, cars, i, half)
    x1, y1, _ = place(net, shift, lane, s, cars.lat[i])
    lane, s = along(net, cars, i, -half)
    x0, y0, _ = place(net, shift, lane, s, cars.lat[i])
    yaw = math.atan2(y1 - y0, x1 - x0)
    if dt > 0.0:
        turn = yaw - cars.yaw[i]
        turn -= 2.0 * math.pi * math.floor((turn + math.pi) / (2.0 * math.pi))
        cars.yaw_rate[i] = turn / dt
    cars.x[i], cars.y[i], cars.yaw[i] = (x0 + x1) / 2.0, (y0 + y1) / 2.0, yaw


@compiled
def move(net: LaneTable, shift: Shift, cars: Vehicles, dt: float) -> int:
    """Moves all vehicles of the traffic by `dt` with their accelerations; how many have no lane left (role becomes NONE)."""
    gone = 0
    for i in range(len(cars.role)):
        if cars.role[i] != TRAFFIC:
            continue
        before = cars.v[i]
        cars.v[i] = max(before + cars.a[i] * dt, 0.0)
        if cars.v[i] < 0.02 and cars.a[i] < 0.0:
            cars.v[i] = 0.0
        cars.a[i] = (cars.v[i] - before) / dt
        step = (before + cars.v[i]) / 2.0 * dt
        cars.s[i] += step
        cars.stride[i] += step
        rate = 1.1 * min(cars.v[i] / 4.0, 1.0) * dt
        cars.lat[i] += min(max(cars.lat_goal[i] - cars.lat[i], -rate), rate)
        while cars.s[i] > net.lanes.length[cars.lane[i]]:
            if cars.path[i, 0] < 0:
                cars.role[i] = NONE
                gone += 1
                break
            cars.s[i] -= net.lanes.length[cars.lane[i]]
            cars.prev[i, 1] = cars.prev[i, 0]
            cars.prev[i, 0] = cars.lane[i]
            cars.lane[i] = cars.path[i, 0]
            for k in range(PATH - 1):
                cars.path[i, k] = cars.path[i, k + 1]
            cars.path[i, PATH - 1] = -1
            if cars.grant[i] == cars.lane[i]:
                cars.grant[i] = -1
        if cars.role[i] == TRAFFIC:
            pose(net, shift, cars, i, dt)
    return gone
