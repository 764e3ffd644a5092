"""Speed over distance of a jerk-limited stop to a line."""

from __future__ import annotations

from bisect import bisect_left
from math import sqrt

DECEL_MPS2 = 1.5  # comfort of a planned stop
JERK_MPS3 = 1.0
SAMPLES = 400


class StopProfile:
    """A ramp to the deceleration, constant, a ramp back to 0 at the line.

    Attributes:
        peak_mps2: largest deceleration; a low speed does not need all of `decel_mps2`.
        seconds: from the first braking to the line.
        distance_m: the same as distance: the profile is symmetric in time.
        roll_out_m: of the last ramp.
    """

    def __init__(self, speed_mps: float, decel_mps2: float = DECEL_MPS2, jerk_mps3: float = JERK_MPS3) -> None:
        """A stop from a speed.

        Args:
            speed_mps: before braking, > 0.
            decel_mps2: largest deceleration, positive.
            jerk_mps3: of both ramps, positive.
        """
        self._speed_mps, self._jerk_mps3 = speed_mps, jerk_mps3
        self.peak_mps2 = min(decel_mps2, sqrt(speed_mps * jerk_mps3))
        self._ramp_s = self.peak_mps2 / jerk_mps3
        self.seconds = self._ramp_s + speed_mps / self.peak_mps2
        self.distance_m = speed_mps * self.seconds / 2.0
        self.roll_out_m = jerk_mps3 * self._ramp_s**3 / 6.0
        times = [(i / SAMPLES) ** 2 * self.seconds for i in range(SAMPLES + 1)]  # denser at the line, where speed changes most over distance
        self._table = [self._to_go(time) for time in times]
        self._left = [left for left, _, _ in self._table]

    def at(self, left_m: float) -> tuple[float, float]:
        """Speed (m/s) and acceleration (m/s², negative) with `left_m` to go to the line."""
        if left_m <= 0.0:
            return 0.0, 0.0
        if left_m >= self.distance_m:
            return self._speed_mps, 0.0
        i = min(max(bisect_left(self._left, left_m), 1), SAMPLES)
        (left_0, speed_0, accel_0), (left_1, speed_1, accel_1) = self._table[i - 1], self._table[i]
        share = (left_m - left_0) / (left_1 - left_0)
        return speed_0 + share * (speed_1 - speed_0), accel_0 + share * (accel_1 - accel_0)

    def _to_go(self, left_s: float) -> tuple[float, float, float]:
        """Distance, speed and acceleration with `left_s` to go."""
        if left_s > self.seconds / 2.0:  # the mirror image
            before_s = self.seconds - left_s
            distance, speed, accel = self._to_go(before_s)
            return self.distance_m - self._speed_mps * before_s + distance, self._speed_mps - speed, accel
        jerk, ramp_s, peak = self._jerk_mps3, self._ramp_s, self.peak_mps2
        if left_s <= ramp_s:
            return jerk * left_s**3 / 6.0, jerk * left_s**2 / 2.0, -jerk * left_s
        flat_s = left_s - ramp_s
        return peak * (ramp_s**2 / 6.0 + ramp_s * flat_s / 2.0 + flat_s**2 / 2.0), peak * (ramp_s / 2.0 + flat_s), -peak
