"""The street is drawn where the lens says it is."""

import cv2
import numpy as np
import pytest

from heron_bringup import street
from heron_bringup.lens_render import LensRenderer
from heron_bringup.scene import Ripmap, Scene, Surface, Thing
from heron_core.camera import Lens, LensModel
from heron_core.rig import FORWARD_OPTICAL, RigCamera
from heron_core.se2 import SE2
from heron_core.se3 import SE3

DISTORTION = {
    "plumb_bob": (-0.28, 0.09, 0.0004, -0.0003, -0.01),
    "rational_polynomial": (0.9, 0.12, 0.0001, -0.0001, 0.004, 1.25, 0.3, 0.02),
    "equidistant": (0.02, -0.01, 0.003, -0.0008),
}
FOCAL = {"plumb_bob": 330.0, "rational_polynomial": 260.0, "equidistant": 250.0}


def camera(model, yaw=0.0, position=(0.0, 0.0, 1.5)):
    lens = Lens(LensModel(model), 640, 426, FOCAL[model], FOCAL[model], 321.0, 210.0, DISTORTION[model])
    pose = SE3.from_rpy(0.0, 0.05, yaw, position).compose(FORWARD_OPTICAL)
    return RigCamera("CAM_FRONT", "front", lens, pose, "front")


def blank_scene(*surfaces):
    grey = Ripmap(np.full((4, 4, 3), 120, np.uint8))
    ground = Surface(np.array([0.0, 8.0, 0.0]), street.X, -street.Y, 64.0, 16.0, grey, endless=True)
    sky = np.full((16, 32, 3), 200, np.uint8)
    return Scene(sky, ground, (), (), tuple(Thing((surface,)) for surface in surfaces))


@pytest.mark.parametrize("model", list(DISTORTION))
def test_a_board_s_corners_are_drawn_where_they_project(model):
    board = street.Board(np.array([5.0, 1.6, 2.3]), -street.Y)
    thing = street._board_things((board,))[0]
    seen = camera(model)
    image = LensRenderer(seen).render(SE2(1.0, 0.3, 0.04), blank_scene(*thing.surfaces))
    in_base = SE3.from_rpy(0.0, 0.0, 0.04, (1.0, 0.3, 0.0)).inverse().apply(board.inner_corners())
    expected = seen.lens.project(seen.pose.inverse().apply(in_base))
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    found = cv2.cornerSubPix(grey, expected.astype(np.float32).reshape(-1, 1, 2), (4, 4), (-1, -1), (3, 50, 1e-4)).reshape(-1, 2)
    assert len(found) == 35
    assert np.abs(found - expected).max() < 0.25


@pytest.mark.parametrize("model", list(DISTORTION))
def test_a_pole_is_bent_in_the_picture_and_straight_after_undistortion(model):
    pole = Surface(np.array([4.0, 3.3, 6.0]), street.X, -street.Z, 0.16, 6.0, Ripmap(np.full((4, 4, 3), 20, np.uint8)), billboard=True)
    seen = camera(model)
    image = LensRenderer(seen).render(SE2(), blank_scene(pole))
    dark = (200.0 - cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(float))[20:190, :200]  # above the horizon the sky has 200
    rows = np.flatnonzero(dark.sum(axis=1) > 300) + 20
    assert len(rows) > 100
    columns = (dark[rows - 20] * np.arange(200)).sum(axis=1) / dark[rows - 20].sum(axis=1)
    pixels = np.stack([columns, rows], axis=1).astype(float)
    rays = seen.lens.unproject(pixels)
    straight = rays[:, :2] / rays[:, 2:] * seen.lens.fx

    def bend(points):
        return np.abs(points[:, 0] - np.polyval(np.polyfit(points[:, 1], points[:, 0], 1), points[:, 1])).max()

    assert bend(straight) < 0.6
    assert bend(pixels) > 3 * bend(straight)


def test_what_lies_behind_the_camera_is_not_drawn():
    board = street.Board(np.array([-5.0, 1.6, 2.3]), -street.Y)
    seen = camera("plumb_bob")
    empty = LensRenderer(seen).render(SE2(), blank_scene())
    assert np.array_equal(empty, LensRenderer(seen).render(SE2(), blank_scene(*street._board_things((board,))[0].surfaces)))


def test_a_fisheye_is_black_where_it_sees_nothing():
    lens = Lens(LensModel.EQUIDISTANT, 320, 320, 50.0, 50.0, 160.0, 160.0, (0.0, 0.0, 0.0, 0.0))
    seen = RigCamera("CAM_FRONT", "front", lens, SE3.from_rpy(0, 0, 0, (0.0, 0.0, 1.5)).compose(FORWARD_OPTICAL), "front")
    image = LensRenderer(seen).render(SE2(), blank_scene())
    assert not image[2, 2].any()
    assert image[160, 160].any()


def test_a_texture_must_have_a_power_of_two():
    with pytest.raises(ValueError, match="100x64"):
        Ripmap(np.zeros((64, 100, 3), np.uint8))
