"""Pictures are geometry: depth, masks, boxes, lines and points lie where the world and the lens put them."""

import dataclasses

import numba
import numpy as np
import pytest
from drawn import EGO, actor, renderer, rig, truth, views

from heron_camera.preprocess import Preprocessor
from heron_camera.views import pinhole, pixel_coordinates
from heron_core.arrays import read_only
from heron_core.camera import Lens, LensModel
from heron_core.frames import CameraFrame
from heron_sim.drawing.labels import boxes
from heron_sim.drawing.rays import camera_view, sized, virtual_view
from heron_sim.truth import ActorKind

CAR = (4.6, 1.8, 1.45)


def test_ground_lies_at_height_zero_and_the_sky_at_no_distance() -> None:
    of = views(160, 100)
    for name, picture in renderer(of).render(truth(), labels=True).items():
        assert picture.depth is not None and picture.ids is not None
        view = of[name]
        ground = (picture.ids == 0) & np.isfinite(picture.depth) & (picture.depth > 0)
        height_m = view.pose.translation[2] + picture.depth[ground].astype(np.float64) * view.rays[ground][:, 2]
        assert ground.mean() > 0.2 and np.abs(height_m).max() < 0.01
        assert (view.rays[np.isinf(picture.depth)][:, 2] > -1e-3).all()


def test_depth_of_a_box_is_its_distance() -> None:
    of = views(320, 200, "CAM_FRONT")
    picture = renderer(of).render(truth(actor(5, ActorKind.BARRIER, 12.0, 0.0, (0.3, 3.0, 1.2))), labels=True)["CAM_FRONT"]
    assert picture.ids is not None and picture.depth is not None
    mask = picture.ids == 5
    x = of["CAM_FRONT"].pose.translation[0] + picture.depth[mask] * of["CAM_FRONT"].rays[mask][:, 0]
    assert mask.sum() > 100
    assert np.percentile(x, 5) > 12.0 - 0.16 and np.percentile(x, 95) < 12.0 + 0.16


def test_the_same_truth_gives_the_same_bytes_on_any_core_and_whatever_was_drawn_before() -> None:
    of = views(160, 100)
    scene = truth(actor(1, ActorKind.CAR, 15.0, 0.0, CAR), actor(2, ActorKind.PEDESTRIAN, 9.0, 3.0, (0.55, 0.6, 1.7)))
    fresh = renderer(of).render(scene)
    cores = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        driven = renderer(of)
        for x in (60.0, 0.0, -30.0):  # the ground's windows wander there and back
            driven.render(dataclasses.replace(scene, ego=dataclasses.replace(EGO, x_m=x)))
        again = driven.render(scene)
    finally:
        numba.set_num_threads(cores)
    for name in of:
        assert np.array_equal(fresh[name].image, again[name].image), name


def test_boxes_and_masks_agree() -> None:
    of = views(640, 400)
    draw = renderer(of)
    rng = np.random.default_rng(4)
    kinds = [
        (ActorKind.CAR, CAR),
        (ActorKind.TRUCK, (7.5, 2.3, 3.1)),
        (ActorKind.BUS, (10.5, 2.5, 3.05)),
        (ActorKind.BICYCLE, (1.75, 0.6, 1.7)),
        (ActorKind.PEDESTRIAN, (0.55, 0.6, 1.7)),
        (ActorKind.GUIDE, (0.6, 1.16, 1.85)),
        (ActorKind.CONE, (0.36, 0.36, 0.7)),
        (ActorKind.BARRIER, (0.3, 1.5, 1.0)),
    ]
    overlaps: list[float] = []
    by_kind: dict[ActorKind, list[float]] = {}
    for turn in range(4):
        far = (5.0, 9.0, 14.0, 22.0)[turn % 4]
        bearings = np.linspace(0, 2 * np.pi, len(kinds), endpoint=False) + 0.3 * turn
        actors = []
        for k, bearing in enumerate(bearings):
            kind, size = kinds[(k + turn) % len(kinds)]
            away = far + size[0] / 2 + (6.0 if size[0] > 6 else 0.0)
            actors.append(actor(k + 1, kind, 0.8 + away * np.cos(bearing), away * np.sin(bearing), size, float(rng.uniform(-3, 3))))
        scene = truth(*actors)
        for name, picture in draw.render(scene, labels=True).items():
            assert picture.ids is not None
            for box in boxes(of[name], scene, picture.ids):
                mask = picture.ids == box.id
                assert box.visible_px == mask.sum()
                if box.visible_px <= 400:
                    continue
                rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
                seen = (columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5)
                overlaps.append(_iou((box.left, box.top, box.right, box.bottom), seen))
                by_kind.setdefault(box.kind, []).append(overlaps[-1])
    assert len(overlaps) > 20
    assert np.median(overlaps) > 0.95
    assert all(np.median(values) > 0.9 for values in by_kind.values())


def _iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(across, 0.0) * max(down, 0.0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@pytest.mark.parametrize("name", ["CAM_FRONT", "CAM_BACK"])
def test_a_straight_line_on_the_road_is_straight_after_undistortion(name: str) -> None:
    view = views(640, 400, name)[name]
    image = renderer({name: view}).render(truth())[name].image.min(axis=2).astype(np.float64)
    along = np.concatenate([np.arange(4.0, 16.0, 0.01), -np.arange(3.0, 15.0, 0.01)])
    middle = np.stack([along, np.full(len(along), -EGO.y_m), np.zeros(len(along))], axis=1)  # the dashed line between the two directions
    pixels = view.project(middle)
    pixels = pixels[view.lens.contains(pixels)]
    found = []
    for row in range(int(pixels[:, 1].min()) + 1, int(pixels[:, 1].max())):
        column = pixels[np.argmin(np.abs(pixels[:, 1] - row)), 0]
        around = np.arange(max(round(column) - 14, 0), min(round(column) + 15, image.shape[1]))
        weight = np.clip(image[row, around] - np.median(image[row, around]) - 45.0, 0.0, None)
        if weight.sum() > 150.0:
            found.append((float((weight * around).sum() / weight.sum()), float(row), column))
    places = np.array(found)
    assert len(places) > 40
    assert abs(np.median(places[:, 0] - places[:, 2])) < 0.5
    rays = view.lens.unproject(places[:, :2])
    flat = rays[:, :2] / rays[:, 2:] * view.lens.fx
    print(name, len(places), "bend", _bend(places[:, :2]), "flat", _bend(flat), "offset", np.median(places[:, 0] - places[:, 2]))
    assert _bend(flat) < 0.7  # pixels


def _bend(points: np.ndarray) -> float:
    """Largest distance from the best straight line, ends' tenths left out as they are cut by the picture."""
    n = len(points)
    kept = points[n // 20 : n - n // 20]
    centred = kept - kept.mean(axis=0)
    normal = np.linalg.svd(centred, full_matrices=False)[2][1]
    return float(np.percentile(np.abs(centred @ normal), 98))


def test_what_two_cameras_see_is_triangulated() -> None:
    of = views(960, 600, "CAM_FRONT", "CAM_FRONT_LEFT")
    draw = renderer(of)
    for ahead, left in ((6.0, 3.5), (8.0, 5.0), (10.0, 6.5)):
        pictures = draw.render(truth(actor(7, ActorKind.CONE, ahead, left, (0.36, 0.36, 0.7))), labels=True)
        lines = []
        for name, view in of.items():
            ids = pictures[name].ids
            assert ids is not None
            v, u = np.nonzero(ids == 7)
            assert len(u) > 50
            ray = view.lens.unproject(np.array([[u.mean(), v.mean()]]))[0]
            lines.append((view.pose.translation, view.pose.rotation @ ray))
        found = _meet(*lines)
        distance = np.hypot(ahead - lines[0][0][0], left - lines[0][0][1])
        assert np.hypot(found[0] - ahead, found[1] - left) < 0.01 * distance


def _meet(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The point nearest to two lines (place, unit direction)."""
    matrix = sum(np.eye(3) - np.outer(d, d) for _, d in (a, b))
    return np.linalg.solve(matrix, sum((np.eye(3) - np.outer(d, d)) @ p for p, d in (a, b)))


@pytest.mark.parametrize("name", ["CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_NARROW"])
def test_straight_at_the_virtual_camera_is_lens_and_undistortion(name: str) -> None:
    camera = sized(rig().cameras[name], 960, 600)
    wanted = pinhole(name, 160, 96, 36.0 if name == "CAM_FRONT_NARROW" else 80.0)
    of = {"lens": camera_view(camera), "virtual": virtual_view(wanted, camera)}
    scene = truth(actor(1, ActorKind.CAR, 13.0, 0.0, CAR), actor(2, ActorKind.TRUCK, 11.0, 6.0, (7.5, 2.3, 3.1)))
    pictures = renderer(of).render(scene, labels=True)
    work = Preprocessor(dataclasses.replace(rig(), cameras={name: camera}), [wanted])
    frame = CameraFrame(name, 1, 1, "bgr8", read_only(pictures["lens"].image))
    through = work.run({name: frame}).images["images"][0].transpose(1, 2, 0)[..., ::-1].astype(np.float64)
    straight = pictures["virtual"].image.astype(np.float64)
    inner = np.s_[8:-8, 12:-12]
    a, b = through[inner], straight[inner]
    # Each picture has its own exposure and vignetting; what is left is noise, and a shift if the geometry differs.
    y, x = np.mgrid[-1 : 1 : a.shape[0] * 1j, -1 : 1 : a.shape[1] * 1j]
    a, b = a.mean(axis=2), b.mean(axis=2)
    down, across = np.gradient(b)
    terms = np.stack([b, across, down, np.ones_like(b), b * x, b * y, b * x * x, b * y * y], axis=-1).reshape(-1, 8)
    found, *_ = np.linalg.lstsq(terms, a.ravel(), rcond=None)
    psnr = 10.0 * np.log10(255.0**2 / np.mean((a.ravel() - terms @ found) ** 2))
    print(name, "psnr", psnr, "shift", found[1:3])
    assert np.hypot(*found[1:3]) < 0.1
    assert psnr > 30.0
    ids = pictures["lens"].ids
    assert ids is not None and pictures["virtual"].ids is not None
    grid = np.rint(pixel_coordinates(camera.lens, wanted.lens, wanted.rotation_in(camera))).astype(int)
    looked_up = ids[np.clip(grid[..., 1], 0, 599), np.clip(grid[..., 0], 0, 959)]
    assert (looked_up == pictures["virtual"].ids)[inner].mean() > 0.96


def test_no_actors_no_shapes_and_blind_corners_are_black() -> None:
    lens = Lens(LensModel.EQUIDISTANT, 120, 80, 22.0, 22.0, 59.5, 39.5, (0.0, 0.0, 0.0, 0.0))
    camera = dataclasses.replace(rig().cameras["CAM_BACK"], lens=lens)
    lens_view = camera_view(camera)
    assert lens_view.rays.any()
    picture = renderer({"a": lens_view}).render(truth(), labels=True)["a"]
    blind = ~lens_view.rays.any(axis=2)
    assert (picture.image[blind] == 0).all() and picture.image[~blind].any()
