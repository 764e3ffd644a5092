"""The table of who may drive: what leads where, what never does, and how each end is told."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from heron_control.engagement import TRANSITIONS, Change, EngagementMachine, Judgement, Trigger, car_listens, check_shadow_bus
from heron_control.ladder import Concern, Reason
from heron_core.errors import ConfigError
from heron_core.signals import Engagement, Ladder

BRAKE, DOOR, EPS, ASKED = Reason("driver_brake", "b"), Reason("door", "d"), Reason("eps_fault", "e"), Reason("asked", "a")
OLD = Concern(Ladder.SOFT_STOP, Reason("plan_age", "old"), passing=True)
SICK = Concern(Ladder.SOFT_STOP, Reason("health", "sick"))
BLIND = Concern(Ladder.EMERGENCY, Reason("speed_lost", "blind"))
LATE = Concern(Ladder.WARN, Reason("plan_age", "late"), passing=True)
DRIVING = [state for state in Engagement if state.drives]


def engaged() -> EngagementMachine:
    machine = EngagementMachine(shadow=False)
    assert machine.engage(Judgement()) == (None, (Change("engagement", "engaged", "asked"),))
    return machine


def in_state(state: Engagement) -> EngagementMachine:
    machine = engaged()
    found = {Engagement.SOFT_STOP: SICK, Engagement.EMERGENCY: BLIND}.get(state)
    machine.update(Judgement(concern=found))
    if state is Engagement.FAULT:
        machine.fault(EPS)
    elif state in (Engagement.OFF, Engagement.READY):
        machine.end(ASKED)
        machine.update(Judgement(obstacle=DOOR if state is Engagement.OFF else None))
    assert machine.state is state
    return machine


def test_only_engaging_leads_into_driving_from_outside() -> None:
    for (state, trigger), following in TRANSITIONS.items():
        if following.drives and not state.drives:
            assert (state, trigger) == (Engagement.READY, Trigger.ENGAGE)
        if state is Engagement.EMERGENCY:
            assert following is not Engagement.ENGAGED or trigger is Trigger.ENGAGE
        assert Engagement.SHADOW not in (state, following)


@pytest.mark.parametrize("state", DRIVING)
def test_every_driving_state_can_be_ended_and_can_fail(state: Engagement) -> None:
    assert TRANSITIONS[state, Trigger.END] is Engagement.OFF and TRANSITIONS[state, Trigger.FAULT] is Engagement.FAULT


def test_off_by_default_ready_when_nothing_stands_against_it_and_never_engaged_by_itself() -> None:
    machine = EngagementMachine(shadow=False)
    assert machine.state is Engagement.OFF and not machine.wants_to_drive
    assert machine.update(Judgement()) == () and machine.state is Engagement.READY and machine.reason == ""
    assert machine.update(Judgement(obstacle=DOOR)) == () and machine.state is Engagement.OFF and machine.reason == "d"


@pytest.mark.parametrize("found", [Judgement(obstacle=DOOR), Judgement(driver=BRAKE), Judgement(fault=EPS)])
def test_an_obstacle_refuses(found: Judgement) -> None:
    machine = EngagementMachine(shadow=False)
    refusal, changes = machine.engage(found)
    assert refusal is not None and changes == () and machine.state is Engagement.OFF and machine.engagements == 0


@pytest.mark.parametrize(("state", "reason"), itertools.product(DRIVING, [BRAKE, ASKED]))
def test_the_driver_comes_before_faults_and_before_the_ladder(state: Engagement, reason: Reason) -> None:
    machine = in_state(state)
    changes = machine.update(Judgement(driver=reason, fault=EPS, concern=BLIND))
    assert machine.state is Engagement.OFF and not machine.wants_to_drive
    by_driver, stopped = reason is BRAKE, state is not Engagement.ENGAGED
    assert [change.kind for change in changes] == ["override"] * by_driver + ["disengagement"] * (stopped or not by_driver)
    cause = {Engagement.SOFT_STOP: "health", Engagement.EMERGENCY: "speed_lost"}.get(state, "asked")
    assert machine.disengagements == ({cause: 1} if stopped or not by_driver else {})
    assert machine.overrides == ({"driver_brake": 1} if by_driver else {})
    assert machine.end(BRAKE) == ()


@pytest.mark.parametrize("state", DRIVING)
def test_a_fault_comes_before_the_ladder_and_is_latched(state: Engagement) -> None:
    machine = in_state(state)
    changes = machine.update(Judgement(fault=EPS, concern=BLIND))
    assert machine.state is Engagement.FAULT and changes == (Change("fault", "e", "eps_fault"), Change("disengagement", "e", "eps_fault"))
    assert machine.update(Judgement()) == () and machine.state is Engagement.FAULT and machine.reason == "e"
    assert machine.engage(Judgement())[0] is not None
    assert machine.clear(Judgement(fault=EPS)) is EPS and machine.state is Engagement.FAULT
    assert machine.clear(Judgement()) is None and machine.state is Engagement.OFF


def test_a_warning_comes_and_goes_and_is_told_once() -> None:
    machine = engaged()
    assert machine.update(Judgement(concern=LATE)) == (Change("ladder", "warning: late", "plan_age"),)
    assert machine.update(Judgement(concern=LATE)) == () and machine.rung is Ladder.WARN and machine.state is Engagement.ENGAGED
    assert machine.update(Judgement()) == () and machine.rung is Ladder.OK and machine.reason == ""


def test_a_passing_soft_stop_ends_by_fresh_plans_while_moving() -> None:
    machine = engaged()
    machine.update(Judgement(concern=OLD))
    assert machine.state is Engagement.SOFT_STOP and not machine.sticky
    assert machine.update(Judgement(concern=OLD, recovered=True)) == () and machine.update(Judgement()) == ()
    assert machine.state is Engagement.SOFT_STOP
    assert machine.update(Judgement(concern=LATE, recovered=True))[0].cause == "recovered"
    assert machine.state is Engagement.ENGAGED and machine.disengagements == {}


@pytest.mark.parametrize("then", [Judgement(standing=True), Judgement(concern=SICK)])
def test_a_soft_stop_stays_at_standstill_or_for_a_reason_that_does_not_pass(then: Judgement) -> None:
    machine = engaged()
    machine.update(Judgement(concern=OLD))
    machine.update(then)
    assert machine.sticky and machine.update(Judgement(recovered=True)) == () and machine.state is Engagement.SOFT_STOP


@pytest.mark.parametrize("concern", [BLIND, Concern(Ladder.EMERGENCY, Reason("plan_age", "older"))])
def test_an_emergency_stays_until_engaged_anew_at_standstill(concern: Concern) -> None:
    machine = engaged()
    machine.update(Judgement(concern=OLD))
    machine.update(Judgement(concern=concern))
    assert machine.state is Engagement.EMERGENCY and machine.rung is Ladder.EMERGENCY
    for found in (Judgement(), Judgement(recovered=True), Judgement(concern=OLD), Judgement(standing=True, recovered=True)):
        assert machine.update(found) == () and machine.state is Engagement.EMERGENCY
    assert machine.engage(Judgement())[0] is not None  # it moves
    refusal, changes = machine.engage(Judgement(standing=True))
    assert refusal is None and [change.kind for change in changes] == ["disengagement", "engagement"]
    assert machine.state is Engagement.ENGAGED and machine.rung is Ladder.OK and not machine.sticky and machine.engagements == 2


def test_who_drives_at_first() -> None:
    machine = EngagementMachine(shadow=False)
    assert (machine.reason, machine.rung, machine.sticky, machine.engagements) == ("never engaged", Ladder.OK, False, 0)
    assert EngagementMachine(shadow=True).reason == ""


def test_what_is_over_climbs_nothing_and_keeps_a_warning() -> None:
    machine, over = engaged(), replace(LATE, held=True)
    assert machine.update(Judgement(concern=over)) == () and machine.rung is Ladder.OK
    machine.update(Judgement(concern=LATE))
    assert machine.update(Judgement(concern=over)) == () and machine.rung is Ladder.WARN
    assert machine.update(Judgement()) == () and machine.rung is Ladder.OK


def test_which_stops_stay() -> None:
    for concern, stays in ((OLD, False), (SICK, True), (BLIND, True), (replace(BLIND, passing=True), True)):
        machine = engaged()
        machine.climb(concern)
        assert machine.sticky is stays, concern
    machine = engaged()
    machine.climb(SICK)
    machine.climb(replace(BLIND, passing=True))
    assert machine.sticky


def fresh(machine: EngagementMachine, reason: str) -> None:
    """Nothing of an earlier stop is left."""
    assert (machine.rung, machine.sticky, machine.reason) == (Ladder.OK, False, reason)


@pytest.mark.parametrize("state", [Engagement.SOFT_STOP, Engagement.EMERGENCY])
def test_after_a_stop_nothing_of_it_is_left(state: Engagement) -> None:
    ended, failed, engaged_anew = in_state(state), in_state(state), in_state(state)
    ended.end(ASKED)
    fresh(ended, "a")
    assert ended.engage(Judgement()) == (None, (Change("engagement", "engaged", "asked"),))
    fresh(ended, "")
    failed.fault(EPS)
    fresh(failed, "e")
    assert failed.disengagements == {"eps_fault": 1}
    assert engaged_anew.engage(Judgement(standing=True))[0] is None
    fresh(engaged_anew, "")
    assert [change.cause for change in engaged_anew.end(ASKED)] == ["asked"]


def test_after_a_stop_that_passed_nothing_of_it_is_left() -> None:
    machine = engaged()
    machine.update(Judgement(concern=OLD))
    machine.update(Judgement(recovered=True))
    fresh(machine, "")
    assert machine.update(Judgement(concern=OLD))[0].cause == "plan_age" and machine.state is Engagement.SOFT_STOP
    machine.update(Judgement(recovered=True))
    assert [change.cause for change in machine.end(ASKED)] == ["asked"]


def test_what_nobody_asked_for_and_cuts_a_stop_short_is_told_beside_it() -> None:
    machine = in_state(Engagement.SOFT_STOP)
    assert machine.end(Reason("bus_off", "o")) == (Change("fault", "o", "bus_off"), Change("disengagement", "sick", "health"))
    assert in_state(Engagement.SOFT_STOP).end(ASKED) == (Change("disengagement", "sick", "health"),)


def test_shadow_tells_what_speaks_for_a_rung() -> None:
    machine = EngagementMachine(shadow=True)
    machine.update(Judgement(concern=BLIND))
    assert machine.rung is Ladder.EMERGENCY
    machine.update(Judgement())
    assert machine.rung is Ladder.OK


def test_shadow_drives_whenever_it_can_and_never_changes() -> None:
    machine = EngagementMachine(shadow=True)
    assert machine.engage(Judgement())[0] is not None
    machine.update(Judgement(obstacle=DOOR))
    assert not machine.wants_to_drive and machine.reason == "d"
    machine.update(Judgement(driver=BRAKE, fault=EPS, concern=BLIND))
    assert machine.wants_to_drive and machine.state is Engagement.SHADOW
    assert machine.end(BRAKE) == () and machine.fault(EPS) == () and machine.climb(BLIND) == () and machine.state is Engagement.SHADOW


def test_shadow_commands_never_reach_a_car() -> None:
    for interface in ("bag", "log", "virtual"):
        check_shadow_bus("vehicle", interface, False)
        assert not car_listens(interface, False)
    check_shadow_bus("vehicle", "socketcan", True)
    for interface in ("socketcan", "unix"):
        assert car_listens(interface, False) and not car_listens(interface, True)
        with pytest.raises(ConfigError, match="shadow"):
            check_shadow_bus("vehicle", interface, False)
