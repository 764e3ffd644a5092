"""Changes of lane that come late: where they lead the car, and where they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heron_model.town import make
from heron_model.town.config import TownDataConfig
from heron_model.town.late import BEYOND_M, LATE_M, LateChanges
from heron_model.town.wander import Wander
from heron_sim.config import RouteConfig, TownConfig
from heron_sim.roads.generate import generate_town
from heron_sim.roads.route import Route, Turn
from heron_sim.roads.router import plan_route
from heron_sim.roads.town import Town

VEHICLE = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
SEED = 6  # its route changes lane for the first turn
TRAINED = 100_003  # its route changes lane, too


@pytest.fixture(scope="module")
def town() -> Town:
    return generate_town(TownConfig(), SEED)


@pytest.fixture(scope="module")
def route(town: Town) -> Route:
    return plan_route(town.network, RouteConfig(), SEED)


@pytest.fixture(scope="module")
def turn(route: Route) -> Turn:
    return next(turn for turn in route.turns if turn.change_m is not None)


@pytest.mark.parametrize("seed", range(6))
def test_a_late_driver_stays_nearer_to_the_old_lane_than_the_route_is(town: Town, route: Route, turn: Turn, seed: int) -> None:
    late = LateChanges(town.network, route, seed, 1.0)
    assert turn.change_m is not None
    old = town.network.lanes[route.lane_at(turn.change_m - 1.0)[0]].line
    places = np.arange(turn.change_m, turn.begin_m, 2.0)
    poses = [route.line.at(float(s)) for s in places]
    route_m = np.array([abs(old.nearest(pose.x, pose.y)[1]) for pose in poses])
    beside_m = late.at(places)
    driven = zip(poses, beside_m, strict=True)
    driven_m = np.array([abs(old.nearest(pose.x - np.sin(pose.yaw) * left, pose.y + np.cos(pose.yaw) * left)[1]) for pose, left in driven])
    assert (driven_m < route_m + 0.02).all() and (route_m - driven_m).max() > 0.3
    assert driven_m[places < turn.change_m + LATE_M[0]].max() < 0.02  # however late it is, it has not begun here
    assert not late.at(np.arange(0.0, turn.change_m, 0.5)).any()


def test_however_late_the_new_lane_is_reached_soon_after_the_stop_line(town: Town, route: Route, turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heron_model.town.late.LATE_M", (80.0, 80.0))
    late = LateChanges(town.network, route, 0, 1.0)
    assert abs(late.at(turn.begin_m)) > 0.3
    assert abs(late.at(turn.begin_m + BEYOND_M)) < 0.1


def test_as_many_changes_are_late_as_the_share_says_each_by_another_way(town: Town, route: Route, turn: Turn) -> None:
    places = np.arange(0.0, turn.begin_m, 1.0)
    found = [LateChanges(town.network, route, seed, 0.5).at(places) for seed in range(60)]
    late = [each for each in found if each.any()]
    assert 18 <= len(late) <= 42
    assert len({round(float(np.abs(each).max()), 3) for each in late}) > 10
    assert not LateChanges(town.network, route, 3, 0.0).at(places).any()


def test_a_wandering_drive_is_late_on_top(town: Town, route: Route) -> None:
    late, places = LateChanges(town.network, route, 4, 1.0), np.arange(0.0, route.line.length_m, 0.5)
    both = Wander(4, route.line.length_m, 0.6, late).at(places)
    np.testing.assert_allclose(both, Wander(4, route.line.length_m, 0.6).at(places) + late.at(places), atol=1e-9)


def test_a_training_drive_is_led_by_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    led: list[Wander] = []

    def remember(*arguments: Any) -> Any:
        led.append(arguments[6])
        raise KeyboardInterrupt

    monkeypatch.setattr(make, "record_drive", remember)
    for share in (0.0, 1.0):
        with pytest.raises(KeyboardInterrupt):
            make.make_drive(tmp_path, VEHICLE, TownDataConfig(aside_m=0.0, late_share=share), TRAINED)
    places = np.arange(0.0, 500.0, 0.5)
    assert not led[0].at(places).any() and np.abs(led[1].at(places)).max() > 0.3
