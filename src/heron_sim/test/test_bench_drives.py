"""Drives are timed in processes of their own, all at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from heron_sim.config import RouteConfig, ScenarioConfig, TownConfig
from heron_sim.driving import bench
from heron_sim.driving.bench import DriveBenchError, Speed, measured
from heron_sim.scenario import Scenario

pytestmark = pytest.mark.alone

VEHICLE = Path(__file__).parents[3] / "config/vehicle/demo"


def _scenario(seconds: float = 2.0) -> Scenario:
    config = ScenarioConfig(seconds=seconds, town=TownConfig(blocks=3), route=RouteConfig(length_m=150.0, start_speed_mps=7.0))
    return Scenario("small", config, Path())


def test_two_processes_drive_at_once_and_time_is_from_when_both_are_ready() -> None:
    begin = time.perf_counter()
    speed = measured(VEHICLE, _scenario(), 1, 2, 0.1)
    assert speed.simulated_s == 4.0
    assert 0.0 < speed.cpu_share < 1.1
    assert 0.0 < speed.wall_s < time.perf_counter() - begin
    assert speed.factor == pytest.approx(4.0 / speed.wall_s)


def test_a_drive_that_ends_early_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_drive", lambda *given: (1.0, "stuck"))
    with pytest.raises(DriveBenchError, match=r"small, seed 3: the drive ended after 1 of 2 s: stuck"):
        bench._timed(VEHICLE, _scenario(), 3, 0.1)


def test_the_factor_is_simulated_over_real_time() -> None:
    assert Speed(120.0, 2.0).factor == 60.0
