"""Room for what stands in or beside the lane: how far to the side of the route's line the expert drives, and how slowly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_sim.driving.expert_actors import Seen
from heron_sim.driving.expert_path import LOOK_AHEAD_M, PathAhead
from heron_sim.driving.expert_route import GRID_M, SLOW_DOWN_MPS2, RouteMap
from heron_sim.driving.explain import Reason
from heron_sim.roads.town import PARKED_M, Town
from heron_sim.truth import Actor, ActorKind, EgoTruth, Truth

F64 = NDArray[np.float64]

ROOM_M, WORK_ROOM_M, GUIDE_ROOM_M = 0.55, 0.6, 0.9  # at the car's side
ALONG_M = 1.5  # before and behind what is passed
SHIFT_M = 16.0  # over which the car moves to the side
WORK_MPS = 5.6
KERB_SIDE_M, OTHER_SIDE_M = 0.55, 4.2  # furthest from the line: towards the kerb, and over the middle of the road
SAID_M = 0.35
CYCLIST_ROOM_M, OVERTAKE_M = 0.95, 32.0  # at the side; from there on overtaking is thought of
FASTER_MPS, SLOWEST_MPS, CLEAR_M, COMMITTED_M = 1.5, 1.0, 6.0, 4.0
BEHIND_M = 14.0


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something to pass: arc lengths on the route, its edges left of the route's line, room it needs, of a work zone, a cyclist."""

    begin_m: float
    end_m: float
    right_m: float
    left_m: float
    room_m: float
    work: bool
    rides: bool = False


class Aside:
    """Knows what stands for good; is told who else is there.

    Attributes:
        passing: what the car passes now, or None.
    """

    def __init__(self, route: RouteMap, town: Town) -> None:
        self._route = route
        self._kerb_left = town.network.left_hand
        self._parked = []
        for car in town.parked:
            found = self._obstacle(car.x_m, car.y_m, car.yaw_rad, *PARKED_M, ROOM_M, False)
            if found is not None:
                self._parked.append(found)
        self.passing: Reason | None = None
        self._work: list[tuple[float, float]] = []
        self._overtakes = -1

    def update(self, truth: Truth, path: PathAhead, seen: Sequence[Seen]) -> F64 | None:
        """(n,) wished place left of the line at each sample of the route; None: on it everywhere near.

        Args:
            truth: of now.
            path: the way along the middle of the lanes.
            seen: all others along it.
        """
        ego, here = truth.ego, float(path.s_m[0])
        obstacles = [each for each in self._parked if here - BEHIND_M < each.end_m and each.begin_m < here + LOOK_AHEAD_M]
        for actor in truth.actors:
            if actor.kind in (ActorKind.CONE, ActorKind.BARRIER, ActorKind.GUIDE):
                found = self._of(actor, here)
                if found is not None:
                    obstacles.append(found)
        cyclist = self._cyclist(ego, seen, here)
        if cyclist is not None:
            obstacles.append(cyclist)
        self._work = [(each.begin_m - ego.front_m, each.end_m + ego.rear_m) for each in obstacles if each.work]
        self.passing = None
        half = ego.half_width_m
        needed = [each for each in obstacles if each.work or (each.right_m - each.room_m < half and each.left_m + each.room_m > -half)]
        if not needed:
            return None
        wished = self._profile(needed, ego)
        now = float(np.interp(here + ego.front_m / 2.0, self._route.s_m, wished))
        if abs(now) > SAID_M:
            at_work = self._work and self._work[0][0] - SHIFT_M < here
            self.passing = Reason.PASS_WORK if at_work else Reason.PASS_CYCLIST if cyclist is not None else Reason.PASS_OBSTACLE
        return wished

    def limit(self, path: PathAhead) -> F64:
        """(n,) speed limit along the way from what is passed."""
        if not self._work:
            return np.full(len(path.s_m), math.inf)
        begin, end = min(each[0] for each in self._work), max(each[1] for each in self._work)
        before = np.maximum(begin - path.s_m, 0.0)
        speed: F64 = np.sqrt(WORK_MPS**2 + 2.0 * SLOW_DOWN_MPS2 * before)
        return np.where(path.s_m > end, math.inf, speed)

    def _cyclist(self, ego: EgoTruth, seen: Sequence[Seen], here_m: float) -> Obstacle | None:
        """The cyclist to overtake, as something that reaches as far as it will have gone by then; None: stay behind."""
        kerb = 1.0 if self._kerb_left else -1.0
        along = [each for each in seen if each.actor.kind is ActorKind.BICYCLE and each.along_mps > 0.5 and abs(each.side_m) < 4.0]
        before = self._overtakes
        self._overtakes = -1
        for each in sorted(along, key=lambda one: one.near_m):
            if each.far_m < -BEHIND_M or each.near_m > OVERTAKE_M:
                continue
            actor = each.actor  # its place beside the route, not beside the way, which begins where the car is
            seat = self._obstacle(actor.x_m, actor.y_m, actor.yaw_rad, actor.length_m, actor.width_m, 0.0, False, here_m + each.near_m)
            if seat is None or not 0.4 < kerb * (seat.left_m + seat.right_m) / 2.0 < 2.4:
                continue
            rides = max(actor.speed_mps, 0.5)
            speed = min(float(np.interp(here_m + max(each.near_m, 0.0), self._route.s_m, self._route.limit_mps)), ego.speed_mps + 3.0)
            passed = each.far_m < -ego.rear_m
            seconds = max(each.far_m + ego.rear_m + CLEAR_M, 0.0) / max(speed - rides, 1.0)
            begun = each.actor.id == before and (each.near_m < ego.front_m + COMMITTED_M or passed)
            steady = each.actor.speed_mps > SLOWEST_MPS and each.along_mps > 0.9 * each.actor.speed_mps
            if not begun and (passed or not steady or speed < rides + FASTER_MPS or not self._room(ego, seen, here_m, speed * seconds, seconds)):
                continue
            self._overtakes = each.actor.id
            reach = 0.0 if passed else rides * seconds
            meets_m = rides * max(each.near_m - ego.front_m, 0.0) / max(speed - rides, 1.0)  # until then it rides on: a place that stays
            return Obstacle(seat.begin_m + meets_m, seat.end_m + reach, seat.right_m, seat.left_m, CYCLIST_ROOM_M, False, True)
        return None

    def _room(self, ego: EgoTruth, seen: Sequence[Seen], here_m: float, way_m: float, seconds: float) -> bool:
        """Nothing stands against being beside the lane's middle for the next `way_m`: no junction, no crossing, nobody who comes or stands there."""
        end = here_m + ego.front_m + way_m + CLEAR_M
        if any(here_m - CLEAR_M < gate.stop_m < end or here_m < gate.end_m < end for gate in self._route.gates):
            return False
        if any(here_m < walk.at_m < end for walk in self._route.walks):
            return False
        for each in seen:
            if each.actor.kind in (ActorKind.BICYCLE, ActorKind.PEDESTRIAN) or abs(each.side_m) > 5.5:
                continue
            if each.along_mps < -0.3 and -5.0 < each.near_m < way_m + seconds * -each.along_mps + 2.0 * CLEAR_M:
                return False
            if abs(each.side_m) < 2.0 and each.along_mps > -0.3 and 0.0 < each.near_m + each.along_mps * seconds < way_m + CLEAR_M + 10.0:
                return False
        return True

    def _of(self, actor: Actor, here_m: float) -> Obstacle | None:
        if abs(actor.x_m - float(np.interp(here_m, self._route.s_m, self._route.x_m))) > LOOK_AHEAD_M:
            return None
        work = actor.kind is not ActorKind.GUIDE
        room = WORK_ROOM_M if work else GUIDE_ROOM_M
        found = self._obstacle(actor.x_m, actor.y_m, actor.yaw_rad, actor.length_m, actor.width_m, room, work, here_m + 40.0)
        return found if found is not None and found.end_m > here_m - BEHIND_M else None

    def _obstacle(
        self, x_m: float, y_m: float, yaw_rad: float, length_m: float, width_m: float, room_m: float, work: bool, near_m: float | None = None
    ) -> Obstacle | None:
        s_m, left_m = self._route.route.line.nearest(x_m, y_m, near_m, 60.0)
        if abs(left_m) > 7.0:
            return None
        turned = yaw_rad - self._route.route.line.at(s_m).yaw
        c, s = abs(math.cos(turned)), abs(math.sin(turned))
        along, side = (c * length_m + s * width_m) / 2.0, (s * length_m + c * width_m) / 2.0
        return Obstacle(s_m - along, s_m + along, left_m - side, left_m + side, room_m, work)

    def _profile(self, obstacles: list[Obstacle], ego: EgoTruth) -> F64:
        """A smooth line around all of them: each is passed on the side where that takes less, work always on the side away from the kerb."""
        grid = self._route.s_m
        wished = np.zeros(len(grid))
        to_left_max, to_right_max = (KERB_SIDE_M, OTHER_SIDE_M) if self._kerb_left else (OTHER_SIDE_M, KERB_SIDE_M)
        spread = SHIFT_M / 2.0
        for each in obstacles:
            on_right = each.right_m - ego.half_width_m - each.room_m  # negative: so far to the right
            on_left = each.left_m + ego.half_width_m + each.room_m
            right = self._kerb_left if each.work or each.rides else -on_right <= on_left
            place = max(on_right, -to_right_max) if right else min(on_left, to_left_max)
            begin, end = each.begin_m - ego.front_m - ALONG_M - spread, each.end_m + ego.rear_m + ALONG_M + spread
            low, high = np.searchsorted(grid, [begin, end])
            part = wished[low:high]
            part[...] = np.minimum(part, place) if right else np.maximum(part, place)
        window = np.ones(int(spread / GRID_M)) / int(spread / GRID_M)
        smooth = np.convolve(np.convolve(wished, window, "same"), window, "same")
        return smooth
