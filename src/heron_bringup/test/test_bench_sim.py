"""The world's benchmark measures what it says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from heron_bringup import bench, bench_sim
from heron_bringup.bench_sim import drive_figures
from heron_bringup.paths import config_folder
from heron_sim.driving.bench import Speed
from heron_sim.scenario import Scenario

VEHICLE = config_folder() / "vehicle" / "demo"


def drives(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, int, bool]]:
    """A drive takes 20 ms per simulated second with control and 10 without; the list takes what was asked for."""
    asked: list[tuple[str, float, int, bool]] = []

    def measured(vehicle: Path, scenario: Scenario, seed: int, processes: int, latency_s: float | None) -> Speed:
        seconds = scenario.config.seconds
        asked.append((scenario.name, seconds, processes, latency_s is not None))
        return Speed(seconds * processes, (0.01 if latency_s is None else 0.02) * seconds)

    monkeypatch.setattr(bench_sim, "measured", measured)
    return asked


def test_factors_are_of_all_cores_and_of_one_process_with_and_without_control(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = drives(monkeypatch)
    found = drive_figures(VEHICLE, 30.0, 3)
    assert asked == [("town", 30.0, 3, False), ("town", 30.0, 1, False), ("town", 30.0, 3, True), ("town", 30.0, 1, True)]
    assert (found["headless_realtime_factor"], found["headless_realtime_factor_one_process"]) == (300.0, 100.0)
    assert (found["headless_loop_realtime_factor"], found["headless_loop_realtime_factor_one_process"]) == (150.0, 50.0)
    assert found["drive_wall_s"] == 0.6
    assert found["town_s"] > 0.0


def test_keys_of_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    def sets(rig: Any, sizes: Any, policy: Any) -> Mapping[str, float]:
        assert len(rig.cameras) == 7
        assert (tuple(sizes), policy) == (((640, 400), (1920, 1280)), (160, 96))
        speeds = {"640x400": 6.0, "1920x1280": 0.75, "policy_160x96": 40.0}
        costs = {"640x400": 100.0, "1920x1280": 90.0, "policy_160x96": 130.0}
        return {f"sets_per_s.{k}": v for k, v in speeds.items()} | {f"ns_per_pixel.{k}": v for k, v in costs.items()}

    monkeypatch.setattr(bench_sim, "sets_per_s", sets)
    drives(monkeypatch)
    found = bench.bench("sim")()["sim"]
    assert (found["sets_per_s"], found["policy_sets_per_s"], found["pixel_cost_ratio_1920x1280"]) == (6.0, 40.0, 0.9)
    assert found["headless_realtime_factor"] > 100.0
