"""Boxes and regions against a brute-force judge."""

import math

import numpy as np
import pytest

from heron_sim.driving.geometry import Box, box_of_ego, contact_point, distance, overlap, signed_distance, time_to_contact, velocity
from heron_sim.driving.region import Region
from heron_sim.truth import EgoTruth


def random_box(rng: np.random.Generator, spread_m: float = 6.0) -> Box:
    x, y = rng.uniform(-spread_m, spread_m, 2)
    return Box(x, y, rng.uniform(-4.0, 4.0), rng.uniform(0.3, 6.0), rng.uniform(0.3, 2.5))


def filled(box: Box, n: int = 16) -> np.ndarray:
    grid = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, n), np.linspace(-0.5, 0.5, n)), -1).reshape(-1, 2) * [box.length_m, box.width_m]
    c, s = math.cos(box.yaw_rad), math.sin(box.yaw_rad)
    return grid @ np.array([[c, s], [-s, c]]) + [box.x_m, box.y_m]


def test_overlap_and_distance_agree_with_sampled_boxes() -> None:
    rng = np.random.default_rng(4)
    touching = 0
    for _ in range(200):
        a, b = random_box(rng, 4.0), random_box(rng, 4.0)
        inside = [p for p in filled(a) if all(abs(v) <= 0.5 * size for v, size in zip(b.local(*p), (b.length_m, b.width_m), strict=True))]
        apart = distance(a, b)
        assert overlap(a, b) == overlap(b, a) == (apart == 0.0)
        assert apart == pytest.approx(distance(b, a), abs=1e-12)
        if inside:
            assert apart == 0.0
            touching += 1
            middle = np.mean(inside, axis=0)
            assert np.hypot(*(middle - contact_point(a, b))) < 0.6
        edge_a, edge_b = filled(a), filled(b)
        sampled = np.sqrt(((edge_a[:, None] - edge_b[None]) ** 2).sum(-1).min())
        assert apart <= sampled + 1e-9
        assert sampled <= apart + 0.5
    assert 30 < touching < 170


def test_boxes_that_only_look_near_do_not_touch() -> None:
    a = Box(0.0, 0.0, 0.0, 4.0, 2.0)
    assert not overlap(a, Box(3.2, 2.2, math.pi / 4, 3.0, 1.0))
    assert overlap(a, Box(2.9, 1.9, math.pi / 4, 3.0, 1.0))
    assert distance(a, Box(7.0, 0.0, 0.0, 4.0, 2.0)) == pytest.approx(3.0)
    assert distance(a, Box(5.0, 5.0, 0.0, 4.0, 2.0)) == pytest.approx(math.hypot(1.0, 3.0))


def test_time_to_contact_is_when_moved_boxes_first_touch() -> None:
    rng = np.random.default_rng(7)
    met = 0
    for _ in range(120):
        a, b = random_box(rng, 12.0), random_box(rng, 12.0)
        va, vb = (velocity(rng.uniform(-3, 3), rng.uniform(0, 8)) for _ in range(2))
        found = time_to_contact(a, va, b, vb)

        def after(t: float) -> tuple[Box, Box]:
            moved = [Box(box.x_m + v[0] * t, box.y_m + v[1] * t, box.yaw_rad, box.length_m, box.width_m) for box, v in ((a, va), (b, vb))]  # noqa: B023
            return moved[0], moved[1]

        steps = [t for t in np.arange(0.0, 5.0, 0.02) if overlap(*after(t))]
        if steps:
            met += 1
            assert found == pytest.approx(steps[0], abs=0.0201)
        elif math.isfinite(found) and found < 4.9:
            assert overlap(*after(found + 1e-9)) or distance(*after(found)) < 1e-6
    assert met > 8


def test_the_ego_box_hangs_over_base_link() -> None:
    box = box_of_ego(EgoTruth(10.0, 5.0, math.pi / 2, 3.0, front_m=3.7, rear_m=1.0, half_width_m=0.9))
    assert (box.length_m, box.width_m) == pytest.approx((4.7, 1.8))
    assert np.array(box.corners) == pytest.approx(np.array([[9.1, 8.7], [9.1, 4.0], [10.9, 4.0], [10.9, 8.7]]))


L_SHAPE = np.array([[0.0, 0.0], [30.0, 0.0], [30.0, 8.0], [8.0, 8.0], [8.0, 40.0], [0.0, 40.0]])


@pytest.mark.parametrize("turn", [1, -1])
def test_signed_distance_of_a_bent_polygon(turn: int) -> None:
    polygon = L_SHAPE[::turn]
    assert signed_distance(polygon, 4.0, 4.0) == pytest.approx(4.0)
    assert signed_distance(polygon, 9.0, 9.0) == pytest.approx(-1.0)
    assert signed_distance(polygon, 7.0, 7.0) == pytest.approx(math.sqrt(2.0))
    assert signed_distance(polygon, -3.0, -4.0) == pytest.approx(-5.0)


def test_region_is_the_union_and_exact_at_its_edge() -> None:
    other = np.array([[30.02, 0.0], [60.0, -5.0], [60.0, 3.0], [30.02, 8.0]])
    region = Region([L_SHAPE, other])
    rng = np.random.default_rng(3)
    for x, y in rng.uniform([-10, -10], [70, 50], (3000, 2)):
        exact = max(signed_distance(polygon, x, y) for polygon in (L_SHAPE, other))
        assert region.contains(x, y) == (exact >= -0.05)
        assert region.contains(x, y, 0.0) == (exact >= 0.0)
        assert region.contains(x, y, 5.0) == (exact >= -5.0)
        assert region.signed_distance(x, y, 100.0) == exact
    assert region.contains(30.01, 4.0)  # the seam
    assert not region.contains(30.01, 8.2)
    assert not region.all_inside([(1.0, 1.0), (8.2, 8.2)])


def test_a_region_without_polygons_holds_nothing() -> None:
    assert not Region([]).contains(0.0, 0.0)
    assert Region([]).signed_distance(0.0, 0.0) == -50.0
