"""Rungs by age and distance, which concern counts, and the log of rungs."""

from __future__ import annotations

import pytest

from heron_control.ladder import Concern, Reason, RungLog, plan_concern, worst
from heron_core.limits import Limits
from heron_core.signals import Ladder


@pytest.mark.parametrize(
    ("age_s", "travelled_m", "rung"),
    [
        (0.35, 0.0, None),
        (0.351, 0.0, Ladder.WARN),
        (0.5, 0.0, Ladder.WARN),
        (0.501, 0.0, Ladder.SOFT_STOP),
        (1.5, 0.0, Ladder.SOFT_STOP),
        (1.501, 0.0, Ladder.EMERGENCY),
        (0.1, 30.0, None),
        (0.1, 30.1, Ladder.EMERGENCY),
        (0.6, 30.1, Ladder.EMERGENCY),
    ],
)
def test_the_thresholds_of_limits_yaml(limits: Limits, age_s: float, travelled_m: float, rung: Ladder | None) -> None:
    found = plan_concern(limits.ladder, age_s, travelled_m)
    assert (None if found is None else found.rung) is rung
    if found is not None:
        assert found.passing is (rung is not Ladder.EMERGENCY) and found.reason.cause == "plan_age"


def test_the_highest_rung_counts_and_among_equals_what_does_not_pass() -> None:
    warn, passing = Concern(Ladder.WARN, Reason("a", "")), Concern(Ladder.SOFT_STOP, Reason("b", ""), passing=True)
    stays, later = Concern(Ladder.SOFT_STOP, Reason("c", "")), Concern(Ladder.SOFT_STOP, Reason("d", ""))
    assert worst([warn, None, passing]) is passing and worst([passing, stays, later]) is stays and worst([None]) is None


def test_rungs_are_logged_by_times_and_seconds() -> None:
    log = RungLog()
    for rung in [Ladder.OK, Ladder.WARN, Ladder.WARN, Ladder.OK, Ladder.WARN, Ladder.SOFT_STOP]:
        log.add(rung, 0.0101)
    assert log.report() == {
        "warn": {"times": 2, "seconds": 0.03},
        "soft_stop": {"times": 1, "seconds": 0.01},
        "emergency": {"times": 0, "seconds": 0.0},
    }
