"""Permission to actuate: off by default, granted only when all holds, gone the moment that anything fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heron_control.engagement import Conditions, EngagementMachine, check_shadow_bus
from heron_core.errors import ConfigError
from heron_core.limits import Limits
from heron_core.signals import Engagement
from heron_core.vehicle import ABSENT, Signal, VehicleState

NOW = 5_000_000_000


def conditions(plan_fault: str = "", late_ns: int = 0, **signals: Signal | float) -> Conditions:
    good: dict[str, Signal | float] = {"speed": 10.0, "steer": 0.0, "gear": 1.0, "brake_pressed": 0.0, "driver_torque": 0.2}
    good.update(signals)
    read = {name: value if isinstance(value, Signal) else Signal(value, 5_000_000, True) for name, value in good.items()}
    return Conditions(VehicleState(NOW - late_ns, read), plan_fault, NOW)


BROKEN = [
    (conditions("no plan"), "no plan"),
    (conditions("stale: 700 ms old"), "stale"),
    (conditions(late_ns=100_000_001), "vehicle state is late"),
    (conditions(speed=ABSENT), "no valid speed"),
    (conditions(speed=Signal(10.0, 100_000_001, True)), "speed is late"),
    (conditions(steer=Signal(0.0, 0, False)), "no valid steer"),
    (conditions(steer=Signal(0.0, 100_000_001, True)), "steer is late"),
    (conditions(speed=36.1), "too fast"),
    (conditions(speed=-0.4), "the car rolls back"),
    (conditions(brake_pressed=1.0), "the driver brakes"),
    (conditions(cancel_button=1.0), "the driver cancels"),
    (conditions(driver_torque=3.1), "the driver steers"),
    (conditions(driver_torque=-3.1), "the driver steers"),
    (conditions(driver_torque=float("nan")), "the driver steers"),
    (conditions(driver_torque=Signal(0.0, 900_000_000, False)), "no valid driver_torque"),
    (conditions(brake_pressed=Signal(0.0, 900_000_000, False)), "no valid brake_pressed"),
    (conditions(eps_fault=ABSENT), "no valid eps_fault"),
    (conditions(late_ns=-20_000_001), "vehicle state is stamped ahead"),
    (conditions(gear=0.0), "gear is not in drive"),
    (conditions(door_open=1.0), "a door is open"),
    (conditions(belt_fastened=0.0), "no belt"),
    (conditions(eps_fault=1.0), "steering reports a fault"),
]


def test_off_by_default_and_never_by_itself(limits: Limits) -> None:
    machine = EngagementMachine(limits, shadow=False)
    assert machine.update(conditions()) is None
    assert machine.state is Engagement.OFF and not machine.wants_to_drive


@pytest.mark.parametrize(("broken", "reason"), BROKEN)
def test_each_condition_forbids_to_engage(limits: Limits, broken: Conditions, reason: str) -> None:
    machine = EngagementMachine(limits, shadow=False)
    granted, text = machine.request(True, broken)
    assert not granted and reason in text and machine.state is Engagement.OFF and machine.reason == text


@pytest.mark.parametrize(("broken", "reason"), BROKEN)
def test_each_condition_ends_an_engagement(limits: Limits, broken: Conditions, reason: str) -> None:
    machine = EngagementMachine(limits, shadow=False)
    assert machine.request(True, conditions()) == (True, "")
    assert machine.update(conditions()) is None and machine.wants_to_drive
    change = machine.update(broken)
    assert change is not None and reason in change.text
    assert change.kind == ("override" if reason.startswith("the driver") else "disengagement")
    assert machine.state is Engagement.OFF and not machine.wants_to_drive
    assert machine.update(conditions()) is None and machine.state is Engagement.OFF  # does not come back by itself
    assert sum(machine.disengagements.values()) == 1


@pytest.mark.parametrize("name", ["gear", "brake_pressed"])
def test_what_must_be_known_to_engage(limits: Limits, name: str) -> None:
    granted, text = EngagementMachine(limits, shadow=False).request(True, conditions("", 0, **{name: ABSENT}))
    assert not granted and text == f"no valid {name}"


def test_without_a_vehicle_state_nobody_engages(limits: Limits) -> None:
    assert EngagementMachine(limits, shadow=False).request(True, None) == (False, "no vehicle state")


def test_asked_to_let_go(limits: Limits) -> None:
    machine = EngagementMachine(limits, shadow=False)
    machine.request(True, conditions())
    assert machine.request(False, conditions()) == (True, "")
    assert machine.state is Engagement.OFF and machine.disengagements == {"asked to": 1}
    assert machine.drop("again") is None


def test_shadow_drives_whenever_it_can_and_never_engages(limits: Limits) -> None:
    machine = EngagementMachine(limits, shadow=True)
    assert machine.request(True, conditions())[0] is False
    machine.update(conditions("no plan"))
    assert machine.state is Engagement.SHADOW and not machine.wants_to_drive and machine.reason == "no plan"
    machine.update(conditions(brake_pressed=1.0, gear=ABSENT, steer=ABSENT))  # the recorded driver drives, and may lack sensors
    assert machine.wants_to_drive and machine.state is Engagement.SHADOW
    machine.update(conditions(speed=ABSENT))
    assert not machine.wants_to_drive and machine.reason == "no valid speed"


def test_shadow_commands_never_reach_a_car() -> None:
    for interface in ("bag", "log", "virtual"):
        check_shadow_bus("vehicle", interface, False)
    check_shadow_bus("vehicle", "socketcan", True)
    for interface in ("socketcan", "unix"):
        with pytest.raises(ConfigError, match="shadow"):
            check_shadow_bus("vehicle", interface, False)


def test_conditions_are_judged_at_their_tick(limits: Limits) -> None:
    machine = EngagementMachine(limits, shadow=False)
    machine.request(True, conditions())
    assert machine.update(replace(conditions(late_ns=100_000_000))) is None
