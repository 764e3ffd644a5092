"""How fast pictures are drawn."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence

from heron_camera.views import pinhole
from heron_core.rig import Rig
from heron_sim.config import TownConfig, WeatherConfig
from heron_sim.drawing.rays import View, camera_view, sized, virtual_view
from heron_sim.drawing.renderer import Renderer
from heron_sim.roads.generate import generate_town
from heron_sim.roads.town import Town
from heron_sim.truth import Actor, ActorKind, EgoTruth, Truth

_STEP_M = 1.0  # the car drives on between two sets: ground that comes anew is part of the price
_POLICY_HFOV_DEG = 80.0
_CAR = (4.6, 1.8, 1.45)


def camera_views(rig: Rig, width: int, height: int) -> dict[str, View]:
    """All cameras of a rig at one size."""
    return {name: camera_view(sized(camera, width, height)) for name, camera in rig.cameras.items()}


def policy_views(rig: Rig, width: int, height: int) -> dict[str, View]:
    """A policy's virtual camera at each camera of a rig."""
    return {name: virtual_view(pinhole(name, width, height, _POLICY_HFOV_DEG), camera) for name, camera in rig.cameras.items()}


def busy_street(town: Town) -> Truth:
    """The ego car on the town's longest lane, others on all lanes around and walkers beside it."""
    lanes = [lane for lane in town.network.lanes if lane.junction is None]
    longest = max(lanes, key=lambda lane: lane.line.length_m)
    start = longest.line.at(10.0)
    actors: list[Actor] = []
    for line, kind, size, every_m in (
        *((lane.line, ActorKind.CAR, _CAR, 18.0) for lane in lanes),
        *((line, ActorKind.PEDESTRIAN, (0.55, 0.6, 1.7), 14.0) for line in town.network.sidewalks),
    ):
        for k in range(int(line.length_m / every_m)):
            place = line.at((k + 0.5) * every_m)
            away_m = math.hypot(place.x - start.x, place.y - start.y)
            if 7.0 < away_m < 150.0 and len(actors) < 80:
                actors.append(Actor(len(actors) + 1, kind, place.x, place.y, place.yaw, 5.0, *size, stride_m=0.3 * k, look=len(actors)))
    lamps = {group: town.network.lamp(group, 0.0) for group in town.network.groups}
    return Truth(0, EgoTruth(start.x, start.y, start.yaw, 10.0), tuple(actors), lamps)


def sets_per_s(
    rig: Rig, sizes: Sequence[tuple[int, int]] = ((640, 400),), policy: tuple[int, int] = (160, 96), seconds: float = 4.0
) -> Mapping[str, float]:
    """Sets of pictures of a whole rig per second, with shadows and smooth edges, on the cores that numba has.

    Args:
        rig: the cameras.
        sizes: (width, height) of pictures through the lenses.
        policy: (width, height) of a policy's pictures.
        seconds: how long each size is measured.

    Returns:
        `sets_per_s.640x400` … and `ns_per_pixel.640x400` … per size, the policy's under `policy_160x96`.
    """
    town = generate_town(TownConfig(), 1)
    truth = busy_street(town)
    out: dict[str, float] = {}
    rigs = {f"{width}x{height}": camera_views(rig, width, height) for width, height in sizes}
    rigs[f"policy_{policy[0]}x{policy[1]}"] = policy_views(rig, *policy)
    for name, views in rigs.items():
        renderer = Renderer(town, views, WeatherConfig(), 1)
        renderer.render(truth)
        count, ego, begin = 0, truth.ego, time.monotonic()
        while count < 3 or time.monotonic() - begin < seconds:
            ahead = _STEP_M * (count % 40)
            moved = dataclasses.replace(ego, x_m=ego.x_m + ahead * math.cos(ego.yaw_rad), y_m=ego.y_m + ahead * math.sin(ego.yaw_rad))
            renderer.render(dataclasses.replace(truth, ego=moved))
            count += 1
        each_s = (time.monotonic() - begin) / count
        out[f"sets_per_s.{name}"] = 1.0 / each_s
        out[f"ns_per_pixel.{name}"] = each_s * 1e9 / sum(view.size[0] * view.size[1] for view in views.values())
    return out
