"""The world alone: the expert's plans are carried out by actuators that know them, without decoding, control and gate.

Everything else is as in an episode: town, traffic, plant, the car's frames at bus rates, GNSS, judge. For batches that ask nothing about control, for
looking for faults of the expert, and to measure what the world costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from heron_can.command_ecu import Followed
from heron_control.proving_ground.closed_loop import LoopCar
from heron_control.proving_ground.simulated_car import TICK_NS
from heron_core.trajectory import POINTS, STEP_S
from heron_core.vehicle_model import VehicleModel
from heron_sim.config import ScenarioConfig
from heron_sim.driving.expert import Expert, ExpertPlan
from heron_sim.driving.judge import DrivingResult, Judge
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.world import World

PLAN_NS, JUDGE_NS = 100_000_000, 50_000_000
SHORT_M = 0.02  # of way between two points: below, the wheels stay as they are
TICKS_TOLD = 100


@dataclass(frozen=True)
class IdealDrive:
    """What happened.

    Attributes:
        seconds: that were simulated.
        frames: that the car's control units sent.
        plans: that were made.
        driving: by the judge.
    """

    seconds: float
    frames: int
    plans: int
    driving: DrivingResult


class Course:
    """Commands that carry out one plan, early by the delay of each actuator."""

    def __init__(self, model: VehicleModel, plan: ExpertPlan, speed_mps: float, steer_rad: float) -> None:
        points = np.vstack([(0.0, 0.0, 0.0, speed_mps), plan.points.astype(np.float64)])
        steps = np.diff(points, axis=0)
        ways = np.hypot(steps[:, 0], steps[:, 1])
        self._steers: list[float] = []
        for way, turn in zip(ways.tolist(), steps[:, 2].tolist(), strict=True):
            steer_rad = model.steer(turn / way) if way > SHORT_M else steer_rad
            self._steers.append(steer_rad)
        self._accels: list[float] = (steps[:, 3] / STEP_S).tolist()
        self._speeds: list[float] = points[:, 3].tolist()
        self._steer_s, self._accel_s = model.steer_delay_s, model.accel_delay_s

    def at(self, since_s: float) -> Followed:
        """What to ask for `since_s` after the plan was made."""
        later_s = since_s + self._accel_s
        hold = self._speeds[min(int(later_s / STEP_S) + 1, POINTS)] <= 0.0
        return Followed(_between(self._steers, since_s + self._steer_s), _between(self._accels, later_s), hold)


def _between(values: list[float], time_s: float) -> float:
    """Of what is meant for the middle of each step."""
    exact = min(max(time_s / STEP_S - 0.5, 0.0), len(values) - 1.001)
    i = int(exact)
    return values[i] + (exact - i) * (values[i + 1] - values[i])


def drive_ideally(
    vehicle: LoopCar, town: Town, route: Route, scenario: ScenarioConfig, seed: int, progress: Callable[[float], None] | None = None
) -> IdealDrive:
    """Drives one scenario with the expert; the same arguments give the same bits.

    Args:
        vehicle: the ego car.
        town: where.
        route: to drive.
        scenario: what to drive.
        seed: of traffic and sensors.
        progress: is told simulated seconds now and then.

    Raises:
        InputError: no room to spawn.
    """
    world = World(town, route, scenario, seed, vehicle)
    expert, judge = Expert(town, route, vehicle.model, vehicle.limits), Judge(town, route)
    world.led = Followed(0.0, 0.0, False)
    course: Course | None = None
    frames = plans = made_ns = 0
    ticks = round(scenario.seconds * 1e9 / TICK_NS)
    for tick in range(ticks):
        now_ns = tick * TICK_NS
        if course is not None:
            world.led = course.at((now_ns - made_ns) / 1e9)
        frames += len(world.tick(now_ns))
        if now_ns % JUDGE_NS == 0:
            truth = world.truth()
            judge.observe(truth)
            if now_ns % PLAN_NS == 0:
                course = Course(vehicle.model, expert.plan(truth), truth.ego.speed_mps, truth.ego.steer_rad)
                made_ns, plans = now_ns, plans + 1
        if progress is not None and tick % TICKS_TOLD == 0:
            progress(now_ns / 1e9)
    return IdealDrive(ticks * TICK_NS / 1e9, frames, plans, judge.result())
