"""Limits: no file loosens a ceiling."""

from __future__ import annotations

import dataclasses
import math
import typing
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import yaml

from heron_core.errors import ConfigError
from heron_core.limits import CEILINGS, Limits, load_limits
from heron_core.vehicle_model import VehicleModel, load_vehicle_model

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"


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


def changed(values: dict[str, Any], name: str, value: float) -> dict[str, Any]:
    """A copy with the limit of a dotted name set."""
    group, _, key = name.rpartition(".")
    return values | ({group: values[group] | {key: value}} if group else {key: value})


@pytest.mark.parametrize("name", sorted(CEILINGS))
@pytest.mark.parametrize("end", [0, 1])
def test_a_file_that_leaves_the_range_of_a_ceiling_is_refused_by_file_key_and_range(
    name: str, end: int, values: dict[str, Any], tmp_path: Path
) -> None:
    low, high = CEILINGS[name]
    whole = isinstance(attrgetter(name)(load_limits(DEMO / "limits.yaml")), int)
    step = (1 if whole else 0.001) * (1 if end else -1)
    path = written(tmp_path, changed(values, name, CEILINGS[name][end] + step))
    with pytest.raises(ConfigError) as refusal:
        load_limits(path)
    assert str(path) in str(refusal.value) and f"{name} = " in str(refusal.value) and f"{low} .. {high}" in str(refusal.value)


@pytest.mark.parametrize("name", sorted(name for name in CEILINGS if name != "ladder.recover_plans"))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_limit_that_is_no_number_is_refused(name: str, value: float, values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=name):
        load_limits(written(tmp_path, changed(values, name, value)))


def test_every_number_has_a_ceiling() -> None:
    def names(cls: Any, prefix: str = "") -> set[str]:
        hints = typing.get_type_hints(cls)
        nested = [names(hint, f"{prefix}{name}.") if dataclasses.is_dataclass(hint) else {prefix + name} for name, hint in hints.items()]
        return set().union(*nested)

    assert names(Limits) - {"commands"} == set(CEILINGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ladder.warn_s": 0.55}, "warn_s < soft_stop_s < emergency_s"),
        ({"ladder.soft_stop_s": 0.9, "ladder.emergency_s": 0.9}, "warn_s < soft_stop_s < emergency_s"),
        ({"emergency_stop.accel_mps2": -3.2, "accel_min_mps2": -3.0}, "would not let it through"),
        ({"emergency_stop.jerk_mps3": 4.5}, "would not let it through"),
        ({"soft_stop.jerk_mps3": 1.5, "emergency_stop.jerk_mps3": 1.2}, "harder than emergency_stop"),
        ({"soft_stop.hold_mps2": -3.4, "accel_min_mps2": -3.0}, "hold_mps2"),
        ({"plan.deviation_yaw_rad": 0.4}, "deviation_yaw_warn_rad"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(change: dict[str, float], message: str, values: dict[str, Any], tmp_path: Path) -> None:
    for name, value in change.items():
        values = changed(values, name, value)
    with pytest.raises(ConfigError, match=message):
        load_limits(written(tmp_path, values))


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
