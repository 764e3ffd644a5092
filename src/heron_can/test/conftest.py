import os
from pathlib import Path

import pytest

from heron_can.car import Car, load_car

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "config/vehicle/demo"
RECORDED = ROOT / "config/vehicle/csselectronics"
REAL_DATA = Path(os.environ.get("HERON_REAL_DATA", ROOT.parent / "shared/data")) / "can_drive"


@pytest.fixture(scope="session")
def demo() -> Car:
    return load_car(DEMO)


@pytest.fixture(scope="session")
def real_logs() -> list[Path]:
    logs = sorted(REAL_DATA.glob("*.MF4"))
    if not logs:
        pytest.skip(f"no recordings in {REAL_DATA}; set HERON_REAL_DATA")
    return logs


@pytest.fixture(scope="session")
def recorded(real_logs: list[Path]) -> Car:
    return load_car(RECORDED, (REAL_DATA,))
