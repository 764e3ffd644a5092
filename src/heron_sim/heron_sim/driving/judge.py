"""Watches a drive and says how it was: distance, collisions and whose fault, rules broken, time beside the road, comfort.

The judge sees the truth at 20 Hz and nothing else. What is a collision, a fault, a run light is written where it is decided: `judge_contacts`,
`judge_rules`, `judge_lanes`, `judge_following`, `judge_stopping`, `comfort`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from heron_sim.config import CriteriaConfig
from heron_sim.driving.comfort import SAMPLE_S, Comfort, comfort
from heron_sim.driving.geometry import box_of_ego
from heron_sim.driving.judge_contacts import Circumstances, Collision, Contacts
from heron_sim.driving.judge_following import Following, RouteKeeping
from heron_sim.driving.judge_lanes import LOST_M, Lanes, Place
from heron_sim.driving.judge_rules import Crossings, GuideSigns, RedLights
from heron_sim.driving.judge_stopping import NeedlessStops, RedApproaches, Referee, Stopping
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.truth import Truth

BLAME_S = 5.0  # a collision so soon after a broken rule is that rule's
SAMPLE_NS = round(SAMPLE_S * 1e9)
STANDING_MPS, MOVED_MPS, STOP_S = 0.05, 1.0, 1.0
GUIDE_QUEUE_M = 20.0  # who stands within this before a guide who shows stop stands for him, others in between or not
LONG_STAND_S = 10.0  # is told where too little was driven


@dataclass(frozen=True)
class Stand:
    """Once that the car stood still: for how long, since when, where base_link was along the route."""

    seconds: float = 0.0
    since_s: float = 0.0
    route_m: float = 0.0


@dataclass(frozen=True)
class DrivingResult:
    """How a drive was.

    Attributes:
        distance_m: driven.
        progress_m: along the route from where it began.
        route_completion: progress over the whole route, 0 … 1; a route may be longer than there is time for.
        collisions: all of them, in order of time.
        off_road_s: with a corner of the car more than 10 cm beside the carriageway.
        wrong_lane_s: with base_link in a lane of the other direction, without anything to pass there.
        passing_s: the same while passing a work zone, a cyclist or a parked car.
        off_route_s: with base_link beside the route's lane, outside of junctions.
        red_lights_run, guide_signs_run, pedestrians_not_yielded: how many.
        stops: times that it stood still for a second after it had moved; stops_for_guide: those of them before a guide who showed stop.
        stood_s: seconds of standing; longest_stand: the longest of all.
        near_misses, min_gap_m, min_ttc_s: see `judge_contacts`; infinite when there was nobody.
        following: see `judge_following`.
        stopping: see `judge_stopping`.
        comfort: see `comfort`.
        events: (time_s, sentence) of all that went wrong.
    """

    distance_m: float = 0.0
    progress_m: float = 0.0
    route_completion: float = 0.0
    collisions: tuple[Collision, ...] = ()
    off_road_s: float = 0.0
    wrong_lane_s: float = 0.0
    passing_s: float = 0.0
    off_route_s: float = 0.0
    red_lights_run: int = 0
    guide_signs_run: int = 0
    pedestrians_not_yielded: int = 0
    stops: int = 0
    stops_for_guide: int = 0
    stood_s: float = 0.0
    longest_stand: Stand = field(default_factory=Stand)
    near_misses: int = 0
    min_gap_m: float = math.inf
    min_ttc_s: float = math.inf
    following: Following = field(default_factory=Following)
    stopping: Stopping = field(default_factory=Stopping)
    comfort: Comfort = field(default_factory=Comfort)
    events: tuple[tuple[float, str], ...] = ()

    @property
    def at_fault_collisions(self) -> int:
        """Collisions that were the ego car's fault."""
        return sum(each.at_fault for each in self.collisions)

    def report(self) -> dict[str, Any]:
        """The keys of `driving` in report.json; None where there was nothing to measure."""
        return {
            "distance_m": round(self.distance_m, 2),
            "progress_m": round(self.progress_m, 2),
            "route_completion": round(self.route_completion, 4),
            "collisions": len(self.collisions),
            "at_fault_collisions": self.at_fault_collisions,
            "off_road_s": round(self.off_road_s, 2),
            "wrong_lane_s": round(self.wrong_lane_s, 2),
            "passing_s": round(self.passing_s, 2),
            "off_route_s": round(self.off_route_s, 2),
            "red_lights_run": self.red_lights_run,
            "guide_signs_run": self.guide_signs_run,
            "pedestrians_not_yielded": self.pedestrians_not_yielded,
            "stops": self.stops,
            "stops_for_guide": self.stops_for_guide,
            "stood_s": round(self.stood_s, 2),
            "longest_stand_s": round(self.longest_stand.seconds, 2),
            "near_misses": self.near_misses,
            "min_gap_m": _finite(self.min_gap_m),
            "min_ttc_s": _finite(self.min_ttc_s),
            **self.following.report(),
            **self.stopping.report(),
            "comfort": self.comfort.report(),
            "events": [{"time_s": round(time_s, 2), "text": text} for time_s, text in self.events],
        }

    def failures(self, criteria: CriteriaConfig, disengagements: int = 0, said: Sequence[tuple[float, str]] = ()) -> list[str]:
        """What breaks the criteria, a sentence each; empty: passed.

        Args:
            criteria: of the scenario.
            disengagements: how often the car was given back.
            said: (time_s, what the driver said), on change: tells why it stood where it got stuck.
        """
        at_most = (
            ("collisions at fault", self.at_fault_collisions, criteria.at_fault_collisions, ""),
            ("red lights run", self.red_lights_run, criteria.red_lights_run, ""),
            ("stop signs of the guide passed", self.guide_signs_run, criteria.guide_signs_run, ""),
            ("pedestrians not yielded to", self.pedestrians_not_yielded, criteria.pedestrians_not_yielded, ""),
            ("off the road", self.off_road_s, criteria.off_road_s, " s"),
            ("in a wrong lane", self.wrong_lane_s, criteria.wrong_lane_s, " s"),
            ("disengagements", disengagements, criteria.disengagements, ""),
        )
        found = [f"{what}: {value:.3g}{unit}, allowed {limit:g}{unit}" for what, value, limit, unit in at_most if value > limit + 1e-9]
        if self.distance_m < criteria.distance_m:
            found.append(f"distance: {self.distance_m:.0f} m, at least {criteria.distance_m:.3g} m{self._stuck(said)}")
        if criteria.must_stop and not self.stops:
            found.append("it never stood still for a second, and had to stop")
        if criteria.must_stop_for_guide and not self.stops_for_guide:
            found.append("it never stood still for the guide, and had to")
        return found

    def _stuck(self, said: Sequence[tuple[float, str]]) -> str:
        """Where it stood for long, and what was said there last."""
        stand = self.longest_stand
        if stand.seconds < LONG_STAND_S:
            return ""
        words = [text for time_s, text in said if time_s <= stand.since_s + stand.seconds]
        why = f", saying {words[-1]!r}" if words else ""
        return f"; it stood still for {stand.seconds:.0f} s from {stand.since_s:.0f} s on, at {stand.route_m:.0f} m of the route{why}"


class Judge:
    """Keeps what happened; the same truths give the same result."""

    def __init__(self, town: Town, route: Route, referee: Referee | None = None) -> None:
        """For a drive along a route of a town; `referee` says which stops were needless."""
        self._route, self._network = route, town.network
        self._lanes, self._contacts = Lanes(town, route), Contacts(town)
        self._lights, self._guides, self._crossings = RedLights(town.network, route), GuideSigns(route), Crossings(town.network, route)
        self._keeping, self._approaches = RouteKeeping(town, route), RedApproaches(town.network, route)
        self._needless = None if referee is None else NeedlessStops(referee)
        self._last: Truth | None = None
        self._start_m = self._reached_m = 0.0
        self._distance_m = 0.0
        self._seconds = {"off_road": 0.0, "wrong_lane": 0.0, "passing": 0.0, "off_route": 0.0, "stood": 0.0}
        self._counts = {"lights": 0, "guides": 0, "walkers": 0}
        self._events: list[tuple[float, str]] = []
        self._broke, self._broke_s = "", -math.inf
        self._moved, self._stops, self._stops_for_guide = False, 0, 0
        self._standing_s, self._for_guide, self._longest = 0.0, False, Stand()
        self._samples: list[tuple[float, float, float]] = []
        self._next_sample_ns = 0

    def observe(self, truth: Truth) -> Place:
        """One moment, 50 ms after the last → where the car is.

        Raises:
            ValueError: time does not go on.
        """
        last, ego = self._last, truth.ego
        if last is not None and truth.time_ns <= last.time_ns:
            raise ValueError(f"a judge looks at moments in order: {truth.time_ns} ns after {last.time_ns} ns")
        step_s = 0.0 if last is None else (truth.time_ns - last.time_ns) / 1e9
        box = box_of_ego(ego)
        place = self._lanes.place(truth, box)
        if last is None:
            self._start_m = self._reached_m = place.s_m
        else:
            self._distance_m += math.hypot(ego.x_m - last.ego.x_m, ego.y_m - last.ego.y_m)
        if abs(place.left_m) < LOST_M:
            self._reached_m = max(self._reached_m, place.s_m)
        self._rules(truth, place, step_s)
        self._spend(truth, place, step_s)
        broke = self._broke if truth.time_s - self._broke_s <= BLAME_S else ""
        if not broke and not place.on_road:
            broke = "it was beside the road"
        elif not broke and place.wrong_lane:
            broke = "it was in a wrong lane"
        for each in self._contacts.observe(truth, box, Circumstances(broke, place.on_route, self._yields_to(place.s_m, ego.front_m))):
            self._events.append((truth.time_s, f"collision with {each.other}, {'at fault' if each.at_fault else 'not at fault'}: {each.why}"))
        if truth.time_ns >= self._next_sample_ns:
            self._next_sample_ns = truth.time_ns + SAMPLE_NS
            self._samples.append((ego.accel_mps2, ego.speed_mps, ego.yaw_rad))
        self._last = truth
        return place

    @property
    def interventions(self) -> int:
        """Lateral interventions so far, see `judge_following`."""
        return self._keeping.interventions

    def result(self) -> DrivingResult:
        """How it was so far."""
        contacts, seconds = self._contacts, self._seconds
        way_m, progress_m = self._route.line.length_m - self._start_m, self._reached_m - self._start_m
        accel, speed, yaw = zip(*self._samples, strict=True) if self._samples else ((), (), ())
        return DrivingResult(
            distance_m=self._distance_m,
            progress_m=progress_m,
            route_completion=min(progress_m / way_m, 1.0) if way_m > 0.0 else 0.0,
            collisions=tuple(contacts.collisions),
            off_road_s=seconds["off_road"],
            wrong_lane_s=seconds["wrong_lane"],
            passing_s=seconds["passing"],
            off_route_s=seconds["off_route"],
            red_lights_run=self._counts["lights"],
            guide_signs_run=self._counts["guides"],
            pedestrians_not_yielded=self._counts["walkers"],
            stops=self._stops,
            stops_for_guide=self._stops_for_guide,
            stood_s=seconds["stood"],
            longest_stand=self._longest,
            near_misses=contacts.near_misses,
            min_gap_m=contacts.min_gap_m,
            min_ttc_s=contacts.min_ttc_s,
            following=self._keeping.result(),
            stopping=Stopping(*self._approaches.result(), *(self._needless.result() if self._needless else ())),
            comfort=comfort(accel, speed, yaw),
            events=tuple(self._events),
        )

    def _spend(self, truth: Truth, place: Place, step_s: float) -> None:
        """Adds the step to what it was spent with."""
        standing = abs(truth.ego.speed_mps) < STANDING_MPS
        for name, applies in (
            ("off_road", not place.on_road),
            ("wrong_lane", place.wrong_lane),
            ("passing", place.passing),
            ("off_route", not place.on_route and not place.in_junction),
            ("stood", standing),
        ):
            if applies:
                self._seconds[name] += step_s
        self._moved = self._moved or truth.ego.speed_mps > MOVED_MPS
        before_s, self._standing_s = self._standing_s, self._standing_s + step_s if standing else 0.0
        self._for_guide = standing and (self._for_guide or self._guides.ahead_m < GUIDE_QUEUE_M)
        if self._moved and before_s < STOP_S <= self._standing_s + 1e-9:
            self._stops, self._moved = self._stops + 1, False
            self._stops_for_guide += self._for_guide
        if self._standing_s > self._longest.seconds:
            self._longest = Stand(self._standing_s, truth.time_s - self._standing_s, place.s_m)

    def _rules(self, truth: Truth, place: Place, step_s: float) -> None:
        """Counts what was broken, and notes how the way was kept."""
        broken = {
            "lights": self._lights.observe(truth),
            "guides": self._guides.observe(truth, place.s_m),
            "walkers": self._crossings.observe(truth, place.s_m),
        }
        for name, sentences in broken.items():
            self._counts[name] += len(sentences)
            for sentence in sentences:
                self._events.append((truth.time_s, sentence))
                self._broke, self._broke_s = f"it {sentence}", truth.time_s
        self._approaches.observe(truth, place.s_m, place.left_m, bool(broken["lights"]))
        noted = self._keeping.observe(truth, place, step_s) + (self._needless.observe(truth, step_s) if self._needless else [])
        self._events += [(truth.time_s, sentence) for sentence in noted]

    def _yields_to(self, s_m: float, front_m: float) -> tuple[int, ...]:
        """Lanes whose vehicles have priority over the car in the junction that it is in."""
        for turn in self._route.turns:
            if turn.begin_m < s_m + front_m and s_m < turn.end_m:
                return self._network.lanes[turn.lane].yields_to
        return ()


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
