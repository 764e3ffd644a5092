"""The ego pose of a recording from GNSS, gyro and wheel speed: an error-state Kalman filter, smoothed both ways.

Planar: nuScenes wants z = 0 and yaw. A road that climbs 10 % is 0.5 % shorter on the map than under the wheels, which the speed's scale takes up; an
antenna that leans outwards in a bend is part of each fix's white error. A wheel that stands means a yaw that stands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heron_bag.importing.config import NmeaSource
from heron_can.odometry import BIAS_MAX_RPS, STILL_MPS
from heron_core.arrays import read_only
from heron_core.signals import FixType
from heron_jadd.fusion_steps import GATED, RESTARTED, Laws, Steps, build_laws, build_steps, first_pose, grid, shared_time, stated_std, usable
from heron_sim.roads.geo import LocalFrame
from heron_sim.roads.town import GeoOrigin

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_STARTS = 4  # at most: each is linearised about the result of the last
_START_YAW_RAD, _START_BIAS_RPS = 0.05, 0.001  # that it may move without another


@dataclass(frozen=True)
class FusionConfig:
    """What the sensors are trusted with. Densities are those of white noise: an integral over T s has the density times √T as standard deviation.

    Attributes:
        lever_x_m, lever_y_m: GNSS antenna in base_link, x forward, y left.
        speed_density: m/√s of the way; 0.02 m/s white at 100 Hz (the simulated car's sensor) is 0.002, steps of 0.03 m/s are 0.001, and a margin.
        speed_share: the same per m/s: a wheel that brakes or pulls slips by some 1 %, for seconds.
        slip_share: the same sideways: the rear axle drifts outwards in a bend, by tenths of a degree.
        accel_density: m/s²/√Hz; what the speed may do between two samples: the way errs by density √(spacing³ / 12): 0.14 m at 1 Hz.
        yaw_density: rad/√s; angle random walk. 2e-4 of the simulated gyro, 1.3e-4 of the quarter-degree steps of the recorded one, and a margin.
        yaw_accel_density: rad/s²/√Hz; what the yaw rate may do between two samples, as above.
        turn_density: rad/√rad; gyro scales are stated to 1 … 3 %: a corner of 90 degrees errs by 0.7.
        bias_std_rps: of the gyro before anything is known: automotive MEMS state ± 0.5 °/s and more.
        bias_density: rad/s/√s; its drift, 20 °/h in a hundred seconds.
        scale_std: of the speed before anything is known: wear and pressure of a tyre change its radius by up to 2 %.
        scale_density: 1/√s; its drift: 1 % in a hundred seconds, with load, bends and temperature.
        blind_rate_rps: standard deviation of the yaw rate without an IMU; blind_accel_density: rad/s/√s, its wander. With half of it the gate
            takes the fixes of a recorded roundabout (1 Hz), with twice as much the heading between two of them is too uncertain for a linear filter.
        fix_correlation_s: time constant of a fix's lasting error: reflections and range errors stay for some tens of seconds.
        fix_alike_s: fixes of one type that lie closer share the lasting error of the best of them: what deviations state beyond it is white.
        white_share: of a fix's standard deviation that is new with each fix.
        fix_floor_m: white error of every fix: an antenna 1.5 m up leans 5 cm on 2 degrees of roll, and receivers believe in millimetres.
        std_m: fix type → standard deviation where the receiver states none.
        gate_probability: share of good fixes that the chi-square gate (2 degrees of freedom) loses.
        patience_s: after so long of gated fixes only, the next one restarts the position; restart_yaw_rad: standard deviation it gives to the yaw.
        still_mps: slower is standing; rest_rate_max_rps: a faster gyro at rest is on a ferry or a turntable, and no bias.
        gap_s: longer ones are counted, per sensor; a 1 Hz receiver has none.
        silence_max_s: longer ones of IMU or speed are refused. clock_step_s: stamps that go back further are refused, else dropped and counted.
        grid_s: largest step of the result: within it a straight line is the path, to 2 mm at 10 m/s in a bend of 15 m.
    """

    lever_x_m: float = 0.0
    lever_y_m: float = 0.0
    speed_density: float = 0.01
    speed_share: float = 0.01
    slip_share: float = 0.003
    accel_density: float = 0.5
    yaw_density: float = 4e-4
    yaw_accel_density: float = 0.05
    turn_density: float = 0.01
    bias_std_rps: float = 0.01
    bias_density: float = 1e-5
    scale_std: float = 0.02
    scale_density: float = 1e-3
    blind_rate_rps: float = 0.3
    blind_accel_density: float = 0.6
    fix_correlation_s: float = 25.0
    fix_alike_s: float = 2.0
    white_share: float = 0.3
    fix_floor_m: float = 0.05
    std_m: Mapping[str, float] = field(default_factory=lambda: dict(NmeaSource("").std_m))
    gate_probability: float = 1e-3
    patience_s: float = 10.0
    restart_yaw_rad: float = 0.3
    still_mps: float = STILL_MPS
    rest_rate_max_rps: float = BIAS_MAX_RPS
    gap_s: float = 1.1
    silence_max_s: float = 60.0
    clock_step_s: float = 1.0
    grid_s: float = 0.05

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name == "std_m":
                if set(value) != {kind.name.lower() for kind in FixType if kind is not FixType.NONE} or not all(
                    0.0 < std < 1e3 for std in value.values()
                ):
                    raise ValueError(f"std_m = {value}, expected autonomous, dgps, rtk_fixed, rtk_float, each in (0, 1000) m")
            elif name.startswith("lever"):
                if not abs(value) <= 20.0:
                    raise ValueError(f"{name} = {value}, allowed -20 .. 20 m")
            elif not 0.0 < value < 1e4:
                raise ValueError(f"{name} = {value}, allowed above 0, below 10000")
        if self.gate_probability >= 1.0 or self.white_share > 1.0:
            raise ValueError(f"gate_probability = {self.gate_probability}, white_share = {self.white_share}, allowed below 1 and up to 1")


@dataclass(frozen=True)
class FusionCounts:
    """What became of the samples.

    Attributes:
        used, gated: fixes that were believed, and outliers.
        invalid, late, outside: fixes without a possible place, a type or a deviation; stamped not after the one before; not within the track.
        restarts: fixes, of the used ones, at which the position began anew.
        imu_dropped, speed_dropped: not a number, or late.
        gnss_gaps, imu_gaps, speed_gaps: longer than `gap_s`, between used fixes (also before the first and after the last) and between samples.
        gnss_gap_max_s: the longest of the former.
    """

    used: int = 0
    gated: int = 0
    invalid: int = 0
    late: int = 0
    outside: int = 0
    restarts: int = 0
    imu_dropped: int = 0
    speed_dropped: int = 0
    gnss_gaps: int = 0
    imu_gaps: int = 0
    speed_gaps: int = 0
    gnss_gap_max_s: float = 0.0


@dataclass(frozen=True, eq=False)
class FusedTrack:
    """Poses of base_link in a local frame, x east and y north of `origin`.

    Attributes:
        stamp_ns: (N,) increasing: those of IMU, speed and fixes, and some between where they are more than `grid_s` apart.
        x_m, y_m, yaw_rad, speed_mps: (N,); yaw counter-clockwise from east, continuous (not wrapped); speed of base_link.
        x_std_m, y_std_m, yaw_std_rad, speed_std_mps: (N,) standard deviations; the yaw's is above 1 where the car never moved enough to show it.
        bias_rps, scale: (N,) of the gyro; share by which the speed reads too low.
        origin: of the frame; None: dead reckoning, from x = y = yaw = 0 at the first stamp.
        counts: of samples.
    """

    stamp_ns: I64
    x_m: F64
    y_m: F64
    yaw_rad: F64
    speed_mps: F64
    x_std_m: F64
    y_std_m: F64
    yaw_std_rad: F64
    speed_std_mps: F64
    bias_rps: F64
    scale: F64
    origin: GeoOrigin | None
    counts: FusionCounts

    @property
    def dead_reckoned(self) -> bool:
        """No fix was used: the frame is not the world's, and errors grow without bound."""
        return self.origin is None

    def at(self, stamps_ns: ArrayLike) -> F64:
        """(M, 3) x, y (m), yaw (rad, in [-pi, pi]) at (M,) stamps, interpolated; NaN before the first and after the last."""
        since = (np.asarray(stamps_ns, np.int64) - self.stamp_ns[0]).astype(np.float64)
        known = (self.stamp_ns - self.stamp_ns[0]).astype(np.float64)
        columns = [np.interp(since, known, values, math.nan, math.nan) for values in (self.x_m, self.y_m, self.yaw_rad)]
        columns[2] = np.arctan2(np.sin(columns[2]), np.cos(columns[2]))
        return np.stack(columns, axis=-1)


def fuse(
    gnss_ns: ArrayLike,
    gnss: ArrayLike,
    fix_types: ArrayLike,
    imu_ns: ArrayLike,
    yaw_rate_rps: ArrayLike,
    speed_ns: ArrayLike,
    speed_mps: ArrayLike,
    config: FusionConfig = FusionConfig(),
    origin: GeoOrigin | None = None,
) -> FusedTrack:
    """The track over the time that IMU and speed share.

    A sample is given once, at its own time: a speed that is held and repeated comes late. What is not a number is dropped and counted, and so are
    stamps that do not increase.

    Args:
        gnss_ns: (n,) integer stamps; empty: dead reckoning.
        gnss: (n, 4) latitude_deg, longitude_deg, altitude_m (may be NaN), horizontal_std_m (NaN: by fix type).
        fix_types: (n,) values of `FixType`.
        imu_ns: (m,) integer stamps; empty: the yaw comes from the fixes alone.
        yaw_rate_rps: (m,) left positive.
        speed_ns: (k,) integer stamps.
        speed_mps: (k,) of the rear axle, negative backwards.
        config: trust.
        origin: of the local frame; None: the first usable fix.

    Raises:
        ValueError: shapes that do not fit, an unknown fix type, a clock that steps back, a silence of IMU or speed that is too long, or no time that
            IMU and speed share.
    """
    table = np.array(gnss, np.float64).reshape(-1, 4) if np.size(gnss) == 0 else np.array(gnss, np.float64)
    if table.ndim != 2 or table.shape[1] != 4:
        raise ValueError(f"gnss has shape {table.shape}, expected (n, 4)")
    columns = np.stack(
        [table[:, 0], table[:, 1], np.nan_to_num(table[:, 2]), stated_std(table, fix_types, config), np.asarray(fix_types, np.float64)]
    )
    imu = usable("imu", imu_ns, np.asarray(yaw_rate_rps, np.float64)[None], config.clock_step_s)
    speed = usable("speed", speed_ns, np.asarray(speed_mps, np.float64)[None], config.clock_step_s)
    received = usable("gnss", gnss_ns, columns, config.clock_step_s)
    begin_ns, end_ns = shared_time(imu, speed, config)
    inside = (received.stamp_ns >= begin_ns) & (received.stamp_ns <= end_ns)
    fixes = received._replace(stamp_ns=received.stamp_ns[inside], values=received.values[:, inside])
    stamp_ns = grid([imu.stamp_ns, speed.stamp_ns, fixes.stamp_ns], begin_ns, end_ns, config.grid_s)
    frame, place_m = _places(fixes.values, origin)
    steps, measured, noise = build_steps(stamp_ns, imu, speed, fixes, place_m, config)
    blind = not len(imu.stamp_ns)
    laws = build_laws(config, blind)
    state, covariance = first_pose(steps, config, blind)
    smoothed, verdict = _smoothed(steps, laws, state, covariance)
    x, y, yaw, bias, scale, x_std, y_std, yaw_std, scale_std = np.ascontiguousarray(smoothed.T)
    gaps_s = np.diff(np.concatenate([stamp_ns[:1], fixes.stamp_ns[verdict != GATED], stamp_ns[-1:]])) / 1e9
    counts = FusionCounts(
        used=int((verdict != GATED).sum()),
        gated=int((verdict == GATED).sum()),
        invalid=received.unusable,
        late=received.late,
        outside=int((~inside).sum()),
        restarts=int((verdict == RESTARTED).sum()),
        imu_dropped=imu.unusable + imu.late,
        speed_dropped=speed.unusable + speed.late,
        gnss_gaps=int((gaps_s > config.gap_s).sum()),
        gnss_gap_max_s=float(gaps_s.max()),
        imu_gaps=int((np.diff(imu.stamp_ns) > config.gap_s * 1e9).sum()),
        speed_gaps=int((np.diff(speed.stamp_ns) > config.gap_s * 1e9).sum()),
    )
    motion = (x, y, yaw, measured * (1.0 + scale), x_std, y_std, yaw_std, np.hypot(noise, measured * scale_std), bias, scale)
    for column in motion:
        read_only(column)
    return FusedTrack(read_only(stamp_ns), *motion, frame.origin if frame else None, counts)


def _smoothed(steps: Steps, laws: Laws, state: F64, covariance: F64) -> tuple[F64, NDArray[np.int8]]:
    """As `smoother.smooth`; with restarts only where that loses less of what the fixes tell, as reflections can last longer than any patience."""
    stubborn = _started(steps, replace(laws, patience_s=math.inf), state, covariance)
    if not (stubborn[1] == GATED).any():
        return stubborn
    told = 1.0 / (steps.std_m**2 + steps.white_m**2)
    return min(stubborn, _started(steps, laws, state, covariance), key=lambda result: float(told[result[1] == GATED].sum()))


def _started(steps: Steps, laws: Laws, state: F64, covariance: F64) -> tuple[F64, NDArray[np.int8]]:
    """Smoothed from a start that smoothing confirms: an extended filter is linear about where it begins."""
    from heron_jadd.smoother import smooth  # numba: heavy

    for _ in range(_STARTS):
        result = smooth(steps, laws, state, covariance)
        smoothed = result[0][0, :5]
        moved = np.abs(smoothed[2:4] - state[2:4])
        if not len(steps.std_m) or (moved[0] < _START_YAW_RAD and moved[1] < _START_BIAS_RPS):
            break
        state = np.concatenate([smoothed, state[5:]])
    return result


def _places(fixes: F64, origin: GeoOrigin | None) -> tuple[LocalFrame | None, F64]:
    """The local frame and (n, 2) east, north (m) of fixes, all at the origin's height: far from it an error of height would tilt into the plane."""
    if not fixes.shape[1]:
        return None, np.empty((0, 2))
    frame = LocalFrame(origin or GeoOrigin(*map(float, fixes[:3, 0])))
    height_m = frame.origin.altitude_m
    return frame, np.array([frame.to_local(latitude, longitude, height_m)[:2] for latitude, longitude in fixes[:2].T.tolist()])
