"""How fast the simulated world is: pictures through the lenses and for a policy, and drives without pictures."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from heron_bringup.drive.budget import load_budget
from heron_bringup.paths import config_folder
from heron_core.rig import load_rig
from heron_sim.drawing.bench import sets_per_s
from heron_sim.driving.bench import measured
from heron_sim.scenario import lasting, load_scenario

SMALL, LARGE, POLICY = (640, 400), (1920, 1280), (160, 96)
DRIVE_S, SEED = 60.0, 1


def run() -> dict[str, Any]:
    """The `sim` keys of `bench.json`: seven pictures on all cores; drives of 60 s in one process, and in one on each core."""
    vehicle = config_folder() / "vehicle" / "demo"
    speeds = sets_per_s(load_rig(vehicle / "rig.yaml"), (SMALL, LARGE), POLICY)
    small, large, policy = (f"{width}x{height}" for width, height in (SMALL, LARGE, POLICY))
    cores = len(os.sched_getaffinity(0))
    figures = {
        "cores": cores,
        "sets_per_s": round(speeds[f"sets_per_s.{small}"], 2),
        "policy_sets_per_s": round(speeds[f"sets_per_s.policy_{policy}"], 2),
        "sets_per_s_1920x1280": round(speeds[f"sets_per_s.{large}"], 3),
        "pixel_cost_ratio_1920x1280": round(speeds[f"ns_per_pixel.{large}"] / speeds[f"ns_per_pixel.{small}"], 3),
    }
    return {"sim": figures | drive_figures(vehicle, DRIVE_S, cores)}


def drive_figures(vehicle: Path, seconds: float, cores: int) -> dict[str, float]:
    """Simulated over real time of the default scenario without pictures; making the town and its traffic counts, starting processes does not.

    `headless_realtime_factor`: the simulator: expert, traffic, sensors, CAN frames, plant, judge, with plans carried out ideally.
    `headless_loop_realtime_factor`: the same with Heron's decoding, odometry, control and gate in the loop, 100 times a second.
    Both with a process on each core, all of them together; `…_one_process`: of one alone.
    `…_cpu_share…`: CPU over wall time of the processes: below 0.9 the machine was busy, and the factor is too small.

    Raises:
        DriveBenchError: a drive ended early, so that nothing was measured.
    """
    latency_s = load_budget(config_folder() / "budget.yaml").total_s
    town = load_scenario("town", config_folder() / "scenario")
    begin = time.perf_counter()
    town.build(SEED)
    found = {"town_s": round(time.perf_counter() - begin, 2)}
    for name, latency in (("headless", None), ("headless_loop", latency_s)):
        for which, processes in (("", cores), ("_one_process", 1)):
            speed = measured(vehicle, lasting(town, seconds), SEED, processes, latency)
            found[f"{name}_realtime_factor{which}"] = round(speed.factor, 1)
            found[f"{name}_cpu_share{which}"] = round(speed.cpu_share, 2)
    found["drive_wall_s"] = round(speed.wall_s, 2)
    return found
