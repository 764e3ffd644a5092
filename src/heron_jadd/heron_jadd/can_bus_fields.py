"""Which field of nuScenes' CAN messages follows from which signal of a vehicle state, and in which unit it is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
GRAVITY_MPS2 = 9.80665


class Car(NamedTuple):
    """What turns road-wheel angles into steering-wheel angles, and speeds of wheels into revolutions."""

    steer_ratio: float
    wheel_radius_m: float | None


class Field(NamedTuple):
    """How a field follows from a signal; `whole`: nuScenes has an integer there. NaN: nuScenes has no code for the value."""

    signal: str
    convert: Callable[[F64, Car], F64]
    whole: bool = False
    of_wheel: bool = False


def _wheel_deg(values: F64, car: Car) -> F64:
    found: F64 = np.degrees(values * car.steer_ratio)
    return found


def _rpm(values: F64, car: Car) -> F64:
    return values / (2.0 * math.pi * (car.wheel_radius_m or math.nan)) * 60.0


def _gear(values: F64, car: Car) -> F64:
    return np.select([values == 1.0, values == 2.0], [7.0, 0.0], math.nan)


def _signal(side: float) -> Callable[[F64, Car], F64]:
    return lambda values, car: np.where((values == side) | (values == 2.0), 1.0, 0.0)


def _times(factor: float) -> Callable[[F64, Car], F64]:
    return lambda values, car: values * factor


_KMH, _PERMILLE = _times(3.6), _times(1000.0)
_STEERING, _THROTTLE = Field("steer", _wheel_deg), Field("throttle", _PERMILLE, whole=True)
FIELDS: Mapping[str, Mapping[str, Field]] = {
    "steeranglefeedback": {"value": Field("steer", lambda values, car: values * car.steer_ratio)},  # rad
    "vehicle_monitor": {
        "brake_switch": Field("brake_pressed", lambda values, car: values + 1.0, whole=True),  # 1 not pressed, 2 pressed
        "gear_position": Field("gear", _gear, whole=True),  # 0 parked, 7 driving; others are not documented
        "left_signal": Field("indicator", _signal(1.0), whole=True),
        "rear_left_rpm": Field("wheel_rl", _rpm, of_wheel=True),
        "rear_right_rpm": Field("wheel_rr", _rpm, of_wheel=True),
        "right_signal": Field("indicator", _signal(-1.0), whole=True),
        "steering": _STEERING,  # degrees
        "steering_speed": Field("steer_rate", _wheel_deg),  # degrees/s
        "throttle": _THROTTLE,  # 0 .. 1000
        "vehicle_speed": Field("speed", _KMH),  # km/h; backwards negative
        "yaw_rate": Field("yaw_rate", lambda values, car: np.degrees(values)),  # degrees/s
    },
    "zoe_veh_info": {
        "FL_wheel_speed": Field("wheel_fl", _rpm, of_wheel=True),
        "FR_wheel_speed": Field("wheel_fr", _rpm, of_wheel=True),
        "RL_wheel_speed": Field("wheel_rl", _rpm, of_wheel=True),
        "RR_wheel_speed": Field("wheel_rr", _rpm, of_wheel=True),
        "longitudinal_accel": Field("accel_x", _times(1.0)),  # m/s²
        "odom_speed": Field("speed", _KMH),
        "pedal_cc": Field("throttle", _PERMILLE),
        "steer_corrected": _STEERING,
        "transversal_accel": Field("accel_y", _times(1.0 / GRAVITY_MPS2)),  # g
    },
    "zoesensors": {"brake_sensor": Field("brake", _times(1.0)), "steering_sensor": _STEERING, "throttle_sensor": _THROTTLE},  # brake 0 .. 1
}
# Fields of the README that no signal of a vehicle state gives
UNKNOWN: Mapping[str, tuple[str, ...]] = {
    "vehicle_monitor": ("available_distance", "battery_level", "brake"),  # brake is a pressure in bar, the state's a share
    "zoe_veh_info": ("left_solar", "meanEffTorque", "odom", "regen", "requestedTorqueAfterProc", "right_solar", "steer_offset_can", "steer_raw"),
}
