"""The receiver: centimetres under open sky, worse among houses, silent below them."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest

from heron_core.signals import FixType
from heron_sim.roads.geo import LocalFrame
from heron_sim.roads.network import RoadNetwork
from heron_sim.roads.town import Building, GeoOrigin, Town
from heron_sim.sensors_gnss import SATELLITES, GnssReading, GnssReceiver

OPEN = Town("open", RoadNetwork(()), GeoOrigin(35.68, 139.76, 40.0))


def canyon(height_m: float, half_width_m: float = 8.0) -> Town:
    """A street along x between two rows of houses."""
    rows = [Building(x, side * (half_width_m + 6.0), 0.0, 24.0, 12.0, height_m) for x in np.arange(-300.0, 300.0, 24.0) for side in (-1.0, 1.0)]
    return dataclasses.replace(OPEN, buildings=tuple(rows))


def readings(town: Town, seed: int, seconds: float = 60.0) -> list[tuple[float, GnssReading]]:
    """(error in metres, reading) along the street at 5 m/s."""
    receiver, frame = GnssReceiver(town, seed), LocalFrame(town.origin)
    found = []
    for i in range(round(10.0 * seconds)):
        x = -150.0 + 0.5 * i
        reading = receiver.read(x, 0.0)
        east, north, _ = frame.to_local(reading.latitude_deg, reading.longitude_deg, reading.altitude_m)
        found.append((math.hypot(east - x, north), reading))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_open_sky_gives_centimetres(seed: int) -> None:
    found = readings(OPEN, seed)
    assert {reading.fix for _, reading in found} == {FixType.RTK_FIXED}
    errors = np.array([error for error, _ in found])
    assert errors.max() < 0.06 and 0.001 < np.sqrt((errors**2).mean()) < 0.03
    assert all(0.0 < reading.horizontal_std_m < 0.03 for _, reading in found)


def test_it_is_real_latitude_and_longitude() -> None:
    reading = GnssReceiver(OPEN, 1).read(0.0, 1000.0)
    assert (reading.latitude_deg, reading.longitude_deg) == pytest.approx((35.68 + 1000.0 / 110950.0, 139.76), abs=2e-5)
    assert reading.altitude_m == pytest.approx(40.0, abs=0.3)


def test_houses_take_satellites_away_and_the_fix_with_them() -> None:
    kinds = {height: Counter(reading.fix for seed in range(6) for _, reading in readings(canyon(height), seed, 20.0)) for height in (6.0, 20.0, 60.0)}
    assert kinds[6.0][FixType.RTK_FIXED] > kinds[20.0][FixType.RTK_FIXED] > kinds[60.0][FixType.RTK_FIXED]
    assert kinds[60.0][FixType.RTK_FIXED] == 0
    assert len(set(kinds[20.0]) | set(kinds[60.0])) >= 3


def test_in_a_narrow_and_deep_street_there_is_no_fix() -> None:
    assert {reading.fix for seed in range(3) for _, reading in readings(canyon(120.0, 3.0), seed, 5.0)} == {FixType.NONE}


def test_reflections_pull_the_fix_away_by_metres_and_for_seconds() -> None:
    found = [item for seed in range(6) for item in readings(canyon(30.0), seed, 30.0) if item[1].fix in (FixType.DGPS, FixType.AUTONOMOUS)]
    errors = np.array([error for error, _ in found])
    assert len(errors) > 50 and np.median(errors) > 0.5
    assert np.mean(errors > 2.0 * np.array([reading.horizontal_std_m for _, reading in found])) > 0.02  # more than it believes


def test_a_carrier_phase_that_was_lost_comes_back_after_seconds() -> None:
    receiver = GnssReceiver(canyon(60.0), 3)
    for _ in range(5):
        assert receiver.read(0.0, 0.0).fix is not FixType.RTK_FIXED
    kinds = [receiver.read(0.0, 1000.0).fix for _ in range(60)]
    assert kinds[0] is FixType.RTK_FLOAT and kinds[-1] is FixType.RTK_FIXED
    assert 20 <= kinds.index(FixType.RTK_FIXED) <= 40


def test_a_wall_hides_what_is_behind_it_and_low() -> None:
    wall = dataclasses.replace(OPEN, buildings=(Building(20.0, 0.0, 0.3, 10.0, 200.0, 30.0),))
    receiver, free = GnssReceiver(wall, 0), GnssReceiver(OPEN, 0)
    assert free.visible(0.0, 0.0).all() and len(free.visible(0.0, 0.0)) == SATELLITES
    hidden = ~receiver.visible(0.0, 0.0)
    assert hidden.any() and (receiver._ways[hidden, 0] > 0.0).all()
    low = receiver._rise < 0.5
    assert hidden[low & (receiver._ways[:, 0] > 0.9)].all()
    assert receiver.visible(-400.0, 0.0).all()


def test_without_a_fix_no_position_is_sent() -> None:
    lost = GnssReading(math.nan, math.nan, math.nan, FixType.NONE, 1e9, 2)
    assert lost.signals() == {"gnss.fix": 0.0, "gnss.horizontal_std_m": 655.35}


def test_the_seed_decides() -> None:
    first, again, other = ([repr(item) for item in readings(canyon(12.0), seed, 5.0)] for seed in (4, 4, 5))
    assert first == again != other
