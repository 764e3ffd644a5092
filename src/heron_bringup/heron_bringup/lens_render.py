"""Draws flat textured surfaces through a real lens: every pixel's ray is the lens's own, met with each surface's plane.

There is no pinhole in between, so the picture is as exact as the lens model, whatever its field of view. Textures are ripmaps (halved in
each axis on its own), so that a road seen at a grazing angle stays sharp across and does not flicker along.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_bringup.scene import Scene, Surface, Thing
from heron_core.rig import RigCamera
from heron_core.se2 import SE2

CELL_PX = 32  # images are drawn in cells of this size: small enough for the cache, large enough for numpy
RAY_STEP_PX = 4  # rays between are interpolated: off by less than 0.01 px, and ten times faster than inverting the lens at each pixel
HAZE_BGR = (226, 219, 209)
HAZE_M = 210.0  # at this distance half of the colour is haze
SAMPLE_M = 0.35  # spacing of the points that find the cells of a small surface
FARTHEST_M, DECAL_M = 120.0, 50.0  # things and decals beyond are not drawn
WHOLE_PX = 40_000  # a surface whose cells span no more than this is drawn in one piece
HAZE_FROM_M = 20.0
EDGE_ON = 0.02  # a surface whose plane passes the eye closer than this part of its diagonal is not drawn
_HORIZON = 1e-4

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


class LensRenderer:
    """One camera of the rig, at a fraction of its resolution.

    Args:
        camera: lens and pose.
        scale: rendered size over camera size, e.g. 0.5.
    """

    def __init__(self, camera: RigCamera, scale: float = 1.0) -> None:
        lens = camera.lens
        self.camera = camera
        self.scale = scale
        self.width, self.height = round(lens.width * scale), round(lens.height * scale)
        self.rays = self._rays()
        self.seen: U8 = np.isfinite(self.rays[:, :, 0]).astype(np.uint8)
        self.rays[self.seen == 0] = (0.0, 0.0, 1.0)  # drawn as sky, blackened at the end
        across = np.linalg.norm(np.gradient(self.rays, axis=1), axis=2)
        along = np.linalg.norm(np.gradient(self.rays, axis=0), axis=2)
        self.pixel_rad: F32 = np.clip(np.maximum(across, along), 1e-5, 0.05).astype(np.float32)
        rows = np.minimum(np.arange(0, self.height + CELL_PX, CELL_PX), self.height - 1)
        columns = np.minimum(np.arange(0, self.width + CELL_PX, CELL_PX), self.width - 1)
        self.nodes: F32 = np.ascontiguousarray(self.rays[np.ix_(rows, columns)])
        axis = camera.pose.rotation[:, 2].astype(np.float32)
        self.field_rad = float(np.arccos(np.clip((self.nodes @ axis).min(), -1, 1)))
        self._haze: U8 = np.empty((self.height, self.width, 3), np.uint8)
        self._haze[:] = HAZE_BGR
        azimuth = np.arctan2(self.rays[:, :, 1], self.rays[:, :, 0])
        elevation = np.arcsin(np.clip(self.rays[:, :, 2], -1.0, 1.0))
        self.sky_angles: tuple[F32, F32] = (azimuth.astype(np.float32), elevation.astype(np.float32))

    def _rays(self) -> F32:
        """(h, w, 3) unit rays in base_link of the rendered pixels' centres; NaN where the lens sees nothing."""
        columns, rows = np.arange(0, self.width + RAY_STEP_PX, RAY_STEP_PX), np.arange(0, self.height + RAY_STEP_PX, RAY_STEP_PX)
        u, v = np.meshgrid((columns + 0.5) / self.scale - 0.5, (rows + 0.5) / self.scale - 0.5)
        sparse = self.camera.lens.unproject(np.stack([u.ravel(), v.ravel()], axis=1)) @ self.camera.pose.rotation.T
        grid = sparse.astype(np.float32).reshape(len(rows), len(columns), 3)
        x, y = np.meshgrid(np.arange(self.width, dtype=np.float32) / RAY_STEP_PX, np.arange(self.height, dtype=np.float32) / RAY_STEP_PX)
        rays: F32 = cv2.remap(grid, x, y, cv2.INTER_LINEAR)
        return rays

    def render(self, ego: SE2, scene: Scene) -> U8:
        """The picture from a car at `ego` (base_link in the world) as (h, w, 3) uint8 BGR."""
        image = self._draw_sky(ego, scene.sky)
        cos, sin = np.cos(ego.yaw), np.sin(ego.yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        eye = turn @ self.camera.pose.translation + np.array([ego.x, ego.y, 0.0])
        self._draw(image, scene.ground, eye, turn)
        for thing in self._in_view(scene.decals, eye, turn, DECAL_M):
            self._draw_thing(image, thing, eye, turn)
        for wall in scene.walls:
            self._draw(image, wall, eye, turn)
        for thing in self._in_view(scene.things, eye, turn, FARTHEST_M):
            self._draw_thing(image, thing, eye, turn)
        image[self.seen == 0] = 0
        return image

    def _in_view(self, things: tuple[Thing, ...], eye: NDArray[np.float64], turn: NDArray[np.float64], farthest_m: float) -> list[Thing]:
        """Those that may be seen, the farthest first."""
        from_eye = np.stack([thing.centre for thing in things]) - eye if things else np.zeros((0, 3))
        radius = np.array([thing.radius_m for thing in things])
        distance = np.linalg.norm(from_eye, axis=1)
        axis = turn @ self.camera.pose.rotation[:, 2]
        angle = np.arccos(np.clip(from_eye @ axis / np.maximum(distance, 1e-9), -1, 1))
        margin = np.arcsin(np.clip(radius / np.maximum(distance, 1e-9), 0, 1))
        seen = (distance < farthest_m) & ((angle < self.field_rad + margin) | (distance < 1.5 * radius))
        return [things[i] for i in np.argsort(-distance, kind="stable").tolist() if seen[i]]

    def _draw_thing(self, image: U8, thing: Thing, eye: NDArray[np.float64], turn: NDArray[np.float64]) -> None:
        for surface in thing.surfaces:
            self._draw(image, surface.facing(eye), eye, turn)

    def _draw_sky(self, ego: SE2, sky: U8) -> U8:
        azimuth, elevation = self.sky_angles
        height, width = sky.shape[:2]
        u = (azimuth + np.float32(ego.yaw + np.pi)) * np.float32(width / (2 * np.pi))
        v = np.float32(height - 1) - np.maximum(elevation, 0) * np.float32((height - 1) / (np.pi / 2))
        image: U8 = cv2.remap(sky, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return image

    def _draw(self, image: U8, surface: Surface, eye: NDArray[np.float64], turn: NDArray[np.float64]) -> None:
        outward = np.cross(surface.down, surface.right)
        away_m = float(outward @ (eye - surface.corner))
        if away_m < (0.02 if surface.endless else EDGE_ON * np.hypot(surface.width_m, surface.height_m)):
            return
        axes = np.stack([surface.right, surface.down, -outward]) @ turn  # world axes in base_link
        from_corner = eye - surface.corner
        at = (float(surface.right @ from_corner), float(surface.down @ from_corner), away_m)
        for rows, columns in self._pieces(surface, axes, at, eye, turn):
            part = image[rows, columns]
            haze = self._haze[: part.shape[0], : part.shape[1]]
            part[:] = _shade(part, haze, self.rays[rows, columns], self.pixel_rad[rows, columns], surface, axes, at)

    def _pieces(
        self, surface: Surface, axes: NDArray[np.float64], at: tuple[float, float, float], eye: NDArray[np.float64], turn: NDArray[np.float64]
    ) -> list[tuple[slice, slice]]:
        """Rows and columns of pixels that the surface may touch: one box, or a strip per row of cells."""
        met = self.nodes @ axes.T.astype(np.float32)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            reach = np.where(met[:, :, 2] > _HORIZON, at[2] / met[:, :, 2], np.nan)
            u, v = at[0] + reach * met[:, :, 0], at[1] + reach * met[:, :, 1]
            hit = np.isfinite(reach) & (v > 0) & (v < surface.height_m)
            if not surface.endless:
                hit &= (u > 0) & (u < surface.width_m)
        grid = hit.astype(np.uint8)
        touched = cv2.dilate(grid, np.ones((3, 3), np.uint8))[:-1, :-1] | cv2.dilate(grid, np.ones((3, 3), np.uint8))[1:, 1:]
        if not surface.endless:
            touched |= self._sampled_cells(surface, eye, turn, touched.shape)
        rows = np.flatnonzero(touched.any(axis=1)).tolist()
        columns = [np.flatnonzero(touched[row])[[0, -1]].tolist() for row in rows]
        if not rows:
            return []
        left, right = min(first for first, _ in columns), max(last for _, last in columns)
        if (rows[-1] + 1 - rows[0]) * (right + 1 - left) * CELL_PX**2 <= WHOLE_PX:
            return [(_pixels(rows[0], rows[-1]), _pixels(left, right))]
        return [(_pixels(row, row), _pixels(first, last)) for row, (first, last) in zip(rows, columns, strict=True)]

    def _sampled_cells(self, surface: Surface, eye: NDArray[np.float64], turn: NDArray[np.float64], shape: tuple[int, ...]) -> U8:
        """Cells within one of the projections of points spread over the surface: finds what slips between the rays of `nodes`."""
        touched = np.zeros(shape, np.uint8)
        spacing = max(SAMPLE_M, 0.02 * float(np.linalg.norm(surface.centre - eye)))
        u = np.linspace(0, surface.width_m, 2 + int(surface.width_m / spacing))
        v = np.linspace(0, surface.height_m, 2 + int(surface.height_m / spacing))
        uu, vv = np.meshgrid(u, v)
        points = surface.corner + uu.reshape(-1, 1) * surface.right + vv.reshape(-1, 1) * surface.down
        optical = ((points - eye) @ turn) @ self.camera.pose.rotation
        pixels = self.camera.lens.project(optical) * self.scale / CELL_PX
        pixels = pixels[np.isfinite(pixels).all(axis=1)]
        cells = np.floor(pixels).astype(np.int64)
        inside = ((cells >= -1) & (cells <= (shape[1], shape[0]))).all(axis=1)
        cells = np.clip(cells[inside], 0, (shape[1] - 1, shape[0] - 1))
        if len(cells):
            touched[cells[:, 1], cells[:, 0]] = 1
            touched = cv2.dilate(touched, np.ones((3, 3), np.uint8))
        return touched


def _pixels(first: int, last: int) -> slice:
    return slice(first * CELL_PX, (last + 1) * CELL_PX)


def _shade(below: U8, haze: U8, rays: F32, pixel_rad: F32, surface: Surface, axes: NDArray[np.float64], at: tuple[float, float, float]) -> U8:
    """`below` (h, w, 3) with the surface drawn over it. `at` is the eye in the surface's axes: along right, along down, outward (m)."""
    texture, away_m = surface.texture, np.float32(at[2])
    right, down, inward = cv2.split(cv2.transform(rays, axes.astype(np.float32)))
    inverse = 1.0 / np.maximum(inward, np.float32(_HORIZON))
    slope_u, slope_v = right * inverse, down * inverse
    u, v = np.float32(at[0]) + away_m * slope_u, np.float32(at[1]) + away_m * slope_v
    square_u, square_v = slope_u * slope_u + 1, slope_v * slope_v + 1
    squared_distance = (square_u + square_v - 1) * (away_m * away_m)
    pixel2 = squared_distance * pixel_rad * pixel_rad
    spread_u, spread_v = pixel2 * square_u, pixel2 * square_v  # squared footprint of a pixel along each axis, m²
    cover = _soft(v, surface.height_m, spread_v)
    cover[inward <= _HORIZON] = 0
    if not surface.endless:
        cover *= _soft(u, surface.width_m, spread_u)
    map_u = _atlas(u, spread_u, surface.width_m, texture.width, surface.endless)
    map_v = _atlas(v, spread_v, surface.height_m, texture.height, False)
    colour = cv2.remap(texture.atlas, map_u, map_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if not texture.opaque:
        cover *= colour[:, :, 3] * np.float32(1 / 255)
    plain = cv2.cvtColor(colour, cv2.COLOR_BGRA2BGR)
    if surface.endless or float(squared_distance.max()) > HAZE_FROM_M**2:
        clear = 1.0 / (1.0 + squared_distance * np.float32(1 / HAZE_M**2))
        plain = cv2.blendLinear(plain, haze, clear, 1 - clear)
    drawn: U8 = cv2.blendLinear(plain, below, cover, 1 - cover)
    return drawn


def _atlas(place_m: F32, spread: F32, size_m: float, texels: int, endless: bool) -> F32:
    """Coordinates along one axis of a `Ripmap` atlas, for places in metres and squared footprints in m²."""
    per_m = np.float32(texels / size_m)
    # the nearest halving is half of the binary exponent of the squared footprint, read from the float's bits
    bits = (spread * (2 * per_m * per_m)).view(np.int32)
    level = np.clip(((bits >> 23) - 127) >> 1, 0, texels.bit_length() - 1)
    scale = ((127 - level) << 23).view(np.float32)  # 2^-level
    place = place_m * per_m
    if endless:
        periods = np.floor(place * np.float32(1 / texels))
        scaled = (place - periods * np.float32(texels)) * scale  # np.mod is five times slower
    else:
        scaled = np.clip(place * scale, 0.5, texels * scale - 0.5)
    coordinates: F32 = scaled + np.float32(2 * texels) * (1 - scale) - np.float32(0.5)
    return coordinates


def _soft(place_m: F32, size_m: float, spread: F32) -> F32:
    """How much of a pixel's footprint lies on 0 … `size_m`. It ends over the pixel outside the edge: two faces of a box leave no gap."""
    footprint = np.sqrt(spread)
    inside = np.minimum(place_m, np.float32(size_m) - place_m)
    part: F32 = np.clip(inside / footprint + 1, 0, np.minimum(1, np.float32(size_m) / footprint))
    return part
