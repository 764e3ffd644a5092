"""Boxes of whoever is around, from the simulated world's truth or from labels, in base_link."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.camera import Lens
from heron_core.labels import Labels
from heron_core.se3 import SE3
from heron_core.truth import Actor, ActorKind, Truth

F64 = NDArray[np.float64]
Moment = TypeVar("Moment", Truth, Labels)
CATEGORIES = {
    ActorKind.CAR: "vehicle.car",
    ActorKind.TRUCK: "vehicle.truck",
    ActorKind.BUS: "vehicle.bus.rigid",
    ActorKind.BICYCLE: "vehicle.bicycle",
    ActorKind.PEDESTRIAN: "human.pedestrian.adult",
    ActorKind.GUIDE: "human.pedestrian.construction_worker",
    ActorKind.CONE: "movable_object.trafficcone",
    ActorKind.BARRIER: "movable_object.barrier",
}
MOVES_MPS = 0.2
LONGEST_NS = 250_000_000  # between two truths that a moment is interpolated from
RASTER = 160  # cells across an image in which boxes hide each other
CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 1.0)])


@dataclass(frozen=True)
class Box:
    """One actor at one moment.

    Attributes:
        actor: its number in the world.
        category, attribute: nuScenes' names; attribute "": none.
        center: (3,) middle of the box in base_link, metres.
        yaw_rad: of its length axis in base_link.
        size: width, length, height in metres, nuScenes' order.
        visible: share of its outline in all pictures together that no nearer box covers; buildings do not count. NaN: in no picture.
    """

    actor: int
    category: str
    attribute: str
    center: tuple[float, float, float]
    yaw_rad: float
    size: tuple[float, float, float]
    visible: float


@dataclass(frozen=True)
class Eye:
    """A camera that boxes are seen by: its stored images' lens, its pose in base_link."""

    lens: Lens
    pose: SE3

    @cached_property
    def inverse(self) -> SE3:
        """Of base_link, seen from the camera."""
        return self.pose.inverse()


def boxes_at(truths: Sequence[Truth], stamp_ns: int, eyes: Mapping[str, Eye], reach_m: float) -> list[Box] | None:
    """Boxes at a moment, interpolated between the truths around it; None: there are none near enough in time.

    Args:
        truths: in order of their stamps.
        stamp_ns: the moment.
        eyes: the cameras.
        reach_m: who is further from base_link is left out.
    """
    found = _around(truths, stamp_ns)
    if found is None:
        return None
    before, after, part = found
    later = {actor.id: actor for actor in after.actors}
    ego = np.array([_mix(getattr(before.ego, name), getattr(after.ego, name), part) for name in ("x_m", "y_m")])
    yaw = _turn(before.ego.yaw_rad, after.ego.yaw_rad, part)
    c, s = math.cos(yaw), math.sin(yaw)
    placed = []
    for actor in before.actors:
        other = later.get(actor.id)
        if other is None:
            continue
        dx, dy = _mix(actor.x_m, other.x_m, part) - ego[0], _mix(actor.y_m, other.y_m, part) - ego[1]
        if math.hypot(dx, dy) <= reach_m:
            turned = math.remainder(_turn(actor.yaw_rad, other.yaw_rad, part) - yaw, 2.0 * math.pi)
            center, size = (c * dx + s * dy, c * dy - s * dx, actor.height_m / 2.0), (actor.width_m, actor.length_m, actor.height_m)
            placed.append(Box(actor.id, CATEGORIES[actor.kind], _attribute(actor), center, turned, size, math.nan))
    return _seen(placed, eyes)


def neighbours(stamps: NDArray[np.int64], asked_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of those of the rising `stamps` that `boxes_at` needs for the moments `asked_ns`, rising: the one at a moment, else those around it."""
    after = np.searchsorted(stamps, asked_ns)
    found = np.take(stamps, after, mode="clip") == asked_ns
    wanted = np.union1d(after, after[~found] - 1)
    return wanted[(wanted >= 0) & (wanted < len(stamps))]


def labelled_at(labels: Sequence[Labels], stamp_ns: int, eyes: Mapping[str, Eye], reach_m: float) -> list[Box] | None:
    """As `boxes_at`, of labels: at their own height, but upright, as all boxes of a dataset. Labels do not say who moves: no attribute."""
    found = _around(labels, stamp_ns)
    if found is None:
        return None
    before, after, part = found
    later = {box.id: box for box in after.boxes}
    placed = []
    for box in before.boxes:
        other = later.get(box.id)
        if other is None:
            continue
        x, y, z = (_mix(one, another, part) for one, another in zip(box.pose.translation.tolist(), other.pose.translation.tolist(), strict=True))
        if math.hypot(x, y) <= reach_m:
            yaw = math.remainder(_turn(_heading(box.pose), _heading(other.pose), part), 2.0 * math.pi)
            placed.append(Box(box.id, CATEGORIES[box.kind], "", (x, y, z), yaw, (box.width_m, box.length_m, box.height_m), math.nan))
    return _seen(placed, eyes)


def visible_shares(corners: Sequence[F64], eyes: Iterable[Eye]) -> list[float]:
    """Of each box (8, 3) in base_link, the share of its outline in all pictures that is covered by no nearer box; NaN: in no picture."""
    whole, seen = np.zeros(len(corners)), np.zeros(len(corners))
    order = sorted(range(len(corners)), key=lambda k: -float(np.hypot(*corners[k][:, :2].mean(0))))
    points = np.concatenate([corners[k] for k in order]) if order else np.empty((0, 3))
    for eye in eyes:
        cell = eye.lens.width / RASTER
        height, width = math.ceil(eye.lens.height / cell), RASTER
        drawn, area = np.zeros((height, width), np.int32), np.zeros((height, width), np.uint8)
        local = eye.inverse.apply(points).reshape(-1, 8, 3)
        ahead = np.flatnonzero((local[:, :, 2] >= 0.1).all(1))  # of the others some corner is beside or behind the camera
        pixels = eye.lens.project(local[ahead].reshape(-1, 3)).reshape(-1, 8, 2)
        inside = eye.lens.contains(pixels.reshape(-1, 2)).reshape(-1, 8).any(1) & np.isfinite(pixels).all((1, 2))
        places = np.round(pixels[inside] / cell).astype(np.int32)
        for number, place in zip(ahead[inside].tolist(), places, strict=True):
            outline, k = cv2.convexHull(place), order[number]
            left, top = np.clip(place.min(0), 0, (width, height)).tolist()
            right, bottom = np.clip(place.max(0) + 1, 0, (width, height)).tolist()
            cv2.fillConvexPoly(area, outline, 1)
            mine = area[top:bottom, left:right]
            whole[k] += np.count_nonzero(mine)
            drawn[top:bottom, left:right][mine > 0] = k + 1
            mine[:] = 0
        seen += np.bincount(drawn.ravel(), minlength=len(corners) + 1)[1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        return [float(each) for each in np.where(whole > 0, seen / whole, np.nan)]


def _seen(boxes: Sequence[Box], eyes: Mapping[str, Eye]) -> list[Box]:
    shares = visible_shares([corners_of(box) for box in boxes], eyes.values())
    return [replace(box, visible=share) for box, share in zip(boxes, shares, strict=True)]


def corners_of(box: Box) -> F64:
    """(8, 3) in base_link."""
    c, s = math.cos(box.yaw_rad), math.sin(box.yaw_rad)
    width, length, height = box.size
    local = CORNERS * (length, width, height)
    x, y, z = box.center
    return np.stack([x + c * local[:, 0] - s * local[:, 1], y + s * local[:, 0] + c * local[:, 1], z - height / 2.0 + local[:, 2]], 1)


def _heading(pose: SE3) -> float:
    return math.atan2(pose.rotation[1, 0], pose.rotation[0, 0])


def _around(moments: Sequence[Moment], stamp_ns: int) -> tuple[Moment, Moment, float] | None:
    stamps = [moment.stamp_ns for moment in moments]
    after = int(np.searchsorted(stamps, stamp_ns))
    if after < len(stamps) and stamps[after] == stamp_ns:
        return moments[after], moments[after], 0.0
    if not 0 < after < len(stamps) or stamps[after] - stamps[after - 1] > LONGEST_NS:
        return None
    return moments[after - 1], moments[after], (stamp_ns - stamps[after - 1]) / (stamps[after] - stamps[after - 1])


def _mix(one: float, other: float, part: float) -> float:
    return one + part * (other - one)


def _turn(one: float, other: float, part: float) -> float:
    return one + part * math.remainder(other - one, 2.0 * math.pi)


def _attribute(actor: Actor) -> str:
    category = CATEGORIES[actor.kind]
    moves = abs(actor.speed_mps) >= MOVES_MPS
    if category == "vehicle.bicycle":
        return "cycle.with_rider"
    if category.startswith("vehicle."):
        return "vehicle.moving" if moves else "vehicle.stopped"
    if category.startswith("human."):
        return "pedestrian.moving" if moves else "pedestrian.standing"
    return ""
