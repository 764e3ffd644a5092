"""Samples from the world: made once in a short drive, looked at from all sides."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from heron_can.command_ecu import Followed
from heron_core.errors import InputError
from heron_core.trajectory import POINTS
from heron_core.truth import EgoTruth, Truth
from heron_model.layout import MANOEUVRES, SLOTS
from heron_model.packed import unpack
from heron_model.sample_reader import Samples, collate
from heron_model.town import make
from heron_model.town.config import TownDataConfig
from heron_model.town.drive import Disturbances, Moment
from heron_model.town.keep import FIRST, braking
from heron_model.town.make import describe, drive_file, make_drive, make_samples
from heron_model.town.relief import ASIDE_M, Relief, differ
from heron_model.town.wander import MOST_M, Wander
from heron_model.words.tokenizer import train
from heron_sim.config import RouteConfig, TownConfig
from heron_sim.driving.expert import ExpertPlan
from heron_sim.driving.explain import Explanation, Reason
from heron_sim.roads.generate import generate_town
from heron_sim.roads.route import Route
from heron_sim.roads.router import plan_route

VEHICLE = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
SEED = 100_003  # drives towards a traffic light from the start
CONFIG = TownDataConfig(drives=1, first_seed=SEED, seconds=8.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("samples")
    describe(place, VEHICLE, CONFIG, None)
    assert make_drive(place, VEHICLE, CONFIG, SEED)["samples"] > 5
    return place


@pytest.fixture(scope="module")
def samples(folder: Path) -> Samples:
    return Samples([folder], train())


def test_rows_are_complete_and_their_past_is_there(folder: Path) -> None:
    rows = pq.read_table(drive_file(folder, SEED)).to_pylist()
    labelled = [row for row in rows if row["labelled"]]
    for row in labelled:
        before = rows[row["past"]]
        assert row["stamp_ns"] - before["stamp_ns"] == 500_000_000
        assert before["view_1"]
        assert all(row[f"view_{k}"] for k in range(7))
        assert np.isfinite(row["trajectory"]).all() and np.isfinite(row["ego_hist"]).all()
        for slot in SLOTS[1:]:
            assert row[slot.name] in slot.words, slot.name
        assert row["english"] and row["japanese"]


def test_a_light_that_is_told_is_seen_in_the_picture(folder: Path) -> None:
    told = 0
    for row in pq.read_table(drive_file(folder, SEED)).to_pylist():
        if row["labelled"]:
            cells = unpack(row["aux"])["cells"]
            assert (row["signal"] != "none") == (len(cells) > 0)
            assert ((cells >= 0) & (cells < 20 * 32)).all()
            told += row["signal"] != "none"
    assert told > 2


def test_the_same_drive_again_has_the_same_rows(folder: Path, tmp_path: Path) -> None:
    make_drive(tmp_path, VEHICLE, CONFIG, SEED)
    assert drive_file(tmp_path, SEED).read_bytes() == drive_file(folder, SEED).read_bytes()


def test_finished_drives_are_not_made_again_and_others_are_refused(folder: Path) -> None:
    before = drive_file(folder, SEED).stat().st_mtime_ns
    assert make_samples(folder, VEHICLE, CONFIG, 1) > 5
    assert drive_file(folder, SEED).stat().st_mtime_ns == before
    with pytest.raises(InputError, match="config differ"):
        make_samples(folder, VEHICLE, TownDataConfig(drives=1, first_seed=SEED, seconds=30.0), 1)


def test_held_out_towns_are_never_learnt_from() -> None:
    with pytest.raises(ValueError, match="held out"):
        TownDataConfig(first_seed=49_999)


def test_what_is_drawn_is_a_function_of_the_seed(samples: Samples) -> None:
    first, again, other = (samples.draw(0, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first["front"], again["front"])
    assert first["text_ids"] == again["text_ids"] and not np.array_equal(first["ego_hist"], other["ego_hist"])


def test_batches_have_what_the_model_wants(samples: Samples) -> None:
    batch = collate([samples.draw(k, np.random.default_rng(k)) for k in range(5)])
    assert batch["narrow"].shape == (5, 1, 3, 160, 256) and batch["narrow_past1"].dtype == torch.uint8
    assert batch["around"].shape == (5, 5, 3, 64, 96)
    torch.testing.assert_close(batch["where"].sum(1), torch.ones(5))
    assert int(batch["command"].max()) < len(MANOEUVRES)
    assert batch["text_mask"].shape == batch["text_ids"].shape
    assert not batch["text_ids"][~batch["text_mask"]].any()


def test_a_sample_without_pictures_is_black(samples: Samples) -> None:
    from heron_model.sample_reader import _decode

    assert not _decode(b"", (4, 6), None).any()
    with pytest.raises(InputError, match="pixels"):
        _decode(b"no jpeg", (4, 6), None)


def test_disturbances_push_and_end() -> None:
    pushes = Disturbances(5, 2.0, 0.08, 2.8)
    wanted = Followed(0.0, 0.0, False)
    found = [pushes.at(k * 0.1, 8.0, wanted) for k in range(600)]
    pushed = [each for each, told in found if told]
    assert 20 < len(pushed) < 400
    assert max(abs(each.steer_rad or 0.0) for each in pushed) <= 0.15
    assert all(each == wanted for each, told in found if not told)


def test_a_disturbed_car_stops_for_nothing_and_stands_for_a_while() -> None:
    pushes, wanted = Disturbances(3, 2.0, 0.08, 2.8), Followed(0.0, 1.0, False)
    speed, halts, halted = 8.0, [], 0
    for k in range(60_000):
        asked, _ = pushes.at(k * 0.01, speed, wanted)
        speed = min(max(speed + 0.01 * (asked.accel_mps2 or 0.0), 0.0), 8.0)
        if asked.hold:
            halted += 1
        elif halted:
            halts, halted = [*halts, halted * 0.01], 0
    assert len(halts) > 3
    assert min(halts) > 0.25 and max(halts) < 2.6


def rolled_on(share: float, seed: int, wanted_mps2: Callable[[float], float], speed_mps: float = 8.0, steps: int = 300) -> list[int]:
    """Indices of the tenths of a second in which the car rolls on though it is to brake."""
    pushes, found = Disturbances(seed, 1e6, 0.08, 2.8, share), []
    for k in range(steps):
        wanted = Followed(0.01, wanted_mps2(k * 0.1), False)
        asked, told = pushes.at(k * 0.1, speed_mps, wanted)
        if told:
            assert asked == Followed(0.01, 0.0, False), "it steers as it is to, and rolls"
            found.append(k)
        else:
            assert asked == wanted
    return found


def test_braking_comes_late_once_each_time_as_often_as_the_share_says() -> None:
    late = [rolled_on(1.0, seed, lambda t: -1.0 if t >= 5.0 else 0.0) for seed in range(20)]
    assert all(each and each == list(range(50, 50 + len(each))) for each in late), "at first, in one piece, and then it brakes"
    assert min(map(len, late)) >= 4 and max(map(len, late)) <= 20 and len({len(each) for each in late}) > 5
    some = [bool(rolled_on(0.5, seed, lambda t: -1.0 if t >= 5.0 else 0.0)) for seed in range(60)]
    assert 18 <= sum(some) <= 42
    assert not rolled_on(0.0, 1, lambda t: -1.0)


def test_nobody_rolls_on_when_it_is_high_time_nor_slowly_nor_for_a_touch_of_the_brakes() -> None:
    for seed in range(20):
        growing = rolled_on(1.0, seed, lambda t: -2.0 * t)  # -0.6 m/s² after 0.3 s, -2.6 after 1.3
        assert growing and 3 <= growing[0] <= 4 and growing[-1] <= 13
        assert not rolled_on(1.0, seed, lambda t: -2.7)
        assert not rolled_on(1.0, seed, lambda t: -1.0, speed_mps=1.5)
        assert not rolled_on(1.0, seed, lambda t: -0.5)
    assert all(max(rolled_on(1.0, seed, lambda t: -1.0 if t < 0.25 else 0.5)) <= 2 for seed in range(20)), "who need not brake any more drives on"


def test_a_training_drive_brakes_late_as_its_config_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    led: list[Disturbances] = []

    def remember(*arguments: Any) -> Any:
        led.append(arguments[5])
        raise KeyboardInterrupt

    monkeypatch.setattr(make, "record_drive", remember)
    for share in (0.0, 1.0):
        with pytest.raises(KeyboardInterrupt):
            make.make_drive(tmp_path, VEHICLE, TownDataConfig(late_braking_share=share), 128_000)
    told = [each.at(0.0, 8.0, Followed(0.0, -1.0, False))[1] for each in led]
    assert told == [False, True]


def test_braking_is_kept_where_the_expert_slows_down_five_a_second() -> None:
    points = np.zeros((POINTS, 4), np.float32)
    points[:, 3] = 8.0 - 1.2 * np.arange(1, POINTS + 1) * 0.1
    plan = ExpertPlan(points, Explanation(Reason.FOLLOW_CAR, "", ""))
    moments = [Moment(Truth(0, EgoTruth(0.0, 0.0, 0.0, speed_mps)), plan, False) for speed_mps in [8.0] * 30 + [7.7] * 30]
    assert braking(moments) == list(range(FIRST, 30, 2)), "from 7.7 m/s the plan slows down by 0.9 in a second"


def test_a_wandering_line_is_smooth_and_stays_near_the_route() -> None:
    line = Wander(7, 900.0, 0.6)
    place = line.at(np.arange(0.0, 900.0, 0.5))
    assert 0.3 < place.std() < 0.8 and abs(place).max() <= MOST_M
    assert abs(np.diff(place)).max() / 0.5 < 0.25  # radians
    assert abs(np.diff(place, 2)).max() / 0.25 * 8.0**2 < 3.5  # m/s^2 at 8 m/s
    assert not Wander(7, 900.0, 0.0).at(np.arange(900.0)).any()
    assert (Wander(8, 900.0, 0.6).at(np.arange(900.0)) != Wander(7, 900.0, 0.6).at(np.arange(900.0))).any()


def test_a_bent_plan_begins_where_the_car_is_and_ends_on_the_wandering_line() -> None:
    line, speed = Wander(7, 900.0, 0.6), 8.0
    times = np.arange(1, 41) * 0.1
    straight = np.stack([speed * times, 0 * times, 0 * times, 0 * times + speed], 1).astype(np.float32)
    for begin in (40.0, 130.0, 260.0):
        bent = line.bent(straight, begin, speed)
        assert abs(bent[0, 1]) < 0.02 and abs(bent[0, 2]) < 0.05
        np.testing.assert_allclose(bent[-1, 1], line.at(begin + speed * 4.0), atol=0.02)
        np.testing.assert_allclose(bent[:, 3], straight[:, 3])
        np.testing.assert_allclose(np.gradient(bent[:, 1], bent[:, 0])[3:-3], np.tan(bent[3:-3, 2]), atol=0.03)
    standing = np.zeros((40, 4), np.float32)
    np.testing.assert_allclose(line.bent(standing, 130.0, 0.0), standing, atol=5e-3)


def test_the_expert_drives_where_the_car_was_led(folder: Path) -> None:
    """Labels lead back to the route from where a wandering drive is."""
    rows = [row for row in pq.read_table(drive_file(folder, SEED)).to_pylist() if row["labelled"]]
    ends = [abs(np.array(row["trajectory"]).reshape(40, 4)[20, 1]) for row in rows if row["turn"] == "follow"]
    assert max(ends) > 0.15


@pytest.fixture(scope="module")
def relief_route() -> Route:
    town = generate_town(TownConfig(signals=0.0), 5)
    return plan_route(town.network, RouteConfig(length_m=300.0), 5)


def relieved(route: Route, ego: EgoTruth, reason: Reason = Reason.CRUISE, goes_m: float = 30.0, seconds: float = 0.1) -> bool:
    relief, found = Relief(route), False
    plan = ExpertPlan(np.tile(np.float32([goes_m, 0.0, 0.0, 5.0]), (40, 1)), Explanation(reason, "", ""))
    for k in range(round(seconds * 10)):
        found = relief.needed(Truth(k * 100_000_000, ego), plan)
    return found


def beside(route: Route, left_m: float, turned_rad: float = 0.0, speed_mps: float = 6.0) -> EgoTruth:
    at = route.line.at(40.0)
    return EgoTruth(at.x - left_m * math.sin(at.yaw), at.y + left_m * math.cos(at.yaw), at.yaw + turned_rad, speed_mps, route_s_m=40.0)


def test_the_expert_relieves_a_policy_that_is_lost_stuck_or_about_to_hit(relief_route: Route) -> None:
    assert not relieved(relief_route, beside(relief_route, 0.9))
    assert relieved(relief_route, beside(relief_route, ASIDE_M + 0.1)) and relieved(relief_route, beside(relief_route, 0.0, 0.5))
    assert not relieved(relief_route, beside(relief_route, 2.0), Reason.PASS_OBSTACLE)
    assert relieved(relief_route, beside(relief_route, 0.0), Reason.BRAKE_HARD)
    standing = beside(relief_route, 0.0, speed_mps=0.0)
    assert not relieved(relief_route, standing, seconds=2.5) and relieved(relief_route, standing, seconds=4.0)
    assert not relieved(relief_route, standing, Reason.WAIT_RED, goes_m=0.0, seconds=4.0)


def test_the_policy_gets_the_wheel_back_in_the_middle(relief_route: Route) -> None:
    relief = Relief(relief_route)
    plan = ExpertPlan(np.tile(np.float32([30.0, 0.0, 0.0, 5.0]), (40, 1)), Explanation(Reason.CRUISE, "", ""))
    places = [1.5] * 5 + [0.6] * 30 + [0.1] * 5
    found = [relief.needed(Truth(k * 100_000_000, beside(relief_route, left)), plan) for k, left in enumerate(places)]
    assert found == [True] * 35 + [False] * 5


def test_plans_differ_by_where_the_car_is_after_two_seconds() -> None:
    plan = ExpertPlan(np.zeros((40, 4), np.float32), Explanation(Reason.CRUISE, "", ""))
    for ahead, aside, told in ((0.5, 0.2, False), (1.5, 0.0, True), (0.0, -0.5, True)):
        points = np.zeros((40, 4), np.float32)
        points[19, :2] = ahead, aside
        assert differ(points, plan) is told
