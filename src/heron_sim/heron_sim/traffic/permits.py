"""Who may enter a junction. Vehicles of the traffic book their connector; nobody gets one that meets a booked one, so they cannot collide there."""

from __future__ import annotations

import math

from numba import njit

from heron_sim.traffic.lanes import LaneTable
from heron_sim.traffic.signals import GREEN, RED, SignalTable, lamp
from heron_sim.traffic.vehicles import EGO, NONE, PATH, TRAFFIC, Vehicles

COMFORT_MPS2 = 2.5  # firmer than this nobody brakes for yellow
GAP_S = 1.2  # between a yielding vehicle's leaving a conflict and the other's coming
EGO_GAP_S = 1.8  # the ego car's driver is not ours to know
PATIENCE_S = 3.0  # then who has waited longest goes first, where all wait for each other
URGENT_S = 20.0  # then the others let one in
EGO_PATIENCE_S = 5.0  # the ego car stands though it could go: do not wait for it for ever


@njit(cache=True)
def next_connector(net: LaneTable, cars: Vehicles, i: int) -> tuple[int, int, float]:
    """The next connector on a vehicle's way and its place in the path, and the distance from its front to the stop line; (-1, -1, far) if none."""
    lane, base = cars.lane[i], -cars.s[i]
    for k in range(PATH):
        following = cars.path[i, k]
        if following < 0:
            break
        if net.junction[following] >= 0:
            return following, k, base + net.stop[lane] - cars.length[i] / 2.0
        base += net.length[lane]
        lane = following
    return -1, -1, 1e9


@njit(cache=True)
def travel_time(d: float, v: float, top: float, pull: float) -> float:
    """Time to go `d` from speed `v`, speeding up to `top`."""
    if d <= 0.0:
        return 0.0
    top = max(top, v, 0.5)
    rising = (top - v) / pull
    reached = (v + top) / 2.0 * rising
    if reached >= d:
        return (math.sqrt(v * v + 2.0 * pull * d) - v) / pull
    return rising + (d - reached) / top


@njit(cache=True)
def rear_on(net: LaneTable, cars: Vehicles, j: int, lane: int) -> float:
    """Arc length of a vehicle's rear end on a lane that its middle is on or has just left; far if it has nothing to do with it."""
    half = cars.length[j] / 2.0
    if cars.lane[j] == lane:
        return cars.s[j] - half
    back = cars.s[j]
    for k in range(2):
        before = cars.prev[j, k]
        if before < 0:
            break
        back += net.length[before]
        if before == lane:
            return back - half
    return 1e9


@njit(cache=True)
def holds(net: LaneTable, cars: Vehicles, j: int, lane: int, until: float) -> bool:
    """Whether a vehicle has booked a connector, or is on it and its rear not yet past `until`."""
    return cars.grant[j] == lane or rear_on(net, cars, j, lane) < until + 0.4


@njit(cache=True)
def exit_free(net: LaneTable, cars: Vehicles, i: int, k: int) -> bool:
    """Whether behind the junction there is room for the whole vehicle, beyond the crossing at its end, when all who go there have stopped."""
    if k + 1 >= PATH or cars.path[i, k + 1] < 0:
        return True
    lane = cars.path[i, k + 1]
    need = cars.length[i] + 2.0
    for row in range(net.band_first[lane], net.band_first[lane + 1]):
        if net.band_s[row] < 12.0:
            need = max(need, net.band_s[row] + net.band_half[row] + cars.length[i] + 1.5)
    room = 1e9
    for j in range(len(cars.role)):
        if j == i or cars.role[j] == NONE or cars.lane[j] < 0:
            continue
        rear = rear_on(net, cars, j, lane)
        if rear < 1e8:
            room = min(room, rear + cars.v[j] * cars.v[j] / 5.0)
        elif net.junction[cars.lane[j]] >= 0:
            if cars.path[j, 0] == lane:
                need += cars.length[j] + 2.5
        elif cars.grant[j] >= 0 and ((cars.path[j, 0] == cars.grant[j] and cars.path[j, 1] == lane) or cars.path[j, 2] == lane):
            need += cars.length[j] + 2.5
    return need <= room


@njit(cache=True)
def commit_ego(net: LaneTable, signals: SignalTable, cars: Vehicles, i: int, time_s: float, dt: float) -> None:
    """Books the connector that the ego car can or will no longer stop before, and measures how long it stands before one that it could enter."""
    cars.grant[i] = -1
    if cars.lane[i] < 0:
        return
    lane, _, d = next_connector(net, cars, i)
    if lane < 0 or d > 60.0:
        cars.wait[i] = 0.0
        return
    red = net.signal[lane] >= 0 and lamp(signals, net.signal[lane], time_s)[0] == RED
    cars.blocked[i] = 1 if red else 0
    if d < -0.7 or (cars.v[i] > 0.8 and cars.v[i] * cars.v[i] > 2.0 * (5.0 if red else COMFORT_MPS2) * max(d, 0.05)):
        cars.grant[i] = lane
    cars.wait[i] = cars.wait[i] + dt if cars.v[i] < 0.3 and not red else 0.0


@njit(cache=True)
def rival(net: LaneTable, signals: SignalTable, cars: Vehicles, i: int, j: int, row: int, clear_s: float, time_s: float) -> bool:
    """Whether `i` must let `j` go first at the conflict `row` of its connector, though `j` has not booked yet."""
    lane, _, d = next_connector(net, cars, j)
    if lane != net.conflict_lane[row]:
        return False
    ego = cars.role[j] == EGO
    if cars.blocked[j] == 1 and not (ego and cars.v[j] > 3.0 and d < 12.0):
        return False
    if net.signal[lane] >= 0 and lamp(signals, net.signal[lane], time_s)[0] != GREEN:
        return False
    if net.conflict_yields[row] == 0:
        return False  # priority is ours; if it cannot stop any more it has booked
    if ego:
        if cars.v[j] < 0.3 and cars.wait[j] > EGO_PATIENCE_S and cars.wait[i] > EGO_PATIENCE_S:
            return False
        return travel_time(d, cars.v[j], 14.0, 2.0) < clear_s + EGO_GAP_S
    if cars.v[j] < 0.3 and cars.wait[i] > PATIENCE_S and (cars.wait[i] > cars.wait[j] or (cars.wait[i] == cars.wait[j] and i < j)):
        return False
    return travel_time(d, cars.v[j], net.allow[net.first[cars.lane[j]]] + 1.0, cars.pull[j]) < clear_s + GAP_S


@njit(cache=True)
def may_enter(net: LaneTable, signals: SignalTable, cars: Vehicles, i: int, lane: int, d: float, time_s: float) -> bool:
    """Whether nobody is or comes in the way on `lane`, which begins `d` ahead."""
    top = net.allow[net.first[lane] + net.cells[lane] // 2]
    for row in range(net.conflict_first[lane], net.conflict_first[lane + 1]):
        if net.conflict_fork[row] == 1:
            continue
        clear_s = travel_time(max(d, 0.0) + 2.0 + net.conflict_end[row] + cars.length[i], cars.v[i], max(top, 3.0), cars.pull[i])
        for j in range(len(cars.role)):
            if j == i or cars.role[j] == NONE or cars.lane[j] < 0:
                continue
            if holds(net, cars, j, net.conflict_lane[row], net.conflict_other_end[row]):
                return False
            if rival(net, signals, cars, i, j, row, clear_s, time_s):
                return False
            urgent = cars.wait[j] > URGENT_S and cars.role[j] == TRAFFIC and cars.blocked[j] == 0 and cars.wait[j] > cars.wait[i]
            if urgent and next_connector(net, cars, j)[0] == net.conflict_lane[row]:
                return False
    return True


@njit(cache=True)
def first_in_line(net: LaneTable, cars: Vehicles, i: int, d: float) -> bool:
    """Whether nobody without a permit is between a vehicle and its stop line."""
    for j in range(len(cars.role)):
        if j == i or cars.role[j] == NONE or cars.lane[j] != cars.lane[i] or cars.grant[j] >= 0:
            continue
        if 0.0 < cars.s[j] - cars.s[i] < d + 10.0:
            return False
    return True


@njit(cache=True)
def permit(net: LaneTable, signals: SignalTable, cars: Vehicles, time_s: float, dt: float) -> None:
    """Gives and takes back permits to enter junctions, in the order of rows."""
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
        if net.signal[lane] >= 0:
            state, left_s = lamp(signals, net.signal[lane], time_s)
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
