"""A small policy folder drives in the world on what its virtual cameras see; asked about single moments it answers to what was changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from toy_policy import SPEED_MPS, write_toy

from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.errors import RigMismatchError
from heron_core.policy import PolicyInput
from heron_core.rig import load_rig
from heron_core.truth import Lamp
from heron_sim.config import RouteConfig, ScenarioConfig, TrafficConfig, WeatherConfig
from heron_sim.driving.episode import Episode, drive_episode
from heron_sim.driving.policy_driver import Eyes, PolicyDriver, open_policy
from heron_sim.evaluation.picture import draw_two_paths
from heron_sim.evaluation.probes import ASIDE_M, before_red, before_turn, probe_command, probe_lamp, way_m
from heron_sim.evaluation.scenes import Asked, Scene, find_scenes
from heron_sim.evaluation.told import told
from heron_sim.evaluation.work import FIRST_TRAINED, LEARNT, Extent, ProbeJob, junction, plan_work
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.router import plan_route
from heron_sim.roads.simple import cross_town
from heron_vla.folder import PolicyError
from heron_vla.language import Thoughts
from heron_vla.session import Answer, Memory, OnnxPolicy
from heron_vla.speech import Speaker, Speech

VEHICLE = Path(__file__).parents[3] / "config/vehicle/demo"
CAR, RIG = LoopCar.load(VEHICLE), load_rig(VEHICLE / "rig.yaml")
TOWN, WEATHER, LATENCY_S = cross_town(), WeatherConfig(), 0.1
ROUTE = RouteConfig(turns=(Manoeuvre.LEFT,), length_m=200.0, start_speed_mps=SPEED_MPS)
WAY = plan_route(TOWN.network, ROUTE, 1)
ALONE = ScenarioConfig(seconds=34.0, traffic=TrafficConfig(cars=0, trucks=0, bicycles=0, pedestrians=0), route=ROUTE)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


def _driver(toy: Path, blank: bool = False, plan_every: int = 1) -> PolicyDriver:
    return PolicyDriver.of(toy, RIG, TOWN, WAY, WEATHER, 1, blank, plan_every=plan_every)


def _drive(driver: PolicyDriver, seconds: float = 2.0) -> Episode:
    config = ScenarioConfig(seconds=seconds, traffic=ALONE.traffic, route=ROUTE)
    return drive_episode(CAR, TOWN, WAY, config, 1, LATENCY_S, driver, supervised=True)


def test_it_plans_every_100_ms_once_it_has_a_past(toy: Path) -> None:
    driver = _driver(toy)
    episode = _drive(driver)
    assert driver.refused == {"ego_history": 7}  # 0.7 s of states, which is longer than the 0.5 s of pictures
    assert episode.plans == 20 - 7
    assert driver.asked is not None
    assert driver.asked.past[0].stamp_ns == driver.asked.frames.stamp_ns - 500_000_000
    assert driver.asked.frames.images["front"].mean() > 10.0
    assert not np.array_equal(driver.asked.frames.images["narrow"], driver.asked.past[0].images["narrow"])
    assert _drive(_driver(toy)).digest == episode.digest


def test_it_may_plan_at_every_other_moment_and_still_sees_its_past(toy: Path) -> None:
    driver = _driver(toy, plan_every=2)
    assert _drive(driver).plans == 6
    assert driver.asked is not None
    assert driver.asked.past[0].stamp_ns == driver.asked.frames.stamp_ns - 500_000_000


MEMORY = Memory(np.zeros((1, 1, 2, 1, 1, 1), np.float32), np.ones((1, 1), np.bool_), np.ones(1, np.int64))


class Speaking:
    """The toy with thoughts: it starts for two seconds, then it cruises; it says so, once it is out of breath."""

    def __init__(self, toy: Path) -> None:
        self._policy, self.folder, self._asked, self._said = open_policy(toy), open_policy(toy).folder, 0, 0

    def answer(self, request: PolicyInput) -> Answer:
        self._asked += 1
        thoughts = Thoughts({"intent": "none", "reason": "start" if self._asked <= 20 else "cruise"}, {"reason": 0.97})
        return replace(self._policy.answer(request), thoughts=thoughts, memory=MEMORY)

    def say(self, memory: Memory) -> Speech:
        assert memory is MEMORY
        self._said += 1
        if self._said > 1:
            raise PolicyError("out of breath")
        return Speech("starting", "発進します", True)


def test_it_explains_itself_when_the_car_would(toy: Path) -> None:
    speaking: Any = Speaking(toy)
    driver = PolicyDriver(cast(OnnxPolicy, speaking), Eyes(speaking.folder, RIG, TOWN, WEATHER, 1, blank=True), WAY, speaker=cast(Speaker, speaking))
    episode = _drive(driver, 7.0)
    first_s = 0.7 + 0.5  # the first plan, and a thought that stays
    assert [(round(each.time_s, 3), each.reason, each.speech.english) for each in driver.said] == [
        (first_s, "start", "starting"),
        (3.2, "cruise", ""),
    ]
    found = json.loads(json.dumps(told(episode, driver.said)))
    assert [each["japanese"] for each in found["said"]] == ["発進します", ""]
    one = found["said"][0]
    assert one["speed_mps"] == pytest.approx(SPEED_MPS, abs=1.0)
    assert np.array(one["followed"]).shape == (40, 4)
    assert abs(one["yaw_rate_rps"]) < 0.1
    assert found["said"][1]["followed"] is None or episode.seconds >= 7.0
    assert found["scene"][0][0] == 0.0
    assert all(reason for _, reason, _ in found["scene"])
    assert found["until_s"] == pytest.approx(episode.seconds, abs=0.06)
    assert _driver(toy).said == []


def test_the_expert_says_of_the_scene_what_it_says_when_it_drives() -> None:
    config = ScenarioConfig(seconds=8.0, traffic=ALONE.traffic, route=ROUTE)
    episode = drive_episode(CAR, TOWN, WAY, config, 1, LATENCY_S, supervised=True)
    found = told(episode, None)
    changes = [(round(time_s + 0.5, 3), reason, english) for time_s, reason, english in found["scene"][1:] if time_s + 0.5 <= found["until_s"]]
    assert [(each["time_s"], each["reason"], each["english"]) for each in found["said"]] == changes
    assert len(found["said"]) > 1
    assert found["said"][0]["followed"] is not None
    assert found["said"][-1]["followed"] is None or found["said"][-1]["time_s"] <= 4.0
    assert drive_episode(CAR, TOWN, WAY, replace(config, seconds=1.0), 1, LATENCY_S).scene == ()


def test_a_drive_that_ended_at_once_tells_nothing() -> None:
    config = ScenarioConfig(seconds=8.0, traffic=ALONE.traffic, route=ROUTE)
    episode = drive_episode(CAR, TOWN, WAY, config, 1, LATENCY_S, until=lambda truth: True)
    assert told(episode, None)["said"] == []


def test_black_pictures_are_black(toy: Path) -> None:
    driver = _driver(toy, blank=True)
    _drive(driver, 1.0)
    assert driver.answer is not None
    assert way_m(driver.answer.points) == 0.0


def test_a_rig_without_a_required_camera_is_refused(toy: Path, tmp_path: Path) -> None:
    strict = write_toy(tmp_path)
    text = (strict / "policy.yaml").read_text().replace("required: false", "required: true")
    (strict / "policy.yaml").write_text(text)
    fewer = type(RIG)(RIG.name, {name: camera for name, camera in RIG.cameras.items() if name != "CAM_FRONT_NARROW"})
    with pytest.raises(RigMismatchError, match="CAM_FRONT_NARROW"):
        Eyes(open_policy(strict).folder, fewer, TOWN, WEATHER, 1)
    assert Eyes(open_policy(toy).folder, fewer, TOWN, WEATHER, 1, blank=True) is not None


@pytest.fixture(scope="module")
def red() -> Scene:
    found = find_scenes(CAR, TOWN, WAY, ALONE, 1, LATENCY_S, before_red(TOWN, WAY))
    assert len(found) == 1
    return found[0]


def test_a_red_lamp_alone_turns_green(red: Scene, toy: Path) -> None:
    asked = Asked(open_policy(toy), RIG, red)
    group = TOWN.network.lanes[WAY.turns[0].lane].signal
    assert group is not None
    assert red.truth.lamps[group] is Lamp.RED
    assert probe_lamp(asked, red) > 0.0
    as_it_is, still_red = asked.plan(Manoeuvre.LEFT), asked.plan(Manoeuvre.LEFT, lamps={group: Lamp.RED})
    assert np.array_equal(as_it_is, still_red)


@pytest.mark.slow
def test_a_manoeuvre_alone_moves_the_path(toy: Path, tmp_path: Path) -> None:
    found = find_scenes(CAR, TOWN, WAY, ALONE, 1, LATENCY_S, before_turn(WAY))
    assert len(found) == 1
    assert found[0].choices() == (Manoeuvre.LEFT, Manoeuvre.STRAIGHT, Manoeuvre.RIGHT)
    asked = Asked(open_policy(toy), RIG, found[0])
    assert probe_command(asked, Manoeuvre.LEFT, Manoeuvre.RIGHT) > ASIDE_M
    assert probe_command(asked, Manoeuvre.RIGHT, Manoeuvre.LEFT) < -ASIDE_M
    draw_two_paths(tmp_path / "new" / "paths.png", RIG, found[0], asked, (Manoeuvre.LEFT, Manoeuvre.RIGHT))
    assert (tmp_path / "new" / "paths.png").stat().st_size > 100_000


def test_the_work_of_an_evaluation_has_different_jobs(toy: Path, tmp_path: Path) -> None:
    said = {"en": {turn: [f"{turn.value} {i}" for i in range(2)] for turn in (Manoeuvre.LEFT, Manoeuvre.RIGHT)}}
    work = plan_work(junction(Manoeuvre.LEFT), toy, VEHICLE, LATENCY_S, Extent((0, 1, 2), blank=1, junctions=2, probes=2), said, tmp_path)
    assert {name: len(found) for name, found in work.items()} == {
        **{"expert": 3, "kinematic": 3, "policy": 3, "blank": 1, "command": 6, "en": 4, "lamp": 2, "turn": 2},
    }
    keys = [job.key for found in work.values() for job in found]
    assert len(set(keys)) == len(keys)
    assert {job.sentence for job in work["en"]} == {"left 0", "left 1", "right 0", "right 1"}
    assert not any(job.told for found in work.values() for job in found)


def test_a_policy_that_speaks_has_more_work(toy: Path, tmp_path: Path) -> None:
    read = [("en", "left", f"left {i}") for i in range(7)]
    extent = Extent((0, 1), blank=1, junctions=1, probes=2, learnt=3)
    work = plan_work(junction(Manoeuvre.LEFT), toy, VEHICLE, LATENCY_S, extent, {}, tmp_path, read, speaks=True)
    assert {name: [job.told for job in found] for name, found in work.items()} == {
        **{"expert": [True] * 2, "kinematic": [False] * 2, "policy": [True] * 2, "blank": [False], "command": [False] * 3},
        **{LEARNT: [True] * 3, "lamp": [False] * 2, "turn": [False] * 2},
    }
    assert [(job.policy, job.seed >= FIRST_TRAINED) for job in work[LEARNT]] == [("expert", True)] * 3
    asked = [each for name in ("lamp", "turn") for job in work[name] if isinstance(job, ProbeJob) for each in job.readings]
    assert sorted(asked) == read
    silent = plan_work(junction(Manoeuvre.LEFT), toy, VEHICLE, LATENCY_S, extent, {}, tmp_path)
    assert {job.key for found in work.values() for job in found if job.told}.isdisjoint(job.key for found in silent.values() for job in found)


def test_what_a_sentence_is_taken_for_is_asked_of_those_who_read(toy: Path, red: Scene) -> None:
    with pytest.raises(PolicyError, match="reads no text"):
        Asked(open_policy(toy), RIG, red).intent("turn left")


@pytest.mark.parametrize("manoeuvre", [Manoeuvre.RIGHT])
def test_the_expert_takes_the_turn_of_a_junction_alone(manoeuvre: Manoeuvre) -> None:
    scenario = junction(manoeuvre)
    town, route = scenario.build(5)
    end_m = route.turns[0].end_m + 6.0
    until = drive_episode(CAR, town, route, scenario.config, 5, LATENCY_S, supervised=True, until=lambda truth: truth.ego.route_s_m > end_m)
    assert until.ended == "enough"
    assert until.driving.following.turns_taken == 1
