"""The latency budget as bars and tables."""

import io

import cv2
import pytest
from rich.console import Console

from heron_bringup.latency_report import LATE, draw_budget, print_report, stage_order, waterfall

LATENCY = {
    "exposure_to_can": {"p50": 74.0, "p99": 120.0},
    "inference": {"p50": 30.0, "p99": 38.0},
    "capture": {"p50": 12.0, "p99": 14.0},
    "decode": {"p50": 4.0, "p99": 5.0},
}


def test_stages_follow_each_other_and_whole_ways_start_at_zero():
    assert stage_order(LATENCY) == ["capture", "inference", "decode", "exposure_to_can"]
    assert waterfall(LATENCY) == {"capture": 0.0, "inference": 12.0, "decode": 0.0, "exposure_to_can": 0.0}


@pytest.mark.parametrize(("total_ms", "late"), [(100.0, True), (200.0, False), (None, False)])
def test_what_passes_the_budget_is_red(tmp_path, total_ms, late):
    draw_budget(LATENCY, tmp_path / "budget.png", total_ms)
    image = cv2.imread(str(tmp_path / "budget.png"))
    row = image[76 + 3 * 44 + 20]
    assert bool((row == LATE).all(axis=1).sum() > 10) == late


def test_without_measurements_there_still_is_a_picture(tmp_path):
    draw_budget({}, tmp_path / "budget.png", 100.0)
    assert cv2.imread(str(tmp_path / "budget.png")) is not None


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(OSError, match="disk full"):
        draw_budget(LATENCY, tmp_path / "nowhere" / "budget.png", 100.0)


def test_the_printed_report_has_what_the_report_has():
    report = {
        "policy": {"name": "kinematic", "digest": "cd" * 32, "provider": "CPUExecutionProvider"}, "plans": 221,
        "engagement": {"state": "off", "mode": "drive", "reason": "the driver brakes", "engagements": 2, "disengagements": {"the driver brakes": 2}},
        "can": {"rx": 12345, "tx": 9}, "latency_ms": LATENCY, "trajectory_sha256": "ab" * 32,
        "cameras": {"CAM_FRONT": {"frames": 221, "dropped": 0, "corrupt": 3}}, "gate": {"limited": 1, "rejected": 2},
    }  # fmt: skip
    text = io.StringIO()
    print_report(report, 100.0, Console(file=text, width=120))
    for expected in (
        "kinematic (CPUExecutionProvider, sha256 cdcdcdcdcdcd…)", "off (the driver brakes), engaged 2 times, ended by: 2x the driver brakes",
        "221", "12,345 received", "1 limited, 2 rejected", "CAM_FRONT", "corrupt", "120.00 (budget 100)", "ab" * 32,
    ):  # fmt: skip
        assert expected in text.getvalue()
    assert "{" not in text.getvalue(), "a table for people holds no Python"
    print_report({}, None, Console(file=io.StringIO()))
