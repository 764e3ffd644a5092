"""Any order of driver, plans, sensors, clocks and buttons: what must hold of permission at every tick."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from driven_car import DrivenCar
from gate_drive import DEMO, TestBus
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from heron_control.config import TrackerConfig
from heron_control.gate import Gate
from heron_control.ladder import height
from heron_control.pilot import Pilot, Tick
from heron_core.limits import load_limits
from heron_core.signals import Engagement, Ladder
from heron_core.vehicle import ABSENT, Signal
from heron_core.vehicle_model import load_vehicle_model

MS = 1_000_000
DRIVER = {"brake_pressed": [0.0, 1.0, math.nan], "cancel_button": [0.0, 1.0], "driver_torque": [0.0, -5.0, math.nan], "gear": [1.0, 0.0, -1.0]}
CAR = {
    "door_open": [0.0, 1.0],
    "belt_fastened": [1.0, 0.0],
    "eps_fault": [0.0, 1.0],
    "throttle": [0.0, 0.5],
    "engage_button": [0.0, 1.0],
    "wheel_fl": [10.0, 13.0, 0.0, math.nan],
    "speed": [10.0, 10.5, 40.0, -1.0, math.inf],
    "steer": [0.0, 0.03, 0.5, math.nan],
}
SIGNALS = {**DRIVER, **CAR}
WELL = {name: values[0] for name, values in SIGNALS.items()}


class Permission(RuleBasedStateMachine):
    """A car whose surroundings do what they want."""

    @initialize()
    def begin(self) -> None:
        limits, model = load_limits(DEMO / "limits.yaml"), load_vehicle_model(DEMO / "vehicle.yaml")
        self.bus = TestBus()
        gate = Gate(limits, model, self.bus, self.bus.write)
        self.car = DrivenCar(Pilot(TrackerConfig(), limits, model, gate, False, 3_000_000_000, required=("/policy",), planner="/policy"))
        self.car.ready()
        self.asked = False
        self.last: Tick | None = None
        self.rung = Ladder.OK

    def step(self, **how: int | bool) -> None:
        before = self.car.state
        self.last = self.car.tick(**how)  # type: ignore[arg-type]
        self.check(before)

    def signal(self, name: str) -> float:
        value = self.car.lasting.get(name, WELL[name])
        return value.value if isinstance(value, Signal) else value

    def check(self, before: Engagement) -> None:
        assert self.last is not None
        state, sent = self.car.state, self.last.verdict.sent
        requests = sent is not None and sent.request
        engaged_now = any(change.kind == "engagement" for change in self.last.changes)
        assert state.drives or not requests, "frames request something and nobody let them"
        if state.drives:
            for name in DRIVER:
                known = not isinstance(self.car.lasting.get(name), Signal)
                assert not known or self.driver_is_quiet(name), f"Heron drives against {name} = {self.signal(name)}"
            assert self.car.lasting.get("eps_fault") != 1.0
        if state.drives and not before.drives:
            assert self.asked or engaged_now, "engaged by itself"
            assert self.bus.works and self.car.planners == (1, "/policy") and self.car.health == 0
        if before is Engagement.EMERGENCY:
            assert state is not Engagement.SOFT_STOP and (state is not Engagement.ENGAGED or engaged_now)
        if before is Engagement.FAULT:
            assert state in (Engagement.FAULT, Engagement.OFF) or engaged_now
        if self.signal("throttle") > 0.05 and not isinstance(self.car.lasting.get("throttle"), Signal):
            assert sent is None or not sent.accel_request, "against the driver's foot"
        ended = before.drives and not state.drives
        assert not ended or any(change.kind in ("override", "disengagement", "fault") for change in self.last.changes), "ended in silence"
        assert all(change.cause and change.text for change in self.last.changes)
        if state.drives and before.drives and not engaged_now:
            self.check_the_ladder()
        self.rung = self.car.status.ladder if state.drives else Ladder.OK
        assert not state.drives or (sent is not None and sent.steer_request), "Heron drives and asks for nothing"
        self.asked = False

    def check_the_ladder(self) -> None:
        """Only a warning and a soft stop that recovered go down; no age is without its rung."""
        assert self.last is not None
        status, told = self.car.status, {change.cause for change in self.last.changes}
        age_s, rung = status.plan_age_ns / 1e9, height(status.ladder)
        assert rung >= height(self.rung) or self.rung is Ladder.WARN or (self.rung is Ladder.SOFT_STOP and "recovered" in told)
        assert rung >= (3 if age_s > 1.5 else 2 if age_s > 0.5 else 1 if age_s > 0.35 else 0), f"a plan of {age_s} s at rung {rung}"
        assert status.engagement is {2: Engagement.SOFT_STOP, 3: Engagement.EMERGENCY}.get(rung, Engagement.ENGAGED)
        used = self.car.pilot._plan._plan
        assert used is not None and used.fault() is None and used.policy == "digest"

    def driver_is_quiet(self, name: str) -> bool:
        value = self.signal(name)
        return abs(value) <= 3.0 if name == "driver_torque" else value == (1.0 if name == "gear" else 0.0)

    @rule(ticks=st.integers(1, 40), plans=st.booleans())
    def go_on(self, ticks: int, plans: bool) -> None:
        for i in range(ticks):
            self.step()
            if plans and i % 10 == 9:
                self.car.give()

    @rule(name=st.sampled_from(sorted(SIGNALS)), which=st.integers(0, 4))
    def a_signal_changes(self, name: str, which: int) -> None:
        self.car.lasting[name] = SIGNALS[name][which % len(SIGNALS[name])]
        self.step()

    @rule(name=st.sampled_from(sorted(SIGNALS)), old=st.booleans())
    def a_signal_is_lost(self, name: str, old: bool) -> None:
        self.car.lasting[name] = Signal(WELL[name], 150 * MS, False) if old else ABSENT
        self.step()

    @rule()
    def all_is_well_again(self) -> None:
        self.car.lasting.clear()
        self.car.health, self.car.planners, self.bus.works = 0, (1, "/policy"), True
        self.car.speed, self.car.y, self.car.steer = 10.0, 0.0, 0.0
        for _ in range(3):
            self.step()
            self.car.give()

    @rule(seconds=st.sampled_from([0.2, 0.7, 1.8]), plans=st.booleans())
    def all_is_well_and_somebody_engages(self, seconds: float, plans: bool) -> None:
        """Most orders of events end driving: begin anew, or nothing would be tried while Heron drives."""
        if not self.car.state.drives:
            self.all_is_well_again()
            self.somebody_asks(False)
            self.go_on(120, True)
            self.somebody_asks(True)
            assert self.car.state is Engagement.ENGAGED
        self.go_on(round(seconds * 100), plans)

    @rule(engage=st.booleans())
    def somebody_asks(self, engage: bool) -> None:
        obstacle = self.car.pilot._found.obstacle
        before = self.car.state
        granted, reason = self.car.pilot.request(engage)
        assert granted is (reason == "")
        if engage and granted and not before.drives:
            assert obstacle is None and self.car.state is Engagement.ENGAGED
        if not engage:
            assert not self.car.state.drives
        self.asked = engage and granted

    @rule(what=st.sampled_from(["crc", "nan", "old", "ahead", "jump", "foreign", "again", "reverse", "fine"]))
    def a_plan_comes(self, what: str) -> None:
        car, points = self.car, np.array(self.car.points())
        if what == "nan":
            points[7, 1] = np.nan
        elif what == "jump":
            points[:, 1] += 1.0
        elif what == "reverse":
            points[:, 3] = -2.0
        ages = {"old": 700 * MS, "ahead": -50 * MS}
        plan = car.plan(ages.get(what, 0), points, policy="other" if what == "foreign" else "digest")
        fault = car.give(replace(plan, crc=1) if what == "crc" else plan)
        if what == "again":
            fault = car.give(plan)
        assert fault is not None or what in ("jump", "foreign", "fine")
        assert fault is not None or what == "fine" or not car.state.drives

    @rule(late_ms=st.integers(300, 520), count=st.integers(1, 8), bad=st.booleans())
    def plans_come_late_by_turns_with_bad_ones(self, late_ms: int, count: int, bad: bool) -> None:
        """About the thresholds, with stamps that creep."""
        for i in range(count):
            self.car.give(age_ns=late_ms * MS - i)
            if bad:
                self.car.give(replace(self.car.plan(), crc=1))
            self.step()

    @rule(ticks=st.integers(1, 15), plan=st.booleans())
    def odometry_stays_away(self, ticks: int, plan: bool) -> None:
        for _ in range(ticks):
            self.step(odometry=False)
        if plan:
            self.car.give()
        self.step()

    @rule(name=st.sampled_from(["brake_pressed", "driver_torque", "cancel_button"]), gas=st.booleans())
    def the_driver_takes_over(self, name: str, gas: bool) -> None:
        value = {"brake_pressed": 1.0, "driver_torque": -3.01, "cancel_button": 1.0}[name]
        if self.car.state.drives:
            self.car.tick(**{name: value, "throttle": 0.9 if gas else 0.0})
            assert not self.car.state.drives and not self.car.pilot.status(self.car.at).steer_request

    @rule(accel=st.sampled_from([-3.0, -1.0]), seconds=st.sampled_from([0.5, 4.0]))
    def the_car_slows_down(self, accel: float, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            self.car.speed = max(self.car.speed + accel * 0.01, 0.0)
            self.step(speed=self.car.speed) if "speed" not in self.car.lasting else self.step()

    @rule(flaps=st.integers(1, 6))
    def a_planner_or_a_component_flaps(self, flaps: int) -> None:
        before = (self.car.planners, self.car.health)
        for i in range(flaps):
            self.car.planners, self.car.health = ((2, "/policy, /player"), 2) if i % 2 == 0 else before
            self.step()
        self.car.planners, self.car.health = before
        self.step()
        assert not self.car.state.drives or self.car.state is Engagement.EMERGENCY

    @rule(level=st.sampled_from([0, 1, 2, None]))
    def a_component_falls_ill(self, level: int | None) -> None:
        self.car.health = level

    @rule(planners=st.sampled_from([(1, "/policy"), (2, "/policy, /player"), (0, ""), (1, "/player")]))
    def planners_change(self, planners: tuple[int, str]) -> None:
        self.car.planners = planners

    @rule(works=st.booleans())
    def the_bus_changes(self, works: bool) -> None:
        self.bus.works = works
        self.step()

    @rule(step_ms=st.sampled_from([-5000, -30, 0, 40, 3600_000]), steady_ms=st.sampled_from([0, 10, 1000]))
    def a_clock_steps_or_the_process_stands(self, step_ms: int, steady_ms: int) -> None:
        before = self.car.state
        self.step(step_ns=step_ms * MS, steady_step_ns=steady_ms * MS)
        stepped = step_ms <= 0 or abs(step_ms - steady_ms) > 20 or steady_ms > 100
        assert not (before.drives and stepped and self.car.state.drives), "what has no age was driven by"

    @rule(late_ms=st.sampled_from([-30, 50, 150]))
    def a_state_is_late(self, late_ms: int) -> None:
        self.step(late_ns=late_ms * MS)

    @rule(offset=st.floats(-1.5, 1.5), speed=st.sampled_from([0.0, 3.0, 10.0, 36.5]))
    def the_car_is_elsewhere(self, offset: float, speed: float) -> None:
        self.car.y, self.car.speed = offset, speed
        self.step()

    @invariant()
    def the_counts_add_up(self) -> None:
        if not hasattr(self, "car"):
            return
        machine = self.car.pilot.engagement
        ends = sum(machine.disengagements.values()) + sum(n for cause, n in machine.overrides.items() if cause != "driver_gas")
        assert machine.engagements - self.car.state.drives <= ends
        status = self.car.status
        assert status.engagement is machine.state and (status.reason or machine.state in (Engagement.READY, Engagement.ENGAGED))


QUICK = settings(max_examples=30, stateful_step_count=30, deadline=None, derandomize=True, database=None)
TestPermission = Permission.TestCase
TestPermission.settings = QUICK


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_permission_for_long() -> None:
    run_state_machine_as_test(Permission, settings=settings(QUICK, max_examples=600, stateful_step_count=50))
