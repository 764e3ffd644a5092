"""What a scenario has others do: a lead car that stops, a car that cuts in, a pedestrian who steps out as the ego car comes."""

from __future__ import annotations

from heron_core.errors import InputError
from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.route import Route
from heron_sim.traffic.lanes import LaneTable
from heron_sim.traffic.pedestrians import WAIT, Walkers, WayTable
from heron_sim.traffic.spawn import Spawner
from heron_sim.traffic.vehicles import PATH, TRAFFIC, Vehicles

LEAD_AT_M = 32.0
LEAD_STANDS_S = 7.0
STEPS_OUT_S = 4.2  # before the ego car would be there
CALM_MPS2 = 2.2  # if it brakes like this it still stops before the crossing
CUT_IN_AT_M = 24.0  # from the middle of the ego car to the middle of the one that cuts in
CUT_IN_LEAD_S = 4.0


class LeadCar:
    """Starts ahead of the ego car on its route; brakes to a halt at `stops_s`, for a while."""

    def __init__(self, cars: Vehicles, i: int, spawner: Spawner, route: Route, stops_s: float | None) -> None:
        """Puts row `i` on the route.

        Raises:
            InputError: no room.
        """
        self._cars, self._row, self._stops_s = cars, i, stops_s
        for at in (LEAD_AT_M, LEAD_AT_M + 4.0, LEAD_AT_M + 8.0, LEAD_AT_M - 4.0):
            lane, s = route.lane_at(at)
            if at < route.line.length_m - 10.0 and spawner.put(cars, i, lane, s, (route.line.at(at).x, route.line.at(at).y), (-1.0, 5.0)):
                break
        else:
            raise InputError(f"no room for the lead car: the route needs a free lane {LEAD_AT_M:g} m after its start")
        index = route.lanes.index(lane)
        following = route.lanes[index + 1 : index + 1 + PATH]
        cars.path[i, :] = -1
        cars.path[i, : len(following)] = following
        cars.v[i] = min(float(cars.v[i]), 5.0)
        spawner.extend(cars, i)

    def step(self, time_s: float) -> None:
        """Brakes when it is time."""
        stops = self._stops_s
        if stops is not None and self._cars.role[self._row] == TRAFFIC:
            self._cars.hold[self._row] = 1 if stops <= time_s < stops + LEAD_STANDS_S else 0


class StepsOut:
    """A pedestrian at the crossing nearest to an arc length of the route, who steps out as the ego car comes."""

    def __init__(self, walkers: Walkers, i: int, spawner: Spawner, network: RoadNetwork, ways: WayTable, route: Route, at_m: float) -> None:
        """Puts walker `i` at the kerb.

        Raises:
            InputError: no crossing on the route.
        """
        self._walkers, self._row = walkers, i
        on_route = [
            (start - offset + s, crossing.id, crossing.width_m, crossing.signal is not None)
            for lane, start, offset in zip(route.lanes, route.starts_m, route.offsets_m or (0.0,) * len(route.lanes), strict=True)
            for crossing in network.crossings
            for other, s in crossing.lanes
            if other == lane and 15.0 < start - offset + s < route.line.length_m
        ]
        if not on_route:
            raise InputError(f"no crossing on the {route.line.length_m:.0f} m of the route for the pedestrian at {at_m:g} m")
        guarded = 60.0  # rather walk to a crossing without a signal that is this much further
        self.crossing_m, crossing, width, _ = min(on_route, key=lambda found: (abs(found[0] - at_m) + guarded * found[3], found[0]))
        self._before_m = self.crossing_m - width / 2.0 - 1.0
        way = next(k for k in range(len(ways.edges.length)) if ways.edges.crossing[k] == crossing)
        place, middle = route.line.at(self.crossing_m), network.crossings[crossing].line
        ahead = 1 if middle.nearest(place.x, place.y)[0] < middle.length_m / 2.0 else -1  # from the ego car's side of the road
        spawner.place_walker(walkers, i, way, 0.0 if ahead > 0 else float(ways.edges.length[way]), ahead)
        walkers.mode[i], walkers.script[i] = WAIT, 1

    def step(self, front_m: float, speed_mps: float) -> None:
        """Sends it when the ego car's front at `front_m` of the route is so far that it can stop, and soon there."""
        d = self._before_m - front_m
        if (
            self._walkers.script[self._row] == 1
            and speed_mps > 1.0
            and d < STEPS_OUT_S * speed_mps + 3.0
            and d > speed_mps**2 / (2.0 * CALM_MPS2) + 1.0
        ):
            self._walkers.script[self._row] = 2
        elif self._walkers.script[self._row] == 1 and d < -8.0:
            self._walkers.script[self._row] = 0


class CutIn:
    """A car on a neighbour lane, a little ahead of the ego car, that moves over in front of it."""

    def __init__(self, cars: Vehicles, i: int, spawner: Spawner, network: RoadNetwork, net: LaneTable, route: Route, at_s: float) -> None:
        """Row `i` is kept for it.

        Raises:
            InputError: the route has no road with two lanes in its direction.
        """
        self._cars, self._row, self._spawner, self._network, self._net, self._at_s = cars, i, spawner, network, net, at_s
        self._done = False
        self.lane_of = {lane: self._neighbour(lane) for lane in route.lanes if network.lanes[lane].junction is None}
        if not any(other is not None for other in self.lane_of.values()):
            raise InputError(f"no road with two lanes in one direction on the {route.line.length_m:.0f} m of the route for a car to cut in")

    def _neighbour(self, lane: int) -> int | None:
        found = self._network.lanes[lane].right
        return found if found is not None else self._network.lanes[lane].left

    def step(self, time_s: float, ego: int) -> None:
        """Brings the car beside the ego car, and moves it over when it is time and there is room."""
        cars, i = self._cars, self._row
        if self._done or cars.lane[ego] < 0:
            return
        lane = int(cars.lane[ego])
        other = self.lane_of.get(lane)
        if cars.role[i] != TRAFFIC:
            self._appear(time_s, lane, other, ego)
            return
        if other is None or cars.lane[i] != other:
            cars.pace[i] = max(float(cars.v[ego]), 4.0) if other is not None else -1.0
            return
        ahead = self._beside(lane, int(cars.lane[i]), float(cars.s[i])) - float(cars.s[ego])
        cars.pace[i] = max(float(cars.v[ego]) + 0.4 * (CUT_IN_AT_M - 8.0 - ahead), 2.0)
        if time_s >= self._at_s and ahead > 11.0 and self._net.lanes.stop[lane] - cars.s[i] > 35.0 and self._free(lane, ahead, ego):
            place = self._network.lanes[lane].line.nearest(float(cars.x[i]), float(cars.y[i]))
            cars.lane[i], cars.s[i], cars.lat[i] = lane, place[0], place[1]
            cars.path[i, :], cars.prev[i, :] = -1, -1
            cars.grant[i], cars.pace[i] = -1, -1.0
            self._spawner.extend(cars, i)
            self._done = True

    def _appear(self, time_s: float, lane: int, other: int | None, ego: int) -> None:
        if other is None or time_s < self._at_s - CUT_IN_LEAD_S:
            return
        cars = self._cars
        s = self._beside(other, lane, float(cars.s[ego])) + CUT_IN_AT_M
        if s < self._net.lanes.stop[other] - 40.0:
            place = self._network.lanes[other].line.at(s)
            if self._spawner.put(cars, self._row, other, s, (place.x, place.y), (-1.0, 1.0)):
                cars.v[self._row] = max(float(cars.v[ego]), 3.0)

    def _beside(self, lane: int, from_lane: int, s_m: float) -> float:
        place = self._network.lanes[from_lane].line.at(s_m)
        return self._network.lanes[lane].line.nearest(place.x, place.y)[0]

    def _free(self, lane: int, ahead: float, ego: int) -> bool:
        cars = self._cars
        for j in range(len(cars.role)):
            other = j not in (ego, self._row) and cars.role[j] == TRAFFIC and cars.lane[j] == lane
            if other and -2.0 < cars.s[j] - cars.s[ego] < ahead + 14.0:
                return False
        return True
