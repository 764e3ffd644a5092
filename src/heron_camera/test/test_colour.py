"""Pictures of every layout come out in the colours that went in."""

import cv2
import numpy as np
import pytest

from heron_camera.colour import bgr_of
from heron_camera.picture import Picture, Plane, raw_picture
from heron_camera.preprocess import rgb_matrix
from heron_core.arrays import read_only
from heron_core.frames import CameraFrame

HEIGHT, WIDTH = 48, 64


def shown():
    """Smooth colours, so that halved chroma loses nothing."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([60 + 2 * u, 200 - 2 * v, 40 + u + v], 2).astype(np.uint8)  # BGR


def planes(full_range, bt709, step_x, step_y, together=False):
    matrix = rgb_matrix(full_range, bt709).astype(np.float64)
    yuv = (shown()[..., ::-1] - matrix[:, 3]) @ np.linalg.inv(matrix[:, :3]).T
    luma = np.round(yuv[..., 0]).astype(np.uint8)
    chroma = [np.round(cv2.resize(yuv[..., k], (WIDTH // step_x, HEIGHT // step_y), interpolation=cv2.INTER_AREA)).astype(np.uint8) for k in (1, 2)]
    found = (Plane(np.stack(chroma, 2), step_x, step_y),) if together else tuple(Plane(part, step_x, step_y) for part in chroma)
    return Picture("yuv", (Plane(luma), *found), full_range, bt709)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(("step_x", "step_y"), [(2, 2), (2, 1), (1, 1)])
@pytest.mark.parametrize(("full_range", "bt709"), [(False, False), (True, False), (False, True)])
def test_video_of_every_kind(full_range, bt709, step_x, step_y, together):
    found = bgr_of(planes(full_range, bt709, step_x, step_y, together))
    assert found.shape == (HEIGHT, WIDTH, 3)
    away = np.abs(found.astype(int) - shown().astype(int))[2:-2, 2:-2]
    assert away.max() <= 5
    assert away.mean() < 1.2


def test_pixels_that_are_not_encoded():
    image = shown()
    for encoding, data in (("bgr8", image), ("rgb8", image[..., ::-1])):
        picture = raw_picture(CameraFrame("CAM_FRONT", 1, 1, encoding, read_only(np.ascontiguousarray(data))))
        assert np.array_equal(bgr_of(picture), image)
    grey = raw_picture(CameraFrame("CAM_FRONT", 1, 1, "mono8", read_only(np.ascontiguousarray(image[..., 0]))))
    assert np.array_equal(bgr_of(grey), np.repeat(image[..., :1], 3, 2))
