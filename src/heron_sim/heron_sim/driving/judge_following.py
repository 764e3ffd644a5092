"""How well a car keeps to the way that its route commands: lateral error, departures, interventions, and the junctions on the way.

What is measured, and when:

- *The line*: of the route, the middle of its lanes. Where the route changes lane before a turn, the command says nothing of the place at which to do
  so: the lines of who changes as soon as it is told, and of who changes as late as there is room for before the junction, are as good
  (`Place.aside_m`), and the nearest counts. On the way from one lane to the other the car is in neither; it has `CROSSES_S` for that.
- *Lateral error*: of base_link from the line, sideways. Moments count in which the car follows Heron, drives
  faster than `MOVES_MPS`, and has nothing to pass: who makes room for a cyclist, a parked car or a work zone has to leave the line.
- *Departure*: it is more than `DEPARTS_M` from the line; in the lanes of generated towns (3.25 m) the car's side is then 0.2 m over the lane's edge.
- *Lateral intervention*: it is more than `INTERVENES_M` from the line while it follows Heron, however slowly, passing nothing: a person in the car
  would have taken the wheel. A wrong way at a junction is one as well. One lasts until the car is back in its lane; a supervised drive
  (`heron_sim.driving.episode`) ends with its first, as nothing that happens afterwards on a way that nobody commanded means anything.
- *Late change*: it was more than `INTERVENES_M` from the route's own line and yet near the later one, and then came to the
  route's own: a change of lane that came late, in time.
- *Turns*: junctions with a choice that the car drove into. Taken: it came out where the route does. Missed: an intervention came between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_sim.driving.judge_lanes import DEPARTS_M, Place, is_passed
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.route import Route, Turn
from heron_sim.roads.town import Town
from heron_sim.truth import Truth

MOVES_MPS = 0.5
INTERVENES_M = 2.5
LOST_RAD = math.pi / 2.0  # who is turned away further than this from where the route goes has left it, however near its line is
AHEAD_M, BEHIND_M = 30.0, 18.0  # what is passed lies between them, measured from base_link along the route
ROOM_M = 0.6  # kept beside what is passed
PARKED_HALF_M, CAR_HALF_M = 0.9, 0.925
TAKEN_M = 4.0  # so far beyond the connector a turn is done


@dataclass(frozen=True)
class Following:
    """How the way was kept.

    Attributes:
        seconds: that the lateral error was measured in.
        mean_lateral_m, lateral_p95_m: of its absolute value over them; 0 without any.
        departed_s: of them, departed from the lane.
        lateral_interventions: times that a person would have taken the wheel.
        late_changes: changes of lane that came late, in time.
        turns_taken, turns_missed: junctions with a choice; one that the car is in when the drive ends is neither.
    """

    seconds: float = 0.0
    mean_lateral_m: float = 0.0
    lateral_p95_m: float = 0.0
    departed_s: float = 0.0
    lateral_interventions: int = 0
    late_changes: int = 0
    turns_taken: int = 0
    turns_missed: int = 0

    def report(self) -> dict[str, Any]:
        """Keys of `driving` in report.json; None where there was nothing to measure."""
        measured = self.seconds > 0.0
        return {
            "followed_s": round(self.seconds, 2),
            "mean_lateral_m": round(self.mean_lateral_m, 4) if measured else None,
            "lateral_p95_m": round(self.lateral_p95_m, 4) if measured else None,
            "lane_departure_s": round(self.departed_s, 2),
            "lane_departure_share": round(self.departed_s / self.seconds, 5) if measured else None,
            "lateral_interventions": self.lateral_interventions,
            "late_changes": self.late_changes,
            "turns_taken": self.turns_taken,
            "turns_missed": self.turns_missed,
        }


class RouteKeeping:
    """Follows a car along its route."""

    def __init__(self, town: Town, route: Route) -> None:
        """Precomputes what is passed and does not move."""
        self._route = route
        self._parked_m = _parked_beside(town, route)
        self._lefts: list[float] = []
        self._seconds = self._departed_s = 0.0
        self._away = False
        self._interventions = self._late_changes = 0
        self._late = False
        self._turn: Turn | None = None  # with a choice, that the car is in
        self._taken = self._missed = 0
        self._choices = tuple(turn for turn in route.turns if turn.manoeuvre is not Manoeuvre.FOLLOW)

    def observe(self, truth: Truth, place: Place, step_s: float) -> list[str]:
        """One moment → what went wrong in it, a sentence each."""
        ego, distance = truth.ego, abs(place.aside_m)
        turned = abs(math.remainder(ego.yaw_rad - self._route.line.at(place.s_m).yaw, 2.0 * math.pi))
        away = distance > INTERVENES_M or turned > LOST_RAD
        if self._away:
            self._away = distance > DEPARTS_M or turned > LOST_RAD
            return []
        self._cross(place.s_m, ego.front_m)
        if not ego.engaged or (ego.speed_mps <= MOVES_MPS and not away) or self._passes(truth, place.s_m):
            return []
        if away:
            self._away, self._late = True, False
            self._interventions += 1
            self._missed += self._turn is not None
            where = "on the road" if self._turn is None else f"in the junction where it was to go {self._turn.manoeuvre.value}"
            self._turn = None
            return [f"left the commanded way {where}: {distance:.1f} m beside it"]
        was_late, self._late = self._late, place.behind and abs(place.left_m) > (DEPARTS_M if self._late else INTERVENES_M)
        self._late_changes += was_late and not self._late
        self._seconds += step_s
        self._lefts.append(distance)
        self._departed_s += step_s * (distance > DEPARTS_M)
        return []

    @property
    def interventions(self) -> int:
        """Lateral interventions so far."""
        return self._interventions

    def result(self) -> Following:
        """How it was so far."""
        lefts = np.array(self._lefts or [0.0])
        return Following(
            seconds=self._seconds,
            mean_lateral_m=float(lefts.mean()),
            lateral_p95_m=float(np.quantile(lefts, 0.95)),
            departed_s=self._departed_s,
            lateral_interventions=self._interventions,
            late_changes=self._late_changes,
            turns_taken=self._taken,
            turns_missed=self._missed,
        )

    def _cross(self, s_m: float, front_m: float) -> None:
        if self._turn is not None:
            if s_m >= self._turn.end_m + TAKEN_M:
                self._turn, self._taken = None, self._taken + 1
            return
        self._turn = next((turn for turn in self._choices if turn.begin_m <= s_m + front_m and s_m < turn.end_m), None)

    def _passes(self, truth: Truth, s_m: float) -> bool:
        """Whether something that narrows the route's lane is beside or before the car."""
        if bool(((self._parked_m > s_m - BEHIND_M) & (self._parked_m < s_m + AHEAD_M)).any()):
            return True
        ego = truth.ego
        for actor in truth.actors:
            if math.hypot(actor.x_m - ego.x_m, actor.y_m - ego.y_m) > AHEAD_M or not is_passed(actor):
                continue
            there_m, left_m = self._route.line.nearest(actor.x_m, actor.y_m, s_m, AHEAD_M)
            if -BEHIND_M < there_m - s_m < AHEAD_M and _narrows(left_m, 0.5 * actor.width_m):
                return True
        return False


def _narrows(left_m: float, half_m: float) -> bool:
    """A car in the middle of its lane would have too little room beside it."""
    return abs(left_m) - half_m < CAR_HALF_M + ROOM_M


def _parked_beside(town: Town, route: Route) -> NDArray[np.float64]:
    """Arc lengths on the route of parked cars that narrow its lane."""
    found = []
    for car in town.parked:
        s_m, left_m = route.line.nearest(car.x_m, car.y_m)
        if _narrows(left_m, PARKED_HALF_M):
            found.append(s_m)
    return np.array(found, np.float64)
