"""The matrix of links: what is measured is kept, driven with and told as it was."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import pytest

from heron_bringup import cli, remote_matrix
from heron_bringup.config import GeneratedConfig
from heron_bringup.generated import generate
from heron_bringup.paths import config_folder
from heron_bringup.remote_cells import DELAYS, LOSSES, RATES, Cell, cells_of
from heron_bringup.remote_matrix import MatrixWish, known_rows, outcome, quality_of, run_matrix, trace_path
from heron_bringup.remote_matrix_report import COLOURS, events_of, markdown, picture
from heron_bringup.two_hosts import relayed_hosts
from heron_core.errors import InputError
from heron_remote.simulated_link import load_trace
from heron_vla.kinematic import write_kinematic

GOOD, BAD = Cell(0, 5, 100), Cell(5, 50, 20)


def link(cell: Cell, hz: float, p99: float) -> dict[str, Any]:
    shape = {"loss_percent": cell.loss_percent, "delay_ms": cell.delay_ms, "mbps": cell.mbps}
    age = {"p50": 70.4, "p99": p99}
    return {
        "part": "link",
        "cell": cell.name,
        **shape,
        "plans_hz": hz,
        "in_deadline": hz / 10,
        "age_ms": age,
        "pictures": "jpeg_60",
        "link_ms": [9.5, None],
    }


def drive(name: str, **more: Any) -> dict[str, Any]:
    none = dict.fromkeys(("collisions", "at_fault_collisions", "lane_departure_s", "off_road_s", "lateral_interventions", "needless_stops"), 0)
    ladder = {"warn": 1.0, "soft_stop": 0.0, "emergency": 0.0}
    return {"part": "drive", "cell": name, **none, "distance_m": 131.4, "disengagements": 0, "ladder_s": ladder, "fallback_s": 0.0, **more}


ROWS = [link(GOOD, 10.0, 84.6), link(BAD, 8.6, 368.2), drive("ideal"), drive(GOOD.name), drive(BAD.name, fallback_s=2.26, at_fault_collisions=1)]


def test_the_whole_matrix_is_the_issues() -> None:
    cells = cells_of(LOSSES, DELAYS, RATES)
    assert len(cells) == len({cell.name for cell in cells}) == 27
    assert cells[0] == Cell(0, 5, 1000) and cells[-1] == Cell(5, 50, 20)
    cable = Cell(5, 20, 100).cable
    assert (cable.loss, cable.delay_ms, cable.mbps) == (0.05, 20.0, 100.0)


@pytest.mark.parametrize("wrong", [("0,many", "5", "20"), ("0", "-5", "20"), ("101", "5", "20"), ("0", "5", "nan"), ("", "5", "20")])
def test_cells_that_cannot_be_are_refused(wrong: tuple[str, str, str]) -> None:
    with pytest.raises(InputError):
        cells_of(*wrong)


def test_the_table_has_a_line_per_loss_and_delay_and_a_column_per_rate() -> None:
    lines = markdown(ROWS, (GOOD, BAD)).splitlines()
    assert "ideal link: 131 m" in lines[0]
    assert lines[2:4] == ["| lost, delay each way | 100 Mbit/s | 20 Mbit/s |", "|---|---|---|"]
    assert lines[4] == "| 0 %, 5 ms | 10.0 Hz, 70 / 85 ms; 0.0 s, 131 m |  |"
    assert lines[5] == "| 5 %, 50 ms |  | 8.6 Hz, 70 / 368 ms; 2.3 s, 131 m (1 collisions at fault) |"
    assert "8.6 Hz, 70 / 368 ms |" in markdown(ROWS[:2], (BAD,)), "without drives"


def test_the_picture_shows_what_there_is(tmp_path: Path) -> None:
    picture([*ROWS, link(other := Cell(1, 5, 100), 9.0, 100.0)], (GOOD, BAD, other), tmp_path / "matrix.png")
    image = cv2.imread(str(tmp_path / "matrix.png"))
    for colour in COLOURS[:3]:  # a curve or a mark of each loss
        assert (image == [int(colour[i : i + 2], 16) for i in (5, 3, 1)]).all(axis=2).sum() > 20, colour
    assert image.shape[0] == pytest.approx(image.shape[1], rel=0.05), "three rows of two columns"


def test_fallback_is_the_time_on_the_ladder_and_on_board() -> None:
    rungs = {"warn": {"seconds": 5.0}, "soft_stop": {"seconds": 1.25}, "emergency": {"seconds": 0.5}}
    report = {
        "driving": {**drive("x"), "lateral_p95_m": 0.1},
        "engagement": {"ladder": rungs, "disengagements": {"link": 2}},
        "remote": {"simulated": {"lost": 3}, "fallback": {"plans": 7, "driven_s": 0.75}},
        "latency_ms": {"exposure_to_can": {"p50": 70.0, "p99": 80.0}},
        "scenario": {"failures": ["too slow"]},
        "plans": 50,
        "trajectory_sha256": "00",
    }
    row = outcome(report)
    assert row["fallback_s"] == 2.5 and row["disengagements"] == 2 and row["requests"] == {"lost": 3}
    assert events_of(row) == "emergency stop 0.5 s, 2 disengagements"


def test_what_went_wrong_in_the_ideal_drive_too_is_not_the_links() -> None:
    ideal, worse = drive("ideal", lane_departure_s=0.6, needless_stops=1), drive("x", lane_departure_s=1.4, needless_stops=1, at_fault_collisions=2)
    assert events_of(worse, ideal) == "2 collisions at fault, 0.8 s out of the lane"
    assert events_of(drive("x", lane_departure_s=0.7, needless_stops=0), ideal) == ""


def test_a_drive_sees_pictures_as_the_link_carried_them() -> None:
    assert [quality_of(name) for name in ("jpeg_80", "jpeg_5", "lossless")] == [80, 5, 0]


def test_rows_are_kept_and_those_of_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    policy = write_kinematic(tmp_path / "kinematic")
    wish = MatrixWish((GOOD,), policy, tmp_path / "bag", 15.0)
    assert known_rows(wish, tmp_path / "out") == []
    lines = [json.dumps(row) for row in ROWS]
    path = tmp_path / "out" / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n" + lines[0][:40])
    assert known_rows(wish, tmp_path / "out") == ROWS[:1], "of the wanted cell and part"
    assert path.read_text() == "\n".join(lines) + "\n", "half a row is gone"
    with pytest.raises(InputError, match="another seconds"):
        known_rows(MatrixWish((GOOD,), policy, tmp_path / "bag", 20.0), tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--loss", "few"], "--loss 'few'"),
        (["--bag", "nowhere"], "--bag nowhere"),
        (["--policy", "nobody"], "nobody"),
        (["--scenario", "twon"], "did you mean town?"),
        (["--size", "huge"], "huge"),
    ],
)
def test_wrong_use_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], text: str
) -> None:
    monkeypatch.setattr(remote_matrix, "run_matrix", lambda *_: pytest.fail("it was measured"))
    monkeypatch.setattr("heron_bringup.generated.ensure_generated", lambda *_: tmp_path / "bag")
    assert cli.main(["remote", "matrix", "--out", str(tmp_path / "out"), *words]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cell_is_measured_and_its_fates_can_be_driven_with(tmp_path: Path) -> None:
    with ExitStack() as stack:
        try:
            stack.enter_context(relayed_hosts())
        except InputError as error:
            pytest.skip(str(error))
    generate(tmp_path / "bag", config_folder() / "vehicle" / "demo", GeneratedConfig(seconds=1.0, scale=0.1), lambda done, total: None, workers=1)
    cell = Cell(0, 20, 0)
    wish = MatrixWish((cell,), config_folder() / "policy" / "driveheron", tmp_path / "bag", 2.0)
    said: list[str] = []
    (row,) = run_matrix(wish, tmp_path / "out", said.append)
    fates = load_trace(trace_path(tmp_path / "out", cell.name))
    assert list(fates) == row["link_ms"] and len(fates) == 20
    arrived = [fate for fate in fates if fate is not None]
    assert len(arrived) > 10 and min(arrived) >= 40.0, "both ways of the cable"
    assert row["age_ms"]["p50"] == pytest.approx(row["answer_ms"]["p50"] + remote_matrix.BEFORE_MS, abs=0.1)
    assert row["packets"]["to_server"]["passed"] > row["packets"]["to_vehicle"]["passed"] > 20
    assert run_matrix(wish, tmp_path / "out", said.append) == [row] and len(said) == 1, "what is there is not measured again"
