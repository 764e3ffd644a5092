"""Upright boxes seen from above: whether they touch, how far they are apart, and when they will touch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_sim.truth import Actor, EgoTruth

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the ground: its middle, direction of its length, and sizes, metres and radians."""

    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float

    @property
    def radius_m(self) -> float:
        """Of the circle around it."""
        return 0.5 * math.hypot(self.length_m, self.width_m)

    @property
    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Front left, rear left, rear right, front right: counter-clockwise."""
        c, s = 0.5 * math.cos(self.yaw_rad), 0.5 * math.sin(self.yaw_rad)
        lx, ly, wx, wy = c * self.length_m, s * self.length_m, -s * self.width_m, c * self.width_m
        x, y = self.x_m, self.y_m
        return (x + lx + wx, y + ly + wy), (x - lx + wx, y - ly + wy), (x - lx - wx, y - ly - wy), (x + lx - wx, y + ly - wy)

    def local(self, x_m: float, y_m: float) -> Point:
        """A place in the world, forward and to the left of the middle."""
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        dx, dy = x_m - self.x_m, y_m - self.y_m
        return c * dx + s * dy, c * dy - s * dx

    def grown(self, by_m: float) -> Box:
        """The box with `by_m` more on every side."""
        return Box(self.x_m, self.y_m, self.yaw_rad, self.length_m + 2.0 * by_m, self.width_m + 2.0 * by_m)


def box_of_actor(actor: Actor) -> Box:
    """An actor's box."""
    return Box(actor.x_m, actor.y_m, actor.yaw_rad, actor.length_m, actor.width_m)


def box_of_ego(ego: EgoTruth) -> Box:
    """The ego car's box; its middle is not base_link."""
    ahead = 0.5 * (ego.front_m - ego.rear_m)
    x, y = ego.x_m + ahead * math.cos(ego.yaw_rad), ego.y_m + ahead * math.sin(ego.yaw_rad)
    return Box(x, y, ego.yaw_rad, ego.front_m + ego.rear_m, 2.0 * ego.half_width_m)


def velocity(yaw_rad: float, speed_mps: float) -> Point:
    """m/s east and north of something that moves along its direction."""
    return speed_mps * math.cos(yaw_rad), speed_mps * math.sin(yaw_rad)


def _axes(a: Box, b: Box) -> tuple[tuple[float, float, float, float], ...]:
    """For each direction of a side: its unit vector, how far b's middle lies along it from a's, and the sum of the half shadows."""
    ca, sa, cb, sb = math.cos(a.yaw_rad), math.sin(a.yaw_rad), math.cos(b.yaw_rad), math.sin(b.yaw_rad)
    dx, dy = b.x_m - a.x_m, b.y_m - a.y_m
    along, across = abs(ca * cb + sa * sb), abs(sa * cb - ca * sb)
    la, wa, lb, wb = 0.5 * a.length_m, 0.5 * a.width_m, 0.5 * b.length_m, 0.5 * b.width_m
    return (
        (ca, sa, ca * dx + sa * dy, la + lb * along + wb * across),
        (-sa, ca, ca * dy - sa * dx, wa + lb * across + wb * along),
        (cb, sb, cb * dx + sb * dy, lb + la * along + wa * across),
        (-sb, cb, cb * dy - sb * dx, wb + la * across + wa * along),
    )


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share a place (separating axes: exact)."""
    reach = a.radius_m + b.radius_m
    if (b.x_m - a.x_m) ** 2 + (b.y_m - a.y_m) ** 2 > reach * reach:
        return False
    return all(abs(apart) <= reach for _, _, apart, reach in _axes(a, b))


def distance(a: Box, b: Box) -> float:
    """Metres between the nearest places of two boxes; 0 when they overlap."""
    if overlap(a, b):
        return 0.0
    return min(*(_to_box(a, corner) for corner in b.corners), *(_to_box(b, corner) for corner in a.corners))


def _to_box(box: Box, place: Point) -> float:
    along, across = box.local(*place)
    return math.hypot(max(abs(along) - 0.5 * box.length_m, 0.0), max(abs(across) - 0.5 * box.width_m, 0.0))


def time_to_contact(a: Box, velocity_a: Point, b: Box, velocity_b: Point) -> float:
    """Seconds until two boxes touch if both go straight on without turning; 0 when they do already, infinite when they never will."""
    vx, vy = velocity_b[0] - velocity_a[0], velocity_b[1] - velocity_a[1]
    begin, end = 0.0, math.inf
    for ux, uy, apart, reach in _axes(a, b):
        speed = ux * vx + uy * vy
        if abs(speed) < 1e-9:
            if abs(apart) > reach:
                return math.inf
            continue
        first, last = sorted(((-reach - apart) / speed, (reach - apart) / speed))
        begin, end = max(begin, first), min(end, last)
        if begin > end:
            return math.inf
    return begin


def contact_point(a: Box, b: Box) -> Point:
    """Middle of what two overlapping boxes share (of the gap's nearest corners when they do not)."""
    shared = list(a.corners)
    for (x0, y0), (x1, y1) in zip(b.corners, (*b.corners[1:], b.corners[0]), strict=True):
        shared = _clipped(shared, x0, y0, x1 - x0, y1 - y0)
    if not shared:
        nearest = min((*((_to_box(a, corner), corner) for corner in b.corners), *((_to_box(b, corner), corner) for corner in a.corners)))
        return nearest[1]
    return sum(x for x, _ in shared) / len(shared), sum(y for _, y in shared) / len(shared)


def _clipped(polygon: list[Point], x0: float, y0: float, dx: float, dy: float) -> list[Point]:
    """The part of a convex polygon on the left of a line."""
    kept: list[Point] = []
    for i, (x, y) in enumerate(polygon):
        px, py = polygon[i - 1]
        here, before = dx * (y - y0) - dy * (x - x0), dx * (py - y0) - dy * (px - x0)
        if (here >= 0.0) != (before >= 0.0):
            share = before / (before - here)
            kept.append((px + share * (x - px), py + share * (y - py)))
        if here >= 0.0:
            kept.append((x, y))
    return kept


class Polygon:
    """A simple polygon on the ground, ready to be asked."""

    def __init__(self, points: NDArray[np.float64]) -> None:
        """Of (n, 2) corners, either way round."""
        ends = np.roll(points, -1, axis=0)
        self._x, self._y, self._end_y = points[:, 0].copy(), points[:, 1].copy(), ends[:, 1].copy()
        self._dx, self._dy = ends[:, 0] - points[:, 0], ends[:, 1] - points[:, 1]
        self._rises = self._dy > 0.0
        self._squares = np.maximum(self._dx**2 + self._dy**2, 1e-18)

    def signed_distance(self, x_m: float, y_m: float) -> float:
        """Metres from a place to the edge, positive inside; exact."""
        x, y = x_m - self._x, y_m - self._y
        share = np.minimum(np.maximum((x * self._dx + y * self._dy) / self._squares, 0.0), 1.0)
        ex, ey = x - share * self._dx, y - share * self._dy
        away = math.sqrt((ex * ex + ey * ey).min())
        spans = (self._y > y_m) != (self._end_y > y_m)
        left_of = (x * self._dy < y * self._dx) == self._rises
        inside = int(np.count_nonzero(spans & left_of)) % 2 == 1
        return away if inside else -away


def signed_distance(polygon: NDArray[np.float64], x_m: float, y_m: float) -> float:
    """Metres from a place to the edge of a simple polygon (n, 2), positive inside; exact."""
    return Polygon(polygon).signed_distance(x_m, y_m)
