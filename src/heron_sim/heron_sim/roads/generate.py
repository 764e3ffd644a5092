"""A town from a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from heron_sim.config import TownConfig
from heron_sim.roads.build import build
from heron_sim.roads.furnish import town_of
from heron_sim.roads.mirror import mirrored
from heron_sim.roads.plan import TownPlan
from heron_sim.roads.town import GeoOrigin, Town

_LEFT_ORIGIN = GeoOrigin(35.6800, 139.7600, 40.0)  # Tokyo
_RIGHT_ORIGIN = GeoOrigin(48.1370, 11.5750, 560.0)  # Munich


def generate_town(config: TownConfig, seed: int) -> Town:
    """The town of `seed` (of `config.seed`, if it has one): the same for the same seed, in any process.

    Traffic that keeps right gets the mirror image of the town that keeps left.
    """
    seed = seed if config.seed is None else config.seed
    built = build(TownPlan(config, np.random.default_rng([seed, 41])).layout)
    town = town_of(built, f"town {seed}", _LEFT_ORIGIN, seed)
    if config.left_hand:
        return town
    return replace(mirrored(town), origin=_RIGHT_ORIGIN)
