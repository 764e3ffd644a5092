"""A town from above."""

from __future__ import annotations

import numpy as np

from heron_sim.config import RouteConfig
from heron_sim.drawing.plan_view import plan_view
from heron_sim.roads.router import plan_route
from heron_sim.roads.simple import cross_town


def test_a_town_and_a_route_from_above() -> None:
    town = cross_town()
    whole = plan_view(town, 400)
    assert whole.shape == (400, 400, 3)
    near = plan_view(town, 400, around=(0.0, 0.0, 30.0))
    assert near[200, 200].max() < 100  # asphalt in the middle of the junction
    route = plan_route(town.network, RouteConfig(length_m=200.0), 0)
    drawn = plan_view(town, 400, route)
    changed = np.abs(drawn.astype(int) - whole).sum(axis=2) > 60
    assert 100 < changed.sum() < 4000


def test_north_is_up() -> None:
    """The stop line south of the middle lies in the left half of the picture where traffic keeps left."""
    image = plan_view(cross_town(), 600, around=(0.0, -18.9, 1.4))
    bright = (image > 220).all(axis=2)
    left, right = bright[:, :300].sum(), bright[:, 300:].sum()
    assert left > 1.5 * right
