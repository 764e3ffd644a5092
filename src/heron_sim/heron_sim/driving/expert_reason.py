"""From what decides the motion to what is said about it: one sentence at a time, which changes only when the reason does."""

from __future__ import annotations

from dataclasses import dataclass

from heron_sim.driving.explain import Explanation, Reason, explain
from heron_sim.roads.network import Manoeuvre
from heron_sim.truth import EgoTruth

STANDS_MPS, STARTED_MPS, STARTING_S = 0.3, 5.0, 4.0
SETTLE_S = 0.35  # a new reason must hold so long
LONGEST_S = 0.15  # that one call counts
SLOWING_MPS2 = -0.35
HARD_MPS2 = -2.9
WAITS = {
    Reason.SLOW_RED: Reason.WAIT_RED,
    Reason.SLOW_YELLOW: Reason.WAIT_RED,
    Reason.SLOW_PEDESTRIAN: Reason.WAIT_PEDESTRIAN,
    Reason.GIVE_WAY: Reason.WAIT_GAP,
    Reason.FOLLOW_CAR: Reason.WAIT_CAR,
    Reason.CUT_IN: Reason.WAIT_CAR,
    Reason.SLOW_GUIDE: Reason.WAIT_GUIDE,
    Reason.SLOW_END: Reason.WAIT_END,
}
STARTS = {
    Reason.WAIT_RED: Reason.START_GREEN,
    Reason.WAIT_PEDESTRIAN: Reason.START_PEDESTRIAN,
    Reason.WAIT_GAP: Reason.START_GAP,
    Reason.WAIT_CAR: Reason.START_CAR,
    Reason.WAIT_GUIDE: Reason.PASS_WORK,
}
FOLLOWS = frozenset({Reason.FOLLOW_CAR, Reason.WAIT_CAR, Reason.FOLLOW_CYCLIST})
AT_ONCE = frozenset({Reason.BRAKE_HARD})


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a plan is made.

    Attributes:
        time_s: now.
        ego: the car.
        decided: by `Motion.reason`.
        wished_mps2: that the strictest asks for.
        goes_m: way of the whole plan.
        turn: manoeuvre of the junction that the car is in or just before; FOLLOW: none.
        inside: it is in the junction.
        passing: why it leaves the middle of its lane, or None.
        yellow: it goes on at a yellow light.
    """

    time_s: float
    ego: EgoTruth
    decided: Reason | None
    wished_mps2: float
    goes_m: float
    turn: Manoeuvre
    inside: bool
    passing: Reason | None
    yellow: bool


class Narrator:
    """Chooses what is said."""

    def __init__(self) -> None:
        self._said = explain(Reason.START)
        self._turn = Manoeuvre.FOLLOW
        self._votes: dict[Reason, float] = {}  # seconds that a reason has been the right one, less those that it was not
        self._told_s = 0.0
        self._stood: tuple[Reason, float] | None = (Reason.START, 0.0)  # why it stood last, and until when

    def tell(self, now: Situation) -> Explanation:
        """The sentence for this moment."""
        reason = self._reason(now)
        since_s, self._told_s = min(max(now.time_s - self._told_s, 0.0), LONGEST_S), now.time_s
        votes = {each: value - since_s for each, value in self._votes.items() if value > since_s and each is not reason}
        votes[reason] = self._votes.get(reason, 0.0) + since_s
        self._votes = votes
        if reason is self._said.reason:
            if now.turn is not self._turn and now.turn is not Manoeuvre.FOLLOW:
                self._say(reason, now.turn)
            return self._said
        if reason in AT_ONCE or votes[reason] >= SETTLE_S:
            self._say(reason, now.turn)
        return self._said

    def _say(self, reason: Reason, turn: Manoeuvre) -> None:
        self._said, self._turn, self._votes = explain(reason, turn), turn, {}

    def _reason(self, now: Situation) -> Reason:
        decided, speed = now.decided, now.ego.speed_mps
        if now.wished_mps2 < HARD_MPS2 and speed > 2.0:
            return Reason.BRAKE_HARD
        if speed < STANDS_MPS and now.goes_m < 1.0:
            waits = WAITS.get(decided, decided) if decided is not None else None
            waits = waits or Reason.START
            self._stood = (waits, now.time_s)
            return waits
        if decided is not None and now.wished_mps2 < 0.3:
            return decided if decided not in (Reason.WAIT_CAR,) else Reason.FOLLOW_CAR
        if self._stood is not None:
            if speed < STARTED_MPS and now.time_s - self._stood[1] < STARTING_S:
                return STARTS.get(self._stood[0], Reason.START)
            self._stood = None
        if now.yellow:
            return Reason.PASS_YELLOW
        if now.passing is not None:
            return now.passing
        if now.inside or (now.turn in (Manoeuvre.LEFT, Manoeuvre.RIGHT)):
            return Reason.TURN
        if now.wished_mps2 < SLOWING_MPS2:
            return Reason.CURVE
        if decided in FOLLOWS:  # also while it speeds up; it does not slow for a light while it speeds up
            return decided if decided is Reason.FOLLOW_CYCLIST else Reason.FOLLOW_CAR
        return Reason.CRUISE
