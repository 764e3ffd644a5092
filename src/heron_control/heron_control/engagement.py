"""Who drives: the state machine of permission. What it is told each tick is judged in `conditions`; here only states change.

Nobody is handed a moving car without need. What can still be driven through is driven through: a soft stop or an emergency stop along the last
valid plan, with the request on. Permission goes at once only to the driver, who always wins, and in FAULT, where Heron's commands are no longer
followed or nothing is known any more. A second planner is of the first kind: its plans are not followed and nobody's are until engaged anew, but
the car is brought to a standstill on the last valid plan rather than dropped in the curve that it is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from heron_control.ladder import Concern, Reason, height
from heron_core.errors import ConfigError
from heron_core.signals import Engagement, Ladder

BY_PEOPLE = ("asked", "gear")  # beside what begins with `driver_`
# A bus that no car listens to: commands of a recording may go nowhere else.
SHADOW_INTERFACES = ("bag", "log", "virtual")


class Trigger(Enum):
    """What changes a state."""

    READY = "nothing stands against engaging"
    NOT_READY = "something stands against engaging"
    ENGAGE = "permission is given"
    END = "permission is taken back"
    FAULT = "commands are not followed, or nothing is known"
    SOFT_STOP = "a reason for a soft stop"
    EMERGENCY = "a reason for an emergency stop"
    RECOVER = "good plans again, while moving"
    CLEAR = "the fault is acknowledged and its cause gone"


_E, _T = Engagement, Trigger
TRANSITIONS: Mapping[tuple[Engagement, Trigger], Engagement] = {
    (_E.OFF, _T.READY): _E.READY,
    (_E.READY, _T.NOT_READY): _E.OFF,
    (_E.READY, _T.ENGAGE): _E.ENGAGED,
    (_E.ENGAGED, _T.END): _E.OFF,
    (_E.ENGAGED, _T.FAULT): _E.FAULT,
    (_E.ENGAGED, _T.SOFT_STOP): _E.SOFT_STOP,
    (_E.ENGAGED, _T.EMERGENCY): _E.EMERGENCY,
    (_E.SOFT_STOP, _T.END): _E.OFF,
    (_E.SOFT_STOP, _T.FAULT): _E.FAULT,
    (_E.SOFT_STOP, _T.EMERGENCY): _E.EMERGENCY,
    (_E.SOFT_STOP, _T.RECOVER): _E.ENGAGED,
    (_E.SOFT_STOP, _T.ENGAGE): _E.ENGAGED,  # at standstill
    (_E.EMERGENCY, _T.END): _E.OFF,
    (_E.EMERGENCY, _T.FAULT): _E.FAULT,
    (_E.EMERGENCY, _T.ENGAGE): _E.ENGAGED,  # at standstill
    (_E.FAULT, _T.CLEAR): _E.OFF,
}


@dataclass(frozen=True, slots=True)
class Change:
    """A transition to be told.

    Attributes:
        kind: engagement, disengagement, override, ladder, fault, gate or refusal.
        text: for people.
        cause: short stable name for programs.
    """

    kind: str
    text: str
    cause: str


class Judgement(NamedTuple):
    """What one tick found.

    Attributes:
        obstacle: the first thing that stands against engaging.
        driver: the driver takes over, or permission is lost for another reason than a fault.
        fault: Heron's commands can no longer be followed.
        concern: what speaks for the highest rung.
        recovered: enough fresh plans came in a row.
        standing: the car stands.
    """

    obstacle: Reason | None = None
    driver: Reason | None = None
    fault: Reason | None = None
    concern: Concern | None = None
    recovered: bool = False
    standing: bool = False


def car_listens(interface: str, listen_only: bool) -> bool:
    """A car may follow what is written to such a bus."""
    return interface not in SHADOW_INTERFACES and not listen_only


def check_shadow_bus(name: str, interface: str, listen_only: bool) -> None:
    """Refuses shadow mode on a bus that a car may listen to.

    Raises:
        ConfigError: the bus is a real one and not listened to only.
    """
    if car_listens(interface, listen_only):
        raise ConfigError(
            f"shadow mode on bus {name} of interface {interface}: shadow commands may only go to {', '.join(SHADOW_INTERFACES)} or a listen-only bus"
        )


class EngagementMachine:
    """Holds the permission to actuate.

    Attributes:
        state: who drives.
        reason: why not engaged, or why it stops; empty when nothing is wrong.
        rung: of the ladder, while Heron drives.
        sticky: the stop in progress ends only by engaging anew.
        engagements: permissions given.
        disengagements, overrides: cause → times that driving ended.
    """

    def __init__(self, shadow: bool) -> None:
        self.state = Engagement.SHADOW if shadow else Engagement.OFF
        self.reason = "" if shadow else "never engaged"
        self.rung = Ladder.OK
        self.sticky = False
        self.engagements = 0
        self.disengagements: dict[str, int] = {}
        self.overrides: dict[str, int] = {}
        self._stop: Reason | None = None

    def update(self, found: Judgement) -> tuple[Change, ...]:
        """Judges one tick. The driver comes first, then faults, then the ladder."""
        if self.state is Engagement.SHADOW:
            self.reason = "" if found.obstacle is None else found.obstacle.text
            self.rung = Ladder.OK if found.concern is None else found.concern.rung
            return ()
        if not self.state.drives:
            if self.state is not Engagement.FAULT:
                self._go(Trigger.READY if found.obstacle is None else Trigger.NOT_READY)
                self.reason = "" if found.obstacle is None else found.obstacle.text
            return ()
        if found.driver is not None:
            return self.end(found.driver)
        if found.fault is not None:
            return self.fault(found.fault)
        changes = self.climb(found.concern)
        self.sticky = self.sticky or (self.state is Engagement.SOFT_STOP and found.standing)
        if self.state is Engagement.SOFT_STOP and not self.sticky and found.recovered and self._below_stop(found.concern):
            return (*changes, self._recover())
        return changes

    def engage(self, found: Judgement) -> tuple[Reason | None, tuple[Change, ...]]:
        """Gives permission; returns why it is refused, and what changed. A stop in progress may be engaged anew once the car stands."""
        if self.state is Engagement.SHADOW:
            return Reason("shadow", "shadow mode: nobody drives a recording"), ()
        if self.state is Engagement.ENGAGED:
            return None, ()
        refusal = self._refusal(found)
        if refusal is not None:
            return refusal, ()
        changes: list[Change] = []
        if self._stop is not None:
            changes.append(self._count_disengagement(self._stop))
        if self.state is Engagement.OFF:
            self._go(Trigger.READY)
        self._go(Trigger.ENGAGE)
        self._clear_stop()
        self.reason = ""
        self.engagements += 1
        return None, (*changes, Change("engagement", "engaged", "asked"))

    def end(self, reason: Reason) -> tuple[Change, ...]:
        """Takes permission back: an override where the driver does it, else a disengagement.

        A stop in progress is counted and told with its own cause; what nobody asked for and cut it short is told as a fault beside it.
        """
        if not self._go(Trigger.END):
            return ()
        changes = []
        by_driver = reason.cause.startswith("driver_")
        if by_driver:
            changes.append(self.override(reason))
        if self._stop is not None:
            if not by_driver and reason.cause not in BY_PEOPLE:
                changes.append(Change("fault", reason.text, reason.cause))
            changes.append(self._count_disengagement(self._stop))
        elif not by_driver:
            changes.append(self._count_disengagement(reason))
        self._clear_stop()
        self.reason = reason.text
        return tuple(changes)

    def fault(self, reason: Reason) -> tuple[Change, ...]:
        """Drops permission until the fault is acknowledged."""
        if not self._go(Trigger.FAULT):
            return ()
        told = Change("fault", reason.text, reason.cause)
        self._clear_stop()
        self.reason = reason.text
        return told, self._count_disengagement(reason)

    def climb(self, concern: Concern | None) -> tuple[Change, ...]:
        """Goes up the ladder where the concern is higher than the present rung; only a warning goes by itself."""
        if not self.state.drives:
            return ()
        rung = Ladder.OK if concern is None or (concern.held and self.rung is Ladder.OK) else concern.rung
        if height(rung) <= height(self.rung):
            if self.rung is Ladder.WARN:
                self.rung, self.reason = rung, "" if concern is None else concern.reason.text
            elif self.state is Engagement.SOFT_STOP and concern is not None and rung is Ladder.SOFT_STOP and not concern.passing:
                self.sticky = True
            return ()
        assert concern is not None
        self.rung, self.reason = rung, concern.reason.text
        if rung is not Ladder.WARN:
            self._go(Trigger.SOFT_STOP if rung is Ladder.SOFT_STOP else Trigger.EMERGENCY)
            self._stop = concern.reason
            self.sticky = self.sticky or rung is Ladder.EMERGENCY or not concern.passing
        names = {Ladder.WARN: "warning", Ladder.SOFT_STOP: "soft stop", Ladder.EMERGENCY: "emergency stop"}
        return (Change("ladder", f"{names[rung]}: {concern.reason.text}", concern.reason.cause),)

    def clear(self, found: Judgement) -> Reason | None:
        """Acknowledges a fault; returns what keeps it."""
        if self.state is not Engagement.FAULT:
            return None
        if found.fault is not None:
            return found.fault
        self._go(Trigger.CLEAR)
        return None

    def override(self, reason: Reason) -> Change:
        """Counts what the driver did."""
        self.overrides[reason.cause] = self.overrides.get(reason.cause, 0) + 1
        return Change("override", reason.text, reason.cause)

    @property
    def wants_to_drive(self) -> bool:
        """Commands are to be computed: Heron drives, or shadow with all that it needs."""
        return self.state.drives or (self.state is Engagement.SHADOW and not self.reason)

    def _refusal(self, found: Judgement) -> Reason | None:
        if self.state is Engagement.FAULT:
            return Reason("fault_latched", f"a fault is latched: {self.reason}; disengage first")
        if self.state.drives and not found.standing:
            return Reason("stopping", f"stopping: {self.reason}; engage again at standstill")
        return found.driver or found.fault or found.obstacle

    def _recover(self) -> Change:
        self._go(Trigger.RECOVER)
        self._clear_stop()
        self.reason = ""
        return Change("ladder", "soft stop ended: fresh plans again", "recovered")

    def _count_disengagement(self, reason: Reason) -> Change:
        self.disengagements[reason.cause] = self.disengagements.get(reason.cause, 0) + 1
        return Change("disengagement", reason.text, reason.cause)

    def _clear_stop(self) -> None:
        self._stop, self.sticky, self.rung = None, False, Ladder.OK

    @staticmethod
    def _below_stop(concern: Concern | None) -> bool:
        return concern is None or concern.rung is Ladder.WARN

    def _go(self, trigger: Trigger) -> bool:
        following = TRANSITIONS.get((self.state, trigger))
        if following is None:
            return False
        self.state = following
        return True
