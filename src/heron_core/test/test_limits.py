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


def test_ceilings_stand() -> None:
    """A second copy on purpose: whoever moves a ceiling changes it here too, and knows why."""
    assert CEILINGS == {
        "lateral_accel_mps2": (0.5, 3.6),
        "lateral_jerk_mps3": (0.5, 5.0),
        "curvature_per_m": (0.01, 0.2),
        "steer_rate_rps": (0.05, 1.0),
        "steer_rate_30mps_rps": (0.05, 0.8),
        "accel_max_mps2": (0.1, 2.0),
        "accel_min_mps2": (-3.5, -2.5),
        "jerk_mps3": (1.5, 5.0),
        "speed_max_mps": (1.0, 38.0),
        "command_rate_factor": (1.0, 1.2),
        "engaging.seconds": (1.0, 10.0),
        "engaging.accel_mps2": (0.1, 1.0),
        "engaging.jerk_mps3": (0.3, 1.0),
        "engaging.lateral_accel_mps2": (0.5, 2.0),
        "soft_stop.accel_mps2": (-2.0, -0.5),
        "soft_stop.jerk_mps3": (0.2, 1.5),
        "soft_stop.hold_mps2": (-3.5, -0.5),
        "emergency_stop.accel_mps2": (-3.5, -2.0),
        "emergency_stop.jerk_mps3": (1.0, 5.0),
        "emergency_stop.hold_mps2": (-3.5, -0.5),
        "ladder.warn_s": (0.1, 0.6),
        "ladder.soft_stop_s": (0.15, 1.0),
        "ladder.emergency_s": (0.3, 1.5),
        "ladder.emergency_distance_m": (5.0, 50.0),
        "ladder.recover_plans": (2, 50),
        "plan.future_max_s": (0.0, 0.02),
        "plan.jump_lateral_m": (0.1, 1.0),
        "plan.jump_forward_m": (0.2, 2.0),
        "plan.deviation_m": (0.3, 1.5),
        "plan.deviation_yaw_warn_rad": (0.1, 0.5),
        "plan.deviation_yaw_rad": (0.2, 1.0),
        "state.age_max_s": (0.02, 0.1),
        "state.lost_s": (0.2, 1.0),
        "state.speed_disagreement_mps": (0.3, 2.0),
        "driver.torque_nm": (0.5, 4.0),
        "driver.throttle": (0.01, 0.2),
        "following.steer_error_rad": (0.01, 0.1),
        "following.steer_error_s": (0.1, 1.0),
        "following.accel_error_mps2": (0.5, 2.5),
        "following.accel_error_s": (0.2, 2.0),
        "alarm.share": (0.01, 0.5),
        "alarm.window_s": (0.2, 5.0),
    }


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
        ({"ladder.warn_s": 0.5, "ladder.soft_stop_s": 0.5}, "warn_s < soft_stop_s < emergency_s"),
        ({"ladder.warn_s": 0.55}, "warn_s < soft_stop_s < emergency_s"),
        ({"ladder.soft_stop_s": 0.9, "ladder.emergency_s": 0.9}, "warn_s < soft_stop_s < emergency_s"),
        ({"emergency_stop.accel_mps2": -3.01, "accel_min_mps2": -3.0}, "would not let it through"),
        ({"emergency_stop.jerk_mps3": 4.01}, "would not let it through"),
        (
            {"soft_stop.accel_mps2": -2.0, "emergency_stop.accel_mps2": -2.0, "soft_stop.jerk_mps3": 1.3, "emergency_stop.jerk_mps3": 1.2},
            "harder than",
        ),
        ({"soft_stop.jerk_mps3": 1.21, "emergency_stop.jerk_mps3": 1.2}, "harder than emergency_stop"),
        ({"soft_stop.hold_mps2": -3.01, "accel_min_mps2": -3.0}, "hold_mps2"),
        ({"emergency_stop.hold_mps2": -3.01, "accel_min_mps2": -3.0}, "hold_mps2"),
        ({"plan.deviation_yaw_rad": 0.49}, "deviation_yaw_warn_rad"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(change: dict[str, float], message: str, values: dict[str, Any], tmp_path: Path) -> None:
    for name, value in change.items():
        values = changed(values, name, value)
    with pytest.raises(ConfigError, match=message):
        load_limits(written(tmp_path, values))


@pytest.mark.parametrize(
    "change",
    [
        {"emergency_stop.accel_mps2": -3.0, "accel_min_mps2": -3.0},
        {"emergency_stop.jerk_mps3": 4.0},
        {"soft_stop.accel_mps2": -2.0, "emergency_stop.accel_mps2": -2.0},
        {"soft_stop.jerk_mps3": 1.2, "emergency_stop.jerk_mps3": 1.2},
        {"soft_stop.hold_mps2": -3.0, "emergency_stop.hold_mps2": -3.0, "accel_min_mps2": -3.0},
        {"plan.deviation_yaw_rad": 0.5},
        {"ladder.warn_s": 0.34},
        {"soft_stop.jerk_mps3": 0.2},
        {"ladder.warn_s": 0.49, "ladder.soft_stop_s": 0.5, "ladder.emergency_s": 0.51},
    ],
)
def test_limits_that_just_agree_are_taken(change: dict[str, float], values: dict[str, Any], tmp_path: Path) -> None:
    for name, value in change.items():
        values = changed(values, name, value)
    load_limits(written(tmp_path, values))


def test_a_soft_stop_may_not_brake_harder_nor_late_states_count_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ceilings keep these apart today; the order must hold without them."""
    limits = load_limits(DEMO / "limits.yaml")
    monkeypatch.setitem(CEILINGS, "soft_stop.accel_mps2", (-9.0, 0.0))  # type: ignore[misc, arg-type]
    monkeypatch.setitem(CEILINGS, "state.age_max_s", (0.0, 9.0))  # type: ignore[misc, arg-type]
    dataclasses.replace(limits, soft_stop=dataclasses.replace(limits.soft_stop, accel_mps2=-2.5))
    with pytest.raises(ValueError, match="harder than emergency_stop"):
        dataclasses.replace(limits, soft_stop=dataclasses.replace(limits.soft_stop, accel_mps2=-2.501))
    dataclasses.replace(limits, state=dataclasses.replace(limits.state, age_max_s=0.999))
    with pytest.raises(ValueError, match="must lie below lost_s"):
        dataclasses.replace(limits, state=dataclasses.replace(limits.state, age_max_s=1.0))


def test_unknown_missing_and_misspelt_keys_are_refused(values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'jerk_mps3'"):
        load_limits(written(tmp_path, values | {"jerk_mps": 1.0}))
    values.pop("curvature_per_m")
    with pytest.raises(ConfigError, match="missing curvature_per_m"):
        load_limits(written(tmp_path, values))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("id", -1, "allowed 0 .. 0x1FFFFFFF"),
        ("id", 0, ""),
        ("id", 0x1FFFFFFF, ""),
        ("id", 0x20000000, "allowed 0 .. 0x1FFFFFFF"),
        ("length", -1, "allowed 0 .. 64"),
        ("length", 0, ""),
        ("length", 64, ""),
        ("length", 65, "allowed 0 .. 64"),
        ("period_s", 0.00499, "allowed 0.005 .. 1.0"),
        ("period_s", 0.005, ""),
        ("period_s", 1.0, ""),
        ("period_s", 1.001, "allowed 0.005 .. 1.0"),
        ("period_s", math.nan, "allowed 0.005 .. 1.0"),
    ],
)
def test_a_frame_of_the_whitelist_is_checked(key: str, value: float, message: str, values: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, values | {"commands": [values["commands"][0] | {key: value}]})
    if not message:
        load_limits(path)
        return
    with pytest.raises(ConfigError, match=f"{key} = .*{message}"):
        load_limits(path)


def test_the_whitelist_names_frames_once(values: dict[str, Any], tmp_path: Path) -> None:
    for commands, message in (([], "empty"), (values["commands"] * 2, "twice")):
        with pytest.raises(ConfigError, match=message):
            load_limits(written(tmp_path, values | {"commands": commands}))


def test_speed_sets_curvature_and_steer_rate() -> None:
    limits = load_limits(DEMO / "limits.yaml")
    assert (limits.curvature_at(0.0), limits.curvature_at(3.8)) == (0.2, 0.2)
    assert limits.curvature_at(3.9) == pytest.approx(3.0 / 3.9**2)
    assert limits.curvature_at(20.0) == limits.curvature_at(-20.0) == pytest.approx(3.0 / 400.0)
    assert dataclasses.replace(limits, lateral_accel_mps2=3.2).curvature_at(4.0) == 0.2
    assert limits.steer_rate_at(0.0) == 0.8
    assert limits.steer_rate_at(15.0) == limits.steer_rate_at(-15.0) == pytest.approx(0.7)
    assert limits.steer_rate_at(27.0) == pytest.approx(0.62)
    assert limits.steer_rate_at(30.0) == limits.steer_rate_at(60.0) == pytest.approx(0.6)


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
