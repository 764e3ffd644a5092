"""What a tick finds: what stands against engaging, whether the driver takes over, what is a fault, and what speaks for a rung of the ladder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from heron_can.state import FUTURE_NS
from heron_control.engagement import Judgement
from heron_control.ladder import Concern, Reason, worst
from heron_control.speed import SpeedView
from heron_core.clock import Instant
from heron_core.limits import Limits
from heron_core.signals import Ladder
from heron_core.vehicle import VehicleState
from heron_core.vehicle_model import VehicleModel

GEAR_DRIVE = 1.0
ROLLING_BACK_MPS = -0.3
STANDING_MPS = 0.15
# What a car may say against being driven, where its mapping has the signal: name → (value that is well, cause, text). Anything else, NaN too, is not.
DRIVER = {
    "brake_pressed": (0.0, "driver_brake", "the driver brakes"),
    "cancel_button": (0.0, "driver_cancels", "the driver cancels"),
}
BODY = {
    "door_open": (0.0, "door", "a door is open"),
    "belt_fastened": (1.0, "belt", "no belt is fastened"),
}
EPS = {"eps_fault": (0.0, "eps_fault", "the steering reports a fault")}
# Without these nobody knows what the driver does; the others must be known where the car has them.
NEEDED = ("brake_pressed", "gear")
KNOWN_WHERE_MAPPED = ("cancel_button", "driver_torque", "throttle", *BODY, *EPS)
BLIND = ("state_late", "speed_lost", "steer_lost", "signal_lost")


class Situation(NamedTuple):
    """All that one tick is judged by.

    Attributes:
        state: of the vehicle.
        at: the tick.
        speed: as far as it is known.
        plan: why there is no plan to follow from here, or None.
        plan_concern: what the age of the plan in use leads to.
        across_m, heading_rad: of the car from the plan in use; NaN without one.
        reckoned_s: for how long odometry has been missing.
        planners: why it is not one known planner who plans.
        foreign: what a second planner did while engaged.
        others: why it is not one component that commands.
        health: why a required component is not well.
        bus: why the bus does not take frames.
        steer_following, accel_following: why the car does not do what it is told.
        gate: why the gate refused the last command.
        tracking: why there is no command of its own.
        recovered: enough fresh plans came in a row.
    """

    state: VehicleState
    at: Instant
    speed: SpeedView
    plan: Reason | None = None
    plan_concern: Concern | None = None
    across_m: float = math.nan
    heading_rad: float = math.nan
    reckoned_s: float = 0.0
    planners: Reason | None = None
    foreign: Reason | None = None
    others: Reason | None = None
    health: Reason | None = None
    bus: Reason | None = None
    steer_following: Reason | None = None
    accel_following: Reason | None = None
    gate: Reason | None = None
    tracking: Reason | None = None
    recovered: bool = False


class Judge:
    """Turns a situation into a judgement. Remembers only since when it has been blind."""

    def __init__(self, limits: Limits, model: VehicleModel, shadow: bool) -> None:
        self._limits, self._model, self._shadow = limits, model, shadow
        self._blind_ns: int | None = None

    def judge(self, s: Situation) -> Judgement:
        """One tick."""
        if self._shadow:
            return Judgement(obstacle=self._recorded(s), concern=s.plan_concern)
        driver, blind = self._driver(s.state), next(self._blind(s), None)
        fault = self._fault(s, blind)
        concern = worst([*self._concerns(s), None if blind is None else Concern(Ladder.EMERGENCY, blind)])
        obstacle = driver or self._throttle(s.state) or blind or fault or next(self._obstacles(s), None)
        standing = s.speed.highest_mps is not None and s.speed.highest_mps < STANDING_MPS
        return Judgement(obstacle, driver, fault, concern, s.recovered, standing)

    def accelerates(self, state: VehicleState) -> bool:
        """The driver's foot is on the throttle."""
        return self._throttle(state) is not None

    def _driver(self, state: VehicleState) -> Reason | None:
        said = _said(state, DRIVER)
        if said is not None:
            return said
        torque, gear = state.valid_value("driver_torque"), state.valid_value("gear")
        if torque is not None and not abs(torque) <= self._limits.driver.torque_nm:  # NaN is no hands-off either
            return Reason("driver_steers", f"the driver steers: {torque:.1f} N m")
        return Reason("gear", "gear is not in drive") if gear is not None and gear != GEAR_DRIVE else None

    def _throttle(self, state: VehicleState) -> Reason | None:
        throttle = state.valid_value("throttle")
        if throttle is None or throttle <= self._limits.driver.throttle:
            return None
        return Reason("driver_gas", f"the driver accelerates: {throttle:.2f}")

    def _blind(self, s: Situation) -> Iterator[Reason]:
        """What must be known and is not, before anything that is known."""
        state, oldest_ns = s.state, self._limits.state.age_max_s * 1e9
        late_ns = s.at.now_ns - state.stamp_ns
        if late_ns > oldest_ns:
            yield Reason("state_late", f"vehicle state is late: {late_ns / 1e6:.0f} ms")
        if late_ns < -FUTURE_NS:
            yield Reason("state_late", f"vehicle state is stamped ahead: {-late_ns / 1e6:.0f} ms")
        if s.speed.lost is not None:
            yield s.speed.lost
        steer = state["steer"]
        if not steer.valid or not math.isfinite(steer.value):
            yield Reason("steer_lost", "no valid steer")
        if steer.age_ns > oldest_ns:
            yield Reason("steer_lost", f"steer is late: {steer.age_ns / 1e6:.0f} ms")
        for name in (*NEEDED, *(name for name in KNOWN_WHERE_MAPPED if name in state.signals)):
            if not state[name].valid:
                yield Reason("signal_lost", f"no valid {name}")

    def _fault(self, s: Situation, blind: Reason | None) -> Reason | None:
        if blind is None:
            self._blind_ns = None
        elif self._blind_ns is None:
            self._blind_ns = s.at.steady_ns
        lost = self._blind_ns is not None and s.at.steady_ns - self._blind_ns > self._limits.state.blind_s * 1e9
        return _said(s.state, EPS) or s.bus or s.steer_following or (blind if lost else None)

    def _concerns(self, s: Situation) -> Iterator[Concern | None]:
        emergencies = (self._speed_fault(s), s.foreign, self._several(s), self._away(s), self._unplaced(s), s.gate, s.tracking)
        stops = (s.health, _said(s.state, BODY), self._too_fast(s), s.accel_following)
        yield from (Concern(Ladder.EMERGENCY, reason) for reason in emergencies if reason is not None)
        yield from (Concern(Ladder.SOFT_STOP, reason) for reason in stops if reason is not None)
        yield s.plan_concern
        if abs(s.heading_rad) > self._limits.plan.deviation_yaw_warn_rad:
            yield Concern(Ladder.WARN, Reason("plan_deviation", f"the car heads {s.heading_rad:+.2f} rad off the plan"), passing=True)

    def _obstacles(self, s: Situation) -> Iterator[Reason]:
        found = (_said(s.state, BODY), self._unproven_speed(s.state), self._speed_fault(s), self._too_fast(s), self._angle(s))
        yield from (reason for reason in (*found, s.health, s.planners, s.foreign, s.others, s.plan, self._away(s)) if reason is not None)
        if s.plan_concern is not None and not s.plan_concern.held:
            yield s.plan_concern.reason

    def _unproven_speed(self, state: VehicleState) -> Reason | None:
        """To engage, the speed itself is needed; to stop, a wheel's will do."""
        speed = state["speed"]
        if not speed.valid or not math.isfinite(speed.value):
            return Reason("speed_lost", "no valid speed")
        late = speed.age_ns > self._limits.state.age_max_s * 1e9
        return Reason("speed_lost", f"speed is late: {speed.age_ns / 1e6:.0f} ms") if late else None

    def _speed_fault(self, s: Situation) -> Reason | None:
        if s.speed.disagreement is not None:
            return s.speed.disagreement
        own = s.speed.own_mps
        return Reason("rolls_back", f"the car rolls back: {own:.1f} m/s") if own is not None and own < ROLLING_BACK_MPS else None

    def _too_fast(self, s: Situation) -> Reason | None:
        speed, allowed = s.speed.highest_mps, self._limits.speed_max_mps
        return Reason("too_fast", f"too fast: {speed:.1f} m/s, allowed {allowed}") if speed is not None and speed > allowed else None

    def _angle(self, s: Situation) -> Reason | None:
        steer, speed = s.state.valid_value("steer"), s.speed.highest_mps
        if steer is None or speed is None:
            return None
        largest = self._model.steer(self._limits.curvature_at(speed))  # within the lock
        return None if abs(steer) <= largest else Reason("steer_angle", f"steering is at {steer:.3f} rad, allowed {largest:.3f} at {speed:.1f} m/s")

    def _several(self, s: Situation) -> Reason | None:
        """A second planner; that one is missing, its plans' age tells."""
        return s.planners if s.planners is not None and s.planners.cause == "planners" else None

    def _away(self, s: Situation) -> Reason | None:
        if abs(s.across_m) > self._limits.plan.deviation_m:
            return Reason("plan_deviation", f"the car is {s.across_m:+.2f} m off the plan")
        if abs(s.heading_rad) > self._limits.plan.deviation_yaw_rad:
            return Reason("plan_deviation", f"the car heads {s.heading_rad:+.2f} rad off the plan")
        return None

    def _unplaced(self, s: Situation) -> Reason | None:
        lost = s.reckoned_s > self._limits.state.age_max_s
        return Reason("odometry_lost", f"no odometry for {s.reckoned_s * 1e3:.0f} ms") if lost else None

    def _recorded(self, s: Situation) -> Reason | None:
        """Shadow: the recorded driver drives, and the recording may lack sensors."""
        late_ns, speed = s.at.now_ns - s.state.stamp_ns, s.state["speed"]
        if late_ns > self._limits.state.age_max_s * 1e9 or late_ns < -FUTURE_NS:
            return Reason("state_late", f"vehicle state is {late_ns / 1e6:.0f} ms old")
        if not speed.valid:
            return Reason("speed_lost", "no valid speed")
        if speed.value > self._limits.speed_max_mps or speed.value < ROLLING_BACK_MPS:
            return self._too_fast(s) or Reason("rolls_back", f"the car rolls back: {speed.value:.1f} m/s")
        if s.plan_concern is not None and s.plan_concern.rung is not Ladder.WARN:
            return s.plan_concern.reason
        return s.plan or self._unplaced(s)


def _said(state: VehicleState, table: dict[str, tuple[float, str, str]]) -> Reason | None:
    for name, (well, cause, text) in table.items():
        value = state.valid_value(name)
        if value is not None and value != well:
            return Reason(cause, text)
    return None
