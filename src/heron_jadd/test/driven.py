"""Drives of the simulated car, as its sensors tell them and as they were."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heron_control.proving_ground.plant import Plant
from heron_core.vehicle_model import load_vehicle_model
from heron_jadd.fusion import FusedTrack, FusionConfig, fuse
from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.town import Building, GeoOrigin, Town
from heron_sim.sensors_gnss import GnssReceiver

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MODEL = load_vehicle_model(Path(__file__).resolve().parents[3] / "config/vehicle/demo/vehicle.yaml")
ORIGIN = GeoOrigin(35.68, 139.76, 40.0)
OPEN = Town("open", RoadNetwork(()), ORIGIN)
TICK_NS, GNSS_TICKS = 10_000_000, 10


class Given(NamedTuple):
    """What `fuse` takes, and `truth` (m, 4) x, y, yaw, speed at the IMU's stamps."""

    gnss_ns: I64
    gnss: F64
    fix: I64
    imu_ns: I64
    rate: F64
    speed_ns: I64
    speed: F64
    truth: F64

    def fused(self, config: FusionConfig | None = None) -> FusedTrack:
        return fuse(*self[:7], config or FusionConfig(), ORIGIN)

    def without_fixes(self, begin_s: float, end_s: float) -> Given:
        kept = (self.gnss_ns < begin_s * 1e9) | (self.gnss_ns > end_s * 1e9)
        return self._replace(gnss_ns=self.gnss_ns[kept], gnss=self.gnss[kept], fix=self.fix[kept])

    def received(self, town: Town, seed: int, places: F64 | None = None) -> Given:
        """With the fixes of another receiver, elsewhere, or at other (m, 2) places."""
        gnss_ns, gnss, fix = receive(town, seed, self.truth if places is None else places)
        return self._replace(gnss_ns=gnss_ns, gnss=gnss, fix=fix)

    def errors(self, track: FusedTrack) -> tuple[F64, F64]:
        """Of position (m) and yaw (rad), at the IMU's stamps."""
        wrong = track.at(self.imu_ns) - self.truth[:, :3]
        return np.hypot(wrong[:, 0], wrong[:, 1]), np.abs(np.angle(np.exp(1j * wrong[:, 2])))


def houses() -> Town:
    """Blocks of houses, 5 to 25 m high, that hide satellites and reflect them."""
    random = np.random.default_rng(5)
    places = np.arange(-300.0, 500.0, 40.0)
    return dataclasses.replace(
        OPEN, buildings=tuple(Building(x, y, 0.0, 18.0, 18.0, float(random.uniform(5.0, 25.0))) for x in places for y in places)
    )


def receive(town: Town, seed: int, places: F64) -> tuple[I64, F64, I64]:
    """Stamps, fixes as `fuse` takes them, and fix types."""
    receiver = GnssReceiver(town, seed)
    ticks = np.arange(GNSS_TICKS - 1, len(places), GNSS_TICKS)
    said = [receiver.read(*places[i, :2]) for i in ticks]
    table = np.array([(one.latitude_deg, one.longitude_deg, one.altitude_m, one.horizontal_std_m) for one in said])
    return (ticks + 1) * TICK_NS, table, np.array([one.fix for one in said], np.int64)


def drive(seed: int, distance_m: float = 1000.0) -> Given:
    """The simulated car around blocks: 12 m/s, corners of 9 m radius at 6 m/s, a standstill after some of them; open sky."""
    random = np.random.default_rng(seed)
    car = Plant(MODEL, seed)
    left_m, yaw, turn, wait_ticks = 80.0, 0.0, 0, 0
    truth, said = [], []
    while car.distance_m < distance_m:
        if wait_ticks:
            wait_ticks -= 1
            car.driver_accel = -3.0
        else:
            target = 6.0 if turn else min(12.0, math.sqrt(max(left_m, 0.0) * 3.0 + 36.0))
            car.driver_accel = min(max(target - car.speed_mps, -2.5), 1.5)
        ahead = 1.5 * math.sin(yaw - car.yaw_rad)
        car.driver_steer = MODEL.steer(turn / 9.0) if turn else min(max(ahead, -0.1), 0.1)
        before_m = car.distance_m
        car.step(TICK_NS / 1e9, None, None)
        left_m -= car.distance_m - before_m
        if left_m <= 0.0:
            turn = 0 if turn else int(random.choice([-1, 1]))
            yaw += turn * math.pi / 2.0
            left_m = 9.0 * math.pi / 2.0 if turn else random.uniform(50.0, 120.0)
            wait_ticks = 600 if not turn and random.random() < 0.4 else 0
        measured = car.measured()
        truth.append((car.x_m, car.y_m, car.yaw_rad, car.speed_mps))
        said.append((measured["yaw_rate"], (measured["wheel_rl"] + measured["wheel_rr"]) / 2.0))
    stamps = np.arange(1, len(truth) + 1) * TICK_NS
    rate, speed = np.array(said).T
    return Given(*receive(OPEN, seed, np.array(truth)), stamps, rate, stamps, speed, np.array(truth))
