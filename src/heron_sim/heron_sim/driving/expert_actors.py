"""Everybody else as seen along the way ahead, and whom the car follows or stops for."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from heron_sim.driving.expert_path import PathAhead
from heron_sim.driving.expert_speed import Lead, Stop
from heron_sim.driving.explain import Reason
from heron_sim.truth import Actor, ActorKind, EgoTruth

REACH_M = 110.0
SIDE_M, SIDE_SOFT_M = 0.3, 0.6  # room at the car's sides; for people and cyclists
SOFT = frozenset({ActorKind.PEDESTRIAN, ActorKind.BICYCLE, ActorKind.GUIDE})
FIXED_M = 0.15  # room to cones and the like, which stand still
FIXED = frozenset({ActorKind.CONE, ActorKind.BARRIER})
CUT_IN_S = 1.5  # who will be in the way by then counts as ahead
STEP_OUT_S = 1.6  # a walker who will be in the way by then is one to stop for
CROSSING_COS = 0.5  # whose direction differs more crosses the way
MOVES_MPS = 0.3
BEFORE_M = 2.0  # kept to what stands across
LEAVES_S = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One actor beside the way ahead.

    Attributes:
        actor: who.
        near_m, far_m: way of base_link from the car to the actor's nearest and furthest edge.
        side_m: its middle, left of the way.
        half_m: half its extent across the way.
        along_mps, left_mps: its velocity along and across the way.
    """

    actor: Actor
    near_m: float
    far_m: float
    side_m: float
    half_m: float
    along_mps: float
    left_mps: float

    def gap_m(self, half_width_m: float) -> float:
        """Between the car's side and the actor, if the car passed it; negative: it is in the way."""
        return abs(self.side_m) - self.half_m - half_width_m

    def room_m(self) -> float:
        """Room that it needs at its side."""
        return SIDE_SOFT_M if self.actor.kind in SOFT else SIDE_M


def see(path: PathAhead, ego: EgoTruth, actors: Sequence[Actor]) -> list[Seen]:
    """All actors within reach of the way, whether ahead or beside the car, by id."""
    close = [a for a in actors if abs(a.x_m - ego.x_m) < REACH_M and abs(a.y_m - ego.y_m) < REACH_M]
    if not close:
        return []
    table = np.array([(a.x_m, a.y_m) for a in close])
    coarse = slice(None, None, 2)
    px, py = path.x_m[coarse], path.y_m[coarse]
    nearest = np.argmin((table[:, :1] - px) ** 2 + (table[:, 1:] - py) ** 2, axis=1)
    x, y, yaw, along = px[nearest].tolist(), py[nearest].tolist(), path.yaw_rad[coarse][nearest].tolist(), path.along_m[coarse][nearest].tolist()
    end = float(path.along_m[-1])
    found = []
    for a, x0, y0, yaw0, along0 in zip(close, x, y, yaw, along, strict=True):
        c, s = math.cos(yaw0), math.sin(yaw0)
        dx, dy = a.x_m - x0, a.y_m - y0
        forward, left = c * dx + s * dy, c * dy - s * dx
        if abs(left) > 25.0 or along0 + forward > end or along0 + forward < -12.0:
            continue
        turned = a.yaw_rad - yaw0
        ct, st = math.cos(turned), math.sin(turned)
        half_along = (abs(ct) * a.length_m + abs(st) * a.width_m) / 2.0
        half_side = (abs(st) * a.length_m + abs(ct) * a.width_m) / 2.0
        at = along0 + forward
        found.append(Seen(a, at - half_along, at + half_along, left, half_side, a.speed_mps * ct, a.speed_mps * st))
    return found


def follow(
    seen: Sequence[Seen], ego: EgoTruth, arrive_s: Sequence[float], step_m: float, meeting: Container[int] = ()
) -> tuple[list[Lead], list[Stop]]:
    """Whom to follow, and where to stop for those who are in the way without going along it.

    Args:
        seen: along the way.
        ego: the car.
        arrive_s: time at which base_link will be `i * step_m` further, on a free road.
        step_m: see there.
        meeting: lanes whose vehicles meet the way at a junction, which is not judged here.
    """
    leads: list[Lead] = []
    stops: list[Stop] = []
    middle_m = (ego.front_m - ego.rear_m) / 2.0
    for each in seen:
        actor = each.actor
        if (each.near_m + each.far_m) / 2.0 < middle_m or each.far_m < ego.front_m * 0.5:
            continue  # beside or behind
        gap = each.gap_m(ego.half_width_m)
        in_way = gap < each.room_m()
        if actor.kind in FIXED or actor.kind is ActorKind.GUIDE:
            if gap < FIXED_M:
                stops.append(Stop(each.near_m - ego.front_m - 3.0, Reason.STOP_OBSTACLE, True))
            continue
        toward = -math.copysign(each.left_mps, each.side_m * each.left_mps) if abs(each.side_m) > 0.2 else abs(each.left_mps)
        if not in_way and not _comes(each, gap, toward, ego):
            continue
        ahead = each.near_m - ego.front_m
        if actor.kind is ActorKind.PEDESTRIAN:
            stops += _for_walker(each, ahead, gap, in_way, arrive_s, step_m)
        elif abs(each.along_mps) < CROSSING_COS * actor.speed_mps and actor.speed_mps > MOVES_MPS and abs(each.left_mps) > MOVES_MPS:
            stops += _for_crossing(each, ahead, ego, arrive_s, step_m)
        elif each.along_mps < -MOVES_MPS:
            if gap < 0.0 and ahead < 30.0 and actor.lane not in meeting:
                stops.append(Stop(ahead / 2.0 - BEFORE_M, Reason.STOP_OBSTACLE, True))
        elif actor.kind is ActorKind.BICYCLE:
            leads.append(Lead(ahead, max(each.along_mps, 0.0), 0.0, Reason.FOLLOW_CYCLIST, 2.5))
        else:
            standing = actor.speed_mps < MOVES_MPS and ego.speed_mps < MOVES_MPS
            reason = Reason.CUT_IN if not in_way else Reason.WAIT_CAR if standing else Reason.FOLLOW_CAR
            leads.append(Lead(ahead, max(each.along_mps, 0.0), min(max(actor.accel_mps2, -4.0), 1.0), reason))
    leads.sort(key=lambda lead: lead.gap_m)
    return leads[:4], stops


def _comes(each: Seen, gap: float, toward_mps: float, ego: EgoTruth) -> bool:
    """It will be in the way soon."""
    kind = each.actor.kind
    if toward_mps < 0.2 or each.near_m - ego.front_m < -0.5:
        return False
    soon = STEP_OUT_S if kind is ActorKind.PEDESTRIAN else CUT_IN_S
    if kind is ActorKind.PEDESTRIAN:
        return gap - toward_mps * soon < 0.3
    if each.along_mps < 0.7 * each.actor.speed_mps:
        return False  # who comes across is a matter of the junction
    return gap - toward_mps * soon < 0.2


def _arrival(arrive_s: Sequence[float], step_m: float, way_m: float) -> float:
    return arrive_s[min(max(int(way_m / step_m), 0), len(arrive_s) - 1)]


def _for_walker(each: Seen, ahead: float, gap: float, in_way: bool, arrive_s: Sequence[float], step_m: float) -> list[Stop]:
    moving = each.actor.speed_mps > MOVES_MPS
    leaving = moving and each.side_m * each.left_mps > 0.0
    if leaving:
        gone_s = (each.room_m() - gap) / max(abs(each.left_mps), 0.1)
        if not in_way or _arrival(arrive_s, step_m, ahead) > gone_s + 0.5:
            return []
    return [Stop(ahead - BEFORE_M, Reason.SLOW_PEDESTRIAN, True)]


def _for_crossing(each: Seen, ahead: float, ego: EgoTruth, arrive_s: Sequence[float], step_m: float) -> list[Stop]:
    """Someone drives across: no matter if gone before the car comes."""
    clear_m = ego.half_width_m + SIDE_M + each.half_m
    way_m = clear_m - each.side_m if each.left_mps > 0.0 else clear_m + each.side_m
    if _arrival(arrive_s, step_m, max(ahead - 1.0, 0.0)) > way_m / abs(each.left_mps) + LEAVES_S:
        return []
    return [Stop(ahead - BEFORE_M, Reason.GIVE_WAY, True)]
