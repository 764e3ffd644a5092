"""Where actors are in a picture: boxes around them as projected through the lens, and how much of each is seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.models import actor_shapes
from heron_sim.drawing.polygons import POINTS
from heron_sim.drawing.rays import View
from heron_sim.drawing.shapes import COS, CX, CY, CZ, F32, FORM, HX, HY, HZ, SIN, TAPER_FRONT, TAPER_REAR, TAPER_SIDE, Form
from heron_sim.truth import Actor, ActorKind, EgoTruth, Truth

F64 = NDArray[np.float64]

_STEPS = 9  # samples along each side of a face
_FARTHEST_M = 200.0
_DENSE_STEPS = 41  # of what leaves the picture: its box ends at the last sample inside


@dataclass(frozen=True)
class Box2D:
    """One actor in one picture.

    Attributes:
        id: of the actor.
        kind: of it.
        left, top, right, bottom: edges around its body in pixels, clipped to the picture; pixel centres lie at integers.
        cuboid: the same around the whole upright box of its length, width and height.
        visible_px: pixels of the picture that show it.
        distance_m: from the camera to the middle of its box.
    """

    id: int
    kind: ActorKind
    left: float
    top: float
    right: float
    bottom: float
    cuboid: tuple[float, float, float, float]
    visible_px: int
    distance_m: float


def boxes(view: View, truth: Truth, ids: NDArray[np.int32]) -> tuple[Box2D, ...]:
    """Boxes of all actors that the view would show if nothing stood before them, by id.

    Args:
        view: of the picture.
        truth: that was drawn.
        ids: of the picture, see `renderer.Picture`.
    """
    counts = np.bincount(ids[(ids > 0) & (ids < 10000)].ravel(), minlength=10000)
    eye = view.pose.translation
    found = []
    for actor in truth.actors:
        if math.hypot(actor.x_m - truth.ego.x_m, actor.y_m - truth.ego.y_m) > _FARTHEST_M:
            continue
        cuboid = _bounds(view, truth.ego, partial(_cuboid, actor))
        if cuboid is None:
            continue
        body = _bounds(view, truth.ego, partial(_body, actor_shapes(actor, truth.time_s))) or cuboid
        middle = _into_base(np.array([[actor.x_m, actor.y_m, actor.height_m / 2.0]]), truth.ego)[0]
        found.append(Box2D(actor.id, actor.kind, *body, cuboid, int(counts[actor.id]), float(np.linalg.norm(middle - eye))))
    return tuple(found)


def _into_base(points: F64, ego: EgoTruth) -> F64:
    """World → base_link."""
    c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    x, y = points[:, 0] - ego.x_m, points[:, 1] - ego.y_m
    return np.stack([c * x + s * y, -s * x + c * y, points[:, 2]], axis=1)


def _bounds(view: View, ego: EgoTruth, surface: Callable[[F64], F64]) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the part of a surface that lies in the picture; None without any.

    `surface` gives points (n, 3) of the world from samples of a cube's surface.
    """
    pixels = view.project(_into_base(surface(_CUBE), ego))
    inside = view.lens.contains(pixels)
    if not inside.any():
        return None
    if not inside.all():
        pixels = view.project(_into_base(surface(_DENSE), ego))
        pixels = pixels[view.lens.contains(pixels)]
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _unit_cube(steps: int) -> F64:
    """(n, 3) samples of the surface of [-1, 1]^3: lens distortion bends its faces, so corners would not do."""
    side = np.linspace(-1.0, 1.0, steps)
    grid = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)
    surface: F64 = grid[(np.abs(grid) == 1.0).any(axis=1)]
    return surface


_CUBE, _DENSE = _unit_cube(_STEPS), _unit_cube(_DENSE_STEPS)
_CORNERS = _CUBE[(np.abs(_CUBE) == 1.0).all(axis=1)]  # enough for small parts


def _cuboid(actor: Actor, cube: F64) -> F64:
    """(n, 3) samples of the surface of an actor's box, world."""
    x, y = cube[:, 0] * actor.length_m / 2.0, cube[:, 1] * actor.width_m / 2.0
    c, s = math.cos(actor.yaw_rad), math.sin(actor.yaw_rad)
    return np.stack([actor.x_m + c * x - s * y, actor.y_m + s * x + c * y, (cube[:, 2] + 1.0) * actor.height_m / 2.0], axis=1)


def _body(rows: F32, cube: F64) -> F64:
    """(n, 3) samples of the surfaces of shapes, world."""
    parts = []
    for row in rows.astype(np.float64):
        form = Form(int(row[FORM]))
        if form is Form.BOX:
            unit = cube if row[HX : HZ + 1].max() > 0.5 else _CORNERS
            z = unit[:, 2] * row[HZ]
            rise = z + row[HZ]
            front, rear, side = row[HX] - row[TAPER_FRONT] * rise, row[HX] - row[TAPER_REAR] * rise, row[HY] - row[TAPER_SIDE] * rise
            x, y = unit[:, 0] * np.where(unit[:, 0] > 0.0, front, rear), unit[:, 1] * side
        elif form is Form.CYLINDER:
            angle = np.arange(POINTS) * (2.0 * np.pi / POINTS)
            u, v = np.tile(np.cos(angle) * row[HX], 2), np.tile(np.sin(angle) * row[HX], 2)
            end = np.repeat([-row[HZ], row[HZ]], POINTS)
            x, y, z = (end, v, u) if row[TAPER_FRONT] > 0.5 else (u, v, end)
        else:
            unit = _CUBE / np.linalg.norm(_CUBE, axis=1)[:, None]
            x, y, z = unit[:, 0] * row[HX], unit[:, 1] * row[HY], unit[:, 2] * row[HZ]
        c, s = row[COS], row[SIN]
        parts.append(np.stack([row[CX] + c * x - s * y, row[CY] + s * x + c * y, row[CZ] + z], axis=1))
    return np.concatenate(parts)
