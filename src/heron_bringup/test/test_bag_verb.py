"""`./heron bag` as a person uses it: what it prints, writes and returns."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_bringup import cli
from heron_core.signals import ControlStatus, Engagement, Event

START_NS = 1_700_000_000_000_000_000

CONFIG = """
name: two_images
note: two grey images
timeline: {align: start, start: "2024-01-01T00:00:00Z"}
sources:
  - images: {files: "*.jpg", camera: CAM_FRONT, fps: 10}
calibration:
  assumed: everything
  nominal: {CAM_FRONT: {width: 64, height: 48, hfov_deg: 60, mounting: {position_m: [1, 0, 1]}}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An import file with two images beside it."""
    for name in "ab":
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.full((48, 64, 3), 128, np.uint8))
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path / "c.yaml"


def test_import_info_and_cut(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bag", "import", str(config), "--out", str(tmp_path / "B")]) == cli.EXIT_DONE
    said = capsys.readouterr().out
    assert "Note: two grey images" in said and "assumed, not measured: everything" in said and "2 frames of CAM_FRONT" in said
    assert cli.main(["bag", "info", str(tmp_path / "B")]) == cli.EXIT_DONE
    assert "/camera/front/image/compressed" in capsys.readouterr().out
    assert cli.main(["bag", "info", str(tmp_path / "B"), "--json"]) == cli.EXIT_DONE
    report = json.loads(capsys.readouterr().out)
    assert report["messages"] == 4 and report["notes"][0] == "two grey images"
    assert cli.main(["bag", "cut", str(tmp_path / "B"), "--out", str(tmp_path / "C"), "--start", "0.05"]) == cli.EXIT_DONE
    assert "3 messages of 3 topics" in capsys.readouterr().out


def test_exit_codes_and_reasons(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bag", "info", str(tmp_path / "nope")]) == cli.EXIT_WRONG_USE
    assert "no such recording" in capsys.readouterr().err
    config.write_text(CONFIG.replace("note:", "nota:"))
    assert cli.main(["bag", "import", str(config), "--out", str(tmp_path / "B")]) == cli.EXIT_WRONG_USE
    assert "c.yaml: unknown key 'nota'; did you mean 'note'" in capsys.readouterr().err
    config.write_text(CONFIG)
    assert cli.main(["bag", "import", str(config), "--out", str(tmp_path / "B")]) == cli.EXIT_DONE
    assert cli.main(["bag", "import", str(config), "--out", str(tmp_path / "B")]) == cli.EXIT_WRONG_USE
    assert "exists already" in capsys.readouterr().err
    file = tmp_path / "B" / "B_0.mcap"
    file.write_bytes(file.read_bytes()[:-500])
    assert cli.main(["bag", "info", str(tmp_path / "B")]) == cli.EXIT_FAILED
    assert "truncated" in " ".join(capsys.readouterr().out.split())


def test_record_and_play_refuse_before_they_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bag", "record", "--out", str(tmp_path)]) == cli.EXIT_WRONG_USE
    assert "exists already" in capsys.readouterr().err
    assert cli.main(["bag", "play", str(tmp_path / "nope")]) == cli.EXIT_WRONG_USE
    assert "no such recording" in capsys.readouterr().err


def test_info_lists_what_happened_in_a_drive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = [
        Event(START_NS + 500_000_000, "engagement", "control", "engaged", "asked"),
        Event(START_NS + 2_500_000_000, "disengagement", "control", "the driver [brakes]", "driver_brake"),
    ]
    statuses = [
        ControlStatus(START_NS + n * 50_000_000, Engagement.ENGAGED if 10 <= n < 50 else Engagement.OFF, "", True, 0, 0.0, 0.0, max(0, n - 55), 0)
        for n in range(60)
    ]
    with BagWriter(tmp_path / "B") as writer:
        for topic, messages in (("/control/status", statuses), ("/events", said)):
            writer.add_topic(topic, ros_type_of(messages[0]))
            for message in messages:
                writer.write(topic, message.stamp_ns, serialise(message))
    assert cli.main(["bag", "info", str(tmp_path / "B")]) == cli.EXIT_DONE
    lines = capsys.readouterr().out.splitlines()
    assert "  1 disengagement (driver_brake)" in lines and "  gate: 4 commands narrowed, 0 refused" in lines
    assert any(line.split() == ["2.50", "disengagement", "driver_brake", "the", "driver", "[brakes]"] for line in lines)
    assert any(line.split()[:3] == ["2.80", "gate", "narrowed"] and "until 2.95 s" in line for line in lines)
    assert cli.main(["bag", "info", str(tmp_path / "B"), "--json"]) == cli.EXIT_DONE
    assert json.loads(capsys.readouterr().out)["drive"]["state_s"] == {"engaged": 2.0, "off": 0.95}
