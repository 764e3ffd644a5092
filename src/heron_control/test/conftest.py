"""The demonstration car, and a bus that remembers. Makes what tests of this package share importable."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from driven_car import DrivenCar

from heron_control.codec import Grid, RawFrame
from heron_control.command import Command
from heron_control.config import TrackerConfig
from heron_control.gate import Gate
from heron_control.pilot import Pilot
from heron_core.limits import Limits, load_limits
from heron_core.vehicle_model import VehicleModel, load_vehicle_model

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
STEER_STEP, ACCEL_STEP = 2e-5, 1e-3


class TestBus:
    """A codec with its own simple layout, and the frames that were written."""

    __test__ = False
    steer_grid = Grid(STEER_STEP)
    accel_grid = Grid(ACCEL_STEP)

    def __init__(self) -> None:
        self.frames: list[tuple[int, RawFrame]] = []
        self.works = True
        self.bend = (0, 0)  # raw steps that a faulty encoder adds to steer and accel

    def encode(self, command: Command, count: int) -> Sequence[RawFrame]:
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


@pytest.fixture
def pilot(gate: Gate, limits: Limits, model: VehicleModel) -> Pilot:
    return Pilot(TrackerConfig(), limits, model, gate, False, 3_000_000_000, required=("/policy",), planner="/policy")


@pytest.fixture
def car(pilot: Pilot) -> DrivenCar:
    return DrivenCar(pilot)
