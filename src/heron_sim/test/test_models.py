"""Models: they fill their boxes, keep their ids, and show what they are about."""

import math
from itertools import product

import numpy as np
import pytest

from heron_sim.drawing.models import actor_shapes, lamp_shapes, town_shapes
from heron_sim.drawing.models_signal import LENS_M, SIGNAL_ID
from heron_sim.drawing.models_street import sign_rows
from heron_sim.drawing.models_town import STATIC_ID
from heron_sim.drawing.shapes import (
    COS,
    CX,
    CY,
    CZ,
    F32,
    FORM,
    HX,
    HY,
    HZ,
    ID,
    MATERIAL,
    RED,
    SIN,
    TAPER_FRONT,
    TAPER_REAR,
    TAPER_SIDE,
    Form,
    Material,
)
from heron_sim.roads.simple import cross_town
from heron_sim.roads.town import SignKind
from heron_sim.traffic.spawn import BUILDS
from heron_sim.traffic.workzone import SIZES
from heron_sim.truth import Actor, ActorKind, GuideSign, Lamp

DRAWN = {
    **{kind: [tuple(sum(limits) / 2.0 for limits in body) for body in build.bodies] for kind, build in BUILDS.items()},
    ActorKind.PEDESTRIAN: [(0.55, 0.60, 1.72), (0.45, 0.42, 1.20), SIZES[ActorKind.PEDESTRIAN]],
    ActorKind.GUIDE: [(0.7, 1.2, 1.85), SIZES[ActorKind.GUIDE]],
    ActorKind.CONE: [SIZES[ActorKind.CONE]],
    ActorKind.BARRIER: [(0.3, 1.5, 1.0), SIZES[ActorKind.BARRIER]],
}
CASES = [(kind, size, look) for kind, sizes in DRAWN.items() for look, size in enumerate(sizes)]


def _surface(rows: F32) -> np.ndarray:
    """Points on all shapes, (n, 3), world."""
    points = []
    angles = np.linspace(0.0, 2.0 * math.pi, 24, endpoint=False)
    for row in rows:
        hx, hy, hz = row[HX], row[HY], row[HZ]
        own: list[tuple[float, float, float]] = []
        if row[FORM] == Form.BOX:
            for sx, sy, sz in product((1, -1), repeat=3):
                rise = hz + sz * hz
                x = sx * (hx - (row[TAPER_FRONT] if sx > 0 else row[TAPER_REAR]) * rise)
                own.append((x, sy * (hy - row[TAPER_SIDE] * rise), sz * hz))
        elif row[FORM] == Form.CYLINDER:
            own = [(hx * math.cos(a), hx * math.sin(a), end * hz) for a in angles for end in (1, -1)]
            if row[TAPER_FRONT] > 0.5:
                own = [(z, y, x) for x, y, z in own]
        else:
            for a, b in product(angles, np.linspace(-math.pi / 2, math.pi / 2, 13)):
                own.append((hx * math.cos(a) * math.cos(b), hy * math.sin(a) * math.cos(b), hz * math.sin(b)))
        x, y, z = np.array(own).T
        points.append(np.stack([row[COS] * x - row[SIN] * y + row[CX], row[SIN] * x + row[COS] * y + row[CY], z + row[CZ]], axis=1))
    return np.concatenate(points)


def _actor(kind: ActorKind, size: tuple[float, float, float], look: int, **more: object) -> Actor:
    return Actor(7, kind, 0.0, 0.0, 0.0, 1.2, *size, look=look, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "size", "look"), CASES)
def test_a_model_fills_its_box_and_stays_inside(kind: ActorKind, size: tuple[float, float, float], look: int) -> None:
    more = {"sign": GuideSign.STOP} if kind is ActorKind.GUIDE else {"stride_m": 0.35}
    points = _surface(actor_shapes(_actor(kind, size, look, **more)))
    length, width, height = np.ptp(points, axis=0)
    outmost = np.abs(points[:, :2]).max(axis=0)
    assert outmost[0] < size[0] / 2 + 0.02 and outmost[1] < size[1] / 2 + 0.02
    assert points[:, 2].min() == pytest.approx(0.0, abs=0.03) and points[:, 2].max() == pytest.approx(size[2], abs=0.02)
    assert width > 0.93 * size[1] and height > 0.97 * size[2]
    if kind not in (ActorKind.PEDESTRIAN, ActorKind.GUIDE):
        assert length > 0.96 * size[0]


@pytest.mark.parametrize(("kind", "size", "look"), CASES)
def test_a_model_moves_and_turns_with_its_actor(kind: ActorKind, size: tuple[float, float, float], look: int) -> None:
    still = _surface(actor_shapes(_actor(kind, size, look)))
    moved = Actor(9, kind, 30.0, -20.0, 1.1, 1.2, *size, look=look)
    rows = actor_shapes(moved)
    assert (rows[:, ID] == 9).all()
    c, s = math.cos(1.1), math.sin(1.1)
    turned = np.stack([30.0 + c * still[:, 0] - s * still[:, 1], -20.0 + s * still[:, 0] + c * still[:, 1], still[:, 2]], axis=1)
    assert _surface(rows) == pytest.approx(turned, abs=1e-3)


def _shining(rows: F32) -> int:
    return int((rows[:, MATERIAL] == Material.EMISSIVE).sum())


def test_vehicles_show_brakes_indicators_and_lights() -> None:
    def lamps(time_s: float = 0.0, lights: bool = False, **more: object) -> int:
        return _shining(actor_shapes(_actor(ActorKind.CAR, (4.1, 1.7, 1.5), 0, **more), time_s, lights))

    assert lamps() == 0
    assert lamps(brake=True) == 3
    assert lamps(lights=True) == 4
    on, off = lamps(0.1, indicator=1), lamps(0.5, indicator=1)
    assert (on, off) == (2, 0) and lamps(0.1, indicator=2) == 4
    left = actor_shapes(_actor(ActorKind.CAR, (4.1, 1.7, 1.5), 0, indicator=1), 0.1)
    assert (left[left[:, MATERIAL] == Material.EMISSIVE, CY] > 0.5).all()


def test_walkers_step_and_stand() -> None:
    def pose(stride_m: float, speed: float) -> F32:
        return actor_shapes(Actor(1, ActorKind.PEDESTRIAN, 0.0, 0.0, 0.0, speed, 0.55, 0.6, 1.7, stride_m=stride_m))

    assert not np.array_equal(pose(0.0, 1.2), pose(0.4, 1.2))
    assert np.array_equal(pose(0.0, 1.2), pose(1.4, 1.2))
    assert np.array_equal(pose(0.1, 0.0), pose(0.4, 0.0))


def test_the_guide_reaches_across_to_stop_and_only_then_holds_the_paddle_up() -> None:
    def guide(sign: GuideSign, time_s: float = 0.0) -> F32:
        return actor_shapes(_actor(ActorKind.GUIDE, (0.7, 1.2, 1.85), 0, sign=sign), time_s)

    high = {sign: guide(sign)[:, CZ].max() for sign in GuideSign}
    assert high[GuideSign.STOP] > 1.6 > 1.2
    red = guide(GuideSign.STOP)
    red = red[(red[:, RED] > 0.5) & (red[:, RED + 1] < 0.05)]
    assert (red[:, CY] > 0.3).any() and (red[:, CY] < -0.3).any()  # paddle at one side, flag at the other
    still = guide(GuideSign.GO)
    assert not ((still[:, RED] > 0.5) & (still[:, RED + 1] < 0.05)).any()
    assert not np.array_equal(still, guide(GuideSign.GO, 0.3))  # waves


def test_everything_in_a_town_has_its_own_id_in_a_stable_order() -> None:
    town = cross_town()
    rows = town_shapes(town, lamps_on=True)
    assert np.isfinite(rows).all() and np.array_equal(rows, town_shapes(cross_town(), lamps_on=True))
    count = len(town.buildings) + len(town.trees) + len(town.lights) + len(town.signs) + len(town.parked)
    expected = [*range(STATIC_ID, STATIC_ID + count), *range(SIGNAL_ID, SIGNAL_ID + len(town.network.heads))]
    assert np.unique(rows[:, ID]).tolist() == expected
    first = rows[rows[:, ID] == STATIC_ID]
    assert np.hypot(first[0, CX] - town.buildings[0].x_m, first[0, CY] - town.buildings[0].y_m) < 0.01


def test_trees_keep_within_the_crown_that_the_roadside_leaves_free() -> None:
    town = cross_town()
    rows = town_shapes(town, lamps_on=False)
    for k, tree in enumerate(town.trees):
        points = _surface(rows[rows[:, ID] == STATIC_ID + len(town.buildings) + k])
        assert np.hypot(points[:, 0] - tree.x_m, points[:, 1] - tree.y_m).max() < 0.34 * tree.height_m
        assert points[:, 2].max() < 1.08 * tree.height_m


@pytest.mark.parametrize("left_hand", [True, False])
def test_the_lit_lamp_faces_the_drivers_in_its_place_in_the_box(left_hand: bool) -> None:
    network = cross_town(left_hand).network
    index, head = next((k, head) for k, head in enumerate(network.heads) if not head.pedestrian)
    place = {}
    for lamp in Lamp:
        rows = lamp_shapes(network, {head.group: lamp})
        row = rows[rows[:, ID] == SIGNAL_ID + index]
        assert len(row) == 1 and row[0, HX] == pytest.approx(LENS_M, abs=0.01) and row[0, MATERIAL] == Material.EMISSIVE
        dx, dy = row[0, CX] - head.x_m, row[0, CY] - head.y_m
        ahead = dx * math.cos(head.yaw_rad) + dy * math.sin(head.yaw_rad)
        assert 0.0 < ahead < 0.1
        place[lamp] = (dy * math.cos(head.yaw_rad) - dx * math.sin(head.yaw_rad), row[0, CZ] - head.z_m)
    if left_hand:  # lying, red towards the middle of the road: on the drivers' right
        assert place[Lamp.RED][0] > 0.3 > place[Lamp.YELLOW][0] > -0.3 > place[Lamp.GREEN][0]
    else:
        assert place[Lamp.RED][1] > 0.3 > place[Lamp.YELLOW][1] > -0.3 > place[Lamp.GREEN][1]
    assert len(lamp_shapes(network, {})) == 0


@pytest.mark.parametrize("kind", list(SignKind))
def test_a_sign_tells_from_the_front_and_is_grey_from_behind(kind: SignKind) -> None:
    rows = np.array(sign_rows(kind), np.float32)
    plates = rows[rows[:, CZ] > 1.8]
    lying = (plates[:, FORM] == Form.CYLINDER) & (plates[:, TAPER_FRONT] > 0.5)
    depth = np.where(lying, plates[:, HZ], plates[:, HX])
    front, back = plates[np.argmax(plates[:, CX] + depth)], plates[plates[:, CX] - depth < -1e-6]
    assert front[MATERIAL] == Material.REFLECTIVE
    assert len(back) and (back[:, MATERIAL] == Material.PLAIN).all() and np.ptp(back[:, RED : RED + 3]) < 0.05


def test_signs_differ() -> None:
    faces = {np.array(sign_rows(kind), np.float32).tobytes() for kind in SignKind}
    assert len(faces) == len(SignKind)
