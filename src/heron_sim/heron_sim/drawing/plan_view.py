"""A town from above, as a picture."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.route import Route
from heron_sim.roads.town import Surface, Town

F64 = NDArray[np.float64]
_COLOURS = {  # blue, green, red
    Surface.GRASS: (110, 150, 120),
    Surface.SIDEWALK: (175, 180, 182),
    Surface.KERB: (205, 208, 210),
    Surface.ASPHALT: (92, 88, 86),
    Surface.GRAVEL: (140, 150, 158),
    Surface.WHITE: (240, 242, 242),
    Surface.YELLOW: (60, 180, 225),
}
_SHIFT = 4  # fractional bits of cv2's coordinates


def plan_view(town: Town, width: int = 1600, route: Route | None = None, around: tuple[float, float, float] | None = None) -> NDArray[np.uint8]:
    """The town seen from above, north up.

    Args:
        town: what to draw.
        width: of the picture, pixels.
        route: drawn into it.
        around: x, y and half the width (m) of what to show; None: all of it.

    Returns:
        (height, width, 3) uint8, blue, green, red.
    """
    if around is None:
        spread = np.concatenate([lane.line.points for lane in town.network.lanes])
        low, high = spread.min(axis=0) - 30.0, spread.max(axis=0) + 30.0
    else:
        low, high = np.array(around[:2]) - around[2], np.array(around[:2]) + around[2]
    scale = width / (high[0] - low[0])
    image = np.empty((math.ceil((high[1] - low[1]) * scale), width, 3), np.uint8)
    image[:] = _COLOURS[Surface.GRASS]

    def pixels(points: F64) -> NDArray[np.int32]:
        scaled: NDArray[np.int32] = np.round((points - (low[0], high[1])) * (scale, -scale) * (1 << _SHIFT)).astype(np.int32)
        return scaled

    def fill(polygons: list[F64], colour: tuple[int, int, int]) -> None:
        cv2.fillPoly(image, [pixels(polygon) for polygon in polygons], colour, cv2.LINE_AA, _SHIFT)

    for paint in town.paints:
        fill([paint.polygon, *paint.holes], _COLOURS[paint.surface])
    for house in town.buildings:
        shade = 100 + (house.look * 37) % 60
        fill([_box(house.x_m, house.y_m, house.yaw_rad, house.length_m, house.width_m)], (shade, shade + 10, shade + 25))
    for car in town.parked:
        fill([_box(car.x_m, car.y_m, car.yaw_rad, 4.5, 1.8)], (150, 60, 40))
    for tree in town.trees:
        fill([_disc(tree.x_m, tree.y_m, 0.3 * tree.height_m)], (60, 120, 50))
    for light in town.lights:
        arm = np.array([(light.x_m, light.y_m), (light.x_m + 2.0 * math.cos(light.yaw_rad), light.y_m + 2.0 * math.sin(light.yaw_rad))])
        cv2.polylines(image, [pixels(arm)], False, (20, 20, 20), 1, cv2.LINE_AA, _SHIFT)
    for sign in town.signs:
        fill([_arrow(sign.x_m, sign.y_m, sign.yaw_rad, 1.2)], (30, 30, 200))
    for head in town.network.heads:
        mast = np.array([(head.mast_x_m, head.mast_y_m), (head.x_m, head.y_m)])
        cv2.polylines(image, [pixels(mast)], False, (20, 20, 20), 1, cv2.LINE_AA, _SHIFT)
        fill([_arrow(head.x_m, head.y_m, head.yaw_rad, 1.0 if head.pedestrian else 2.0)], (200, 60, 200))
    if route is not None:
        cv2.polylines(image, [pixels(route.line.points)], False, (40, 220, 60), max(2, int(1.2 * scale)), cv2.LINE_AA, _SHIFT)
    return image


def _box(x_m: float, y_m: float, yaw_rad: float, length_m: float, width_m: float) -> F64:
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    corners: F64 = np.array([(x_m, y_m)]) + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (length_m / 2.0, width_m / 2.0) @ np.array(
        [[c, s], [-s, c]]
    )
    return corners


def _arrow(x_m: float, y_m: float, yaw_rad: float, length_m: float) -> F64:
    """A triangle that points where something faces."""
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    corners: F64 = np.array([(x_m, y_m)]) + length_m * np.array([(1.0, 0.0), (-0.4, 0.5), (-0.4, -0.5)]) @ np.array([[c, s], [-s, c]])
    return corners


def _disc(x_m: float, y_m: float, radius_m: float) -> F64:
    angles = np.linspace(0.0, 2.0 * math.pi, 16, endpoint=False)
    return np.stack([x_m + radius_m * np.cos(angles), y_m + radius_m * np.sin(angles)], axis=1)
