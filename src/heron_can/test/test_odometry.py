import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_can.mapping import OdometryConfig
from heron_can.odometry import OdometryIntegrator, arc
from heron_core.vehicle import Signal, VehicleState

MS = 1_000_000


def _state(t_ms, **values):
    return VehicleState(t_ms * MS, {name: Signal(value, 0, True) for name, value in values.items()})


@given(st.floats(-5, 5), st.floats(-3, 3))
def test_arc_is_the_exact_circle(distance, turn):
    x, y = arc(distance, turn)
    if abs(turn) > 1e-3:
        radius = distance / turn
        assert x == pytest.approx(radius * math.sin(turn), abs=1e-9) and y == pytest.approx(radius * (1 - math.cos(turn)), abs=1e-9)
    assert math.hypot(x, y) <= abs(distance) + 1e-12


@pytest.mark.parametrize("period_ms", [10, 90])
def test_a_full_circle_closes_at_any_rate(period_ms):
    odometry = OdometryIntegrator(OdometryConfig())
    yaw_rate = math.tau / 9.0
    for t in range(0, 9001, period_ms):
        last = odometry.update(_state(t, speed=10.0, yaw_rate=yaw_rate))
    assert last.valid and last.yaw_rad == pytest.approx(math.tau)
    assert (last.x_m, last.y_m) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert odometry.distance_m == pytest.approx(90.0)


def test_accelerating_straight_ahead():
    odometry = OdometryIntegrator(OdometryConfig())
    for t in range(0, 2001, 10):
        last = odometry.update(_state(t, speed=2.0 * t / 1000, yaw_rate=0.0))
    assert last.x_m == pytest.approx(4.0) and last.y_m == 0.0


def test_rear_wheels_come_before_the_speed_signal():
    odometry = OdometryIntegrator(OdometryConfig(speed_from="wheels"))
    assert odometry.update(_state(0, speed=9.0, wheel_rl=10.0, wheel_rr=11.0, yaw_rate=0.0)).speed_mps == 10.5
    assert odometry.update(_state(10, speed=9.0, wheel_rl=10.0, yaw_rate=0.0)).speed_mps == 9.0


def test_without_a_source_the_pose_is_held_and_not_valid():
    odometry = OdometryIntegrator(OdometryConfig())
    assert not odometry.update(_state(0, speed=10.0, yaw_rate=0.0)).valid  # nothing before it
    held = odometry.update(_state(10, speed=10.0, yaw_rate=0.0))
    assert held.valid
    gap = odometry.update(_state(20, speed=10.0))
    assert not gap.valid and gap.x_m == held.x_m and math.isnan(gap.yaw_rate_rps) and gap.speed_mps == 10.0
    after = odometry.update(_state(30, speed=10.0, yaw_rate=0.0))
    assert not after.valid and after.x_m == held.x_m  # what happened in between is unknown
    assert odometry.update(_state(40, speed=10.0, yaw_rate=0.0)).valid
    assert odometry.gaps == 1


@pytest.mark.parametrize(("at_ms", "valid"), [(310, True), (311, False), (5, False)])
def test_a_long_pause_and_a_backward_clock_are_gaps(at_ms, valid):
    odometry = OdometryIntegrator(OdometryConfig(max_gap_ms=300))
    odometry.update(_state(10, speed=10.0, yaw_rate=0.0))
    assert odometry.update(_state(at_ms, speed=10.0, yaw_rate=0.0)).valid is valid


def test_yaw_rate_from_steering_only_when_configured():
    steered = _state(0, speed=10.0, steer=0.1)
    assert math.isnan(OdometryIntegrator(OdometryConfig()).update(steered).yaw_rate_rps)
    with pytest.raises(ValueError, match="wheelbase"):
        OdometryIntegrator(OdometryConfig(yaw_rate_from_steer=True))
    fallback = OdometryIntegrator(OdometryConfig(yaw_rate_from_steer=True), 2.8)
    assert fallback.update(steered).yaw_rate_rps == pytest.approx(10.0 * math.tan(0.1) / 2.8)
    assert fallback.update(_state(10, speed=10.0, steer=0.1, yaw_rate=0.3)).yaw_rate_rps == 0.3


def test_the_bias_of_the_yaw_rate_is_learnt_while_the_car_stands():
    odometry = OdometryIntegrator(OdometryConfig())
    for t in range(0, 1500, 10):
        odometry.update(_state(t, speed=0.0, yaw_rate=0.0008 if t % 20 else 0.0))
    for t in range(1500, 61500, 10):
        last = odometry.update(_state(t, speed=10.0, yaw_rate=0.0004))
    assert abs(last.yaw_rad) < 1e-3 and abs(last.y_m) < 0.5
    assert last.x_m == pytest.approx(600.0, abs=0.5)


@pytest.mark.parametrize("yaw_rate", [0.03, -0.2])
def test_ground_that_turns_below_a_standing_car_is_no_bias(yaw_rate):
    odometry = OdometryIntegrator(OdometryConfig())
    for t in range(0, 3001, 10):
        last = odometry.update(_state(t, speed=0.0, yaw_rate=yaw_rate))
    assert last.yaw_rad == pytest.approx(3.0 * yaw_rate)


def test_a_slow_bend_is_no_standstill():
    odometry = OdometryIntegrator(OdometryConfig())
    for t in range(0, 3001, 10):
        last = odometry.update(_state(t, speed=0.5, yaw_rate=0.01))
    assert last.yaw_rad == pytest.approx(0.03)
