"""What the expert would do if it were told otherwise, and how a sample is asked about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.trajectory import POINTS
from heron_core.truth import EgoTruth, Truth
from heron_model.asked import told_otherwise
from heron_model.layout import MANOEUVRES, SLOTS
from heron_model.others import Other, packed, unpacked
from heron_model.sample_reader import Samples, collate
from heron_model.sample_writer import blank, write_rows
from heron_model.town.drive import Moment
from heron_model.town.keep import BEFORE, FIRST, with_a_choice, yielding
from heron_model.town.make import world_views
from heron_model.town.others import LATERAL_MPS2, OtherManoeuvres, OtherPlan
from heron_model.words.tokenizer import train
from heron_sim.config import RouteConfig, TownConfig
from heron_sim.driving.expert import Expert, ExpertPlan
from heron_sim.driving.explain import Explanation, Reason
from heron_sim.roads.generate import generate_town
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.other_ways import other_ways
from heron_sim.roads.route import Route, Turn
from heron_sim.roads.router import plan_route
from heron_sim.roads.town import Town

VEHICLE = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
SEED = 8


@pytest.fixture(scope="module")
def town() -> Town:
    return generate_town(TownConfig(signals=0.0), SEED)


@pytest.fixture(scope="module")
def car() -> LoopCar:
    return LoopCar.load(VEHICLE)


@pytest.fixture(scope="module")
def chosen(town: Town) -> tuple[Route, Turn]:
    """A route and its first turn, at which there is a choice."""
    for seed in range(20):
        route = plan_route(town.network, RouteConfig(), seed)
        if other_ways(town.network, route, route.turns[0]) and route.turns[0].change_m is None:
            return route, route.turns[0]
    raise AssertionError("no route that begins with a choice")


def at(route: Route, s_m: float, speed_mps: float) -> Truth:
    pose = route.line.at(s_m)
    return Truth(0, EgoTruth(pose.x, pose.y, pose.yaw, speed_mps, route_s_m=s_m, engaged=True))


def asked(town: Town, car: LoopCar, route: Route, s_m: float, speed_mps: float) -> list[OtherPlan]:
    truth = at(route, s_m, speed_mps)
    plan = Expert(town, route, car.model, car.limits).plan(truth).points
    return OtherManoeuvres(car, town, route, world_views(VEHICLE)).at(truth, plan)


def test_plans_for_other_manoeuvres_end_where_those_lead(town: Town, car: LoopCar, chosen: tuple[Route, Turn]) -> None:
    route, turn = chosen
    found = asked(town, car, route, turn.begin_m - 8.0, 4.5)
    assert {each.manoeuvre for each in found} <= set(other_ways(town.network, route, turn)) and found
    for each in found:
        x, y, yaw, _ = each.points[-1]
        if each.manoeuvre is Manoeuvre.STRAIGHT:
            assert abs(y) < 1.5 and x > 8.0
        else:
            assert (y > 1.0 and yaw > 0.2) if each.manoeuvre is Manoeuvre.LEFT else (y < -1.0 and yaw < -0.2)


def test_nothing_else_is_told_far_before_a_junction_in_it_or_too_late(town: Town, car: LoopCar, chosen: tuple[Route, Turn]) -> None:
    route, turn = chosen
    assert not asked(town, car, route, turn.told_m - 2.0, 8.0)
    assert not asked(town, car, route, turn.begin_m + 0.5, 4.0)
    fast = [each.manoeuvre for each in asked(town, car, route, turn.begin_m - 1.0, 13.0)]
    assert not {Manoeuvre.LEFT, Manoeuvre.RIGHT} & set(fast), f"at {LATERAL_MPS2} m/s² nobody turns there"


def test_only_moments_with_a_choice_are_kept_five_a_second() -> None:
    some: Any = [object()]
    others: list[Any] = [[]] * FIRST + [some] * 10 + [[]] * 10
    assert with_a_choice(others) == list(range(FIRST + FIRST % 2, FIRST + 10, 2))


def test_yielding_is_kept_with_what_comes_before_it() -> None:
    plans = [ExpertPlan(np.zeros((POINTS, 4), np.float32), Explanation(reason, "", "")) for reason in (Reason.CRUISE, Reason.GIVE_WAY)]
    moving, standing = (Truth(0, EgoTruth(0.0, 0.0, 0.0, speed_mps)) for speed_mps in (5.0, 0.0))
    moments = [Moment(moving, plans[0], False)] * 60 + [Moment(moving, plans[1], False)] * 10 + [Moment(standing, plans[1], False)] * 200
    kept = yielding([*moments, *[Moment(moving, plans[0], False)] * 40], 1)
    assert [index for index in kept if index < 70] == list(range(60 - BEFORE + 2, 70, 2))
    assert 10 < sum(70 <= index < 270 for index in kept) < 45 and max(kept) < 270


def others() -> list[Other]:
    left = np.zeros((POINTS, 4), np.float32)
    left[:, 0] = left[:, 1] = np.arange(1, POINTS + 1) * 0.4
    left[:, 3] = 4.0
    return [Other("left", left, "none", "clear"), Other("straight", left * np.float32([1.0, 0.0, 1.0, 1.0]), "red", "near")]


def test_others_come_back_as_they_were_packed() -> None:
    assert packed([]) == b"" and unpacked(b"") == unpacked(None) == []
    for one, other in zip(others(), unpacked(packed(others())), strict=True):
        assert (one.manoeuvre, one.signal, one.ahead) == (other.manoeuvre, other.signal, other.ahead)
        np.testing.assert_array_equal(one.points, other.points)


def folder_of(place: Path, more: Mapping[str, Any]) -> Samples:
    row = blank(0) | {"labelled": True, "ego_hist": [3.0] * 24, "trajectory": [1.0] * (POINTS * 4), "manoeuvre": "right", "turn": "right"}
    row |= {"signal": "green", "ahead": "far", "reason": "turn", "english": "I turn right.", "japanese": "右に曲がります。"}
    write_rows(place / "drive.parquet", [row | dict(more)])
    return Samples([place], train())


def test_a_sample_is_asked_about_what_could_be_told_too(tmp_path: Path) -> None:
    samples = folder_of(tmp_path, {"others": packed(others())})
    turns, slots = set(), [slot.name for slot in SLOTS]
    for seed in range(40):
        drawn = samples.draw(0, np.random.default_rng(seed), asks=3)
        assert MANOEUVRES[drawn["thoughts"][slots.index("turn")]] == "right" and len(drawn["more"]) == 2
        for each in drawn["more"]:
            turn = MANOEUVRES[each["thoughts"][slots.index("turn")]]
            turns.add(turn)
            assert each["thoughts"][slots.index("reason")] == -100 and not each["speech_ids"] and np.isnan(each["lead"]).all()
            assert each["command"] in (MANOEUVRES.index(turn), MANOEUVRES.index("follow"))
            assert (each["trajectory"][-1, 1] > 1.0) == (turn == "left")
    assert turns == {"left", "straight"}
    batch = collate([samples.draw(0, np.random.default_rng(seed), asks=3) for seed in range(4)])
    assert len(batch["front"]) == len(batch["lamp"]) == len(batch["where"]) == 4
    assert len(batch["command"]) == len(batch["trajectory"]) == len(batch["text_ids"]) == len(batch["weight"]) == 12


def test_without_another_manoeuvre_it_is_asked_again_in_other_words(tmp_path: Path) -> None:
    samples = folder_of(tmp_path, {})
    drawn = samples.draw(0, np.random.default_rng(1), asks=4)
    slot = [slot.name for slot in SLOTS].index("turn")
    assert {each["thoughts"][slot] for each in drawn["more"]} == {MANOEUVRES.index("right")}
    assert len({tuple(each["text_ids"]) for each in drawn["more"]}) > 1
    assert "more" not in samples[0] and "more" not in samples.draw(0, np.random.default_rng(1))


def test_told_otherwise_keeps_nothing_that_was_said() -> None:
    changed = told_otherwise(others()[0])
    assert changed["manoeuvre"] == changed["turn"] == "left" and not any(changed[name] for name in ("text", "reason", "english", "japanese"))
