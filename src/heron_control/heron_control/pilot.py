"""One tick of control: from the newest vehicle state and plan to a verdict of the gate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from heron_control.comfort import Comfort
from heron_control.command import Command
from heron_control.conditions import Judge, Situation
from heron_control.config import ControlConfig, TrackerConfig
from heron_control.engagement import Change, EngagementMachine, Judgement
from heron_control.following import AccelFollowing, SteerFollowing
from heron_control.gate import Gate, Verdict
from heron_control.ladder import Concern, Reason, RungLog
from heron_control.odometry_buffer import OdometryBuffer
from heron_control.outside import Button, HealthWatch, PlannerWatch
from heron_control.plan_in_use import PlanInUse
from heron_control.speed import SpeedView, SpeedWatch
from heron_control.tracker import Motion, Tracker
from heron_core.clock import ClockWatch, Instant
from heron_core.limits import Limits, StopLimits
from heron_core.signals import ControlStatus, Engagement, Health, Ladder
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory
from heron_core.vehicle import Odometry, VehicleState
from heron_core.vehicle_model import VehicleModel

# Ticks come every 10 ms. Over a longer hole this process slept, and with a clock that was set nothing has an age: permission is dropped.
MAX_TICK_GAP_NS = 100_000_000
MAX_STEP_S = 0.02
MIN_SPEED_FOR_CURVATURE_MPS = 1.0
NOT_TAKEN = "bus does not take frames"  # as the gate says it
UNSOLVED_MAX_S = 0.1
PENDING_MAX = 100  # what was asked while no tick told it
AT_REST = Command(0.0, 0.0, False, False)


class Tick(NamedTuple):
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
        required: full names of the components whose health is needed.
        health_silent_s: see `HealthWatch`.
        planner: see `PlannerWatch`.
    """

    def __init__(
        self,
        tracker: TrackerConfig,
        limits: Limits,
        model: VehicleModel,
        gate: Gate,
        shadow: bool,
        odometry_ns: int,
        *,
        required: tuple[str, ...] = (),
        health_silent_s: float = ControlConfig.health_silent_s,
        planner: str = "",
    ) -> None:
        self._limits, self._model, self._shadow = limits, model, shadow
        self._tracker = Tracker(tracker, model, limits)
        self._odometry = OdometryBuffer(odometry_ns)
        self._plan = PlanInUse(limits, self._odometry, tracker.beyond_accel_mps2)
        self._speed_watch = SpeedWatch(limits.state, shadow)
        self._steering, self._driveline = SteerFollowing(limits.following, model), AccelFollowing(limits.following, model)
        self._health, self._planners = HealthWatch(required, health_silent_s), PlannerWatch(planner)
        self._engage_button, self._cancel_button = Button("engage_button"), Button("cancel_button")
        self._comfort = Comfort(limits, model)
        self._judge = Judge(limits, model, shadow)
        self._watch = ClockWatch()
        self.gate = gate
        self.check = self._plan.check
        self.engagement = EngagementMachine(shadow)
        self.rungs = RungLog()
        self._last: Instant | None = None
        self._speed = SpeedView()
        self._found = Judgement(obstacle=Reason("state_missing", "no vehicle state"))
        self._sent, self._motion = AT_REST, Motion(0.0, 0.0, False, math.nan, math.nan)
        self._bus: Reason | None = Reason("bus_off", "no frame has been sent yet")
        self._gate_fault: Reason | None = None
        self._others: Reason | None = None
        self._late: dict[str, Reason | None] = {"steer": None, "accel": None}
        self._alarm = self._gas = self._tracking = False
        self._pending: list[Change] = []

    @property
    def tracking_unsolved(self) -> int:
        """Times that tracking went on with an older solution."""
        return self._tracker.unsolved

    # What happens outside -------------------------------------------------------------------------------------------------------------

    def add_odometry(self, sample: Odometry) -> None:
        """Remembers where the car is."""
        self._odometry.add(sample)

    def add_plan(self, plan: Trajectory, at: Instant) -> str | None:
        """Takes a plan that arrived `at` this moment if it may be followed; else says why not, and keeps the one before."""
        return self._plan.take(plan, at, self.engagement.state.drives, self._speed.own_mps or 0.0)

    def set_health(self, health: Health) -> None:
        """A component says how it is."""
        self._health.add(health)

    def set_planners(self, count: int, who: str) -> None:
        """Who publishes plans, by the graph: how many, and their names joined by `, `."""
        self._planners.set(count, who)

    def set_commanders(self, count: int, who: str) -> None:
        """Who says that it commands a car, by the graph, this component too: two on one bus break each other's counters, so nobody engages."""
        self._others = Reason("commanders", f"{count} components command: {who}") if count > 1 else None

    def tick_is_due(self, at: Instant) -> bool:
        """Heron drives and ticks stay away: one with the last vehicle state is due, which then is late."""
        return self.engagement.state.drives and self._last is not None and at.steady_ns - self._last.steady_ns > 0.75 * MAX_STEP_S * 1e9

    def rest(self, at: Instant) -> tuple[Change, ...]:
        """The component stops ticking: permission ends, one last frame requests nothing, and nobody engages until the next tick."""
        changes = (*self._pending, *self.engagement.end(Reason("deactivated", "control was deactivated")))
        self._pending = []
        self._found = Judgement(obstacle=Reason("state_missing", "control rests"))
        self._tracking, self._sent = False, AT_REST
        self.gate.close(at.steady_ns)
        return changes

    def request(self, engage: bool, at: Instant | None = None) -> tuple[bool, str]:
        """Asks for permission to actuate, or gives it back. What changes is told with the next tick.

        Args:
            engage: or disengage.
            at: now; where ticks stay away, what the last one found is no ground to engage.
        """
        del self._pending[:-PENDING_MAX]
        if engage:
            if at is not None and (self._last is None or at.steady_ns - self._last.steady_ns > MAX_TICK_GAP_NS):
                self._found = Judgement(obstacle=Reason("state_late", "no vehicle state comes"))
            refusal, changes = self._engage()
            self._pending += changes if refusal is None else [Change("refusal", refusal.text, refusal.cause)]
            return refusal is None, "" if refusal is None else refusal.text
        if self._shadow:
            return False, "shadow mode: nobody drives a recording"
        self._pending += self.engagement.end(Reason("asked", "asked to"))
        kept = self.engagement.clear(self._found)
        return kept is None, "" if kept is None else kept.text

    # One tick -------------------------------------------------------------------------------------------------------------------------

    def tick(self, state: VehicleState, at: Instant, clock_ns: Callable[[], int]) -> Tick:
        """One control tick.

        Args:
            state: newest vehicle state.
            at: the tick.
            clock_ns: the one clock, read again when the frames are written.
        """
        changes, self._pending = self._pending, []
        dt_s = MAX_STEP_S if self._last is None else min((at.steady_ns - self._last.steady_ns) / 1e9, MAX_STEP_S)
        changes += self._clock(at)
        self._speed = self._speed_watch.update(state, at.steady_ns)
        steer = self._measured_steer(state)
        self._place(steer, at, dt_s)
        self._plan.grow_old(at)
        self._found = self._judge.judge(self._situation(state, at))
        changes += self._lapse() or self.engagement.update(self._found)
        changes += self._buttons(state)
        changes += self._driver_gas(state, at)
        self._guard_planner()
        command = self._command(steer, at, dt_s)
        verdict = self.gate.send(command, self._speed.highest_mps, steer, at.steady_ns)  # a clock that is set makes no step larger
        changes += self._after(command, verdict, steer, dt_s)
        self.rungs.add(self.engagement.rung if self.engagement.state.drives else Ladder.OK, dt_s)
        used = verdict.sent is not None and verdict.sent.request
        return Tick(verdict, tuple(changes), self._plan.first_use(at.now_ns, clock_ns()) if used else None)

    def status(self, at: Instant) -> ControlStatus:
        """What `/control/status` says."""
        concern = self._plan.concern(at)
        return ControlStatus(
            stamp_ns=at.now_ns,
            engagement=self.engagement.state,
            reason=self.engagement.reason,
            plan_valid=self._plan.missing() is None and (concern is None or concern.rung is Ladder.WARN),
            plan_age_ns=self._plan.age_ns(at),
            steer_rad=self._sent.steer_rad,
            accel_mps2=self._sent.accel_mps2,
            gate_limited=self.gate.limited,
            gate_rejected=self.gate.rejected,
            stages=self._plan.stages,
            ladder=self.engagement.rung,
            steer_request=self._sent.steer_request,
            accel_request=self._sent.accel_request,
            gate_alarm=self.gate.alarm,
            cross_track_m=self._motion.cross_track_m,
            heading_error_rad=self._motion.heading_error_rad,
        )

    def _clock(self, at: Instant) -> tuple[Change, ...]:
        last, self._last = self._last, at
        step_ms = self._watch.step_ns(at) / 1e6
        if last is None:
            return ()
        stood_ms = (at.steady_ns - last.steady_ns) / 1e6
        if at.now_ns > last.now_ns and not step_ms and stood_ms * 1e6 <= MAX_TICK_GAP_NS:
            return ()
        if at.now_ns <= last.now_ns:
            self._plan.forget()
        self._tracking = False
        if stood_ms * 1e6 > MAX_TICK_GAP_NS and not step_ms:
            return self.engagement.end(Reason("process_stood", f"process stood: {stood_ms:.0f} ms between two ticks"))
        step_ms = step_ms or (at.now_ns - last.now_ns) / 1e6 - stood_ms
        return self.engagement.end(Reason("clock_step", f"clock set by {step_ms:+.0f} ms" if step_ms else "clock stands"))

    def _place(self, steer: float | None, at: Instant, dt_s: float) -> None:
        """Where the car is on the plan; with contradicting speeds odometry may be wrong, then by the median speed and the steering."""
        curvature = self._model.curvature(self._sent.steer_rad if steer is None else steer)
        self._plan.placement.update(at.now_ns, dt_s, self._speed.own_mps, curvature, self._speed.disagreement is None)

    def _situation(self, state: VehicleState, at: Instant) -> Situation:
        across, heading = self._plan.deviation() or (math.nan, math.nan)
        foreign = self.check.foreign or self.check.rivals(at.steady_ns)
        return Situation(
            state=state,
            at=at,
            speed=self._speed,
            plan=self._plan.missing(),
            plan_concern=self._plan.concern(at),
            across_m=across,
            heading_rad=heading,
            reckoned_s=self._plan.placement.reckoned_s,
            planners=self._planners.reason(),
            foreign=Reason("planners", foreign) if foreign else None,
            others=self._others,
            health=self._health.reason(at),
            bus=self._bus,
            steer_following=self._late["steer"],
            accel_following=self._late["accel"],
            gate=self._gate_fault,
            tracking=self._tracking_fault(),
            recovered=self._plan.fresh >= self._limits.ladder.recover_plans,
        )

    def _engage(self) -> tuple[Reason | None, tuple[Change, ...]]:
        engaged = self.engagement.state is Engagement.ENGAGED
        refusal, changes = self.engagement.engage(self._found)
        if refusal is None and not engaged:
            self.check.pin()
            self._gate_fault = self._late["accel"] = None
            self._tracking = False
            if self._last is not None:
                self._comfort.start(self._last.steady_ns)
        return refusal, changes

    def _lapse(self) -> tuple[Change, ...]:
        """A permission is not taken up when something came to stand against it: no frame has asked for anything yet, so there is nothing to stop."""
        found = self._found
        if self.engagement.state is not Engagement.ENGAGED or self._sent.request or found.obstacle is None or found.driver or found.fault:
            return ()
        return self.engagement.end(found.obstacle)

    def _buttons(self, state: VehicleState) -> list[Change]:
        changes: list[Change] = []
        if self._cancel_button.pressed(state):
            self.engagement.clear(self._found)
        if self._engage_button.pressed(state) and not self._shadow:
            refusal, engaged = self._engage()
            changes += engaged if refusal is None else (Change("refusal", refusal.text, refusal.cause),)
        return changes

    def _driver_gas(self, state: VehicleState, at: Instant) -> list[Change]:
        """The driver's foot takes over speed only; after it, comfort again."""
        before, self._gas = self._gas, self.engagement.state.drives and self._judge.accelerates(state)
        if before and not self._gas:
            self._comfort.start(at.steady_ns)
            self._tracking = False
        if before or not self._gas:
            return []
        return [self.engagement.override(Reason("driver_gas", "the driver accelerates"))]

    def _guard_planner(self) -> None:
        """With a second planner nobody's plans are taken until the car stands or nobody is driven; then whoever plans alone may, to engage anew."""
        planners = self._planners.reason()
        if not self.engagement.state.drives or (self._found.standing and self.engagement.state is Engagement.EMERGENCY and planners is None):
            self.check.unpin()
        elif self.check.foreign or (planners is not None and planners.cause == "planners"):
            self.check.closed = "a second planner appeared"

    def _command(self, steer: float | None, at: Instant, dt_s: float) -> Command:
        path, moved, speed = self._plan.path, self._plan.placement.moved, self._speed.own_mps
        if not self.engagement.wants_to_drive or path is None or moved is None or speed is None:
            self._tracking = False
            across, heading = self._plan.deviation() or (math.nan, math.nan)
            self._motion = Motion(0.0, 0.0, False, across, heading)
            return Command(steer or 0.0, 0.0, False, False)
        if not self._tracking:
            self._tracker.reset(self._sent.steer_rad if self._sent.steer_request else steer or 0.0, self._sent.accel_mps2)
        self._tracking = True
        age_s = self._plan.path_time_s(at)
        stop, ahead = self._stop(), path.at(age_s + self._model.accel_delay_s)
        bounds = self._comfort.bounds(at.steady_ns, ahead, speed) if stop is None else self._comfort.end()
        bounds = bounds.judged_at(speed, self._speed.highest_mps or 0.0)
        old = self._plan.concern(at)
        if old is not None and not old.held:  # what it did not see may be in the way
            bounds = replace(bounds, speeds_up=False)
        self._motion = self._tracker.step(path, age_s, moved, speed, bounds, stop, dt_s)
        return Command(self._motion.steer_rad, self._motion.accel_mps2, True, not self._gas, self._motion.hold)

    def _tracking_fault(self) -> Reason | None:
        """A moment without a solution is bridged with the last one; then a stop, whose deceleration needs none."""
        unsolved_s = self._tracker.unsolved_s if self._tracking else 0.0
        return Reason("tracking", f"no solution of tracking for {unsolved_s * 1e3:.0f} ms") if unsolved_s > UNSOLVED_MAX_S else None

    def _stop(self) -> StopLimits | None:
        state = self.engagement.state
        if state is Engagement.EMERGENCY:
            return self._limits.emergency_stop
        return self._limits.soft_stop if state is Engagement.SOFT_STOP else None

    def _after(self, command: Command, verdict: Verdict, steer: float | None, dt_s: float) -> list[Change]:
        """What the gate's verdict leads to, and what the car will be compared with."""
        sent = self._sent = verdict.sent or AT_REST
        quiet = verdict.sent is None and steer is not None
        self._bus = Reason("bus_off" if verdict.fault == NOT_TAKEN else "gate", verdict.fault) if quiet else None
        changes: list[Change] = []
        if command.request:
            if sent.request:
                self._tracker.sent(sent.steer_rad, sent.accel_mps2)
            changes += self._judged(verdict)
        self._late["steer"] = self._steering.update(sent.steer_rad if sent.steer_request else None, steer, dt_s)
        lagging = self._driveline.update(sent.accel_mps2 if sent.accel_request else None, self._speed.own_mps, dt_s)
        self._late["accel"] = lagging
        if self.gate.alarm and not self._alarm:
            changes.append(Change("gate", "the gate narrows more than a sound drive needs", "gate_alarm"))
        self._alarm = self.gate.alarm
        return changes

    def _judged(self, verdict: Verdict) -> list[Change]:
        if not verdict.fault:
            self._gate_fault = None
            return []
        reason = self._bus or Reason("gate", f"gate: {verdict.fault}")
        if verdict.ladder:
            self._gate_fault = reason
            return list(self.engagement.climb(Concern(Ladder.EMERGENCY, reason)))
        self._tracking = False
        if self._shadow:
            self.engagement.reason = reason.text
        return list(self.engagement.fault(reason))

    def _measured_steer(self, state: VehicleState) -> float | None:
        """Road-wheel angle; a recording may lack it, then a shadow drive takes it from the yaw rate (never on a car)."""
        steer, speed, yaw_rate = (state.valid_value(name) for name in ("steer", "speed", "yaw_rate"))
        if steer is not None and math.isfinite(steer):
            return steer
        if not self._shadow or speed is None or yaw_rate is None:
            return None
        return self._model.steer(yaw_rate / speed) if speed > MIN_SPEED_FOR_CURVATURE_MPS else 0.0


def engagement_report(pilot: Pilot) -> dict[str, object]:
    """The key `engagement` of report.json."""
    machine = pilot.engagement
    return {
        "state": machine.state.value,
        "mode": "shadow" if machine.state is Engagement.SHADOW else "drive",
        "reason": machine.reason,
        "engagements": machine.engagements,
        "disengagements": dict(sorted(machine.disengagements.items())),
        "overrides": dict(sorted(machine.overrides.items())),
        "ladder": pilot.rungs.report(),
        "tracking_unsolved": pilot.tracking_unsolved,
    }
