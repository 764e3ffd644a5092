"""Light and materials: every one of them finite, weathers in their order, fog by Koschmieder's law, lamps where they shine."""

import math
from itertools import product

import numpy as np
import pytest

from heron_sim.config import WeatherConfig
from heron_sim.drawing import light as li
from heron_sim.drawing.light import Lamps, light_of
from heron_sim.drawing.lighting import Lighting
from heron_sim.drawing.shading import fogged, ground_colour, shape_colour
from heron_sim.drawing.shapes import Form, Material, shape
from heron_sim.drawing.sky import sky_colour
from heron_sim.drawing.texture import band, grain
from heron_sim.roads.simple import cross_town
from heron_sim.truth import Actor, ActorKind, EgoTruth, Truth

LIGHTS, SKIES = ("day", "dusk", "night"), ("clear", "overcast", "rain", "fog")
ASPHALT = (0.07, 0.07, 0.073)
DOWN = (math.cos(0.2), 0.0, -math.sin(0.2))


def _fields(lamps: Lamps) -> tuple[np.ndarray, ...]:
    return lamps.values, lamps.lamps, lamps.starts, lamps.items


def _ground(lamps: Lamps, x: float, y: float, lit: float = 1.0, albedo: tuple[float, float, float] = ASPHALT) -> np.ndarray:
    return np.array(ground_colour(*albedo, x, y, *DOWN, 7.0, 0.002, lit, *_fields(lamps)))


@pytest.mark.parametrize("light", LIGHTS)
def test_every_material_is_finite_and_in_range_in_every_weather_from_near_and_far(light: str) -> None:
    town = cross_town()
    truth = Truth(0, EgoTruth(-40.0, 2.0, 0.0, 5.0), (Actor(1, ActorKind.CAR, -30.0, 2.0, 0.0, 5.0, 4.4, 1.75, 1.5, brake=True),))
    for sky in SKIES:
        fields = _fields(Lighting(town, WeatherConfig(light=light, sky=sky)).at(truth))
        for material, look in product(Material, range(5)):
            row = shape(Form.BOX, material, (-32.0, 2.0, 6.0), (2.0, 5.0, 6.0), (0.5, 0.4, 0.3), look=float(look))
            rows = np.array([row], np.float32)
            for (lx, ly, lz, nx, ny, nz), distance in product(
                [(-2.0, 0.3, 0.5, -1.0, 0.0, 0.0), (0.2, -5.0, -4.0, 0.0, -1.0, 0.1), (0.5, 0.5, 6.0, 0.0, 0.0, 1.0)], (1.0, 30.0, 600.0)
            ):
                colour = shape_colour(
                    rows, 0, lx, ly, lz, nx, ny, nz, lx - 32.0, ly + 2.0, lz + 6.0, 0.9578, 0.1, -0.2694, distance, 0.002, 1.0, *fields
                )
                assert all(math.isfinite(v) and -1e-6 <= v < 40.0 for v in colour), (sky, material, look, colour)


def test_night_is_darker_than_dusk_and_dusk_than_day_and_rain_and_shadow_darken() -> None:
    def seen(light: str, sky: str, lit: float = 1.0) -> float:
        lamps = light_of(WeatherConfig(light=light, sky=sky)).without_lamps()
        return float(_ground(lamps, 3.0, 1.0, lit, (0.3, 0.3, 0.3)).mean())

    for sky in SKIES:
        assert seen("night", sky) < 0.5 * seen("dusk", sky) < 0.5 * seen("day", sky)
    assert seen("day", "clear") > seen("day", "overcast") > seen("day", "rain")
    assert 0.1 < seen("day", "clear", lit=0.0) / seen("day", "clear") < 0.5


def test_rain_makes_the_road_mirror_the_sky_far_away() -> None:
    def far_over_near(sky: str) -> float:
        fields = _fields(light_of(WeatherConfig(sky=sky)).without_lamps())
        far = ground_colour(*ASPHALT, 3.0, 1.0, 0.9996, 0.0, -0.0283, 50.0, 0.002, 1.0, *fields)
        near = ground_colour(*ASPHALT, 3.0, 1.0, 0.5, 0.0, -0.866, 2.0, 0.002, 1.0, *fields)
        return far[1] / near[1]

    assert far_over_near("rain") > 1.5 * far_over_near("overcast")


@pytest.mark.parametrize("visibility_m", [30.0, 90.0, 400.0])
def test_in_fog_five_percent_of_contrast_is_left_at_the_visibility(visibility_m: float) -> None:
    values = light_of(WeatherConfig(sky="fog", visibility_m=visibility_m)).values
    sky = sky_colour(1.0, 0.0, 0.0, values)
    dark = fogged(0.0, 0.0, 0.0, visibility_m, values)
    assert (sky[1] - dark[1]) / sky[1] == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize(("light", "sky"), product(LIGHTS, SKIES))
def test_the_sky_is_finite_and_meets_the_air_at_the_horizon(light: str, sky: str) -> None:
    values = light_of(WeatherConfig(light=light, sky=sky)).values
    for azimuth, elevation in product(np.linspace(0.0, 6.2, 9), (0.0, 0.05, 0.7, 1.5)):
        colour = sky_colour(math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation), values)
        assert all(math.isfinite(v) and 0.0 <= v < 40.0 for v in colour)
    away = math.radians(140.0) + math.pi
    assert sky_colour(math.cos(away), math.sin(away), 0.0, values) == pytest.approx(tuple(values[li.AIR_R : li.AIR_B + 1]), rel=1e-5)


def test_street_lights_make_pools_and_head_lamps_light_the_road_ahead() -> None:
    town = cross_town()
    lighting = Lighting(town, WeatherConfig(light="night"))
    lamp = min(town.lights, key=lambda one: abs(math.hypot(one.x_m, one.y_m) - 60.0))
    parked = Truth(0, EgoTruth(lamp.x_m, lamp.y_m, 0.0, 0.0))
    under = (lamp.x_m + 1.5 * math.cos(lamp.yaw_rad), lamp.y_m + 1.5 * math.sin(lamp.yaw_rad))
    dark = light_of(WeatherConfig(light="night")).without_lamps()
    assert _ground(lighting.at(parked), *under).sum() > 8.0 * _ground(dark, *under).sum()

    bare = type(town)("bare", town.network, town.origin)
    ego = EgoTruth(-60.0, 2.0, 0.0, 5.0)
    lamps = Lighting(bare, WeatherConfig(light="night")).at(Truth(0, ego))
    ahead, aside, behind = (_ground(lamps, x, y).sum() for x, y in ((-48.0, 2.0), (-56.0, 22.0), (-80.0, 2.0)))
    assert ahead > 5.0 * aside and ahead > 5.0 * behind
    fence = np.array([shape(Form.BOX, Material.PLAIN, (-45.0, 2.0, 1.5), (0.1, 3.0, 1.5), (0.5, 0.5, 0.5))], np.float32)

    def on_fence(z: float) -> float:
        return shape_colour(fence, 0, -0.1, 0.0, z - 1.5, -1.0, 0.0, 0.0, -45.1, 2.0, z, 1.0, 0.0, 0.0, 12.0, 0.002, 1.0, *_fields(lamps))[0]

    assert on_fence(0.4) > 3.0 * on_fence(2.6)  # the beam is cut off above


def test_vests_send_head_lamps_back_to_the_driver() -> None:
    town = cross_town()
    bare = type(town)("bare", town.network, town.origin)
    lamps = Lighting(bare, WeatherConfig(light="night")).at(Truth(0, EgoTruth(-60.0, 2.0, 0.0, 5.0)))
    seen = {}
    for material in (Material.SKIN, Material.REFLECTIVE):
        row = np.array([shape(Form.BOX, material, (-40.0, 2.0, 1.2), (0.1, 0.3, 0.3), (0.5, 0.5, 0.5))], np.float32)
        seen[material] = shape_colour(row, 0, -0.1, 0.0, 0.0, -1.0, 0.0, 0.0, -40.1, 2.0, 1.2, 1.0, 0.0, 0.0, 18.0, 0.002, 1.0, *_fields(lamps))[0]
    assert seen[Material.REFLECTIVE] > 2.5 * seen[Material.SKIN]


def test_lamps_of_a_cell_are_all_that_reach_it() -> None:
    """The cells are only a shortcut: with one cell that holds every lamp, each place is lit the same."""
    town = cross_town()
    truth = Truth(0, EgoTruth(-30.0, 2.0, 0.3, 5.0), (Actor(1, ActorKind.CAR, -10.0, -2.0, math.pi, 5.0, 4.4, 1.75, 1.5),))
    lamps = Lighting(town, WeatherConfig(light="night")).at(truth)
    values = lamps.values.copy()
    values[li.GRID_X], values[li.GRID_Y], values[li.GRID_PITCH], values[li.GRID_N] = -1000.0, -1000.0, 2000.0, 1.0
    n = len(lamps.lamps)
    every = Lamps(values, lamps.lamps, np.array([0, n], np.int32), np.arange(n, dtype=np.int32))
    places = np.random.default_rng(1).uniform(-90.0, 60.0, (300, 2))
    for x, y in places:
        assert _ground(lamps, x, y) == pytest.approx(_ground(every, x, y), rel=1e-4)
    assert np.diff(lamps.starts).max() < 40


def test_bands_are_the_mean_of_stripes() -> None:
    for x, width in product((0.13, 0.5, 3.97), (0.0, 0.1, 0.7, 2.3)):
        places = (x + (np.arange(4000) + 0.5) / 4000.0 * width - width / 2.0) % 1.0
        assert band(x, 0.2, 0.6, width) == pytest.approx(((places >= 0.2) & (places < 0.6)).mean(), abs=2e-3)


def test_grain_is_smooth_and_has_no_bias() -> None:
    places = np.random.default_rng(2).uniform(-300.0, 300.0, (3000, 2))
    found = np.array([grain(x, y) for x, y in places])
    assert abs(found.mean()) < 0.05 and found.min() > -1.0 and found.max() < 1.0
    assert max(abs(grain(x + 1e-3, y) - v) for (x, y), v in zip(places, found, strict=True)) < 0.01
