"""Plans that are broken, jump, lie elsewhere or come from somebody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driven_car import SPEED, DrivenCar, requests

from heron_core.signals import Engagement, Ladder
from heron_core.trajectory import TIMES_S

MS = 1_000_000


def test_faulty_plans_are_as_good_as_none_and_name_the_cause(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    for _ in range(6):
        car.drive(0.1, plans=False)
        assert str(car.give(replace(car.plan(), crc=1))).startswith("malformed")
    assert car.state is Engagement.SOFT_STOP
    assert ("ladder", "plan_malformed") in car.told()


def shifted(car: DrivenCar, across: float = 0.0, along: float = 0.0, speed: float = SPEED) -> Any:
    points = np.array(car.points(speed))
    points[:, 1] += across * np.minimum(np.arange(1, 41) / 2.0, 1.0)
    points[:, 0] += along * np.minimum(np.arange(1, 41) / 3.0, 1.0)
    return points.astype(np.float32)


@pytest.mark.parametrize(
    ("change", "jumps"),
    [({"across": 0.6}, True), ({"across": -0.6}, True), ({"across": 0.4}, False), ({"along": 1.8}, True), ({"along": 0.6}, False)],
)
def test_a_plan_that_jumps_is_refused_while_driving(car: DrivenCar, change: dict[str, float], jumps: bool) -> None:
    car.engaged().drive(0.4)
    car.drive(0.25, plans=False)
    fault = car.give(car.plan(240 * MS, shifted(car, **change)))
    assert str(fault).startswith("jump") is jumps and (fault is None) is not jumps


def test_a_plan_that_jumps_is_taken_while_nobody_is_driven(car: DrivenCar) -> None:
    car.drive(0.35)
    assert car.give(car.plan(40 * MS, shifted(car, 0.6))) is None


def test_jumping_plans_lead_to_a_soft_stop_by_their_name(car: DrivenCar) -> None:
    car.engaged().drive(0.3)
    for _ in range(5):
        car.drive(0.1, plans=False)
        assert car.give(car.plan(50 * MS, shifted(car, 0.8))) is not None
    car.tick()
    assert car.state is Engagement.SOFT_STOP and car.told("ladder")[-1] == ("ladder", "plan_jump")


def test_a_car_away_from_its_plan_stops(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.y = 1.1
    car.tick()
    assert car.state is Engagement.EMERGENCY and car.told("ladder") == [("ladder", "plan_deviation")]


@pytest.mark.parametrize(("yaw", "rung"), [(0.45, Ladder.OK), (0.6, Ladder.WARN), (1.05, Ladder.EMERGENCY)])
def test_a_car_that_heads_elsewhere_warns_then_stops(car: DrivenCar, yaw: float, rung: Ladder) -> None:
    car.engaged()
    points = np.stack([0.01 * TIMES_S, 0 * TIMES_S, 0 * TIMES_S + yaw, 0.1 + 0 * TIMES_S], axis=1)
    car.pilot._plan._plan = car.plan()
    path = type(car.pilot._plan.path)(car.plan(points=points.astype(np.float32)), -1.0)  # type: ignore[misc]
    car.pilot._plan.path = path
    assert car.pilot._plan.deviation() is not None
    car.tick()
    assert car.status.ladder is rung


@pytest.mark.parametrize(
    "second",
    [
        pytest.param({"policy": "another"}, id="another policy"),
        pytest.param({"sequence": 1}, id="the same policy once more"),
    ],
)
def test_a_second_planner_is_not_followed_and_nobody_is_until_engaged_anew(car: DrivenCar, second: dict[str, Any]) -> None:
    car.obeys = True
    car.engaged().drive(0.35)
    assert str(car.give(car.plan(**second))).startswith("not_pinned")
    car.told()
    assert requests(car.tick()) and car.state is Engagement.EMERGENCY and car.told() == [("ladder", "planners")]
    assert str(car.give()).startswith("closed")
    car.drive(8.0)
    assert car.speed == 0.0 and car.state is Engagement.EMERGENCY
    car.drive(1.2)  # stands, and one plans alone
    assert car.pilot.request(True) == (True, "")
    car.tick()
    assert car.told("disengagement") == [("disengagement", "planners")]


def test_a_second_publisher_in_the_graph_stops_the_car(car: DrivenCar) -> None:
    car.engaged().drive(0.2)
    car.planners = (2, "/policy, /rosbag2_player")
    car.told()
    assert requests(car.tick()) and car.state is Engagement.EMERGENCY and car.told() == [("ladder", "planners")]
    assert str(car.give()).startswith("closed")
