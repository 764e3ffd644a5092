"""The car's signals of one scene as nuScenes' CAN bus expansion has them, for the devkit's `NuScenesCanBus` and the models that read it.

Names and units are those of the devkit's `can_bus/README.md`. Where the files of nuScenes itself say otherwise, they are followed (scene-0103 was
compared): steering and lateral values are positive to the LEFT in every message (the README's "right" is a slip, nuscenes-devkit issue 371), the z of
`pose.accel` holds gravity, and `meta` is spelled and computed as there. Angles of `steeranglefeedback`, `steering` and `steer_corrected` are the
steering WHEEL's: the road wheels' angle times the car's steering ratio, or the road wheels' angle itself where no ratio is known.

The sensors of `zoesensors` are raw levels there; here they have the units that the README states. What the car does not measure is left out, never 0:
a field is then missing from all rows of its message, and a message without fields is an empty list, as in nuScenes' scene-0419.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_core.vehicle import SIGNALS, VehicleState
from heron_jadd.can_bus_fields import FIELDS, GRAVITY_MPS2, UNKNOWN, Car
from heron_jadd.can_bus_files import CAN_MESSAGES, Rows, meta
from heron_jadd.poses import PoseTrack

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class CanBusForm:
    """How dense and how exact the messages are; rates and the route's form as in nuScenes.

    Attributes:
        pose_hz, monitor_hz: highest rates of `pose` and `vehicle_monitor`; the other messages keep theirs.
        digits: decimals of every number.
        valid_share: a signal that is valid in a smaller share of the ticks is left out; else the ticks without it are.
        slope_s: span over which acceleration follows from speed, where it is not measured.
        route_step_m, route_beyond_m: distance of the route's points, and how far it reaches before and after the scene.
    """

    pose_hz: float = 50.0
    monitor_hz: float = 2.0
    digits: int = 6
    valid_share: float = 0.9
    slope_s: float = 0.2
    route_step_m: float = 0.2
    route_beyond_m: float = 50.0


@dataclass(frozen=True, eq=False)
class Inertial:
    """An IMU's samples; NaN: not measured.

    Attributes:
        stamp_ns: (n,).
        rates_rps: (n, 3) about x, y, z of its frame.
        accels_mps2: (n, 3) with gravity.
        orientation_wxyz: (n, 4) its frame in one whose z points up, or None.
    """

    stamp_ns: NDArray[np.int64]
    rates_rps: F64
    accels_mps2: F64
    orientation_wxyz: F64 | None = None


@dataclass(frozen=True, eq=False)
class States:
    """Vehicle states as arrays.

    Attributes:
        stamp_ns: (n,) ticks.
        values: signal of `heron_core.vehicle.SIGNALS` → (n,) in its unit there; NaN: not valid.
    """

    stamp_ns: NDArray[np.int64]
    values: Mapping[str, F64]

    @classmethod
    def of(cls, states: Sequence[VehicleState]) -> States:
        """From a recording's states; signals that are never valid are left out."""
        columns = {name: np.array([_nan(state.valid_value(name)) for state in states], np.float64) for name in SIGNALS}
        stamps = np.array([state.stamp_ns for state in states], np.int64)
        return cls(stamps, {name: column for name, column in columns.items() if not np.isnan(column).all()})


@dataclass(frozen=True)
class CanBus:
    """Messages of one scene.

    Attributes:
        messages: each of `can_bus_files.MESSAGES` → what its file holds.
        missing: message or message.field → why it is not there.
        notes: what else one has to know.
    """

    messages: dict[str, Any]
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def can_bus(
    track: PoseTrack,
    states: States | None = None,
    imu: Inertial | None = None,
    route: F64 | None = None,
    *,
    accel_mps2: F64 | None = None,
    steer_ratio: float | None = None,
    wheel_radius_m: float | None = None,
    form: CanBusForm | None = None,
) -> CanBus:
    """The messages of one scene.

    Args:
        track: poses of the scene, and of what is wanted before and after it.
        states: of the same time.
        imu: likewise.
        route: (m, 2) x, y of the way that was to be driven, in the frame of `track`; see `driven_route`.
        accel_mps2: (n,) of base_link along x, for each pose; None: it follows from the speed.
        steer_ratio: steering-wheel angle over road-wheel angle, of vehicle.yaml.
        wheel_radius_m: rolling radius; without it there are no wheel speeds, which nuScenes has in revolutions per minute.
        form: rates and rounding.
    """
    form, found = form or CanBusForm(), CanBus({})
    found.messages["ms_imu"] = _imu(imu, form, found.missing)
    found.messages["pose"] = _poses(track, accel_mps2, form)
    if not found.messages["pose"]:
        found.missing["pose"] = "no poses"
    car = Car(steer_ratio or 1.0, wheel_radius_m)
    for message in FIELDS:
        found.messages[message] = _state_rows(message, states, car, form, found.missing)
    if steer_ratio is None and states is not None and "steer" in states.values:
        found.notes.append("no steering ratio is known: steering angles are those of the road wheels")
    found.messages["meta"] = {CAN_MESSAGES[name]: meta(found.messages[name], form.digits) for name in CAN_MESSAGES}
    found.messages["route"] = _route(route, track.poses[:, :2], form)
    if not found.messages["route"]:
        found.missing["route"] = "no route is known"
    return found


def driven_route(track: PoseTrack, step_m: float = 1.0) -> F64:
    """(m, 2) the way that was driven: it may stand for the route where none is recorded, since the devkit's checks of alignment need one."""
    points = track.poses[np.isfinite(track.poses).all(1), :2]
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))]) if len(points) else np.zeros(0)
    steps = np.floor(way / step_m)
    found: F64 = points[np.concatenate([[True], np.diff(steps) > 0])] if len(points) else points
    return found


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def _rows(stamp_ns: NDArray[np.int64], columns: Mapping[str, list[Any]]) -> Rows:
    """One dict per stamp; models take the fields in the order of the file, which is the alphabet's, capitals first."""
    filled = dict(sorted({**columns, "utime": (stamp_ns // 1000).tolist()}.items()))
    return [dict(zip(filled, row, strict=True)) for row in zip(*filled.values(), strict=True)]


def _rounded(values: F64, digits: int) -> list[Any]:
    found: list[Any] = (np.round(values, digits) + 0.0).tolist()  # + 0.0: no -0.0
    return found


def _rising(stamp_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.diff(np.maximum.accumulate(stamp_ns), prepend=stamp_ns[:1] - 1) > 0


def _thinned(stamp_ns: NDArray[np.int64], hz: float) -> NDArray[np.bool_]:
    """The first in each period of a clock that begins at zero, so that overlapping stretches agree."""
    periods = stamp_ns // round(1e9 / hz)
    return np.diff(periods, prepend=periods[:1] - 1) > 0


def _poses(track: PoseTrack, accel_mps2: F64 | None, form: CanBusForm) -> Rows:
    accel = _slope(track.stamp_ns, track.speed_mps, form.slope_s) if accel_mps2 is None else accel_mps2
    table = np.column_stack([track.poses, track.speed_mps, track.yaw_rate_rps, accel])
    keep = np.isfinite(table).all(1) & _rising(track.stamp_ns)
    stamp_ns, table = track.stamp_ns[keep], table[keep]
    thin = _thinned(stamp_ns, form.pose_hz)
    x, y, yaw, speed, yaw_rate, accel = table[thin].T
    zero, half = np.zeros_like(x), np.arctan2(np.sin(yaw), np.cos(yaw)) / 2.0
    columns = {
        # of a car that does not slip sideways at its rear axle, on level ground, as an accelerometer feels it
        "accel": (accel, speed * yaw_rate, zero + GRAVITY_MPS2),
        "orientation": (np.cos(half), zero, zero, np.sin(half)),
        "pos": (x, y, zero),
        "rotation_rate": (zero, zero, yaw_rate),
        "vel": (speed, zero, zero),
    }
    return _rows(stamp_ns[thin], {name: _rounded(np.column_stack(column), form.digits) for name, column in columns.items()})


def _slope(stamp_ns: NDArray[np.int64], values: F64, span_s: float) -> F64:
    """Centred differences over `span_s`, of less at the ends."""
    if len(stamp_ns) < 2:
        return np.full(len(stamp_ns), math.nan)
    times = (stamp_ns - stamp_ns[0]) / 1e9
    low, high = (np.clip(times + sign * span_s / 2.0, times[0], times[-1]) for sign in (-1.0, 1.0))
    found: F64 = (np.interp(high, times, values) - np.interp(low, times, values)) / (high - low)
    return found


def _imu(imu: Inertial | None, form: CanBusForm, missing: dict[str, str]) -> Rows:
    if imu is None or not len(imu.stamp_ns):
        missing["ms_imu"] = "no IMU"
        return []
    columns = {"linear_accel": imu.accels_mps2, "q": imu.orientation_wxyz, "rotation_rate": imu.rates_rps}
    valid: dict[str, F64] = {}
    for name, column in columns.items():
        if column is None or np.isfinite(column).all(1).mean() < form.valid_share:
            missing[f"ms_imu.{name}"] = "not measured" if column is None else "not measured along all axes"
        else:
            valid[name] = column
    if not valid:
        missing["ms_imu"] = "nothing is measured along all axes"
        return []
    keep = np.logical_and.reduce([_rising(imu.stamp_ns), *(np.isfinite(column).all(1) for column in valid.values())])
    return _rows(imu.stamp_ns[keep], {name: _rounded(column[keep], form.digits) for name, column in valid.items()})


def _state_rows(message: str, states: States | None, car: Car, form: CanBusForm, missing: dict[str, str]) -> Rows:
    missing.update({f"{message}.{name}": "no signal of a vehicle state says it" for name in UNKNOWN.get(message, ())})
    if states is None or not len(states.stamp_ns):
        missing[message] = "no vehicle states"
        return []
    columns: dict[str, F64] = {}
    for name, spec in FIELDS[message].items():
        source = states.values.get(spec.signal, np.full(len(states.stamp_ns), math.nan))
        column = spec.convert(source, car)
        share = float(np.isfinite(source).mean())
        if spec.of_wheel and car.wheel_radius_m is None:
            missing[f"{message}.{name}"] = "no wheel radius is known"
        elif share < form.valid_share:
            missing[f"{message}.{name}"] = f"{spec.signal} is valid in {share:.0%} of the ticks" if share else f"the car does not tell {spec.signal}"
        elif not np.isfinite(column[np.isfinite(source)]).all():
            missing[f"{message}.{name}"] = f"{spec.signal} has values that nuScenes has no code for"
        else:
            columns[name] = np.where(np.isfinite(source), column, math.nan)
    if not columns:
        missing[message] = "none of its signals is there"
        return []
    keep = np.logical_and.reduce([_rising(states.stamp_ns), *map(np.isfinite, columns.values())])
    if message == "vehicle_monitor":
        keep[keep] = _thinned(states.stamp_ns[keep], form.monitor_hz)
    whole = FIELDS[message]
    rounded = {
        name: np.rint(column[keep]).astype(int).tolist() if whole[name].whole else _rounded(column[keep], form.digits)
        for name, column in columns.items()
    }
    return _rows(states.stamp_ns[keep], rounded)


def _route(route: F64 | None, driven: F64, form: CanBusForm) -> list[list[float]]:
    """The stretch of a polyline that the poses are at, and a little before and after."""
    driven = driven[np.isfinite(driven).all(1)]
    if route is None or len(route) < 2 or not len(driven):
        return []
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(route, axis=0).T))])
    at = np.arange(0.0, way[-1], form.route_step_m)
    points = np.column_stack([np.interp(at, way, route[:, 0]), np.interp(at, way, route[:, 1])])
    from scipy.spatial import cKDTree

    nearest = at[cKDTree(points).query(driven)[1]]
    near = (at >= nearest.min() - form.route_beyond_m) & (at <= nearest.max() + form.route_beyond_m)
    found: list[list[float]] = _rounded(points[near], form.digits)
    return found
