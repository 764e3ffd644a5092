"""Virtual cameras: the pinhole pictures that a policy was trained on, and where each of their pixels lies in the real lens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from heron_core.camera import Lens, LensModel
from heron_core.errors import ConfigError, RigMismatchError
from heron_core.rig import Rig, RigCamera
from heron_core.se3 import SE3
from heron_core.settings import from_mapping, load_yaml

Mode = Literal["quality", "fast"]


@dataclass(frozen=True)
class Tolerance:
    """How far a real camera may stand from the virtual one that it feeds; None = any."""

    rotation_deg: float | None = None
    translation_m: float | None = None


@dataclass(frozen=True)
class VirtualCamera:
    """One view of a policy.

    Attributes:
        input: graph input that takes the picture.
        camera: name in the rig of the camera that feeds it.
        width, height: pixels.
        fx, fy, cx, cy: pinhole intrinsics in pixels (pixel centres at integers).
        rotation_wxyz: optical axes → base_link axes; None = the real camera's own axes.
        position_m: where the policy expects the camera in base_link; None = anywhere.
        required: a rig without this camera is refused; otherwise the view stays black and invalid.
        tolerance: see `Tolerance`.
    """

    input: str
    camera: str
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    rotation_wxyz: tuple[float, float, float, float] | None = None
    position_m: tuple[float, float, float] | None = None
    required: bool = True
    tolerance: Tolerance = Tolerance()

    def __post_init__(self) -> None:
        if self.rotation_wxyz is not None:
            SE3.from_quaternion_wxyz(self.rotation_wxyz)
        _ = self.lens

    @property
    def lens(self) -> Lens:
        """The ideal lens of the view."""
        return Lens(LensModel.PLUMB_BOB, self.width, self.height, self.fx, self.fy, self.cx, self.cy, (0.0,) * 5)

    def rotation_in(self, camera: RigCamera) -> NDArray[np.float64]:
        """(3, 3) from the view's optical axes to the real camera's."""
        if self.rotation_wxyz is None:
            return np.eye(3)
        rotation: NDArray[np.float64] = camera.pose.rotation.T @ SE3.from_quaternion_wxyz(self.rotation_wxyz).rotation
        return rotation

    def pose_in(self, camera: RigCamera) -> SE3:
        """Pose of the view's optical frame in base_link: its own axes at the real camera's place."""
        return SE3(camera.pose.rotation @ self.rotation_in(camera), camera.pose.translation)


def pinhole(camera: str, width: int, height: int, hfov_deg: float, input_name: str = "images", **fields: Any) -> VirtualCamera:
    """A centred view with square pixels that spans `hfov_deg` from its left to its right edge."""
    if not 1.0 <= hfov_deg <= 170.0:
        raise ValueError(f"hfov_deg {hfov_deg} is outside 1..170: a flat picture cannot span more")
    focal = width / 2.0 / math.tan(math.radians(hfov_deg) / 2.0)
    return VirtualCamera(input_name, camera, width, height, focal, focal, (width - 1) / 2.0, (height - 1) / 2.0, **fields)


def same_axes_view(camera: RigCamera, width: int, height: int, input_name: str = "images") -> VirtualCamera:
    """What `cv2.undistort` and a resize to `width` x `height` would give: the lens's own camera matrix, scaled per axis."""
    lens = camera.lens
    sx, sy = width / lens.width, height / lens.height
    return VirtualCamera(input_name, camera.name, width, height, lens.fx * sx, lens.fy * sy, (lens.cx + 0.5) * sx - 0.5, (lens.cy + 0.5) * sy - 0.5)


def pixel_coordinates(source: Lens, view: Lens, rotation: NDArray[np.float64], oversample: int = 1) -> NDArray[np.float32]:
    """Where in the source image each pixel of the view lies.

    Args:
        source: the real lens.
        view: the ideal lens of the view.
        rotation: (3, 3) view axes → source axes.
        oversample: the view's grid is made this many times finer.

    Returns:
        (height * oversample, width * oversample, 2) float32 u, v in source pixels; NaN where the lens does not reach.
    """
    fine = view.scaled(oversample)
    x = (np.arange(fine.width) - fine.cx) / fine.fx
    y = (np.arange(fine.height) - fine.cy) / fine.fy
    rays = np.empty((fine.height, fine.width, 3))
    rays[..., 0], rays[..., 1], rays[..., 2] = x[None, :], y[:, None], 1.0
    pixels = source.project(rays.reshape(-1, 3) @ rotation.T)
    return pixels.reshape(fine.height, fine.width, 2).astype(np.float32)


def density(coordinates: NDArray[np.float32]) -> float:
    """Source pixels per view pixel, along one axis: the value that nine tenths of the visible view reach."""
    across = np.diff(coordinates, axis=1)[:-1]
    down = np.diff(coordinates, axis=0)[:, :-1]
    area = np.abs(across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0])
    area = area[np.isfinite(area)]
    return float(np.sqrt(np.percentile(area, 10))) if len(area) else 0.0


@dataclass(frozen=True)
class _ViewEntry:
    """One entry of `views:` in policy.yaml; either `hfov_deg` or `k`."""

    camera: str
    input: str
    width: int
    height: int
    hfov_deg: float | None = None
    k: tuple[float, float, float, float] | None = None
    rotation_wxyz: tuple[float, float, float, float] | None = None
    position_m: tuple[float, float, float] | None = None
    required: bool = True
    tolerance: Tolerance = Tolerance()

    def view(self) -> VirtualCamera:
        if (self.hfov_deg is None) == (self.k is None):
            raise ValueError("needs either hfov_deg or k")
        rest = {
            "rotation_wxyz": self.rotation_wxyz,
            "position_m": self.position_m,
            "required": self.required,
            "tolerance": self.tolerance,
        }
        if self.k is not None:
            return VirtualCamera(self.input, self.camera, self.width, self.height, *self.k, **rest)  # type: ignore[arg-type]
        return pinhole(self.camera, self.width, self.height, self.hfov_deg or 0.0, self.input, **rest)


@dataclass(frozen=True)
class Preprocessing:
    """Section `preprocessing:` of policy.yaml: how the pictures were made that the policy was trained on."""

    mode: Mode = "quality"
    digest: str = ""


def load_preprocessing(policy_yaml: Path) -> Preprocessing:
    """Reads the section `preprocessing`; ConfigError when it is wrong."""
    section = load_yaml(policy_yaml).get("preprocessing", {})
    if not isinstance(section, Mapping):
        raise ConfigError(f"{policy_yaml}: preprocessing: {section!r} is not a mapping")
    return from_mapping(Preprocessing, section, f"{policy_yaml}: preprocessing")


def load_views(policy_yaml: Path, rig: Rig | None = None) -> tuple[VirtualCamera, ...]:
    """Reads the section `views` of a policy, in its order.

    Args:
        policy_yaml: the policy's description.
        rig: when given, the views are checked against it (see `check_views`).

    Raises:
        ConfigError: the section is missing or wrong; names file, view and key.
        RigMismatchError: the rig cannot feed the views.
    """
    entries = load_yaml(policy_yaml).get("views")
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{policy_yaml}: views: expected a list with at least one view, found {entries!r}")
    views = tuple(_load_view(entry, f"{policy_yaml}: views[{i}]") for i, entry in enumerate(entries))
    sizes: dict[str, tuple[int, int]] = {}
    for i, view in enumerate(views):
        size = sizes.setdefault(view.input, (view.width, view.height))
        if size != (view.width, view.height):
            raise ConfigError(f"{policy_yaml}: views[{i}]: {view.width}x{view.height}, but input {view.input!r} began with {size[0]}x{size[1]}")
    if rig is not None:
        check_views(views, rig)
    return views


def _load_view(entry: Any, source: str) -> VirtualCamera:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{source}: {entry!r} is not a mapping")
    parsed = from_mapping(_ViewEntry, entry, source)
    try:
        return parsed.view()
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from error


def check_views(views: Sequence[VirtualCamera], rig: Rig) -> None:
    """Whether `rig` can feed `views`.

    Raises:
        RigMismatchError: a required camera is missing, stands or looks too far from what the policy was trained on, or sees nothing of its view; or
            no view has a camera.
    """
    for view in views:
        camera = rig.cameras.get(view.camera)
        if camera is None:
            if view.required:
                raise RigMismatchError(f"the policy requires {view.camera}, rig {rig.name!r} has {', '.join(rig.cameras)}")
            continue
        _check_pose(view, camera)
        coarse = view.lens.scaled(min(1.0, 32 / view.width))
        if not camera.lens.contains(pixel_coordinates(camera.lens, coarse, view.rotation_in(camera)).reshape(-1, 2).astype(np.float64)).any():
            raise RigMismatchError(f"{view.camera} sees nothing of the view that the policy wants from it; compare rotation_wxyz of view and rig")
    if not any(view.camera in rig.cameras for view in views):
        wanted = ", ".join(dict.fromkeys(view.camera for view in views))
        raise RigMismatchError(
            f"rig {rig.name!r} has none of the policy's cameras: it has {', '.join(rig.cameras)}, the policy looks through {wanted}"
        )


def _check_pose(view: VirtualCamera, camera: RigCamera) -> None:
    limit_deg, limit_m = view.tolerance.rotation_deg, view.tolerance.translation_m
    if view.rotation_wxyz is not None and limit_deg is not None:
        turned_deg = math.degrees(camera.pose.angle_to(SE3.from_quaternion_wxyz(view.rotation_wxyz)))
        if turned_deg > limit_deg:
            raise RigMismatchError(f"{view.camera} is turned {turned_deg:.1f}° from the policy's view, at most {limit_deg:g}° are allowed")
    if view.position_m is not None and limit_m is not None:
        distance_m = float(np.linalg.norm(camera.pose.translation - np.array(view.position_m)))
        if distance_m > limit_m:
            raise RigMismatchError(f"{view.camera} stands {distance_m:.2f} m from where the policy expects it, at most {limit_m:g} m are allowed")
