"""Curves: clothoid turns, alignments, ways across junctions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_sim.roads.curve import alignment, band, joined, part, straight, turn


@given(st.floats(0.15, 2.4), st.sampled_from([-1.0, 1.0]), st.floats(3.0, 60.0))
@settings(max_examples=60, deadline=None)
def test_a_turn_ends_on_its_second_tangent(angle: float, side: float, tangent: float) -> None:
    points, peak = turn(side * angle, tangent, 10.0)
    corner = np.array([tangent, 0.0])
    end = corner + tangent * np.array([math.cos(angle), side * math.sin(angle)])
    assert np.abs(points[-1] - end).max() < 0.002 * tangent
    first, last = points[1] - points[0], points[-1] - points[-2]
    assert abs(math.atan2(first[1], first[0])) < 0.01
    assert abs(math.remainder(math.atan2(last[1], last[0]) - side * angle, 2 * math.pi)) < 0.01
    assert peak >= angle / (2.0 * tangent)  # no curve of that angle within the tangents is gentler than this bound


def test_a_turn_uses_the_longest_ramps_that_the_limit_allows() -> None:
    gentle, tight = turn(math.pi / 2, 10.0, 1.0)[1], turn(math.pi / 2, 10.0, 0.13)[1]
    assert tight <= 0.13 < gentle  # with freedom the ramps are long and the middle sharper


def test_a_road_keeps_its_ends_and_points_close() -> None:
    vertices = np.array([(0.0, 0.0), (60.0, 0.0), (90.0, 50.0), (160.0, 50.0)])
    line, peak = alignment(vertices, [20.0, 20.0], 1.0 / 30.0)
    assert line.points[0].tolist() == [0.0, 0.0]
    assert line.points[-1].tolist() == [160.0, 50.0]
    assert np.diff(line.s_m).max() <= 1.01
    assert np.abs(line.curvature_per_m).max() == pytest.approx(peak, rel=0.05)
    assert np.abs(line.curvature_per_m[:30]).max() < 1e-6  # straight until the first turn


def test_parts_and_bands_lie_where_they_should() -> None:
    line = straight(0.0, 0.0, 0.0, 100.0)
    back = part(line, 80.0, 20.0, 2.0)
    assert back.points[0] == pytest.approx((80.0, 2.0))
    assert back.points[-1] == pytest.approx((20.0, 2.0))
    corners = band(line, 10.0, 12.0, -1.0, 3.0)
    assert corners.min(axis=0) == pytest.approx((10.0, -1.0))
    assert corners.max(axis=0) == pytest.approx((12.0, 3.0))
    x, y = corners.T
    assert 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) == pytest.approx(8.0)  # counter-clockwise


@pytest.mark.parametrize("end", [(14.0, 12.0, math.pi / 2), (13.0, -11.0, -math.pi / 2), (25.0, 0.0, 0.0), (24.0, 1.5, 0.05)])
def test_ways_across_a_junction_are_smooth(end: tuple[float, float, float]) -> None:
    line, peak = joined((0.0, 0.0, 0.0), end, 0.13)
    finish = line.at(line.length_m)
    assert math.hypot(finish.x - end[0], finish.y - end[1]) < 1e-6
    assert abs(math.remainder(finish.yaw - end[2], 2 * math.pi)) < math.radians(1.0)
    assert abs(line.at(0.0).yaw) < math.radians(1.0)
    assert peak < 0.15
    assert np.abs(np.diff(line.curvature_per_m)).max() < 0.03
