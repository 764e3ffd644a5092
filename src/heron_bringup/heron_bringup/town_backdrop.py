"""The simulated town under the plan: roads, houses, everybody who is there, and what the lights show."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.truth import Actor, ActorKind, GuideSign, Lamp, Truth
from heron_sim.drawing.plan_view import plan_view
from heron_sim.roads.town import Town

PX_PER_M = 5.0
DIMMED = 0.55
EDGE_M = 60.0
SMALL_M = 1.0  # who is smaller gets a dot, to be seen at all
Colour = tuple[int, int, int]  # blue, green, red
LAMPS: dict[Lamp, Colour] = {Lamp.RED: (60, 60, 240), Lamp.YELLOW: (60, 210, 250), Lamp.GREEN: (120, 230, 90)}
KINDS: dict[ActorKind, Colour] = {
    ActorKind.CAR: (230, 170, 90),
    ActorKind.TRUCK: (230, 170, 90),
    ActorKind.BUS: (230, 170, 90),
    ActorKind.BICYCLE: (220, 120, 220),
    ActorKind.PEDESTRIAN: (90, 220, 250),
    ActorKind.GUIDE: (90, 220, 250),
    ActorKind.CONE: (40, 130, 255),
    ActorKind.BARRIER: (40, 130, 255),
}
U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]


class TownBackdrop:
    """The town around the car at the moments of a drive; see `mosaic_above.Backdrop`."""

    def __init__(self, town: Town, truths: Sequence[Truth]) -> None:
        """Draws the town once.

        Args:
            town: the town.
            truths: of the drive, in order of time, at least one.
        """
        self._town, self._truths = town, list(truths)
        self._stamps = np.array([truth.stamp_ns for truth in truths], np.int64)
        driven = np.array([(truth.ego.x_m, truth.ego.y_m) for truth in truths])
        low, high = driven.min(axis=0) - EDGE_M, driven.max(axis=0) + EDGE_M
        half_m = float((high - low).max()) / 2.0
        middle = (low + high) / 2.0
        self._left_m, self._top_m = float(middle[0]) - half_m, float(middle[1]) + half_m
        picture = plan_view(town, round(2.0 * half_m * PX_PER_M), around=(float(middle[0]), float(middle[1]), half_m))
        self._px_per_m = picture.shape[1] / (2.0 * half_m)
        self._map: U8 = cv2.convertScaleAbs(picture, alpha=DIMMED)

    def __call__(self, stamp_ns: int, width: int, height: int, ahead_m: float, px_per_m: float) -> U8:
        """See `mosaic_above.Backdrop`."""
        truth = self._truths[int(np.argmin(np.abs(self._stamps - stamp_ns)))]
        ego = truth.ego
        c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        forward, left = np.array([c, s]), np.array([-s, c])
        corner = np.array([ego.x_m, ego.y_m]) + ahead_m * forward + width / 2.0 / px_per_m * left  # of the panel's first pixel, in the world
        to_map = self._px_per_m * np.array([[1.0, 0.0], [0.0, -1.0]])
        turn = to_map @ np.stack([-left, -forward], axis=1) / px_per_m  # panel column, row → map column, row
        start = to_map @ (corner - (self._left_m, self._top_m))
        panel: U8 = cv2.warpAffine(
            self._map, np.column_stack([turn, start]), (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )

        def place(points: F64) -> NDArray[np.int32]:
            away = points - (ego.x_m, ego.y_m)
            pixels = np.stack([width / 2.0 - away @ left * px_per_m, (ahead_m - away @ forward) * px_per_m], axis=-1)
            fixed: NDArray[np.int32] = np.round(pixels * 16).astype(np.int32)
            return fixed

        for actor in truth.actors:
            cv2.fillPoly(panel, [place(_corners(actor))], _colour(actor), cv2.LINE_AA, 4)
            if actor.length_m < SMALL_M:
                cv2.circle(panel, place(np.array([actor.x_m, actor.y_m])).tolist(), 3 * 16, _colour(actor), -1, cv2.LINE_AA, 4)
        for head in self._town.network.heads:
            lamp = truth.lamps.get(head.group)
            if lamp is not None and not head.pedestrian:
                cv2.circle(panel, place(np.array([head.x_m, head.y_m])).tolist(), 5 * 16, LAMPS[lamp], -1, cv2.LINE_AA, 4)
        return panel


def _corners(actor: Actor) -> F64:
    c, s = math.cos(actor.yaw_rad), math.sin(actor.yaw_rad)
    half = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)]) * (actor.length_m / 2.0, actor.width_m / 2.0)
    corners: F64 = half @ np.array([[c, s], [-s, c]]) + (actor.x_m, actor.y_m)
    return corners


def _colour(actor: Actor) -> Colour:
    if actor.sign is GuideSign.STOP:
        return LAMPS[Lamp.RED]
    if actor.sign is GuideSign.GO:
        return LAMPS[Lamp.GREEN]
    return KINDS[actor.kind]
