"""The light of a time of day and of a sky, as flat numbers for the shading: sun, sky, air, and lamps that shine at night.

Radiance is relative: 1 is about what a camera exposed for the scene shows as light grey, at noon as at night; lamps keep their hue that way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_sim.config import WeatherConfig

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
RGB = tuple[float, float, float]

# Indices of `Light.values`.
SUN_X, SUN_Y, SUN_Z = 0, 1, 2  # unit vector towards the sun (the moon at night)
SUN_R, SUN_G, SUN_B = 3, 4, 5  # what a white surface that faces it sends back
UP_R, UP_G, UP_B = 6, 7, 8  # light of the sky on a surface that faces up
DOWN_R, DOWN_G, DOWN_B = 9, 10, 11  # light from the ground on a surface that faces down
ZENITH_R, ZENITH_G, ZENITH_B = 12, 13, 14  # colour of the sky overhead
HORIZON_R, HORIZON_G, HORIZON_B = 15, 16, 17  # colour of the sky at the horizon
AIR_R, AIR_G, AIR_B = 18, 19, 20  # colour that everything fades to with distance
EXTINCTION = 21  # per metre; a contrast falls by exp(-EXTINCTION * distance)
WET = 22  # 0 dry … 1 streaming wet
CLOUDS = 23  # 0 … 1: share of soft clouds
CLOUD_R, CLOUD_G, CLOUD_B = 24, 25, 26  # their colour
GLOW = 27  # strength of the glow around the sun
NIGHT = 28  # 0 day … 1 night: lit windows, stars
SHADE = 29  # how much of the sky's light a cast shadow takes too
GRID_X, GRID_Y, GRID_PITCH, GRID_N = 30, 31, 32, 33  # cells of the lamps: corner, metres, cells along each side; 0 cells: no lamps
GLOW_R, GLOW_G, GLOW_B = 34, 35, 36  # colour of the glow around the sun
VALUES = 37

# Columns of a lamp.
LAMP_X, LAMP_Y, LAMP_Z = 0, 1, 2
AIM_X, AIM_Y, AIM_Z = 3, 4, 5  # unit vector along which it shines
COS_EDGE, COS_FULL = 6, 7  # the cone: dark outside the first, full inside the second
LAMP_R, LAMP_G, LAMP_B = 8, 9, 10  # radiance of a white surface that faces it at 5 m
REACH = 11  # metres; nothing beyond
BEAM = 12  # 0: a round cone; 1: a head lamp's low beam, flat and cut off above
MIRRORED = 13  # how strongly a wet road mirrors it
LAMP_COLUMNS = 14

_KOSCHMIEDER = -math.log(0.05)


@dataclass(frozen=True)
class Lamps:
    """Lamps sorted into square cells of the ground, so that a pixel looks at few of them.

    Attributes:
        values: `Light.values` with the place of the cells filled in.
        lamps: (n, LAMP_COLUMNS).
        starts: (cells + 1,) int32: where each cell's lamps begin in `items`; row-major, y outer.
        items: indices of lamps.
    """

    values: F32
    lamps: F32
    starts: I32
    items: I32


@dataclass(frozen=True)
class Light:
    """The light of one weather.

    Attributes:
        values: (VALUES,) float32, see the indices above.
        shadow_from: unit vector towards the light that casts shadows; from above where the sky is grey.
        shadow_soft_m: how soft shadows' edges are.
        lamps_on: street lights, head lights and windows are lit.
    """

    values: F32
    shadow_from: tuple[float, float, float]
    shadow_soft_m: float
    lamps_on: bool

    def without_lamps(self) -> Lamps:
        """No lamp shines."""
        return Lamps(self.values, np.zeros((1, LAMP_COLUMNS), np.float32), np.zeros(1, np.int32), np.zeros(1, np.int32))


def light_of(weather: WeatherConfig) -> Light:
    """The light of `weather`."""
    look = _LOOKS[weather.light]
    values = np.zeros(VALUES, np.float32)
    grey = weather.sky != "clear"
    elevation = math.radians(look.elevation_deg)
    azimuth = math.radians(weather.sun_azimuth_deg)
    sun = (math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation))
    values[SUN_X : SUN_Z + 1] = sun
    dim = {"clear": 1.0, "overcast": 1.0, "rain": 0.78, "fog": 0.85}[weather.sky]
    if grey:
        mean = look.grey_sky
        values[SUN_R : SUN_B + 1] = 0.0
        values[UP_R : UP_B + 1] = np.multiply(mean, 1.25 * dim)
        values[DOWN_R : DOWN_B + 1] = np.multiply(mean, 0.35 * dim)
        values[ZENITH_R : ZENITH_B + 1] = np.multiply(mean, 0.85 * dim)
        values[HORIZON_R : HORIZON_B + 1] = np.multiply(mean, 1.05 * dim)
        values[CLOUDS], values[SHADE] = 1.0, 0.55
        values[CLOUD_R : CLOUD_B + 1] = np.multiply(mean, 1.15 * dim)
        if weather.sky == "fog":
            values[ZENITH_R : ZENITH_B + 1] = values[HORIZON_R : HORIZON_B + 1]
            values[CLOUDS] = 0.0
    else:
        values[SUN_R : SUN_B + 1] = look.sun
        values[UP_R : UP_B + 1] = look.up
        values[DOWN_R : DOWN_B + 1] = look.down
        values[ZENITH_R : ZENITH_B + 1] = look.zenith
        values[HORIZON_R : HORIZON_B + 1] = look.horizon
        values[CLOUD_R : CLOUD_B + 1] = look.cloud
        values[CLOUDS], values[SHADE], values[GLOW] = look.clouds, look.shade, look.glow
        values[GLOW_R : GLOW_B + 1] = look.glow_colour
    if weather.sky == "fog" and weather.light == "night":  # the fog of a town holds its lamps' light
        for first in (ZENITH_R, HORIZON_R, CLOUD_R):
            values[first : first + 3] = (0.060, 0.056, 0.052)
    values[AIR_R : AIR_B + 1] = values[HORIZON_R : HORIZON_B + 1]
    visibility = {"clear": 6000.0, "overcast": 3500.0, "rain": 900.0, "fog": weather.visibility_m}[weather.sky]
    values[EXTINCTION] = _KOSCHMIEDER / visibility
    values[WET] = 1.0 if weather.sky == "rain" else 0.0
    values[NIGHT] = look.night
    from_above = grey or weather.light == "night"
    shadow = (0.0, 0.0, 1.0) if from_above else sun
    return Light(values, shadow, 0.35 if from_above else 0.06, weather.light != "day")


@dataclass(frozen=True)
class _Look:
    elevation_deg: float
    sun: RGB
    up: RGB
    down: RGB
    zenith: RGB
    horizon: RGB
    cloud: RGB
    clouds: float
    shade: float
    glow: float
    glow_colour: RGB
    grey_sky: RGB
    night: float


_LOOKS = {
    "day": _Look(
        elevation_deg=42.0,
        sun=(2.25, 2.08, 1.82),
        up=(0.72, 0.82, 1.00),
        down=(0.42, 0.41, 0.38),
        zenith=(0.13, 0.30, 0.68),
        horizon=(0.72, 0.86, 1.00),
        cloud=(1.25, 1.25, 1.25),
        clouds=0.45,
        shade=0.14,
        glow=0.9,
        glow_colour=(1.0, 0.95, 0.85),
        grey_sky=(0.86, 0.90, 0.95),
        night=0.0,
    ),
    "dusk": _Look(
        elevation_deg=7.0,
        sun=(1.25, 0.62, 0.26),
        up=(0.32, 0.31, 0.41),
        down=(0.20, 0.17, 0.15),
        zenith=(0.06, 0.10, 0.26),
        horizon=(0.78, 0.46, 0.30),
        cloud=(0.62, 0.36, 0.33),
        clouds=0.5,
        shade=0.12,
        glow=1.6,
        glow_colour=(1.0, 0.55, 0.22),
        grey_sky=(0.27, 0.29, 0.36),
        night=0.55,
    ),
    "night": _Look(
        elevation_deg=55.0,
        sun=(0.0, 0.0, 0.0),
        up=(0.026, 0.030, 0.046),
        down=(0.016, 0.015, 0.014),
        zenith=(0.006, 0.009, 0.021),
        horizon=(0.042, 0.040, 0.050),
        cloud=(0.022, 0.022, 0.030),
        clouds=0.3,
        shade=0.6,
        glow=0.0,
        glow_colour=(0.0, 0.0, 0.0),
        grey_sky=(0.036, 0.035, 0.040),
        night=1.0,
    ),
}
