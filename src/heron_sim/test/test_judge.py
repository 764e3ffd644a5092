"""The judge finds what is wrong with hand-made drives, and nothing wrong with their lawful neighbours."""

import math
from dataclasses import replace

import pytest
from judged import CROSSING_M, GREEN_S, NORTH, RED_S, STOP_LINE_M, TOWN, actor, ego_at, judged, moved, route_north, straight

from heron_sim.config import CriteriaConfig
from heron_sim.driving.judge import DrivingResult, Judge
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.simple import cross_town
from heron_sim.roads.town import ParkedCar
from heron_sim.truth import ActorKind, EgoTruth, GuideSign, Truth

NORTHWARDS, SOUTHWARDS, EASTWARDS, WESTWARDS = math.pi / 2, -math.pi / 2, 0.0, math.pi
X = -1.625  # of the ego car's lane


def faults(result: DrivingResult) -> list[str]:
    return result.failures(CriteriaConfig(wrong_lane_s=0.0))


def test_a_lawful_drive_has_nothing_to_blame() -> None:
    result = judged(straight(20.0), 12.0)
    assert faults(result) == []
    assert result.distance_m == pytest.approx(96.0, abs=0.01)
    assert result.progress_m == pytest.approx(96.0, abs=0.05)
    assert result.route_completion == pytest.approx(96.0 / (NORTH.line.length_m - 20.0), abs=1e-3)
    assert result.off_route_s == result.stood_s == 0.0
    assert result.comfort.comfortable
    assert result.events == ()


def test_progress_stops_at_the_end_and_is_not_made_backwards_or_beside_the_road() -> None:
    assert judged(straight(NORTH.line.length_m - 20.0), 4.0).route_completion == 1.0
    assert judged(lambda t: ego_at(60.0 - 2.0 * t, -2.0), 5.0).progress_m == 0.0
    assert judged(lambda t: ego_at(20.0 + 8.0 * t, left_m=9.0), 5.0).progress_m < 0.01


# Red lights


@pytest.mark.parametrize(("start_s", "run"), [(RED_S, 1), (GREEN_S, 0), (41.5, 0)], ids=["red", "green", "yellow"])
def test_red_lights(start_s: float, run: int) -> None:
    result = judged(straight(STOP_LINE_M - 3.7 - 4.0), 2.0, start_s=start_s)
    assert result.red_lights_run == run
    assert len(result.events) == run


def test_a_car_that_entered_at_yellow_may_clear_the_junction_at_red() -> None:
    # the front bumper crosses at 44.4 s (yellow), the axle at 44.55 s (red)
    assert judged(straight(STOP_LINE_M - 3.7 - 0.1 * 6.0, 6.0), 3.0, start_s=44.3).red_lights_run == 0
    assert judged(straight(STOP_LINE_M - 3.7 - 0.1 * 6.0, 6.0), 3.0, start_s=44.5).red_lights_run == 1


def test_a_nose_over_the_line_is_no_run_light_and_waits_for_green() -> None:
    def creeps(t: float) -> EgoTruth:
        return ego_at(STOP_LINE_M - 3.7 + min(-1.0 + t, 0.5), 1.0 if t < 1.5 else 0.0)

    assert judged(creeps, 4.0, start_s=RED_S).red_lights_run == 0

    def goes_on(at_s: float) -> DrivingResult:
        return judged(lambda t: ego_at(STOP_LINE_M - 3.7 + min(-1.0 + t, 0.5) + max(t - at_s, 0.0) * 2.0, 2.0), 12.0, start_s=20.0)

    assert goes_on(6.0).red_lights_run == 0  # green from 25.5 s on
    assert goes_on(2.0).red_lights_run == 1


def test_the_lamps_of_the_truth_rule_and_the_lane_beside_does_not() -> None:
    green = dict.fromkeys(TOWN.network.groups, TOWN.network.lamp(1, GREEN_S))
    judge = Judge(TOWN, NORTH)
    for i in range(40):
        judge.observe(Truth(round((RED_S + 0.05 * i) * 1e9), ego_at(STOP_LINE_M - 8.0 + 0.4 * i), lamps=green))
    assert judge.result().red_lights_run == 0
    # leaving southwards on the other side of the road passes no line
    leaving = judged(lambda t: EgoTruth(1.6, -10.0 - 8.0 * t, SOUTHWARDS, 8.0), 3.0, start_s=RED_S)
    assert leaving.red_lights_run == 0


# Where the car is


def test_off_road_is_a_corner_beside_the_kerb() -> None:
    # lane and kerb: the road's half is 4 m wide, the lane's middle 1.625 m from its middle, half of the car 0.925 m
    assert judged(lambda t: ego_at(40.0 + t, left_m=1.4), 2.0).off_road_s == 0.0
    assert judged(lambda t: ego_at(40.0 + t, left_m=1.6), 2.0).off_road_s == pytest.approx(2.0)
    assert judged(lambda t: ego_at(40.0 + t, left_m=1.6 if t > 1.01 else 0.0), 2.0).off_road_s == pytest.approx(1.0, abs=0.051)
    assert "off the road: 2 s, allowed 0 s" in faults(judged(lambda t: ego_at(40.0 + t, left_m=1.6), 2.0))


@pytest.mark.parametrize(("left_m", "seconds"), [(0.0, 0.0), (-1.5, 0.0), (-1.8, 3.0), (-3.2, 3.0)])
def test_wrong_lane_begins_when_base_link_is_over_the_middle_line(left_m: float, seconds: float) -> None:
    result = judged(lambda t: ego_at(40.0 + 5.0 * t, left_m=left_m), 3.0)
    assert result.wrong_lane_s == pytest.approx(seconds)
    assert result.off_road_s == 0.0


def test_a_car_that_turned_round_is_in_a_wrong_lane() -> None:
    assert judged(lambda t: ego_at(60.0 - 5.0 * t, turned_rad=math.pi), 3.0).wrong_lane_s == pytest.approx(3.0)
    assert judged(lambda t: ego_at(60.0 + 5.0 * t, left_m=-3.25, turned_rad=math.pi), 3.0).wrong_lane_s == 0.0  # off the route, but lawful
    assert judged(lambda t: ego_at(60.0 + 5.0 * t, left_m=-3.25, turned_rad=math.pi), 3.0).off_route_s == pytest.approx(3.0)


def test_junctions_have_no_wrong_lanes() -> None:
    result = judged(lambda t: ego_at(138.0 + 8.0 * t, left_m=-2.5), 2.5)
    assert result.wrong_lane_s == 0.0
    assert result.off_route_s == 0.0


@pytest.mark.parametrize(
    ("kind", "passing"), [(ActorKind.CONE, True), (ActorKind.BICYCLE, True), (ActorKind.BARRIER, True), (ActorKind.PEDESTRIAN, False)]
)
def test_something_in_the_lane_may_be_passed(kind: ActorKind, passing: bool) -> None:
    y = NORTH.line.at(60.0).y
    result = judged(lambda t: ego_at(40.0 + 8.0 * t, left_m=-3.0), 4.0, lambda t: [actor(3, kind, X - 0.8, y, NORTHWARDS)])
    assert (result.wrong_lane_s, result.passing_s) == pytest.approx((0.0, 4.0) if passing else (4.0, 0.0), abs=0.06)


def test_what_lies_beside_the_lane_or_far_behind_excuses_nobody() -> None:
    y = NORTH.line.at(40.0).y
    beside = judged(lambda t: ego_at(40.0 + 8.0 * t, left_m=-3.0), 3.0, lambda t: [actor(3, ActorKind.CONE, X - 4.0, y, 0.0)])
    assert beside.wrong_lane_s == pytest.approx(3.0)
    behind = judged(lambda t: ego_at(35.0 + 8.0 * t, left_m=-3.0), 10.0, lambda t: [actor(3, ActorKind.CONE, X, y, 0.0)])
    # abreast until 15 m after the cone (2.5 s), then 3 s to be back
    assert behind.passing_s == pytest.approx(5.5, abs=0.11)
    assert behind.wrong_lane_s == pytest.approx(10.0 - 5.5, abs=0.11)


def test_a_parked_car_may_be_passed_and_must_not_be_hit() -> None:
    y = NORTH.line.at(60.0).y
    town = replace(TOWN, parked=(ParkedCar(X - 1.4, y, NORTHWARDS),))
    around = judged(lambda t: ego_at(40.0 + 8.0 * t, left_m=-2.5), 4.0, judge=Judge(town, NORTH))
    assert (around.wrong_lane_s, around.collisions) == (0.0, ())
    assert around.passing_s == pytest.approx(4.0)
    into = judged(straight(40.0), 4.0, judge=Judge(town, NORTH))
    assert [(each.other, each.at_fault) for each in into.collisions] == [("parked car 0", True)]


# A guide


def stop_guide(x_m: float = X - 2.2, yaw_rad: float = SOUTHWARDS, sign: GuideSign = GuideSign.STOP) -> list:  # type: ignore[type-arg]
    return [actor(9, ActorKind.GUIDE, x_m, NORTH.line.at(80.0).y, yaw_rad, sign=sign)]


def test_a_guide_who_shows_stop_must_not_be_passed() -> None:
    past = judged(straight(40.0), 8.0, lambda t: stop_guide())
    assert past.guide_signs_run == 1
    assert faults(past) == ["stop signs of the guide passed: 1, allowed 0"]
    assert judged(straight(40.0), 8.0, lambda t: stop_guide(sign=GuideSign.GO)).guide_signs_run == 0
    assert judged(straight(40.0), 8.0, lambda t: stop_guide(yaw_rad=NORTHWARDS)).guide_signs_run == 0  # he stops those who come the other way
    assert judged(straight(40.0, 4.0), 8.9, lambda t: stop_guide()).guide_signs_run == 0  # the bumper is 0.7 m before him


def test_a_guide_who_raises_the_sign_too_late_is_not_disobeyed() -> None:
    def later(at_s: float) -> DrivingResult:
        return judged(straight(40.0), 8.0, lambda t: stop_guide(sign=GuideSign.STOP if t >= at_s else GuideSign.GO))

    # the bumper passes him at 4.54 s; at 8 m/s a driver needs 18.7 m, 2.33 s
    assert later(2.0).guide_signs_run == 1
    assert later(2.4).guide_signs_run == 0


# Walkers on a crossing


def walkers(from_x: float, speed_mps: float, yaw_rad: float, dy: float = 0.0):  # type: ignore[no-untyped-def]
    start = actor(5, ActorKind.PEDESTRIAN, from_x, -15.0 + dy, yaw_rad, speed_mps)
    return lambda t: [moved(start, t)]


AT_CROSSING = straight(CROSSING_M - 3.7 - 2.0 - 30.0)  # the bumper is on the strip from 3.75 s on


@pytest.mark.parametrize(
    ("x_at_entry", "eastward", "wrong"),
    [(-1.6, True, 1), (-3.6, True, 1), (1.0, False, 1), (2.9, False, 1), (3.9, False, 0), (0.5, True, 0), (-3.4, False, 0)],
    ids=["in the way", "coming from the kerb", "coming from the middle", "two seconds away", "far side", "has passed", "has left the lane"],
)
def test_walkers_are_yielded_to(x_at_entry: float, eastward: bool, wrong: int) -> None:
    way = 0.1 * 3.75 * (1.0 if eastward else -1.0)  # until the bumper reaches the strip
    result = judged(AT_CROSSING, 4.0, walkers(x_at_entry - way, 0.1, EASTWARDS if eastward else WESTWARDS), start_s=RED_S)
    assert result.pedestrians_not_yielded == wrong


def test_walkers_beside_the_crossing_or_who_wait_stop_nobody() -> None:
    assert judged(AT_CROSSING, 4.0, walkers(-4.6, 0.0, EASTWARDS)).pedestrians_not_yielded == 0
    assert judged(AT_CROSSING, 3.9, walkers(-3.0, 0.4, EASTWARDS, dy=-4.0)).pedestrians_not_yielded == 0


def test_who_steps_out_in_front_of_the_car_or_at_his_red_has_no_right() -> None:
    def late(t: float):  # type: ignore[no-untyped-def]
        return walkers(-4.5, 0.0, EASTWARDS)(t) if t < 3.0 else walkers(-3.0, 1.0, EASTWARDS)(0.0)

    assert judged(AT_CROSSING, 4.0, late, start_s=RED_S).pedestrians_not_yielded == 0
    group = TOWN.network.crossings[0].signal
    assert group is not None
    for start_s, lamp, counted in ((2.0, "green", 1), (20.5, "yellow", 1), (26.0, "red", 0)):
        assert TOWN.network.lamp(group, start_s).value == lamp
        assert judged(AT_CROSSING, 4.0, walkers(-3.5, 0.5, EASTWARDS), start_s=start_s).pedestrians_not_yielded == counted


def test_standing_before_the_crossing_is_yielding() -> None:
    waits = judged(lambda t: ego_at(CROSSING_M - 2.0 - 3.7 - 0.5, 0.0), 4.0, walkers(-3.5, 0.9, EASTWARDS))
    assert waits.pedestrians_not_yielded == 0


# The rest


def test_stops_are_counted_after_having_moved() -> None:
    speeds = [0.0] * 40 + [5.0] * 40 + [0.0] * 30 + [0.5] * 10 + [0.0] * 30 + [5.0] * 20 + [0.0] * 15

    def ego(t: float) -> EgoTruth:
        i = round(t / 0.05)
        return ego_at(30.0 + 0.05 * sum(speeds[:i]), speeds[min(i, len(speeds) - 1)])

    result = judged(ego, 9.2)
    assert result.stops == 1
    assert result.stood_s == pytest.approx(0.05 * (39 + 30 + 30 + 15), abs=0.06)
    assert faults(result) == []
    assert result.failures(CriteriaConfig(must_stop=True)) == []
    assert judged(straight(30.0), 3.0).failures(CriteriaConfig(must_stop=True)) == ["it never stood still for a second, and had to stop"]


def test_a_stop_before_the_guide_is_one_for_him() -> None:
    def stops(sign: GuideSign, front_m: float) -> DrivingResult:
        def ego(t: float) -> EgoTruth:
            at_m = 40.0 + min(5.0 * t, 15.0)
            return ego_at(at_m, 5.0 if t < 3.0 else 0.0)

        return judged(ego, 6.0, lambda t: [replace(each, y_m=NORTH.line.at(55.0 + 3.7 + front_m).y) for each in stop_guide(sign=sign)])

    assert [stops(GuideSign.STOP, ahead_m).stops_for_guide for ahead_m in (3.0, 19.0, 21.0)] == [1, 1, 0]
    assert stops(GuideSign.GO, 3.0).stops_for_guide == 0
    assert stops(GuideSign.STOP, 21.0).stops == 1
    wanted = CriteriaConfig(must_stop_for_guide=True)
    assert stops(GuideSign.STOP, 3.0).failures(wanted) == []
    assert stops(GuideSign.GO, 3.0).failures(wanted) == ["it never stood still for the guide, and had to"]


def test_who_got_stuck_is_told_where_and_why() -> None:
    said = [(0.0, "following the road"), (3.4, "waiting for the crossing traffic"), (25.0, "starting")]
    stuck = judged(lambda t: ego_at(40.0 + min(5.0 * t, 15.0), 5.0 if t < 3.0 else 0.0), 20.0, start_s=0.0)
    assert stuck.longest_stand.seconds == pytest.approx(17.0, abs=0.06)
    assert stuck.failures(CriteriaConfig(distance_m=50.0), said=said) == [
        "distance: 15 m, at least 50 m; it stood still for 17 s from 3 s on, at 55 m of the route, saying 'waiting for the crossing traffic'"
    ]
    assert stuck.failures(CriteriaConfig(distance_m=10.0), said=said) == []
    brief = judged(lambda t: ego_at(40.0 + min(5.0 * t, 15.0), 5.0 if t < 3.0 else 0.0), 10.0, start_s=0.0)
    assert brief.failures(CriteriaConfig(distance_m=50.0), said=said) == ["distance: 15 m, at least 50 m"]


def test_criteria_name_what_was_exceeded() -> None:
    result = replace(DrivingResult(), distance_m=12.0, off_road_s=0.55, red_lights_run=2)
    found = result.failures(CriteriaConfig(distance_m=50.0, red_lights_run=1), disengagements=1)
    assert found == [
        "red lights run: 2, allowed 1",
        "off the road: 0.55 s, allowed 0 s",
        "disengagements: 1, allowed 0",
        "distance: 12 m, at least 50 m",
    ]


def test_time_must_go_on() -> None:
    judge = Judge(TOWN, NORTH)
    judge.observe(Truth(100, ego_at(10.0)))
    with pytest.raises(ValueError, match="100 ns after 100 ns"):
        judge.observe(Truth(100, ego_at(10.0)))


def test_a_turn_over_the_oncoming_lane_is_on_the_route() -> None:
    right = route_north(Manoeuvre.RIGHT)
    result = judged(straight(110.0, route=right), 8.0, route=right)
    assert faults(result) == []
    assert result.off_route_s == 0.0


def test_where_traffic_keeps_right_the_rules_are_mirrored() -> None:
    town = cross_town(left_hand=False)
    route = route_north(network=town.network)
    assert route.line.at(60.0).x > 0.0
    for turn in (Manoeuvre.STRAIGHT, Manoeuvre.LEFT, Manoeuvre.RIGHT):
        way = route_north(turn, town.network)
        lawful = judged(straight(110.0, route=way), 8.0, route=way, judge=Judge(town, way))
        assert faults(lawful) == []
        assert lawful.off_route_s == 0.0
    assert judged(straight(STOP_LINE_M - 8.0, route=route), 2.0, start_s=RED_S, judge=Judge(town, route)).red_lights_run == 1
    beside = judged(lambda t: ego_at(40.0 + 5.0 * t, left_m=1.8, route=route), 3.0, judge=Judge(town, route))
    assert (beside.wrong_lane_s, beside.off_road_s) == pytest.approx((3.0, 0.0))
    assert judged(lambda t: ego_at(40.0 + t, left_m=-1.6, route=route), 2.0, judge=Judge(town, route)).off_road_s == pytest.approx(2.0)
