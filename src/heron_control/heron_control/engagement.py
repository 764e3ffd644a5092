"""Who drives: off by default, engaged only while every condition holds, shadow on recordings."""

from __future__ import annotations

from dataclasses import dataclass

from heron_can.state import FUTURE_NS
from heron_core.errors import ConfigError
from heron_core.limits import Limits
from heron_core.signals import Engagement
from heron_core.vehicle import VehicleState

GEAR_DRIVE = 1.0
# A bus that no car listens to: commands of a recording may go nowhere else.
SHADOW_INTERFACES = ("bag", "log", "virtual")
# What a car may say against being driven, where its mapping has the signal: name → (value that blocks, reason).
BLOCKING = {
    "brake_pressed": (1.0, "the driver brakes"),
    "cancel_button": (1.0, "the driver cancels"),
    "door_open": (1.0, "a door is open"),
    "belt_fastened": (0.0, "no belt is fastened"),
    "eps_fault": (1.0, "the steering reports a fault"),
}


NEEDED = ("brake_pressed", "gear")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What decides about permission at one tick.

    Attributes:
        state: of the vehicle.
        plan_fault: why there is no plan to follow, or empty.
        now_ns: the tick.
    """

    state: VehicleState
    plan_fault: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class Change:
    """A transition to be told: kind of event and text."""

    kind: str
    text: str


def check_shadow_bus(name: str, interface: str, listen_only: bool) -> None:
    """Refuses shadow mode on a bus that a car may listen to.

    Raises:
        ConfigError: the bus is a real one and not listened to only.
    """
    if interface not in SHADOW_INTERFACES and not listen_only:
        raise ConfigError(
            f"shadow mode on bus {name} of interface {interface}: shadow commands may only go to {', '.join(SHADOW_INTERFACES)} or a listen-only bus"
        )


class EngagementMachine:
    """Holds the permission to actuate."""

    def __init__(self, limits: Limits, shadow: bool) -> None:
        self._limits = limits
        self.state = Engagement.SHADOW if shadow else Engagement.OFF
        self.reason = "" if shadow else "never engaged"
        self._shadow = shadow
        self.engagements = 0
        self.disengagements: dict[str, int] = {}

    def request(self, engage: bool, conditions: Conditions | None) -> tuple[bool, str]:
        """Asks for permission, or gives it back. Returns whether it was granted and why not."""
        if self._shadow:
            return False, "shadow mode: nobody drives a recording"
        if not engage:
            self.drop("asked to")
            return True, ""
        if conditions is None:
            return False, "no vehicle state"
        obstacle = self._obstacle(conditions)
        if obstacle:
            self.reason = obstacle
            return False, obstacle
        if self.state is Engagement.OFF:
            self.state, self.reason = Engagement.ENGAGED, ""
            self.engagements += 1
        return True, ""

    def update(self, conditions: Conditions) -> Change | None:
        """Judges one tick; permission goes the moment that a condition fails."""
        if self._shadow:
            self.reason = conditions.plan_fault or self._state_fault(conditions)
            return None
        if self.state is not Engagement.ENGAGED:
            return None
        obstacle = self._obstacle(conditions)
        return self.drop(obstacle) if obstacle else None

    def drop(self, reason: str) -> Change | None:
        """Takes the permission away; None when there was none."""
        if self._shadow:
            self.reason = reason
            return None
        if self.state is Engagement.OFF:
            return None
        self.state, self.reason = Engagement.OFF, reason
        self.disengagements[reason.split(":")[0]] = self.disengagements.get(reason.split(":")[0], 0) + 1
        kind = "override" if reason.startswith("the driver") else "disengagement"
        return Change(kind, reason)

    @property
    def wants_to_drive(self) -> bool:
        """Commands are to be computed: engaged, or shadow with all that it needs."""
        return self.state is Engagement.ENGAGED or (self.state is Engagement.SHADOW and not self.reason)

    def _obstacle(self, conditions: Conditions) -> str:
        return self._state_fault(conditions) or self._driver(conditions.state) or self._unknown(conditions.state) or conditions.plan_fault

    def _state_fault(self, conditions: Conditions) -> str:
        state, limits = conditions.state, self._limits
        if conditions.now_ns - state.stamp_ns > limits.state.age_max_s * 1e9:
            return "vehicle state is late"
        if state.stamp_ns - conditions.now_ns > FUTURE_NS:
            return f"vehicle state is stamped ahead: {(state.stamp_ns - conditions.now_ns) / 1e6:.0f} ms"
        needed = ("speed",) if self._shadow else ("speed", "steer")
        for name in needed:
            signal = state[name]
            if not signal.valid:
                return f"no valid {name}"
            if not self._shadow and signal.age_ns > limits.state.age_max_s * 1e9:
                return f"{name} is late: {signal.age_ns / 1e6:.0f} ms"
        speed = state["speed"].value
        if speed > limits.speed_max_mps:
            return f"too fast: {speed:.1f} m/s, allowed {limits.speed_max_mps}"
        if speed < -0.3:
            return f"the car rolls back: {speed:.1f} m/s"
        return ""

    def _driver(self, state: VehicleState) -> str:
        for name, (value, reason) in BLOCKING.items():
            if state.valid_value(name) == value:
                return reason
        torque = state.valid_value("driver_torque")
        if torque is not None and not abs(torque) <= self._limits.driver.torque_nm:  # NaN is no hands-off either
            return f"the driver steers: {torque:.1f} N m"
        gear = state.valid_value("gear")
        if gear is not None and gear != GEAR_DRIVE:
            return "gear is not in drive"
        return ""

    def _unknown(self, state: VehicleState) -> str:
        """Signals that must be known, not only silent: what the driver does, and all else that this car can say against being driven."""
        for name in dict.fromkeys((*NEEDED, *(name for name in (*BLOCKING, "driver_torque") if name in state.signals))):
            if not state[name].valid:
                return f"no valid {name}"
        return ""
