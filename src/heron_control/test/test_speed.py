"""Speed sources that lie, age, fall silent or jump."""

from __future__ import annotations

import math

import pytest

from heron_control.speed import SpeedWatch
from heron_core.limits import Limits
from heron_core.vehicle import ABSENT, Signal, VehicleState

MS = 1_000_000


def state(**signals: Signal | float) -> VehicleState:
    return VehicleState(0, {name: value if isinstance(value, Signal) else Signal(value, 0, True) for name, value in signals.items()})


def test_the_highest_sets_limits_and_the_median_is_the_cars_own(limits: Limits) -> None:
    view = SpeedWatch(limits.state, False).update(state(speed=5.0, wheel_fl=5.2, wheel_rl=-9.0, wheel_fr=Signal(30.0, 0, False)), 0)
    assert view.highest_mps == 9.0 and view.own_mps == 5.0 and view.lost is None
    assert view.disagreement is not None and "wheel_fl says 5.2 m/s, wheel_rl -9.0" in view.disagreement.text


@pytest.mark.parametrize(("other", "agrees"), [(12.0, True), (12.01, False), (8.0, True), (7.99, False)])
def test_two_sources_contradict_each_other_beyond_the_tolerance(limits: Limits, other: float, agrees: bool) -> None:
    assert (SpeedWatch(limits.state, False).update(state(speed=10.0, wheel_rl=other), 0).disagreement is None) is agrees


@pytest.mark.parametrize("gone", [ABSENT, Signal(10.0, 100 * MS + 1, True), Signal(10.0, 0, False), Signal(math.nan, 0, True)])
def test_a_lost_speed_is_kept_for_a_while(limits: Limits, gone: Signal) -> None:
    watch = SpeedWatch(limits.state, False)
    watch.update(state(speed=10.0), 0)
    for at_ms, known in ((10, 10.0), (900, 10.0), (901, None), (910, None)):
        view = watch.update(state(speed=gone), at_ms * MS)
        assert view.highest_mps == known and view.own_mps == known and view.lost is not None


def test_an_age_within_the_limit_is_no_loss(limits: Limits) -> None:
    assert SpeedWatch(limits.state, False).update(state(speed=Signal(10.0, 100 * MS, True)), 0).lost is None


def test_a_single_source_that_jumps_is_not_believed(limits: Limits) -> None:
    watch = SpeedWatch(limits.state, False)
    watch.update(state(speed=10.0), 0)
    assert watch.update(state(speed=12.0), 10 * MS).disagreement is None
    assert watch.update(state(speed=14.1), 20 * MS).disagreement is not None


def test_shadow_takes_what_a_recording_has(limits: Limits) -> None:
    watch = SpeedWatch(limits.state, True)
    view = watch.update(state(speed=Signal(10.0, 900 * MS, True), wheel_rl=20.0), 0)
    assert view.highest_mps == 20.0 and view.disagreement is None
    assert watch.update(state(speed=ABSENT), 10 * MS).highest_mps is None
