"""Towns from SUMO networks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from heron_core.errors import InputError
from heron_sim.config import RouteConfig, TownConfig
from heron_sim.roads.check import network_faults
from heron_sim.roads.check_town import town_faults
from heron_sim.roads.geo import LocalFrame
from heron_sim.roads.load import load_town
from heron_sim.roads.network import Lamp, Lane, Manoeuvre, TableProgram
from heron_sim.roads.projection import TransverseMercator
from heron_sim.roads.router import plan_route
from heron_sim.roads.sumo import read_sumo
from heron_sim.roads.town import Town

NET = Path(__file__).parent / "data" / "two_junctions.net.xml"
TEXT = NET.read_text(encoding="utf-8")
LEFT, RIGHT, STRAIGHT = Manoeuvre.LEFT, Manoeuvre.RIGHT, Manoeuvre.STRAIGHT


@pytest.fixture(scope="module")
def town() -> Town:
    return read_sumo(NET, left_hand=False)


def _way(town: Town, start: tuple[float, float], end: tuple[float, float], lane: int = 0) -> Lane:
    """The connector from the arm near `start` (in the file's coordinates, about) to the one near `end`."""
    del lane
    frame, utm = LocalFrame(town.origin), TransverseMercator.utm(32)
    places = [np.array(frame.to_local(*utm.inverse(691000.0 + x, 5335000.0 + y))[:2]) for x, y in (start, end)]
    connectors = [lane for lane in town.network.lanes if lane.junction is not None]
    gaps = [float(np.hypot(*(c.line.points[0] - places[0])) + np.hypot(*(c.line.points[-1] - places[1]))) for c in connectors]
    assert min(gaps) < 1.0
    return connectors[gaps.index(min(gaps))]


def test_the_network_is_sound(town: Town) -> None:
    assert network_faults(town.network, ends_allowed=True) == []
    assert town_faults(town) == []
    assert not town.network.left_hand
    assert sum(lane.junction is None for lane in town.network.lanes) == 12  # the lane for walkers is none
    assert len(town.buildings) > 20


def test_lanes_lie_where_the_file_says_on_earth(town: Town) -> None:
    """The middle of edge ec: its place by UTM, through the town's own frame; the grid is turned by the convergence of its meridians."""
    frame, utm = LocalFrame(town.origin), TransverseMercator.utm(32)
    x, y, _ = frame.to_local(*utm.inverse(691000.0 + 275.0, 5335000.0 + 201.6))
    gaps = [abs(lane.line.nearest(x, y)[1]) for lane in town.network.lanes]
    assert min(gaps) < 0.01
    lane = town.network.lanes[gaps.index(min(gaps))]
    convergence = math.atan(math.tan(math.radians(town.origin.longitude_deg - 9.0)) * math.sin(math.radians(town.origin.latitude_deg)))
    assert lane.line.at(50.0).yaw == pytest.approx(math.remainder(math.pi - convergence, 2 * math.pi), abs=1e-4)
    assert town.origin.latitude_deg == pytest.approx(48.1413, abs=1e-3)


def test_right_of_way_comes_from_the_file(town: Town) -> None:
    lanes = town.network.lanes
    oncoming = _way(town, (212.0, 201.6), (188.0, 201.6))
    left = _way(town, (212.0, 201.6), (198.4, 182.4))
    right = _way(town, (188.0, 195.2), (198.4, 182.4))
    through = [_way(town, (188.0, y), (212.0, y)) for y in (195.2, 198.4)]
    assert (oncoming.turn, left.turn, right.turn, through[0].turn) == (STRAIGHT, LEFT, RIGHT, STRAIGHT)
    assert set(left.yields_to) == {right.id, *(way.id for way in through)}  # by way of its internal junction
    assert oncoming.yields_to == ()
    side = _way(town, (201.6, 182.4), (188.0, 201.6))
    assert side.yields_to == ()  # never green together
    assert oncoming.id in side.crosses
    minor = _way(town, (348.4, 212.0), (362.0, 198.4))
    assert {lanes[k].turn for k in minor.yields_to} == {STRAIGHT, LEFT}
    assert len(minor.yields_to) == 3


def test_lamps_follow_the_files_program(town: Town) -> None:
    network = town.network
    main, side = _way(town, (188.0, 198.4), (212.0, 198.4)), _way(town, (201.6, 182.4), (188.0, 201.6))
    assert main.signal is not None
    assert side.signal is not None
    shown = [network.lamp(main.signal, 5.0 + t) for t in (0.0, 29.9, 30.1, 34.1, 57.9, 58.1)]
    assert shown == [Lamp.GREEN, Lamp.GREEN, Lamp.YELLOW, Lamp.RED, Lamp.RED, Lamp.GREEN]
    assert network.outlook(main.signal, 5.0 + 40.0) == (Lamp.RED, pytest.approx(18.0))
    assert network.lamp(side.signal, 5.0 + 40.0) is Lamp.GREEN
    program = network.junctions[network.groups[main.signal]].program
    assert isinstance(program, TableProgram)
    assert program.windows(main.signal) == [(0.0, 30.0, 34.0)]
    (crossing,) = network.crossings
    assert crossing.signal is not None
    assert network.lamp(crossing.signal, 6.0) is Lamp.GREEN
    assert network.lamp(crossing.signal, 36.0) is Lamp.RED
    assert {network.lanes[lane].junction for lane, _ in crossing.lanes} == {0}
    assert len(crossing.lanes) == 4


def test_routes_change_lane_where_a_turn_needs_it(town: Town) -> None:
    network = town.network
    found = False
    for seed in range(20):
        route = plan_route(network, RouteConfig(turns=(STRAIGHT, LEFT), length_m=100.0), seed)
        found |= any(two not in network.lanes[one].successors for one, two in zip(route.lanes[:-1], route.lanes[1:], strict=True))
        assert np.abs(route.line.curvature_per_m).max() < 0.15
    assert found


def test_a_left_hand_network(tmp_path: Path) -> None:
    """The same network mirrored, as netconvert writes it with --lefthand."""
    flipped = _mirrored(TEXT).replace("<net ", '<net lefthand="true" ')
    (tmp_path / "left.net.xml").write_text(flipped, encoding="utf-8")
    town = load_town(TownConfig(net="left.net.xml", left_hand=True), 0, tmp_path)
    assert town.network.left_hand
    assert network_faults(town.network, ends_allowed=True) + town_faults(town) == []
    outer = [lane for lane in town.network.lanes if lane.right is not None]
    for lane in outer:
        assert lane.right is not None
        middle = lane.line.at(lane.line.length_m / 2.0)
        assert town.network.lanes[lane.right].line.nearest(middle.x, middle.y)[1] > 0.0  # seen from there, this one lies to the left
    assert len(outer) == 2


def _mirrored(text: str) -> str:
    """The file with y turned round (400 - y): shapes, and left and right of connections."""
    import re

    def shape(match: re.Match[str]) -> str:
        places = [place.split(",") for place in match.group(1).split()]
        return 'shape="' + " ".join(f"{x},{400.0 - float(y):.2f}" for x, y in places) + '"'

    text = re.sub(r'shape="([^"]+)"', shape, text)
    text = re.sub(r' y="([^"]+)"', lambda m: f' y="{400.0 - float(m.group(1)):.2f}"', text)
    return re.sub(r'dir="([lr])"', lambda m: f'dir="{"r" if m.group(1) == "l" else "l"}"', text)


def test_a_network_without_georeference(tmp_path: Path) -> None:
    path = tmp_path / "plain.net.xml"
    path.write_text(TEXT.replace("+proj=utm +zone=32 +ellps=WGS84 +datum=WGS84 +units=m +no_defs", "!"), encoding="utf-8")
    town = read_sumo(path, left_hand=False)
    assert town.origin.latitude_deg == pytest.approx(48.137)
    assert any(abs(math.remainder(lane.line.at(20.0).yaw, 2 * math.pi)) < 1e-9 for lane in town.network.lanes)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<net ", "<not-net ", "cannot be read as XML"),
        ('dir="s" state="o"', 'dir="s" state="o', "cannot be read as XML"),
        ('shape="208.00,195.20 342.00,195.20"', 'shape="208.00,195.20 far"', r"<lane 'ce_0'>: shape = '208.00,195.20 far' is not a list"),
        ('shape="208.00,195.20 342.00,195.20"', 'shape="208.00,195.20 nan,195.20"', r"<lane 'ce_0'>: shape"),
        ('shape="208.00,195.20 342.00,195.20"', 'shape="208.00,195.20 208.00,195.20"', r"<edge 'ce'> <lane 'ce_0'>: its shape has no length"),
        ('speed="13.89" shape="208.00,195.20', 'speed="fast" shape="208.00,195.20', r"<lane 'ce_0'>: speed = 'fast' is not a finite number"),
        ('<connection from="ec" to="cw"', '<connection from="ghost" to="cw"', r"<connection 'ghost'>: from = 'ghost': no such edge"),
        ('fromLane="0" toLane="0" via=":C_0_0"', 'fromLane="7" toLane="0" via=":C_0_0"', "fromLane = 7: edge 'ec' has 1 lanes"),
        ('tl="C" linkIndex="0"', 'tl="C" linkIndex="9"', "linkIndex = 9: <tlLogic 'C'> has 8 columns"),
        ('tl="C" linkIndex="0"', 'tl="X" linkIndex="0"', "tl = 'X': no such <tlLogic>"),
        ('state="GgrrgGGG"', 'state="GgrrgGG"', r"<tlLogic 'C'>: needs phases with states of the same length"),
        ('state="GgrrgGGG"', 'state="GgrrgGGQ"', "letters GgyYrsuoO are read"),
        ("+proj=utm +zone=32", "+proj=merc", r"<location>: projection '\+proj=merc.*' is not read"),
        ('<edge id="ec" from="E" to="C"', '<edge id="ec" from="E" to="Z"', r"<edge 'ec'>: to = 'Z': no such junction"),
        ('id="cs_0" index="0"', 'id="cs_0" index="3"', r"<lane 'cs_0'>: index = 3, expected 0"),
        ('<request index="0" response="000000"', '<request index="0" response="0x0000"', "is not made of 0 and 1"),
    ],
)
def test_errors_name_file_and_element(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = TEXT.replace(old, new, 1) if "response" not in old else TEXT.replace('index="0" response="001000"', 'index="0" response="0x1000"', 1)
    assert text != TEXT
    path = tmp_path / "broken.net.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason) as caught:
        read_sumo(path, left_hand=False)
    assert str(path) in str(caught.value)


def test_the_side_of_traffic_must_fit() -> None:
    with pytest.raises(InputError, match=r"traffic keeps right in this network .*; set town.left_hand: false"):
        read_sumo(NET, left_hand=True)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"town.net: no such file: .*nowhere.net.xml"):
        load_town(TownConfig(net="nowhere.net.xml"), 0, tmp_path)
    assert load_town(TownConfig(blocks=3), 4, tmp_path).name == "town 4"
