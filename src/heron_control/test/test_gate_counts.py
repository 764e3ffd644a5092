"""What the gate lets out by name and number of frames, and what it tells of itself: counts, alarm, report."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from gate_drive import OFF, Drive, ask

from heron_control.gate import Gate
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel


@pytest.mark.parametrize("change", [{"id": 0x2E1}, {"length": 7}, {"bus": "other"}])
@pytest.mark.parametrize("which", [0, 1])
def test_whitelist_by_bus_id_and_length(limits: Limits, model: VehicleModel, bus: Any, change: dict[str, Any], which: int) -> None:
    commands = list(limits.commands)
    commands[which] = dataclasses.replace(commands[which], **change)
    verdict = Drive(Gate(dataclasses.replace(limits, commands=tuple(commands)), model, bus, bus.write)).off()
    assert verdict.fault.startswith("frame is not on the whitelist: 0x2") and verdict.sent is None and bus.frames == []


@pytest.mark.parametrize(("period_s", "factor", "most"), [(0.01, 1.2, 30), (0.01, 1.0, 25), (0.01, 1.19, 29), (0.02, 1.2, 15), (1.0, 1.2, 1)])
def test_no_more_frames_than_the_nominal_rate_allows(
    limits: Limits, model: VehicleModel, bus: Any, period_s: float, factor: float, most: int
) -> None:
    commands = tuple(dataclasses.replace(frame, period_s=period_s) for frame in limits.commands)
    bus.steer_grid = dataclasses.replace(bus.steer_grid, step=1e-6)
    drive = Drive(Gate(dataclasses.replace(limits, commands=commands, command_rate_factor=factor), model, bus, bus.write))
    for _ in range(125):
        drive.tick(OFF, 2_000_000)
    assert len(bus.frames) == 2 * most and drive.gate.rejected == 125 - most
    assert drive.tick(OFF, 2_000_000).fault == ""  # 250 ms after the first
    assert drive.gate.report()["faults"] == {"frame is sent too often": 125 - most}


def test_a_request_that_comes_too_often_is_not_sent_and_continues_nothing(gate: Gate, bus: Any) -> None:
    drive = Drive(gate)
    drive.tick(OFF, 2_000_000)
    for _ in range(29):
        assert drive.tick(ask(), 2_000_000).fault == ""
    verdict = drive.tick(ask(), 2_000_000)
    assert verdict.fault == "frame is sent too often: 0x2E0" and verdict.sent is None and len(bus.frames) == 60
    assert drive.tick(ask(), 80_000_000).fault == "no frame to continue from"


def test_a_clock_set_back_does_not_open_the_rate(gate: Gate, bus: Any) -> None:
    drive = Drive(gate)
    for _ in range(30):
        drive.tick(OFF, 2_000_000)
    assert drive.tick(OFF, -100_000_000).fault == "frame is sent too often: 0x2E0"


def test_the_alarm_comes_with_more_than_its_share_of_narrowed_ticks(gate: Gate) -> None:
    drive = Drive(gate, 0.0)
    drive.off()
    for number in range(96):
        narrow = number % 5 == 0
        drive.tick(ask(0.5 if narrow else 0.0))
        assert not gate.alarm  # 20 of 100 are its share
    drive.tick(ask(0.0, 0.3))  # the 21st
    assert gate.alarm
    drive.follow(ask(0.0, 0.04), 3)
    assert gate.alarm
    drive.sent(ask(0.0, 0.04))
    assert not gate.alarm and gate.report()["alarms"] == 1


def test_refused_commands_count_for_the_alarm_too_but_rest_does_not(gate: Gate) -> None:
    drive = Drive(gate)
    drive.off()
    for _ in range(30):
        drive.measured = None
        drive.tick(OFF)
    assert not gate.alarm
    drive.off(0.0)
    drive.sent(ask())
    for number in range(1, 30):
        drive.tick(ask(math.nan))
        assert gate.alarm is (number > 20)
    assert gate.report()["alarms"] == 1


def test_the_alarm_follows_its_limits(limits: Limits, model: VehicleModel, bus: Any) -> None:
    alarm = dataclasses.replace(limits.alarm, share=0.05, window_s=2.0)
    gate = Gate(dataclasses.replace(limits, alarm=alarm), model, bus, bus.write)
    drive = Drive(gate, 0.0)
    drive.off()
    for number in range(1, 14):
        drive.tick(ask(0.0, 9.0))
        assert gate.alarm is (number > 10)
    drive.follow(ask(0.0, 0.5), 189)
    assert gate.alarm
    drive.sent(ask(0.0, 0.5))
    assert not gate.alarm


def test_the_report_counts_limits_and_faults(gate: Gate) -> None:
    assert gate.alarm is False
    drive = Drive(gate, 0.0)
    drive.off()
    drive.tick(ask(1.0, 9.0))
    drive.tick(ask(1.0))
    drive.tick(ask(math.nan))
    drive.tick(ask(math.nan))
    drive.tick(ask(), 0)
    assert gate.report() == {
        "limited": 2,
        "rejected": 3,
        "frames": 12,
        "alarms": 0,
        "limits": {"jerk_mps3": 1, "steer_rate_rps": 2},
        "faults": {"clock stands or steps back": 1, "command is not finite": 2},
    }
