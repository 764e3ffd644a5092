"""Stops that had to be, and stops that had not: approaches to a red light, and standing where nothing asks for it.

A *red approach* begins when the front bumper is within `APPROACH_M` of a stop line of the route whose lamp is red, or yellow with room to stop
(`judge_rules.stopping_m`). It counts once it binds: the lamp is still so when the car has only its stopping distance left, or has slowed to
`SLOW_MPS`. A lamp that turns green before that has asked nothing of the car. A counted approach is *obeyed* when the car stands before the line, or
is still before it when the lamp turns green; it is not when the light is run (`judge_rules.RedLights`). One that is undecided when the drive ends
does not count.

A *needless stop*: the car stands for more than `NEEDLESS_S` all through which the expert, asked at every moment with the same truth, would have
driven on: no red lamp, no one ahead, no walker, no one with priority. It counts once until the car moves again. What it stands beyond is
`needless_s`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heron_sim.driving.judge_rules import FRONT_AXLE_M, lamp_of, stopping_m
from heron_sim.roads.network import Lamp, RoadNetwork
from heron_sim.roads.route import Route
from heron_sim.truth import Truth

APPROACH_M = 30.0
SLOW_MPS = 2.0
STANDS_MPS, MOVED_MPS = 0.3, 1.0
NEEDLESS_S = 2.0
GOES_M = 3.0  # way of the expert's plan of 4 s, from standstill, that says: go
ASKED_NS = 100_000_000  # the expert is asked so often
BESIDE_M = 3.0  # further beside the route than this, its stop lines are not the car's


class Planned(Protocol):
    """A plan of the referee: points (40, 4) in base_link."""

    @property
    def points(self) -> NDArray[np.float32]:
        """x, y, yaw, speed."""


class Referee(Protocol):
    """Whoever sees the truth and would drive: the expert."""

    def plan(self, truth: Truth) -> Planned:
        """The plan of this moment."""


@dataclass(frozen=True)
class Stopping:
    """How it was stopped.

    Attributes:
        red_approaches, red_obeyed: see above.
        needless_stops, needless_s: see above; None: nobody was asked.
    """

    red_approaches: int = 0
    red_obeyed: int = 0
    needless_stops: int | None = None
    needless_s: float | None = None

    def report(self) -> dict[str, Any]:
        """Keys of `driving` in report.json."""
        return {
            "red_approaches": self.red_approaches,
            "red_obeyed": self.red_obeyed,
            "needless_stops": self.needless_stops,
            "needless_s": None if self.needless_s is None else round(self.needless_s, 2),
        }


@dataclass(frozen=True)
class StopLine:
    """A stop line on the route: its arc length, and the signal group of the way across."""

    at_m: float
    group: int


class RedApproaches:
    """Counts approaches to the red lights of a route; at most one for each time that the car comes to a line."""

    def __init__(self, network: RoadNetwork, route: Route) -> None:
        """Precomputes the route's stop lines."""
        self._network = network
        self._lines = stop_lines(network, route)
        self._coming: StopLine | None = None
        self._binds = self._stands = False
        self._decided: set[float] = set()
        self._count = self._obeyed = 0

    def observe(self, truth: Truth, s_m: float, left_m: float, run: bool) -> None:
        """One moment: base_link on the route, and whether a light was just run."""
        front_m, speed = s_m + truth.ego.front_m, truth.ego.speed_mps
        if run:  # whatever was known of an approach: it was one, and this is how it ended
            self._binds = True
            self._end(obeyed=False)
            return
        if self._coming is None:
            self._coming = self._next(truth, front_m, left_m)
        if self._coming is None:
            return
        ahead_m = self._coming.at_m - front_m
        self._stands = speed < STANDS_MPS
        if abs(left_m) > BESIDE_M:  # on another way
            self._binds = False
            self._end(obeyed=False)
        elif ahead_m < -FRONT_AXLE_M:  # over it at yellow, though there was room to stop
            self._end(obeyed=False)
        elif lamp_of(self._network, truth, self._coming.group) is Lamp.GREEN:
            self._end(obeyed=True)
        elif speed < SLOW_MPS or ahead_m <= stopping_m(speed):
            self._binds = True

    def result(self) -> tuple[int, int]:
        """Approaches so far, and those that were obeyed; one in which the car stands before the line now is."""
        waits = self._binds and self._stands
        return self._count + waits, self._obeyed + waits

    def _next(self, truth: Truth, front_m: float, left_m: float) -> StopLine | None:
        for line in self._lines if abs(left_m) <= BESIDE_M else ():
            ahead_m = line.at_m - front_m
            if not 0.0 < ahead_m <= APPROACH_M or line.at_m in self._decided:
                continue
            lamp = lamp_of(self._network, truth, line.group)
            if lamp is Lamp.RED or (lamp is Lamp.YELLOW and ahead_m > stopping_m(truth.ego.speed_mps)):
                return line
        return None

    def _end(self, obeyed: bool) -> None:
        if self._binds:
            self._count += 1
            self._obeyed += obeyed
            if self._coming is not None:
                self._decided.add(self._coming.at_m)
        self._coming, self._binds, self._stands = None, False, False


class NeedlessStops:
    """Asks the referee at every plan's moment."""

    def __init__(self, referee: Referee) -> None:
        self._referee = referee
        self._asked_ns: int | None = None
        self._goes = self._counted = False
        self._stood_s = 0.0
        self._count, self._needless_s = 0, 0.0

    def observe(self, truth: Truth, step_s: float) -> list[str]:
        """One moment → a sentence when a stop turns out to be needless."""
        speed = abs(truth.ego.speed_mps)
        if self._asked_ns is None or truth.time_ns - self._asked_ns >= ASKED_NS:
            self._asked_ns = truth.time_ns
            x_m, y_m = self._referee.plan(truth).points[-1, :2]
            self._goes = float(np.hypot(x_m, y_m)) > GOES_M
        self._counted = self._counted and speed < MOVED_MPS
        if speed >= STANDS_MPS or not self._goes:
            self._stood_s = 0.0
            return []
        self._stood_s += step_s
        if self._stood_s <= NEEDLESS_S + 1e-6:
            return []
        self._needless_s += step_s
        if self._counted:
            return []
        self._count, self._counted = self._count + 1, True
        return ["stands though nothing asks for it"]

    def result(self) -> tuple[int, float]:
        """Needless stops so far, and seconds in them beyond the first `NEEDLESS_S`."""
        return self._count, self._needless_s


def stop_lines(network: RoadNetwork, route: Route) -> tuple[StopLine, ...]:
    """Stop lines with signals on the way, in order."""
    offsets = route.offsets_m or (0.0,) * len(route.lanes)
    entries = list(zip(route.lanes, route.starts_m, offsets, strict=True))
    found = []
    for before, here in pairwise(entries):
        group = network.lanes[here[0]].signal
        if group is not None:
            lane = network.lanes[before[0]]
            along_m = lane.line.length_m if lane.stop_s_m is None else lane.stop_s_m
            found.append(StopLine(before[1] - before[2] + along_m, group))
    return tuple(found)
