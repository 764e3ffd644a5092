"""A car to close the loop with: a kinematic bicycle with actuators that lag, and sensors that err."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from heron_can.odometry import arc
from heron_core.se2 import SE2, wrap_angle
from heron_core.vehicle_model import VehicleModel

T = TypeVar("T")
STEER_RATE_MAX_RPS = 1.0  # of the road wheels: what electric power steering of a passenger car can do
LONGEST_STEP_S = 0.005  # within it speed and angle are taken as their means


@dataclass(frozen=True)
class PlantNoise:
    """Errors of the sensors; the truth has none. Sigmas are of white noise, drawn once per step.

    Attributes:
        speed_sigma_mps, steer_sigma_rad, yaw_rate_sigma_rps, accel_sigma_mps2: of each sensor.
        speed_scale: share by which every speed reads too high: worn tyres.
        steer_bias_rad: by which the angle reads too high. The power steering follows its sensor, so the wheels stay short of a command by as much.
        yaw_rate_bias_rps, accel_bias_mps2: added to what is read.
    """

    speed_sigma_mps: float = 0.02
    speed_scale: float = 0.003
    steer_sigma_rad: float = 0.0002
    steer_bias_rad: float = 0.0005
    yaw_rate_sigma_rps: float = 0.002
    yaw_rate_bias_rps: float = 0.0005
    accel_sigma_mps2: float = 0.05
    accel_bias_mps2: float = 0.02


class Plant:
    """One car on a flat road. Poses are of base_link (rear axle) in the world.

    A command acts after its dead time, through a first-order lag, within lock and rate of the road wheels. Brakes do not reverse: the speed is never
    below 0, and standing still on a flat road needs no hold. While a command is None the driver has the wheel or the pedals.

    Attributes:
        x_m, y_m, yaw_rad: pose; yaw in (-pi, pi].
        speed_mps: forward.
        accel_mps2: of the car; 0 while it stands.
        steer_rad, steer_rate_rps: of the road wheels, left positive.
        distance_m: driven since the start.
        time_ns: since the start.
        driver_steer: angle (rad) that the driver steers to while nobody else does; None: holds the angle.
        driver_accel: acceleration (m/s²) that the driver's feet ask for; None: coasts. Braking also counts against a command: the stronger wins.
    """

    def __init__(
        self,
        model: VehicleModel,
        seed: int | None = None,
        noise: PlantNoise | None = None,
        *,
        pose: SE2 = SE2(),  # noqa: B008 - frozen
        speed_mps: float = 0.0,
        steer_rad: float = 0.0,
    ) -> None:
        """A car at `pose`.

        Args:
            model: geometry and actuators.
            seed: of the sensors' noise; None: sensors tell the truth.
            noise: of the sensors; None: `PlantNoise()`.
            pose: of base_link in the world at the start.
            speed_mps: at the start.
            steer_rad: at the start.

        Raises:
            ValueError: a negative speed or an angle beyond the lock.
        """
        if not (speed_mps >= 0.0 and abs(steer_rad) <= model.steer_max_rad):
            raise ValueError(f"speed_mps = {speed_mps}, steer_rad = {steer_rad}: allowed >= 0 and within ±{model.steer_max_rad}")
        self._model = model
        self._random = None if seed is None else np.random.default_rng(seed)
        noise = self._noise = noise or PlantNoise()
        # Of speed, angle, yaw rate, the two accelerations, four wheels.
        speed, accel = noise.speed_sigma_mps, noise.accel_sigma_mps2
        self._sigmas = (speed, noise.steer_sigma_rad, noise.yaw_rate_sigma_rps, accel, accel, speed, speed, speed, speed)
        bias = noise.accel_bias_mps2
        self._biases = (0.0, noise.steer_bias_rad, noise.yaw_rate_bias_rps, bias, bias, 0.0, 0.0, 0.0, 0.0)
        self._shares = (math.nan, 0.0, 0.0)
        self.x_m, self.y_m, self.yaw_rad = pose.x, pose.y, wrap_angle(pose.yaw)
        self.speed_mps, self.accel_mps2 = speed_mps, 0.0
        self.steer_rad, self.steer_rate_rps = steer_rad, 0.0
        self.distance_m, self.time_ns = 0.0, 0
        self.driver_steer: float | None = None
        self.driver_accel: float | None = None
        self._steer_line: _DeadTime[float | None] = _DeadTime(model.steer_dead_s, None)
        self._accel_line: _DeadTime[tuple[float | None, bool]] = _DeadTime(model.accel_dead_s, (None, False))
        self._actuator_mps2 = 0.0  # what the brakes and the engine push, also at standstill
        self._errors = self._draw()

    @property
    def pose(self) -> SE2:
        """Of base_link in the world."""
        return SE2(self.x_m, self.y_m, self.yaw_rad)

    @property
    def curvature_per_m(self) -> float:
        """Of the rear axle's path, left positive."""
        return self._model.curvature(self.steer_rad)

    @property
    def yaw_rate_rps(self) -> float:
        """Left positive."""
        return self.speed_mps * self.curvature_per_m

    @property
    def lateral_accel_mps2(self) -> float:
        """Of the rear axle, left positive."""
        return self.speed_mps * self.yaw_rate_rps

    def step(self, dt_s: float, steer_cmd_rad: float | None, accel_cmd_mps2: float | None, hold: bool = False) -> None:
        """Drives on for `dt_s`, the commands given now and kept so long.

        Args:
            dt_s: time, s.
            steer_cmd_rad: road-wheel angle; None: the driver steers.
            accel_cmd_mps2: acceleration; None: the driver's feet.
            hold: once the car stands, it stays.
        """
        start_ns, end_ns = self.time_ns, self.time_ns + round(dt_s * 1e9)
        self._steer_line.put(start_ns, steer_cmd_rad)
        self._accel_line.put(start_ns, (accel_cmd_mps2, hold))
        cuts = {end_ns, *self._steer_line.changes(start_ns, end_ns), *self._accel_line.changes(start_ns, end_ns)}
        for cut_ns in sorted(cuts):
            steer, (accel, held) = self._steer_line.at(self.time_ns), self._accel_line.at(self.time_ns)
            parts = max(math.ceil((cut_ns - self.time_ns) / 1e9 / LONGEST_STEP_S - 1e-9), 1)
            for _ in range(parts):
                self._advance((cut_ns - self.time_ns) / 1e9 / parts, steer, accel, held)
            self.time_ns = cut_ns
        self._errors = self._draw()

    def measured(self) -> dict[str, float]:
        """What the car's sensors say now, by the names of a VehicleState."""
        speed, steer, yaw_rate, accel_x, accel_y, fl, fr, rl, rr = self._errors
        turn, scale = self.yaw_rate_rps, 1.0 + (self._noise.speed_scale if self._random is not None else 0.0)
        half, ahead = self._model.track_m / 2.0, turn * self._model.wheelbase_m
        left, right = self.speed_mps - turn * half, self.speed_mps + turn * half
        moves = self.speed_mps > 0.0  # a wheel that stands gives no pulses, so no noise either
        return {
            "speed": max(self.speed_mps * scale + speed, 0.0) if moves else 0.0,
            "steer": self.steer_rad + steer,
            "steer_rate": self.steer_rate_rps,
            "yaw_rate": turn + yaw_rate,
            "accel_x": self.accel_mps2 + accel_x,
            "accel_y": self.speed_mps * turn + accel_y,
            "wheel_fl": max(math.hypot(left, ahead) * scale + fl, 0.0) if moves else 0.0,
            "wheel_fr": max(math.hypot(right, ahead) * scale + fr, 0.0) if moves else 0.0,
            "wheel_rl": max(abs(left) * scale + rl, 0.0) if moves else 0.0,
            "wheel_rr": max(abs(right) * scale + rr, 0.0) if moves else 0.0,
        }

    def _advance(self, dt_s: float, steer_cmd: float | None, accel_cmd: float | None, held: bool) -> None:
        if dt_s != self._shares[0]:  # mostly half a tick
            self._shares = dt_s, _share(dt_s, self._model.steer_lag_s), _share(dt_s, self._model.accel_lag_s)
        steer = self._steered(dt_s, steer_cmd)
        speed, moving_s = self._accelerated(dt_s, accel_cmd, held)
        distance = (self.speed_mps + speed) / 2.0 * moving_s
        curvature = (self.curvature_per_m + self._model.curvature(steer)) / 2.0
        dx, dy = arc(distance, curvature * distance)
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        self.x_m += c * dx - s * dy
        self.y_m += s * dx + c * dy
        self.yaw_rad = wrap_angle(self.yaw_rad + curvature * distance)
        self.distance_m += distance
        self.steer_rate_rps = (steer - self.steer_rad) / dt_s
        self.steer_rad, self.speed_mps = steer, speed
        self.accel_mps2 = self._actuator_mps2 if speed > 0.0 else 0.0

    def _steered(self, dt_s: float, command: float | None) -> float:
        lock = self._model.steer_max_rad
        if command is None:
            target = self.steer_rad if self.driver_steer is None else self.driver_steer
        else:
            target = command - (self._noise.steer_bias_rad if self._random is not None else 0.0)
        wanted = (min(max(target, -lock), lock) - self.steer_rad) * self._shares[1]
        largest = STEER_RATE_MAX_RPS * dt_s
        return self.steer_rad + min(max(wanted, -largest), largest)

    def _accelerated(self, dt_s: float, command: float | None, held: bool) -> tuple[float, float]:
        """Speed after `dt_s`, and how long of it the car moved."""
        feet = self.driver_accel
        target = (feet or 0.0) if command is None else command
        if feet is not None and feet < 0.0:
            target = min(target, feet)
        lag, share = self._model.accel_lag_s, self._shares[2]
        away = self._actuator_mps2 - target
        speed = self.speed_mps + target * dt_s + away * lag * share
        self._actuator_mps2 -= away * share
        if self.speed_mps <= 0.0 and (held or speed <= 0.0):
            return 0.0, 0.0
        if speed < 0.0:
            return 0.0, dt_s * self.speed_mps / (self.speed_mps - speed)
        return speed, dt_s

    def _draw(self) -> list[float]:
        """Errors of what the sensors say, in the order of sigmas and biases."""
        if self._random is None:
            return [0.0] * 9
        return [bias + sigma * value for bias, sigma, value in zip(self._biases, self._sigmas, self._random.standard_normal(9).tolist(), strict=True)]


class _DeadTime(Generic[T]):
    """What was said a dead time ago."""

    def __init__(self, dead_s: float, before: T) -> None:
        self._dead_ns = round(dead_s * 1e9)
        self._now = before
        self._coming: deque[tuple[int, T]] = deque()

    def put(self, time_ns: int, value: T) -> None:
        self._coming.append((time_ns + self._dead_ns, value))

    def changes(self, start_ns: int, end_ns: int) -> list[int]:
        """Moments strictly between the two at which another value comes out."""
        return [due_ns for due_ns, _ in self._coming if start_ns < due_ns < end_ns]

    def at(self, time_ns: int) -> T:
        """The value from now on; time only goes forward."""
        while self._coming and self._coming[0][0] <= time_ns:
            self._now = self._coming.popleft()[1]
        return self._now


def _share(dt_s: float, lag_s: float) -> float:
    """How much of its way a first-order lag goes."""
    return 1.0 - math.exp(-dt_s / lag_s) if lag_s > 0.0 else 1.0
