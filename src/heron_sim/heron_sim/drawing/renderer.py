"""Pictures of the world: what the car's cameras, or a policy's virtual cameras, see at one moment."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_sim.config import WeatherConfig
from heron_sim.drawing.culling import TileLists, in_sight
from heron_sim.drawing.film import Film
from heron_sim.drawing.ground import Ground
from heron_sim.drawing.hits import NEAREST, seen_from
from heron_sim.drawing.lighting import Lighting
from heron_sim.drawing.models import actor_shapes, lamp_shapes, town_shapes
from heron_sim.drawing.raycast import Scene, cast
from heron_sim.drawing.rays import View
from heron_sim.drawing.shadow import ShadowMap
from heron_sim.drawing.shapes import COLUMNS, CX, CY, F32, ID
from heron_sim.roads.town import Town
from heron_sim.truth import Actor, ActorKind, EgoTruth, Truth

_SMALLEST_PX = 1.4  # shapes whose bounding sphere spans less of a pixel are left out
_FARTHEST_M = 700.0
_EXPOSURE_NS = 100_000_000  # the film counts exposures at 10 Hz
_SHARES = 16  # neighbouring tiles go to different cores


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        image: (height, width, 3) uint8, blue, green, red.
        depth: (height, width) metres along the pixel's ray; infinite in the sky, 0 where the lens sees nothing; None if not asked for.
        ids: (height, width) int32 instance ids (actors 1 … 9999, what stands about from 10000), 0 ground and sky; None if not asked for.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32] | None = None
    ids: NDArray[np.int32] | None = None


class _Camera:
    """A view's buffers."""

    def __init__(self, view: View, weather: WeatherConfig, seed: int, number: int) -> None:
        self.view = view
        height, width = view.rays.shape[:2]
        self.radiance: F32 = np.zeros((height, width, 3), np.float32)
        self.smooth: F32 = self.radiance if view.fine > 1 else np.zeros_like(self.radiance)
        self.depth: F32 = np.zeros((height, width), np.float32)
        self.met = np.zeros((height, width), np.int32)
        self.lists = TileLists(view.cones)
        tiles = np.arange(len(view.cones.tiles))
        self.order = tiles[np.argsort(tiles % _SHARES, kind="stable")]
        self.film = Film(view.lens.width, view.lens.height, weather, seed, number)
        self.finest_rad = float(view.pixel_rad.min())
        fine = view.fine
        blind = ~view.rays.any(axis=2)
        self.blind = blind.reshape(view.lens.height, fine, view.lens.width, fine).all(axis=(1, 3))

    def picture(self, rows: F32, frame: int, labels: bool) -> Picture:
        """Develops what was cast; `rows` are the shapes that `met` counts."""
        fine = self.view.fine
        radiance = self.smooth
        if fine > 1:
            radiance = cv2.resize(radiance, (self.view.lens.width, self.view.lens.height), interpolation=cv2.INTER_AREA)
        image = self.film.develop(radiance, frame)
        image[self.blind] = 0
        if not labels:
            return Picture(image)
        met = self.met[::fine, ::fine]
        ids = np.zeros(met.shape, np.int32)
        if len(rows):
            ids = np.where(met >= 0, rows[np.maximum(met, 0) >> 3, ID].astype(np.int32), 0)
        return Picture(image, self.depth[::fine, ::fine].copy(), ids)


class Renderer:
    """Draws the world through a set of views; the same truth gives the same bytes, on any number of cores.

    Args:
        town: where.
        views: name → rays.
        weather: light and air.
        seed: of the cameras' noise.
        small: the pictures are small, as a policy's: the ground is painted more coarsely beyond 25 m, at half the price.
    """

    def __init__(self, town: Town, views: Mapping[str, View], weather: WeatherConfig, seed: int, small: bool = False) -> None:
        self._network = town.network
        self._lighting = Lighting(town, weather)
        self._light = self._lighting.light
        self._standing = town_shapes(town, self._light.lamps_on)
        self._ground = Ground(town, self._standing, self._light, small)
        self._shadows = ShadowMap(self._light)
        self._cameras = {name: _Camera(view, weather, seed, number) for number, (name, view) in enumerate(views.items())}

    def render(self, truth: Truth, labels: bool = False, only: Collection[str] | None = None) -> dict[str, Picture]:
        """One picture per view, or per view of `only`, of the world at `truth`; with `labels` depth and instance ids too."""
        ego = truth.ego
        moving = self._moving(truth)
        self._ground.move_to(ego.x_m, ego.y_m)
        own = actor_shapes(_own_car(ego))
        near = moving[np.hypot(moving[:, CX] - ego.x_m, moving[:, CY] - ego.y_m) < 100.0]
        self._shadows.draw(np.concatenate([near, own]), ego.x_m, ego.y_m)
        lamps = self._lighting.at(truth)
        lenses = lamp_shapes(self._network, truth.lamps)
        rows = np.concatenate([self._standing, lenses, moving])
        ground = self._ground.map
        texels = ground.texels.view("<u4")[:, 0]
        c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        towards = np.array(self._light.shadow_from, np.float64)
        frame = truth.time_ns // _EXPOSURE_NS
        out = {}
        for name, camera in self._cameras.items():
            if only is not None and name not in only:
                continue
            view = camera.view
            px, py, pz = (float(value) for value in view.pose.translation)
            eye = np.array([ego.x_m + c * px - s * py, ego.y_m + s * px + c * py, pz])
            mine = rows[in_sight(rows, eye, view.whole, c, s, _SMALLEST_PX * camera.finest_rad, _FARTHEST_M)]
            seen = seen_from(mine, *eye)
            near_first = np.argsort(seen[:, NEAREST], kind="stable")
            mine, seen = mine[near_first], seen[near_first]
            camera.lists.fill(seen, c, s)
            scene = Scene(
                mine, seen, texels, ground.levels, ground.windows, ground.beyond, self._shadows.lit, self._shadows.place, towards,
                lamps.values, lamps.lamps, lamps.starts, lamps.items,
            )  # fmt: skip
            lists = camera.lists
            for edges in (False, True) if view.fine == 1 else (False,):
                cast(
                    scene, eye, c, s, view.rays, view.pixel_rad, camera.order, lists.counts, lists.lists, edges,
                    camera.radiance, camera.depth, camera.met, camera.smooth,
                )  # fmt: skip
            out[name] = camera.picture(mine, frame, labels)
        return out

    def _moving(self, truth: Truth) -> F32:
        parts = [actor_shapes(actor, truth.time_s, self._light.lamps_on) for actor in truth.actors]
        return np.concatenate(parts) if parts else np.zeros((0, COLUMNS), np.float32)


def _own_car(ego: EgoTruth) -> Actor:
    """The ego car as somebody else would see it: only its shadow is drawn."""
    ahead = (ego.front_m - ego.rear_m) / 2.0
    return Actor(
        id=9999,
        kind=ActorKind.CAR,
        x_m=ego.x_m + ahead * math.cos(ego.yaw_rad),
        y_m=ego.y_m + ahead * math.sin(ego.yaw_rad),
        yaw_rad=ego.yaw_rad,
        speed_mps=ego.speed_mps,
        length_m=ego.front_m + ego.rear_m,
        width_m=2.0 * ego.half_width_m,
        height_m=ego.height_m,
        look=1,
    )
