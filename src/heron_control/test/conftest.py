"""The demonstration car, and a bus that remembers. Makes what tests of this package share importable."""

# ruff: noqa: F811  a fixture is asked for by its name

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from driven_car import DrivenCar
from gate_drive import bus, gate, limits, model  # noqa: F401  they are fixtures

from heron_control.config import TrackerConfig
from heron_control.gate import Gate
from heron_control.pilot import Pilot
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel


@pytest.fixture
def pilot(gate: Gate, limits: Limits, model: VehicleModel) -> Pilot:
    return Pilot(TrackerConfig(), limits, model, gate, False, 3_000_000_000, required=("/policy",), planner="/policy")


@pytest.fixture
def car(pilot: Pilot) -> DrivenCar:
    return DrivenCar(pilot)
