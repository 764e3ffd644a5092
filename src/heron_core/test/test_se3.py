"""Rigid motions: quaternions, composition, refusal of what is no rotation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heron_core.se3 import SE3

RANDOM = np.random.default_rng(7)


def random_pose() -> SE3:
    q = RANDOM.normal(size=4)
    return SE3.from_quaternion_wxyz(q / np.linalg.norm(q), RANDOM.normal(size=3))


def test_quaternions_come_back_for_every_largest_component() -> None:
    for _ in range(50):
        pose = random_pose()
        again = SE3.from_quaternion_wxyz(pose.to_quaternion_wxyz(), pose.translation)
        assert np.allclose(again.rotation, pose.rotation, atol=1e-12)
    for axis in np.eye(3):
        half_turn = SE3.from_quaternion_wxyz((0.0, *axis))
        assert half_turn.to_quaternion_wxyz() == pytest.approx((0.0, *axis))


def test_compose_and_inverse() -> None:
    a, b = random_pose(), random_pose()
    points = RANDOM.normal(size=(5, 3))
    assert np.allclose(a.compose(b).apply(points), a.apply(b.apply(points)))
    assert np.allclose(a.inverse().apply(a.apply(points)), points)
    assert np.allclose(a.compose(a.inverse()).rotation, np.eye(3))


def test_rpy_turns_about_fixed_axes() -> None:
    assert np.allclose(SE3.from_rpy(0, 0, math.pi / 2).apply(np.array([[1.0, 0, 0]])), [[0, 1, 0]])
    assert np.allclose(SE3.from_rpy(0, math.pi / 2, 0).apply(np.array([[1.0, 0, 0]])), [[0, 0, -1]])
    both = SE3.from_rpy(0.1, 0.2, 0.3)
    one_by_one = SE3.from_rpy(0, 0, 0.3).compose(SE3.from_rpy(0, 0.2, 0)).compose(SE3.from_rpy(0.1, 0, 0))
    assert np.allclose(both.rotation, one_by_one.rotation)


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.5, 3.0, math.pi])
def test_angle_between_orientations(angle: float) -> None:
    pose = random_pose()
    assert pose.angle_to(pose.compose(SE3.from_rpy(0, angle, 0))) == pytest.approx(angle, abs=1e-9)


def test_equality_and_hash_go_by_value() -> None:
    assert SE3.from_rpy(0, 0, 1) == SE3.from_rpy(0, 0, 1)
    assert len({SE3.from_rpy(0, 0, 1), SE3.from_rpy(0, 0, 1), SE3.identity()}) == 2


def test_what_is_no_pose_is_refused() -> None:
    with pytest.raises(ValueError, match="length 2"):
        SE3.from_quaternion_wxyz((2, 0, 0, 0))
    with pytest.raises(ValueError, match="not a rotation"):
        SE3(np.diag([1.0, 1.0, -1.0]), np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        SE3(np.eye(3), np.array([0, math.nan, 0]))
    with pytest.raises(ValueError, match="shape"):
        SE3(np.eye(4), np.zeros(3))
