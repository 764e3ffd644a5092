"""Lenses: inversion, fields beyond 90°, and refusal of impossible calibrations."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from heron_core.camera import Lens, LensModel

WIDE = Lens(LensModel.RATIONAL, 1920, 1280, 830.0, 830.0, 959.5, 639.5, (0.9, 0.12, 1e-4, -1e-4, 0.004, 1.25, 0.3, 0.02))
NARROW = Lens(LensModel.PLUMB_BOB, 1920, 1280, 2690.0, 2690.0, 961.0, 637.0, (-0.28, 0.09, 4e-4, -3e-4, -0.01))
FISHEYE = Lens(LensModel.EQUIDISTANT, 1920, 1280, 560.0, 560.0, 958.0, 641.0, (0.02, -0.01, 0.003, -0.0008))


@pytest.mark.parametrize("lens", [WIDE, NARROW, FISHEYE], ids=lambda lens: lens.model.value)
def test_every_pixel_comes_back(lens: Lens) -> None:
    u, v = np.meshgrid(np.linspace(-0.5, 1919.5, 49), np.linspace(-0.5, 1279.5, 33))
    pixels = np.stack([u.ravel(), v.ravel()], axis=1)
    rays = lens.unproject(pixels)
    seen = np.isfinite(rays[:, 0])
    assert seen.mean() > 0.93
    assert np.allclose(np.linalg.norm(rays[seen], axis=1), 1.0)
    assert np.abs(lens.project(rays[seen] * 7.0) - pixels[seen]).max() < 1e-6


def test_the_principal_point_looks_ahead() -> None:
    assert np.allclose(FISHEYE.unproject(np.array([[958.0, 641.0]])), [[0, 0, 1]])
    assert np.allclose(WIDE.project(np.array([[0.0, 0.0, 3.0]])), [[959.5, 639.5]])


def test_a_fisheye_sees_behind_itself_up_to_its_true_field() -> None:
    angle = np.radians([95.0, 110.0, 120.0, 180.0])
    pixels = FISHEYE.project(np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=1))
    assert np.isfinite(pixels[:2]).all()
    assert np.isnan(pixels[2:]).all(), "120° lies beyond the turning point at 113.9° of these coefficients"
    assert FISHEYE.unproject(pixels[:1])[0, 2] == pytest.approx(math.cos(angle[0]))
    radius = FISHEYE._radii[-1] * FISHEYE.fx
    assert np.isfinite(FISHEYE.unproject(np.array([[958.0 + radius - 1, 641.0]]))).all()
    assert np.isnan(FISHEYE.unproject(np.array([[958.0 + radius + 1, 641.0]]))).all()


def test_a_pinhole_sees_nothing_behind_itself() -> None:
    assert np.isnan(WIDE.project(np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, -5.0]]))).all()


def test_a_folding_pinhole_is_not_seen_twice() -> None:
    field = NARROW.field_rad
    inside, outside = np.tan([field - 0.01, field + 0.01])
    pixels = NARROW.project(np.array([[inside, 0, 1.0], [outside, 0, 1.0]]))
    assert np.isfinite(pixels[0]).all() and np.isnan(pixels[1]).all()


def test_contains_counts_whole_pixels() -> None:
    pixels = np.array([[-0.5, -0.5], [1919.49, 1279.49], [1919.5, 0], [-0.51, 0], [np.nan, np.nan]])
    assert FISHEYE.contains(pixels).tolist() == [True, True, False, False, False]


def test_scaling_keeps_pixel_centres() -> None:
    """A ray at the corner of the image stays at the corner: pixel areas scale, not pixel centres."""
    half = WIDE.scaled(0.5)
    assert (half.width, half.height) == (960, 640)
    rays = WIDE.unproject(np.array([[-0.5, -0.5], [0.5, 0.5], [1000.25, 700.75]]))
    assert np.allclose(half.project(rays), [[-0.5, -0.5], [0.0, 0.0], [499.875, 350.125]], atol=1e-6)
    assert dataclasses.replace(WIDE, width=1917).scaled(0.125).width == 240


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fx": 0.0}, "focal lengths fx 0.0"),
        ({"fy": -800.0}, "must be positive"),
        ({"fx": 10000.0}, "differ more than fourfold"),
        ({"cx": math.nan}, "finite"),
        ({"distortion": (math.inf, 0, 0, 0, 0, 0, 0, 0)}, "finite"),
        ({"cx": 9000.0}, r"principal point \(9000.0, 639.5\) lies far outside the 1920x1280"),
        ({"cy": -1300.0}, "far outside"),
        ({"distortion": (0.1, 0.2, 0.0, 0.0, 0.0)}, "takes 8 coefficients, not 5"),
        ({"width": 0}, "image size 0x1280"),
        ({"model": LensModel.PLUMB_BOB, "distortion": (-0.9, 0.0, 0.0, 0.0, 0.0)}, "turns back on itself at 31.3°"),
        ({"model": LensModel.EQUIDISTANT, "distortion": (-0.9, 0.0, 0.0, 0.0)}, "turns back on itself"),
        ({"distortion": (-0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)}, "turns back on itself"),
        ({"model": "fish"}, "'fish' is not a valid LensModel"),
    ],
)
def test_impossible_calibrations_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(WIDE, **change)
