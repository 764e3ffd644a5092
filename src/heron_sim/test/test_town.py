"""Generated towns: sound networks, furnished streets, both sides of traffic, the same for the same seed."""

from __future__ import annotations

import hashlib
import math
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest

from heron_sim.config import TownConfig
from heron_sim.roads.check import network_faults
from heron_sim.roads.check_town import town_faults
from heron_sim.roads.generate import generate_town
from heron_sim.roads.line import Line
from heron_sim.roads.mirror import mirrored
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.simple import cross_town
from heron_sim.roads.town import SignKind, Surface, Town

SHAPES = [
    TownConfig(),
    TownConfig(left_hand=False, curvy=1.0),
    TownConfig(blocks=3, block_m=90.0, curvy=1.0, signals=1.0),
    TownConfig(blocks=4, block_m=220.0, curvy=0.0, signals=0.0),
]


@pytest.fixture(scope="module")
def towns() -> dict[tuple[int, int], Town]:
    return {(k, seed): generate_town(shape, seed) for k, shape in enumerate(SHAPES) for seed in range(2)}


def test_generated_networks_have_no_faults(towns: dict[tuple[int, int], Town]) -> None:
    for key, town in towns.items():
        assert network_faults(town.network) == [], key
        assert town_faults(town) == [], key


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_many_generated_networks_have_no_faults(shape: TownConfig) -> None:
    for seed in range(100, 125):
        town = generate_town(shape, seed)
        assert network_faults(town.network) + town_faults(town) == [], seed


@pytest.mark.parametrize("left_hand", [True, False])
@pytest.mark.parametrize("lanes", [1, 2])
def test_the_crossing_has_no_faults(left_hand: bool, lanes: int) -> None:
    town = cross_town(left_hand, lanes=lanes)
    assert network_faults(town.network, ends_allowed=True) + town_faults(town) == []
    assert town.network.left_hand is left_hand


def test_every_lane_reaches_every_other(towns: dict[tuple[int, int], Town]) -> None:
    for key, town in towns.items():
        lanes = town.network.lanes
        for forward in (True, False):
            seen, front = {0}, [0]
            while front:
                lane = lanes[front.pop()]
                beside = tuple(other for other in (lane.left, lane.right) if other is not None)
                for other in (*(lane.successors if forward else lane.predecessors), *beside):
                    if other not in seen:
                        seen.add(other)
                        front.append(other)
            assert len(seen) == len(lanes), key


def test_a_town_is_the_same_for_the_same_seed_in_any_process() -> None:
    code = (
        "import hashlib, numpy as np; from heron_sim.config import TownConfig; from heron_sim.roads.generate import generate_town\n"
        "town = generate_town(TownConfig(), 5)\n"
        "text = repr((town.buildings, town.trees, town.lights, town.signs, town.parked, town.network.heads, town.network.junctions))\n"
        "data = b''.join(lane.line.points.tobytes() for lane in town.network.lanes) + b''.join(p.polygon.tobytes() for p in town.paints)\n"
        "print(hashlib.sha256(text.encode() + data).hexdigest())"
    )
    digests = {
        subprocess.run([sys.executable, "-c", code], env=_environment(seed), capture_output=True, text=True, check=True).stdout
        for seed in ("1", "77")
    }
    assert len(digests) == 1
    one, two = (hashlib.sha256(pickle.dumps(generate_town(TownConfig(), seed).buildings)).hexdigest() for seed in (5, 6))
    assert one != two


def _environment(hash_seed: str) -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": hash_seed}


def test_the_seed_of_the_configuration_wins() -> None:
    assert generate_town(TownConfig(seed=3), 9).buildings == generate_town(TownConfig(), 3).buildings


def test_right_hand_towns_mirror_left_hand_ones() -> None:
    left, right = generate_town(TownConfig(), 2), generate_town(TownConfig(left_hand=False), 2)
    assert left.origin != right.origin
    for one, two in zip(left.network.lanes, right.network.lanes, strict=True):
        assert np.array_equal(one.line.points * (1.0, -1.0), two.line.points)
        assert (one.left, one.right) == (two.right, two.left)
    assert mirrored(mirrored(left)).buildings == left.buildings
    turns = [lane.turn for lane in right.network.lanes if lane.junction is not None]
    for lane, turn in zip((lane for lane in right.network.lanes if lane.junction is not None), turns, strict=True):
        bend = lane.line.yaw_rad[-1] - lane.line.yaw_rad[0]
        assert (turn is Manoeuvre.LEFT) == (bend > 0.7)
        assert (turn is Manoeuvre.RIGHT) == (bend < -0.7)


def test_traffic_keeps_to_its_side(towns: dict[tuple[int, int], Town]) -> None:
    """The lane of the other direction lies on the side that it should."""
    for town in (towns[0, 0], towns[1, 0]):
        lanes = [lane for lane in town.network.lanes if lane.junction is None]
        found = 0
        for lane in lanes:
            if (lane.right if town.network.left_hand else lane.left) is not None:
                continue
            pose = lane.line.at(lane.line.length_m / 2.0)
            side = -1.0 if town.network.left_hand else 1.0
            x, y = pose.x - side * lane.width_m * math.sin(pose.yaw), pose.y + side * lane.width_m * math.cos(pose.yaw)
            for other in lanes:
                s, gap = other.line.nearest(x, y)
                if abs(gap) < 0.3 and math.cos(other.line.at(s).yaw - pose.yaw) < -0.9:
                    found += 1
                    break
        assert found == sum((lane.right if town.network.left_hand else lane.left) is None for lane in lanes)


def test_towns_have_what_a_drive_needs(towns: dict[tuple[int, int], Town]) -> None:
    for seed in range(2):
        town = towns[0, seed]
        network = town.network
        programs = [junction.program for junction in network.junctions if junction.program is not None]
        assert len(programs) >= 4
        assert len({program.offset_s for program in programs}) > 1
        assert any(lane.left is not None for lane in network.lanes)
        assert any(junction.program is None for junction in network.junctions)
        assert {len({network.lanes[c].predecessors for c in junction.connectors}) for junction in network.junctions} >= {3}
        assert any(crossing.signal is None for crossing in network.crossings)
        assert {sign.kind for sign in town.signs} & {SignKind.STOP, SignKind.YIELD}
        assert len(town.buildings) > 150
        assert len(town.trees) > 80
        assert {paint.surface for paint in town.paints} >= {Surface.SIDEWALK, Surface.KERB, Surface.ASPHALT, Surface.WHITE, Surface.YELLOW}
        # streets bend, but can be driven at the speed that they allow
        sharpest = max(float(np.abs(lane.line.curvature_per_m).max()) for lane in network.lanes if lane.junction is None)
        assert 1 / 200 < sharpest < 1 / 25
        for lane in network.lanes:
            assert lane.speed_limit_mps**2 * float(np.abs(lane.line.curvature_per_m).max()) < 3.0


def test_lights_are_over_the_lane_and_seen_by_the_narrow_camera() -> None:
    """From the stop line to 60 m before it on straight roads: within 40 by 25.6 degrees, 1.6 m up and 1.7 m behind the bumper."""
    checked = 0
    for town in (generate_town(TownConfig(blocks=3, curvy=0.0, signals=1.0), 0), cross_town(), cross_town(False)):
        network = town.network
        for lane in network.lanes:
            group = network.lanes[lane.successors[0]].signal if lane.successors else None
            if lane.junction is not None or group is None or lane.stop_s_m is None:
                continue
            for before in (1.0, 20.0, 60.0):
                eye = lane.line.at(lane.stop_s_m - before - 1.7)
                if abs(math.remainder(eye.yaw - lane.line.at(lane.line.length_m).yaw, 2 * math.pi)) > 0.02:
                    continue  # around a corner of the town
                seen = []
                for head in network.heads:
                    ahead = eye.between(type(eye)(head.x_m, head.y_m, head.yaw_rad))
                    faces = math.cos(ahead.yaw) < -0.9
                    wide, high = math.atan2(ahead.y, ahead.x), math.atan2(head.z_m + 0.5 - 1.6, ahead.x)
                    seen.append(head.group == group and faces and abs(wide) < math.radians(20.0) and high < math.radians(12.8) and abs(ahead.y) < 1.0)
                assert any(seen), (lane.id, before)
                checked += 1
    assert checked > 20


def test_every_connector_that_may_conflict_is_settled(towns: dict[tuple[int, int], Town]) -> None:
    """Two ways that come near each other under the same lamps (or without) have one that waits."""
    for town in (towns[0, 1], towns[2, 1]):
        network = town.network
        for junction in network.junctions:
            lanes = [network.lanes[k] for k in junction.connectors]
            for n, one in enumerate(lanes):
                for two in lanes[n + 1 :]:
                    if one.predecessors == two.predecessors or _gap(one.line, two.line) > 2.0:
                        continue
                    assert two.id in one.crosses
                    together = junction.program is None or one.signal == two.signal
                    assert ((two.id in one.yields_to) != (one.id in two.yields_to)) == together


def _gap(one: Line, two: Line) -> float:
    return min(abs(two.nearest(float(x), float(y))[1]) for x, y in one.points)


def test_straight_on_has_priority_over_turns_across_it() -> None:
    for left_hand in (True, False):
        network = cross_town(left_hand).network
        across = Manoeuvre.RIGHT if left_hand else Manoeuvre.LEFT
        for lane in network.lanes:
            if lane.turn is across:
                assert {network.lanes[k].turn for k in lane.yields_to} == {Manoeuvre.STRAIGHT, Manoeuvre.LEFT if left_hand else Manoeuvre.RIGHT}
            elif lane.junction is not None:
                assert lane.yields_to == ()


def test_a_town_is_made_in_about_a_second() -> None:
    generate_town(TownConfig(), 0)
    start = time.process_time()
    generate_town(TownConfig(), 1)
    assert time.process_time() - start < 2.0  # 0.4 s on a laptop
