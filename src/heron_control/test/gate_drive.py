"""Fixtures and shorthand of the gate's tests: a bus that remembers, a gate that drives, rows of what went over the bus and their judge.

Numbers of limits.yaml and vehicle.yaml stand here as numbers: a test that reads them from the code would follow its faults.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from heron_control.codec import Grid, RawFrame
from heron_control.command import Command
from heron_control.gate import Gate, Verdict
from heron_core.limits import Limits, load_limits
from heron_core.vehicle_model import VehicleModel, load_vehicle_model

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"

TICK_NS = 10_000_000
DT = 0.01
WHEELBASE = 2.8
STEER_STEP, ACCEL_STEP = 2e-5, 1e-3  # raster of the tests' codec
OFF = Command(0.0, 0.0, False, False)


def ask(steer: float = 0.0, accel: float = 0.0, hold: bool = False) -> Command:
    """A command that requests both."""
    return Command(steer, accel, True, True, hold)


class TestBus:
    """A codec with its own simple layout, and the frames that were written."""

    __test__ = False
    steer_grid = Grid(STEER_STEP)
    accel_grid = Grid(ACCEL_STEP)

    def __init__(self) -> None:
        self.frames: list[tuple[int, RawFrame]] = []
        self.works = True
        self.counts: list[int] = []  # of the ticks whose first frame was written, or tried to be
        self.count = 0
        self.bend = (0, 0)  # raw steps that a faulty encoder adds to steer and accel

    def encode(self, command: Command, count: int) -> Sequence[RawFrame]:
        self.count = count
        steer = round(command.steer_rad / STEER_STEP) + self.bend[0]
        accel = round(command.accel_mps2 / ACCEL_STEP) + self.bend[1]
        return [
            RawFrame("vehicle", 0x2E0, struct.pack("<i??xx", steer, command.steer_request, command.hold)),
            RawFrame("vehicle", 0x2F0, struct.pack("<i??xx", accel, command.accel_request, command.hold)),
        ]

    def decode(self, frames: Sequence[RawFrame], count: int) -> Command | None:
        (steer, steer_on, hold), (accel, accel_on, _) = (struct.unpack("<i??xx", frame.data) for frame in frames)
        return Command(steer * STEER_STEP, accel * ACCEL_STEP, steer_on, accel_on, hold)

    def write(self, frame: RawFrame, now_ns: int) -> bool:
        if frame.id == 0x2E0:
            self.counts.append(self.count)
        if self.works:
            self.frames.append((now_ns, frame))
        return self.works


@pytest.fixture
def limits() -> Limits:
    return load_limits(DEMO / "limits.yaml")


@pytest.fixture
def model() -> VehicleModel:
    return load_vehicle_model(DEMO / "vehicle.yaml")


@pytest.fixture
def bus() -> TestBus:
    return TestBus()


@pytest.fixture
def gate(limits: Limits, model: VehicleModel, bus: TestBus) -> Gate:
    return Gate(limits, model, bus, bus.write)


class Drive:
    """A gate, ticked every 10 ms."""

    def __init__(self, gate: Gate, speed: float | None = 20.0, measured: float | None = 0.0) -> None:
        self.gate, self.speed, self.measured = gate, speed, measured
        self.now_ns = 1_000_000_000

    def off(self, measured: float | None = None) -> Verdict:
        """One tick that requests nothing, at this measured angle from now on."""
        self.measured = self.measured if measured is None else measured
        return self.tick(OFF)

    def tick(self, command: Command, step_ns: int = TICK_NS) -> Verdict:
        """One tick."""
        self.now_ns += step_ns
        return self.gate.send(command, self.speed, self.measured, self.now_ns)

    def sent(self, command: Command, step_ns: int = TICK_NS) -> Command:
        """One tick that must go out without a fault, as the car reads it."""
        verdict = self.tick(command, step_ns)
        assert verdict.fault == "" and not verdict.ladder and verdict.sent is not None
        return verdict.sent

    def follow(self, command: Command, ticks: int) -> list[Command]:
        """The same command for some ticks."""
        return [self.sent(command) for _ in range(ticks)]


class Row(NamedTuple):
    """One tick on the bus."""

    ns: int
    steer: float
    accel: float
    steer_on: bool
    accel_on: bool
    hold: bool


def rows(frames: list[tuple[int, RawFrame]]) -> list[Row]:
    """Ticks from the bytes of the tests' codec, by a decoder of its own."""
    found = []
    for (ns, steer), (other_ns, accel) in zip(frames[::2], frames[1::2], strict=True):
        assert ns == other_ns and (steer.id, accel.id) == (0x2E0, 0x2F0)
        angle, steer_on = struct.unpack("<i?xxx", steer.data)
        push, accel_on, hold = struct.unpack("<i??xx", accel.data)
        found.append(Row(ns, angle * STEER_STEP, push * ACCEL_STEP, steer_on, accel_on, hold))
    return found


def breaks(before: Row, row: Row, speed: float | None, measured: float | None, slack: float = 1e-6) -> list[str]:
    """Limits that one tick breaks, by arithmetic of its own. `slack`: rounding of floating-point numbers; a raster step is far more."""
    if not before.steer_on and row.steer_on:  # the car followed its driver: the first request starts from where the wheels are
        if measured is None:
            return ["starts from nowhere"]
        before = before._replace(steer=measured)
    if not (row.steer_on or row.accel_on):
        return []
    if speed is None or not math.isfinite(speed):
        return ["speed"]
    if not 0 < row.ns - before.ns <= 100_000_000:
        return ["continues nothing"]
    v, dt = min(abs(speed), 1e9), min((row.ns - before.ns) / 1e9, 0.02)  # faster, the square is no number any more
    checks = {}
    if row.steer_on:
        k, k_before = math.tan(row.steer) / WHEELBASE, math.tan(before.steer) / WHEELBASE
        checks["lock"] = abs(row.steer) <= 0.6 + slack
        checks["curvature"] = abs(k) <= 0.2 + slack
        checks["lateral jerk"] = v * v * abs(k - k_before) <= 3.6 * dt + slack
        checks["steer rate"] = abs(row.steer - before.steer) <= (0.8 - 0.2 * min(v / 30.0, 1.0)) * dt + slack
        checks["lateral acceleration"] = v * v * abs(k) <= 3.0 + slack or _returns(before, row, v, dt, slack)
    elif measured is not None:
        checks["rest of steering"] = abs(row.steer - min(max(measured, -0.6), 0.6)) <= 0.5 * STEER_STEP + slack
    if row.accel_on:
        checks["acceleration"] = -3.5 - slack <= row.accel <= 2.0 + slack
        checks["jerk"] = abs(row.accel - before.accel) <= 4.0 * dt + slack
        checks["hold"] = not row.hold or row.accel <= slack
    else:
        checks["rest of acceleration"] = row.accel == 0.0 and not row.hold
    return [name for name, right in checks.items() if not right]


def _returns(before: Row, row: Row, v: float, dt: float, slack: float) -> bool:
    """Speed rose: back towards straight as fast as jerk and rate allow, to within one step of the raster, under the ceiling of 3.6 m/s²."""
    k, k_before = math.tan(row.steer) / WHEELBASE, math.tan(before.steer) / WHEELBASE
    target = math.atan(max(abs(k_before) - 3.6 * dt / (v * v), 0.0) * WHEELBASE)
    target = max(target, abs(before.steer) - (0.8 - 0.2 * min(v / 30.0, 1.0)) * dt)
    full = abs(row.steer) <= target + STEER_STEP + slack
    return before.steer_on and row.steer * before.steer >= 0 and abs(row.steer) <= abs(before.steer) and full and v * v * abs(k) <= 3.6 + slack
