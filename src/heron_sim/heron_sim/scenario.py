"""Scenarios: small yaml files that say in which town, weather and traffic to drive, and what a run must not do to pass."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path

from heron_core.errors import InputError
from heron_core.settings import from_mapping, load_yaml
from heron_sim.config import ScenarioConfig
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town


@dataclass(frozen=True)
class Scenario:
    """A scenario that was read.

    Attributes:
        name: of its file, without `.yaml`.
        config: what it says.
        path: of its file; other files are named relative to its folder.
    """

    name: str
    config: ScenarioConfig
    path: Path

    @property
    def folder(self) -> Path:
        """That its file lies in."""
        return self.path.parent

    def build(self, seed: int) -> tuple[Town, Route]:
        """The town and the way through it.

        Raises:
            InputError: the town's file cannot be read, or no route is possible.
        """
        from heron_sim.roads.load import load_town
        from heron_sim.roads.router import plan_route

        town_seed = seed if self.config.town.seed is None else self.config.town.seed
        town = load_town(self.config.town, town_seed, self.folder)
        return town, plan_route(town.network, self.config.route, seed)


def scenario_names(folder: Path) -> list[str]:
    """Names of the scenarios in a folder, in order.

    Raises:
        InputError: no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of scenarios")
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_scenario(name: str, folder: Path) -> Scenario:
    """A scenario by name, or by the path of its file.

    Args:
        name: of a file in `folder` without `.yaml`, or a path that ends in `.yaml`.
        folder: of the known scenarios.

    Raises:
        InputError: no such scenario; the text lists those that there are.
        ConfigError: its file has an unknown key or an impossible value.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise InputError(f"{name}: no such scenario file")
    else:
        path = folder / f"{name}.yaml"
        known = scenario_names(folder)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ";"
            raise InputError(f"no scenario {name!r}{meant} there are: {', '.join(known)}; or give the path of a .yaml file")
    return Scenario(path.stem, from_mapping(ScenarioConfig, load_yaml(path), str(path)), path)


def lasting(scenario: Scenario, seconds: float | None) -> Scenario:
    """The scenario for another time; None: as long as it says. A shorter one must drive less far, and need not have stopped.

    Raises:
        InputError: a time that no scenario may last.
    """
    if seconds is None:
        return scenario
    config, criteria = scenario.config, scenario.config.criteria
    if seconds < config.seconds:
        least_m = criteria.distance_m * (seconds / config.seconds) ** 2  # as one who gathers way from standstill
        criteria = replace(criteria, distance_m=least_m, must_stop=False, must_stop_for_guide=False)
    try:
        return replace(scenario, config=replace(config, seconds=seconds, criteria=criteria))
    except ValueError as error:
        raise InputError(f"{scenario.name}: {error}") from error
