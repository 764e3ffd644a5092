"""Hand-made drives for the judge: the fixed town, a route through its junction, moments along it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from heron_sim.driving.judge import DrivingResult, Judge
from heron_sim.roads.line import Line
from heron_sim.roads.network import Manoeuvre, RoadNetwork
from heron_sim.roads.route import Route, Turn
from heron_sim.roads.simple import cross_town
from heron_sim.truth import Actor, ActorKind, EgoTruth, Truth

TOWN = cross_town()
STEP_S = 0.05
GREEN_S, RED_S = 26.0, 2.0  # moments at which the lamp of the way north has just become so and stays for 14 s


def route_north(turn: Manoeuvre = Manoeuvre.STRAIGHT, network: RoadNetwork = TOWN.network) -> Route:
    """From the south end of the town through the junction."""
    arriving = min((lane for lane in network.lanes if lane.junction is None and lane.successors), key=lambda lane: tuple(lane.line.points[0][::-1]))
    connector = next(network.lanes[i] for i in arriving.successors if network.lanes[i].turn is turn)
    chain = (arriving, connector, network.lanes[connector.successors[0]])
    starts = np.concatenate([[0.0], np.cumsum([lane.line.length_m for lane in chain])])
    points = np.concatenate([chain[0].line.points, *(lane.line.points[1:] for lane in chain[1:])])
    turns = (Turn(turn, 0, connector.id, float(starts[1]), float(starts[2])),)
    return Route(tuple(lane.id for lane in chain), tuple(float(s) for s in starts[:3]), Line(points), turns)


NORTH = route_north()
STOP_LINE_M = 131.5
CROSSING_M = 135.0


def ego_at(s_m: float, speed_mps: float = 8.0, left_m: float = 0.0, turned_rad: float = 0.0, route: Route = NORTH) -> EgoTruth:
    """The ego car with base_link beside the route's line."""
    pose = route.line.at(s_m)
    x, y = pose.x - left_m * np.sin(pose.yaw), pose.y + left_m * np.cos(pose.yaw)
    return EgoTruth(float(x), float(y), pose.yaw + turned_rad, speed_mps)


def actor(number: int, kind: ActorKind, x_m: float, y_m: float, yaw_rad: float, speed_mps: float = 0.0, **more: object) -> Actor:
    """Somebody of usual size."""
    sizes = {ActorKind.CAR: (4.4, 1.8, 1.5), ActorKind.PEDESTRIAN: (0.4, 0.5, 1.7), ActorKind.GUIDE: (0.4, 0.5, 1.7)}
    return replace(Actor(number, kind, x_m, y_m, yaw_rad, speed_mps, *sizes.get(kind, (1.7, 0.6, 1.7))), **more)  # type: ignore[arg-type]


def moved(someone: Actor, seconds: float) -> Actor:
    """The actor later, straight on."""
    way = someone.speed_mps * seconds
    return replace(someone, x_m=someone.x_m + way * np.cos(someone.yaw_rad), y_m=someone.y_m + way * np.sin(someone.yaw_rad))


def judged(
    ego: Callable[[float], EgoTruth],
    seconds: float,
    actors: Callable[[float], Iterable[Actor]] = lambda t: (),
    start_s: float = GREEN_S,
    route: Route = NORTH,
    judge: Judge | None = None,
) -> DrivingResult:
    """What the judge says about `seconds` of a drive; `ego` and `actors` are functions of the time since its beginning."""
    judge = judge or Judge(TOWN, route)
    for i in range(round(seconds / STEP_S) + 1):
        t = i * STEP_S
        judge.observe(Truth(round((start_s + t) * 1e9), ego(t), tuple(actors(t))))
    return judge.result()


def straight(from_m: float, speed_mps: float = 8.0, route: Route = NORTH) -> Callable[[float], EgoTruth]:
    """A steady drive along the route."""
    return lambda t: ego_at(from_m + speed_mps * t, speed_mps, route=route)
