"""The town of a scenario."""

from __future__ import annotations

from pathlib import Path

from heron_core.errors import InputError
from heron_sim.config import TownConfig
from heron_sim.roads.generate import generate_town
from heron_sim.roads.town import Town


def load_town(config: TownConfig, seed: int, folder: Path) -> Town:
    """The SUMO network that `config.net` names, relative to `folder`; else the generated town of the seed.

    Raises:
        InputError: the network cannot be read; the text names file and element.
    """
    if not config.net:
        return generate_town(config, seed)
    from heron_sim.roads.sumo import read_sumo

    path = folder / config.net
    if not path.is_file():
        raise InputError(f"town.net: no such file: {path}")
    return read_sumo(path, config.left_hand)
