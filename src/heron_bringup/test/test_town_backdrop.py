"""The map under the plan: what is ahead of the car lies above it, at its distance and on its side."""

import math

import numpy as np
import pytest

from heron_bringup.town_backdrop import KINDS, LAMPS, TownBackdrop
from heron_core.truth import Actor, ActorKind, EgoTruth, Lamp, Truth
from heron_sim.roads.simple import cross_town

WIDTH, HEIGHT, AHEAD_M, SCALE = 400, 300, 45.0, 5.0


def seen_at(picture: np.ndarray, colour: tuple[int, int, int]) -> tuple[float, float]:
    """Metres ahead and to the left of base_link of the middle of what has that colour."""
    rows, columns = np.nonzero((np.abs(picture.astype(int) - colour) < 3).all(axis=2))
    assert len(rows), "nothing has this colour"
    return AHEAD_M - (rows.mean() + 0.5) / SCALE, (WIDTH / 2 - (columns.mean() + 0.5)) / SCALE


@pytest.mark.parametrize("yaw", [0.0, math.pi / 2, 2.5, -1.0])
def test_who_is_ahead_lies_above(yaw: float) -> None:
    c, s = math.cos(yaw), math.sin(yaw)
    ahead, left = 20.0, 6.0
    other = Actor(1, ActorKind.CAR, 10.0 + c * ahead - s * left, -30.0 + s * ahead + c * left, yaw, 0.0, 4.5, 1.8, 1.5)
    town = cross_town()
    picture = TownBackdrop(town, [Truth(0, EgoTruth(10.0, -30.0, yaw, 0.0), (other,))])(0, WIDTH, HEIGHT, AHEAD_M, SCALE)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert seen_at(picture, KINDS[ActorKind.CAR]) == pytest.approx((ahead, left), abs=0.3)


def test_the_map_turns_with_the_car() -> None:
    """A car that drives towards the crossing sees asphalt before it, one that stands across sees what is beside the road."""
    town = cross_town()
    for yaw, grey in ((0.0, True), (math.pi / 2, False)):
        picture = TownBackdrop(town, [Truth(0, EgoTruth(-100.0, -1.6, yaw, 0.0))])(0, WIDTH, HEIGHT, AHEAD_M, SCALE)
        ahead = picture[round((AHEAD_M - 25.0) * SCALE), WIDTH // 2].astype(int)
        assert (ahead.max() - ahead.min() < 6 and ahead.max() < 70) == grey, ahead


def test_the_nearest_moment_and_its_lamps_are_shown() -> None:
    town = cross_town()
    head = next(head for head in town.network.heads if not head.pedestrian)
    ego = EgoTruth(head.x_m - 20.0, head.y_m, 0.0, 0.0)
    lamps = [dict.fromkeys([each.group for each in town.network.heads], lamp) for lamp in (Lamp.RED, Lamp.GREEN)]
    backdrop = TownBackdrop(town, [Truth(0, ego, (), lamps[0]), Truth(10**9, ego, (), lamps[1], stamp_ns=10**9)])
    for stamp_ns, lamp in ((4 * 10**8, Lamp.RED), (6 * 10**8, Lamp.GREEN)):
        picture = backdrop(stamp_ns, WIDTH, HEIGHT, AHEAD_M, SCALE)
        assert (picture == LAMPS[lamp]).all(axis=2).any()
        assert not (picture == LAMPS[Lamp.GREEN if lamp is Lamp.RED else Lamp.RED]).all(axis=2).any()
