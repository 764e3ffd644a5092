"""The rig of an import."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from heron_bag.errors import BagError
from heron_bag.importing.config import Calibration, DgpCalibration, Mounting, NominalCamera, OpencvCamera
from heron_bag.importing.recording import find_file
from heron_core.camera import COEFFICIENTS, Lens, LensModel
from heron_core.rig import FORWARD_OPTICAL, Rig, RigCamera, default_frame_id, default_topic, load_rig
from heron_core.se3 import SE3


def build_rig(name: str, calibration: Calibration, base: Path) -> tuple[Rig, list[Path]]:
    """The rig and the files it was made from.

    Raises:
        BagError: a file cannot be read, or describes no possible camera.
    """
    if calibration.rig:
        file = find_file(calibration.rig, base)
        return load_rig(file), [file]
    try:
        if calibration.dgp:
            file = find_file(calibration.dgp.file, base)
            return Rig(name, _dgp(calibration.dgp, file)), [file]
        if calibration.opencv:
            files = {camera: find_file(item.file, base) for camera, item in calibration.opencv.items()}
            return Rig(name, {camera: _opencv(camera, item, files[camera]) for camera, item in calibration.opencv.items()}), list(files.values())
        return Rig(name, {camera: _nominal(camera, item) for camera, item in calibration.nominal.items()}), []
    except (ValueError, KeyError, TypeError) as error:
        raise BagError(f"calibration of {name} cannot be used: {error!r}") from error


def mounting_pose(mounting: Mounting) -> SE3:
    """Optical frame in base_link of a mounted camera."""
    angles = (math.radians(mounting.roll_deg), math.radians(mounting.pitch_deg), math.radians(mounting.yaw_deg))
    return SE3.from_rpy(*angles, mounting.position_m).compose(FORWARD_OPTICAL)


def _camera(name: str, lens: Lens, pose: SE3) -> RigCamera:
    return RigCamera(name, default_topic(name), lens, pose, default_frame_id(name))


def _nominal(name: str, camera: NominalCamera) -> RigCamera:
    focal = camera.width / 2 / math.tan(math.radians(camera.hfov_deg) / 2)
    cx, cy = (camera.width - 1) / 2, (camera.height - 1) / 2  # pixel centres lie at integers
    lens = Lens(LensModel.PLUMB_BOB, camera.width, camera.height, focal, focal, cx, cy, (0.0,) * 5)
    return _camera(name, lens, mounting_pose(camera.mounting))


def _dgp(calibration: DgpCalibration, file: Path) -> dict[str, RigCamera]:
    content = json.loads(file.read_text(encoding="utf-8"))
    by_name = dict(zip(content["names"], zip(content["intrinsics"], content["extrinsics"], strict=True), strict=True))
    missing = [name for name in calibration.cameras if name not in by_name]
    if missing:
        raise BagError(f"{file}: has no camera {', '.join(missing)} (it has {', '.join(by_name)})")
    cameras = {}
    for theirs, ours in calibration.cameras.items():
        k, pose = by_name[theirs]
        if k["skew"]:
            raise BagError(f"{file}: camera {theirs} has skew {k['skew']}, which no lens model here has")
        lens = Lens(LensModel.PLUMB_BOB, calibration.width, calibration.height, k["fx"], k["fy"], k["cx"], k["cy"], (0.0,) * 5)
        q, t = pose["rotation"], pose["translation"]
        cameras[ours] = _camera(ours, lens, SE3.from_quaternion_wxyz((q["qw"], q["qx"], q["qy"], q["qz"]), (t["x"], t["y"], t["z"])))
    return cameras


def _opencv(name: str, camera: OpencvCamera, file: Path) -> RigCamera:
    import cv2

    storage = cv2.FileStorage(str(file), cv2.FILE_STORAGE_READ)
    try:
        k, d, size = (_matrix(storage, node, file) for node in ("camera_matrix", "dist_coeffs", "resolution"))
    finally:
        storage.release()
    model = LensModel(camera.model)
    wanted = COEFFICIENTS[model]
    if len(d.ravel()) > wanted:
        raise BagError(f"{file}: {len(d.ravel())} distortion coefficients, {model.value} has {wanted}")
    distortion = tuple(float(value) for value in d.ravel()) + (0.0,) * (wanted - len(d.ravel()))
    width, height = (int(value) for value in size.ravel())
    lens = Lens(model, width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]), distortion)
    return _camera(name, lens, mounting_pose(camera.mounting))


def _matrix(storage: Any, node: str, file: Path) -> Any:
    import cv2

    try:
        matrix = storage.getNode(node).mat()
    except cv2.error:  # not even a mapping
        matrix = None
    if matrix is None:
        raise BagError(f"{file}: has no matrix {node!r}")
    return np.asarray(matrix)
