"""An explanation against the motion that follows: what fits passes, its opposite does not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heron_core.trajectory import TIMES_S
from heron_vla.consistency import RULES, contradiction, driven


def _plan(speed: float, accel: float, yaw_rate: float = 0.0) -> NDArray[np.float64]:
    times = np.concatenate([[0.0], TIMES_S])
    speeds = np.maximum(speed + accel * times, 0.0)
    yaw = yaw_rate * times * (speeds > 0.1)
    step = 0.1 * (speeds[1:] + speeds[:-1]) / 2.0
    x, y = np.cumsum(step * np.cos(yaw[1:])), np.cumsum(step * np.sin(yaw[1:]))
    return np.stack([x, y, yaw[1:], speeds[1:]], axis=1)


STEADY, BRAKING, HARD, STANDING, STARTING = (8.0, 0.0), (8.0, -1.5), (8.0, -4.0), (0.0, 0.0), (0.0, 1.5)


@pytest.mark.parametrize(
    ("reason", "fits", "contradicts"),
    [
        ("cruise", STEADY, STANDING),
        ("follow_car", BRAKING, STANDING),
        ("slow_red", BRAKING, STEADY),
        ("slow_pedestrian", BRAKING, (5.0, 1.0)),
        ("give_way", BRAKING, STEADY),
        ("stop_obstacle", BRAKING, STEADY),
        ("wait_red", STANDING, STEADY),
        ("wait_pedestrian", STANDING, BRAKING),
        ("wait_exit", BRAKING, STEADY),
        ("start_green", STARTING, STANDING),
        ("start_car", STARTING, BRAKING),
        ("pass_yellow", STEADY, HARD),
        ("pass_cyclist", STEADY, STANDING),
        ("cut_in", BRAKING, (5.0, 2.0)),
        ("brake_hard", HARD, (8.0, -0.8)),
        ("wait_end", STANDING, STARTING),
    ],
)
def test_reasons(reason: str, fits: tuple[float, float], contradicts: tuple[float, float]) -> None:
    assert contradiction(reason, "follow", _plan(*fits), fits[0]) is None
    said = contradiction(reason, "follow", _plan(*contradicts), contradicts[0])
    assert said is not None
    assert reason in said


def test_every_reason_has_a_rule_and_others_promise_nothing() -> None:
    assert len(RULES) == 30
    for reason in RULES:
        assert any(contradiction(reason, "follow", _plan(*motion), motion[0]) is not None for motion in (STEADY, STANDING, BRAKING, STARTING)), reason
    assert contradiction("declined", "follow", _plan(*STEADY), 8.0) is None


@pytest.mark.parametrize(("turn", "yaw_rate", "fits"), [("left", 0.3, True), ("left", -0.3, False), ("right", -0.3, True), ("right", 0.3, False)])
def test_a_turn_goes_to_the_side_that_was_said(turn: str, yaw_rate: float, fits: bool) -> None:
    assert (contradiction("turn", turn, _plan(5.0, 0.0, yaw_rate), 5.0) is None) is fits
    assert (contradiction("start_gap", turn, _plan(3.0, 0.5, yaw_rate), 3.0) is None) is fits


def test_straight_is_no_turn_but_may_bend() -> None:
    assert contradiction("turn", "straight", _plan(5.0, 0.0, 0.1), 5.0) is None
    assert "yaw" in str(contradiction("turn", "straight", _plan(5.0, 0.0, 0.3), 5.0))
    assert contradiction("turn", "follow", _plan(5.0, 0.0, 0.3), 5.0) is None


def test_points_must_be_a_plan() -> None:
    with pytest.raises(ValueError, match=r"\(39, 4\)"):
        contradiction("cruise", "follow", _plan(*STEADY)[:39], 8.0)
    with pytest.raises(ValueError, match="finite"):
        contradiction("cruise", "follow", _plan(*STEADY) * np.nan, 8.0)


def test_what_was_driven_is_seen_from_the_moment() -> None:
    times = np.arange(0.0, 8.01, 0.05)
    poses = np.stack([3.0 + 0.0 * times, 5.0 * times, np.full(len(times), np.pi / 2.0)], axis=1)  # to the north
    points = driven(times, poses, np.full(len(times), 5.0), 2.0)
    assert points is not None
    assert points.shape == (40, 4)
    np.testing.assert_allclose(points, np.stack([5.0 * TIMES_S, 0.0 * TIMES_S, 0.0 * TIMES_S, np.full(40, 5.0)], axis=1), atol=1e-9)
    assert driven(times, poses, np.full(len(times), 5.0), 4.5) is None
    assert driven(times, poses, np.full(len(times), 5.0), -1.0) is None
    assert contradiction("cruise", "follow", points, 5.0) is None


def test_driven_unwraps_the_yaw() -> None:
    times = np.arange(0.0, 5.01, 0.1)
    yaw = np.pi - 0.5 + 0.3 * times
    poses = np.stack([times, times, np.arctan2(np.sin(yaw), np.cos(yaw))], axis=1)
    points = driven(times, poses, np.full(len(times), 4.0), 0.5)
    assert points is not None
    np.testing.assert_allclose(points[:, 2], 0.3 * TIMES_S, atol=1e-9)
