"""Radiance to pictures: noise that is the same for the same frame, brightness that does not run away."""

import numpy as np
import pytest

from heron_sim.config import WeatherConfig
from heron_sim.drawing.film import Film, tone_table

DAY = WeatherConfig()


def _scene(height: int = 60, width: int = 97) -> np.ndarray:
    return np.random.default_rng(3).random((height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("sky", ["clear", "rain"])
def test_a_frame_is_developed_to_the_same_bytes_whatever_was_developed_before(sky: str) -> None:
    scene, weather = _scene(), WeatherConfig(sky=sky)
    film = Film(97, 60, weather, seed=5, camera=2)
    first = film.develop(scene, 7)
    film.develop(scene * 3.0, 8)
    assert np.array_equal(film.develop(scene, 7), first)
    assert np.array_equal(Film(97, 60, weather, seed=5, camera=2).develop(scene, 7), first)


def test_noise_differs_between_frames_cameras_and_seeds() -> None:
    scene = np.full((60, 97, 3), 0.2, np.float32)
    pictures = [Film(97, 60, DAY, seed, camera).develop(scene, frame) for seed, camera, frame in [(1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0)]]
    for k, picture in enumerate(pictures):
        assert all((picture != other).mean() > 0.3 for other in pictures[:k])


def test_noise_has_no_bias_and_the_strength_of_its_weather() -> None:
    scene = np.full((160, 160, 3), 0.02, np.float32)
    spread = {}
    for light in ("day", "night"):
        middle = Film(160, 160, WeatherConfig(light=light), 1, 0).develop(scene, 0)[60:100, 60:100].astype(float)
        spread[light] = middle.std()
        quiet = np.sort(middle.ravel())[len(middle.ravel()) // 2]
        assert abs(middle.mean() - quiet) < 0.6
    assert 0.7 < spread["day"] < 2.0 < spread["night"] < 5.0


def test_channels_are_blue_green_red_and_red_stays_red_when_it_is_bright() -> None:
    scene = np.full((64, 64, 3), 0.05, np.float32)
    scene[24:40, 24:40] = (3.2, 0.07, 0.04)
    blue, green, red = Film(64, 64, DAY, 1, 0).develop(scene, 0)[32, 32].astype(int)
    assert red > 235 and green < 150 and blue < 150


def test_exposure_follows_the_light_only_in_part() -> None:
    film = Film(97, 60, DAY, 1, 0)
    dark, middle, bright = (film.develop(_scene() * gain, 0).mean() for gain in (0.1, 0.4, 1.6))
    assert dark < middle - 15 and middle < bright - 15
    steady = Film(97, 60, DAY, 1, 0).develop(_scene() * 0.4, 0).mean()
    assert steady == middle


def test_lamps_glare_and_corners_are_darker() -> None:
    night = Film(160, 100, WeatherConfig(light="night"), 1, 0)
    scene = np.full((100, 160, 3), 0.03, np.float32)
    plain = night.develop(scene, 0).astype(float)
    scene[48:53, 78:83] = 8.0
    lamp = night.develop(scene, 0).astype(float)
    ring = (slice(44, 47), slice(76, 85))
    assert lamp[ring].mean() > plain[ring].mean() + 8
    day = Film(160, 100, DAY, 1, 0).develop(np.full((100, 160, 3), 0.3, np.float32), 0).astype(float)
    assert day[:10, :10].mean() < day[45:55, 75:85].mean() - 10


def test_the_tone_curve_rises_all_the_way() -> None:
    table = tone_table()
    assert table[0] == 0.0 and table[-1] > 250.0
    assert (np.diff(table) >= 0.0).all() and (np.diff(table[: len(table) // 2]) > 0.0).all()


def test_pictures_of_black_and_of_dazzling_light_are_pictures() -> None:
    film = Film(40, 30, WeatherConfig(light="night"), 1, 0)
    assert film.develop(np.zeros((30, 40, 3), np.float32), 0).max() < 40
    assert film.develop(np.full((30, 40, 3), 1e6, np.float32), 0)[15, 20].min() > 240
