"""Rules of the road that a car can break: red lights, a traffic guide's stop, walkers on a crossing.

A driver who could not have stopped is excused: a guide who raises the flag, or a walker who steps out, nearer than `stopping_m` breaks no rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from heron_core.se2 import wrap_angle
from heron_sim.roads.network import Crossing, Lamp, RoadNetwork
from heron_sim.roads.route import Route
from heron_sim.truth import ActorKind, GuideSign, Truth

FRONT_AXLE_M = 0.9  # behind the front bumper: a nose over the line has run no light yet
REACTION_S, BRAKING_MPS2 = 1.0, 3.0
GUIDE_REACH_M = 9.0  # a guide stands at most this far beside the route
WALKER_AHEAD_M = 3.0  # two seconds of walking
SLOW_MPS = 0.5
LOOK_M = 70.0


def stopping_m(speed_mps: float) -> float:
    """Way that a driver needs to stop without haste."""
    return max(speed_mps, 0.0) * REACTION_S + max(speed_mps, 0.0) ** 2 / (2.0 * BRAKING_MPS2)


def lamp_of(network: RoadNetwork, truth: Truth, group: int) -> Lamp:
    """What a signal group shows: as the truth says, else by the network's own plan."""
    found = truth.lamps.get(group)
    return found if found is not None else network.lamp(group, truth.time_s)


@dataclass(frozen=True)
class _StopLine:
    lane: int
    x_m: float
    y_m: float
    yaw_rad: float
    half_width_m: float
    groups: dict[int, int]  # connector → signal group

    def ahead(self, x_m: float, y_m: float) -> tuple[float, float]:
        """How far a place is beyond the line, and to the left of the lane's middle."""
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        dx, dy = x_m - self.x_m, y_m - self.y_m
        return c * dx + s * dy, c * dy - s * dx


class RedLights:
    """A light is run when the front bumper crosses the stop line at red and the front axle follows before the light changes."""

    def __init__(self, network: RoadNetwork, route: Route) -> None:
        """Precomputes the stop lines of lanes with signals."""
        self._network = network
        self._next: dict[int, set[int]] = {}
        for lane, following in zip(route.lanes, route.lanes[1:], strict=False):
            self._next.setdefault(lane, set()).add(following)
        self._lines = tuple(_stop_lines(network))
        self._before: dict[int, float] = {}
        self._armed: set[int] = set()

    def observe(self, truth: Truth) -> list[str]:
        """One moment, in order of time → what was run, for people."""
        ego, run = truth.ego, []
        x, y = ego.x_m + ego.front_m * math.cos(ego.yaw_rad), ego.y_m + ego.front_m * math.sin(ego.yaw_rad)
        seen: dict[int, float] = {}
        for i, line in enumerate(self._lines):
            if abs(line.x_m - x) > 15.0 or abs(line.y_m - y) > 15.0:
                continue
            ahead, left = line.ahead(x, y)
            if abs(left) > line.half_width_m or abs(wrap_angle(ego.yaw_rad - line.yaw_rad)) > math.pi / 2.0:
                continue
            seen[i] = ahead
            red = self._red(truth, line)
            if not red or ahead < 0.0:
                self._armed.discard(i)
            elif self._before.get(i, ahead) < 0.0:
                self._armed.add(i)
            if i in self._armed and ahead >= FRONT_AXLE_M:
                self._armed.discard(i)
                run.append(f"ran the red light of lane {line.lane}")
        self._before = seen
        return run

    def _red(self, truth: Truth, line: _StopLine) -> bool:
        """Whether it is red for where the route goes; beside the route: for wherever the car may go."""
        wanted = self._next.get(line.lane, set())
        groups = [group for connector, group in line.groups.items() if connector in wanted] or list(line.groups.values())
        return all(lamp_of(self._network, truth, group) is Lamp.RED for group in groups)


def _stop_lines(network: RoadNetwork) -> list[_StopLine]:
    lines = []
    for lane in network.lanes:
        groups = {each: network.lanes[each].signal for each in lane.successors if network.lanes[each].signal is not None}
        if groups:
            at = lane.line.at(lane.line.length_m if lane.stop_s_m is None else lane.stop_s_m)
            lines.append(_StopLine(lane.id, at.x, at.y, at.yaw, 0.5 * lane.width_m, {k: v for k, v in groups.items() if v is not None}))
    return lines


class GuideSigns:
    """A guide is disobeyed when the front bumper passes him while he shows stop.

    Attributes:
        ahead_m: from the front bumper to the nearest one ahead who shows stop; infinite when there is none.
    """

    def __init__(self, route: Route) -> None:
        """Along a route."""
        self._route = route
        self._places: dict[int, tuple[float, float, float, float]] = {}  # guide → x, y, place on the route, left of it
        self._stops: dict[int, bool] = {}  # guide who shows stop → the driver is excused
        self._before_m: float | None = None
        self.ahead_m = math.inf

    def observe(self, truth: Truth, s_m: float) -> list[str]:
        """One moment; `s_m`: base_link on the route → what was disobeyed, for people."""
        front_m, before_m, run = s_m + truth.ego.front_m, self._before_m, []
        self._before_m, self.ahead_m = front_m, math.inf
        for actor in truth.actors:
            if actor.kind is not ActorKind.GUIDE:
                continue
            if actor.sign is not GuideSign.STOP:
                self._stops.pop(actor.id, None)
                continue
            at_m, left_m, against = self._place(actor.id, actor.x_m, actor.y_m, actor.yaw_rad)
            if abs(left_m) > GUIDE_REACH_M or not against:
                continue
            if at_m > front_m:
                self.ahead_m = min(self.ahead_m, at_m - front_m)
            excused = self._stops.setdefault(actor.id, at_m - front_m < stopping_m(truth.ego.speed_mps))
            if before_m is not None and before_m < at_m <= front_m and not excused:
                run.append(f"passed guide {actor.id} at his stop sign")
        return run

    def _place(self, guide: int, x_m: float, y_m: float, yaw_rad: float) -> tuple[float, float, bool]:
        """Where he stands on the route, to its left, and whether he faces those who come along it."""
        known = self._places.get(guide)
        if known is None or math.hypot(known[0] - x_m, known[1] - y_m) > 0.2:
            known = self._places[guide] = (x_m, y_m, *self._route.line.nearest(x_m, y_m))
        _, _, at_m, left_m = known
        return at_m, left_m, abs(wrap_angle(yaw_rad - self._route.line.at(at_m).yaw)) > math.pi / 2.0


@dataclass(frozen=True)
class _Strip:
    """Where the route goes over a crossing: arc length of its middle, half its width, place on the walkers' line, half of the lane."""

    crossing: Crossing
    at_m: float
    half_m: float
    place_m: float
    lane_half_m: float


class Crossings:
    """A walker was not yielded to when the car drives onto a crossing while he is in its lane or within two seconds of it.

    Walkers who stepped out at their own red light have no right to it, and those who stepped out too near to the car could not be seen in time.
    """

    def __init__(self, network: RoadNetwork, route: Route) -> None:
        """Precomputes where the route crosses walkers' ways."""
        self._network = network
        self._strips = tuple(_strips(network, route))
        self._entitled: dict[tuple[int, int], bool] = {}  # (crossing, walker) on the carriageway → the car must yield
        self._done: set[tuple[int, int]] = set()
        self._before_m: float | None = None

    def observe(self, truth: Truth, s_m: float) -> list[str]:
        """One moment; `s_m`: base_link on the route → what was done wrong, for people."""
        front_m, before_m, wrong = s_m + truth.ego.front_m, self._before_m, []
        self._before_m = front_m
        for strip in self._strips:
            if not -10.0 < strip.at_m - front_m < LOOK_M:
                continue
            begin_m, end_m = strip.at_m - strip.half_m, strip.at_m + strip.half_m
            entering = before_m is not None and before_m < end_m and begin_m <= front_m and truth.ego.speed_mps > SLOW_MPS
            for walker, conflict in self._walkers(truth, strip, begin_m - front_m):
                key = (strip.crossing.id, walker)
                if entering and conflict and self._entitled[key] and key not in self._done:
                    self._done.add(key)
                    wrong.append(f"did not yield to pedestrian {walker} on crossing {strip.crossing.id}")
        return wrong

    def _walkers(self, truth: Truth, strip: _Strip, gap_m: float) -> Sequence[tuple[int, bool]]:
        """Those on the crossing's carriageway, and whether they are in the car's way or about to be."""
        found = []
        line = strip.crossing.line
        (x0, y0), (x1, y1) = line.points[0], line.points[-1]
        ux, uy = (x1 - x0) / line.length_m, (y1 - y0) / line.length_m
        for actor in truth.actors:
            if actor.kind is not ActorKind.PEDESTRIAN:
                continue
            key, dx, dy = (strip.crossing.id, actor.id), actor.x_m - x0, actor.y_m - y0
            along, across = ux * dx + uy * dy, ux * dy - uy * dx
            if not 0.0 < along < line.length_m or abs(across) > 0.5 * strip.crossing.width_m + 0.5:
                self._entitled.pop(key, None)
                self._done.discard(key)
                continue
            if key not in self._entitled:
                group = strip.crossing.signal
                lawful = group is None or lamp_of(self._network, truth, group) is not Lamp.RED
                self._entitled[key] = lawful and gap_m > stopping_m(truth.ego.speed_mps)
            way = strip.place_m - along
            towards = way * actor.speed_mps * (ux * math.cos(actor.yaw_rad) + uy * math.sin(actor.yaw_rad)) > 0.0
            in_way = abs(way) < truth.ego.half_width_m + 0.3
            found.append((actor.id, in_way or (towards and abs(way) < strip.lane_half_m + WALKER_AHEAD_M)))
        return found


def _strips(network: RoadNetwork, route: Route) -> list[_Strip]:
    ends = (*route.starts_m[1:], route.line.length_m)
    offsets = route.offsets_m or (0.0,) * len(route.lanes)
    strips = []
    for crossing in network.crossings:
        crossed = dict(crossing.lanes)
        for lane, start_m, end_m, offset_m in zip(route.lanes, route.starts_m, ends, offsets, strict=True):
            at_m = start_m - offset_m + crossed.get(lane, math.inf)
            if start_m <= at_m < end_m:
                here = route.line.at(at_m)
                place_m, _ = crossing.line.nearest(here.x, here.y)
                strips.append(_Strip(crossing, at_m, 0.5 * crossing.width_m, place_m, 0.5 * network.lanes[lane].width_m))
    return strips
