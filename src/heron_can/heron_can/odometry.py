"""Dead reckoning from speed and yaw rate: exact arcs between ticks."""

from __future__ import annotations

import math

from heron_can.mapping import OdometryConfig
from heron_core.vehicle import Odometry, VehicleState

# A gyro's bias shows while the car stands: 0.03 deg/s turn 500 m of road by a degree and a half.
STILL_MPS = 0.01
SETTLED_TICKS = 30  # of a standstill until the body has stopped rocking
LEARNT_TICKS = 50  # standing, before the bias is believed
MEMORY_TICKS = 1000  # standing; older ones count less, as the bias drifts
BIAS_MAX_RPS = 0.02  # more is no bias: the ground turns
_STRAIGHT_RAD = 1e-6  # below, sin(x)/x is 1 to double precision


def arc(distance_m: float, turn_rad: float) -> tuple[float, float]:
    """Displacement (x forward, y left, m) after driving `distance_m` along an arc that turns left by `turn_rad`, in the frame of its start."""
    half = turn_rad / 2.0
    chord = distance_m * (math.sin(half) / half if abs(half) > _STRAIGHT_RAD else 1.0)
    return chord * math.cos(half), chord * math.sin(half)


class OdometryIntegrator:
    """Integrates one vehicle state after the other.

    While the car stands, the bias of a measured yaw rate is learnt, and taken off from then on.

    Between two valid ticks speed and yaw rate are taken as their means; the pose then follows an arc exactly. Where the sources are not valid, or for
    longer than `max_gap_ms` no tick came, the motion is unknown: the pose is held, and `valid` is False up to and with the first tick after it.
    """

    def __init__(self, config: OdometryConfig, wheelbase_m: float | None = None) -> None:
        """`wheelbase_m` is needed with `yaw_rate_from_steer`.

        Raises:
            ValueError: it is missing.
        """
        if config.yaw_rate_from_steer and wheelbase_m is None:
            raise ValueError("odometry.yaw_rate_from_steer needs the wheelbase, which vehicle.yaml gives")
        self._config = config
        self._wheelbase_m = wheelbase_m
        self._x_m = self._y_m = self._yaw_rad = 0.0
        self._last: tuple[int, float, float] | None = None
        self._bias_rps, self._still_ticks, self._learnt_ticks = 0.0, 0, 0
        self.gaps = 0
        self.distance_m = 0.0

    def update(self, state: VehicleState) -> Odometry:
        """Odometry at the state's tick; speed and yaw rate are NaN where their source is not valid."""
        speed = self._speed(state)
        yaw_rate = None if speed is None else self._yaw_rate(state, speed)
        if speed is None or yaw_rate is None:
            self._break()
            return self._odometry(state.stamp_ns, math.nan if speed is None else speed, math.nan, False)
        if self._last is not None and not 0 <= state.stamp_ns - self._last[0] <= self._config.max_gap_ms * 1_000_000:
            self._break()
        last, self._last = self._last, (state.stamp_ns, speed, yaw_rate)
        if last is not None:
            self._advance((state.stamp_ns - last[0]) / 1e9, (last[1] + speed) / 2.0, (last[2] + yaw_rate) / 2.0)
        return self._odometry(state.stamp_ns, speed, yaw_rate, last is not None)

    def _advance(self, dt_s: float, speed_mps: float, yaw_rate_rps: float) -> None:
        distance, turn = speed_mps * dt_s, yaw_rate_rps * dt_s
        dx, dy = arc(distance, turn)
        c, s = math.cos(self._yaw_rad), math.sin(self._yaw_rad)
        self._x_m += c * dx - s * dy
        self._y_m += s * dx + c * dy
        self._yaw_rad += turn
        self.distance_m += abs(distance)

    def _break(self) -> None:
        if self._last is not None:
            self.gaps += 1
        self._last = None

    def _odometry(self, stamp_ns: int, speed: float, yaw_rate: float, valid: bool) -> Odometry:
        return Odometry(stamp_ns, self._x_m, self._y_m, self._yaw_rad, speed, yaw_rate, valid)

    def _speed(self, state: VehicleState) -> float | None:
        if self._config.speed_from == "wheels":
            left, right = state.valid_value("wheel_rl"), state.valid_value("wheel_rr")
            if left is not None and right is not None:
                return (left + right) / 2.0
        return state.valid_value("speed")

    def _yaw_rate(self, state: VehicleState, speed_mps: float) -> float | None:
        measured = state.valid_value("yaw_rate")
        if measured is not None:
            return self._unbiased(measured, speed_mps)
        if not self._config.yaw_rate_from_steer or self._wheelbase_m is None:
            return None
        steer = state.valid_value("steer")
        return None if steer is None else speed_mps * math.tan(steer) / self._wheelbase_m

    def _unbiased(self, measured_rps: float, speed_mps: float) -> float:
        self._still_ticks = self._still_ticks + 1 if abs(speed_mps) < STILL_MPS else 0
        if self._still_ticks > SETTLED_TICKS and abs(measured_rps) < BIAS_MAX_RPS:
            self._learnt_ticks += 1
            self._bias_rps += (measured_rps - self._bias_rps) / min(self._learnt_ticks, MEMORY_TICKS)
        return measured_rps - self._bias_rps if self._learnt_ticks >= LEARNT_TICKS else measured_rps
