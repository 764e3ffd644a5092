"""Which world each training drive takes place in: drawn from its seed, over everything that a scenario may say."""

from __future__ import annotations

import numpy as np

from heron_sim.config import RouteConfig, ScenarioConfig, TownConfig, TrafficConfig, WeatherConfig
from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.route import Route
from heron_sim.roads.router import plan_route

PART, ROUTE_PART = 501, 507  # of the random numbers
CHANGE_WITHIN_M = 150.0  # a change of lane comes so soon on a way that is chosen for it
WAYS = 24  # are tried in a town; few ways change lane at all, and then mostly later
OTHER_WAY = 1_000_003  # between their seeds


def draw_scenario(seed: int, seconds: float) -> ScenarioConfig:
    """The scenario of a training drive: mostly clear days as on a test drive, some of everything else."""
    rng = np.random.default_rng([seed, PART])
    busy = rng.random()
    cars = 0 if busy < 0.12 else int(rng.integers(2, 32))
    lead = bool(cars and rng.random() < 0.45)
    light = "day" if rng.random() < 0.93 else "dusk"
    sky = str(rng.choice(["clear", "overcast", "rain"], p=[0.8, 0.15, 0.05]))
    return ScenarioConfig(
        title="a training drive",
        seconds=seconds,
        town=TownConfig(signals=float(rng.uniform(0.5, 1.0)), curvy=float(rng.uniform(0.2, 1.0)), block_m=float(rng.uniform(95.0, 165.0))),
        weather=WeatherConfig(light=light, sky=sky, sun_azimuth_deg=float(rng.uniform(-180.0, 180.0))),  # type: ignore[arg-type]
        traffic=TrafficConfig(
            cars=cars,
            trucks=int(rng.integers(0, 4)) if cars else 0,
            bicycles=int(rng.integers(0, 6)) if cars else 0,
            pedestrians=int(rng.integers(0, 32)),
            lead_car=lead,
            lead_stops_s=float(rng.uniform(4.0, 40.0)) if lead and rng.random() < 0.6 else None,
        ),
        route=RouteConfig(start_speed_mps=float(rng.choice([0.0, 4.0, 7.0, 10.0]))),
    )


def draw_route(network: RoadNetwork, config: RouteConfig, seed: int, change_share: float) -> Route:
    """The way of a training drive.

    Args:
        network: of the town.
        config: of the scenario.
        seed: of the drive.
        change_share: probability that it is chosen among `WAYS` of the town for a change of lane within `CHANGE_WITHIN_M`; where none has one,
            and otherwise, it is drawn as in every drive.
    """
    if np.random.default_rng([seed, ROUTE_PART]).random() < change_share:
        for number in range(WAYS):
            route = plan_route(network, config, seed + number * OTHER_WAY)
            if any(turn.change_m is not None and turn.change_m < CHANGE_WITHIN_M for turn in route.turns):
                return route
    return plan_route(network, config, seed)
