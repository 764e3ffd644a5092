"""One junction, two instructions, two paths: from above, and as the front camera sees it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.rig import Rig
from heron_sim.drawing.rays import View
from heron_sim.drawing.snapshot import U8, from_above, pictures, views_of
from heron_sim.evaluation.scenes import Asked, Scene
from heron_sim.roads.network import Manoeuvre

FRONT = "CAM_FRONT"
SIZE, AROUND_M = (960, 640), 36.0  # of each half of the picture; from its middle to its edge
COLOURS = ((255, 120, 30), (40, 60, 250))
GROUND_M = 0.05
SHIFT = 4


def draw_two_paths(
    path: Path, rig: Rig, scene: Scene, asked: Asked, turns: tuple[Manoeuvre, Manoeuvre], sentences: tuple[str, str] | None = None
) -> None:
    """Writes a picture: what the policy plans on two instructions, the first in blue and the second in red.

    Args:
        path: of the PNG.
        rig: of the car.
        scene: shortly before a junction.
        asked: the policy there.
        turns: the manoeuvres that it is told.
        sentences: that it is told instead, with the manoeuvre `follow`.

    Raises:
        PolicyError: the policy cannot plan here.
    """
    told = [(turn, "") for turn in turns] if sentences is None else [(Manoeuvre.FOLLOW, said) for said in sentences]
    plans = [asked.plan(turn, said) for turn, said in told]
    captions = [said if said and said.isascii() else turn.value for turn, (_, said) in zip(turns, told, strict=True)]
    above = from_above(scene.town, scene.route, scene.truth, SIZE, AROUND_M)
    view = views_of(rig, SIZE)[FRONT]
    front = pictures(scene.town, scene.truth, {FRONT: view}, scene.config.weather, scene.seed)[FRONT].image.copy()
    for points, colour in zip(plans, COLOURS, strict=True):
        way = np.vstack([np.zeros(2), points[:, :2].astype(np.float64)])
        _line(above, _from_above(scene, way), colour)
        _line(front, _seen(view, way), colour)
    for row, (text, colour) in enumerate(zip(captions, COLOURS, strict=True)):
        cv2.putText(front, text, (16, 36 + 32 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 5, cv2.LINE_AA)
        cv2.putText(front, text, (16, 36 + 32 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, colour, 2, cv2.LINE_AA)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.hstack([front, above]))[1].tobytes())


def _from_above(scene: Scene, way: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in base_link → pixels of `from_above`."""
    ego, (width, height) = scene.truth.ego, SIZE
    c, s = np.cos(ego.yaw_rad), np.sin(ego.yaw_rad)
    scale = max(width, height) / (2.0 * AROUND_M)
    east, north = c * way[:, 0] - s * way[:, 1], s * way[:, 0] + c * way[:, 1]
    return np.stack([width / 2.0 + scale * east, height / 2.0 - scale * north], axis=1)


def _seen(view: View, way: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on the ground in base_link → pixels of the camera; what it does not see is left out."""
    ground = np.column_stack([way, np.full(len(way), GROUND_M)])
    ahead = ground[ground[:, 0] > 0.5 + view.pose.translation[0]]
    pixels = view.project(ahead)
    seen: NDArray[np.float64] = pixels[np.isfinite(pixels).all(axis=1)]
    return seen


def _line(image: U8, pixels: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    if len(pixels) > 1:
        corners = np.round(np.clip(pixels, -4000.0, 4000.0) * (1 << SHIFT)).astype(np.int32)
        cv2.polylines(image, [corners], False, (255, 255, 255), 7, cv2.LINE_AA, SHIFT)
        cv2.polylines(image, [corners], False, colour, 4, cv2.LINE_AA, SHIFT)
