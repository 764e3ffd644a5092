"""Where one may drive and walk, and who waits for whom. World frame: x east, y north, z up, metres; yaw counter-clockwise from east."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from heron_core.truth import Lamp as Lamp
from heron_sim.roads.line import Line


class Manoeuvre(str, Enum):
    """What a route asks for at its next junction; the names that a policy's instruction uses."""

    FOLLOW = "follow"
    LEFT = "left"
    RIGHT = "right"
    STRAIGHT = "straight"


@dataclass(frozen=True)
class Lane:
    """One lane in the direction of travel, on a road or (a connector) across a junction.

    Attributes:
        id: index in `RoadNetwork.lanes`.
        line: its middle.
        width_m: of the lane.
        speed_limit_mps: of its vehicles.
        successors, predecessors: lanes that follow on it and that lead to it.
        left, right: neighbour in the same direction that a lane change may go to, or None.
        junction: of a connector, else None.
        turn: of a connector; FOLLOW on roads.
        signal: the signal group whose lamp rules entering this connector, or None (no signal: the connector yields as `yields_to` says).
        yields_to: connectors of the same junction that have priority over this one and meet or cross it.
        crosses: connectors of the same junction that meet or cross this one, whoever has priority.
        stop_s_m: arc length of the stop line on a road's lane (front bumpers stop before it), or None.
    """

    id: int
    line: Line
    width_m: float
    speed_limit_mps: float
    successors: tuple[int, ...] = ()
    predecessors: tuple[int, ...] = ()
    left: int | None = None
    right: int | None = None
    junction: int | None = None
    turn: Manoeuvre = Manoeuvre.FOLLOW
    signal: int | None = None
    yields_to: tuple[int, ...] = ()
    crosses: tuple[int, ...] = ()
    stop_s_m: float | None = None


@dataclass(frozen=True)
class Crossing:
    """A pedestrian crossing over one road.

    Attributes:
        id: index in `RoadNetwork.crossings`.
        line: the walkers' way from kerb to kerb, both directions.
        width_m: of the crossing.
        lanes: (lane, arc length at which the lane's middle crosses the walkers' line).
        signal: the pedestrians' signal group, or None: drivers yield to whoever walks or is about to.
    """

    id: int
    line: Line
    width_m: float
    lanes: tuple[tuple[int, float], ...]
    signal: int | None = None


@dataclass(frozen=True)
class Phase:
    """One phase of a signal's cycle: the groups that show green, then yellow, then all red."""

    green: tuple[int, ...]
    green_s: float
    yellow_s: float = 3.0
    all_red_s: float = 1.5


@dataclass(frozen=True)
class SignalProgram:
    """The fixed cycle of one junction's signals, a pure function of time.

    Attributes:
        phases: one after the other.
        offset_s: time at which the first phase begins.
    """

    phases: tuple[Phase, ...]
    offset_s: float = 0.0

    @property
    def cycle_s(self) -> float:
        """Length of the cycle."""
        return sum(phase.green_s + phase.yellow_s + phase.all_red_s for phase in self.phases)

    def windows(self, group: int) -> list[tuple[float, float, float]]:
        """When `group` has green: (begin, end of green, end of yellow) since the cycle began, s, in order."""
        found, start = [], 0.0
        for phase in self.phases:
            if group in phase.green:
                found.append((start, start + phase.green_s, start + phase.green_s + phase.yellow_s))
            start += phase.green_s + phase.yellow_s + phase.all_red_s
        return found

    def lamp(self, group: int, time_s: float) -> Lamp:
        """What `group` shows; a group of no phase is always red."""
        return self.outlook(group, time_s)[0]

    def outlook(self, group: int, time_s: float) -> tuple[Lamp, float]:
        """What `group` shows, and for how long it still will (s)."""
        into = (time_s - self.offset_s) % self.cycle_s
        start, red_until = 0.0, None
        for phase in (*self.phases, *self.phases):
            green_end = start + phase.green_s
            yellow_end = green_end + phase.yellow_s
            if group in phase.green and yellow_end > into:
                if into >= green_end:
                    return Lamp.YELLOW, yellow_end - into
                if into >= start:
                    return Lamp.GREEN, green_end - into
                red_until = start
                break
            start = yellow_end + phase.all_red_s
        return Lamp.RED, (red_until - into) if red_until is not None else self.cycle_s


@dataclass(frozen=True)
class TableProgram(SignalProgram):
    """A cycle as a table, for programs of imported networks.

    Attributes:
        seconds: of each phase.
        lamps: group → what it shows in each phase.
    """

    phases: tuple[Phase, ...] = ()
    seconds: tuple[float, ...] = ()
    lamps: Mapping[int, tuple[Lamp, ...]] = field(default_factory=dict)

    @property
    def cycle_s(self) -> float:
        """Length of the cycle."""
        return sum(self.seconds)

    def windows(self, group: int) -> list[tuple[float, float, float]]:
        """When `group` has green: (begin, end of green, end of yellow) since the cycle began, s; green over the cycle's end counts twice."""
        found: list[tuple[float, float, float]] = []
        start, before = 0.0, Lamp.RED
        for seconds, lamp in zip(self.seconds, self.lamps[group], strict=True):
            end = start + seconds
            if lamp is Lamp.GREEN:
                found.append((found.pop()[0] if before is Lamp.GREEN else start, end, end))
            elif lamp is Lamp.YELLOW and before is not Lamp.RED:
                found.append((*found.pop()[:2], end))
            start, before = end, lamp
        return found

    def outlook(self, group: int, time_s: float) -> tuple[Lamp, float]:
        """What `group` shows, and for how long it still will (s): at most a cycle."""
        into, row, count = (time_s - self.offset_s) % self.cycle_s, self.lamps[group], len(self.seconds)
        now = 0
        while now < count - 1 and into >= self.seconds[now]:
            into -= self.seconds[now]
            now += 1
        left = self.seconds[now] - into
        for k in range(1, count):
            if row[(now + k) % count] is not row[now]:
                break
            left += self.seconds[(now + k) % count]
        return row[now], left


@dataclass(frozen=True)
class SignalHead:
    """A box with lamps.

    Attributes:
        group: what it shows.
        x_m, y_m, z_m: middle of the box.
        yaw_rad: the direction that its lamps face (towards the drivers or walkers).
        mast_x_m, mast_y_m: foot of its mast; the arm goes from there to the head.
        pedestrian: a walkers' signal (two lamps, low).
    """

    group: int
    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float
    mast_x_m: float
    mast_y_m: float
    pedestrian: bool = False


@dataclass(frozen=True)
class Junction:
    """Where roads meet.

    Attributes:
        id: index in `RoadNetwork.junctions`.
        x_m, y_m: middle.
        connectors: lanes across it.
        program: of its signals, or None.
    """

    id: int
    x_m: float
    y_m: float
    connectors: tuple[int, ...]
    program: SignalProgram | None = None


@dataclass(frozen=True)
class RoadNetwork:
    """All of it; ids are indices.

    Attributes:
        lanes, junctions, crossings: by id.
        heads: of all signals.
        groups: signal group → junction whose program rules it.
        sidewalks: lines along which pedestrians walk beside roads, both directions.
        drivable: polygons (n, 2) whose union is the carriageway (roads and junctions): who leaves it is off the road.
        left_hand: traffic keeps left.
    """

    lanes: tuple[Lane, ...]
    junctions: tuple[Junction, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    heads: tuple[SignalHead, ...] = ()
    groups: Mapping[int, int] = field(default_factory=dict)
    sidewalks: tuple[Line, ...] = ()
    drivable: tuple[NDArray[np.float64], ...] = ()
    left_hand: bool = True

    def lamp(self, group: int, time_s: float) -> Lamp:
        """What a signal group shows at a time."""
        return self.outlook(group, time_s)[0]

    def outlook(self, group: int, time_s: float) -> tuple[Lamp, float]:
        """What a signal group shows at a time, and for how long (s).

        Raises:
            KeyError: no such group.
        """
        program = self.junctions[self.groups[group]].program
        if program is None:
            raise KeyError(f"signal group {group}: junction {self.groups[group]} has no program")
        return program.outlook(group, time_s)
