"""Makes a whole town of a built network: ground, roadside, signs, parked cars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from heron_sim.roads.build import Built
from heron_sim.roads.markings import paints_of
from heron_sim.roads.roadside import Kerb, Roadside
from heron_sim.roads.signs import parked_of, signs_of
from heron_sim.roads.town import GeoOrigin, Town


def town_of(built: Built, name: str, origin: GeoOrigin, seed: int) -> Town:
    """The town around a network; traffic keeps left."""
    layout, rng = built.layout, np.random.default_rng([seed, 42])
    kerbs = []
    for street, (begin, end) in zip(layout.streets, built.spans, strict=True):
        keep = () if street.crossing_m is None else (street.crossing_m,)
        kerbs += [Kerb(street.centre, begin, end, side, street.half_m, street.centrality, keep) for side in (1.0, -1.0)]
    town = Roadside(built.network, kerbs, layout.kerb_m + layout.sidewalk_m, rng).furnish(Town(name, built.network, origin))
    return replace(town, paints=paints_of(built), signs=signs_of(built), parked=parked_of(built, rng))
