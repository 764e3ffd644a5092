"""Which way each pixel of a picture looks: through a rig's lens at any size, or straight at a policy's virtual camera."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from heron_camera.views import VirtualCamera, pixel_coordinates
from heron_core.arrays import read_only
from heron_core.camera import Lens
from heron_core.rig import RigCamera
from heron_core.se3 import SE3

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

TILE = 16  # rays along each side of a tile
BLOCK = 4  # tiles along each side of a block
REGION = 2  # blocks along each side of a region


@dataclass(frozen=True)
class Cones:
    """Cones, and pyramids of four planes, that hold all rays of a tile, block or region.

    A row: unit axis in base_link, cosine and sine of the half angle; the outward normals of four planes through the camera (zero: no plane);
    (n, 17) float32.

    Attributes:
        tiles: row-major.
        blocks: of BLOCK x BLOCK tiles, row-major.
        regions: of REGION x REGION blocks, row-major.
        rows, columns: of tiles.
    """

    tiles: F32
    blocks: F32
    regions: F32
    rows: int
    columns: int


@dataclass(frozen=True, eq=False)
class View:
    """The rays of one picture.

    Attributes:
        name: of the picture.
        lens: intrinsics of the picture as it comes out.
        pose: its optical frame in base_link.
        rays: (height * fine, width * fine, 3) unit rays in base_link; zero where the pixel sees nothing and stays black.
        pixel_rad: (height * fine, width * fine) angle between neighbouring rays.
        fine: rays per pixel along each side; their colours are averaged.
    """

    name: str
    lens: Lens
    pose: SE3
    rays: F32
    pixel_rad: F32
    fine: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Height, width of the picture."""
        return self.lens.height, self.lens.width

    def project(self, points: F64) -> F64:
        """Pixels (n, 2) of points (n, 3) in base_link; NaN where the lens does not see them."""
        return self.lens.project(self.pose.inverse().apply(points))

    @cached_property
    def cones(self) -> Cones:
        """Cones around the rays, tile by tile."""
        height, width = self.rays.shape[:2]
        rows, columns = -(-height // TILE), -(-width // TILE)
        bounds = []
        for side in (TILE, TILE * BLOCK, TILE * BLOCK * REGION):
            corners = [(i, j) for i in range(0, height, side) for j in range(0, width, side)]
            bounds.append(np.array([_bound(self.rays[i : i + side + 1, j : j + side + 1]) for i, j in corners], np.float32))
        return Cones(bounds[0], bounds[1], bounds[2], rows, columns)

    @cached_property
    def whole(self) -> F32:
        """(5,) a cone around all rays."""
        return np.array(_cone(self.rays), np.float32)


def _cone(rays: F32) -> tuple[float, float, float, float, float]:
    """Axis, cosine and sine of a cone around `rays`; cosine 2 (nothing is inside) where none sees."""
    flat = rays.reshape(-1, 3).astype(np.float64)
    flat = flat[np.einsum("ij,ij->i", flat, flat) > 0.5]
    if len(flat) == 0:
        return 1.0, 0.0, 0.0, 2.0, 0.0
    axis = flat.mean(axis=0)
    length = float(np.linalg.norm(axis))
    if length < 1e-6:
        return 1.0, 0.0, 0.0, -1.0, 0.0
    axis /= length
    # Colours of pixels' edges are taken up to half a pixel beyond the tile's rays.
    angle = float(np.arccos(np.clip((flat @ axis).min(), -1.0, 1.0))) * 1.06 + 1e-3
    angle = min(angle, np.pi)
    return float(axis[0]), float(axis[1]), float(axis[2]), float(np.cos(angle)), float(np.sin(angle))


def _bound(rays: F32) -> list[float]:
    """Cone and planes around `rays` (h, w, 3), with room for colours of pixels' edges: up to half a pixel beyond the rays."""
    axis_x, axis_y, axis_z, cosine, sine = _cone(rays)
    out = [axis_x, axis_y, axis_z, cosine, sine] + [0.0] * 12
    axis = np.array([axis_x, axis_y, axis_z])
    flat = rays.reshape(-1, 3).astype(np.float64)
    flat = flat[np.einsum("ij,ij->i", flat, flat) > 0.5]
    if len(flat) == 0 or min(rays.shape[:2]) < 2 or (flat @ axis).min() < 0.3:
        return out
    across = rays[:, -1].astype(np.float64).sum(axis=0) - rays[:, 0].astype(np.float64).sum(axis=0)
    across -= (across @ axis) * axis
    length = float(np.linalg.norm(across))
    if length < 1e-6:
        return out
    across /= length
    ahead = flat @ axis
    for k, (side, count) in enumerate(((across, rays.shape[1]), (np.cross(axis, across), rays.shape[0]))):
        slope = (flat @ side) / ahead
        room = 0.7 * float(slope.max() - slope.min()) / (count - 1) + 1e-4
        for sign, edge in ((1.0, float(slope.max()) + room), (-1.0, -float(slope.min()) + room)):
            normal = (sign * side - edge * axis) / np.hypot(1.0, edge)
            begin = 5 + 6 * k + (0 if sign > 0.0 else 3)
            out[begin : begin + 3] = normal.tolist()
    return out


def sized(camera: RigCamera, width: int, height: int) -> RigCamera:
    """`camera` with pictures of `width` x `height`: scaled with square pixels, what is too much cut off evenly on both sides.

    Raises:
        ValueError: no lens can have that size; says why.
    """
    lens = camera.lens
    scale = max(width / lens.width, height / lens.height)
    resized = dataclasses.replace(
        lens,
        width=width,
        height=height,
        fx=lens.fx * scale,
        fy=lens.fy * scale,
        cx=(lens.cx + 0.5) * scale - 0.5 - (lens.width * scale - width) / 2.0,
        cy=(lens.cy + 0.5) * scale - 0.5 - (lens.height * scale - height) / 2.0,
    )
    return dataclasses.replace(camera, lens=resized)


def camera_view(camera: RigCamera, fine: int = 1) -> View:
    """The picture that a camera of the rig takes, through its lens, at the lens's size."""
    return _view(camera.name, camera.lens, camera.pose, fine, None)


def virtual_view(view: VirtualCamera, camera: RigCamera, fine: int = 2) -> View:
    """What a policy sees of `camera`, without the way through lens and undistortion; black where the real camera's picture ends."""
    seen = camera.lens.contains(pixel_coordinates(camera.lens, view.lens, view.rotation_in(camera), fine).reshape(-1, 2).astype(np.float64))
    return _view(view.camera, view.lens, view.pose_in(camera), fine, seen)


def _view(name: str, lens: Lens, pose: SE3, fine: int, seen: NDArray[np.bool_] | None) -> View:
    height, width = lens.height * fine, lens.width * fine
    u = (np.arange(width) + 0.5) / fine - 0.5
    v = (np.arange(height) + 0.5) / fine - 0.5
    grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    rays = lens.unproject(grid) @ pose.rotation.T
    good = np.isfinite(rays).all(axis=1)
    if seen is not None:
        good &= seen
    rays = np.where(good[:, None], rays, 0.0).reshape(height, width, 3)
    return View(name, lens, pose, read_only(np.ascontiguousarray(rays, np.float32)), read_only(_spacing(rays)), fine)


def _spacing(rays: F64) -> F32:
    """Mean angle to the neighbours in the row and in the column."""
    angle = np.zeros(rays.shape[:2])
    across = np.linalg.norm(np.diff(rays, axis=1), axis=2)
    down = np.linalg.norm(np.diff(rays, axis=0), axis=2)
    angle[:, :-1] += across
    angle[:, -1] += across[:, -1]
    angle[:-1] += down
    angle[-1] += down[-1]
    return np.clip(angle / 2.0, 1e-6, 0.05).astype(np.float32)
