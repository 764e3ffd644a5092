"""The whole way from a course to the road and back on simulated time: planner, pilot, gate, frames, car, sensors, frames, state, odometry."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_can.car import Car, load_car
from heron_can.frame import Frame
from heron_can.odometry import OdometryIntegrator
from heron_can.state import VehicleStateAssembler
from heron_control.can_codec import CanCodec
from heron_control.codec import RawFrame
from heron_control.config import TrackerConfig
from heron_control.engagement import Change
from heron_control.gate import Gate
from heron_control.pilot import Pilot
from heron_control.proving_ground.course import Course, course_plan
from heron_control.proving_ground.plant import Plant, PlantNoise
from heron_control.proving_ground.scripted_driver import Act
from heron_control.proving_ground.simulated_car import TICK_NS, SimulatedCar
from heron_core.clock import Instant
from heron_core.limits import Limits, load_limits
from heron_core.se2 import SE2
from heron_core.trajectory import Trajectory
from heron_core.vehicle_model import VehicleModel, load_vehicle_model

TICK_S = TICK_NS / 1e9
START_NS = 1_000_000_000
ENGAGE = Act("engage_button", at_s=0.5, until="followed")
# Numbers of a tick that are kept. Truth is of the plant, `said_*` what its sensors say, `asked_*` what its frames ask for (NaN: nothing).
COLUMNS = (
    *("time_s", "x_m", "y_m", "yaw_rad", "speed_mps", "accel_mps2", "steer_rad", "lateral_accel_mps2"),
    *("along_m", "cross_track_m", "heading_error_rad", "said_speed_mps", "said_steer_rad"),
    *("asked_steer_rad", "asked_accel_mps2", "hold", "narrowed", "plan_age_s", "believed_cross_track_m"),
)


@dataclass(frozen=True)
class LoopCar:
    """One car: its buses, limits and geometry."""

    car: Car
    limits: Limits
    model: VehicleModel

    @staticmethod
    def load(folder: Path) -> LoopCar:
        """The car in a folder with can.yaml, limits.yaml and vehicle.yaml.

        Raises:
            ConfigError: a file is missing or wrong.
        """
        return LoopCar(load_car(folder), load_limits(folder / "limits.yaml"), load_vehicle_model(folder / "vehicle.yaml"))


@dataclass(frozen=True)
class LoopConfig:
    """One drive.

    Attributes:
        seconds: how long.
        plan_period_s: of the planner.
        latency_s: from a plan's stamp until it arrives.
        extra_age_s: by how much plans from `older_s` on arrive later than that: what do older plans cost?
        older_s: the car is engaged before, as plans that old give a warning, and none engages with one.
        compensated: False makes every plan lie about its stamp, as if it had been made when it arrived: what driving without age compensation is.
        planner_dies_s, planner_returns_s: no plans are made between them.
        step_s, step_m: from that time the planner follows a course beside the true one by so much, without blending: a step of the reference.
        seed: of the sensors' noise; None: they tell the truth.
        noise: of the sensors.
        acts: of the scripted driver, who engages with the car's button.
        tracker: its weights.
    """

    seconds: float = 30.0
    plan_period_s: float = 0.1
    latency_s: float = 0.15
    extra_age_s: float = 0.0
    older_s: float = 2.0
    compensated: bool = True
    planner_dies_s: float = math.inf
    planner_returns_s: float = math.inf
    step_s: float = math.inf
    step_m: float = 0.0
    seed: int | None = 1
    noise: PlantNoise = field(default_factory=PlantNoise)
    acts: tuple[Act, ...] = (ENGAGE,)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)


@dataclass(frozen=True)
class Drive:
    """What happened.

    Attributes:
        columns: name of `COLUMNS` → (n,) float64, one number per tick of 10 ms.
        engagement: (n,) state of engagement per tick.
        rung: (n,) rung of the ladder per tick.
        changes: (time_s, change) in order of time.
        refused: why plans were refused → times.
        gate: its report.
    """

    columns: Mapping[str, NDArray[np.float64]]
    engagement: tuple[str, ...]
    rung: tuple[str, ...]
    changes: tuple[tuple[float, Change], ...]
    refused: Mapping[str, int]
    gate: Mapping[str, object] = field(default_factory=dict)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """(n,) one number per tick."""
        return self.columns[name]

    @property
    def driven(self) -> NDArray[np.bool_]:
        """(n,) the car followed Heron."""
        return np.isfinite(self["asked_steer_rad"])


def drive(vehicle: LoopCar, course: Course, config: LoopConfig, progress: Callable[[float], None] | None = None) -> Drive:
    """Drives a course; the same arguments give the same bits.

    Args:
        vehicle: the car.
        course: to drive; the car starts on it at its speed with the driver at the wheel.
        config: how.
        progress: is told simulated seconds now and then.
    """
    loop = _Loop(vehicle, course, config)
    for i in range(round(config.seconds / TICK_S)):
        loop.tick(START_NS + i * TICK_NS)
        if progress is not None and i % 100 == 0:
            progress(i * TICK_S)
    return loop.drive()


class _Loop:
    """One drive in progress."""

    def __init__(self, vehicle: LoopCar, course: Course, config: LoopConfig) -> None:
        self._course, self._config, self._vehicle = course, config, vehicle
        self._sim = SimulatedCar(vehicle.car, vehicle.model, course, config.acts, START_NS, seed=config.seed)
        begin = course.at(0.0)
        steer = vehicle.model.steer(begin.curvature_per_m)
        self._sim.plant = Plant(vehicle.model, config.seed, config.noise, pose=begin.pose, speed_mps=begin.speed_mps, steer_rad=steer)
        self._assembler = VehicleStateAssembler(vehicle.car)
        self._odometry = OdometryIntegrator(vehicle.car.mapping.odometry, vehicle.model.wheelbase_m)
        self._codec = CanCodec(vehicle.car)
        self._pilot = Pilot(
            config.tracker, vehicle.limits, vehicle.model, Gate(vehicle.limits, vehicle.model, self._codec, self._write), False, 3 * 10**9
        )
        self._pilot.set_planners(1, "course")
        self._coming: deque[tuple[int, Trajectory]] = deque()
        self._plans = 0
        self._along_m = 0.0
        self._rows: list[tuple[float, ...]] = []
        self._engagement: list[str] = []
        self._rung: list[str] = []
        self._changes: list[tuple[float, Change]] = []
        self._refused: dict[str, int] = {}

    def tick(self, now_ns: int) -> None:
        """10 ms: the car moves and tells, plans are made and arrive, the pilot answers."""
        time_s, at = (now_ns - START_NS) / 1e9, Instant(now_ns, now_ns)
        for bus, frame in self._sim.tick(now_ns):
            self._assembler.ingest(bus, [frame])
        state = self._assembler.state(now_ns)
        self._pilot.add_odometry(self._odometry.update(state))
        self._plan(time_s, now_ns)
        while self._coming and self._coming[0][0] <= now_ns:
            self._arrive(self._coming.popleft()[1], at)
        before = self._pilot.gate.limited
        tick = self._pilot.tick(state, at, lambda: now_ns)
        self._changes += [(time_s, change) for change in tick.changes]
        self._record(time_s, at, self._pilot.gate.limited > before)

    def drive(self) -> Drive:
        """What happened so far."""
        table = np.array(self._rows, np.float64).reshape(len(self._rows), len(COLUMNS))
        columns = {name: table[:, i] for i, name in enumerate(COLUMNS)}
        return Drive(columns, tuple(self._engagement), tuple(self._rung), tuple(self._changes), self._refused, self._pilot.gate.report())

    def _plan(self, time_s: float, now_ns: int) -> None:
        config, period_ns = self._config, round(self._config.plan_period_s * 1e9)
        if (now_ns - START_NS) % period_ns or config.planner_dies_s <= time_s < config.planner_returns_s:
            return
        plant = self._sim.plant
        stepped = time_s >= config.step_s
        pose = plant.pose.compose(SE2(0.0, -config.step_m, 0.0)) if stepped else plant.pose
        plan = course_plan(
            self._course, pose, plant.speed_mps, now_ns, self._plans, accel_mps2=plant.accel_mps2, near_m=self._along_m, begin_at_car=not stepped
        )
        self._plans += 1
        latency_s = config.latency_s + (config.extra_age_s if time_s >= config.older_s else 0.0)
        self._coming.append((now_ns + round(latency_s * 1e9), plan))

    def _arrive(self, plan: Trajectory, at: Instant) -> None:
        if not self._config.compensated:
            plan = Trajectory.make(at.now_ns, plan.points, plan.sequence, plan.policy, replace(plan.stages, exposure_ns=at.now_ns))
        fault = self._pilot.add_plan(plan, at)
        if fault is not None:
            self._refused[fault] = self._refused.get(fault, 0) + 1

    def _write(self, raw: RawFrame, now_ns: int) -> bool:
        frame: Frame = self._codec.frame(raw, now_ns)
        self._sim.ecu.receive(raw.bus, frame)
        return True

    def _record(self, time_s: float, at: Instant, narrowed: bool) -> None:
        plant, status, truth = self._sim.plant, self._pilot.status(at), self._sim.truth()
        self._along_m = truth["along"]
        followed, said = self._sim.ecu.command(at.now_ns), plant.measured()
        asked = [math.nan if value is None else value for value in (followed.steer_rad, followed.accel_mps2)]
        self._rows.append(
            (
                *(time_s, plant.x_m, plant.y_m, plant.yaw_rad, plant.speed_mps, plant.accel_mps2, plant.steer_rad, plant.lateral_accel_mps2),
                *(truth["along"], truth["cross"], truth["heading"], said["speed"], said["steer"]),
                *(*asked, float(followed.hold), float(narrowed), status.plan_age_ns / 1e9, status.cross_track_m),
            )
        )
        self._engagement.append(status.engagement.value)
        self._rung.append(status.ladder.value)
