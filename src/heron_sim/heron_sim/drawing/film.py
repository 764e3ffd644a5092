"""From radiance to a picture, as a camera does it: exposure, glare, falling off towards the corners, tone curve, noise, and rain on the lens.

Every pixel's noise is a hash of (seed, camera, frame, pixel): the picture does not depend on threads, order or history.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heron_sim.config import WeatherConfig
from heron_sim.drawing.compiled import compiled, compiled_parallel
from heron_sim.drawing.rain import drops_of, streak
from heron_sim.drawing.shapes import F32

if TYPE_CHECKING:
    prange = range
else:
    from numba import prange

U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]

_STEPS = 8192  # of the tone curve's table
_WHITEST = 16.0  # radiance at the table's end
_SMALL = 4  # glare is computed on a picture this many times smaller


@dataclass(frozen=True)
class Exposure:
    """How a weather is exposed.

    Attributes:
        gain: of the mean picture.
        key: mean (geometric) radiance that `gain` is meant for.
        adapt: 0 a fixed exposure … 1 one that always reaches the same mean.
        noise: of the darkest pixel, in levels of 255.
        glare: share of bright light that spreads around lamps.
    """

    gain: float
    key: float
    adapt: float
    noise: float
    glare: float


EXPOSURES = {
    "day": Exposure(gain=0.80, key=0.22, adapt=0.35, noise=1.3, glare=0.04),
    "dusk": Exposure(gain=1.35, key=0.06, adapt=0.35, noise=2.2, glare=0.12),
    "night": Exposure(gain=1.9, key=0.015, adapt=0.25, noise=4.5, glare=0.30),
}


def tone_table() -> F32:
    """(steps,) levels 0 … 255 of radiance (i / (steps - 1))² · whitest: ACES' curve as Narkowicz fits it (2015), then sRGB."""
    x = (np.arange(_STEPS) / (_STEPS - 1.0)) ** 2 * _WHITEST * 0.6
    y = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0)
    encoded = np.where(y <= 0.0031308, 12.92 * y, 1.055 * y ** (1.0 / 2.4) - 0.055)
    return np.asarray(255.0 * encoded, np.float32)


class Film:
    """The sensor and the lens' front of one camera in one weather."""

    def __init__(self, width: int, height: int, weather: WeatherConfig, seed: int, camera: int) -> None:
        """Pictures of `width` x `height`; `seed` and `camera` (its number in the rig) decide the noise and where drops sit."""
        self._exposure = EXPOSURES[weather.light]
        self._seed = seed * 1_000_003 + camera * 7919
        self._table = tone_table()
        self._rain = weather.sky == "rain"
        self._drop_of, self._drops = drops_of(width, height, self._seed) if self._rain else (np.zeros((1, 1), np.int32), np.zeros((1, 5), np.float32))
        self._glow = np.zeros((-(-height // _SMALL), -(-width // _SMALL), 3), np.float32)

    def develop(self, radiance: F32, frame: int, out: U8 | None = None) -> U8:
        """The picture of `radiance` (height, width, 3) red, green, blue: (height, width, 3) uint8 blue, green, red.

        Args:
            radiance: linear, as `light` defines it.
            frame: number of the exposure: noise, streaks and drops of rain follow it.
            out: the picture is written there.
        """
        picture = np.empty(radiance.shape, np.uint8) if out is None else out
        e = self._exposure
        gain = e.gain * (e.key / max(_mean(radiance), 1e-5)) ** e.adapt
        gain = min(max(gain, 0.6 * e.gain), 1.7 * e.gain)
        bright = _spread(radiance, self._glow, gain, e.glare)
        key = (self._seed * 2_654_435_761 + frame * 40_503) & 0x7FFF_FFFF_FFFF
        active = _active(self._drops, frame)
        _develop(radiance, self._glow, picture, self._table, gain, e.noise, bright, key, frame, self._rain, self._drop_of, self._drops, active)
        return picture


def _active(drops: F32, frame: int) -> NDArray[np.bool_]:
    """Which drops sit on the lens in a frame: each stays for a while and comes back."""
    shown: NDArray[np.bool_] = (frame + drops[:, 3]) % 90.0 < drops[:, 4]
    return shown


@compiled
def _mean(radiance: F32) -> float:
    """Geometric mean of every eighth pixel's green in every eighth row."""
    total, count = 0.0, 0
    for y in range(4, radiance.shape[0], 8):
        for x in range(4, radiance.shape[1], 8):
            total += math.log(max(float(radiance[y, x, 1]), 1e-4))
            count += 1
    return math.exp(total / max(count, 1))


@compiled
def _spread(radiance: F32, glow: F32, gain: float, glare: float) -> bool:
    """What is brighter than white, made small and blurred thrice along rows and columns, times `glare` into `glow`; whether there is any."""
    height, width = glow.shape[0], glow.shape[1]
    any_bright = False
    share = glare / (_SMALL * _SMALL)
    for j in range(height):
        for i in range(width):
            r, g, b = 0.0, 0.0, 0.0
            for y in range(j * _SMALL, min(j * _SMALL + _SMALL, radiance.shape[0])):
                for x in range(i * _SMALL, min(i * _SMALL + _SMALL, radiance.shape[1])):
                    r += max(gain * radiance[y, x, 0] - 1.1, 0.0)
                    g += max(gain * radiance[y, x, 1] - 1.1, 0.0)
                    b += max(gain * radiance[y, x, 2] - 1.1, 0.0)
            any_bright = any_bright or r + g + b > 0.0
            glow[j, i, 0], glow[j, i, 1], glow[j, i, 2] = r * share, g * share, b * share
    if not any_bright:
        return False
    reach = max(1, width // 45)
    row = np.empty((max(width, height), 3), np.float32)
    for step in range(3):
        k = max(1, reach >> step)
        for j in range(height):
            _box(glow[j, :, :], row, width, k)
        for i in range(width):
            _box(glow[:, i, :], row, height, k)
    return True


@compiled
def _box(line: F32, row: F32, n: int, k: int) -> None:
    """Mean over 2k + 1 neighbours along a line, in place; dark beyond the ends."""
    for c in range(3):
        for i in range(n):
            row[i, c] = line[i, c]
        total = 0.0
        for i in range(min(k, n)):
            total += row[i, c]
        for i in range(n):
            if i + k < n:
                total += row[i + k, c]
            if i - k - 1 >= 0:
                total -= row[i - k - 1, c]
            line[i, c] = total / (2 * k + 1)


@compiled
def _line(
    y: int,
    radiance: F32,
    glow: F32,
    picture: U8,
    table: F32,
    gain: float,
    noise: float,
    bright: bool,
    key: int,
    frame: int,
    rain: bool,
    drop_of: I32,
    drops: F32,
    active: NDArray[np.bool_],
) -> None:
    """One line of pixels of `_develop`."""
    height, width = picture.shape[0], picture.shape[1]
    last = table.shape[0] - 1
    whitest, scale = np.float32(_WHITEST), np.float32(last) / np.float32(math.sqrt(_WHITEST))
    half_x, half_y = np.float32(0.5 * width), np.float32(0.5 * height)
    fall = np.float32(0.30 / float(half_x * half_x + half_y * half_y))
    cells = glow.shape[1]
    one, dark, small = np.float32(1.0), np.float32(0.0), np.float32(1.0 / _SMALL)
    noise_dark, noise_fall = np.float32(noise / 104.0), np.float32(0.6 / 255.0 * noise / 104.0)
    line = np.empty((cells + 1, 3), np.float32)  # the glare at this height; the last cell twice
    if bright:
        j = max((y - _SMALL // 2) // _SMALL, 0)
        low = min(max(np.float32((y + 0.5) / _SMALL - 0.5) - np.float32(j), dark), one)
        below = min(j + 1, glow.shape[0] - 1)
        for i in range(cells + 1):
            for c in range(3):
                first = glow[j, min(i, cells - 1), c]
                line[i, c] = first + (glow[below, min(i, cells - 1), c] - first) * low
    dy = np.float32(y) + np.float32(0.5) - half_y
    for x in range(width):
        sx, sy, share, haze = x, y, np.float32(gain), dark
        if rain:
            k = drop_of[y, x]
            if k > 0 and active[k]:  # a drop shows the scene upside down, small, brighter below
                ox, oy = x - drops[k, 0], y - drops[k, 1]
                out = (ox * ox + oy * oy) / (drops[k, 2] * drops[k, 2])
                sx = min(max(int(drops[k, 0] - 3.5 * ox), 0), width - 1)
                sy = min(max(int(drops[k, 1] - 3.5 * oy), 0), height - 1)
                share *= np.float32(1.0 - 0.45 * out * out)
            haze = np.float32(streak(x, y, frame, height))
        dx = np.float32(x) + np.float32(0.5) - half_x
        share *= one - (dx * dx + dy * dy) * fall
        z = np.uint64(key) + np.uint64(y * width + x) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        i, right = 0, dark
        if bright:
            i = max((x - _SMALL // 2) // _SMALL, 0)
            right = max((np.float32(x) + np.float32(0.5)) * small - np.float32(0.5) - np.float32(i), dark)
        for c in range(3):
            value = radiance[sy, sx, c] * share
            if bright:
                value += line[i, c] + (line[i + 1, c] - line[i, c]) * right
            if rain:
                value += haze * (np.float32(0.04) + np.float32(0.35) * value)
            level = table[np.int32(math.sqrt(min(max(value, dark), whitest)) * scale)]
            bits = np.int32((z >> np.uint64(16 + 16 * c)) & np.uint64(0xFFFF))
            grainy = np.float32((bits & 255) + (bits >> 8) - 255)  # triangular, deviation 104
            level += (noise_dark - noise_fall * level) * grainy
            picture[y, x, 2 - c] = np.uint8(min(max(level + np.float32(0.5), dark), np.float32(255.0)))


@compiled_parallel
def _develop(
    radiance: F32,
    glow: F32,
    picture: U8,
    table: F32,
    gain: float,
    noise: float,
    bright: bool,
    key: int,
    frame: int,
    rain: bool,
    drop_of: I32,
    drops: F32,
    active: NDArray[np.bool_],
) -> None:
    """Radiance and glare to levels, a line at a time."""
    for index in prange(picture.shape[0]):
        y: int = np.int64(index)  # type: ignore[assignment]  # numba's own index is unsigned
        _line(y, radiance, glow, picture, table, gain, noise, bright, key, frame, rain, drop_of, drops, active)
