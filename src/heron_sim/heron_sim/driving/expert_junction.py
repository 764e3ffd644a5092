"""Junctions: lamps, whether there is room behind, and gaps in the traffic that has priority."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from heron_sim.driving.expert_actors import Seen
from heron_sim.driving.expert_path import PathAhead
from heron_sim.driving.expert_route import Conflict, Gate, RouteMap, Upstream
from heron_sim.driving.expert_speed import Stop
from heron_sim.driving.explain import Reason
from heron_sim.driving.judge_rules import FRONT_AXLE_M
from heron_sim.roads.network import Lamp, Manoeuvre
from heron_sim.truth import Actor, ActorKind, EgoTruth, Truth

WITHIN_M = 95.0
LINE_M = 1.2  # kept between the front bumper and a stop line
ZONE_M = 1.0  # and the way of others
PASSED_M = 0.3
HELD_M, ROLLS_MPS = FRONT_AXLE_M, 2.0  # nobody has run a light yet who is no further over its line; who rolls so slowly there stops and waits
YELLOW_MPS2, REACTION_S = 2.7, 0.3  # who can stop so gently before a yellow light does
YELLOW_HARD_MPS2, YELLOW_S = 3.2, 2.5  # and so hard who would not be over the line after so long
FIRM_MPS2 = 2.5  # who would have to brake harder for it comes nearer to a line than `LINE_M`
SLOWED_MPS2 = 2.0  # who meant to pass at yellow, but has become so slow that this is enough, stops after all
COMMITTED_MPS2 = 2.9  # who would have to brake harder before the way of others goes on
CROSS_S, MERGE_S, AFTER_S = 1.8, 2.6, 0.5  # kept before and behind others
RESOLVED_S = 0.6  # less is enough for who has decided to go
PATIENT_S, BOLD_S, BOLD_SHARE = 8.0, 20.0, 0.5
STANDS_MPS, STANDS_S = 0.3, 3.0
OTHER_ACCEL_MPS2 = 1.2
INDICATES_M = 25.0  # nearer than this to the junction, indicators tell the way
ROOM_M = 2.0
VEHICLES = frozenset({ActorKind.CAR, ActorKind.TRUCK, ActorKind.BUS, ActorKind.BICYCLE})


class JunctionRules:
    """Decides at each junction whether to go; remembers its decisions.

    Attributes:
        waited_s: how long the car has stood at each gate.
    """

    def __init__(self, route: RouteMap) -> None:
        self._route = route
        self._passing: dict[int, bool] = {}  # gate → decision at its yellow lamp
        self._going: dict[int, bool] = {}  # conflict → decided to go before it
        self._stood: dict[int, float] = {}  # actor → since when it stands
        self._by_gate: dict[int, list[tuple[int, Conflict]]] = {}
        for index, conflict in enumerate(route.conflicts):
            self._by_gate.setdefault(conflict.gate, []).append((index, conflict))
        self.waited_s: dict[int, float] = {}

    def stops(self, truth: Truth, path: PathAhead, seen: Sequence[Seen], arrive_s: Sequence[float], step_m: float, dt_s: float) -> list[Stop]:
        """Where to stop, if anywhere.

        Args:
            truth: of now.
            path: the way ahead.
            seen: all others along it.
            arrive_s: time at which the car is `i * step_m` further, on a free road.
            step_m: see there.
            dt_s: since the last call.
        """
        ego, found = truth.ego, []
        self._watch(truth)
        coming: dict[int, list[tuple[Actor, Upstream]]] | None = None
        for gate in self._route.gates:
            if path.along_at(gate.end_m) + ego.rear_m < 0.0:
                continue
            to_line = path.along_at(gate.stop_m) - ego.front_m
            if to_line > WITHIN_M:
                break
            if to_line > (-HELD_M if ego.speed_mps < ROLLS_MPS else -PASSED_M):
                found += self._lamp(gate, truth, to_line, _time(arrive_s, step_m, max(to_line, 0.0)))
                if -PASSED_M < to_line < 45.0:
                    found += self._room(gate, path, ego, seen, to_line)
            if to_line < 45.0 and gate.index in self._by_gate:
                if coming is None:
                    coming = self._coming(truth.actors)
                clear = self._gaps(gate, truth, path, seen, coming, arrive_s, step_m, to_line)
                found += clear
                close = to_line < 6.0
                self.waited_s[gate.index] = self.waited_s.get(gate.index, 0.0) + dt_s if close and clear and ego.speed_mps < 0.5 else 0.0
        return found

    def near_turn(self, s_m: float, front_m: float) -> tuple[Gate | None, bool]:
        """The gate that the car is in or up to 25 m before, and whether it is in."""
        for gate in self._route.gates:
            if gate.stop_m - 25.0 <= s_m + front_m and s_m <= gate.end_m:
                return gate, s_m + front_m > gate.turn.begin_m
        return None, False

    def passes_yellow(self, gate: Gate) -> bool:
        """The car goes on although the light has turned yellow."""
        return self._passing.get(gate.index, False)

    def _watch(self, truth: Truth) -> None:
        stood = {}
        for actor in truth.actors:
            if actor.speed_mps < STANDS_MPS:
                stood[actor.id] = self._stood.get(actor.id, truth.time_s)
        self._stood = stood

    def _lamp(self, gate: Gate, truth: Truth, to_line: float, arrives_s: float) -> list[Stop]:
        lamp = truth.lamps.get(gate.group, Lamp.GREEN) if gate.group is not None else Lamp.GREEN
        if lamp is Lamp.GREEN:
            self._passing.pop(gate.index, None)
            return []
        speed = truth.ego.speed_mps
        room = to_line + HELD_M if lamp is Lamp.RED else to_line - 0.2
        needed = speed * speed / (2.0 * max(room - speed * REACTION_S, 0.05)) if speed > 0.3 else 0.0
        if gate.index not in self._passing:
            self._passing[gate.index] = lamp is Lamp.YELLOW and needed > (YELLOW_MPS2 if arrives_s < YELLOW_S else YELLOW_HARD_MPS2)
        elif self._passing[gate.index] and needed < (YELLOW_HARD_MPS2 if lamp is Lamp.RED else SLOWED_MPS2):
            self._passing[gate.index] = False
        if self._passing[gate.index]:
            return []
        reason = Reason.SLOW_YELLOW if lamp is Lamp.YELLOW else Reason.SLOW_RED
        return [_stop_before(to_line, LINE_M, truth.ego, reason)]

    def _room(self, gate: Gate, path: PathAhead, ego: EgoTruth, seen: Sequence[Seen], to_line: float) -> list[Stop]:
        """Nobody enters a junction that cannot be left."""
        end = path.along_at(gate.end_m)
        for walk in self._route.walks:
            if walk.gate == gate.index and walk.at_m > gate.turn.begin_m:
                end = max(end, path.along_at(walk.at_m + walk.half_m))
        needed = end + ego.front_m + ego.rear_m + ROOM_M
        for each in seen:
            if each.actor.kind not in VEHICLES or each.gap_m(ego.half_width_m) > 0.1 or abs(each.along_mps) > 1.5:
                continue
            if each.actor.speed_mps > 2.0 or each.near_m < to_line + ego.front_m:
                continue
            if each.near_m < needed and self._stood.get(each.actor.id) is not None:
                return [_stop_before(to_line, LINE_M, ego, Reason.WAIT_EXIT)] if _braking(to_line - LINE_M, ego.speed_mps) < COMMITTED_MPS2 else []
        return []

    def _coming(self, actors: Sequence[Actor]) -> dict[int, list[tuple[Actor, Upstream]]]:
        found: dict[int, list[tuple[Actor, Upstream]]] = {}
        for actor in actors:
            if actor.kind in VEHICLES:
                for up in self._route.upstream.get(actor.lane, ()):
                    found.setdefault(up.conflict, []).append((actor, up))
        return found

    def _gaps(
        self,
        gate: Gate,
        truth: Truth,
        path: PathAhead,
        seen: Sequence[Seen],
        coming: Mapping[int, Sequence[tuple[Actor, Upstream]]],
        arrive_s: Sequence[float],
        step_m: float,
        to_line: float,
    ) -> list[Stop]:
        ego, found = truth.ego, []
        waited = self.waited_s.get(gate.index, 0.0)
        bold = min(max((waited - PATIENT_S) / (BOLD_S - PATIENT_S), 0.0), 1.0)
        share = 1.0 - (1.0 - BOLD_SHARE) * bold
        for index, conflict in self._by_gate[gate.index]:
            enter, leave = path.along_at(conflict.begin_m) - ego.front_m, path.along_at(conflict.end_m) + ego.rear_m
            if leave < 0.0 or enter < -0.5:
                continue
            if not coming.get(index):
                self._going[index] = True
                continue
            enter_s, leave_s = _time(arrive_s, step_m, max(enter, 0.0)), _time(arrive_s, step_m, leave)
            leave_s = max(leave_s, _held_up(seen, ego, leave))
            margin = (MERGE_S if conflict.merges else CROSS_S) * share - (RESOLVED_S if self._going.get(index) else 0.0)
            blocked = any(
                self._meets(actor, up, conflict, truth, (enter_s, leave_s), margin, waited) for actor, up in coming[index] if actor.lane >= 0
            )
            at = enter - ZONE_M
            if to_line > -PASSED_M and (gate.group is None or at < to_line - LINE_M):
                at = to_line - LINE_M + 0.4
            if blocked and _braking(at + ZONE_M - 0.2, ego.speed_mps) > COMMITTED_MPS2:
                blocked = False  # too late; who is really in the way is braked for anyway
            self._going[index] = not blocked
            if blocked:
                found.append(Stop(at, Reason.GIVE_WAY))
        return found[:1] if len(found) < 2 else [min(found, key=lambda stop: stop.along_m)]

    def _meets(
        self, actor: Actor, up: Upstream, conflict: Conflict, truth: Truth, mine: tuple[float, float], margin_s: float, waited_s: float
    ) -> bool:
        """Whether somebody's passage comes too close to the car's."""
        inside = actor.lane == conflict.lane
        to_connector = up.offset_m - actor.lane_s_m
        front = to_connector + conflict.other_begin_m - actor.length_m / 2.0
        if not inside and self._held_back(actor, up, conflict, truth, to_connector):
            return False
        rear = front + (conflict.other_end_m - conflict.other_begin_m) + actor.length_m
        if rear < 0.0:
            return False
        standing_s = truth.time_s - self._stood.get(actor.id, truth.time_s)
        if standing_s > STANDS_S and waited_s > STANDS_S and front > 0.3:
            return False  # it waits too
        limit = max(self._route.network.lanes[conflict.lane].speed_limit_mps, actor.speed_mps)
        arrives = _travel(max(front, 0.0), actor.speed_mps, limit) if front > 0.0 else 0.0
        gone = _travel(rear, max(actor.speed_mps, 0.5), max(actor.speed_mps, 3.0))
        return not (mine[1] + margin_s < arrives or gone + AFTER_S < mine[0])

    def _held_back(self, actor: Actor, up: Upstream, conflict: Conflict, truth: Truth, to_connector: float) -> bool:
        """It does not come, or the other way: by its lamp, by its indicator, or because it is for it to wait."""
        if not conflict.yields and conflict.group is None:
            return True
        if conflict.group is not None:
            lamp = truth.lamps.get(conflict.group, Lamp.GREEN)
            before_line = up.stop_m is None or actor.lane_s_m + actor.length_m / 2.0 < up.stop_m + 0.5
            braking = actor.speed_mps**2 / (2.0 * max(to_connector - actor.length_m / 2.0, 0.1))
            if before_line and braking < (4.0 if lamp is Lamp.RED else 2.0 if lamp is Lamp.YELLOW else 0.0):
                return True
            if not conflict.yields and before_line:
                return True
        if to_connector < INDICATES_M or actor.speed_mps < 6.0:
            turning = {1: Manoeuvre.LEFT, -1: Manoeuvre.RIGHT}.get(actor.indicator, Manoeuvre.STRAIGHT)
            straight = conflict.other_turn in (Manoeuvre.STRAIGHT, Manoeuvre.FOLLOW)
            if (turning is not conflict.other_turn) if turning is not Manoeuvre.STRAIGHT else not straight:
                return True
        return False


def _stop_before(to_line: float, keep_m: float, ego: EgoTruth, reason: Reason) -> Stop:
    """A stop `keep_m` before a line, or nearer to it where that would need more than `FIRM_MPS2`."""
    speed = ego.speed_mps
    keep = keep_m
    if _braking(to_line - keep_m, speed) > FIRM_MPS2:
        keep = min(max(to_line - speed * speed / (2.0 * FIRM_MPS2), 0.3), keep_m)
    return Stop(to_line - keep, reason, True)


def _braking(left_m: float, speed: float) -> float:
    return 0.0 if speed < 0.3 and left_m > -0.5 else speed * speed / (2.0 * max(left_m, 0.05))


def _time(arrive_s: Sequence[float], step_m: float, way_m: float) -> float:
    i = way_m / step_m
    return arrive_s[min(max(int(i), 0), len(arrive_s) - 1)]


def _held_up(seen: Sequence[Seen], ego: EgoTruth, leave_m: float) -> float:
    """When those ahead let the car pass `leave_m`."""
    latest = 0.0
    for each in seen:
        if each.actor.kind in VEHICLES and each.near_m > ego.front_m and each.gap_m(ego.half_width_m) < 0.2 and each.along_mps > -0.5:
            beyond = leave_m + ego.front_m + 3.0 - each.near_m
            if beyond > 0.0:
                latest = max(latest, beyond / max(each.along_mps, 0.4))
    return latest


def _travel(way_m: float, speed: float, limit: float) -> float:
    """Time of a way for who speeds up to a limit."""
    accel = OTHER_ACCEL_MPS2
    ramp = max((limit * limit - speed * speed) / (2.0 * accel), 0.0)
    if way_m <= ramp:
        return (math.sqrt(speed * speed + 2.0 * accel * way_m) - speed) / accel
    return max(limit - speed, 0.0) / accel + (way_m - ramp) / limit
