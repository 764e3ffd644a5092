"""Our lenses and undistortion agree with OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from camera_fixtures import NAMES, demo_rig, picture_of

from heron_camera.preprocess import Preprocessor
from heron_camera.views import pixel_coordinates, same_axes_view
from heron_core.camera import LensModel
from heron_core.frames import CameraFrame

RIG = demo_rig()


def rays_of(name: str, widest_deg: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    angle, around = np.radians(widest_deg) * rng.random(500), 2 * np.pi * rng.random(500)
    return np.stack([np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around), np.cos(angle)], axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_projection_is_that_of_opencv(name: str) -> None:
    lens = RIG.cameras[name].lens
    rays, zero, d = rays_of(name, 60.0), np.zeros(3), np.array(lens.distortion)
    project = cv2.fisheye.projectPoints if lens.model is LensModel.EQUIDISTANT else cv2.projectPoints
    args = (rays.reshape(1, -1, 3), zero, zero, lens.k, d)
    expected = project(*args)[0].reshape(-1, 2)
    assert np.abs(lens.project(rays) - expected).max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_unprojection_is_that_of_opencv_where_opencv_converges(name: str) -> None:
    lens = RIG.cameras[name].lens
    pixels = lens.project(rays_of(name, 35.0))
    pixels = pixels[lens.contains(pixels)]
    d = np.array(lens.distortion)
    if lens.model is LensModel.EQUIDISTANT:
        expected = cv2.fisheye.undistortPoints(pixels.reshape(-1, 1, 2), lens.k, d)
    else:
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
        expected = cv2.undistortPointsIter(pixels.reshape(-1, 1, 2), lens.k, d, None, None, criteria)
    rays = lens.unproject(pixels)
    assert np.abs(rays[:, :2] / rays[:, 2:] - expected.reshape(-1, 2)).max() < 1e-6


@pytest.mark.parametrize("name", ["CAM_FRONT", "CAM_BACK", "CAM_FRONT_NARROW"])
def test_the_map_is_that_of_opencv(name: str) -> None:
    """Same pixel-centre convention, to a thousandth of a pixel."""
    camera = RIG.cameras[name]
    lens, d = camera.lens, np.array(camera.lens.distortion)
    view = same_axes_view(camera, lens.width, lens.height)
    ours = pixel_coordinates(lens, view.lens, np.eye(3))
    init = cv2.fisheye.initUndistortRectifyMap if lens.model is LensModel.EQUIDISTANT else cv2.initUndistortRectifyMap
    x, y = init(lens.k, d, np.eye(3), lens.k, (lens.width, lens.height), cv2.CV_32FC1)
    assert np.nanmax(np.abs(ours[..., 0] - x)) < 1e-3
    assert np.nanmax(np.abs(ours[..., 1] - y)) < 1e-3


@pytest.mark.parametrize("name", ["CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_NARROW"])
@pytest.mark.parametrize(("mode", "at_least_db"), [("quality", 40.0), ("fast", 33.0)])
def test_pictures_are_those_of_undistort_and_area(name: str, mode: str, at_least_db: float) -> None:
    camera = RIG.cameras[name]
    lens, d = camera.lens, np.array(camera.lens.distortion)
    image = picture_of(name)
    fisheye = lens.model is LensModel.EQUIDISTANT
    flat = cv2.fisheye.undistortImage(image, lens.k, d, Knew=lens.k) if fisheye else cv2.undistort(image, lens.k, d)
    expected = cv2.resize(flat, (448, 448), interpolation=cv2.INTER_AREA)[..., ::-1]
    image.flags.writeable = False
    preprocessor = Preprocessor(RIG, [same_axes_view(camera, 448, 448)], mode)  # type: ignore[arg-type]
    ours = preprocessor.run({name: CameraFrame(name, 1, 1, "bgr8", image)}).images["images"][0].transpose(1, 2, 0)
    assert cv2.PSNR(np.ascontiguousarray(ours), np.ascontiguousarray(expected)) > at_least_db
