"""How the car of the generated recording moves: a gentle S along the right lane at 5 to 12 m/s, as a kinematic bicycle would."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from heron_core.se2 import SE2
from heron_core.vehicle_model import VehicleModel

LANE_Y_M, SWAY_M, SWAY_PERIOD_M = -1.9, 0.55, 55.0
MEAN_MPS, SWING_MPS, SWING_PERIOD_S = 8.5, 3.3, 11.0
STEP_S = 0.001
SHIFT_PEDAL_MPS2 = -0.4  # above, the drag of the engine is enough


@dataclass(frozen=True)
class Motion:
    """State of the car at one time; base_link in the world frame of the street, SI units, left positive."""

    pose: SE2
    speed_mps: float
    accel_mps2: float
    curvature_per_m: float
    curvature_rate: float

    @property
    def yaw_rate_rps(self) -> float:
        """Of the body."""
        return self.speed_mps * self.curvature_per_m


class EgoMotion:
    """The drive from `start_s` (before the first image, negative) to `end_s`."""

    def __init__(self, start_s: float, end_s: float, seed: int) -> None:
        random = np.random.default_rng([seed, 7])
        self._phase = float(random.uniform(0, 2 * math.pi)) if seed else -0.5 * math.pi
        self._sway_phase_m = float(random.uniform(0, SWAY_PERIOD_M)) if seed else 0.0
        self._start_s = start_s
        times = start_s + STEP_S * (np.arange(int((end_s - start_s) / STEP_S) + 2) + 0.5)
        self._x = np.zeros(len(times) + 1)
        self._steps = np.arange(len(self._x), dtype=np.float64)
        x = 0.0
        for i, t in enumerate(times.tolist()):
            x += STEP_S * self._speed(t) * math.cos(math.atan(self._slope(x)))
            self._x[i + 1] = x

    def at(self, t_s: float) -> Motion:
        """The car at time `t_s`, seconds from the first image's nominal exposure."""
        position = (t_s - self._start_s) / STEP_S
        if not 0 <= position <= len(self._x) - 1:
            raise ValueError(f"t = {t_s} s lies outside the drive")
        x = float(np.interp(position, self._steps, self._x))
        slope, bend, bend_rate = self._slope(x), self._bend(x), self._bend_rate(x)
        speed = self._speed(t_s)
        stretch = math.sqrt(1 + slope * slope)
        curvature = bend / stretch**3
        along = speed / stretch  # dx/dt
        curvature_rate = along * (bend_rate / stretch**3 - 3 * slope * bend * bend / stretch**5)
        y = LANE_Y_M + SWAY_M * math.sin(self._angle(x))
        return Motion(SE2(x, y, math.atan(slope)), speed, self._accel(t_s), curvature, curvature_rate)

    def _speed(self, t: float) -> float:
        return MEAN_MPS + SWING_MPS * math.sin(2 * math.pi * t / SWING_PERIOD_S + self._phase)

    def _accel(self, t: float) -> float:
        rate = 2 * math.pi / SWING_PERIOD_S
        return SWING_MPS * rate * math.cos(rate * t + self._phase)

    def _angle(self, x: float) -> float:
        return 2 * math.pi * (x + self._sway_phase_m) / SWAY_PERIOD_M

    def _slope(self, x: float) -> float:
        return SWAY_M * (2 * math.pi / SWAY_PERIOD_M) * math.cos(self._angle(x))

    def _bend(self, x: float) -> float:
        return -SWAY_M * (2 * math.pi / SWAY_PERIOD_M) ** 2 * math.sin(self._angle(x))

    def _bend_rate(self, x: float) -> float:
        return -SWAY_M * (2 * math.pi / SWAY_PERIOD_M) ** 3 * math.cos(self._angle(x))


def signals(motion: Motion, car: VehicleModel) -> dict[str, float]:
    """What the car's sensors say: values of `heron_core.vehicle.SIGNALS`, wheels rolling without slip."""
    speed, yaw_rate = motion.speed_mps, motion.yaw_rate_rps
    half, along = 0.5 * car.track_m * yaw_rate, car.wheelbase_m * yaw_rate
    lever = car.wheelbase_m * motion.curvature_per_m
    accel = motion.accel_mps2
    braking = accel < SHIFT_PEDAL_MPS2
    return {
        "speed": speed,
        "steer": car.steer(motion.curvature_per_m),
        "steer_rate": car.wheelbase_m * motion.curvature_rate / (1 + lever * lever),
        "yaw_rate": yaw_rate,
        "accel_x": accel,
        "accel_y": speed * yaw_rate,
        "wheel_fl": math.hypot(speed - half, along),
        "wheel_fr": math.hypot(speed + half, along),
        "wheel_rl": speed - half,
        "wheel_rr": speed + half,
        "throttle": 0.0 if braking else min(1.0, max(0.0, 0.08 + 0.16 * (accel - SHIFT_PEDAL_MPS2))),
        "brake": min(1.0, -0.12 * accel) if braking else 0.0,
        "brake_pressed": float(braking),
        "driver_torque": 0.4 * math.sin(40 * motion.curvature_per_m),
        "gear": 1.0,
        "indicator": 0.0,
        "door_open": 0.0,
        "belt_fastened": 1.0,
        "eps_fault": 0.0,
        "engage_button": 0.0,
        "cancel_button": 0.0,
    }


def position_deg(pose: SE2) -> tuple[float, float]:
    """Latitude and longitude of a place on the street, which runs east from an invented origin; good to millimetres over a few hundred metres."""
    latitude0, longitude0, earth_m = 35.0, 139.0, 6_378_137.0
    latitude = latitude0 + math.degrees(pose.y / earth_m)
    return latitude, longitude0 + math.degrees(pose.x / (earth_m * math.cos(math.radians(latitude0))))
