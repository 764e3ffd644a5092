"""Pictures of one moment for people: what every camera sees, its depth and instances, the place from above, and all cameras on one sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.rig import Rig
from heron_sim.config import WeatherConfig
from heron_sim.drawing.labels import Box2D
from heron_sim.drawing.plan_view import plan_view
from heron_sim.drawing.rays import View, camera_view, sized
from heron_sim.drawing.renderer import Picture, Renderer
from heron_sim.driving.geometry import Box, box_of_actor, box_of_ego
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.truth import ActorKind, Truth

U8 = NDArray[np.uint8]
COLUMNS = 3
ORDER = ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT", "CAM_FRONT_NARROW")
NEAR_M, FAR_M = 2.0, 200.0  # colours of depth
SHIFT = 4
EGO_COLOUR, ROUTE_COLOUR = (60, 60, 230), (40, 220, 60)
COLOURS = {ActorKind.PEDESTRIAN: (30, 140, 250), ActorKind.BICYCLE: (250, 200, 40), ActorKind.CONE: (0, 110, 255), ActorKind.GUIDE: (0, 240, 255)}
CAR_COLOUR = (200, 90, 30)


def views_of(rig: Rig, size: tuple[int, int]) -> dict[str, View]:
    """The cameras of `rig` at `size` (width, height)."""
    return {name: camera_view(sized(camera, *size)) for name, camera in rig.cameras.items()}


def pictures(town: Town, truth: Truth, views: Mapping[str, View], weather: WeatherConfig, seed: int, labels: bool = False) -> dict[str, Picture]:
    """What is seen through the views, by name."""
    return Renderer(town, views, weather, seed).render(truth, labels)


def boxed(image: U8, found: Sequence[Box2D]) -> U8:
    """The picture with a frame around each actor of which something is seen, and what it is."""
    out = image.copy()
    for box in found:
        if box.visible_px == 0:
            continue
        colour = COLOURS.get(box.kind, CAR_COLOUR)
        left, top = round(box.left), round(box.top)
        cv2.rectangle(out, (left, top), (round(box.right), round(box.bottom)), colour, 1)
        cv2.putText(out, f"{box.kind.value} {box.id}", (left, max(top - 3, 8)), cv2.FONT_HERSHEY_SIMPLEX, 0.32, colour, 1, cv2.LINE_AA)
    return out


def from_above(town: Town, route: Route, truth: Truth, size: tuple[int, int], half_width_m: float = 50.0) -> U8:
    """(height, width, 3) the place around the car, north up: the car red, its route green, everybody else."""
    ego, (width, height) = truth.ego, size
    side = max(width, height)
    image = plan_view(town, side, route, (ego.x_m, ego.y_m, half_width_m))
    scale = side / (2.0 * half_width_m)

    def fill(box: Box, colour: tuple[int, int, int]) -> None:
        corners = (np.array(box.corners) - (ego.x_m - half_width_m, ego.y_m + half_width_m)) * (scale, -scale)
        cv2.fillPoly(image, [np.round(corners * (1 << SHIFT)).astype(np.int32)], colour, cv2.LINE_AA, SHIFT)

    for actor in truth.actors:
        fill(box_of_actor(actor), COLOURS.get(actor.kind, CAR_COLOUR))
    fill(box_of_ego(ego), EGO_COLOUR)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def sheet(cameras: Mapping[str, U8], town: Town, route: Route, truth: Truth) -> U8:
    """All cameras' pictures, of one size, three in a row in the order of `ORDER`, then others; the place from above fills the last row."""
    names = [name for name in ORDER if name in cameras] + [name for name in cameras if name not in ORDER]
    height, width = cameras[names[0]].shape[:2]
    rows = len(names) // COLUMNS + 1
    out = np.zeros((rows * height, COLUMNS * width, 3), np.uint8)
    for i, name in enumerate(names):
        top, left = i // COLUMNS * height, i % COLUMNS * width
        out[top : top + height, left : left + width] = cameras[name]
    left = len(names) % COLUMNS * width
    out[-height:, left:] = from_above(town, route, truth, (COLUMNS * width - left, height))
    return out


def depth_picture(depth: NDArray[np.float32]) -> U8:
    """(h, w) metres → (h, w, 3): warm near, cold far, black where nothing is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(depth / NEAR_M) / math.log(FAR_M / NEAR_M)
    seen = np.isfinite(depth) & (depth > 0.0)
    shade = np.where(seen, 255.0 * (1.0 - np.clip(share, 0.0, 1.0)), 0.0).astype(np.uint8)
    coloured = np.asarray(cv2.applyColorMap(shade, cv2.COLORMAP_TURBO), np.uint8)
    coloured[~seen] = 0
    return coloured


def ids_picture(ids: NDArray[np.int32]) -> U8:
    """(h, w) instance ids → (h, w, 3): a colour for each, ground and sky black."""
    mixed = (ids.astype(np.uint32) * np.uint32(2654435761)) >> np.uint32(8)
    coloured: U8 = np.stack([64 + (mixed >> np.uint32(shift)) % np.uint32(192) for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    coloured[ids == 0] = 0
    return coloured
