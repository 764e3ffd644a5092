"""Calibration files of others: OpenCV's yml, or our rig.yaml."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.camera import COEFFICIENTS, Lens, LensModel
from heron_core.errors import InputError
from heron_core.rig import load_rig
from heron_core.settings import load_yaml

_D_NAMES = ("distortion_coefficients", "dist_coeffs", "distortion", "D")
_K_NAMES = ("camera_matrix", "cameraMatrix", "K")


def load_lens(path: Path, camera: str | None, size: tuple[int, int]) -> Lens:
    """The lens that `path` describes.

    Args:
        path: a rig.yaml, or OpenCV yml/xml with a camera matrix and 4 (fisheye), 5 or 8 distortion coefficients.
        camera: which camera of a rig.
        size: (width, height) of the images, for files that do not state it.

    Raises:
        InputError: unreadable, incomplete, or a calibration that no lens has.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such calibration file")
    opencv = path.suffix == ".xml" or path.read_text(encoding="utf-8", errors="replace").startswith("%YAML")
    return _opencv_lens(path, size) if opencv else _rig_lens(path, camera)


def _rig_lens(path: Path, camera: str | None) -> Lens:
    if "cameras" not in load_yaml(path):
        raise InputError(f"{path}: neither an OpenCV calibration (it would start with %YAML:1.0) nor a rig.yaml (it has no cameras)")
    rig = load_rig(path)
    name = camera or (next(iter(rig.cameras)) if len(rig.cameras) == 1 else "")
    if name not in rig.cameras:
        raise InputError(f"{path}: choose with --camera one of {', '.join(rig.cameras)}" + (f"; it has no {camera}" if camera else ""))
    return rig.cameras[name].lens


def _opencv_lens(path: Path, size: tuple[int, int]) -> Lens:
    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
        k, d = (_matrix(storage, names) for names in (_K_NAMES, _D_NAMES))
        stated = [storage.getNode(name) for name in ("image_width", "image_height")]
        resolution = _matrix(storage, ("resolution",))
    except cv2.error as error:
        raise InputError(f"{path}: not an OpenCV calibration: {error.err}") from error
    if k is None or d is None or k.shape != (3, 3):
        raise InputError(f"{path}: needs a 3x3 {_K_NAMES[0]} and {_D_NAMES[0]} (or {', '.join(_D_NAMES[1:])})")
    width, height = size
    if not any(node.empty() for node in stated):
        width, height = (int(node.real()) for node in stated)
    elif resolution is not None:
        width, height = (int(value) for value in resolution.ravel()[:2])
    models = {count: model for model, count in COEFFICIENTS.items()}
    coefficients = d.ravel()
    if len(coefficients) not in models:
        known = ", ".join(f"{count} ({model.value})" for count, model in sorted(models.items()))
        raise InputError(f"{path}: {len(coefficients)} distortion coefficients; known are {known}")
    try:
        return Lens(models[len(coefficients)], width, height, k[0, 0], k[1, 1], k[0, 2], k[1, 2], tuple(coefficients))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _matrix(storage: cv2.FileStorage, names: tuple[str, ...]) -> NDArray[np.float64] | None:
    for name in names:
        node = storage.getNode(name)
        if not node.empty() and node.isMap():
            found: NDArray[np.float64] | None = node.mat()
            return found
    return None


def flat_view(lens: Lens, fov_deg: float | None) -> Lens:
    """An ideal lens of the same size that shows the undistorted picture.

    Args:
        lens: the real one.
        fov_deg: from left to right edge; None keeps the focal length of pinhole lenses and gives fisheyes 110°.

    Raises:
        InputError: a flat picture cannot span `fov_deg`.
    """
    if fov_deg is None and lens.model is not LensModel.EQUIDISTANT:
        return Lens(LensModel.PLUMB_BOB, lens.width, lens.height, lens.fx, lens.fy, lens.cx, lens.cy, (0.0,) * 5)
    angle = 110.0 if fov_deg is None else fov_deg
    if not 1.0 <= angle <= 170.0:
        raise InputError(f"--fov {angle:g}: a flat picture can span 1 to 170 degrees")
    focal = lens.width / 2 / float(np.tan(np.radians(angle / 2)))
    return Lens(LensModel.PLUMB_BOB, lens.width, lens.height, focal, focal, (lens.width - 1) / 2, (lens.height - 1) / 2, (0.0,) * 5)
