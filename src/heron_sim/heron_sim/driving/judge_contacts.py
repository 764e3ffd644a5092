"""Who touched whom, and whose fault it was.

The rules, in this order:

1. The ego car stood (below 0.1 m/s): not its fault.
2. It had broken a rule within the last 5 s (red light, guide, crossing), was beside the road or in a wrong lane, or was in a junction where it had to
   yield to the other: its fault.
3. It was hit at its rear while it did not reverse: not its fault.
4. The other is part of the town, parked, or stands still: its fault.
5. Contact at its front: its fault, wherever the other came from, as it could have braked.
6. Contact at its side: its fault if it moved towards the other faster than the other towards it, or was out of its lane; else not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from heron_core.se2 import wrap_angle
from heron_sim.driving.geometry import Box, box_of_actor, contact_point, distance, overlap, time_to_contact, velocity
from heron_sim.roads.town import PARKED_M, Town
from heron_sim.truth import Actor, EgoTruth, Truth

STANDS_MPS = 0.1
APART_S = 1.0  # a contact is over when there was none for so long
REAR_M = 0.6  # depth of the zone at the car's rear, and of that at its front
NEAR_M = 6.0  # gaps are measured to what is nearer
TTC_M = 40.0
NEAR_MISS_S = 0.95  # nuPlan's bound of time to collision
POLES_M = {"tree": 0.4, "street light": 0.2, "sign": 0.1, "signal mast": 0.25}
CELL_M = 20.0


@dataclass(frozen=True)
class Collision:
    """One contact with one other.

    Attributes:
        time_s: when they touched.
        other: e.g. `car 7`, `tree 3`.
        at_fault: the ego car's fault.
        why: one clause, for people.
        speed_mps: of the ego car.
        closing_mps: speed of one relative to the other.
    """

    time_s: float
    other: str
    at_fault: bool
    why: str
    speed_mps: float
    closing_mps: float


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else matters for fault: rules broken lately ("" for none), whether the car is in its lane, and lanes that it must yield to right now."""

    broke: str = ""
    in_lane: bool = True
    yields_to: tuple[int, ...] = ()


class Contacts:
    """Keeps contacts, gaps and times to collision."""

    def __init__(self, town: Town) -> None:
        """Precomputes what stands about."""
        self._cells = _things(town)
        self._last_s: dict[str, float] = {}
        self._near_misses: set[int] = set()
        self._touched: set[int] = set()
        self._looks = 0
        self.collisions: list[Collision] = []
        self.min_gap_m = math.inf
        self.min_ttc_s = math.inf

    @property
    def near_misses(self) -> int:
        """Actors that the car was less than 0.95 s away from hitting, both going straight on, and did not hit."""
        return len(self._near_misses - self._touched)

    def observe(self, truth: Truth, box: Box, circumstances: Circumstances) -> list[Collision]:
        """One moment, in order of time → contacts that began."""
        ego, before = truth.ego, len(self.collisions)
        moving = abs(ego.speed_mps) > STANDS_MPS
        reach = box.radius_m
        self._looks += 1
        for actor in truth.actors:
            dx, dy = actor.x_m - box.x_m, actor.y_m - box.y_m
            apart = dx * dx + dy * dy
            near = reach + 0.5 * (actor.length_m + actor.width_m)
            if apart < (near + NEAR_M) ** 2:
                other = box_of_actor(actor)
                gap = distance(box, other)
                if gap == 0.0:
                    self._touch(truth, box, other, f"{actor.kind.value} {actor.id}", actor, circumstances)
                    self._touched.add(actor.id)
                if moving:
                    self.min_gap_m = min(self.min_gap_m, gap)
            if moving and self._looks % 2 == 0 and apart < TTC_M**2:
                self._foresee(ego, box, actor, dx, dy)
        key = (math.floor(box.x_m / CELL_M), math.floor(box.y_m / CELL_M))
        for name, thing in self._cells.get(key, ()):
            if overlap(box, thing):
                self._touch(truth, box, thing, name, None, circumstances)
        return self.collisions[before:]

    def _foresee(self, ego: EgoTruth, box: Box, actor: Actor, dx: float, dy: float) -> None:
        own, other = velocity(ego.yaw_rad, ego.speed_mps), velocity(actor.yaw_rad, actor.speed_mps)
        if dx * (other[0] - own[0]) + dy * (other[1] - own[1]) >= 0.0:
            return
        wait_s = time_to_contact(box, own, box_of_actor(actor), other)
        self.min_ttc_s = min(self.min_ttc_s, wait_s)
        if wait_s < NEAR_MISS_S:
            self._near_misses.add(actor.id)

    def _touch(self, truth: Truth, box: Box, other: Box, name: str, actor: Actor | None, circumstances: Circumstances) -> None:
        last = self._last_s.get(name, -math.inf)
        self._last_s[name] = truth.time_s
        if truth.time_s - last <= APART_S:
            return
        ego = truth.ego
        at_fault, why = _fault(ego, box, other, actor, circumstances)
        own = velocity(ego.yaw_rad, ego.speed_mps)
        its = velocity(actor.yaw_rad, actor.speed_mps) if actor else (0.0, 0.0)
        closing = math.hypot(own[0] - its[0], own[1] - its[1])
        self.collisions.append(Collision(truth.time_s, name, at_fault, why, ego.speed_mps, closing))


def _fault(ego: EgoTruth, box: Box, other: Box, actor: Actor | None, circumstances: Circumstances) -> tuple[bool, str]:
    """Whether it is the ego car's, and why."""
    if abs(ego.speed_mps) <= STANDS_MPS:
        return False, "the car stood"
    if circumstances.broke:
        return True, circumstances.broke
    if actor is not None and actor.lane in circumstances.yields_to:
        return True, "it had to yield"
    place = contact_point(box, other)
    along, across = box.local(*place)
    its_middle, _ = box.local(other.x_m, other.y_m)
    half = 0.5 * box.length_m
    if along < REAR_M - half and its_middle < -half and ego.speed_mps > 0.0:
        return False, "hit from behind"
    if actor is None or abs(actor.speed_mps) <= STANDS_MPS:
        return True, "the other stood still"
    if along > half - REAR_M and (abs(across) < 0.4 * box.width_m or its_middle > half):
        return True, "hit with the front"
    side = math.copysign(1.0, across)
    own = side * ego.yaw_rate_rps * (along + 0.5 * (ego.front_m - ego.rear_m))
    turn = wrap_angle(actor.yaw_rad - ego.yaw_rad)
    its = -side * actor.speed_mps * math.sin(turn)
    if not circumstances.in_lane:
        return True, "hit with the side, out of its lane"
    return (True, "hit with the side") if own >= its else (False, "hit in the side by the other")


def _things(town: Town) -> dict[tuple[int, int], tuple[tuple[str, Box], ...]]:
    """Cell of the ground → what stands in it or up to a car's length beside it: parked cars, houses, poles."""
    named: list[tuple[str, Box]] = [(f"parked car {i}", Box(each.x_m, each.y_m, each.yaw_rad, *PARKED_M)) for i, each in enumerate(town.parked)]
    named += [(f"building {i}", Box(each.x_m, each.y_m, each.yaw_rad, each.length_m, each.width_m)) for i, each in enumerate(town.buildings)]
    poles: tuple[tuple[str, Iterable[tuple[float, float]]], ...] = (
        ("tree", ((each.x_m, each.y_m) for each in town.trees)),
        ("street light", ((each.x_m, each.y_m) for each in town.lights)),
        ("sign", ((each.x_m, each.y_m) for each in town.signs)),
        ("signal mast", ((each.mast_x_m, each.mast_y_m) for each in town.network.heads)),
    )
    for kind, places in poles:
        named += [(f"{kind} {i}", Box(x, y, 0.0, POLES_M[kind], POLES_M[kind])) for i, (x, y) in enumerate(places)]
    cells: dict[tuple[int, int], list[tuple[str, Box]]] = {}
    for name, box in named:
        reach = box.radius_m + 4.0
        for i in range(math.floor((box.x_m - reach) / CELL_M), math.floor((box.x_m + reach) / CELL_M) + 1):
            for j in range(math.floor((box.y_m - reach) / CELL_M), math.floor((box.y_m + reach) / CELL_M) + 1):
                cells.setdefault((i, j), []).append((name, box))
    return {key: tuple(things) for key, things in cells.items()}
