"""Coverage is exact, shadows are where light does not reach."""

import math

import numpy as np
import pytest

from heron_sim.drawing.polygons import POINTS, add_edge, outlines
from heron_sim.drawing.shapes import Form, Material, shape


def coverage(ring: np.ndarray, height: int, width: int) -> np.ndarray:
    sums = np.zeros((height, width + 2), np.float32)
    for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        add_edge(sums, height, width, *(float(v) for v in (*a, *b)))
    return np.abs(np.cumsum(sums, axis=1)[:, :width])


def inside(ring: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    odd = np.zeros(x.shape, bool)
    for (xa, ya), (xb, yb) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        crosses = (ya > y) != (yb > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            odd ^= crosses & (x < xa + (y - ya) / (yb - ya) * (xb - xa))
    return odd


@pytest.mark.parametrize("seed", range(12))
def test_coverage_equals_that_of_many_samples(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * math.pi, 9))
    middle, reach = rng.uniform(-4, 20, 2), rng.uniform(2, 25, 9)  # also partly and mostly outside of the raster
    ring = middle + np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
    fine = 32
    grid = (np.arange(16 * fine) + 0.5) / fine
    x, y = np.meshgrid(grid, grid)
    expected = inside(ring, x, y).reshape(16, fine, 16, fine).mean(axis=(1, 3))
    assert np.abs(coverage(ring, 16, 16) - expected).max() < 0.04


def test_a_line_thinner_than_a_pixel_keeps_its_area() -> None:
    ring = np.array([[1.2, 1.0], [1.35, 1.0], [9.35, 15.0], [9.2, 15.0]])
    assert coverage(ring, 16, 16).sum() == pytest.approx(0.15 * 14.0, rel=1e-4)


def test_a_box_throws_its_outline_along_the_light() -> None:
    rows = np.array([shape(Form.BOX, Material.PLAIN, (10.0, 20.0, 2.0), (1.0, 0.5, 2.0), (1, 1, 1))], np.float32)
    vertices, bounds = outlines(rows, -1.0, 0.5)  # 4 m high: its top moves by (-4, 2)
    np.testing.assert_allclose(bounds[0], [5.0, 19.5, 11.0, 22.5], atol=1e-4)
    ring = vertices[0].astype(float)
    area = 0.5 * abs(np.dot(ring[:, 0], np.roll(ring[:, 1], -1)) - np.dot(ring[:, 1], np.roll(ring[:, 0], -1)))
    assert area == pytest.approx(2.0 + (1.0 * 4.0 + 2.0 * 2.0), rel=1e-4)  # footprint, and what its sides sweep over


@pytest.mark.parametrize("form", list(Form))
def test_every_sample_of_a_shape_falls_into_its_shadow(form: Form) -> None:
    rng = np.random.default_rng(int(form))
    half = (0.8, 0.8, 1.5) if form is Form.CYLINDER else (1.2, 0.7, 1.5)
    row = shape(form, Material.PLAIN, (3.0, -2.0, 1.5), half, (1, 1, 1), yaw_rad=0.7)
    vertices, _ = outlines(np.array([row], np.float32), -0.8, 0.3)
    local = rng.uniform(-1, 1, (4000, 3))
    if form is Form.ELLIPSOID:
        local = local[np.linalg.norm(local, axis=1) < 0.97]
    elif form is Form.CYLINDER:
        local = local[np.hypot(local[:, 0], local[:, 1]) < 0.97]
    p = local * half
    c, s = math.cos(0.7), math.sin(0.7)
    x, y, z = 3.0 + c * p[:, 0] - s * p[:, 1], -2.0 + s * p[:, 0] + c * p[:, 1], 1.5 + p[:, 2]
    assert inside(vertices[0, :POINTS].astype(float), x - 0.8 * z, y + 0.3 * z).mean() > 0.985
