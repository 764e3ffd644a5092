"""Of the world's truth only what is asked for is read, and the boxes are those of all of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from heron_core.rig import load_rig
from heron_core.truth import Actor, ActorKind, EgoTruth, Truth
from heron_jadd.boxes import RASTER, Box, Eye, boxes_at, corners_of, neighbours, visible_shares

MS = 1_000_000


def truth(stamp_ns: int) -> Truth:
    s = stamp_ns / 1e9
    actor = Actor(7, ActorKind.CAR, 20.0 + 5.0 * s, 2.0 + s, 0.1 * s, 5.0, 4.5, 1.8, 1.5)
    return Truth(stamp_ns, EgoTruth(3.0 * s, 0.0, 0.02 * s, 3.0, engaged=True, route_s_m=0.0), (actor,), {}, stamp_ns)


@pytest.mark.parametrize("seed", range(20))
def test_the_neighbours_give_the_boxes_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stamps = np.cumsum(rng.choice([100 * MS, 100 * MS, 150 * MS, 400 * MS], 40)).astype(np.int64)
    asked = np.union1d(rng.choice(stamps, 6), rng.integers(int(stamps[0]) - 50 * MS, int(stamps[-1]) + 50 * MS, 10))
    truths = [truth(int(stamp)) for stamp in stamps]
    wanted = neighbours(stamps, asked)
    few = [truths[index] for index in wanted.tolist()]
    assert len(few) < len(truths) and (np.diff(wanted) > 0).all()
    for moment in asked.tolist():
        assert repr(boxes_at(few, moment, {}, 80.0)) == repr(boxes_at(truths, moment, {}, 80.0)), moment  # a share that nobody sees is NaN


def test_a_moment_that_is_told_needs_no_other() -> None:
    stamps = np.arange(10, dtype=np.int64) * 100 * MS
    assert neighbours(stamps, stamps[[2, 7]]).tolist() == [2, 7]
    assert neighbours(stamps, np.array([250 * MS])).tolist() == [2, 3]
    assert neighbours(stamps, np.array([-MS, 900 * MS + MS])).tolist() == [0, 9]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_seen_of_boxes_is_what_a_painter_leaves(seed: int) -> None:
    """Of every picture, painted from the furthest box to the nearest, each on a canvas of its own as well."""
    rng = np.random.default_rng(seed)
    rig = load_rig(Path(__file__).resolve().parents[3] / "config/vehicle/demo/rig.yaml")
    eyes = [Eye(camera.lens, camera.pose) for camera in rig.cameras.values()]
    sizes = rng.uniform(0.4, 6.0, (40, 3))
    places = rng.normal(0.0, 15.0, (40, 2))
    boxes = [corners_of(Box(k, "", "", (x, y, 0.8), k, tuple(sizes[k]), 0.0)) for k, (x, y) in enumerate(places.tolist())]
    whole, left = np.zeros(40), np.zeros(40)
    for eye in eyes:
        cell = eye.lens.width / RASTER
        canvas = np.full((int(np.ceil(eye.lens.height / cell)), RASTER), -1, np.int32)
        for k in sorted(range(40), key=lambda k: -np.hypot(*boxes[k][:, :2].mean(0))):
            local = eye.pose.inverse().apply(boxes[k])
            pixels = eye.lens.project(local)
            if (local[:, 2] >= 0.1).all() and np.isfinite(pixels).all() and eye.lens.contains(pixels).any():
                own = np.zeros(canvas.shape, np.uint8)
                cv2.fillConvexPoly(own, cv2.convexHull(np.round(pixels / cell).astype(np.int32)), 1)
                whole[k] += own.sum()
                canvas[own > 0] = k
        left += [np.count_nonzero(canvas == k) for k in range(40)]
    wanted = [each[0] / each[1] if each[1] else np.nan for each in zip(left, whole, strict=True)]
    assert np.array_equal(visible_shares(boxes, eyes), wanted, equal_nan=True)
    assert 0.0 in wanted and 1.0 in wanted and any(0.0 < each < 1.0 for each in wanted)
