"""What can be drawn: flat textured surfaces in a world frame (x forward, y left, z up, metres)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


class Ripmap:
    """A texture with every combination of halvings of its width and height, in one atlas.

    Attributes:
        atlas: (2h, 2w, 4) uint8 BGRA; halving i of the width starts at column w (2 - 2^(1-i)), so that the neighbour of a level's last column
            is the next level's first: the same place of an endless texture.
    """

    def __init__(self, image: U8) -> None:
        height, width = image.shape[:2]
        if width & (width - 1) or height & (height - 1):
            raise ValueError(f"texture is {width}x{height}, both must be powers of two")
        if 2 * max(width, height) > 32767:
            raise ValueError(f"texture is {width}x{height}, cv2.remap reads at most 16383 in either")
        bgra = image if image.shape[2] == 4 else cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
        self.width, self.height = width, height
        self.atlas: U8 = np.zeros((2 * height, 2 * width, 4), np.uint8)
        wide = bgra
        for i in range(width.bit_length()):
            level = wide
            for j in range(height.bit_length()):
                x, y = _start(width, i), _start(height, j)
                self.atlas[y : y + level.shape[0], x : x + level.shape[1]] = level
                level = _halved(level, 0)
            wide = _halved(wide, 1)
        self.opaque = bool((image[:, :, 3] == 255).all()) if image.shape[2] == 4 else True


def _start(size: int, level: int) -> int:
    return 2 * size - (2 * size >> level)


def _halved(image: U8, axis: int) -> U8:
    if image.shape[axis] == 1:
        return image
    size = (image.shape[1], image.shape[0] // 2) if axis == 0 else (image.shape[1] // 2, image.shape[0])
    halved: U8 = cv2.resize(image, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], 4)
    return halved


@dataclass(frozen=True)
class Surface:
    """A flat rectangle with a texture, in the world frame (x forward, y left, z up, metres).

    Attributes:
        corner: (3,) where the texture's first pixel lies.
        right, down: (3,) unit vectors of the texture's columns and rows; seen from the side that is drawn.
        width_m, height_m: size; with `endless` the texture repeats along `right` every `width_m`, and stays its last row beyond its height.
        billboard: turns about its vertical middle line to face the camera.
    """

    corner: NDArray[np.float64]
    right: NDArray[np.float64]
    down: NDArray[np.float64]
    width_m: float
    height_m: float
    texture: Ripmap
    endless: bool = False
    billboard: bool = False

    @property
    def centre(self) -> NDArray[np.float64]:
        """(3,) middle of the rectangle in the world, metres."""
        middle: NDArray[np.float64] = self.corner + 0.5 * self.width_m * self.right + 0.5 * self.height_m * self.down
        return middle

    def facing(self, eye: NDArray[np.float64]) -> Surface:
        """The surface as seen from `eye` (3,): a billboard turned towards it, anything else unchanged."""
        if not self.billboard:
            return self
        middle = self.centre
        away = middle[:2] - eye[:2]
        distance = float(np.hypot(*away))
        right = np.array([away[1], -away[0], 0.0]) / max(distance, 1e-6)
        corner = middle - 0.5 * self.width_m * right - 0.5 * self.height_m * self.down
        return Surface(corner, right, self.down, self.width_m, self.height_m, self.texture)


@dataclass(frozen=True)
class Thing:
    """Surfaces that are drawn together, in their order; things are drawn from the farthest to the nearest."""

    surfaces: tuple[Surface, ...]

    @cached_property
    def centre(self) -> NDArray[np.float64]:
        """(3,) middle, world, metres."""
        middle: NDArray[np.float64] = np.mean([surface.centre for surface in self.surfaces], axis=0)
        return middle

    @cached_property
    def radius_m(self) -> float:
        """Nothing of it lies farther from its middle."""
        return max(float(np.linalg.norm(s.centre - self.centre)) + 0.5 * float(np.hypot(s.width_m, s.height_m)) for s in self.surfaces)


@dataclass(frozen=True)
class Scene:
    """What can be seen, in the order of drawing: sky, ground, decals on it, walls (nothing stands behind them), things.

    Attributes:
        sky: panorama, columns over azimuth -pi … pi, rows over elevation pi/2 … 0, BGR.
    """

    sky: U8
    ground: Surface
    decals: tuple[Thing, ...]
    walls: tuple[Surface, ...]
    things: tuple[Thing, ...]
