"""Pictures that several tests look at: a crossing with somebody on it, seen by the demonstration car."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from heron_core.rig import Rig, load_rig
from heron_sim.config import WeatherConfig
from heron_sim.drawing.rays import View, camera_view, sized
from heron_sim.drawing.renderer import Renderer
from heron_sim.roads.simple import cross_town
from heron_sim.roads.town import Town
from heron_sim.truth import Actor, ActorKind, EgoTruth, Truth

ROOT = Path(__file__).resolve().parents[3]
EGO = EgoTruth(-70.0, 1.6, 0.0, 8.0)


@cache
def rig() -> Rig:
    return load_rig(ROOT / "config/vehicle/demo/rig.yaml")


@cache
def town() -> Town:
    return cross_town()


def views(width: int, height: int, *names: str) -> dict[str, View]:
    return {name: camera_view(sized(camera, width, height)) for name, camera in rig().cameras.items() if not names or name in names}


def renderer(of: Mapping[str, View], weather: WeatherConfig | None = None) -> Renderer:
    return Renderer(town(), of, weather or WeatherConfig(), 1)


def actor(number: int, kind: ActorKind, ahead_m: float, left_m: float, size: tuple[float, float, float], turn_rad: float = 0.0) -> Actor:
    c, s = math.cos(EGO.yaw_rad), math.sin(EGO.yaw_rad)
    x, y = EGO.x_m + c * ahead_m - s * left_m, EGO.y_m + s * ahead_m + c * left_m
    return Actor(number, kind, x, y, EGO.yaw_rad + turn_rad, 3.0, *size, look=number)


def truth(*actors: Actor) -> Truth:
    return Truth(0, EGO, actors, {group: town().network.lamp(group, 0.0) for group in town().network.groups})
