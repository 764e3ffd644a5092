"""Pictures for people: every camera has its place, colours mean something."""

from pathlib import Path

import numpy as np
import pytest
from judged import NORTH, TOWN, actor, ego_at

from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.errors import InputError
from heron_sim.config import ScenarioConfig, TownConfig, TrafficConfig
from heron_sim.drawing.labels import Box2D
from heron_sim.drawing.snapshot import CAR_COLOUR, EGO_COLOUR, boxed, depth_picture, from_above, ids_picture, sheet
from heron_sim.driving.moment import moment
from heron_sim.scenario import Scenario
from heron_sim.truth import ActorKind, Truth

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
TRUTH = Truth(0, ego_at(60.0), (actor(4, ActorKind.CAR, 10.0, NORTH.line.at(60.0).y, 0.0),))


def plain(value: int) -> np.ndarray:
    return np.full((40, 64, 3), value, np.uint8)


def test_a_sheet_has_every_camera_and_the_place_from_above() -> None:
    cameras = {"CAM_EXTRA": plain(9), "CAM_FRONT": plain(2), "CAM_FRONT_LEFT": plain(1), "CAM_BACK": plain(5)}
    made = sheet(cameras, TOWN, NORTH, TRUTH)
    assert made.shape == (80, 192, 3)
    assert [int(made[20, 32 + 64 * i, 0]) for i in range(3)] == [1, 2, 5]
    assert int(made[60, 32, 0]) == 9
    assert (made[40:, 64:] == from_above(TOWN, NORTH, TRUTH, (128, 40))).all()
    assert sheet(dict(list(cameras.items())[:3]), TOWN, NORTH, TRUTH).shape == (80, 192, 3)


def test_from_above_the_car_is_in_the_middle_and_others_where_they_are() -> None:
    with_car, without = from_above(TOWN, NORTH, TRUTH, (400, 400), 20.0), from_above(TOWN, NORTH, Truth(0, TRUTH.ego), (400, 400), 20.0)
    assert tuple(int(v) for v in without[190, 200]) == EGO_COLOUR  # a metre ahead of base_link, north is up
    rows, columns = np.nonzero((with_car != without).any(axis=2))
    # 11.6 m to the right, ten pixels a metre; base_link is the middle
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((200 + 10 * 11.625, 200), abs=3)
    assert len(rows) == pytest.approx(46 * 20, rel=0.1)  # with its smooth edge


def test_depth_is_warm_near_and_black_where_nothing_is() -> None:
    drawn = depth_picture(np.array([[3.0, 150.0, np.inf, 0.0]], np.float32)).astype(int)
    assert drawn[0, 0, 2] > drawn[0, 0, 0]
    assert drawn[0, 1, 0] > drawn[0, 1, 2]
    assert drawn[0, 2:].sum() == 0


def test_every_instance_has_its_colour() -> None:
    drawn = ids_picture(np.array([[0, 1, 2, 10000, 1]], np.int32))
    assert drawn[0, 0].sum() == 0
    assert (drawn[0, 1] == drawn[0, 4]).all()
    assert len({tuple(colour) for colour in drawn[0, 1:4].tolist()}) == 3


def test_boxes_are_drawn_around_what_is_seen() -> None:
    edges = (10.0, 12.0, 50.0, 30.0)
    seen, hidden = (Box2D(1, ActorKind.CAR, *edges, edges, visible_px, 20.0) for visible_px in (5, 0))
    assert tuple(boxed(plain(0), [seen])[20, 10]) == CAR_COLOUR
    assert tuple(boxed(plain(0), [seen])[20, 50]) == CAR_COLOUR
    assert boxed(plain(0), [seen])[20, 30].sum() == 0
    assert boxed(plain(7), [hidden]).min() == boxed(plain(7), [hidden]).max() == 7


def test_a_moment_is_that_of_the_drive() -> None:
    config = ScenarioConfig(seconds=5.0, town=TownConfig(blocks=3), traffic=TrafficConfig(0, 0, 0, 0))
    scenario, car = Scenario("empty", config, Path()), LoopCar.load(DEMO)
    late = moment(car, scenario, 3, 4.0, 0.1)
    assert late.truth.time_s == pytest.approx(4.0, abs=0.1)
    assert late.truth.ego.speed_mps > 1.0
    assert late.said
    begin = moment(car, scenario, 3, 0.0, 0.1)
    assert begin.truth.time_s == pytest.approx(0.0, abs=0.1)
    assert begin.truth.ego.speed_mps < 0.1
    with pytest.raises(InputError, match=r"6 s is not in empty: allowed 0 .. 5"):
        moment(car, scenario, 3, 6.0, 0.1)
