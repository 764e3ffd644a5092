"""One tick of control: from the newest vehicle state and plan to a verdict of the gate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from heron_control.command import Command
from heron_control.config import TrackerConfig
from heron_control.engagement import Change, Conditions, EngagementMachine
from heron_control.gate import Gate, Verdict
from heron_control.odometry_buffer import OdometryBuffer
from heron_control.path import PlanPath
from heron_control.plan_check import PlanCheck
from heron_control.tracker import Tracker
from heron_core.clock import ClockWatch, Instant
from heron_core.limits import Limits
from heron_core.se2 import SE2
from heron_core.signals import ControlStatus, Engagement
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory
from heron_core.vehicle import Odometry, VehicleState
from heron_core.vehicle_model import VehicleModel

# Ticks come every 10 ms. Over a longer hole this process slept, and with a clock that was set nothing has an age: permission is dropped.
MAX_TICK_GAP_NS = 100_000_000
MAX_STEP_S = 0.02
MIN_SPEED_FOR_CURVATURE_MPS = 1.0
SPEEDS = ("speed", "wheel_fl", "wheel_fr", "wheel_rl", "wheel_rr")


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick did.

    Attributes:
        verdict: of the gate.
        changes: transitions to be told.
        stages: of the plan whose first command this tick wrote, else None.
    """

    verdict: Verdict
    changes: tuple[Change, ...] = ()
    stages: Stages | None = None


class Pilot:
    """Holds plan, odometry, tracker, permission and gate together.

    Args:
        tracker: gains.
        limits: of the car.
        model: of the car.
        gate: the way to the bus.
        shadow: nobody is driven; see `EngagementMachine`.
        odometry_ns: how long motion is remembered.
    """

    def __init__(self, tracker: TrackerConfig, limits: Limits, model: VehicleModel, gate: Gate, shadow: bool, odometry_ns: int) -> None:
        self._config, self._limits, self._model, self._shadow = tracker, limits, model, shadow
        self._tracker = Tracker(tracker, model, limits)
        self._odometry = OdometryBuffer(odometry_ns)
        self.gate = gate
        self.check = PlanCheck(limits)
        self.engagement = EngagementMachine(limits, shadow)
        self._plan: Trajectory | None = None
        self._path: PlanPath | None = None
        self._stages = Stages()
        self._arrived = Instant(0, 0)
        self._last: Instant | None = None
        self._watch = ClockWatch()
        self._driving = False
        self._conditions: Conditions | None = None
        self._sent = Command(0.0, 0.0, False, False)

    def add_odometry(self, sample: Odometry) -> None:
        """Remembers where the car is."""
        self._odometry.add(sample)

    def add_plan(self, plan: Trajectory, at: Instant) -> str | None:
        """Takes a plan that arrived `at` this moment if it may be followed; else says why not, and keeps the one before."""
        fault = self.check.fault(plan, at.now_ns)
        if fault is None:
            self._arrived = at
            self._plan, self._path, self._stages = plan, PlanPath(plan, self._config.beyond_accel_mps2), plan.stages
        return fault

    def request(self, engage: bool) -> tuple[bool, str]:
        """Asks for permission to actuate, or gives it back."""
        return self.engagement.request(engage, self._conditions)

    def tick(self, state: VehicleState, at: Instant, clock_ns: Callable[[], int]) -> Tick:
        """One control tick.

        Args:
            state: newest vehicle state.
            at: the tick.
            clock_ns: the one clock, read again when the frames are written.
        """
        now_ns = at.now_ns
        changes = [self._clock_step(at)]
        dt_s = MAX_STEP_S if self._last is None else min((at.steady_ns - self._last.steady_ns) / 1e9, MAX_STEP_S)
        self._last = at
        moved, fault = self._motion_since_plan(at)
        self._conditions = Conditions(state, fault, now_ns)
        changes.append(self.engagement.update(self._conditions))
        measured = self._measured_steer(state)
        speed = highest_speed(state)
        command = Command(measured or 0.0, 0.0, False, False)
        if self.engagement.wants_to_drive and moved is not None and speed is not None:
            command = self._drive(state, measured, speed, moved, now_ns, dt_s)
        self._driving = command.request
        verdict = self.gate.send(command, speed, measured, now_ns)
        if command.request and verdict.fault:
            changes.append(self.engagement.drop(f"gate: {verdict.fault}"))
            self._driving = False
        self._sent = verdict.sent or Command(0.0, 0.0, False, False)
        return Tick(verdict, tuple(change for change in changes if change is not None), self._first_use(verdict, now_ns, clock_ns))

    def status(self, at: Instant) -> ControlStatus:
        """What `/control/status` says."""
        _, fault = self._motion_since_plan(at)
        return ControlStatus(
            stamp_ns=at.now_ns,
            engagement=self.engagement.state,
            reason=self.engagement.reason,
            plan_valid=not fault,
            plan_age_ns=-1 if self._plan is None else at.age_ns(self._plan.stamp_ns, self._arrived),
            steer_rad=self._sent.steer_rad,
            accel_mps2=self._sent.accel_mps2,
            gate_limited=self.gate.limited,
            gate_rejected=self.gate.rejected,
            stages=self._stages,
        )

    def _drive(self, state: VehicleState, measured: float | None, speed: float, moved: SE2, now_ns: int, dt_s: float) -> Command:
        assert self._plan is not None and self._path is not None
        if not self._driving:
            self._tracker.reset(measured or 0.0, 0.0)
        own_speed = state.valid_value("speed")
        motion = self._tracker.step(self._path, (now_ns - self._plan.stamp_ns) / 1e9, moved, speed if own_speed is None else own_speed, dt_s)
        return Command(motion.steer_rad, motion.accel_mps2, True, True, motion.hold)

    def _clock_step(self, at: Instant) -> Change | None:
        last = self._last
        step_ms = self._watch.step_ns(at) / 1e6
        if last is None:
            return None
        stood_ms = (at.steady_ns - last.steady_ns) / 1e6
        if at.now_ns > last.now_ns and not step_ms and stood_ms * 1e6 <= MAX_TICK_GAP_NS:
            return None
        if at.now_ns <= last.now_ns:  # what was planned and measured lies in a future that is no more
            self._plan = self._path = None
            self.check.reset()
        self._driving = False
        return self.engagement.drop(f"clock set by {step_ms:+.0f} ms" if step_ms else f"process stood: {stood_ms:.0f} ms between two ticks")

    def _motion_since_plan(self, at: Instant) -> tuple[SE2 | None, str]:
        if self._plan is None:
            return None, "no plan"
        age_ns = at.age_ns(self._plan.stamp_ns, self._arrived)
        if age_ns > self._limits.ladder.soft_stop_s * 1e9:
            return None, f"plan is stale: {age_ns / 1e6:.0f} ms"
        moved = self._odometry.motion(self._plan.stamp_ns, at.now_ns)
        return moved, "" if moved is not None else "no odometry since the plan"

    def _measured_steer(self, state: VehicleState) -> float | None:
        """Road-wheel angle; a recording may lack it, then a shadow drive takes it from the yaw rate (never on a car)."""
        steer, speed, yaw_rate = (state.valid_value(name) for name in ("steer", "speed", "yaw_rate"))
        if steer is not None or not self._shadow or speed is None or yaw_rate is None:
            return steer
        return self._model.steer(yaw_rate / speed) if speed > MIN_SPEED_FOR_CURVATURE_MPS else 0.0

    def _first_use(self, verdict: Verdict, now_ns: int, clock_ns: Callable[[], int]) -> Stages | None:
        if verdict.sent is None or not verdict.sent.request or self._stages.control_ns:
            return None
        self._stages = replace(self._stages, control_ns=now_ns, can_written_ns=clock_ns())
        return self._stages


def highest_speed(state: VehicleState) -> float | None:
    """Largest |speed| of all valid sources: it sets every limit. None when no source is valid."""
    found = [abs(value) for value in (state.valid_value(name) for name in SPEEDS) if value is not None and math.isfinite(value)]
    return max(found, default=None)


def engagement_report(machine: EngagementMachine) -> dict[str, object]:
    """The key `engagement` of report.json."""
    return {
        "state": machine.state.value,
        "mode": "shadow" if machine.state is Engagement.SHADOW else "drive",
        "reason": machine.reason,
        "engagements": machine.engagements,
        "disengagements": dict(sorted(machine.disengagements.items())),
    }
