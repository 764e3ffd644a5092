"""Which way a training drive takes: some are chosen for a change of lane, which is rare on ways as they come."""

from __future__ import annotations

from pathlib import Path

import pytest

from heron_model.town import make, scenes
from heron_model.town.config import TownDataConfig
from heron_model.town.scenes import CHANGE_WITHIN_M, draw_route, draw_scenario
from heron_sim.config import RouteConfig
from heron_sim.roads.generate import generate_town
from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.route import Route
from heron_sim.roads.router import plan_route

VEHICLE = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
SEEDS = range(100_000, 100_006)


@pytest.fixture(scope="module")
def networks() -> dict[int, RoadNetwork]:
    return {seed: generate_town(draw_scenario(seed, 60.0).town, seed).network for seed in SEEDS}


def soon_changes(route: Route) -> bool:
    return any(turn.change_m is not None and turn.change_m < CHANGE_WITHIN_M for turn in route.turns)


def same(one: Route, other: Route) -> bool:
    return (one.lanes, one.starts_m, one.turns) == (other.lanes, other.starts_m, other.turns)


def test_ways_chosen_for_a_change_have_one(networks: dict[int, RoadNetwork]) -> None:
    chosen = {seed: draw_route(network, RouteConfig(), seed, 1.0) for seed, network in networks.items()}
    drawn = {seed: plan_route(network, RouteConfig(), seed) for seed, network in networks.items()}
    assert sum(map(soon_changes, chosen.values())) > sum(map(soon_changes, drawn.values())) + 2
    for seed, route in chosen.items():  # where no way changes lane soon, and where the drawn one does, it is the drawn one
        if not soon_changes(route) or soon_changes(drawn[seed]):
            assert same(route, drawn[seed])


def test_without_a_share_every_way_is_as_drawn(networks: dict[int, RoadNetwork]) -> None:
    for seed, network in networks.items():
        assert same(draw_route(network, RouteConfig(), seed, 0.0), plan_route(network, RouteConfig(), seed))


def test_as_many_are_chosen_as_the_share_says(networks: dict[int, RoadNetwork], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(scenes, "plan_route", lambda network, config, seed: asked.append(seed) or plan_route(networks[SEEDS[0]], config, SEEDS[0]))
    monkeypatch.setattr(scenes, "CHANGE_WITHIN_M", 0.0)  # none is found, so all are tried
    for seed in range(200_000, 200_020):
        draw_route(networks[SEEDS[0]], RouteConfig(), seed, 0.3)
    chosen = (len(asked) - 20) / scenes.WAYS
    assert 2 <= chosen <= 11


def test_a_training_drive_takes_the_chosen_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken: list[Route] = []

    def remember(car: object, town: object, route: Route, *more: object) -> object:
        taken.append(route)
        raise KeyboardInterrupt

    monkeypatch.setattr(make, "record_drive", remember)
    for share in (0.0, 1.0):
        for seed in SEEDS[:3]:
            with pytest.raises(KeyboardInterrupt):
                make.make_drive(tmp_path, VEHICLE, TownDataConfig(change_share=share), seed)
    assert sum(map(soon_changes, taken[3:])) > sum(map(soon_changes, taken[:3]))
