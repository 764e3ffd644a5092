"""A small fixed town for tests and first looks."""

from __future__ import annotations

import math

from heron_sim.roads.build import build
from heron_sim.roads.curve import straight
from heron_sim.roads.furnish import town_of
from heron_sim.roads.layout import Layout, Node, Street
from heron_sim.roads.mirror import mirrored
from heron_sim.roads.town import GeoOrigin, Town


def cross_town(left_hand: bool = True, length_m: float = 150.0, lanes: int = 1) -> Town:
    """One junction with traffic lights at (0, 0), and four straight streets that end `length_m` from it.

    Args:
        left_hand: traffic keeps left.
        length_m: of the streets.
        lanes: in each direction of the street from west to east.
    """
    streets = tuple(
        Street(straight(0.0, 0.0, k * math.pi / 2.0, length_m), 0, None, lanes=lanes if k % 2 == 0 else 1, speed_mps=40.0 / 3.6) for k in range(4)
    )
    built = build(Layout(streets, (Node(0.0, 0.0, True, (0, 2)),)))
    town = town_of(built, "cross", GeoOrigin(35.68, 139.76), 0)
    return town if left_hand else mirrored(town)
