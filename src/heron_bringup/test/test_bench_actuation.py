"""The figures of `bench actuation` are what they say; how punctual this machine is, is not asserted."""

import json
from pathlib import Path

import numpy as np
import pytest

from heron_bringup.actuation import bench as bench_actuation
from heron_bringup.actuation.bench import PERIOD_NS, command_stamps, plan_to_frame, tick_figures
from heron_bringup.paths import config_folder
from heron_can.car import load_car

VEHICLE = config_folder() / "vehicle" / "demo"
MS = 1_000_000


def test_punctual_ticks_deviate_by_nothing() -> None:
    figures = tick_figures(np.arange(100, dtype=np.int64) * PERIOD_NS)
    assert figures == {"tick_p50_ms": 0.0, "tick_p99_ms": 0.0, "tick_worst_ms": 0.0, "tick_late_p99_ms": 0.0, "ticks": 100}


def test_one_late_tick_is_two_wrong_distances_and_one_lateness() -> None:
    stamps_ns = np.arange(1000, dtype=np.int64) * PERIOD_NS
    stamps_ns[500] += 4 * MS
    figures = tick_figures(stamps_ns)
    assert figures["tick_worst_ms"] == 4.0 and figures["tick_p99_ms"] == 0.0
    stamps_ns[500::20] += 4 * MS
    assert tick_figures(stamps_ns)["tick_late_p99_ms"] == 4.0


def test_lateness_counts_from_the_most_punctual_tick_and_a_missing_tick_is_a_deviation_of_a_period() -> None:
    stamps_ns = np.arange(1000, dtype=np.int64) * PERIOD_NS
    stamps_ns[0] += 3 * MS  # the grid does not begin with a late tick
    figures = tick_figures(np.delete(stamps_ns, 400))
    assert figures["tick_worst_ms"] == 10.0 and figures["tick_late_p99_ms"] == 0.0


def test_plan_to_frame_adds_what_follows_the_plan() -> None:
    assert plan_to_frame({"stages_ms": {"transport": [5.0, 6.0], "control": [1.0, 1.0]}}) == {"plan_to_frame_ticks": 0.699, "plans": 2}


def test_stamps_are_those_of_steering_commands(tmp_path: Path) -> None:
    steer, log = load_car(VEHICLE).commands["steer"].message.id, tmp_path / "car.jsonl"
    assert len(command_stamps(log, VEHICLE)) == 0
    entries = [{"kind": "frame", "ns": 5, "id": steer}, {"kind": "frame", "ns": 6, "id": steer + 1}, {"kind": "truth", "ns": 7}]
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"kind": "fr')
    assert command_stamps(log, VEHICLE).tolist() == [5]


def test_without_permission_the_figure_is_missing_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[bool] = []

    def drive(realtime: bool) -> dict[str, float]:
        modes.append(realtime)
        return {"tick_p50_ms": 0.1, "tick_p99_ms": 1.0, "tick_late_p99_ms": 2.0, "ticks": 100}

    monkeypatch.setattr(bench_actuation, "_drive", drive)
    monkeypatch.setattr(bench_actuation, "fifo_permitted", lambda: False)
    figures = bench_actuation.punctuality()
    assert modes == [False] and "SCHED_FIFO is not permitted" in figures["tick_note"] and "tick_p99_ms" not in figures
    assert figures["tick_p99_normal_ms"] == 1.0
    monkeypatch.setattr(bench_actuation, "fifo_permitted", lambda: True)
    figures = bench_actuation.punctuality()
    assert modes == [False, True, False] and figures["tick_p99_ms"] == 1.0 and "tick_note" not in figures


def test_every_part_adds_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_actuation, "PARTS", (lambda: {"a": 1}, lambda: {"b": 2}))
    assert bench_actuation.run() == {"actuation": {"a": 1, "b": 2}}
