"""`./heron model eval`: what it writes and says, going on, exit codes; no driving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heron_bringup import cli
from heron_bringup.paths import shipped_policy
from heron_bringup.verbs.model_eval import command_of, held_out_sentences
from heron_model.words.explanations import canonical
from heron_sim import matrix
from heron_sim.driving.judge import DrivingResult
from heron_sim.driving.judge_following import Following
from heron_sim.driving.judge_stopping import Stopping
from heron_sim.evaluation.work import TURNS, ProbeJob
from heron_vla.kinematic import write_kinematic

LITTLE = ("--seeds", "0:2", "--junctions", "1", "--blank", "1", "--probes", "1")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kinematic(tmp_path_factory.mktemp("policies") / "kin")


WAITS = {
    "said": [
        {
            "time_s": 2.0,
            "reason": "wait_red",
            "english": canonical("wait_red", "follow", "en"),
            "japanese": canonical("wait_red", "follow", "ja"),
            **{"speed_mps": 0.0, "accel_mps2": 0.0, "yaw_rate_rps": 0.0, "followed": [[0.0] * 4] * 40},
        }
    ],
    "scene": [[0.0, "wait_red", canonical("wait_red", "follow", "en")]],
    "until_s": 60.0,
}


def row(job: matrix.Job, way_m: float) -> dict[str, Any]:
    """A drive that keeps every promise, with as much way as is said; black pictures and the baseline do not come far."""
    name, seed, policy, fingerprint = job.key
    made: dict[str, Any] = {
        "scenario": name,
        "seed": seed,
        "policy": policy,
        "fingerprint": fingerprint,
        "passed": True,
        "failures": [],
        "wall_s": 1.0,
    }
    if isinstance(job, ProbeJob):
        read = [(language, intent, sentence, intent) for language, intent, sentence in job.readings]
        return made | {"driving": {}, "seconds": 0.0, "changes": {"lamp": [9.0]} if job.kind == "lamp" else {"command": [4.0]}, "readings": read}
    way_m = 20.0 if job.blank or policy == "kinematic" else way_m
    result = DrivingResult(
        distance_m=way_m, progress_m=way_m, following=Following(50.0, 0.1, 0.3, 0.0, turns_taken=1), stopping=Stopping(2, 2, 0, 0.0)
    )
    return made | {"driving": result.report(), "seconds": 60.0} | ({"told": WAITS} if job.told else {})


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[matrix.Job]:
    """No process is started: rows come at once; the list takes the jobs. Seed 77 is never finished."""
    jobs: list[matrix.Job] = []

    def run(wanted, out, workers, on_row, task):  # type: ignore[no-untyped-def]
        out.mkdir(parents=True, exist_ok=True)
        for job in wanted:
            if job.seed == 77:
                raise KeyboardInterrupt
            jobs.append(job)
            on_row(row(job, 3000.0 if job.seed < 2 else 100.0))

    monkeypatch.setattr(matrix, "run_matrix", run)
    return jobs


def test_an_evaluation_that_is_kept(policy: Path, tmp_path: Path, driven: list[matrix.Job], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["model", "eval", str(policy), *LITTLE, "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["kept"] is True
    assert report["policy"] == "kinematic"
    assert report["figures"]["policy"]["km"] == pytest.approx(6.0)
    assert report["junctions"] == {"command": {"taken": 3, "asked": 3}}
    assert report["probes"]["lamp"]["changed"] == 1
    text = (tmp_path / "out" / "evaluation.md").read_text()
    assert "`./heron model eval kin --scenario town --seeds 0:2 --blank 1 --junctions 1 --probes 1 --out OUT`" in text
    assert "words" not in report
    assert "| route completion | ≥ 90.0 % | 100.0 % | 0.7 % | 100.0 % | yes |" in text
    assert len(driven) == 3 * 2 + 1 + 3 + 2
    assert "lane departures" in " ".join(capsys.readouterr().out.split())


def test_what_a_policy_says_and_understands_has_lines_of_its_own(
    tmp_path: Path, driven: list[matrix.Job], capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = shipped_policy()
    assert shipped is not None
    assert cli.main(["model", "eval", str(shipped), *LITTLE, "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["command"].startswith("./heron model eval config/policy/driveheron --scenario town --seeds 0:2 ")
    assert report["words"]["explanations"]["scores"][0]["reasons"] == {"wait_red": [2, 1.0]}
    assert {each["language"]: each["agreement"] for each in report["words"]["instructions"]} == {"en": 1.0, "ja": 1.0}
    text = (tmp_path / "out" / "evaluation.md").read_text()
    assert "| explanations that are true, English | ≥ 90% | 100.0% of 2 |  | 100.0% of 2 | yes |" in text
    assert "| explanations that the car then did, Japanese | ≥ 95% | 100.0% of 2 |  | 100.0% of 2 | yes |" in text
    assert "| … looked up by motion / always the same |  | 100.0% / 100.0% |  |  | – |" in text
    assert "| unheard instructions understood, Japanese | ≥ 90% | 100.0% of 320 |  |  | yes |" in text


def test_what_is_missed_is_said_and_fails(policy: Path, tmp_path: Path, driven: list[matrix.Job], capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert cli.main(["model", "eval", str(policy), "--seeds", "5", "--junctions", "0", "--blank", "0", "--probes", "0", "--out", str(out)]) == 1
    report = json.loads((out / "report.json").read_text())
    assert {line["text"]: line["kept"] for line in report["lines"]}["way driven, km"] is False
    assert "**no**" in (out / "evaluation.md").read_text()


def test_a_stopped_evaluation_says_how_to_go_on(policy: Path, tmp_path: Path, driven: list[matrix.Job], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["model", "eval", str(policy), "--seeds", "0,77", "--junctions", "0", "--blank", "0", "--probes", "0", "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 130
    assert "the same command goes on" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "report.json").read_text())["stopped"] is True


def test_wrong_use_is_said_before_anything_is_driven(
    policy: Path, tmp_path: Path, driven: list[matrix.Job], capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong, said in (
        ([str(tmp_path / "none")], "no such policy folder"),
        ([str(policy), "--seeds", "50000"], "for training"),
        ([str(policy), "--scenario", "tonw"], "did you mean town"),
    ):
        assert cli.main(["model", "eval", *wrong, "--out", str(tmp_path / "out")]) == 2
        assert said in " ".join(capsys.readouterr().err.split())
    assert driven == []


def test_the_command_names_what_is_not_as_usual(tmp_path: Path) -> None:
    usual: dict[str, object] = {"scenario": "town", "seeds": "0:24", "seconds": None, "blank": 4, "junctions": 8, "probes": 12, "vehicle": None}
    assert command_of(tmp_path / "my run", usual) == "./heron model eval 'my run' --scenario town --seeds 0:24 --out OUT"
    other = command_of(tmp_path / "run", usual | {"seconds": 30.0, "probes": 0, "vehicle": Path("my car")})
    assert other == "./heron model eval run --scenario town --seeds 0:24 --seconds 30 --probes 0 --vehicle 'my car' --out OUT"


def test_sentences_are_held_out_and_always_the_same() -> None:
    found = held_out_sentences()
    assert found == held_out_sentences()
    assert {language: set(by_turn) for language, by_turn in found.items()} == {"en": set(TURNS), "ja": set(TURNS)}
    assert all(len(set(said)) > 6 for by_turn in found.values() for said in by_turn.values())
