"""Ego history is sampled, never guessed; instructions, frame sets and answers are checked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from heron_core.arrays import read_only
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_core.signals import Instruction
from heron_core.stages import Stages
from heron_core.trajectory import Trajectory
from heron_core.vehicle import Signal, VehicleState
from heron_vla.contract import EgoHistorySpec
from heron_vla.ego_history import EgoHistory
from heron_vla.folder import PolicyError, PolicyFolder, load_policy
from heron_vla.kinematic import write_kinematic
from heron_vla.planner import Planner

MS = 1_000_000
T0 = 1_000_000_000_000


def state(at_ms: float, valid: bool = True, **more: Signal) -> VehicleState:
    value = at_ms / 1000.0
    signals = {"speed": Signal(10.0 + value, 0, valid), "yaw_rate": Signal(0.1 * value, 0, True), "accel_x": Signal(1.0, 0, True)}
    return VehicleState(T0 + round(at_ms * MS), signals | more)


def history(until_ms: int = 1000, skip: range = range(0)) -> EgoHistory:
    collected = EgoHistory(EgoHistorySpec())
    for at_ms in range(0, until_ms + 1, 10):
        if at_ms not in skip:
            collected.add(state(at_ms))
    return collected


def test_rows_are_interpolated_at_the_declared_steps() -> None:
    table = history().at(T0 + 853 * MS + 500_000)
    assert isinstance(table, np.ndarray) and table.dtype == np.float32 and table.shape == (8, 3)
    times_s = 0.8535 - 0.1 * np.arange(7, -1, -1)
    np.testing.assert_allclose(table[:, 0], 10.0 + times_s, rtol=1e-6)
    np.testing.assert_allclose(table[:, 1], 0.1 * times_s, rtol=1e-5)


def test_the_newest_state_is_held_for_20_ms_and_no_longer() -> None:
    table = history(1000).at(T0 + 1020 * MS)
    assert isinstance(table, np.ndarray) and table[-1, 0] == pytest.approx(11.0)
    assert history(1000).at(T0 + 1020 * MS + 1) == "vehicle state ends 20 ms before the frame set"


def test_what_is_not_covered_gives_no_table() -> None:
    assert EgoHistory(EgoHistorySpec()).at(T0) == "no vehicle state"
    assert history().at(T0 + 690 * MS) == "vehicle state begins 10 ms after the first step"
    assert isinstance(history().at(T0 + 700 * MS), np.ndarray)
    assert history(skip=range(440, 580)).at(T0 + 900 * MS) == "vehicle state has a gap of 150 ms"


@pytest.mark.parametrize("name", ["speed", "yaw_rate", "accel_x"])
def test_an_invalid_signal_gives_no_table(name: str) -> None:
    collected = EgoHistory(EgoHistorySpec())
    for at_ms in range(0, 1001, 10):
        collected.add(state(at_ms, True, **({name: Signal(5.0, 0, False)} if at_ms == 500 else {})))
    assert collected.at(T0 + 1000 * MS) == f"no valid {name}"
    assert collected.at(T0 + 1000 * MS - 1) == f"no valid {name}"


def test_a_clock_that_steps_back_forgets() -> None:
    collected = history()
    collected.add(state(100))
    assert collected.at(T0 + 100 * MS) == "vehicle state begins 700 ms after the first step"


def test_memory_stays_flat() -> None:
    collected = history(60_000)
    assert len(collected._stamps) < 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> PolicyFolder:
    return load_policy(write_kinematic(tmp_path_factory.mktemp("p") / "policy", ["CAM_FRONT", "CAM_BACK"]))


def frames(at_ms: int = 900, valid: tuple[bool, bool] = (True, True), cameras: tuple[str, str] = ("CAM_FRONT", "CAM_BACK")) -> FrameSet:
    images = read_only(np.zeros((2, 3, 448, 448), dtype=np.uint8))
    stamp = T0 + at_ms * MS
    return FrameSet(stamp, "d", cameras, (stamp, stamp), valid, {"images": images}, stages=Stages(exposure_ns=stamp))


@pytest.fixture
def planner(folder: PolicyFolder) -> Planner:
    made = Planner(folder, 300 * MS, "follow")
    for at_ms in range(0, 1001, 10):
        made.add_state(state(at_ms))
    return made


def test_instructions(planner: Planner) -> None:
    asked = planner.ask(frames())
    assert isinstance(asked, PolicyInput) and (asked.command, asked.text) == (0, "")
    planner.instruct(Instruction(T0, "right", "to the station"))
    with pytest.raises(PolicyError, match="knows no manoeuvre 'fly', only follow, left, right, straight"):
        planner.instruct(Instruction(T0, "fly", "up"))
    asked = planner.ask(frames())
    assert isinstance(asked, PolicyInput) and (asked.command, asked.text) == (2, "to the station")
    assert planner.refused == {"manoeuvre": 1}


def test_frame_sets_that_do_not_fit_are_refused_and_counted(planner: Planner, folder: PolicyFolder) -> None:
    text = planner.ask(frames(cameras=("CAM_BACK", "CAM_FRONT")))
    assert isinstance(text, str) and text.startswith("views: frame set has CAM_BACK")
    assert isinstance(planner.ask(frames(valid=(True, False))), PolicyInput)
    assert isinstance(planner.ask(frames(at_ms=300)), str)
    assert planner.refused == {"views": 1, "ego_history": 1}
    views = (replace(folder.views[0], required=True), folder.views[1])
    strict = replace(folder, views=views, preprocessing=replace(folder.preprocessing, digest="e" * 64))
    other = Planner(strict, 300 * MS, "follow")
    assert str(other.ask(frames())).startswith("preprocessing: frame set is d, the policy wants eeeeeeeeeeee")
    blind = Planner(replace(folder, views=views), 300 * MS, "follow")
    assert str(blind.ask(frames(valid=(False, True)))) == "views: no image of CAM_FRONT, which the policy requires"


def test_answers_are_sealed_dated_and_checked(planner: Planner) -> None:
    points, asked = np.zeros((40, 4), dtype=np.float32), frames()
    end = asked.stamp_ns + 300 * MS
    plan = planner.answer(asked, points, end - MS, end)
    assert isinstance(plan, Trajectory) and plan.fault() is None and plan.stamp_ns == asked.stamp_ns
    assert (plan.stages.exposure_ns, plan.stages.inference_start_ns, plan.stages.inference_end_ns) == (asked.stamp_ns, end - MS, end)
    digest = planner.trajectory_sha256
    assert str(planner.answer(asked, points, end, end + 1)).startswith("deadline: plan is 300 ms old")
    assert str(planner.answer(asked, points * np.nan, end, end)).startswith("output")
    assert str(planner.answer(asked, points[:39], end, end)).startswith("output: (39, 4)")
    assert planner.plans == 1 and planner.trajectory_sha256 == digest and planner.refused == {"deadline": 1, "output": 2}
    second = planner.answer(asked, points, end, end)
    assert isinstance(second, Trajectory) and second.sequence == 1 and planner.trajectory_sha256 != digest
