"""Overtaking bicycles: within the lane and a little beyond it, only where nobody comes; and the indicators."""

from __future__ import annotations

from heron_sim.drawing.compiled import compiled
from heron_sim.traffic.lanes import LaneTable
from heron_sim.traffic.permits import next_connector
from heron_sim.traffic.vehicles import NONE, PATH, TRAFFIC, Shift, Vehicles

ROOM_M = 1.0  # between mirrors and the bicycle
FASTER_MPS = 1.5
INDICATE_M = 35.0


@compiled
def lane_beside_free(net: LaneTable, cars: Vehicles, i: int, behind: float, ahead: float, seconds: float) -> bool:
    """Whether nobody is, or will come, on the lane beside from `behind` to `ahead` of vehicle `i` within `seconds`."""
    lane = cars.lane[i]
    beside = net.lanes.beside[lane]
    if beside < 0:
        return False
    share = cars.s[i] / net.lanes.length[lane]
    here = share * net.lanes.length[beside] if net.lanes.beside_same[lane] == 1 else (1.0 - share) * net.lanes.length[beside]
    for j in range(len(cars.role)):
        if j == i or cars.role[j] == NONE or cars.lane[j] < 0:
            continue
        at, base = cars.lane[j], -cars.s[j]
        for k in range(3):
            if at == beside:
                d = base + here  # that j has to go until it is beside i
                if net.lanes.beside_same[lane] == 1:
                    if -ahead < d < behind + 6.0 * seconds and (d > -behind - 5.0 or cars.v[j] < cars.v[i] + 3.0):
                        return False
                elif -behind < d < ahead + max(cars.v[j], 6.0) * seconds + 12.0:
                    return False
            base += net.lanes.length[at]
            at = cars.path[j, k]
            if at < 0:
                break
    return True


@compiled
def overtake(net: LaneTable, cars: Vehicles, i: int, inner: int, shift: Shift) -> None:
    """Decides where in its lane a car wants to be. `inner`: 1 if the middle of the road is on the left."""
    lane = cars.lane[i]
    ahead, beside = -1, False
    nearest = 45.0
    for j in range(len(cars.role)):
        if cars.role[j] == TRAFFIC and cars.bicycle[j] == 1 and cars.lane[j] == lane:
            d = cars.s[j] - cars.s[i]
            if -(cars.length[i] + cars.length[j]) / 2.0 - 4.0 < d:
                if d < (cars.length[i] + cars.length[j]) / 2.0 + 1.0:
                    beside = True
                    nearest, ahead = 0.0, j
                elif d < nearest:
                    nearest, ahead = d, j
    slow = cars.v[ahead] if ahead >= 0 else 0.0
    close = beside or nearest - (cars.length[i] + cars.length[ahead]) / 2.0 < 3.0 + 1.5 * max(cars.v[i] - slow, 0.0)
    if cars.passing[i] == 1 and ahead >= 0 and close:
        return
    if ahead < 0 or net.lanes.junction[lane] >= 0 or lane in (shift.lane, shift.beside):
        cars.passing[i] = 0
        cars.lat_goal[i] = 0.0
        return
    k = net.lanes.first[lane] + min(int(max(cars.s[i], 0.0) / net.lanes.step[lane]), net.lanes.count[lane] - 1)
    wished = min(net.cells.allow[k] * cars.factor[i], cars.top[i])
    way = nearest + (cars.length[i] + cars.length[ahead]) / 2.0 + 6.0
    seconds = way / max(wished - slow, 0.5) + 1.0
    needs = way + slow * seconds
    safe = wished > slow + FASTER_MPS and cars.s[i] + needs < net.lanes.stop[lane] - 12.0
    for row in range(net.lanes.band_first[lane], net.lanes.band_first[lane + 1]):
        if -5.0 < net.bands.s[row] - cars.s[i] < needs + 15.0:
            safe = False
    if safe and lane_beside_free(net, cars, i, 12.0, needs, seconds):
        cars.passing[i] = 1
        aside = (cars.width[i] + cars.width[ahead]) / 2.0 + ROOM_M - abs(cars.lat[ahead])
        cars.lat_goal[i] = inner * max(aside, 0.0)
    else:
        cars.passing[i] = 0
        cars.lat_goal[i] = 0.0


@compiled
def steer_aside(net: LaneTable, cars: Vehicles, inner: int, shift: Shift) -> None:
    """Sets the wished offsets and the indicators of all vehicles of the traffic."""
    for i in range(len(cars.role)):
        if cars.role[i] != TRAFFIC:
            continue
        if cars.bicycle[i] == 0:
            overtake(net, cars, i, inner, shift)
        elif net.lanes.junction[cars.lane[i]] < 0:
            edge = 0.0 if cars.lane[i] == shift.lane else max(net.lanes.width[cars.lane[i]] / 2.0 - 0.35, 0.0)
            cars.lat_goal[i] = -inner * edge
        cars.indicator[i] = 0
        if net.lanes.junction[cars.lane[i]] >= 0:
            cars.indicator[i] = net.lanes.turn[cars.lane[i]]
        else:
            connector, k, d = next_connector(net, cars, i)
            if connector >= 0 and k < PATH and d < INDICATE_M:
                cars.indicator[i] = net.lanes.turn[connector]
        if cars.indicator[i] == 0 and abs(cars.lat_goal[i] - cars.lat[i]) > 0.3 and cars.bicycle[i] == 0:
            cars.indicator[i] = 1 if cars.lat_goal[i] > cars.lat[i] else -1
