"""A car on a straight road and a planner that plans it, tick by tick, for tests of the pilot."""

from __future__ import annotations

from typing import Any

import numpy as np

from heron_control.engagement import Change
from heron_control.pilot import Pilot, Tick
from heron_core.clock import Instant
from heron_core.signals import ControlStatus, Engagement, Health
from heron_core.stages import Stages
from heron_core.trajectory import TIMES_S, Trajectory
from heron_core.vehicle import Odometry, Signal, VehicleState

TICK_NS = 10_000_000
SPEED = 10.0
WELL: dict[str, Signal | float] = {
    "speed": SPEED,
    "wheel_fl": SPEED,
    "wheel_fr": SPEED,
    "steer": 0.0,
    "gear": 1.0,
    "brake_pressed": 0.0,
    "throttle": 0.0,
    "driver_torque": 0.2,
    "door_open": 0.0,
    "belt_fastened": 1.0,
    "eps_fault": 0.0,
    "engage_button": 0.0,
    "cancel_button": 0.0,
}


class DrivenCar:
    """Feeds a pilot. The car's wheels turn as they are told, without delay; its speed is `speed`, and falls as told where `obeys`.

    Attributes:
        health: level that the required component /policy says at every tick; None: it is silent.
        planners: what the graph says.
    """

    def __init__(self, pilot: Pilot) -> None:
        self.pilot, self.now_ns, self.steady_ns = pilot, 1_000_000_000, 5_000_000_000
        self.x, self.y, self.speed, self.steer = 0.0, 0.0, SPEED, 0.0
        self.obeys = False
        self.sequence = 0
        self.health: int | None = 0
        self.planners: tuple[int, str] = (1, "/policy")
        self.lasting: dict[str, Signal | float] = {}
        self.changes: list[Change] = []

    @property
    def at(self) -> Instant:
        return Instant(self.now_ns, self.steady_ns)

    @property
    def state(self) -> Engagement:
        return self.pilot.engagement.state

    @property
    def status(self) -> ControlStatus:
        return self.pilot.status(self.at)

    def tick(self, step_ns: int = TICK_NS, steady_step_ns: int | None = None, odometry: bool = True, late_ns: int = 0, **signals: Any) -> Tick:
        self.now_ns += step_ns
        self.steady_ns += max(step_ns, TICK_NS) if steady_step_ns is None else steady_step_ns
        self.x += self.speed * step_ns / 1e9
        moving = dict.fromkeys(("speed", "wheel_fl", "wheel_fr"), self.speed)
        read = {
            name: value if isinstance(value, Signal) else Signal(float(value), 0, True)
            for name, value in {**WELL, **moving, "steer": self.steer, **self.lasting, **signals}.items()
        }
        if odometry:
            self.pilot.add_odometry(Odometry(self.now_ns, self.x, self.y, 0.0, self.speed, 0.0))
        if self.health is not None:
            self.pilot.set_health(Health(self.now_ns, "/policy", self.health, "in trouble"))
        self.pilot.set_planners(*self.planners)
        tick = self.pilot.tick(VehicleState(self.now_ns - late_ns, read), self.at, lambda: self.now_ns + 50_000)
        if tick.verdict.sent is not None and tick.verdict.sent.request:
            self.steer = tick.verdict.sent.steer_rad
            if self.obeys and tick.verdict.sent.accel_request:
                self.speed = max(self.speed + tick.verdict.sent.accel_mps2 * 0.01, 0.0)
        self.changes += tick.changes
        return tick

    def points(self, speed: float | None = None) -> Any:
        speed = self.speed if speed is None else speed
        return np.stack([speed * TIMES_S, 0 * TIMES_S, 0 * TIMES_S, speed + 0 * TIMES_S], axis=1).astype(np.float32)

    def plan(self, age_ns: int = 0, points: Any = None, sequence: int | None = None, policy: str = "digest") -> Trajectory:
        self.sequence += 1
        stamp = self.now_ns - age_ns
        made = self.points() if points is None else points
        return Trajectory.make(stamp, made, self.sequence if sequence is None else sequence, policy, Stages(exposure_ns=stamp))

    def give(self, plan: Trajectory | None = None, age_ns: int = 0) -> str | None:
        return self.pilot.add_plan(self.plan(age_ns) if plan is None else plan, self.at)

    def drive(self, seconds: float, plans: bool = True, **signals: Any) -> list[Tick]:
        """Ticks, with a fresh plan every 100 ms where `plans`."""
        ticks = []
        for i in range(round(seconds * 100)):
            ticks.append(self.tick(**signals))
            if plans and i % 10 == 9:
                self.give()
        return ticks

    def ready(self) -> DrivenCar:
        self.tick()
        assert self.give() is None
        self.tick()
        return self

    def engaged(self) -> DrivenCar:
        self.ready()
        assert self.pilot.request(True) == (True, "")
        first = self.tick()
        assert first.verdict.sent is not None and first.verdict.sent.request and first.verdict.fault == ""
        assert self.state is Engagement.ENGAGED
        return self

    def told(self, *kinds: str) -> list[tuple[str, str]]:
        """(kind, cause) of the changes of these kinds, all by default, since the last call."""
        found = [(change.kind, change.cause) for change in self.changes if not kinds or change.kind in kinds]
        self.changes.clear()
        return found


def requests(tick: Tick) -> bool:
    """The frames of a tick ask something of the car."""
    return tick.verdict.sent is not None and tick.verdict.sent.request
