"""Shorthand of the gate's tests: numbers of limits.yaml and vehicle.yaml written out, a gate that drives, and rows of what went over the bus."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

from heron_control.codec import RawFrame
from heron_control.command import Command
from heron_control.gate import Gate, Verdict

TICK_NS = 10_000_000
DT = 0.01
WHEELBASE = 2.8
STEER_STEP, ACCEL_STEP = 2e-5, 1e-3  # raster of the tests' codec
OFF = Command(0.0, 0.0, False, False)


def ask(steer: float = 0.0, accel: float = 0.0, hold: bool = False) -> Command:
    """A command that requests both."""
    return Command(steer, accel, True, True, hold)


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
    v, dt = abs(speed), min((row.ns - before.ns) / 1e9, 0.02)
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
