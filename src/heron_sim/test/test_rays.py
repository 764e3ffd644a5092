"""Each pixel looks where its lens says."""

import numpy as np
import pytest
from drawn import rig, views

from heron_camera.views import pinhole
from heron_core.camera import LensModel
from heron_sim.drawing.rays import TILE, camera_view, sized, virtual_view


@pytest.mark.parametrize("name", ["CAM_FRONT", "CAM_FRONT_LEFT", "CAM_BACK", "CAM_FRONT_NARROW"])
@pytest.mark.parametrize("size", [(96, 64), (160, 100)])
def test_a_point_along_a_ray_is_projected_back_to_its_pixel(name: str, size: tuple[int, int]) -> None:
    view = views(*size, name)[name]
    u, v = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    seen = view.rays.any(axis=2)
    assert seen.mean() > 0.9
    points = view.pose.translation + 20.0 * view.rays[seen].astype(np.float64)
    np.testing.assert_allclose(view.project(points), np.stack([u[seen], v[seen]], axis=1), atol=2e-3)


def test_a_fisheye_of_190_degrees_sees_behind_itself_and_ends_black() -> None:
    camera = rig().cameras["CAM_BACK"]
    assert camera.lens.model is LensModel.EQUIDISTANT
    view = camera_view(sized(camera, 480, 320))
    axis = camera.pose.rotation[:, 2]
    angles = np.degrees(np.arccos(np.clip(view.rays[view.rays.any(axis=2)] @ axis, -1, 1)))
    assert angles.max() > 94.0


def test_another_shape_of_picture_is_cut_from_the_middle() -> None:
    camera = rig().cameras["CAM_FRONT"]
    small = sized(camera, 640, 400).lens
    assert small.fx == pytest.approx(camera.lens.fx / 3) and small.fx / small.fy == pytest.approx(camera.lens.fx / camera.lens.fy)
    # The same ray: pixel (x, y) of the big picture lies at a third of it, 13.3 rows higher.
    ray = camera.lens.unproject(np.array([[1500.0, 900.0]]))
    expected = [(1500.5) / 3 - 0.5, 900.5 / 3 - 0.5 - (1280 / 3 - 400) / 2]
    np.testing.assert_allclose(small.project(ray)[0], expected, atol=1e-9)


def test_a_virtual_camera_is_black_where_the_real_one_ends() -> None:
    camera = rig().cameras["CAM_FRONT_NARROW"]
    view = virtual_view(pinhole("CAM_FRONT_NARROW", 64, 40, 80.0), camera)
    assert view.rays.shape == (80, 128, 3)
    blind = ~view.rays.any(axis=2)
    assert 0.5 < blind.mean() < 0.95 and not blind[35:45, 60:68].any()


def test_cones_hold_their_rays() -> None:
    for view in views(100, 70).values():
        cones = view.cones
        for row in range(cones.rows):
            for column in range(cones.columns):
                rays = view.rays[row * TILE : row * TILE + TILE, column * TILE : column * TILE + TILE].reshape(-1, 3)
                rays = rays[rays.any(axis=1)]
                cone = cones.tiles[row * cones.columns + column]
                assert (rays @ cone[:3] >= cone[3] - 1e-6).all()
