"""Finds a way through the network: the turns that a scenario asks for, then turns drawn by a seed; changes lane in time where a turn needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from heron_core.errors import InputError
from heron_sim.config import RouteConfig
from heron_sim.roads.network import Lane, Manoeuvre, RoadNetwork
from heron_sim.roads.route import Route, Turn
from heron_sim.roads.track import CHANGE_MARGIN_M, Track

CURVATURE_PER_M = 0.2  # the tightest that the demonstration car's gate lets through; no route over lanes that are tighter
START_ROOM_M = 40.0  # from the start to the first stop line
CHANGE_M = 42.0  # of road for each change of lane
_START_SHARE = 0.4  # of the first road: at most there the route starts


@dataclass(frozen=True)
class _Step:
    """A street of the route and how it is left.

    Attributes:
        lane: on which the route enters the street.
        exit: on which it leaves it (another one after a change of lane).
        connector: across the junction, or None at the end of the route.
        manoeuvre: there.
    """

    lane: int
    exit: int
    connector: int | None
    manoeuvre: Manoeuvre


def plan_route(network: RoadNetwork, config: RouteConfig, seed: int) -> Route:
    """A route of at least `config.length_m`: first `config.turns`, then drawn turns; the same for the same seed.

    Raises:
        InputError: no such route; the text says which turn cannot be made where, or how long the longest found route is.
    """
    if Manoeuvre.FOLLOW in config.turns:
        raise InputError("route.turns holds 'follow', which is no turn at a junction: allowed left, right, straight")
    return _Search(network, config, np.random.default_rng([seed, 43])).route()


class _Search:
    def __init__(self, network: RoadNetwork, config: RouteConfig, rng: np.random.Generator) -> None:
        self._lanes, self._network, self._config, self._rng = network.lanes, network, config, rng
        self._tight = frozenset(lane.id for lane in network.lanes if float(np.abs(lane.line.curvature_per_m).max()) > CURVATURE_PER_M)
        self._deepest: tuple[int, int] = (-1, 0)  # turns made, lane before the one that could not be made

    def route(self) -> Route:
        starts = [
            lane.id
            for lane in self._lanes
            if lane.junction is None and lane.successors and lane.id not in self._tight and self._room(lane) >= START_ROOM_M + 10.0
        ]
        longest = 0.0
        for k in self._rng.permutation(len(starts)):
            steps = self._turns(starts[int(k)], 0)
            if steps is None:
                continue
            steps = self._extended(steps)
            route = self._assembled(steps)
            if route.line.length_m >= self._config.length_m:
                return route
            longest = max(longest, route.line.length_m)
        if longest > 0.0:
            raise InputError(
                f"no route of {self._config.length_m:g} m in this network: the longest found has {longest:.0f} m; set route.length_m lower"
            )
        raise InputError(self._why_not(len(starts)))

    def _why_not(self, starts: int) -> str:
        if not starts:
            return f"no road has room to start: none leads to a junction with {START_ROOM_M + 10.0:g} m before its stop line"
        made, lane = self._deepest
        turns = self._config.turns
        before = f"after {', '.join(turn.value for turn in turns[:made])}" if made else "as the first turn"
        end = self._lanes[lane].line.points[-1]
        options = sorted({step.manoeuvre.value for step in self._options(lane)})
        there = ", ".join(options) if options else "the road ends"
        return (
            f"route.turns: no way to turn {turns[made].value} {before}, tried from {starts} roads; "
            f"for example at ({end[0]:.0f}, {end[1]:.0f}) m, where lane {lane} ends, there is only: {there}"
        )

    def _room(self, lane: Lane) -> float:
        return lane.line.length_m if lane.stop_s_m is None else lane.stop_s_m

    def _beside(self, lane: int) -> Iterator[tuple[int, int]]:
        """Lanes of the same street and direction, with the number of changes to get there, the nearest first."""
        yield lane, 0
        for side in ("left", "right"):
            at: int | None = getattr(self._lanes[lane], side)
            count = 1
            while at is not None:
                yield at, count
                at, count = getattr(self._lanes[at], side), count + 1

    def _options(self, lane: int, start_m: float = 0.0) -> list[_Step]:
        """How the street that is entered on `lane` can be left; each turn once, without a change of lane where that is possible."""
        found: list[_Step] = []
        targets: set[tuple[Manoeuvre, int]] = set()
        reached: set[tuple[Manoeuvre, int]] = set()
        for beside, changes in sorted(self._beside(lane), key=lambda pair: pair[1]):
            too_short = changes > 0 and self._room(self._lanes[beside]) - start_m < changes * CHANGE_M + 2.0 * CHANGE_MARGIN_M
            for connector in self._lanes[beside].successors:
                across = self._lanes[connector]
                if across.junction is None or not across.successors or self._tight & {connector, across.successors[0]}:
                    continue
                target = across.turn, self._street(across.successors[0])
                targets.add(target)
                if not too_short and target not in reached:
                    reached.add(target)
                    found.append(_Step(lane, beside, connector, across.turn))
        return [replace(step, manoeuvre=Manoeuvre.FOLLOW) for step in found] if len(targets) == 1 else found

    def _street(self, lane: int) -> int:
        """A number for the lanes of one street and direction."""
        return min(beside for beside, _ in self._beside(lane))

    def _turns(self, lane: int, made: int, following: int = 0) -> list[_Step] | None:
        """Steps from a street on that make the wanted turns from number `made` on, or None.

        `following` counts the junctions without choice since the last turn.
        """
        if made >= len(self._config.turns):
            return [_Step(lane, lane, None, Manoeuvre.FOLLOW)]
        if made > self._deepest[0]:
            self._deepest = made, lane
        options = self._options(lane, _START_SHARE * self._room(self._lanes[lane]) if made == 0 else 0.0)
        for step in (options[int(k)] for k in self._rng.permutation(len(options))):
            follows = step.manoeuvre is Manoeuvre.FOLLOW
            if step.connector is None or following > 50 or not (follows or step.manoeuvre is self._config.turns[made]):
                continue
            rest = self._turns(self._lanes[step.connector].successors[0], made + (not follows), following + 1 if follows else 0)
            if rest is not None:
                return [step, *rest]
        return None

    def _extended(self, steps: list[_Step]) -> list[_Step]:
        """The same, with drawn turns until it is long enough or the road ends; streets that were not yet driven come first."""
        out, lane = steps[:-1], steps[-1].lane
        visits: dict[int, int] = {}
        length = -0.5 * self._lanes[steps[0].lane].line.length_m
        for step in out:
            visits[self._street(step.lane)] = visits.get(self._street(step.lane), 0) + 1
            length += self._lanes[step.exit].line.length_m + self._lanes[step.connector or 0].line.length_m
        while True:
            length += self._lanes[lane].line.length_m
            visits[self._street(lane)] = visits.get(self._street(lane), 0) + 1
            options = self._options(lane, 0.0 if out else _START_SHARE * self._room(self._lanes[lane]))
            if length >= self._config.length_m + 5.0 or not options:
                return [*out, _Step(lane, lane, None, Manoeuvre.FOLLOW)]
            seen = [visits.get(self._street(self._lanes[step.connector or 0].successors[0]), 0) for step in options]
            fresh = [step for step, count in zip(options, seen, strict=True) if count == min(seen)]
            step = fresh[int(self._rng.integers(0, len(fresh)))]
            out.append(step)
            across = self._lanes[step.connector or 0]
            length += across.line.length_m
            lane = across.successors[0]

    def _assembled(self, steps: list[_Step]) -> Route:
        """Lanes, line and turns of a chain of steps."""
        first = self._room(self._lanes[steps[0].lane])
        start = min(float(self._rng.uniform(0.15, _START_SHARE)) * first, first - START_ROOM_M)
        track = Track(self._lanes)
        marks: list[tuple[_Step, int, int, int | None]] = []
        for step in steps:
            change = track.street(step.lane, step.exit, start)
            start = 0.0
            if step.connector is not None:
                begin = track.lane(step.connector)
                marks.append((step, begin, len(track.points) - 1, change))
        line = track.line()
        turns = tuple(
            Turn(
                step.manoeuvre,
                self._lanes[step.connector or 0].junction or 0,
                step.connector or 0,
                float(line.s_m[begin]),
                float(line.s_m[end]),
                None if change is None else float(line.s_m[change]),
            )
            for step, begin, end, change in marks
        )
        return track.route(line, turns)
