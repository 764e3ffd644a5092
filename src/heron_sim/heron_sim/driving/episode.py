"""One drive in the world without images: world, planner, control, gate and CAN on simulated time; the same arguments give the same bits."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from heron_can.frame import Frame
from heron_can.odometry import OdometryIntegrator
from heron_can.state import VehicleStateAssembler
from heron_control.can_codec import CanCodec
from heron_control.codec import RawFrame
from heron_control.config import TrackerConfig
from heron_control.engagement import Change
from heron_control.gate import Gate
from heron_control.pilot import Pilot
from heron_control.proving_ground.closed_loop import LoopCar
from heron_control.proving_ground.simulated_car import TICK_NS
from heron_core.clock import Instant
from heron_core.errors import InputError
from heron_core.signals import Engagement
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory
from heron_core.vehicle import VehicleState
from heron_sim.config import ScenarioConfig
from heron_sim.driving.baseline import kinematic
from heron_sim.driving.expert import Expert, ExpertPlan
from heron_sim.driving.explain import Explanation
from heron_sim.driving.judge import DrivingResult, Judge
from heron_sim.roads.load import load_town
from heron_sim.roads.route import Route
from heron_sim.roads.router import plan_route
from heron_sim.roads.town import Town
from heron_sim.truth import Truth
from heron_sim.world import World

START_NS = 1_000_000_000
PLAN_NS, JUDGE_NS = 100_000_000, 50_000_000
ODOMETRY_NS = 3_000_000_000
NEVER_ENGAGED_S = 10.0  # who has not engaged by then will not
TICKS_TOLD = 100
LATERAL = "lateral intervention"
TRACK = ("time_s", "x_m", "y_m", "yaw_rad", "speed_mps", "accel_mps2", "steer_rad", "route_s_m")
POLICIES = ("expert", "kinematic")

# What a policy is asked every 100 ms: points (40, 4), a plan of the expert, or None for no plan.
Planner = Callable[[Truth, VehicleState], "NDArray[np.float32] | ExpertPlan | None"]


@runtime_checkable
class Listens(Protocol):
    """A planner that is told every state of the car, 100 times a second."""

    def add_state(self, state: VehicleState) -> None:
        """Before it is asked for a plan of the same moment."""


@dataclass(frozen=True)
class Episode:
    """What happened.

    Attributes:
        seed: of the run.
        policy: who planned.
        seconds: that were simulated.
        driving: by the judge.
        failures: why it did not pass, a sentence each; empty: passed.
        track: (n, 8) of `TRACK`, every 50 ms.
        explanations: (time_s, what the expert said), on change.
        scene: (time_s, what the referee would have said of the same truths, had it driven), on change; empty: not supervised.
        changes: (time_s, change) of who drives.
        refused: why plans were refused → times.
        plans: that were made.
        disengagements: times that the car was given back or stopped by itself.
        ended: what ended it before its time; empty: nothing.
        digest: sha256 of the track and of all that was said.
    """

    seed: int
    policy: str
    seconds: float
    driving: DrivingResult
    failures: tuple[str, ...]
    track: NDArray[np.float64]
    explanations: tuple[tuple[float, Explanation], ...] = ()
    scene: tuple[tuple[float, Explanation], ...] = ()
    changes: tuple[tuple[float, Change], ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    plans: int = 0
    disengagements: int = 0
    ended: str = ""
    digest: str = ""

    @property
    def passed(self) -> bool:
        """It kept all criteria to the end."""
        return not self.failures

    def report(self) -> dict[str, Any]:
        """JSON."""
        return {
            "seed": self.seed,
            "policy": self.policy,
            "seconds": self.seconds,
            "passed": self.passed,
            "ended": self.ended,
            "disengagements": self.disengagements,
            "failures": list(self.failures),
            "driving": self.driving.report(),
            "plans": self.plans,
            "plans_refused": dict(sorted(self.refused.items())),
            "engagement": [{"time_s": round(time_s, 2), "kind": change.kind, "text": change.text} for time_s, change in self.changes],
            "explanations": [
                {"time_s": round(time_s, 2), "reason": said.reason.value, "english": said.english, "japanese": said.japanese}
                for time_s, said in self.explanations
            ],
            "track_sha256": self.digest,
        }


def run_episode(
    vehicle: LoopCar,
    folder: Path,
    scenario: ScenarioConfig,
    seed: int,
    latency_s: float,
    policy: str | Planner = "expert",
    progress: Callable[[float], None] | None = None,
    supervised: bool = False,
    until: Callable[[Truth], bool] | None = None,
) -> Episode:
    """Drives one scenario.

    Args:
        vehicle: the ego car.
        folder: that a SUMO network of the scenario is relative to.
        scenario: what to drive.
        seed: of town, route, traffic and sensors.
        latency_s: from a plan's stamp until it arrives.
        policy: `expert`, `kinematic`, or what is asked for plans. One that raises or plans nothing gives a failed episode.
        progress: is told simulated seconds now and then.
        supervised: the drive ends with the first lateral intervention (`judge_following`), and the expert says which stops were needless.
        until: ends the drive when it says so; asked every 50 ms.

    Raises:
        InputError: an unknown policy, an impossible route, or no room to spawn.
    """
    town_seed = seed if scenario.town.seed is None else scenario.town.seed
    town = load_town(scenario.town, town_seed, folder)
    route = plan_route(town.network, scenario.route, seed)
    return drive_episode(vehicle, town, route, scenario, seed, latency_s, policy, progress, supervised, until)


def drive_episode(
    vehicle: LoopCar,
    town: Town,
    route: Route,
    scenario: ScenarioConfig,
    seed: int,
    latency_s: float,
    policy: str | Planner = "expert",
    progress: Callable[[float], None] | None = None,
    supervised: bool = False,
    until: Callable[[Truth], bool] | None = None,
) -> Episode:
    """`run_episode` in a given town on a given route."""
    planner = _planner(policy, vehicle, town, route)
    referee = _Referee(Expert(town, route, vehicle.model, vehicle.limits)) if supervised else None
    loop = _Loop(vehicle, World(town, route, scenario, seed, vehicle, START_NS), planner, latency_s, referee, until)
    ticks = round(scenario.seconds * 1e9 / TICK_NS)
    for i in range(ticks):
        loop.tick(START_NS + i * TICK_NS)
        if progress is not None and i % TICKS_TOLD == 0:
            progress(i * TICK_NS / 1e9)
        if loop.over:
            break
    return loop.episode(scenario, seed, policy if isinstance(policy, str) else "custom")


def _planner(policy: str | Planner, vehicle: LoopCar, town: Town, route: Route) -> Planner:
    if not isinstance(policy, str):
        return policy
    if policy not in POLICIES:
        raise InputError(f"no policy {policy!r} without images; there are: {', '.join(POLICIES)}")
    if policy == "kinematic":
        return kinematic
    expert = Expert(town, route, vehicle.model, vehicle.limits)
    return lambda truth, state: expert.plan(truth)


class _Referee:
    """An expert that is asked about the truth and drives nothing; what it would say is kept."""

    def __init__(self, expert: Expert) -> None:
        self._expert = expert
        self.seen: list[tuple[float, Explanation]] = []

    def plan(self, truth: Truth) -> ExpertPlan:
        """What it would do."""
        found = self._expert.plan(truth)
        if not self.seen or self.seen[-1][1] != found.explanation:
            self.seen.append((truth.time_s, found.explanation))
        return found


class _Loop:
    """One episode in progress."""

    def __init__(
        self, vehicle: LoopCar, world: World, planner: Planner, latency_s: float, referee: _Referee | None, until: Callable[[Truth], bool] | None
    ) -> None:
        self._world, self._planner, self._latency_ns = world, planner, round(latency_s * 1e9)
        self._judge = Judge(world.town, world.route, referee)
        self._referee, self._until = referee, until
        self._listener = planner if isinstance(planner, Listens) else None
        self._ended = ""
        self._assembler = VehicleStateAssembler(vehicle.car)
        self._odometry = OdometryIntegrator(vehicle.car.mapping.odometry, vehicle.model.wheelbase_m)
        self._codec = CanCodec(vehicle.car)
        gate = Gate(vehicle.limits, vehicle.model, self._codec, self._write)
        self._pilot = Pilot(TrackerConfig(), vehicle.limits, vehicle.model, gate, False, ODOMETRY_NS)
        self._pilot.set_planners(1, "planner")
        self._coming: deque[tuple[int, Trajectory]] = deque()
        self._plans = 0
        self._crash = ""
        self._now_ns = START_NS
        self._track: list[tuple[float, ...]] = []
        self._said: list[tuple[float, Explanation]] = []
        self._changes: list[tuple[float, Change]] = []
        self._refused: dict[str, int] = {}
        self._followed = False

    @property
    def time_s(self) -> float:
        """Since the start."""
        return (self._now_ns - START_NS) / 1e9

    @property
    def over(self) -> bool:
        """Nothing more will come: it was ended, a planner that crashed has left a standing car, or nobody ever engaged."""
        if self._ended:
            return True
        stands = self._world.plant.speed_mps < 0.01
        return (bool(self._crash) and stands) or (not self._followed and self.time_s > NEVER_ENGAGED_S)

    def tick(self, now_ns: int) -> None:
        """10 ms: the world moves and tells, plans are made and arrive, the pilot answers."""
        self._now_ns, at = now_ns, Instant(now_ns, now_ns)
        for bus, frames in groupby(self._world.tick(now_ns), _bus):
            self._assembler.ingest(bus, (frame for _, frame in frames))
        state = self._assembler.state(now_ns)
        if self._listener is not None:
            self._listener.add_state(state)
        self._pilot.add_odometry(self._odometry.update(state))
        since_ns = now_ns - START_NS
        if since_ns % JUDGE_NS == 0:
            truth = self._world.truth()
            self._observe(truth)
            if since_ns % PLAN_NS == 0 and not self._crash:
                self._plan(truth, state)
        while self._coming and self._coming[0][0] <= now_ns:
            fault = self._pilot.add_plan(self._coming.popleft()[1], at)
            if fault is not None:
                self._refused[fault] = self._refused.get(fault, 0) + 1
        tick = self._pilot.tick(state, at, lambda: now_ns)
        self._changes += [(self.time_s, change) for change in tick.changes]
        self._world.display = self._pilot.engagement.state
        self._followed = self._followed or self._pilot.engagement.state is Engagement.ENGAGED

    def episode(self, scenario: ScenarioConfig, seed: int, policy: str) -> Episode:
        """What happened so far."""
        driving = self._judge.result()
        track = np.array(self._track, np.float64).reshape(len(self._track), len(TRACK))
        digest = hashlib.sha256(track.tobytes())
        for time_s, said in self._said:
            digest.update(f"{time_s:.3f} {said.reason.value} {said.english} {said.japanese}\n".encode())
        return Episode(
            seed=seed,
            policy=policy,
            seconds=round(self.time_s + TICK_NS / 1e9, 3),
            driving=driving,
            failures=tuple(self._failures(scenario, driving)),
            track=track,
            explanations=tuple(self._said),
            scene=tuple(self._referee.seen) if self._referee is not None else (),
            changes=tuple(self._changes),
            refused=self._refused,
            plans=self._plans,
            disengagements=self._given_back(),
            ended=self._ended,
            digest=digest.hexdigest(),
        )

    def _failures(self, scenario: ScenarioConfig, driving: DrivingResult) -> list[str]:
        found = [f"the policy crashed: {self._crash}"] if self._crash else []
        if self._ended == LATERAL:
            found.append(f"{LATERAL} at {self.time_s:.1f} s")
        if not self._followed:
            found.append(f"never engaged: {self._pilot.engagement.reason}")
        said = [(time_s, each.english) for time_s, each in self._said]
        return found + driving.failures(scenario.criteria, self._given_back(), said)

    def _given_back(self) -> int:
        return sum(self._pilot.engagement.disengagements.values()) + sum(change.kind == "ladder" for _, change in self._changes)

    def _observe(self, truth: Truth) -> None:
        ego = truth.ego
        self._judge.observe(truth)
        if self._referee is not None and self._judge.interventions:
            self._ended = LATERAL
        elif self._until is not None and self._until(truth):
            self._ended = "enough"
        self._track.append((self.time_s, ego.x_m, ego.y_m, ego.yaw_rad, ego.speed_mps, ego.accel_mps2, ego.steer_rad, ego.route_s_m))

    def _plan(self, truth: Truth, state: VehicleState) -> None:
        try:
            found = self._planner(truth, state)
        except Exception as error:  # whatever a policy does, the episode has an outcome
            self._crash = f"{type(error).__name__} at {self.time_s:.1f} s: {error}"
            return
        if found is None:
            return
        if isinstance(found, ExpertPlan):
            if not self._said or self._said[-1][1] != found.explanation:
                self._said.append((self.time_s, found.explanation))
            found = found.points
        stamp_ns = self._now_ns
        try:
            plan = Trajectory.make(stamp_ns, found, self._plans, "planner", Stages(exposure_ns=stamp_ns))
        except (TypeError, ValueError) as error:
            self._crash = f"no plan at {self.time_s:.1f} s: {error}"
            return
        self._plans += 1
        self._coming.append((stamp_ns + self._latency_ns, plan))

    def _write(self, raw: RawFrame, now_ns: int) -> bool:
        self._world.receive(raw.bus, self._codec.frame(raw, now_ns))
        return True


def _bus(sent: tuple[str, Frame]) -> str:
    return sent[0]
