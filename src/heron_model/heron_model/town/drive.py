"""One training drive: the expert drives, is led aside and disturbed, and finds back; or a policy drives, and the expert says what it would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_can.command_ecu import Followed
from heron_control.proving_ground.closed_loop import LoopCar
from heron_control.proving_ground.simulated_car import TICK_NS
from heron_core.truth import Truth
from heron_model.town.relief import PASSING, Relief, differ
from heron_model.town.wander import Wander
from heron_sim.config import ScenarioConfig
from heron_sim.driving.expert import Expert, ExpertPlan
from heron_sim.driving.ideal import Course
from heron_sim.driving.judge import DrivingResult, Judge
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.world import World

PLAN_NS, JUDGE_NS = 100_000_000, 50_000_000
PART = 502
LEAST_MPS = 2.0  # slower ones are not turned
MOST_STEER_RAD = 0.15
LOST_M = 4.0  # from the route: the drive ends, nothing can be learnt any more
STOP_SHARE = 0.2  # of the disturbances bring the car to a halt for nothing
STOP_MPS2 = -2.2
HALT_S = (0.3, 2.5)  # that it then stands
LATE_PART = 508
LATE_MPS2 = -0.6  # who is to brake harder than this may do so late
LATE_S = (0.4, 2.0)  # by so much
HIGH_TIME_MPS2 = (-2.6, -1.6)  # or until it is to brake so hard: hitting others is not what is learnt
FAR_M = 0.25  # beside the route: nothing that happens by itself


@dataclass(frozen=True)
class Moment:
    """100 ms of a drive.

    Attributes:
        truth: then.
        plan: of the expert.
        disturbed: the car does not do what the expert wants, or is not where it would be.
    """

    truth: Truth
    plan: ExpertPlan
    disturbed: bool


class Disturbances:
    """Pushes at the steering and at the pedals, a while of quiet between them; what the pictures show stays physically possible.

    Args:
        seed: of the drive.
        quiet_s: mean time between two; 0: none.
        turned_rad: standard deviation of the heading error that one leaves.
        wheelbase_m: of the car.
        late_braking_share: of the times that the car is to brake, those that it rolls on at first. Who has only seen braking in time brakes gently,
            as one then does, where it is late.
    """

    def __init__(self, seed: int, quiet_s: float, turned_rad: float, wheelbase_m: float, late_braking_share: float = 0.0) -> None:
        self._rng = np.random.default_rng([seed, PART])
        self._quiet_s, self._turned_rad, self._wheelbase_m = quiet_s, turned_rad, wheelbase_m
        self._next_s = float(self._rng.uniform(0.5, max(quiet_s, 0.5)))
        self._until_s = -1.0
        self._steer_rad = self._accel_mps2 = 0.0
        self._stopping = self._halted = False
        self._late_rng, self._late_share = np.random.default_rng([seed, LATE_PART]), late_braking_share
        self._braking, self._late_until_s, self._high_time_mps2 = False, -1.0, 0.0

    def at(self, time_s: float, speed_mps: float, wanted: Followed) -> tuple[Followed, bool]:
        """What the car does instead of what is wanted, and whether it is something else."""
        if self._quiet_s <= 0.0:
            return wanted, False
        if self._is_late(time_s, speed_mps, wanted.accel_mps2 or 0.0):
            return Followed(wanted.steer_rad, 0.0, False), True
        if time_s >= self._next_s:
            self._begin(time_s, speed_mps)
        if self._stopping and speed_mps < 0.2:
            self._stopping = False
            self._until_s, self._halted = time_s + float(self._rng.uniform(*HALT_S)), True
        if time_s >= self._until_s:
            self._until_s, self._stopping, self._halted = -1.0, False, False
            return wanted, False
        steer, accel = wanted.steer_rad or 0.0, wanted.accel_mps2 or 0.0
        if self._stopping or self._halted:
            return Followed(steer, min(accel, STOP_MPS2), self._halted), True
        push = 0.0 if accel < -1.0 else self._accel_mps2  # nobody is pushed on where braking is needed
        return Followed(steer + self._steer_rad, accel + push, wanted.hold), True

    def _is_late(self, time_s: float, speed_mps: float, accel_mps2: float) -> bool:
        """The car is to brake and rolls on."""
        brakes = accel_mps2 < LATE_MPS2
        if brakes and not self._braking and speed_mps > LEAST_MPS and self._late_rng.random() < self._late_share:
            self._late_until_s, self._high_time_mps2 = time_s + float(self._late_rng.uniform(*LATE_S)), float(self._late_rng.uniform(*HIGH_TIME_MPS2))
        self._braking = brakes
        if not brakes or accel_mps2 < self._high_time_mps2:
            self._late_until_s = -1.0
        return time_s < self._late_until_s

    def _begin(self, time_s: float, speed_mps: float) -> None:
        rng = self._rng
        seconds = float(rng.uniform(0.4, 1.1))
        self._next_s = time_s + seconds + float(rng.exponential(self._quiet_s)) + 1.0
        self._steer_rad = self._accel_mps2 = 0.0
        self._stopping = speed_mps > LEAST_MPS and rng.random() < STOP_SHARE
        if self._stopping:
            self._until_s = time_s + 8.0
            self._next_s += 8.0
            return
        self._until_s = time_s + seconds
        if speed_mps > LEAST_MPS and rng.random() < 0.8:
            turn = float(rng.normal(0.0, self._turned_rad)) * self._wheelbase_m / (speed_mps * seconds)
            self._steer_rad = float(np.clip(turn, -MOST_STEER_RAD, MOST_STEER_RAD))
        if rng.random() < 0.5:
            self._accel_mps2 = float(rng.normal(0.0, 0.8))


def record_drive(
    vehicle: LoopCar,
    town: Town,
    route: Route,
    scenario: ScenarioConfig,
    seed: int,
    disturbances: Disturbances,
    wander: Wander,
    planner: Callable[[Truth], NDArray[np.float32] | None] | None = None,
) -> tuple[list[Moment], DrivingResult]:
    """Drives one scenario.

    Args:
        vehicle: the ego car.
        town: where.
        route: to drive.
        scenario: what to drive.
        seed: of traffic and sensors.
        disturbances: of this drive.
        wander: where beside the route the expert drives.
        planner: drives instead of the expert, who relieves it after a mistake; asked every 100 ms, None keeps the last plan.

    Returns:
        The moments, every 100 ms, until the car is lost or has run into something; and how it was.

    Raises:
        InputError: no room to spawn.
    """
    world = World(town, route, scenario, seed, vehicle)
    expert, judge = Expert(town, route, vehicle.model, vehicle.limits), Judge(town, route)
    world.led = Followed(0.0, 0.0, False)
    course: Course | None = None
    relief = Relief(route)
    moments: list[Moment] = []
    disturbed, made_ns = False, 0
    for tick in range(round(scenario.seconds * 1e9 / TICK_NS)):
        now_ns = tick * TICK_NS
        if course is not None:
            world.led, pushed = disturbances.at(now_ns / 1e9, world.plant.speed_mps, course.at((now_ns - made_ns) / 1e9))
            disturbed |= pushed
        world.tick(now_ns)
        if now_ns % JUDGE_NS:
            continue
        truth = world.truth()
        judge.observe(truth)
        if now_ns % PLAN_NS == 0:
            plan = expert.plan(truth)
            points: NDArray[np.float32] | None = plan.points
            if planner is not None:
                points = planner(truth)
                relieved = relief.needed(truth, plan)
                disturbed |= relieved or (points is not None and differ(points, plan))
                points = plan.points if relieved else points
            elif plan.explanation.reason not in PASSING:
                points = wander.bent(plan.points, truth.ego.route_s_m, truth.ego.speed_mps)
                disturbed |= abs(float(wander.at(truth.ego.route_s_m))) > FAR_M
            moments.append(Moment(truth, plan, disturbed))
            disturbed = False
            if points is not None:
                course = Course(vehicle.model, ExpertPlan(points, plan.explanation), truth.ego.speed_mps, truth.ego.steer_rad)
                made_ns = now_ns
            aside_m = abs(route.line.nearest(truth.ego.x_m, truth.ego.y_m, truth.ego.route_s_m)[1])
            if aside_m > LOST_M or (len(moments) % 5 == 0 and judge.result().collisions):
                break
    return moments, judge.result()
