"""Whose fault a collision was, and that one contact is counted once."""

import math
from dataclasses import replace

import pytest
from judged import NORTH, RED_S, STOP_LINE_M, TOWN, actor, ego_at, judged, moved, route_north, straight

from heron_sim.driving.judge import Judge
from heron_sim.driving.judge_contacts import Collision
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.town import Building, Sign, SignKind, StreetLight, Tree
from heron_sim.truth import Actor, ActorKind

NORTHWARDS, EASTWARDS, WESTWARDS = math.pi / 2, 0.0, math.pi
X = -1.625


def car(x_m: float, at_m: float, yaw_rad: float = NORTHWARDS, speed_mps: float = 0.0, **more: object) -> Actor:
    """A car whose middle is abreast of arc length `at_m` of the route."""
    return actor(7, ActorKind.CAR, x_m, NORTH.line.at(at_m).y, yaw_rad, speed_mps, **more)


def only(collisions: tuple[Collision, ...]) -> tuple[bool, str]:
    assert len(collisions) == 1, collisions
    return collisions[0].at_fault, collisions[0].why


def test_driving_into_a_car_ahead_is_one_collision_at_fault() -> None:
    ahead = car(X, 70.0)
    result = judged(straight(40.0), 4.0, lambda t: [ahead])
    assert only(result.collisions) == (True, "the other stood still")
    assert result.collisions[0].time_s == pytest.approx(26.0 + (70.0 - 2.2 - 3.7 - 40.0) / 8.0, abs=0.051)
    assert result.collisions[0].closing_mps == pytest.approx(8.0)
    assert result.min_gap_m == 0.0
    slower = car(X, 60.0, speed_mps=3.0)
    assert only(judged(straight(40.0), 4.0, lambda t: [moved(slower, t)]).collisions) == (True, "hit with the front")


def test_a_near_miss_is_no_collision() -> None:
    beside = car(X + 0.925 + 0.9 + 0.02, 60.0)  # 2 cm apart
    result = judged(straight(40.0), 5.0, lambda t: [beside])
    assert result.collisions == ()
    assert result.min_gap_m == pytest.approx(0.02, abs=1e-6)
    assert judged(straight(40.0), 5.0, lambda t: [car(X + 0.925 + 0.9 - 0.02, 60.0)]).at_fault_collisions == 1


def test_a_contact_is_over_after_a_second_apart() -> None:
    def shaken(pause_s: float) -> int:
        away = car(X, 90.0)
        return len(judged(lambda t: ego_at(40.0, 0.5), 6.0, lambda t: [away if 2.0 < t < 2.0 + pause_s else car(X, 46.0)], start_s=26.0).collisions)

    assert judged(lambda t: ego_at(40.0, 0.5), 2.0, lambda t: [car(X, 45.5)]).at_fault_collisions == 1
    assert shaken(0.0) == 0  # 46.0 - 2.2 - 3.7 - 40: 10 cm apart

    def touches(pause_s: float) -> int:
        away, here = car(X, 90.0), car(X, 45.5)
        return len(judged(lambda t: ego_at(40.0, 0.5), 6.0, lambda t: [away if 2.0 < t < 2.0 + pause_s else here]).collisions)

    assert (touches(0.5), touches(1.5)) == (1, 2)


def test_a_standing_car_and_one_that_is_hit_from_behind_are_innocent() -> None:
    comes = car(X, 20.0, speed_mps=12.0)
    assert only(judged(lambda t: ego_at(60.0, 0.0), 4.0, lambda t: [moved(comes, t)]).collisions) == (False, "the car stood")
    assert only(judged(straight(60.0, 5.0), 7.0, lambda t: [moved(comes, t)]).collisions[:1]) == (False, "hit from behind")
    behind = car(X, 30.0)
    assert only(judged(lambda t: ego_at(40.0 - 3.0 * t, -3.0), 3.0, lambda t: [behind]).collisions)[0]  # reversed into it


def test_who_moves_sideways_into_the_other_is_at_fault() -> None:
    def comes(t: float) -> list[Actor]:
        return [replace(car(X + 2.4 - 0.8 * t, 42.0 + 8.0 * t, NORTHWARDS + 0.1, 8.04))]

    assert only(judged(straight(40.0), 1.5, comes).collisions) == (False, "hit in the side by the other")

    def turns(t: float):  # type: ignore[no-untyped-def]
        return replace(ego_at(40.0 + 8.0 * t, 8.0, left_m=-0.5 * t, turned_rad=-0.06), yaw_rate_rps=-0.2)

    assert only(judged(turns, 1.5, lambda t: [car(X + 2.2, 42.0 + 8.0 * t, speed_mps=8.0)]).collisions) == (True, "hit with the side")

    def out(t: float):  # type: ignore[no-untyped-def]
        return ego_at(40.0 + 8.0 * t, 8.0, left_m=1.7)

    def pushes(t: float) -> list[Actor]:
        return [car(X - 1.7 + 2.4 - 0.8 * t, 42.0 + 8.0 * t, NORTHWARDS + 0.1, 8.04)]

    assert judged(out, 1.5, pushes).collisions[0].at_fault


def test_broken_rules_decide() -> None:
    # a car from the left drives into the ego car's side in the junction: innocent at green, at fault after a red light
    def crossing(t: float) -> list[Actor]:
        return [actor(7, ActorKind.CAR, -30.4 + 8.0 * t, 0.5, EASTWARDS, 8.0, lane=18)]

    at_green = judged(straight(STOP_LINE_M - 8.0), 3.5, crossing)
    assert only(at_green.collisions) == (False, "hit in the side by the other")
    at_red = judged(straight(STOP_LINE_M - 8.0), 3.5, crossing, start_s=RED_S)
    assert at_red.red_lights_run == 1
    assert only(at_red.collisions) == (True, "it ran the red light of lane 7")


def test_who_had_to_yield_is_at_fault_whoever_hits() -> None:
    right = route_north(Manoeuvre.RIGHT)
    oncoming = actor(7, ActorKind.CAR, 1.625, 40.0, -NORTHWARDS, 9.0, lane=14)
    result = judged(straight(120.0, 7.0, right), 5.0, lambda t: [moved(oncoming, t)], route=right)
    assert only(result.collisions) == (True, "it had to yield")
    straight_on = replace(oncoming, x_m=-1.4)
    assert only(judged(straight(120.0, 7.0), 5.0, lambda t: [moved(straight_on, t)]).collisions) == (True, "hit with the front")


@pytest.mark.parametrize(
    ("name", "kind", "thing"),
    [
        ("buildings", "building 0", Building(X - 5.0, NORTH.line.at(60.0).y, 0.3, 8.0, 6.0, 9.0)),
        ("trees", "tree 0", Tree(X - 0.5, NORTH.line.at(60.0).y, 6.0)),
        ("lights", "street light 0", StreetLight(X + 0.9, NORTH.line.at(60.0).y, 0.0)),
        ("signs", "sign 0", Sign(SignKind.STOP, X, NORTH.line.at(60.0).y, 0.0)),
    ],
)
def test_what_stands_about_can_be_hit(name: str, kind: str, thing: object) -> None:
    town = replace(TOWN, buildings=(), trees=(), lights=(), signs=())
    assert judged(straight(40.0), 4.0, judge=Judge(town, NORTH)).collisions == ()
    hit = judged(straight(40.0), 4.0, judge=Judge(replace(town, **{name: (thing,)}), NORTH))  # type: ignore[arg-type]
    assert [(each.other, each.at_fault) for each in hit.collisions] == [(kind, True)]


def test_time_to_collision_counts_near_misses_but_not_hits() -> None:
    ahead = car(X, 70.0)

    def brakes(t: float):  # type: ignore[no-untyped-def]
        return ego_at(40.0 + 8.0 * min(t, 2.5), 8.0 if t < 2.5 else 0.0)

    close = judged(brakes, 4.0, lambda t: [ahead])
    assert (close.collisions, close.near_misses) == ((), 1)
    assert close.min_ttc_s == pytest.approx((70.0 - 2.2 - 63.7) / 8.0, abs=0.11)

    def early(t: float):  # type: ignore[no-untyped-def]
        return ego_at(40.0 + 8.0 * min(t, 1.5), 8.0 if t < 1.5 else 0.0)

    assert judged(early, 4.0, lambda t: [ahead]).near_misses == 0
    hit = judged(straight(40.0), 4.0, lambda t: [ahead])
    assert (len(hit.collisions), hit.near_misses) == (1, 0)
    passing_by = car(X + 3.25, 90.0, -NORTHWARDS, 8.0)
    assert judged(straight(40.0), 6.0, lambda t: [moved(passing_by, t)]).min_ttc_s == math.inf
