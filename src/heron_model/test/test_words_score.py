"""Explanations scored: right, wrong, not understood, and beside what could be said without looking."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heron_core.trajectory import TIMES_S
from heron_model.words.explanations import Meaning, canonical, explanation
from heron_model.words.score import Ego, Event, LookUp, score, table

STANDS, ROLLS = Ego(0.0), Ego(8.0)
MOMENTS = [*[(STANDS, "wait_red")] * 5, *[(STANDS, "wait_car")] * 3, *[(ROLLS, "cruise")] * 4, *[(ROLLS, "follow_car")] * 2]


def _event(said: str, reason: str, turn: str = "follow", language: str = "en", **more: object) -> Event:
    return Event(language, said, reason, turn, more.pop("ego", ROLLS), **more)  # type: ignore[arg-type]


def test_the_look_up_knows_the_motion_and_nothing_else() -> None:
    look_up = LookUp.fit(MOMENTS)
    assert look_up.majority == "wait_red"
    assert look_up.reason(Ego(0.1)) == "wait_red"
    assert look_up.reason(Ego(8.2, 0.1)) == "cruise"
    assert look_up.reason(Ego(8.0, -3.0)) == "wait_red"  # never seen
    with pytest.raises(ValueError, match="no moments"):
        LookUp.fit([])


def test_equal_counts_do_not_depend_on_order() -> None:
    pair = [(ROLLS, "cruise"), (ROLLS, "curve")]
    assert LookUp.fit(pair) == LookUp.fit(pair[::-1])


def test_figures_per_language() -> None:
    rng = np.random.default_rng(0)
    events = [
        _event(canonical("cruise", "follow", "en"), "cruise"),
        _event(explanation("follow_car", "follow", "en", "held_out", rng), "follow_car"),
        _event("following the road", "follow_car"),
        _event("blah", "wait_red", ego=STANDS),
        _event(canonical("wait_red", "follow", "ja"), "wait_red", language="ja", ego=STANDS),
    ]
    english, japanese = score(events, LookUp.fit(MOMENTS))
    assert (english.language, english.events, english.understood, english.agreement) == ("en", 4, 0.75, 0.5)
    assert (english.look_up, english.majority) == (0.5, 0.25)
    assert english.reasons == {"cruise": (1, 1.0), "follow_car": (2, 0.5), "wait_red": (1, 0.0)}
    assert math.isnan(english.consistent)
    assert (japanese.agreement, japanese.look_up, japanese.majority) == (1.0, 1.0, 1.0)
    assert "50.0%" in table((english, japanese)).splitlines()[1]


def test_the_wrong_turn_is_wrong() -> None:
    look_up = LookUp.fit(MOMENTS)
    said = canonical("turn", "left", "en")
    assert score([_event(said, "turn", "left")], look_up)[0].agreement == 1.0
    assert score([_event(said, "turn", "right")], look_up)[0].agreement == 0.0
    waits = canonical("wait_gap", "left", "en")
    assert score([_event(waits, "wait_gap", "right")], look_up)[0].agreement == 0.0
    assert score([_event(canonical("wait_gap", "follow", "en"), "wait_gap", "right")], look_up)[0].agreement == 1.0


def test_what_no_one_could_tell_apart_counts_for_everybody() -> None:
    found = score([_event("following the road", "curve", also=(Meaning("cruise"),))], LookUp.fit([(ROLLS, "cruise")]))[0]
    assert (found.agreement, found.look_up) == (1.0, 1.0)


def test_motion_that_follows() -> None:
    steady = np.stack([8.0 * TIMES_S, 0.0 * TIMES_S, 0.0 * TIMES_S, np.full(40, 8.0)], axis=1)
    said = [canonical("cruise", "follow", "en"), canonical("slow_red", "follow", "en"), "blah"]
    found = score([_event(each, "cruise", followed=steady) for each in said], LookUp.fit(MOMENTS))[0]
    assert found.consistent == pytest.approx(1.0 / 3.0)
    assert dict(found.contradictions) == {"said slow_red, but not: speed falls": 1, "not understood": 1}
