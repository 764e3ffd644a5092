"""Whole drives without images on the crossing: the expert drives, the baseline does not, and whoever fails has an outcome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.errors import InputError
from heron_core.vehicle import VehicleState
from heron_sim.config import RouteConfig, ScenarioConfig, TrafficConfig
from heron_sim.driving.baseline import kinematic
from heron_sim.driving.episode import Episode, Planner, drive_episode, run_episode
from heron_sim.driving.expert import Expert
from heron_sim.driving.explain import Reason
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.router import plan_route
from heron_sim.roads.simple import cross_town
from heron_sim.truth import Truth

CAR = LoopCar.load(Path(__file__).parents[3] / "config/vehicle/demo")
ALONE = TrafficConfig(cars=0, trucks=0, bicycles=0, pedestrians=0)
TOWN = cross_town()
LATENCY_S = 0.1


def _drive(policy: str | Planner = "expert", seconds: float = 34.0, turn: Manoeuvre = Manoeuvre.LEFT, start_mps: float = 8.0) -> Episode:
    route = RouteConfig(turns=(turn,), length_m=200.0, start_speed_mps=start_mps)
    scenario = ScenarioConfig(seconds=seconds, traffic=ALONE, route=route)
    return drive_episode(CAR, TOWN, plan_route(TOWN.network, route, 1), scenario, 1, LATENCY_S, policy)


@pytest.fixture(scope="module")
def expert() -> Episode:
    return _drive()


def test_the_expert_drives_through_control_gate_and_bus(expert: Episode) -> None:
    assert expert.failures == ()
    assert expert.passed
    assert expert.driving.distance_m > 110.0
    assert expert.refused == {}
    assert [change.kind for _, change in expert.changes] == ["engagement"]
    assert expert.driving.comfort.lat_accel_mps2 < 2.2
    said = [explanation.reason for _, explanation in expert.explanations]
    assert Reason.SLOW_RED in said
    assert Reason.TURN in said
    assert len(said) < 20


def test_the_same_arguments_give_the_same_bits(expert: Episode) -> None:
    short = [_drive(seconds=6.0) for _ in range(2)]
    assert short[0].digest == short[1].digest
    assert np.array_equal(short[0].track, expert.track[: len(short[0].track)])


def test_the_baseline_leaves_the_road() -> None:
    episode = _drive("kinematic", seconds=20.0)
    assert not episode.passed
    assert episode.driving.off_road_s + episode.driving.wrong_lane_s > 0.0 or episode.driving.red_lights_run


def test_a_policy_that_crashes_is_a_failed_run() -> None:
    def crash(truth: Truth, state: VehicleState) -> None:
        if truth.time_s > 3.0:
            raise RuntimeError("out of memory")
        return kinematic(truth, state)  # type: ignore[return-value]

    episode = _drive(crash, seconds=30.0, start_mps=4.0)
    assert episode.failures[0].startswith("the policy crashed: RuntimeError at 3.1 s: out of memory")
    assert episode.seconds < 30.0  # it stands, and nothing more comes
    assert episode.track[-1, 4] < 0.05


@pytest.mark.parametrize("what", [None, np.zeros((40, 3), np.float32), np.full((40, 4), np.nan, np.float32)], ids=["nothing", "wrong shape", "nan"])
def test_a_policy_without_plans_never_engages(what: np.ndarray | None) -> None:
    episode = _drive(lambda truth, state: what, seconds=30.0, start_mps=0.0)
    assert not episode.passed
    assert episode.seconds < 12.0
    assert any(text.startswith(("never engaged", "the policy crashed")) for text in episode.failures)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(InputError, match="no policy 'magic'"):
        run_episode(CAR, Path(), ScenarioConfig(), 1, LATENCY_S, "magic")


def test_a_custom_policy_may_be_the_expert() -> None:
    route = plan_route(TOWN.network, RouteConfig(length_m=200.0), 1)
    driver = Expert(TOWN, route, CAR.model, CAR.limits)
    scenario = ScenarioConfig(seconds=5.0, traffic=ALONE, route=RouteConfig(length_m=200.0, start_speed_mps=5.0))
    assert drive_episode(CAR, TOWN, route, scenario, 1, LATENCY_S, lambda truth, state: driver.plan(truth)).driving.distance_m > 20.0
