"""The plan from above, the car's nose up, over a map where there is one."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_bringup.mosaic_layout import Box
from heron_bringup.path_overlay import ribbon, stations
from heron_core.trajectory import Trajectory

PANEL, WHITE, GREY, GREEN = (32, 29, 27), (240, 240, 240), (150, 150, 150), (110, 220, 90)
AHEAD_M, BEHIND_M = 45.0, 9.0
MAP_BEHIND_M = 16.0  # over a map, who follows is seen too
CAR = np.array([[-0.9, 0.9], [3.7, 0.9], [3.7, -0.9], [-0.9, -0.9]])

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]


class Backdrop(Protocol):
    """Draws what lies around the car."""

    def __call__(self, stamp_ns: int, width: int, height: int, ahead_m: float, px_per_m: float) -> U8:
        """A picture (height, width, 3) BGR: base_link stands in the middle column, its x axis up, the upper edge `ahead_m` ahead of it."""


def draw_above(canvas: U8, box: Box, plan: Trajectory, half_width_m: float, backdrop: Backdrop | None) -> None:
    """Draws the plan into `box` of the canvas.

    Args:
        canvas: (h, w, 3) BGR.
        box: its place.
        plan: in base_link at its stamp.
        half_width_m: of the car.
        backdrop: under it; None: empty.
    """
    scale = box.height / (AHEAD_M + (BEHIND_M if backdrop is None else MAP_BEHIND_M))
    ahead_m = AHEAD_M + 2.0 if backdrop is None else AHEAD_M
    middle, ground = box.width / 2, ahead_m * scale
    if backdrop is None:
        panel: U8 = np.full((box.height, box.width, 3), PANEL, np.uint8)
    else:
        panel = np.ascontiguousarray(backdrop(plan.stamp_ns, box.width, box.height, ahead_m, scale))

    def place(xy: F64) -> NDArray[np.int32]:
        pixels = np.stack([middle - xy[..., 1] * scale, ground - xy[..., 0] * scale], axis=-1)
        fixed: NDArray[np.int32] = np.round(pixels * 16).astype(np.int32)
        return fixed

    for distance in (10, 20, 30, 40):
        y = round(ground - distance * scale)
        if backdrop is None:
            cv2.line(panel, (0, y), (box.width, y), (58, 54, 50), 1)
        _text(panel, f"{distance} m", 8, y - 4)
    path, times = stations(plan.points)
    band = place(ribbon(path, half_width_m)[:, :, :2])
    if len(band) > 1:
        cv2.fillPoly(panel, [np.concatenate([band[:, 0], band[::-1, -1]])], (70, 110, 60), cv2.LINE_AA, 4)
        cv2.polylines(panel, [place(path[:, :2])], False, GREEN, 2, cv2.LINE_AA, 4)
    for second in (1, 2, 3, 4):
        at = path[min(int(np.searchsorted(times, second - 1e-6)), len(path) - 1), :2]
        cv2.circle(panel, place(at).tolist(), 4 * 16, WHITE, -1, cv2.LINE_AA, 4)
    cv2.fillPoly(panel, [place(CAR)], (200, 200, 200), cv2.LINE_AA, 4)
    _text(panel, "plan from above, dots every second", 8, box.height - 10)
    canvas[box.y : box.y + box.height, box.x : box.x + box.width] = panel


def _text(panel: U8, text: str, x: int, y: int) -> None:
    cv2.putText(panel, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, GREY, 1, cv2.LINE_AA)
