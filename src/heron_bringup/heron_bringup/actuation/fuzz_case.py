"""One seeded case of the fuzz: a few dozen ticks of pilot and gate, or of the gate alone, with all that can go wrong around them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from random import Random

from heron_bringup.actuation.frame_judge import Violation
from heron_bringup.actuation.fuzz_car import FAULTS, TICK_NS, FuzzCar, Parts
from heron_bringup.actuation.fuzz_plans import BROKEN, FOLLOWABLE, MISTIMED, Planner
from heron_control.command import Command
from heron_control.config import TrackerConfig
from heron_control.gate import Gate, Verdict
from heron_control.pilot import Pilot
from heron_core.vehicle import VehicleState

PLAN_EVERY = 10  # ticks
ODOMETRY_NS = 3_000_000_000
TOP_MPS = 36.1  # 130 km/h
SPEEDS = ("speed", "wheel_fl", "wheel_fr", "wheel_rl", "wheel_rr")
COMMANDS = ("keep", "walk", "bang", "random", "nan", "inf", "huge", "brake", "push", "hold_push", "steer_only", "accel_only", "release", "crawl")
ARGUMENTS = ("speed_none", "speed_nan", "speed_inf", "angle_none", "angle_nan", "closed", "same_instant")
LATE_MS = {"late_15": 15, "late_30": 30, "late_90": 90, "late_150": 150, "early": 2}
CLOCK = ("clock_stands", "clock_back", "clock_ahead", "clock_nudged")
TIMES = (*LATE_MS, "dropped", *CLOCK)


@dataclass(frozen=True)
class CaseResult:
    """What one case came to.

    Attributes:
        seed: that makes it again.
        frames, requests: that the judge saw, and those that requested something.
        met: ticks in which each fault had its effect, by name.
        unsafe_frames: that broke a limit.
        violations: how.
        crash: what was raised, or empty.
    """

    seed: int
    frames: int
    requests: int
    met: dict[str, int]
    unsafe_frames: int
    violations: tuple[Violation, ...]
    crash: str = ""


def run_case(parts: Parts, seed: int) -> CaseResult:
    """Runs the case of a seed; the same seed gives the same case."""
    rng = Random(seed)
    # Uniform, but a third of the cases at a crawl, where curvature and steering rate decide instead of lateral acceleration and jerk.
    speed = rng.uniform(0.0, 6.0) if rng.random() < 0.33 else rng.uniform(0.0, TOP_MPS)
    edge = math.atan(min(0.2, 3.0 / max(speed * speed, 1e-3)) * parts.model.wheelbase_m)
    steer = max(-0.55, min(0.55, rng.uniform(-1.0, 1.0) * edge * rng.choice((0.1, 0.5, 0.95, 0.95, 1.3))))
    case: _Case = (_PilotCase if rng.random() < 0.5 else _GateCase)(parts, rng, speed, steer)
    crash = ""
    try:
        case.run()
    except Exception as error:  # a crash of control is a finding like any other: told with its seed
        crash = f"{type(error).__name__}: {error}"
    car = case.car
    case.met["angle_returned"] += car.court.returns
    unsafe = len({(found.time_ns, found.id) for found in car.unsafe})
    return CaseResult(seed, car.court.frames, car.court.requests, dict(sorted((car.met + case.met).items())), unsafe, tuple(car.unsafe), crash)


class _Case(ABC):
    """What both kinds of cases share: a car, a gate, and faults that come and go."""

    def __init__(self, parts: Parts, rng: Random, speed_mps: float, steer_rad: float) -> None:
        self.rng, self.parts = rng, parts
        self.car = FuzzCar(parts, rng, speed_mps, steer_rad)
        self.gate = Gate(parts.limits, parts.model, parts.codec, self.car.write)
        self.met: Counter[str] = Counter()
        self.ticks = rng.randrange(20, 44)
        self._plan_faults()
        self._time_chance = rng.choice((0.0, 0.0, 0.1, 0.4))
        self._times: tuple[str, ...] = ()

    @abstractmethod
    def run(self) -> None:
        """All ticks."""

    def _plan_faults(self) -> None:
        rng, self._faults = self.rng, []
        for _ in range(rng.choice((0, 1, 1, 2, 4))):
            start = rng.randrange(self.ticks)
            amount = rng.choice((-1.0, 1.0)) * rng.choice((0.02, 0.1, 0.3, 1.0)) * rng.random()
            self._faults.append((rng.choice(FAULTS), start, start + rng.choice((1, 3, 12, 40)), amount))

    def _act(self, tick: int) -> None:
        self.car.faults = {name: amount for name, start, end, amount in self._faults if start <= tick < end}

    def _choose_times(self, kinds: tuple[str, ...]) -> None:
        """Few kinds per case, so that one does not end what another began; sometimes nothing but a rush of ticks."""
        rush = self.rng.random() < 0.06
        self.ticks += 30 * rush
        self._times = ("early",) if rush else tuple(self.rng.choice(kinds) for _ in range(2))
        self._time_chance = 1.0 if rush else self._time_chance

    def _step_ns(self) -> tuple[str, int]:
        """What time does at this tick, and how much of it passes."""
        if self.rng.random() >= self._time_chance:
            return "", TICK_NS
        kind = self.rng.choice(self._times)
        self.met[kind] += 1
        return kind, LATE_MS.get(kind, 10) * 1_000_000

    def _note(self, verdict: Verdict) -> None:
        self.met["gate_narrowed"] += bool(verdict.limited)
        self.met["gate_ladder"] += verdict.ladder
        self.met["gate_refused"] += bool(verdict.fault)


class _PilotCase(_Case):
    """Plans, good and bad, through the whole of control."""

    def __init__(self, parts: Parts, rng: Random, speed_mps: float, steer_rad: float) -> None:
        super().__init__(parts, rng, speed_mps, steer_rad)
        self.pilot = Pilot(TrackerConfig(), parts.limits, parts.model, self.gate, False, ODOMETRY_NS)
        self.pilot.set_planners(1, "fuzz")
        self.planner = Planner(rng)
        self._choose_times(TIMES)
        self._bad_share = rng.choice((0.0, 0.2, 0.5, 1.0))
        self._favourite = rng.choice((*FOLLOWABLE, *FOLLOWABLE, *BROKEN, *MISTIMED))
        self._patient = rng.random() < 0.5  # else the driver engages again and again

    def run(self) -> None:
        """A calm start until engaged, then the faults."""
        for tick in range(8):
            self.car.drive(TICK_NS)
            if tick >= 6:
                self._plan("steady", 20_000_000)
            self._tick()
            if tick >= 6 and self.pilot.request(True)[0]:
                break
        self.met["engaged"] += self.pilot.engagement.state.drives
        for tick in range(self.ticks):
            self._act(tick)
            self._time()
            if tick % PLAN_EVERY == 2 or self.rng.random() < 0.03:
                bad = self.rng.random() < self._bad_share
                kind = self.rng.choice((*BROKEN, *MISTIMED, *FOLLOWABLE)) if bad else self._favourite
                self._plan(kind, self.rng.choice((0, 20_000_000, 60_000_000)))
            if not self.pilot.engagement.state.drives and not self._patient:
                self.met["engaged_again"] += self.pilot.request(True)[0]
            self._tick()

    def _time(self) -> None:
        kind, step_ns = self._step_ns()
        self.car.drive(step_ns)
        if kind == "dropped":
            self.car.drive(step_ns)
        elif kind == "clock_stands":
            self.car.offset_ns -= step_ns
        elif kind in CLOCK:
            size_ms = self.rng.uniform(1.0, 19.0) if kind == "clock_nudged" else self.rng.choice((25.0, 90.0, 500.0, 5000.0))
            sign = {"clock_back": -1, "clock_ahead": 1}.get(kind, self.rng.choice((-1, 1)))
            self.car.offset_ns += sign * round(size_ms * 1e6)

    def _plan(self, kind: str, age_ns: int) -> None:
        plant = self.car.plant
        plan = self.planner.make(kind, self.car.at.now_ns - age_ns, plant.speed_mps, plant.curvature_per_m)
        self.met[f"plan_{kind}"] += 1
        self.met["plan_rejected"] += self.pilot.add_plan(plan, self.car.at) is not None

    def _tick(self) -> None:
        state = self.car.state()
        self.pilot.add_odometry(self.car.odometry(state))
        self._note(self.pilot.tick(state, self.car.at, lambda: self.car.at.now_ns).verdict)


class _GateCase(_Case):
    """Commands, good and bad, to the gate alone."""

    def __init__(self, parts: Parts, rng: Random, speed_mps: float, steer_rad: float) -> None:
        super().__init__(parts, rng, speed_mps, steer_rad)
        self._kinds = [rng.choice(COMMANDS) for _ in range(rng.choice((1, 2, 5)))]
        self._argument_chance = rng.choice((0.0, 0.0, 0.05, 0.3))
        self._walk = (steer_rad, 0.0)
        self._choose_times((*LATE_MS, "dropped"))
        if rng.random() < 0.1:  # long enough for the ends of acceleration, where nothing else may come between
            self._kinds, self.ticks, self._argument_chance, self._faults = [rng.choice(("brake", "push"))], 100, 0.0, []

    def run(self) -> None:
        """Two ticks at rest, then anything."""
        for tick in range(self.ticks):
            self._act(tick - 3)
            argument = self.rng.choice(ARGUMENTS) if tick > 2 and self.rng.random() < self._argument_chance else ""
            self.met[f"argument_{argument}"] += bool(argument)
            if argument != "same_instant":
                kind, step_ns = self._step_ns()
                self.car.drive(step_ns * (2 if kind == "dropped" else 1))
            self._send(tick, argument)

    def _send(self, tick: int, argument: str) -> None:
        if argument == "closed":
            self.gate.close(self.car.true_ns)
            return
        state = self.car.state()
        speed, angle = _highest(state), state.valid_value("steer")
        speed = {"speed_none": None, "speed_nan": math.nan, "speed_inf": math.inf}.get(argument, speed)
        angle = {"angle_none": None, "angle_nan": math.nan}.get(argument, angle)
        rolls_back = (state.valid_value("speed") or 0.0) < 0.0 or state.valid_value("gear") != 1.0  # the gate is not asked for these
        kind = self.rng.choice(self._kinds) if tick > 2 and not rolls_back else "release"
        self.met[f"command_{kind}"] += 1
        self._note(self.gate.send(self._command(kind, tick, angle or 0.0), speed, angle, self.car.true_ns))

    def _command(self, kind: str, tick: int, angle: float) -> Command:
        rng, side = self.rng, 1.0 if tick % 2 else -1.0
        self._walk = self._walk[0] + rng.gauss(0.0, 0.005), self._walk[1] + rng.gauss(0.0, 0.05)
        odd = {"nan": math.nan, "inf": side * math.inf, "huge": side * 1e300}.get(kind)
        if odd is not None:
            both = rng.choice(((odd, odd), (odd, 0.0), (angle, odd)))
            return Command(*both, True, rng.random() < 0.8, rng.random() < 0.3)
        if kind in ("steer_only", "accel_only"):
            return Command(*self._walk, kind == "steer_only", kind == "accel_only", rng.random() < 0.2)
        values = {
            "walk": self._walk,
            "bang": (side * 0.6, side * 4.0),
            "random": (rng.uniform(-1.0, 1.0), rng.uniform(-6.0, 4.0)),
            "brake": (angle, -9.0),
            "push": (angle, 9.0),
            "hold_push": (angle, 1.0),
            "crawl": (angle * 1.02 + 1e-4, 0.001 * side),
        }
        request = kind != "release"
        return Command(*values.get(kind, (angle, 0.0)), request, request, kind == "hold_push" or rng.random() < 0.1)


def _highest(state: VehicleState) -> float | None:
    """As control finds it: the highest |speed| of the valid sources."""
    return max((abs(value) for value in map(state.valid_value, SPEEDS) if value is not None), default=None)
