"""Limits: no file loosens a ceiling."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from heron_core.errors import ConfigError
from heron_core.limits import CEILINGS, Limits, load_limits
from heron_core.vehicle_model import VehicleModel, load_vehicle_model

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
# Which end of the allowed range is the dangerous one.
LOOSE_END = {name: (0 if name == "accel_min_mps2" else 1) for name in CEILINGS}


@pytest.fixture
def values() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEMO / "limits.yaml").read_text())
    return content


def written(folder: Path, values: dict[str, Any]) -> Path:
    path = folder / "limits.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_demonstration_car_loads() -> None:
    assert load_limits(DEMO / "limits.yaml").curvature_per_m <= 0.2
    assert load_vehicle_model(DEMO / "vehicle.yaml").wheelbase_m > 2.0


@pytest.mark.parametrize("name", sorted(CEILINGS))
def test_a_file_that_loosens_a_ceiling_is_refused_by_file_key_and_range(name: str, values: dict[str, Any], tmp_path: Path) -> None:
    ceiling = CEILINGS[name][LOOSE_END[name]]
    step = 0.001 if LOOSE_END[name] else -0.001
    at_ceiling = values | {name: ceiling}
    assert getattr(load_limits(written(tmp_path, at_ceiling)), name) == ceiling
    path = written(tmp_path, values | {name: ceiling + step})
    with pytest.raises(ConfigError) as refusal:
        load_limits(path)
    low, high = CEILINGS[name]
    assert str(path) in str(refusal.value) and f"{name} = " in str(refusal.value) and f"{low} .. {high}" in str(refusal.value)


@pytest.mark.parametrize("name", sorted(CEILINGS))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_limit_that_is_no_number_is_refused(name: str, value: float, values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=name):
        load_limits(written(tmp_path, values | {name: value}))


def test_every_number_has_a_ceiling() -> None:
    assert {field.name for field in dataclasses.fields(Limits)} - {"commands"} == set(CEILINGS)


def test_ceilings_are_those_of_the_standards() -> None:
    assert CEILINGS["lateral_accel_mps2"][1] == 3.6
    assert CEILINGS["lateral_jerk_mps3"][1] == 5.0
    assert CEILINGS["curvature_per_m"][1] == 0.2
    assert (CEILINGS["accel_min_mps2"][0], CEILINGS["accel_max_mps2"][1]) == (-3.5, 2.0)


def test_unknown_missing_and_misspelt_keys_are_refused(values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'jerk_mps3'"):
        load_limits(written(tmp_path, values | {"jerk_mps": 1.0}))
    values.pop("curvature_per_m")
    with pytest.raises(ConfigError, match="missing curvature_per_m"):
        load_limits(written(tmp_path, values))


def test_whitelist_is_strict(values: dict[str, Any], tmp_path: Path) -> None:
    for commands, message in (([], "empty"), (values["commands"] * 2, "twice"), ([values["commands"][0] | {"length": 65}], "allowed 0 .. 64")):
        with pytest.raises(ConfigError, match=message):
            load_limits(written(tmp_path, values | {"commands": commands}))


def test_speed_sets_curvature_and_steer_rate() -> None:
    limits = load_limits(DEMO / "limits.yaml")
    assert limits.curvature_at(0.0) == limits.curvature_per_m
    assert limits.curvature_at(20.0) == pytest.approx(limits.lateral_accel_mps2 / 400.0)
    assert limits.curvature_at(-20.0) == limits.curvature_at(20.0)
    assert limits.steer_rate_at(0.0) == limits.steer_rate_rps
    assert limits.steer_rate_at(15.0) == pytest.approx((limits.steer_rate_rps + limits.steer_rate_30mps_rps) / 2)
    assert limits.steer_rate_at(60.0) == limits.steer_rate_30mps_rps


def test_bicycle_is_its_own_inverse_within_the_lock() -> None:
    car = load_vehicle_model(DEMO / "vehicle.yaml")
    for curvature in (-0.2, -0.01, 0.0, 1e-6, 0.15):
        assert car.curvature(car.steer(curvature)) == pytest.approx(curvature, abs=1e-12)
    assert car.steer(10.0) == car.steer_max_rad
    with pytest.raises(ValueError, match=r"wheelbase_m = 0\.0, allowed"):
        dataclasses.replace(car, wheelbase_m=0.0)


def test_limits_are_frozen() -> None:
    limits: Limits = load_limits(DEMO / "limits.yaml")
    with pytest.raises(dataclasses.FrozenInstanceError):
        limits.jerk_mps3 = 100.0  # type: ignore[misc]
    assert isinstance(load_vehicle_model(DEMO / "vehicle.yaml"), VehicleModel)
