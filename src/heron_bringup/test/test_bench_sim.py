"""The world's benchmark measures what it says."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from heron_bringup import bench, bench_sim
from heron_bringup.bench_sim import SimBenchError, drive_figures
from heron_bringup.paths import config_folder

VEHICLE = config_folder() / "vehicle" / "demo"


def drives(monkeypatch: pytest.MonkeyPatch, share: float = 1.0) -> list[float]:
    """Drives take 2 ms per simulated second, and last `share` of their time; the list takes how long each was to last."""
    asked: list[float] = []

    def run_episode(car: object, folder: Path, config: Any, seed: int, latency_s: float) -> SimpleNamespace:
        asked.append(config.seconds)
        time.sleep(0.002 * config.seconds)
        return SimpleNamespace(seconds=share * config.seconds, failures=("stuck",))

    monkeypatch.setattr(bench_sim, "run_episode", run_episode)
    return asked


def test_the_factor_is_simulated_over_real_time_without_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = drives(monkeypatch)
    found = drive_figures(VEHICLE, 30.0)
    assert asked == [3.0, 30.0]
    assert 200.0 < found["headless_realtime_factor"] <= 500.0
    assert found["drive_wall_s"] == pytest.approx(0.06, abs=0.05)
    assert found["town_s"] > 0.0


def test_a_drive_that_ends_early_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    drives(monkeypatch, share=0.5)
    with pytest.raises(SimBenchError, match=r"the drive ended after 15 of 30 s: stuck"):
        drive_figures(VEHICLE, 30.0)


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
