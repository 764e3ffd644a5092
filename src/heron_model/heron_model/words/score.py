"""How well explanations agree with the truth and with the motion that follows, beside what could be said without looking.

Two baselines: what is said most often at such a speed, acceleration and yaw rate (template look-up), and what is said most often at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heron_model.words.explanations import Meaning, read
from heron_vla.consistency import contradiction

SPEEDS_MPS = (0.3, 1.5, 3.0, 5.0, 7.0, 9.0, 11.0)
ACCELS_MPS2 = (-2.0, -1.0, -0.35, 0.35, 1.0)
YAW_RATES_RPS = (-0.05, 0.05)


@dataclass(frozen=True, slots=True)
class Ego:
    """How the car moves at a moment."""

    speed_mps: float
    accel_mps2: float = 0.0
    yaw_rate_rps: float = 0.0

    @property
    def bin(self) -> tuple[int, int, int]:
        """Which of the look-up's bins."""
        edges = ((SPEEDS_MPS, self.speed_mps), (ACCELS_MPS2, self.accel_mps2), (YAW_RATES_RPS, self.yaw_rate_rps))
        speed, accel, yaw = (int(np.searchsorted(each, value)) for each, value in edges)
        return speed, accel, yaw


@dataclass(frozen=True)
class Event:
    """A moment at which the car explained itself.

    Attributes:
        language: `en` or `ja`.
        said: the sentence.
        reason, turn: the truth, as the expert of `heron_sim` tells it.
        ego: how the car moved.
        also: what else is true so near this moment that no one could tell; each may be said.
        followed: (40, 4) x, y, yaw, speed that followed, in base_link of the moment, or None.
    """

    language: str
    said: str
    reason: str
    turn: str
    ego: Ego
    also: tuple[Meaning, ...] = ()
    followed: NDArray[np.float64] | None = None

    @property
    def true(self) -> tuple[Meaning, ...]:
        """All that may be said."""
        return Meaning(self.reason, self.turn), *self.also

    def allows(self, reason: str) -> bool:
        """A reason alone, without a turn, is true."""
        return any(each.reason == reason for each in self.true)


@dataclass(frozen=True)
class LookUp:
    """The baselines, fitted on moments of training.

    Attributes:
        reasons: bin → its most frequent reason.
        majority: the most frequent of all; also that of bins never seen.
    """

    reasons: Mapping[tuple[int, int, int], str]
    majority: str

    @staticmethod
    def fit(moments: Iterable[tuple[Ego, str]]) -> LookUp:
        """From moments of training and their true reasons.

        Raises:
            ValueError: there are none.
        """
        bins: dict[tuple[int, int, int], Counter[str]] = {}
        total: Counter[str] = Counter()
        for ego, reason in moments:
            bins.setdefault(ego.bin, Counter())[reason] += 1
            total[reason] += 1
        if not total:
            raise ValueError("no moments to fit the look-up on")
        return LookUp({each: _most(counts) for each, counts in bins.items()}, _most(total))

    def reason(self, ego: Ego) -> str:
        """What it says."""
        return self.reasons.get(ego.bin, self.majority)


@dataclass(frozen=True)
class Score:
    """Figures of one language; shares of events, NaN without any.

    Attributes:
        language: of the explanations.
        events: how many.
        understood: sentences that some grammar makes.
        agreement: that say the true reason, and the true turn where they say one.
        look_up, majority: agreement of the baselines' reasons.
        consistent: of the events whose motion is known, those that it does not contradict; a sentence that nobody understands counts against.
        followed: events whose motion is known.
        reasons: true reason → (events, agreement).
        contradictions: what the motion did not show, each with how often, most frequent first.
    """

    language: str
    events: int
    understood: float
    agreement: float
    look_up: float
    majority: float
    consistent: float
    followed: int = 0
    reasons: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    contradictions: tuple[tuple[str, int], ...] = ()


def agrees(told: Meaning | None, event: Event) -> bool:
    """What was said is true: a reason, and the turn if one is named; of a car that crosses a junction the turn is all there is to say."""
    if told is None:
        return False
    return any(told.reason == true.reason and (told.turn == true.turn or (told.turn == "follow" and told.reason != "turn")) for true in event.true)


def score(events: Sequence[Event], look_up: LookUp) -> tuple[Score, ...]:
    """Figures per language, in order of language."""
    return tuple(_score([event for event in events if event.language == name], name, look_up) for name in sorted({each.language for each in events}))


def _score(events: Sequence[Event], language: str, look_up: LookUp) -> Score:
    told = [read(event.said, language) for event in events]
    right = [agrees(said, event) for said, event in zip(told, events, strict=True)]
    looked = [event.allows(look_up.reason(event.ego)) for event in events]
    majority = [event.allows(look_up.majority) for event in events]
    shown: list[bool] = []
    against: Counter[str] = Counter()
    for said, event in zip(told, events, strict=True):
        if event.followed is None:
            continue
        fault = "not understood" if said is None else contradiction(said.reason, said.turn, event.followed, event.ego.speed_mps)
        shown.append(fault is None)
        if fault is not None:
            against[fault.split(" (")[0]] += 1
    reasons = {
        reason: (len(mine), _share(mine))
        for reason in sorted({event.reason for event in events})
        if (mine := [ok for ok, event in zip(right, events, strict=True) if event.reason == reason])
    }
    understood = _share([said is not None for said in told])
    shares = (understood, _share(right), _share(looked), _share(majority), _share(shown))
    return Score(language, len(events), *shares, len(shown), reasons, tuple(against.most_common()))


def table(scores: Sequence[Score]) -> str:
    """The figures as lines of text."""
    lines = ["language  events  understood  agreement  look-up  majority  consistent"]
    for each in scores:
        shares = (each.understood, each.agreement, each.look_up, each.majority, each.consistent)
        widths = (10, 9, 7, 8, 10)
        cells = "  ".join(f"{share:>{width}.1%}" for share, width in zip(shares, widths, strict=True))
        lines.append(f"{each.language:8}  {each.events:6d}  {cells}")
    return "\n".join(lines)


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else float("nan")


def _most(counts: Counter[str]) -> str:
    """The most frequent; of equals the first by name."""
    return min(counts, key=lambda reason: (-counts[reason], reason))
