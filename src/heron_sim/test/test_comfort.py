"""Comfort: the filter is a parabola's fit, and each bound can be broken alone."""

import math

import numpy as np
import pytest

from heron_sim.driving.comfort import Comfort, comfort, savitzky_golay

T = np.arange(60) * 0.1


def test_the_filter_reads_a_parabola_exactly_everywhere() -> None:
    values = 3.0 - 2.0 * T + 0.7 * T**2
    assert savitzky_golay(values, 0) == pytest.approx(values, abs=1e-9)
    assert savitzky_golay(values, 1) == pytest.approx(-2.0 + 1.4 * T, abs=1e-8)
    assert savitzky_golay(values, 2) == pytest.approx(1.4, abs=1e-7)


def test_the_filter_is_scipys() -> None:
    signal = pytest.importorskip("scipy.signal")
    values = np.random.default_rng(2).normal(size=60)
    # scipy reads an even window half a sample later than its fourth sample; `pos` asks for the fifth
    weights = signal.savgol_coeffs(8, 2, pos=4, use="dot")
    slopes = signal.savgol_coeffs(8, 2, deriv=1, delta=0.1, pos=4, use="dot")
    windows = np.lib.stride_tricks.sliding_window_view(values, 8)
    assert savitzky_golay(values, 0)[4:-3] == pytest.approx(windows @ weights, abs=1e-9)
    assert savitzky_golay(values, 1)[4:-3] == pytest.approx(windows @ slopes, abs=1e-9)


def ride(accel: object = 0.0, speed: object = 8.0, yaw: object = 0.0) -> Comfort:
    return comfort(*(np.broadcast_to(np.asarray(value, float), T.shape) for value in (accel, speed, yaw)))  # type: ignore[arg-type]


def test_a_smooth_ride_is_comfortable() -> None:
    assert ride() == Comfort()
    gentle = ride(accel=1.5 * np.sin(T), yaw=0.3 * T)
    assert gentle.comfortable
    assert gentle.lat_accel_mps2 == pytest.approx(2.4, abs=0.01)
    assert gentle.lon_accel_max_mps2 == pytest.approx(1.5, abs=0.02)


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ({"accel": np.full(60, 2.5)}, {"accel": np.full(60, 2.3)}),
        ({"accel": np.full(60, -4.2)}, {"accel": np.full(60, -4.0)}),
        ({"yaw": 0.63 * T}, {"yaw": 0.59 * T}),  # lateral acceleration at 8 m/s
        ({"yaw": 1.0 * T, "speed": 2.0}, {"yaw": 0.9 * T, "speed": 2.0}),
        ({"accel": 2.2 * np.sin(2.0 * T)}, {"accel": 2.2 * np.sin(1.5 * T)}),  # jerk along
        ({"yaw": 2.1 * np.cos(T), "speed": 0.1}, {"yaw": 0.9 * np.cos(T), "speed": 0.1}),
        ({"yaw": 0.25 * np.sin(3.0 * T), "speed": 0.1}, {"yaw": 0.2 * np.sin(3.0 * T), "speed": 0.1}),  # yaw acceleration: 2.25 and 1.8
    ],
)
def test_each_bound_can_be_broken(bad: dict[str, object], good: dict[str, object]) -> None:
    assert not ride(**bad).comfortable
    assert ride(**good).comfortable


def test_a_turn_through_pi_is_no_jump() -> None:
    yaw = np.array([math.remainder(v, 2.0 * math.pi) for v in 3.0 + 0.2 * T])
    assert ride(yaw=yaw).yaw_rate_rps == pytest.approx(0.2, abs=1e-6)


def test_the_share_of_time_and_rides_too_short_to_tell() -> None:
    accel = np.where(T < 3.0, 0.0, 3.0)
    assert 0.4 < ride(accel=accel).share < 0.55
    assert comfort([9.0] * 7, [1.0] * 7, [0.0] * 7) == Comfort()
