"""Sums over drives, promises, and what is said about them: made-up rows, no driving."""

from __future__ import annotations

from typing import Any

import pytest

from heron_core.errors import InputError
from heron_sim.driving.judge import DrivingResult
from heron_sim.driving.judge_following import Following
from heron_sim.driving.judge_stopping import Stopping
from heron_sim.evaluation.figures import PROMISES, figures
from heron_sim.evaluation.probes import summed
from heron_sim.evaluation.report import Evaluation, markdown
from heron_sim.evaluation.work import BLANK, COMMAND, FIRST_TRAINED, LAMP, TURN, Extent


def row(seed: int, progress_m: float = 300.0, following: Following | None = None, stopping: Stopping | None = None, **driving: Any) -> dict[str, Any]:
    result = DrivingResult(
        distance_m=progress_m,
        progress_m=progress_m,
        following=following or Following(50.0, 0.2, 0.4, 0.0),
        stopping=stopping or Stopping(1, 1, 0, 0.0),
    )
    return {"scenario": "town", "seed": seed, "seconds": 60.0, "passed": True, "failures": [], "driving": result.report() | driving}


def broken(seed: int) -> dict[str, Any]:
    return row(seed) | {"driving": {}, "seconds": 0.0, "failures": ["no room"]}


EXPERT = [row(seed) for seed in range(20)]


def test_completion_is_what_the_expert_covers_and_no_more() -> None:
    assert figures(EXPERT, EXPERT).completion == 1.0
    fast = [row(0, 900.0), row(1, 0.0)]
    assert figures(fast, EXPERT).completion == pytest.approx(0.5)
    assert figures([row(0), broken(1)], EXPERT).completion == pytest.approx(0.5)
    assert figures([row(0, -5.0)], EXPERT).completion == 0.0
    with pytest.raises(ValueError, match="seed 99"):
        figures([row(99)], EXPERT)


def test_lateral_error_is_weighted_by_the_time_that_it_was_measured_in() -> None:
    found = figures([row(0, following=Following(10.0, 1.0, 2.0, 5.0)), row(1, following=Following(30.0, 0.2, 0.5, 0.0))], EXPERT)
    assert found.mean_lateral_m == pytest.approx(0.4)
    assert found.lane_departure_share == pytest.approx(0.125)
    assert found.lateral_p95_m == 2.0
    assert figures([row(0, following=Following())], EXPERT).mean_lateral_m is None


def test_rates_are_per_kilometre_driven() -> None:
    rows = [row(0, 300.0, at_fault_collisions=1, stopping=Stopping(3, 2, 1, 4.0)), row(1, 700.0)]
    found = figures(rows, EXPERT)
    assert found.km == pytest.approx(1.0)
    assert found.at_fault_per_km == pytest.approx(1.0)
    assert found.needless_per_km == pytest.approx(1.0)
    assert found.red_obeyed_share == pytest.approx(0.75)
    assert figures([row(0, 0.0, stopping=Stopping())], EXPERT).red_obeyed_share is None


def _evaluation(policy: list[dict[str, Any]], **more: Any) -> Evaluation:
    slow = [row(seed, 30.0) for seed in range(20)]
    return Evaluation({"expert": EXPERT, "kinematic": slow, "policy": policy, **more})


def _kept(evaluation: Evaluation) -> dict[str, bool | None]:
    return {line.text: line.kept for line in evaluation.lines()}


def test_a_policy_as_good_as_the_expert_keeps_every_promise() -> None:
    assert set(_kept(_evaluation(EXPERT)).values()) == {True}
    assert _evaluation(EXPERT).kept


BAD = {
    "km": {"progress_m": 200.0},
    "lateral_interventions": {"following": Following(50.0, 0.2, 0.4, 0.0, 1)},
    "lane_departure_share": {"following": Following(50.0, 0.2, 0.4, 20.5)},
    "mean_lateral_m": {"following": Following(50.0, 6.0, 9.0, 0.0)},
    "at_fault_per_km": {"at_fault_collisions": 2},
    "red_obeyed_share": {"stopping": Stopping(5, 2, 0, 0.0)},
    "needless_per_km": {"stopping": Stopping(1, 1, 7, 60.0)},
    "completion": {"progress_m": 0.0},
}


@pytest.mark.parametrize("figure", sorted(BAD))
def test_each_promise_can_be_broken(figure: str) -> None:
    one_bad = [row(0, **BAD[figure]), *EXPERT[1:]] if figure not in ("km", "completion") else [row(seed, **BAD[figure]) for seed in range(20)]
    promise = next(promise for promise in PROMISES if promise.figure == figure and promise.of == "policy")
    assert _kept(_evaluation(one_bad))[promise.text] is False
    assert not _evaluation(one_bad).kept


def test_a_baseline_that_is_too_good_is_said() -> None:
    same = Evaluation({"expert": EXPERT, "kinematic": EXPERT, "policy": EXPERT})
    assert [line.text for line in same.lines() if line.kept is False] == ["kinematic route completion"]


def test_junctions_and_probes_have_lines_of_their_own() -> None:
    taken, missed = row(0, turns_taken=1), row(1, turns_taken=0)
    probed = {"scenario": "town", "seed": 0, "failures": [], "driving": {}, "seconds": 0.0}
    evaluation = _evaluation(
        EXPERT,
        **{
            COMMAND: [taken] * 9 + [missed],
            "ja": [taken] * 8 + [missed] * 2,
            BLANK: [row(0, 20.0)],
            LAMP: [probed | {"changes": {"lamp": [8.0]}}],
            TURN: [probed | {"changes": {"en": [-3.0], "command": [3.0]}}],
        },
    )
    kept = _kept(evaluation)
    assert kept["instructed turn taken, command"] is True
    assert kept["instructed turn taken, Japanese"] is False
    assert kept["completion with black pictures"] is True
    assert {text: found for text, found in kept.items() if "lamp" in text or "swapped" in text} == {
        "lamp made green: ≥ 2 m further": True,
        "command swapped: ≥ 1.5 m aside": True,
        "English sentence swapped: ≥ 1.5 m aside": False,
    }
    text = markdown(evaluation, "On the road", "./heron model eval toy")
    assert "| instructed turn taken, Japanese | ≥ 90% | 8 of 10 |  |  | **no** |" in text
    assert evaluation.report()["junctions"] == {"command": {"taken": 9, "asked": 10}, "ja": {"taken": 8, "asked": 10}}


def test_what_could_not_be_done_is_said() -> None:
    evaluation = _evaluation([*EXPERT[:-1], broken(19)])
    assert evaluation.faults() == ["policy, town, seed 19: no room"]
    assert "- could not be done: policy, town, seed 19: no room" in markdown(evaluation, "t", "c")


def test_a_probe_counts_the_change_that_must_be() -> None:
    found = summed("lamp", [3.0, 1.0, -5.0], 2.0)
    assert (found.scenes, found.changed, found.share) == (3, 1, pytest.approx(1.0 / 3.0))
    assert summed("lamp", [], 2.0).share is None


def test_towns_of_the_training_are_refused() -> None:
    Extent((0, FIRST_TRAINED - 1))
    with pytest.raises(InputError, match="for training"):
        Extent((0, FIRST_TRAINED))
