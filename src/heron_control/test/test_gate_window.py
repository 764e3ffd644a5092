"""What may follow a frame, number by number: expected values are written out from limits.yaml and vehicle.yaml."""

from __future__ import annotations

import dataclasses
import math

import pytest

from heron_control.codec import Grid
from heron_control.gate_window import Occurrences, Range, accel_range, returning_range, steer_range
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel

DT = 0.01
L = 2.8


def angle(curvature: float) -> float:
    return math.atan(curvature * L)


@pytest.mark.parametrize(
    ("last", "speed", "low", "high"),
    [
        (0.0, 0.0, ("steer_rate_rps", -0.8 * DT), ("steer_rate_rps", 0.8 * DT)),
        (0.1, 0.0, ("steer_rate_rps", 0.1 - 0.8 * DT), ("steer_rate_rps", 0.1 + 0.8 * DT)),
        (0.0, 3.0, ("steer_rate_rps", -0.78 * DT), ("steer_rate_rps", 0.78 * DT)),
        (0.02, 10.0, ("lateral_jerk_mps3", angle(math.tan(0.02) / L - 3.6e-4)), ("lateral_jerk_mps3", angle(math.tan(0.02) / L + 3.6e-4))),
        (-0.02, -10.0, ("lateral_jerk_mps3", angle(-math.tan(0.02) / L - 3.6e-4)), ("lateral_jerk_mps3", angle(-math.tan(0.02) / L + 3.6e-4))),
        (0.0, 30.0, ("lateral_jerk_mps3", angle(-0.036 / 900)), ("lateral_jerk_mps3", angle(0.036 / 900))),
        (angle(0.0299), 10.0, ("lateral_jerk_mps3", angle(0.0299 - 3.6e-4)), ("lateral_accel_mps2", angle(0.03))),
        (-angle(0.0299), 10.0, ("lateral_accel_mps2", -angle(0.03)), ("lateral_jerk_mps3", -angle(0.0299 - 3.6e-4))),
        (angle(0.192), 3.95, ("lateral_jerk_mps3", angle(0.192 - 0.036 / 3.95**2)), ("lateral_accel_mps2", angle(3.0 / 3.95**2))),
        (0.505, 1.0, ("steer_rate_rps", 0.505 - (0.8 - 0.2 / 30) * DT), ("curvature_per_m", angle(0.2))),
        (-0.505, 1.0, ("curvature_per_m", -angle(0.2)), ("steer_rate_rps", -0.505 + (0.8 - 0.2 / 30) * DT)),
    ],
)
def test_steering_by_the_tightest_limit(
    limits: Limits, model: VehicleModel, last: float, speed: float, low: tuple[str, float], high: tuple[str, float]
) -> None:
    found = steer_range(limits, model, last, speed, DT)
    assert (found.low_limit, found.high_limit) == (low[0], high[0])
    assert (found.low, found.high) == pytest.approx((low[1], high[1]), abs=1e-12)


def test_the_lock_of_the_car_where_it_is_tightest(limits: Limits, model: VehicleModel) -> None:
    short = dataclasses.replace(model, steer_max_rad=0.3)
    found = steer_range(limits, short, 0.298, 0.0, DT)
    assert (found.high, found.high_limit) == (0.3, "steer_max_rad")
    found = steer_range(limits, short, -0.298, 0.0, DT)
    assert (found.low, found.low_limit) == (-0.3, "steer_max_rad")


def test_steps_grow_with_the_time_between_frames(limits: Limits, model: VehicleModel) -> None:
    assert steer_range(limits, model, 0.0, 20.0, 0.02).high == pytest.approx(angle(3.6 * 0.02 / 400), abs=1e-12)
    assert steer_range(limits, model, 0.0, 0.0, 0.005).high == pytest.approx(0.004, abs=1e-12)
    assert accel_range(limits, 0.0, 0.005) == Range(-0.02, 0.02, "jerk_mps3", "jerk_mps3")


@pytest.mark.parametrize("speed", [1e-200, 1e-160, 1e154, 1e200])
def test_no_speed_raises(limits: Limits, model: VehicleModel, speed: float) -> None:
    assert steer_range(limits, model, 0.0, speed, DT).low <= 0.0
    returning_range(limits, model, 0.3, speed, DT, 2e-5)


def test_an_angle_too_large_for_a_higher_speed_leaves_nothing_by_the_rule(limits: Limits, model: VehicleModel) -> None:
    found = steer_range(limits, model, angle(0.031), 10.0, DT)
    assert found.low > found.high == pytest.approx(angle(0.03))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_it_returns_at_full_jerk_within_a_raster_step_and_never_grows(limits: Limits, model: VehicleModel, side: float) -> None:
    back = angle(0.031 - 3.6e-4)
    found = returning_range(limits, model, side * angle(0.031), 10.0, DT, 1e-4)
    low, high, inner, outer = (found.low, found.high, found.low_limit, found.high_limit)
    if side < 0:
        low, high, inner, outer = -high, -low, outer, inner
    assert (low, high) == pytest.approx((back, back + 1e-4), abs=1e-12)
    assert (inner, outer) == ("lateral_jerk_mps3", "lateral_accel_mps2")
    whole = returning_range(limits, model, side * angle(0.031), 10.0, DT, 1.0)
    assert (whole.high if side > 0 else whole.low) == side * angle(0.031)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_it_returns_at_full_steer_rate_where_that_is_tighter(limits: Limits, model: VehicleModel, side: float) -> None:
    found = returning_range(limits, model, side * 0.5, 3.0, DT, 1e-4)
    assert (found.low if side > 0 else found.high) == pytest.approx(side * (0.5 - 0.78 * DT), abs=1e-12)
    assert "steer_rate_rps" in (found.low_limit, found.high_limit)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("curvature", "possible"), [(0.0363, True), (0.0364, False)])
def test_it_returns_only_below_the_ceiling(limits: Limits, model: VehicleModel, side: float, curvature: float, possible: bool) -> None:
    found = returning_range(limits, model, side * angle(curvature), 10.0, DT, 1.0)
    assert (found.low <= found.high) is possible
    assert (found.high if side > 0 else found.low) == pytest.approx(side * angle(0.036), abs=1e-12)


def test_at_a_standstill_only_the_lock_is_the_brink(limits: Limits, model: VehicleModel) -> None:
    assert returning_range(limits, model, 0.9, 0.0, DT, 1.0).high == model.steer_max_rad == 0.6
    assert returning_range(limits, model, 0.0, 10.0, DT, 1.0) == Range(0.0, angle(3.6e-4), "lateral_accel_mps2", "lateral_jerk_mps3")


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (0.0, Range(-0.04, 0.04, "jerk_mps3", "jerk_mps3")),
        (1.98, Range(1.94, 2.0, "jerk_mps3", "accel_max_mps2")),
        (-3.49, Range(-3.5, -3.45, "accel_min_mps2", "jerk_mps3")),
    ],
)
def test_acceleration_by_jerk_and_its_ends(limits: Limits, last: float, expected: Range) -> None:
    found = accel_range(limits, last, DT)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (found.low_limit, found.high_limit) == (expected.low_limit, expected.high_limit)


@pytest.mark.parametrize(
    ("value", "broken"),
    [
        (-1.0, ""),
        (-1.25, ""),
        (-1.2500001, "low"),
        (2.0, ""),
        (2.25, ""),
        (2.2500001, "high"),
        (math.nan, "low"),
        (math.inf, "high"),
        (-math.inf, "low"),
    ],
)
def test_a_range_names_the_limit_that_a_value_breaks(value: float, broken: str) -> None:
    assert Range(-1.0, 2.0, "low", "high").broken(value, 0.25) == broken


def test_nearest_never_leaves_the_range() -> None:
    assert Grid(0.1).nearest(0.99, 0.0, 0.95) == pytest.approx(0.9)
    assert Grid(0.1).nearest(-5.0, -0.25, 0.25) == pytest.approx(-0.2)
    assert Grid(0.1).nearest(5.0, -0.25, 0.25) == pytest.approx(0.2)
    assert Grid(0.25, 0.05).nearest(0.0, -0.5, 0.5) == 0.05
    assert Grid(0.25, 0.05).nearest(-0.1, -0.21, 0.5) == -0.2
    assert Grid(0.25, 0.05).nearest(0.4, -0.5, 0.31) == 0.3
    assert Grid(1.0, 0.4).nearest(9.0, 0.0, 1.3) == 0.4
    assert Grid(1.0, 0.4).nearest(-9.0, -0.7, 0.0) == pytest.approx(-0.6)
    assert Grid(0.1).nearest(0.05, 0.04, 0.06) is None
    assert Grid(0.1).nearest(0.3, 0.3, 0.3) == pytest.approx(0.3)
    assert Grid(2.0).nearest(3.2, 0.0, 10.0) == 4.0
    assert Grid(2.0).nearest(1e308, -10.0, 10.0) == 10.0
    assert Grid(2.0).nearest(-math.inf, -10.0, 10.0) == -10.0


@pytest.mark.parametrize(("beyond", "last"), [(0.999e-6, True), (1.005e-6, False)])
def test_only_the_rounding_of_numbers_counts_as_on_the_raster(beyond: float, last: bool) -> None:
    assert (Grid(1.0).nearest(9.0, 0.5, 2.0 - beyond) == 2.0) is last
    assert (Grid(1.0).nearest(-9.0, -2.0 + beyond, -0.5) == -2.0) is last


def test_occurrences_are_full_only_within_their_window() -> None:
    twice = Occurrences(2, 100)
    twice.add(1000)
    assert not twice.full(1000)
    twice.add(1050)
    assert twice.full(1050) and twice.full(1099) and not twice.full(1100)
    assert twice.full(901) and not twice.full(900)  # the clock was set back
    twice.add(1120)
    assert twice.full(1149) and not twice.full(1150)
    once = Occurrences(0, 100)
    assert not once.full(0)
    once.add(0)
    assert once.full(99)


@pytest.mark.parametrize(("count", "needed"), [(2.0, 2), (2.99, 2), (3.0 - 0.995e-9, 3), (3.0 - 1.005e-9, 2), (0.3, 1), (1.0, 1)])
def test_a_count_is_rounded_down(count: float, needed: int) -> None:
    some = Occurrences(count, 100)
    for number in range(needed):
        assert not some.full(0), number
        some.add(0)
    assert some.full(0)
