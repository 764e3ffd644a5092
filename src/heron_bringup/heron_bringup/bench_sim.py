"""How fast the simulated world is: pictures through the lenses and for a policy, and drives without pictures."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from heron_bringup.drive.budget import load_budget
from heron_bringup.paths import config_folder
from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.errors import HeronError
from heron_core.rig import load_rig
from heron_sim.drawing.bench import sets_per_s
from heron_sim.driving.episode import run_episode
from heron_sim.scenario import lasting, load_scenario

SMALL, LARGE, POLICY = (640, 400), (1920, 1280), (160, 96)
WARM_UP_S, DRIVE_S, SEED = 3.0, 60.0, 1


class SimBenchError(HeronError):
    """The measured drive ended before its time."""

    is_failure = True


def run() -> dict[str, Any]:
    """The `sim` keys of `bench.json`: seven pictures on all cores; a drive of 60 s on one."""
    vehicle = config_folder() / "vehicle" / "demo"
    speeds = sets_per_s(load_rig(vehicle / "rig.yaml"), (SMALL, LARGE), POLICY)
    small, large, policy = (f"{width}x{height}" for width, height in (SMALL, LARGE, POLICY))
    figures = {
        "cores": len(os.sched_getaffinity(0)),
        "sets_per_s": round(speeds[f"sets_per_s.{small}"], 2),
        "policy_sets_per_s": round(speeds[f"sets_per_s.policy_{policy}"], 2),
        "sets_per_s_1920x1280": round(speeds[f"sets_per_s.{large}"], 3),
        "pixel_cost_ratio_1920x1280": round(speeds[f"ns_per_pixel.{large}"] / speeds[f"ns_per_pixel.{small}"], 3),
    }
    return {"sim": figures | drive_figures(vehicle, DRIVE_S)}


def drive_figures(vehicle: Path, seconds: float) -> dict[str, float]:
    """How many times faster than real time the expert drives the default scenario without pictures, and what the town before it costs.

    Raises:
        SimBenchError: the drive ended early, so that nothing was measured.
    """
    car, town = LoopCar.load(vehicle), load_scenario("town", config_folder() / "scenario")
    config = lasting(town, seconds).config
    latency_s = load_budget(config_folder() / "budget.yaml").total_s
    run_episode(car, town.folder, lasting(town, WARM_UP_S).config, SEED, latency_s)  # compiles
    begin = time.perf_counter()
    town.build(SEED)
    built_s = time.perf_counter() - begin
    begin = time.perf_counter()
    episode = run_episode(car, town.folder, config, SEED, latency_s)
    wall_s = time.perf_counter() - begin
    if episode.seconds < seconds - 0.1:
        raise SimBenchError(f"the drive ended after {episode.seconds:g} of {seconds:g} s: {'; '.join(episode.failures)}")
    return {"headless_realtime_factor": round(seconds / wall_s, 1), "drive_wall_s": round(wall_s, 2), "town_s": round(built_s, 2)}
