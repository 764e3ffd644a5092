"""A policy at the wheel of a training drive: what it gets into is what the expert is then asked about (DAgger)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_core.rig import load_rig
from heron_core.truth import Truth
from heron_core.vehicle import Signal, VehicleState
from heron_sim.config import ScenarioConfig
from heron_sim.driving.policy_driver import PolicyDriver
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town

PLANS_AT = (0, 2)  # of every five moments of 100 ms: fewer pictures, and the frame half a second before is always there


class WorldPolicy:
    """Asks a policy folder about two moments in five."""

    def __init__(self, folder: Path, vehicle: Path, town: Town, route: Route, scenario: ScenarioConfig, seed: int) -> None:
        """For one drive.

        Raises:
            PolicyError: the folder cannot be used.
        """
        self._driver = PolicyDriver.of(folder, load_rig(vehicle / "rig.yaml"), town, route, scenario.weather, seed)
        self._calls = 0

    def plan(self, truth: Truth) -> NDArray[np.float32] | None:
        """(40, 4) in base_link, or None: the last one still counts."""
        ego = truth.ego
        values = {"speed": ego.speed_mps, "yaw_rate": ego.yaw_rate_rps, "accel_x": ego.accel_mps2}
        state = VehicleState(truth.stamp_ns, {name: Signal(value, 0, True) for name, value in values.items()})
        self._driver.add_state(state)
        moment, self._calls = self._calls % 5, self._calls + 1
        return self._driver(truth, state) if moment in PLANS_AT else None
