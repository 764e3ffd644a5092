"""Every way in which a plan can be wrong is rejected with its reason and counted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from heron_control.plan_check import REASONS, PlanCheck
from heron_core.limits import Limits
from heron_core.stages import Stages
from heron_core.trajectory import TIMES_S, Trajectory

NOW = 10_000_000_000
Points = NDArray[np.float32]


def straight(speed: float = 10.0) -> Points:
    points = np.stack([speed * TIMES_S, 0 * TIMES_S, 0 * TIMES_S, speed + 0 * TIMES_S], axis=1)
    return np.asarray(points, dtype=np.float32)


def plan(points: Points | None = None, stamp_ns: int = NOW) -> Trajectory:
    return Trajectory.make(stamp_ns, straight() if points is None else points, 1, "p", Stages())


def at(row: int, column: int, value: float) -> Points:
    points = straight()
    points[row, column] = value
    return points


@pytest.mark.parametrize("speed", [0.0, 0.1, 10.0, 38.0])
def test_a_motion_of_a_car_is_accepted(limits: Limits, speed: float) -> None:
    assert PlanCheck(limits).fault(plan(straight(speed)), NOW) is None


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (plan(at(3, 0, np.nan)), "malformed: not finite"),
        (plan(at(39, 3, np.inf)), "malformed: not finite"),
        (plan(straight()[:39]), "malformed: 39 points"),
        (dataclasses.replace(plan(), crc=1), "malformed: CRC"),
        (dataclasses.replace(plan(), stamp_ns=NOW - 1), "malformed: CRC"),
        (plan(stamp_ns=NOW + 20_000_001), "future: stamped 20 ms"),
        (plan(stamp_ns=NOW - 500_000_001), "stale: 500 ms old"),
        (plan(straight(61.0)), "implausible: speed"),
        (plan(straight(-1.0)), "implausible: speed"),
        (plan(at(20, 3, 12.0)), "implausible: speed jumps"),
        (plan(at(20, 2, 0.3)), "implausible: yaw turns"),
        (plan(at(0, 0, 30.0)), "implausible: points lie apart"),
        (plan(at(20, 1, 5.0)), "implausible: points lie apart"),
        (plan(straight()[::-1].copy()), "implausible: points lie apart"),
    ],
)
def test_what_is_wrong_is_rejected_with_its_reason(limits: Limits, wrong: Trajectory, reason: str) -> None:
    check = PlanCheck(limits)
    text = check.fault(wrong, NOW)
    assert text is not None and text.startswith(reason)
    assert check.rejected == {name: int(name == reason.split(":")[0]) for name in REASONS}


@pytest.mark.parametrize("late_ns", [20_000_000, -500_000_000])
def test_the_ends_of_the_allowed_age_are_allowed(limits: Limits, late_ns: int) -> None:
    assert PlanCheck(limits).fault(plan(stamp_ns=NOW + late_ns), NOW) is None


def test_duplicated_and_reordered_plans_are_rejected(limits: Limits) -> None:
    check = PlanCheck(limits)
    assert check.fault(plan(), NOW) is None
    for stamp_ns in (NOW, NOW - 100_000_000):
        text = check.fault(plan(stamp_ns=stamp_ns), NOW)
        assert text is not None and text.startswith("out_of_order")
    assert check.fault(plan(stamp_ns=NOW + 1), NOW) is None
    check.reset()
    assert check.fault(plan(), NOW) is None


def test_a_refused_plan_does_not_move_the_order(limits: Limits) -> None:
    check = PlanCheck(limits)
    assert check.fault(plan(at(1, 1, np.nan), NOW), NOW) is not None
    assert check.fault(plan(stamp_ns=NOW - 1), NOW) is None


def test_yaw_may_pass_half_a_turn(limits: Limits) -> None:
    def circle(rate: float) -> Points:
        yaw, radius = rate * TIMES_S, 2.0 / rate
        wrapped = np.angle(np.exp(1j * yaw))
        points = np.stack([radius * np.sin(yaw), radius * (1 - np.cos(yaw)), wrapped, 2 + 0 * yaw], axis=1)
        return np.asarray(points, dtype=np.float32)

    assert PlanCheck(limits).fault(plan(circle(1.0)), NOW) is None
    assert PlanCheck(limits).fault(plan(circle(1.7)), NOW) is not None
