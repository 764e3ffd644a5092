"""`./heron sim`: scenarios, a matrix, exit codes."""

import json
from pathlib import Path

import numpy as np
import pytest

from heron_bringup import cli
from heron_sim import matrix
from heron_sim.drawing.renderer import Picture


def row(job: matrix.Job) -> matrix.Row:
    """A drive that fails for seed 1."""
    name, seed, policy, fingerprint = job.key
    driving = {"distance_m": 100.0, "collisions": seed, "at_fault_collisions": seed}
    return {
        **{"scenario": name, "seed": seed, "policy": policy, "fingerprint": fingerprint, "seconds": 60.0, "wall_s": 1.0, "driving": driving},
        **{"passed": seed != 1, "failures": ["collisions at fault: 1, allowed 0"] if seed == 1 else []},
    }


@pytest.fixture
def no_driving(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The matrix's processes are not started: rows come at once; the list takes how many workers were asked for."""
    asked: list[int] = []

    def run(wanted, out, workers, on_row):  # type: ignore[no-untyped-def]
        asked.append(workers)
        out.mkdir(parents=True, exist_ok=True)
        rows = []
        for job in wanted:
            rows.append(row(job))
            on_row(rows[-1])
            if job.seed == 77:
                raise KeyboardInterrupt
        return rows

    monkeypatch.setattr(matrix, "run_matrix", run)
    return asked


def test_the_list_names_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("town", "traffic_guide", "night_city"))
    assert "a traffic guide stops the lane" in said


def test_a_matrix_that_passes(tmp_path: Path, no_driving: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim", "matrix", "town", "fog", "--seeds", "2:5", "--workers", "3", "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["runs"], report["passed"], report["wanted"], report["policy"], report["stopped"]) == (6, 6, 6, "expert", False)
    assert list(report["scenarios"]) == ["fog", "town"]
    assert no_driving == [3]
    said = capsys.readouterr().out
    assert "6 of 6 drives passed" in said
    assert "3/3" in said


def test_a_failed_drive_is_told_and_fails(tmp_path: Path, no_driving: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim", "matrix", "town", "--seeds", "0:3", "--policy", "kinematic", "--out", str(tmp_path)]) == 1
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["failures"] == [{"scenario": "town", "seed": 1, "failures": ["collisions at fault: 1, allowed 0"]}]
    assert "town, seed 1: collisions at fault: 1, allowed 0" in capsys.readouterr().out


def test_without_names_all_are_driven(tmp_path: Path, no_driving: list[int]) -> None:
    assert cli.main(["sim", "matrix", "--seeds", "2", "--out", str(tmp_path)]) == 0
    assert len(json.loads((tmp_path / "report.json").read_text())["scenarios"]) >= 12


def test_ctrl_c_keeps_what_is_done(tmp_path: Path, no_driving: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim", "matrix", "town", "--seeds", "5,77,6", "--out", str(tmp_path)]) == 130
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["runs"], report["wanted"], report["stopped"]) == (2, 3, True)
    assert "2 of 3 drives" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (["twon"], "did you mean town?"),
        (["town", "--seeds", "a"], "seeds 'a'"),
        (["town", "--policy", "nobody"], "there are: expert, kinematic"),
        (["town", "--vehicle", "nowhere"], "nowhere"),
        (["town", "--seconds", "0"], "allowed 1 .. 3600"),
        (["nowhere.yaml"], "no such scenario file"),
    ],
)
def test_wrong_use_says_what_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str], wish: list[str], text: str) -> None:
    assert cli.main(["sim", "matrix", *wish, "--out", str(tmp_path / "out")]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "town.yaml"
    mine.write_text("title: mine\n")
    assert cli.main(["sim", "matrix", "town", str(mine), "--out", str(tmp_path / "out")]) == 2
    assert "same name" in capsys.readouterr().err


def test_a_picture_of_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[int, int]] = []

    def drawn(town, truth, views, weather, seed, labels):  # type: ignore[no-untyped-def]
        asked.append(views["CAM_FRONT"].size)
        image = np.zeros((*asked[0], 3), np.uint8)
        depth, ids = np.ones(image.shape[:2], np.float32), np.ones(image.shape[:2], np.int32)
        return {name: Picture(image, depth, ids) if labels else Picture(image) for name in views}

    monkeypatch.setattr("heron_bringup.sim_pictures.pictures", drawn)
    assert cli.main(["sim", "picture", "empty_road", "--at", "1", "--size", "64x40", "--labels", "--out", str(tmp_path / "out")]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"CAM_FRONT.png", "CAM_FRONT_depth.png", "CAM_BACK_ids.png", "CAM_FRONT_LEFT_boxes.png", "plan.png", "sheet.jpg", "moment.json"} <= names
    assert asked == [(40, 64)]
    told = json.loads((tmp_path / "out" / "moment.json").read_text())
    assert (told["scenario"], told["seed"], told["actors"]) == ("empty_road", 1, 0)
    assert told["said"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (["twon"], "did you mean town?"),
        (["town", "--size", "640"], "expected WIDTHxHEIGHT"),
        (["town", "--size", "8x8"], "each side 32 .. 4096"),
        (["empty_road", "--at", "90"], "90 s is not in empty_road: allowed 0 .. 60"),
    ],
)
def test_no_such_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str], wish: list[str], text: str) -> None:
    assert cli.main(["sim", "picture", *wish, "--out", str(tmp_path / "out")]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
