"""Every way in which a plan can be wrong is rejected with its reason and counted."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heron_control.plan_check import REASONS, PlanCheck, Reference, distance_across
from heron_core.clock import Instant
from heron_core.limits import Limits
from heron_core.se2 import SE2
from heron_core.stages import Stages
from heron_core.trajectory import TIMES_S, Trajectory

NOW = 10_000_000_000
AT = Instant(NOW, NOW)
Points = NDArray[np.float32]


def straight(speed: float = 10.0) -> Points:
    points = np.stack([speed * TIMES_S, 0 * TIMES_S, 0 * TIMES_S, speed + 0 * TIMES_S], axis=1)
    return np.asarray(points, dtype=np.float32)


def plan(points: Points | None = None, stamp_ns: int = NOW, sequence: int = 1, policy: str = "p") -> Trajectory:
    return Trajectory.make(stamp_ns, straight() if points is None else points, sequence, policy, Stages())


def at(row: int, column: int, value: float) -> Points:
    points = straight()
    points[row, column] = value
    return points


def backward() -> Points:
    points = straight(2.0)
    points[:, 0] = -points[:, 0]
    return points


def sideways(speed: float, angle: float) -> Points:
    """Heads ahead and goes elsewhere, as no rear axle does."""
    points = straight(speed)
    points[:, 0], points[:, 1] = speed * np.cos(angle) * TIMES_S, speed * np.sin(angle) * TIMES_S
    return points


def circle(rate: float, speed: float = 2.0) -> Points:
    yaw, radius = rate * TIMES_S, speed / rate
    wrapped = np.angle(np.exp(1j * yaw))
    return np.asarray(np.stack([radius * np.sin(yaw), radius * (1 - np.cos(yaw)), wrapped, speed + 0 * yaw], axis=1), dtype=np.float32)


@pytest.mark.parametrize("speed", [0.0, 0.1, 2.8, 10.0])
def test_a_plan_may_begin_beside_the_car(limits: Limits, speed: float) -> None:
    points = straight(speed)
    points[:, 1] += 0.4
    assert PlanCheck(limits).fault(plan(points), AT) is None


@pytest.mark.parametrize("speed", [0.0, 0.1, 10.0, 38.0])
def test_a_motion_of_a_car_is_accepted(limits: Limits, speed: float) -> None:
    assert PlanCheck(limits).fault(plan(straight(speed)), AT) is None


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (plan(at(3, 0, np.nan)), "malformed: not finite"),
        (plan(at(39, 3, np.inf)), "malformed: not finite"),
        (plan(at(0, 2, -np.inf)), "malformed: not finite"),
        (plan(straight()[:39]), "malformed: 39 points"),
        (plan(straight()[:5]), "malformed: 5 points"),
        (plan(np.zeros((0, 4), dtype=np.float32)), "malformed: 0 points"),
        (plan(np.vstack([straight(), straight()])), "malformed: 80 points"),
        (dataclasses.replace(plan(), crc=1), "malformed: CRC"),
        (dataclasses.replace(plan(), stamp_ns=NOW - 1), "malformed: CRC"),
        (dataclasses.replace(plan(), sequence=2), "malformed: CRC"),
        (plan(stamp_ns=NOW + 20_000_001), "future: stamped 20 ms"),
        (plan(stamp_ns=NOW - 500_000_001), "stale: 500 ms old"),
        (plan(straight(-1.0)), "reverse: speed -1.0"),
        (plan(backward()), "reverse: 0.2 m backward"),
        (plan(straight(61.0)), "implausible: speed"),
        (plan(at(20, 3, 12.0)), "implausible: speed jumps"),
        (plan(at(20, 2, 0.3)), "implausible: yaw turns"),
        (plan(at(0, 0, 30.0)), "reverse: 28.0 m backward"),
        (plan(at(20, 1, 5.0)), "implausible: points lie apart"),
        (plan(sideways(10.0, 1.0)), "implausible: points lie beside"),
        (plan(sideways(30.0, -0.5)), "implausible: points lie beside"),
        (plan(straight()[::-1].copy()), "reverse: 1.0 m backward"),
    ],
)
def test_what_is_wrong_is_rejected_with_its_reason(limits: Limits, wrong: Trajectory, reason: str) -> None:
    check = PlanCheck(limits)
    text = check.fault(wrong, AT)
    assert text is not None and text.startswith(reason)
    assert check.rejected == {name: int(name == reason.split(":")[0]) for name in REASONS}


@pytest.mark.parametrize("late_ns", [20_000_000, -500_000_000])
def test_the_ends_of_the_allowed_age_are_allowed(limits: Limits, late_ns: int) -> None:
    assert PlanCheck(limits).fault(plan(stamp_ns=NOW + late_ns), AT) is None


def test_duplicated_and_reordered_plans_are_rejected(limits: Limits) -> None:
    check = PlanCheck(limits)
    assert check.fault(plan(), AT) is None
    for wrong, reason in ((plan(), "duplicated"), (plan(sequence=2), "out_of_order"), (plan(stamp_ns=NOW - 100_000_000), "out_of_order")):
        assert str(check.fault(wrong, AT)).startswith(reason)
    assert check.fault(plan(stamp_ns=NOW + 1), AT) is None
    check.reset()
    assert check.fault(plan(), AT) is None


def test_a_refused_plan_does_not_move_the_order(limits: Limits) -> None:
    check = PlanCheck(limits)
    assert check.fault(plan(at(1, 1, np.nan), NOW), AT) is not None
    assert check.fault(plan(stamp_ns=NOW - 1), AT) is None


def test_yaw_may_pass_half_a_turn(limits: Limits) -> None:
    assert PlanCheck(limits).fault(plan(circle(1.0)), AT) is None
    assert str(PlanCheck(limits).fault(plan(circle(1.7)), AT)).startswith("implausible")


# One planner ----------------------------------------------------------------------------------------------------------------------------


def pinned(limits: Limits) -> PlanCheck:
    check = PlanCheck(limits)
    assert check.fault(plan(stamp_ns=NOW - 100_000_000, sequence=7), AT) is None
    check.pin()
    return check


@pytest.mark.parametrize("second", [{"sequence": 8, "policy": "q"}, {"sequence": 7}, {"sequence": 0}])
def test_the_pinned_planner_alone_is_followed(limits: Limits, second: dict[str, Any]) -> None:
    check = pinned(limits)
    assert str(check.fault(plan(**second), AT)).startswith("not_pinned") and check.foreign
    check.unpin()
    assert check.fault(plan(**second), AT) is None and not check.foreign


def test_late_copies_of_the_pinned_planner_are_no_second_one(limits: Limits) -> None:
    check = pinned(limits)
    for copy in (plan(stamp_ns=NOW - 100_000_000, sequence=7), plan(stamp_ns=NOW - 200_000_000, sequence=6)):
        assert check.fault(copy, AT) is not None
    assert not check.foreign and check.rejected["duplicated"] == check.rejected["out_of_order"] == 1
    assert check.fault(plan(sequence=8), AT) is None


def test_closed_takes_nobodys(limits: Limits) -> None:
    check = pinned(limits)
    check.closed = "why"
    assert check.fault(plan(sequence=8), AT) == "closed: why"


def test_two_policies_within_a_second_are_rivals(limits: Limits) -> None:
    check = PlanCheck(limits)
    check.fault(plan(), AT)
    assert check.rivals(NOW) == ""
    check.fault(plan(policy="q"), AT)
    assert check.rivals(NOW) == "plans of 2 policies" and check.rivals(NOW + 1_000_000_001) == ""


# Jumps ----------------------------------------------------------------------------------------------------------------------------------


def reference(speed: float = 10.0, age_s: float = 0.2) -> Reference:
    """A straight plan in use, made 0.1 s before; the car has followed it."""
    return Reference(plan(straight(speed), NOW - 300_000_000), SE2(speed * 0.1, 0.0, 0.0), SE2(speed * age_s, 0.0, 0.0), speed)


def swerve(across_m: float, after_s: float, length_s: float) -> Points:
    t = np.clip((TIMES_S - after_s) / length_s, 0.0, 1.0)
    points = straight().astype(np.float64)
    points[:, 1] = across_m * (10 * t**3 - 15 * t**4 + 6 * t**5)
    points[:, 2] = np.arctan2(np.gradient(points[:, 1]), 1.0)
    return points.astype(np.float32)


def braking(decel: float, speed: float = 10.0) -> Points:
    v = np.maximum(speed - decel * TIMES_S, 0.0)
    return np.stack([np.cumsum((np.concatenate([[speed], v[:-1]]) + v) / 2 * 0.1), 0 * v, 0 * v, v], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("points", "jumps"),
    [
        (straight(), None),
        (swerve(3.5, 0.0, 4.0), None),  # a lane change begins
        (swerve(1.0, 1.0, 3.0), None),
        (swerve(1.0, 0.0, 1.0), "across"),
        (swerve(-1.0, 0.0, 1.0), "across"),
        (braking(3.5), None),  # braking harder than before is no jump
        (braking(8.0), None),
        (straight(11.5), None),
        (straight(13.0), "m in 1 s from 10.0 m/s"),  # no car gets there
        (straight(16.0), "along, now"),
        (straight(4.0), "along, now"),
    ],
)
def test_jumps(limits: Limits, points: Points, jumps: str | None) -> None:
    fault = PlanCheck(limits).fault(plan(points, NOW - 200_000_000), AT, reference())
    assert fault is None if jumps is None else fault is not None and fault.startswith("jump: ") and jumps in fault


def test_a_turned_car_makes_no_jump(limits: Limits) -> None:
    rate, speed = 0.3, 10.0
    before, moved, car = circle(rate, speed), SE2(1.0, 0.015, 0.03), SE2(2.0, 0.06, 0.06)
    fine = Reference(plan(before, NOW - 300_000_000), moved, car, speed)
    assert PlanCheck(limits).fault(plan(circle(rate, speed), NOW - 200_000_000), AT, fine) is None
    assert "jump" in str(PlanCheck(limits).fault(plan(circle(-rate, speed), NOW - 200_000_000), AT, fine))


def test_beyond_the_end_of_the_path_in_use_only_the_car_counts(limits: Limits) -> None:
    gone = dataclasses.replace(reference(), moved=SE2(60.0, 0.0, 0.0))
    assert PlanCheck(limits).fault(plan(swerve(1.0, 0.0, 1.0), NOW - 200_000_000), AT, gone) is None
    assert "across" in str(PlanCheck(limits).fault(plan(stamp_ns=NOW - 200_000_000), AT, dataclasses.replace(gone, car=SE2(2.0, 0.6, 0.0))))


def test_a_plan_that_stands_has_no_path_to_leave(limits: Limits) -> None:
    stood = Reference(plan(straight(0.0), NOW - 300_000_000), SE2(), SE2(), 0.0)
    start = np.stack([0.75 * TIMES_S**2, 0 * TIMES_S, 0 * TIMES_S, 1.5 * TIMES_S], axis=1).astype(np.float32)
    assert PlanCheck(limits).fault(plan(start, NOW - 200_000_000), AT, stood) is None


def test_distance_across_a_corner() -> None:
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert distance_across(line, np.array([[0.5, 0.3], [0.7, 0.5]])) == pytest.approx(0.3)
    assert distance_across(line, np.array([[-1.0, 0.0], [1.0, 2.0]])) is None
    assert distance_across(np.zeros((5, 2)), np.array([[1.0, 1.0]])) is None
