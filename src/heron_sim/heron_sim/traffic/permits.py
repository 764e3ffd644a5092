"""Who may enter a junction. Vehicles of the traffic book their connector; nobody gets one that meets a booked one, so they cannot collide there."""

from __future__ import annotations

import math

from heron_sim.drawing.compiled import compiled
from heron_sim.traffic.lanes import LaneTable
from heron_sim.traffic.signals import GREEN, RED, SignalTable, lamp
from heron_sim.traffic.vehicles import EGO, NONE, PATH, TRAFFIC, Vehicles

COMFORT_MPS2 = 2.5  # firmer than this nobody brakes for yellow
GAP_S = 1.2  # between a yielding vehicle's leaving a conflict and the other's coming
EGO_GAP_S = 1.8  # the ego car's driver is not ours to know
PATIENCE_S = 3.0  # then who has waited longest goes first, where all wait for each other
URGENT_S = 12.0  # then the others let one in
EGO_PATIENCE_S = 5.0  # the ego car stands though it could go: do not wait for it for ever


@compiled
def next_connector(net: LaneTable, cars: Vehicles, i: int) -> tuple[int, int, float]:
    """The next connector on a vehicle's way and its place in the path, and the distance from its front to the stop line; (-1, -1, far) if none."""
    lane, base = cars.lane[i], -cars.s[i]
    for k in range(PATH):
        following = cars.path[i, k]
        if following < 0:
            break
        if net.lanes.junction[following] >= 0:
            return following, k, base + net.lanes.stop[lane] - cars.length[i] / 2.0
        base += net.lanes.length[lane]
        lane = following
    return -1, -1, 1e9


@compiled
def travel_time(d: float, v: float, top: float, pull: float) -> float:
    """Time to go `d` from speed `v`, speeding up to `top`."""
    if d <= 0.0:
        return 0.0
    top = max(top, v, 0.5)
    rising = (top - v) / pull
    reached = (v + top) / 2.0 * rising
    if reached >= d:
        soon: float = (math.sqrt(v * v + 2.0 * pull * d) - v) / pull
        return soon
    late: float = rising + (d - reached) / top
    return late


@compiled
def rear_on(net: LaneTable, cars: Vehicles, j: int, lane: int) -> float:
    """Arc length of a vehicle's rear end on a lane that its middle is on or has just left; far if it has nothing to do with it."""
    half = cars.length[j] / 2.0
    if cars.lane[j] == lane:
        return float(cars.s[j] - half)
    back = cars.s[j]
    for k in range(2):
        before = cars.prev[j, k]
        if before < 0:
            break
        back += net.lanes.length[before]
        if before == lane:
            return float(back - half)
    return 1e9


@compiled
def holds(net: LaneTable, cars: Vehicles, j: int, lane: int, until: float) -> bool:
    """Whether a vehicle has booked a connector, or is on it and its rear not yet past `until`."""
    return cars.grant[j] == lane or rear_on(net, cars, j, lane) < until + 0.4


@compiled
def exit_free(net: LaneTable, cars: Vehicles, i: int, k: int) -> bool:
    """Whether behind the junction there is room for the whole vehicle, beyond the crossing at its end, when all who go there have stopped."""
    if k + 1 >= PATH or cars.path[i, k + 1] < 0:
        return True
    lane = cars.path[i, k + 1]
    need = cars.length[i] + 2.0
    for row in range(net.lanes.band_first[lane], net.lanes.band_first[lane + 1]):
        if net.bands.s[row] < 12.0:
            need = max(need, net.bands.s[row] + net.bands.half[row] + cars.length[i] + 1.5)
    room = 1e9
    for j in range(len(cars.role)):
        if j == i or cars.role[j] == NONE or cars.lane[j] < 0:
            continue
        rear = rear_on(net, cars, j, lane)
        if rear < 1e8:
            room = min(room, rear + cars.v[j] * cars.v[j] / 5.0)
        elif net.lanes.junction[cars.lane[j]] >= 0:
            if cars.path[j, 0] == lane:
                need += cars.length[j] + 2.5
        elif cars.grant[j] >= 0 and ((cars.path[j, 0] == cars.grant[j] and cars.path[j, 1] == lane) or cars.path[j, 2] == lane):
            need += cars.length[j] + 2.5
    return bool(need <= room)


@compiled
def commit_ego(net: LaneTable, signals: SignalTable, cars: Vehicles, i: int, time_s: float, dt: float) -> None:
    """Books the connector that the ego car can or will no longer stop before, and measures how long it stands before one that it could enter."""
    cars.grant[i] = -1
    if cars.lane[i] < 0:
        return
    lane, d = cars.next_lane[i], cars.next_d[i]
    if lane < 0 or d > 60.0:
        cars.wait[i] = 0.0
        return
    red = net.lanes.signal[lane] >= 0 and lamp(signals, net.lanes.signal[lane], time_s)[0] == RED
    cars.blocked[i] = 1 if red else 0
    if d < -0.7 or (cars.v[i] > 0.8 and cars.v[i] * cars.v[i] > 2.0 * (5.0 if red else COMFORT_MPS2) * max(d, 0.05)):
        cars.grant[i] = lane
    cars.wait[i] = cars.wait[i] + dt if cars.v[i] < 0.3 and not red else 0.0


@compiled
def rival(net: LaneTable, signals: SignalTable, cars: Vehicles, i: int, j: int, row: int, clear_s: float, time_s: float) -> bool:
    """Whether `i` must let `j` go first at the conflict `row` of its connector, though `j` has not booked yet."""
    lane, d = cars.next_lane[j], cars.next_d[j]
    if lane != net.conflicts.lane[row]:
        return False
    ego = cars.role[j] == EGO
    if cars.blocked[j] == 1 and not (ego and cars.v[j] > 3.0 and d < 12.0):
        return False
    if net.lanes.signal[lane] >= 0 and lamp(signals, net.lanes.signal[lane], time_s)[0] != GREEN:
        return False
    if net.conflicts.yields[row] == 0:
        return False  # priority is ours; if it cannot stop any more it has booked
    if ego:
        if cars.v[j] < 0.3 and cars.wait[j] > EGO_PATIENCE_S and cars.wait[i] > EGO_PATIENCE_S:
            return False
        return travel_time(d, cars.v[j], 14.0, 2.0) < clear_s + EGO_GAP_S
    if cars.v[j] < 0.3 and cars.wait[i] > PATIENCE_S and (cars.wait[i] > cars.wait[j] or (cars.wait[i] == cars.wait[j] and i < j)):
        return False
    if cars.wait[i] > URGENT_S:
        return False  # who has not booked yet will let it in
    top = min(net.cells.allow[net.lanes.first[cars.lane[j]]] + 1.0, cars.top[j])
    return travel_time(d, cars.v[j], top, cars.pull[j]) < clear_s + GAP_S


@compiled
def may_enter(net: LaneTable, signals: SignalTable, cars: Vehicles, i: int, lane: int, d: float, time_s: float) -> bool:
    """Whether nobody is or comes in the way on `lane`, which begins `d` ahead."""
    top = net.cells.allow[net.lanes.first[lane] + net.lanes.count[lane] // 2]
    for row in range(net.lanes.conflict_first[lane], net.lanes.conflict_first[lane + 1]):
        if net.conflicts.fork[row] == 1:
            continue
        clear_s = travel_time(max(d, 0.0) + 2.0 + net.conflicts.end[row] + cars.length[i], cars.v[i], max(top, 3.0), cars.pull[i])
        for j in range(len(cars.role)):
            if j == i or cars.role[j] == NONE or cars.lane[j] < 0:
                continue
            if holds(net, cars, j, net.conflicts.lane[row], net.conflicts.other_end[row]):
                return False
            if rival(net, signals, cars, i, j, row, clear_s, time_s):
                return False
            urgent = cars.wait[j] > URGENT_S and cars.role[j] == TRAFFIC and cars.blocked[j] == 0 and cars.wait[j] > cars.wait[i]
            if urgent and cars.next_lane[j] == net.conflicts.lane[row]:
                return False
    return True


@compiled
def first_in_line(net: LaneTable, cars: Vehicles, i: int, d: float) -> bool:
    """Whether nobody without a permit is between a vehicle and its stop line."""
    for j in range(len(cars.role)):
        if j == i or cars.role[j] == NONE or cars.lane[j] != cars.lane[i] or cars.grant[j] >= 0:
            continue
        if 0.0 < cars.s[j] - cars.s[i] < d + 10.0:
            return False
    return True


@compiled
def permit(net: LaneTable, signals: SignalTable, cars: Vehicles, time_s: float, dt: float) -> None:
    """Gives and takes back permits to enter junctions, in the order of rows."""
    for i in range(len(cars.role)):
        cars.next_lane[i] = -1
        if cars.role[i] != NONE and cars.lane[i] >= 0:
            cars.next_lane[i], _, cars.next_d[i] = next_connector(net, cars, i)
    for i in range(len(cars.role)):
        if cars.role[i] == EGO:
            commit_ego(net, signals, cars, i, time_s, dt)
    for i in range(len(cars.role)):
        if cars.role[i] != TRAFFIC:
            continue
        lane, k, d = next_connector(net, cars, i)
        v = cars.v[i]
        if lane < 0 or d > v * v / 4.0 + 1.2 * v + 8.0:
            cars.wait[i] = 0.0
            cars.blocked[i] = 0
            continue
        state, left_s = GREEN, 1e9
        if net.lanes.signal[lane] >= 0:
            state, left_s = lamp(signals, net.lanes.signal[lane], time_s)
        if cars.grant[i] == lane:
            if state != GREEN and d > 0.0:
                need = v * v / (2.0 * max(d, 0.05))
                if need < COMFORT_MPS2 or (travel_time(d, v, v, 1.0) > left_s - 0.1 and need < 6.0):
                    cars.grant[i] = -1
            continue
        if d < -1.0:
            cars.grant[i] = lane  # it stands beyond the line (placed there): only out
            continue
        red = state != GREEN
        cars.blocked[i] = 1 if red or not exit_free(net, cars, i, k) else 0
        if cars.blocked[i] == 0 and first_in_line(net, cars, i, d) and may_enter(net, signals, cars, i, lane, d, time_s):
            cars.grant[i] = lane
            cars.wait[i] = 0.0
        elif v < 0.3 and not red:
            cars.wait[i] += dt
        elif red:
            cars.wait[i] = 0.0
