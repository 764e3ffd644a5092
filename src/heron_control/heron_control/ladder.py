"""The watchdog ladder: what the age of the plan in use leads to, and how long each rung lasted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from heron_core.limits import LadderLimits
from heron_core.signals import Ladder

RUNGS = (Ladder.OK, Ladder.WARN, Ladder.SOFT_STOP, Ladder.EMERGENCY)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is so: a short stable name for programs, and a text for people."""

    cause: str
    text: str


@dataclass(frozen=True, slots=True)
class Concern:
    """What speaks for a rung.

    Attributes:
        rung: WARN, SOFT_STOP or EMERGENCY.
        reason: why.
        passing: a soft stop for it ends by itself once good plans come again.
        held: it is over and told for a while longer: it keeps a rung, climbs none and stands against nothing.
    """

    rung: Ladder
    reason: Reason
    passing: bool = False
    held: bool = False


def height(rung: Ladder) -> int:
    """The rung's number, 0 for OK."""
    return RUNGS.index(rung)


def worst(concerns: Iterable[Concern | None]) -> Concern | None:
    """The concern of the highest rung; among equals one that does not pass, then the first."""
    found = [concern for concern in concerns if concern is not None]
    return max(found, key=lambda concern: (height(concern.rung), not concern.passing), default=None)


def plan_concern(limits: LadderLimits, age_s: float, travelled_m: float, cause: str = "plan_age") -> Concern | None:
    """Judges the plan in use.

    Args:
        limits: thresholds.
        age_s: since its stamp.
        travelled_m: by the car since then.
        cause: why there is no younger plan, as far as that is known.
    """
    if age_s > limits.emergency_s:
        return Concern(Ladder.EMERGENCY, Reason(cause, f"plan is {age_s * 1e3:.0f} ms old"))
    if travelled_m > limits.emergency_distance_m:
        return Concern(Ladder.EMERGENCY, Reason(cause, f"{travelled_m:.0f} m since the plan, which is {age_s * 1e3:.0f} ms old"))
    if age_s > limits.soft_stop_s:
        return Concern(Ladder.SOFT_STOP, Reason(cause, f"plan is {age_s * 1e3:.0f} ms old"), passing=True)
    if age_s > limits.warn_s:
        return Concern(Ladder.WARN, Reason(cause, f"plan is {age_s * 1e3:.0f} ms old"), passing=True)
    return None


class RungLog:
    """How often each rung was reached and how long it lasted, while Heron drives."""

    def __init__(self) -> None:
        self._rung = Ladder.OK
        self._times: dict[Ladder, int] = dict.fromkeys(RUNGS, 0)
        self._seconds: dict[Ladder, float] = dict.fromkeys(RUNGS, 0.0)

    def add(self, rung: Ladder, dt_s: float) -> None:
        """One tick at a rung."""
        if rung is not Ladder.OK:
            self._times[rung] += rung is not self._rung
            self._seconds[rung] += dt_s
        self._rung = rung

    def report(self) -> dict[str, dict[str, float]]:
        """Rung → times reached and seconds spent there."""
        return {rung.value: {"times": self._times[rung], "seconds": round(self._seconds[rung], 3)} for rung in RUNGS[1:]}
