"""A work zone that closes the ego car's lane: cones, barriers, workers, and guides who let one direction pass at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heron_core.errors import InputError
from heron_sim.config import WorkZoneConfig
from heron_sim.roads.network import Lane, RoadNetwork
from heron_sim.roads.route import Route
from heron_sim.traffic.lanes import LaneTable
from heron_sim.traffic.vehicles import Shift
from heron_sim.truth import Actor, ActorKind

TAPER_M = 14.0
STOP_BEFORE_GUIDE_M = 2.5
RETURN_M = 6.0  # the others wait so far beyond the zone, where the ego car returns to its lane
SEARCH_M = 250.0
QUEUES_M = (22.0, 9.0)  # room before the stop lines, if there is any such place; else this
CONE_EVERY_M = 3.5
BESIDE_WAY_M = 1.65  # from the middle of the way around the zone to its cones
GUIDE_BESIDE_M = 0.6  # from the edge of the lane to the middle of a guide, whose arm reaches as far as that


@dataclass(frozen=True)
class Prop:
    """Something or somebody that stands there: kind, place, direction, box."""

    kind: ActorKind
    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    height_m: float

    def actor(self, identity: int) -> Actor:
        """As an actor."""
        return Actor(identity, self.kind, self.x_m, self.y_m, self.yaw_rad, 0.0, self.length_m, self.width_m, self.height_m, look=identity)


@dataclass(frozen=True)
class WorkZone:
    """Where it is and how one gets around it.

    Attributes:
        lane, lane_start_m: the closed lane, and arc length on the route at which it begins.
        beside, same: the lane that all use meanwhile, and whether it goes in the same direction.
        stop_m: arc length on the route of the line before which front bumpers stop for the guide.
        begin_m, full_m, leave_m, end_m: arc lengths on the route where the way leaves the lane, is beside it, begins to return, is back.
        left_m: its offset from the lane's middle between `full_m` and `leave_m`, left positive.
        beside_stop_m, beside_end_m: on the lane beside: its own stop line, and where its vehicles have left the zone.
        guide: who shows STOP and GO to the ego car.
        far_guide: who shows them to the others, or None.
        props: cones, barriers, workers.
    """

    lane: int
    lane_start_m: float
    beside: int
    same: bool
    stop_m: float
    begin_m: float
    full_m: float
    leave_m: float
    end_m: float
    left_m: float
    beside_stop_m: float
    beside_end_m: float
    guide: Prop
    far_guide: Prop | None
    props: tuple[Prop, ...]

    @property
    def shift(self) -> Shift:
        """For the kernels: arc lengths on the lane."""
        at = self.lane_start_m
        return Shift(self.lane, self.begin_m - at, self.full_m - at, self.leave_m - at, self.end_m - at, self.left_m, self.beside)

    def lateral_m(self, route_m: float) -> float:
        """Offset of the way from the route's line, left positive."""
        share = min((route_m - self.begin_m) / (self.full_m - self.begin_m), (self.end_m - route_m) / (self.end_m - self.leave_m), 1.0)
        return self.left_m * share * share * (3.0 - 2.0 * share) if share > 0.0 else 0.0


NO_SHIFT = Shift(-1, 0.0, 1.0, 1.0, 2.0, 0.0, -1)


def work_zone(network: RoadNetwork, net: LaneTable, route: Route, config: WorkZoneConfig) -> WorkZone:
    """Places the zone at `at_m` of the route, or as near to there as one lane has room for it.

    Raises:
        InputError: there is none within `SEARCH_M`.
    """
    offs = sorted(np.arange(-SEARCH_M, SEARCH_M + 1.0, 2.0), key=lambda value: (abs(value), value))
    for queue_m in QUEUES_M:
        for off in offs:
            at = config.at_m + float(off)
            found = _zone_at(network, net, route, config, at, queue_m) if 25.0 < at < route.line.length_m else None
            if found is not None:
                return found
    needed = config.length_m + 2.0 * TAPER_M + 8.0
    raise InputError(
        f"no room for a work zone of {config.length_m:g} m near {config.at_m:g} m of the route: it needs {needed:.0f} m of one lane without junction "
        f"or crossing, with another lane beside it, within {SEARCH_M:g} m of there; choose another at_m or a shorter length_m"
    )


def _zone_at(network: RoadNetwork, net: LaneTable, route: Route, config: WorkZoneConfig, at_m: float, queue_m: float) -> WorkZone | None:
    index, on_lane = route.lane_at(at_m)
    lane = network.lanes[index]
    start = at_m - on_lane
    beside = int(net.lanes.beside[index])
    stop, begin = at_m - start - STOP_BEFORE_GUIDE_M, at_m - start + 1.0
    full = begin + TAPER_M
    leave = full + config.length_m
    end = leave + TAPER_M
    bands = net.bands.s[net.lanes.band_first[index] : net.lanes.band_first[index + 1]]
    if (
        lane.junction is not None
        or beside < 0
        or stop < queue_m
        or end > net.lanes.stop[index] - 4.0
        or ((bands > stop - 8.0) & (bands < end + 4.0)).any()
    ):
        return None
    middle = lane.line.at((full + leave) / 2.0)
    other = network.lanes[beside]
    s_other, left = other.line.nearest(middle.x, middle.y)
    same = bool(net.lanes.beside_same[index])
    left_m = -left if same else left
    near, far = lane.line.at(stop), lane.line.at(end + RETURN_M)
    at_near, at_far = (other.line.nearest(place.x, place.y)[0] for place in (near, far))
    beside_stop, beside_end = (at_near, at_far) if same else (at_far, at_near)
    off_route = (abs(route.line.nearest(place.x, place.y, start + s)[1]) for s in (stop, full, leave, end) for place in [lane.line.at(s)])
    if not min(queue_m, 12.0) < beside_stop < beside_end or s_other <= 0.0 or max(off_route) > 0.3:
        return None
    shape = Shift(index, begin, full, leave, end, left_m)
    inner = 1.0 if left_m > 0.0 else -1.0
    guide = _beside(lane, begin - 1.0, -inner * (lane.width_m / 2.0 + GUIDE_BESIDE_M), ActorKind.GUIDE, facing=True)
    far_guide = None if same else _beside(lane, end + 1.0, left_m + inner * (lane.width_m / 2.0 + GUIDE_BESIDE_M), ActorKind.GUIDE, facing=False)
    zone = WorkZone(
        index,
        start,
        beside,
        same,
        start + stop,
        start + begin,
        start + full,
        start + leave,
        start + end,
        left_m,
        beside_stop,
        beside_end,
        guide,
        far_guide,
        (),
    )
    return WorkZone(**{**zone.__dict__, "props": _props(lane, zone, shape, inner)})


SIZES = {
    ActorKind.GUIDE: (0.6, 1.16, 1.85),  # with the arm and the paddle held out
    ActorKind.PEDESTRIAN: (0.5, 0.5, 1.72),
    ActorKind.CONE: (0.36, 0.36, 0.7),
    ActorKind.BARRIER: (0.5, 2.0, 1.0),
}


def _beside(lane: Lane, s_m: float, left_m: float, kind: ActorKind, facing: bool = False) -> Prop:
    poses = lane.line.poses(np.array([s_m]))[0]
    x, y, yaw = (float(value) for value in poses)
    turned = yaw + np.pi if facing else yaw
    return Prop(kind, x - left_m * float(np.sin(yaw)), y + left_m * float(np.cos(yaw)), float(turned), *SIZES[kind])


def _props(lane: Lane, zone: WorkZone, shape: Shift, inner: float) -> tuple[Prop, ...]:
    """Cones along the way, barriers across the lane at both ends of the closed part, three workers in it."""
    props = []
    edge = lane.width_m / 2.0 - 0.1
    count = max(int((shape.end - shape.begin) / CONE_EVERY_M), 4)
    for s in np.linspace(shape.begin + 3.0, shape.end - 3.0, count):
        aside = zone.lateral_m(float(s) + zone.lane_start_m) - inner * BESIDE_WAY_M
        if aside * inner > -edge:
            props.append(_beside(lane, float(s), aside, ActorKind.CONE))
    for s in (shape.full + 1.0, shape.leave - 1.0):
        props.append(_beside(lane, s, -inner * 0.25, ActorKind.BARRIER, facing=True))
    for share, left in ((0.35, -0.5), (0.5, 0.2), (0.7, -0.8)):
        props.append(_beside(lane, shape.full + share * (shape.leave - shape.full), left, ActorKind.PEDESTRIAN, facing=share > 0.4))
    return tuple(props)
