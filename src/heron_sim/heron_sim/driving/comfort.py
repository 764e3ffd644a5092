"""How the ride felt: nuPlan's comfort bounds over the ego car's track.

Thresholds and filter are those of nuPlan's `ego_is_comfortable` (docs/metrics_description.md, also used by NAVSIM): Savitzky-Golay of window 8 and
order 2 over samples at 10 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
SAMPLE_S = 0.1
WINDOW, ORDER = 8, 2
LON_ACCEL_MPS2 = (-4.05, 2.40)
LAT_ACCEL_MPS2 = 4.89
JERK_MPS3 = 8.37
LON_JERK_MPS3 = 4.13
YAW_ACCEL_RPS2 = 1.93
YAW_RATE_RPS = 0.95


@dataclass(frozen=True)
class Comfort:
    """Extremes of a ride, filtered; zero for rides too short to tell.

    Attributes:
        lon_accel_min_mps2, lon_accel_max_mps2: hardest braking and throttle.
        lat_accel_mps2, jerk_mps3, lon_jerk_mps3, yaw_rate_rps, yaw_accel_rps2: largest magnitudes.
        share: of the time at which all of them were within nuPlan's bounds.
    """

    lon_accel_min_mps2: float = 0.0
    lon_accel_max_mps2: float = 0.0
    lat_accel_mps2: float = 0.0
    jerk_mps3: float = 0.0
    lon_jerk_mps3: float = 0.0
    yaw_rate_rps: float = 0.0
    yaw_accel_rps2: float = 0.0
    share: float = 1.0

    @property
    def comfortable(self) -> bool:
        """All of the ride was within the bounds."""
        return self.share == 1.0

    def report(self) -> dict[str, float | bool]:
        """Keys of `driving.comfort`."""
        return {"comfortable": self.comfortable} | {name: round(float(getattr(self, name)), 3) for name in self.__dataclass_fields__}


def comfort(accel_mps2: Sequence[float], speed_mps: Sequence[float], yaw_rad: Sequence[float]) -> Comfort:
    """From (n,) samples every 0.1 s: acceleration along the car, speed, direction (wrapped or not)."""
    if len(accel_mps2) < WINDOW:
        return Comfort()
    yaw = np.unwrap(np.asarray(yaw_rad, np.float64))
    yaw_rate, yaw_accel = savitzky_golay(yaw, 1), savitzky_golay(yaw, 2)
    lon, raw_lat = np.asarray(accel_mps2, np.float64), np.asarray(speed_mps, np.float64) * yaw_rate
    lon_accel, lon_jerk = savitzky_golay(lon, 0), savitzky_golay(lon, 1)
    lat_accel, lat_jerk = savitzky_golay(raw_lat, 0), savitzky_golay(raw_lat, 1)
    jerk = np.hypot(lon_jerk, lat_jerk)
    good = (
        (lon_accel >= LON_ACCEL_MPS2[0])
        & (lon_accel <= LON_ACCEL_MPS2[1])
        & (np.abs(lat_accel) <= LAT_ACCEL_MPS2)
        & (jerk <= JERK_MPS3)
        & (np.abs(lon_jerk) <= LON_JERK_MPS3)
        & (np.abs(yaw_rate) <= YAW_RATE_RPS)
        & (np.abs(yaw_accel) <= YAW_ACCEL_RPS2)
    )
    lat_peak, jerk_peak, lon_jerk_peak, rate_peak, yaw_accel_peak = (
        float(np.abs(values).max()) for values in (lat_accel, jerk, lon_jerk, yaw_rate, yaw_accel)
    )
    return Comfort(float(lon_accel.min()), float(lon_accel.max()), lat_peak, jerk_peak, lon_jerk_peak, rate_peak, yaw_accel_peak, float(good.mean()))


def savitzky_golay(values: F64, derivative: int) -> F64:
    """(n,) samples every 0.1 s, n >= 8 → (n,) a derivative of the parabola through the 8 samples around each, at the ends of the nearest 8.

    The window of 8 holds 4 samples before and 3 after its own, and the parabola is read at that sample: `scipy.signal.savgol_filter` reads an even
    window half a sample beside it.
    """
    ahead = WINDOW // 2
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)
    powers = np.vander(np.arange(WINDOW, dtype=np.float64) * SAMPLE_S, ORDER + 1, increasing=True)
    parabolas = windows @ np.linalg.pinv(powers).T  # (n - 7, 3): value, slope, half curvature at the first sample of each window
    first = np.clip(np.arange(len(values)) - ahead, 0, len(values) - WINDOW)
    t = (np.arange(len(values)) - first) * SAMPLE_S
    value, slope, half = parabolas[first].T
    found: F64 = (value + slope * t + half * t * t, slope + 2.0 * half * t, 2.0 * half + 0.0 * t)[derivative]
    return found
