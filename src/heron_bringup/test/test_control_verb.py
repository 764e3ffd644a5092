"""`./heron control tune`: figures, pictures, exit codes."""

import json
from pathlib import Path

import pytest

from heron_bringup import cli


def test_a_good_drive_is_printed_written_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["control", "tune", "--out", str(tmp_path), "--manoeuvre", "curve", "--speed", "50"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["passed"] and [(each["manoeuvre"], each["speed_kmh"], each["faults"]) for each in report["drives"]] == [("curve", 50.0, [])]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "curve" in said and "ok" in said and "report.json" in said
    assert report["ages"] == [] and not (tmp_path / "ages.png").exists()


def test_a_slalom_is_compared_with_late_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["control", "tune", "--out", str(tmp_path), "--manoeuvre", "slalom", "--speed", "50"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["passed"] and len(report["drives"]) == 1
    in_time, late, blind = (each["cross_track_max_m"] for each in report["ages"])
    assert in_time == report["drives"][0]["cross_track_max_m"] and late <= max(1.5 * in_time, 0.05) < blind / 2
    assert (tmp_path / "ages.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "what late plans cost: slalom at 50 km/h" in said and "+200 ms without compensation" in said and "ages.png" in said


def test_a_broken_bound_is_told_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wish = ["--manoeuvre", "curve", "--speed", "50", "--older-s", "0.2", "--uncompensated"]
    assert cli.main(["control", "tune", "--out", str(tmp_path), *wish]) == 1
    report = json.loads((tmp_path / "report.json").read_text())
    assert not report["passed"] and report["drives"][0]["faults"][0].startswith("cross_track_max_m")
    assert "curve at 50 km/h: cross_track_max_m" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (["--manoeuvre", "loop"], "there are: step, slalom, curve, stop"),
        (["--speed", "200"], "speed_max_mps in limits.yaml"),
        (["--vehicle", "nowhere"], "nowhere"),
        (["--older-s", "1"], "allowed 0 .. 0.2"),
    ],
)
def test_wrong_use_says_what_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str], wish: list[str], text: str) -> None:
    assert cli.main(["control", "tune", "--out", str(tmp_path / "out"), *wish]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("")
    assert cli.main(["control", "tune", "--out", str(tmp_path / "out")]) == 2
    assert "give a folder" in capsys.readouterr().err
