"""Rendered pictures: a driver of silicon can tell red from green, and night from day."""

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from heron_core.rig import load_rig
from heron_sim.config import WeatherConfig
from heron_sim.drawing.rays import View, camera_view, sized
from heron_sim.drawing.renderer import Renderer
from heron_sim.roads.simple import cross_town
from heron_sim.truth import EgoTruth, Lamp, Truth

RIG = Path(__file__).parents[3] / "config/vehicle/demo/rig.yaml"
TOWN = cross_town()


@lru_cache
def _narrow() -> View:
    return camera_view(sized(load_rig(RIG).cameras["CAM_FRONT_NARROW"], 640, 400))


@lru_cache
def _renderer(light: str, sky: str) -> Renderer:
    return Renderer(TOWN, {"narrow": _narrow()}, WeatherConfig(light=light, sky=sky), 1)  # type: ignore[arg-type]


def _facing(distance_m: float) -> tuple[EgoTruth, int, tuple[float, float, float]]:
    """The ego car `distance_m` before a drivers' head that faces it, the head's group, and the head's place in base_link."""
    head = next(one for one in TOWN.network.heads if not one.pedestrian and abs(math.remainder(one.yaw_rad - math.pi, 2.0 * math.pi)) < 0.1)
    return EgoTruth(head.x_m - distance_m - 1.9, head.y_m, 0.0, 8.0), head.group, (distance_m + 1.9, 0.0, head.z_m)


def _brightest_near(image: np.ndarray, place: tuple[float, float, float], reach: int) -> np.ndarray:
    """Blue, green, red of the most colourful pixel around a place in base_link."""
    u, v = _narrow().project(np.array([place]))[0]
    part = image[int(v) - reach : int(v) + reach + 1, int(u) - reach : int(u) + reach + 1].reshape(-1, 3).astype(int)
    return part[int(np.argmax(part.max(axis=1) - part.min(axis=1)))]


@pytest.mark.parametrize("light", ["day", "night"])
@pytest.mark.parametrize("distance_m", [40.0, 60.0])
def test_red_and_green_are_told_apart_in_the_narrow_camera(light: str, distance_m: float) -> None:
    ego, group, place = _facing(distance_m)
    seen = {}
    for lamp in (Lamp.RED, Lamp.GREEN):
        image = _renderer(light, "clear").render(Truth(0, ego, (), {group: lamp}))["narrow"].image
        seen[lamp] = _brightest_near(image, place, round(0.8 / distance_m * 910))
    blue, green, red = seen[Lamp.RED]
    assert red > 180 and red > green + 70 and red > blue + 70
    blue, green, red = seen[Lamp.GREEN]
    assert green > 150 and green > red + 70


def test_pictures_get_darker_from_day_to_dusk_to_night() -> None:
    truth = Truth(0, _facing(50.0)[0])
    mean = {light: _renderer(light, "clear").render(truth)["narrow"].image.mean() for light in ("day", "dusk", "night")}
    assert mean["day"] > mean["dusk"] + 10 > mean["night"] + 20
    assert mean["night"] > 8


def test_fog_takes_the_far_and_leaves_the_near() -> None:
    truth = Truth(0, _facing(60.0)[0])
    clear, fog = (_renderer("day", sky).render(truth)["narrow"].image.astype(float) for sky in ("clear", "fog"))
    far, near = slice(150, 190), slice(330, 400)
    assert fog[far].std() < 0.5 * clear[far].std()
    assert abs(fog[far].mean() - fog[20:60].mean()) < 30  # houses sink into the sky
    assert fog[near].std() > 2.0
