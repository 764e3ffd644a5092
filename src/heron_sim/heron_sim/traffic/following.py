"""How hard a vehicle brakes or pulls: leaders, stop lines, crossings, bends, whoever stands in the way.

Following is the intelligent driver model: Treiber, Hennecke, Helbing, "Congested traffic states in empirical observations and microscopic
simulations", Physical Review E 62 (2000), eq. 2 and 3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled
from heron_sim.traffic.lanes import LaneTable
from heron_sim.traffic.permits import rear_on, travel_time
from heron_sim.traffic.vehicles import EGO, NONE, PATH, TRAFFIC, Shift, Vehicles, along, place

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

COMFORT_MPS2 = 1.8  # IDM's b, and the stops that are seen in time
STAND_M = 2.0  # IDM's s0
REACT_S = 0.6
HARDEST_MPS2 = 8.0
BEFORE_CROSSING_M = 1.0


@compiled
def follow(v: float, v0: float, pull: float, headway: float, gap: float, v_leader: float) -> float:
    """IDM's acceleration towards a leader `gap` ahead; of a free road with a far gap."""
    free = pull * (1.0 - (v / max(v0, 0.1)) ** 4)
    if v > v0:
        free = max((v0 - v) / 0.5, -3.0)
    wished = STAND_M + max(0.0, v * headway + v * (v - v_leader) / (2.0 * math.sqrt(pull * COMFORT_MPS2)))
    return free - pull * (wished / max(gap, 0.1)) ** 2


@compiled
def stop_at(v: float, d: float) -> float:
    """Acceleration that brings a vehicle to a stop within `d`: evenly, as late as comfort allows, harder only if it must."""
    if d < 0.05:
        return -HARDEST_MPS2 if v > 0.3 else -COMFORT_MPS2
    need = v * v / (2.0 * d)
    if need > COMFORT_MPS2:
        return -min(1.1 * need, HARDEST_MPS2)
    return (math.sqrt(2.0 * COMFORT_MPS2 * d) - v) / REACT_S - COMFORT_MPS2


@compiled
def bends(net: LaneTable, cars: Vehicles, i: int) -> float:
    """Speed that the lane here and the next lanes allow now."""
    lane, s = cars.lane[i], cars.s[i]
    k = net.lanes.first[lane] + min(int(max(s, 0.0) / net.lanes.step[lane]), net.lanes.count[lane] - 1)
    factor = cars.factor[i]
    wished = min(net.cells.allow[k] * factor, cars.top[i])
    base = net.lanes.length[lane] - s
    for n in range(PATH):
        lane = cars.path[i, n]
        if lane < 0 or base > 80.0:
            break
        entry = min(net.cells.allow[net.lanes.first[lane]] * factor, cars.top[i])
        wished = min(wished, math.sqrt(entry * entry + 2.6 * max(base, 0.0)))
        base += net.lanes.length[lane]
    return float(wished)


@compiled
def fork_rear(net: LaneTable, cars: Vehicles, lane: int, j: int) -> float:
    """Arc length of the rear of `j` on another connector that leaves the same lane as connector `lane`, while they are not yet apart; else far."""
    for row in range(net.lanes.conflict_first[lane], net.lanes.conflict_first[lane + 1]):
        if net.conflicts.fork[row] == 1:
            rear = rear_on(net, cars, j, net.conflicts.lane[row])
            if rear < net.conflicts.other_end[row] + 0.5:
                return rear
    return 1e9


@compiled
def gap_to(net: LaneTable, cars: Vehicles, i: int, j: int, reach: float) -> float:
    """Bumper to bumper along the way of `i` to `j`; 1e9 if `j` is not ahead on that way, or not within `reach`."""
    half = (cars.length[i] + cars.length[j]) / 2.0
    crossing = net.lanes.junction[cars.lane[j]] >= 0 or (cars.prev[j, 0] >= 0 and net.lanes.junction[cars.prev[j, 0]] >= 0)
    lane, base = cars.lane[i], -cars.s[i]
    for k in range(PATH + 1):
        if cars.lane[j] == lane:
            if base + cars.s[j] > 0.0:
                return float(base + cars.s[j] - half)
        elif crossing and net.lanes.junction[lane] >= 0:
            rear = fork_rear(net, cars, lane, j)
            if rear < 1e8 and base + rear + cars.length[j] / 2.0 > 0.0:
                return float(base + rear - cars.length[i] / 2.0)
        base += net.lanes.length[lane]
        if k == PATH or cars.path[i, k] < 0 or base > reach + half:
            break
        lane = cars.path[i, k]
    return 1e9


@compiled
def clear_ahead(net: LaneTable, shift: Shift, cars: Vehicles, i: int, j: int, reach: float, margin: float) -> float:
    """How far a vehicle's front can go on its way before it touches the box of `j`; 1e9 if it does not within `reach`."""
    dx, dy = cars.x[j] - cars.x[i], cars.y[j] - cars.y[i]
    apart = (cars.length[i] + cars.length[j]) / 2.0
    if math.hypot(dx, dy) > reach + apart + 2.0 or dx * math.cos(cars.yaw[i]) + dy * math.sin(cars.yaw[i]) < -apart:
        return 1e9
    cj, sj = math.cos(cars.yaw[j]), math.sin(cars.yaw[j])
    wide = cars.width[i] / 2.0 + margin
    d, low, step = 0.0, 0.0, 1.0
    fine = False
    while d <= reach:
        lane, s = along(net, cars, i, cars.length[i] / 2.0 + d)
        x, y, yaw = place(net, shift, lane, s, cars.lat[i])
        dx, dy = x - cars.x[j], y - cars.y[j]
        across, beside = abs(math.sin(yaw - cars.yaw[j])), abs(math.cos(yaw - cars.yaw[j]))
        touch = abs(dx * cj + dy * sj) < cars.length[j] / 2.0 + wide * across and abs(dy * cj - dx * sj) < cars.width[j] / 2.0 + wide * beside
        if touch:
            if fine or d == 0.0:
                return d
            fine = True
            d, step = low, 0.2
            continue
        low = d
        d += step
    return 1e9


@compiled
def crossings(
    net: LaneTable, cars: Vehicles, i: int, until: float, room: float, block: I64, waits: I64, guarded: I64, cross_s: F64, danger: I64
) -> float:
    """Acceleration for the crossings ahead, and marks those whose walkers must not step out before this vehicle.

    Args:
        net: lanes.
        cars: vehicles.
        i: of the vehicle.
        until: distance from its front within which it may go at all (the stop line without a permit).
        room: distance from its front to where the leader's rear will stop.
        block: by band: walkers on it.
        waits: by band: walkers who wait to be let over.
        guarded: by crossing: it has a signal for walkers.
        cross_s: by crossing: time that walkers need.
        danger: by crossing, written: bits TRAFFIC and EGO.
    """
    half, v = cars.length[i] / 2.0, cars.v[i]
    mark = EGO if cars.role[i] == EGO else TRAFFIC
    wanted = 1e9
    lane, base = cars.lane[i], -cars.s[i]
    if cars.prev[i, 0] >= 0 and cars.s[i] < half + 6.0:
        lane, base = cars.prev[i, 0], -cars.s[i] - net.lanes.length[cars.prev[i, 0]]
    k = -1 if lane == cars.lane[i] else -2
    while True:
        for row in range(net.lanes.band_first[lane], net.lanes.band_first[lane + 1]):
            near = base + net.bands.s[row] - net.bands.half[row] - half  # of the crossing's edge, from the front
            far = base + net.bands.s[row] + net.bands.half[row] + half  # from the rear
            if far < -0.2 or near > min(until, 70.0):
                continue
            crossing = net.bands.crossing[row]
            d = near - BEFORE_CROSSING_M
            if near < 0.4:
                danger[crossing] |= mark
                if near < 0.05:
                    continue
            need = v * v / (2.0 * max(d, 0.05))
            soon = guarded[crossing] == 0 and v >= 3.0 and travel_time(near, v, v, 1.0) < cross_s[crossing] + 1.5
            if soon or (need > 2.2 and v > 0.5):
                danger[crossing] |= mark
            if cars.role[i] == EGO:
                continue
            asked = block[row] == 1 or (waits[row] == 1 and (need < 2.0 or v < 1.0))
            full = d > -0.5 and need < 2.5 and near + 2.0 * net.bands.half[row] + cars.length[i] + 0.5 > room
            if asked or full:
                wanted = min(wanted, stop_at(v, d))
        base += net.lanes.length[lane]
        k += 1
        if k < 0:
            lane = cars.lane[i]
            continue
        if k >= PATH or cars.path[i, k] < 0 or base > 80.0:
            break
        lane = cars.path[i, k]
    return wanted


@compiled
def accelerate(
    net: LaneTable,
    shift: Shift,
    gates: F64,
    cars: Vehicles,
    block: I64,
    waits: I64,
    guarded: I64,
    cross_s: F64,
    danger: I64,
) -> None:
    """Sets every vehicle's acceleration from where all are now. `gates` (m, 3): lane, arc length of a line, 1 if nobody may pass it now."""
    for i in range(len(cars.role)):
        if cars.role[i] == NONE or cars.lane[i] < 0:
            continue
        lane, line = cars.next_lane[i], cars.next_d[i]
        v = cars.v[i]
        if cars.role[i] == EGO:
            crossings(net, cars, i, 1e9, 1e9, block, waits, guarded, cross_s, danger)
            continue
        permitted = lane < 0 or cars.grant[i] == lane
        v0 = bends(net, cars, i)
        if cars.pace[i] >= 0.0:
            v0 = min(v0, cars.pace[i])
        wanted = follow(v, v0, cars.pull[i], cars.headway[i], 1e9, v)
        room = 1e9
        reach = min(15.0 + v * 2.0 + v * v / 4.0, 80.0)
        for j in range(len(cars.role)):
            if j == i or cars.role[j] == NONE:
                continue
            gap = 1e9
            if max(abs(cars.x[j] - cars.x[i]), abs(cars.y[j] - cars.y[i])) > reach + 12.0:
                continue
            if cars.role[j] == TRAFFIC:
                gap = gap_to(net, cars, i, j, reach)
                if (
                    gap < 1e8
                    and abs(cars.lat[i] - cars.lat[j]) > (cars.width[i] + cars.width[j]) / 2.0 + 0.5
                    and cars.bicycle[i] + cars.bicycle[j] == 1
                ):
                    gap = 1e9  # there is room beside the bicycle
            if gap > 1e8:
                ego = cars.role[j] == EGO
                gap = clear_ahead(net, shift, cars, i, j, reach if ego else min(reach, 15.0), 0.3 if ego else 0.1)
                v_leader = max(cars.v[j] * math.cos(cars.yaw[j] - cars.yaw[i]), 0.0)
            else:
                v_leader = cars.v[j]
            if gap < 1e8:
                wanted = min(wanted, follow(v, max(v0, 0.1), cars.pull[i], cars.headway[i], gap, v_leader))
                if gap < 1.0:
                    wanted = min(wanted, -2.0)
                room = min(room, gap + v_leader * v_leader / 5.0)
        if not permitted:
            wanted = min(wanted, stop_at(v, line))
        wanted = min(wanted, crossings(net, cars, i, 1e9 if permitted else line, room, block, waits, guarded, cross_s, danger))
        for gate in range(len(gates)):
            if gates[gate, 2] > 0.0:
                wanted = min(wanted, gated(net, cars, i, int(gates[gate, 0]), gates[gate, 1]))
        if cars.hold[i] == 1:
            wanted = min(wanted, -2.5)
        cars.a[i] = min(max(wanted, -HARDEST_MPS2), cars.pull[i])
        cars.brake[i] = 1 if cars.a[i] < -0.7 or (v < 0.1 and cars.a[i] <= 0.0) else 0


@compiled
def gated(net: LaneTable, cars: Vehicles, i: int, gate_lane: int, gate_s: float) -> float:
    """Acceleration for a closed line on a vehicle's way; 1e9 if it is past it, cannot stop any more or goes elsewhere."""
    base, lane = -cars.s[i], cars.lane[i]
    for k in range(3):
        if lane == gate_lane:
            d = base + gate_s - cars.length[i] / 2.0
            v = cars.v[i]
            if d < -0.6 or (v * v > 10.0 * max(d, 0.05) and v > 1.0):
                return 1e9
            return stop_at(v, d)
        base += net.lanes.length[lane]
        lane = cars.path[i, k]
        if lane < 0:
            return 1e9
    return 1e9
