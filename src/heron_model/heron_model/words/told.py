"""The explanations of counted drives, scored: true of the scene, borne out by the motion, and given when the scene changed.

*Events* are the moments at which the policy explains itself, which are its own changes of behaviour (`heron_vla.telling`). The truth is what the
expert, asked about the same truths of the world, says then, or said or will say within `NEAR_S`: expert (`Narrator`) and car (`Telling`) both hold a
new reason back, for a third and for half a second, so that neither can say to half a second when a reason began. The baselines have the same leave.

*Changes of the scene* are counted beside them, so that silence earns nothing: the expert's reason changes and stays for `LASTING_S`. One is explained
when the last thing that was told is this reason at some time until `SOON_S` after it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from heron_model.words.explanations import Meaning, read
from heron_model.words.score import Ego, Event, LookUp, Score, score
from heron_sim.evaluation.report import Line

T = TypeVar("T")
Row = Mapping[str, Any]
NEAR_S, SOON_S, LASTING_S = 0.5, 2.0, 1.0
TRUE, DONE = 0.9, 0.95  # of events: true of the scene; borne out by what was driven
LANGUAGES = {"en": "English", "ja": "Japanese"}
KEY = {"en": "english", "ja": "japanese"}
ROUNDING_S = 1e-3


@dataclass(frozen=True)
class Changes:
    """Changes of the scene.

    Attributes:
        count, explained: all of them, and those that the policy explained.
        missed: reason → how often it was not, most frequent first.
    """

    count: int
    explained: int
    missed: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Told:
    """What came of the explanations of a policy.

    Attributes:
        scores: by language.
        at_once: language → agreement without any leave in time.
        expert: scores of the expert's own explanations in its own drives.
        changes: of the scene, in the policy's drives.
    """

    scores: tuple[Score, ...]
    at_once: Mapping[str, float]
    expert: tuple[Score, ...]
    changes: Changes

    def lines(self) -> list[Line]:
        """For the table of an evaluation. A policy that says nothing keeps nothing."""
        mine, experts = {each.language: each for each in self.scores}, {each.language: each for each in self.expert}
        found: list[Line] = []
        for language, words in LANGUAGES.items():
            one, other = mine.get(language), experts.get(language)
            kept = one is not None and one.agreement >= TRUE
            found.append(Line(f"explanations that are true, {words}", f"≥ {TRUE:.0%}", (_of(one), "", _of(other)), kept))
            if one is not None:
                found.append(Line("… looked up by motion / always the same", "", (f"{one.look_up:.1%} / {one.majority:.1%}", "", ""), None))
        for language, words in LANGUAGES.items():
            one, other = mine.get(language), experts.get(language)
            kept = one is not None and one.consistent >= DONE
            found.append(Line(f"explanations that the car then did, {words}", f"≥ {DONE:.0%}", (_done(one), "", _done(other)), kept))
        changes = self.changes
        found.append(Line(f"changes of the scene explained within {SOON_S:g} s", "", (f"{changes.explained} of {changes.count}", "", ""), None))
        return found

    def report(self) -> dict[str, Any]:
        """JSON."""
        return {
            "scores": [_json(each) for each in self.scores],
            "agreement_at_once": dict(self.at_once),
            "expert": [_json(each) for each in self.expert],
            "changes_of_the_scene": asdict(self.changes),
            "near_s": NEAR_S,
        }


def explained(policy: Sequence[Row], expert: Sequence[Row], learnt: Sequence[Row]) -> Told:
    """Scores a policy's explanations.

    Args:
        policy: rows of its drives, with `told` (`heron_sim.evaluation.told`).
        expert: rows of the expert's drives in the same towns.
        learnt: rows of the expert's drives in towns of the training, from which the baselines learn.

    Raises:
        ValueError: the expert said nothing in `learnt`.
    """
    look_up = LookUp.fit((_ego(said), said["reason"]) for row in learnt for said in _told(row)["said"])
    mine = list(_events(policy, NEAR_S))
    at_once = {each.language: each.agreement for each in score(list(_events(policy, 0.0)), look_up)}
    return Told(score(mine, look_up), at_once, score(list(_events(expert, NEAR_S)), look_up), _changes(policy))


def _events(rows: Sequence[Row], near_s: float) -> Iterable[Event]:
    for row in rows:
        scene = _scene(row)
        for said in _told(row)["said"]:
            at_s = float(said["time_s"])
            if not said["reason"]:  # what was told before is over
                continue
            true = _during(scene, at_s, at_s)
            if not true:  # before the expert was first asked
                continue
            now = true[-1]
            also = tuple(dict.fromkeys(each for each in _during(scene, at_s - near_s, at_s + near_s) if each != now))
            followed = None if said["followed"] is None else np.array(said["followed"], np.float64)
            for language, key in KEY.items():
                yield Event(language, said[key], now.reason, now.turn, _ego(said), also, followed)


def _changes(rows: Sequence[Row]) -> Changes:
    count, missed = 0, Counter[str]()
    for row in rows:
        told, scene = _told(row), _scene(row)
        heard = [(float(said["time_s"]), meant.reason if (meant := read(said["english"], "en")) else "") for said in told["said"]]
        begun = [scene[0], *(after for before, after in pairwise(scene) if after[1].reason != before[1].reason)] if scene else []
        ends = [*(at_s for at_s, _ in begun), float(told["until_s"])][1:]
        for (at_s, meant), end_s in list(zip(begun, ends, strict=True))[1:]:  # the first is no change
            if end_s - at_s < LASTING_S or at_s + SOON_S > told["until_s"]:
                continue
            count += 1
            if meant.reason not in _during(heard, at_s - NEAR_S, at_s + SOON_S):
                missed[meant.reason] += 1
    return Changes(count, count - missed.total(), tuple(missed.most_common()))


def _during(changes: Sequence[tuple[float, T]], begin_s: float, end_s: float) -> list[T]:
    """What held at some time between two moments, both included, of what changes at times that rise."""
    ends = [*(at_s for at_s, _ in changes), float("inf")][1:]
    return [what for (at_s, what), until_s in zip(changes, ends, strict=True) if at_s <= end_s + ROUNDING_S and until_s > begin_s + ROUNDING_S]


def _scene(row: Row) -> list[tuple[float, Meaning]]:
    found = []
    for at_s, reason, english in _told(row)["scene"]:
        meant = read(english, "en")
        if meant is None or meant.reason != reason:
            raise ValueError(f"the expert said {english!r} for {reason!r}, which nobody understands")
        found.append((float(at_s), meant))
    return found


def _told(row: Row) -> Row:
    found: Row = row.get("told") or {"said": [], "scene": [], "until_s": 0.0}  # a drive that could not be done tells nothing
    return found


def _ego(said: Row) -> Ego:
    return Ego(float(said["speed_mps"]), float(said["accel_mps2"]), float(said["yaw_rate_rps"]))


def _json(found: Score) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(found).items()}


def _of(found: Score | None) -> str:
    return f"{found.agreement:.1%} of {found.events}" if found is not None else "nothing said"


def _done(found: Score | None) -> str:
    return f"{found.consistent:.1%} of {found.followed}" if found is not None and found.followed else "nothing to see"
