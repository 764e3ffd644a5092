"""What the filter of `smoother` is given: usable samples, a step from each to the next, constants, and a first pose."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heron_can.odometry import SETTLED_TICKS
from heron_core.signals import FixType

if TYPE_CHECKING:
    from heron_jadd.fusion import FusionConfig

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

STATES = 7  # of the filter
MOVES, STANDS, RESTS = 0, 1, 2  # a step's kind; at rest, what the gyro reads is its bias
USED, GATED, RESTARTED = 1, 2, 3  # what became of a fix

_RESTING_S = SETTLED_TICKS / 100.0  # of standing until the body has stopped rocking
_ALIGN_M, _ALIGN_STDS = 30.0, 30.0  # the drive that gives the first heading is so long, and so many standard deviations of its fixes: two degrees
_ROUNDS = 3  # of leaving out those that fit worst
_START_M, _START_YAW_RAD = 5.0, 0.3  # the first pose is found with the data that the filter sees again, so it must weigh nothing
_START_DRIFT = 0.1  # the same per metre driven before the first fix
ANY_YAW_RAD = math.pi / math.sqrt(3.0)  # standard deviation of a direction that is not known at all


@dataclass(frozen=True)
class Steps:
    """What leads to each of N points in time, and what is measured there.

    Attributes:
        dt_s: (N,) since the point before; the first is 0.
        speed_mps, rate_rps: (N,) means over the step, as measured.
        kind: (N,) MOVES, STANDS or RESTS.
        along_m2, yaw_rad2: (N,) variance that the step adds along the car's direction and to its yaw.
        keep: (N,) share of the fixes' lasting error that is still there; 0 where another kind of fix begins.
        fix: (N,) index of the fix at this point, or -1.
        place_m: (n, 2) fixes, east and north; std_m, white_m: (n,) their lasting and their white standard deviation.
    """

    dt_s: F64
    speed_mps: F64
    rate_rps: F64
    kind: NDArray[np.int8]
    along_m2: F64
    yaw_rad2: F64
    keep: F64
    fix: NDArray[np.int64]
    place_m: F64
    std_m: F64
    white_m: F64


@dataclass(frozen=True)
class Laws:
    """Constants of the filter, in the order in which its loops know them.

    Attributes:
        slip2ps, bias_rps2ps, scale2ps: variances per second: motion sideways per speed squared, drift of the gyro's bias and of the speed's scale.
        rest_rps2s: variance of the gyro's white noise times seconds.
        lever_x_m, lever_y_m: GNSS antenna in base_link.
        gate: largest squared normalised innovation of a fix that is believed.
        patience_s: of gated fixes, after which the next one restarts the position.
        restart_rad: standard deviation that a restart gives to the yaw.
    """

    slip2ps: float
    bias_rps2ps: float
    scale2ps: float
    rest_rps2s: float
    lever_x_m: float
    lever_y_m: float
    gate: float
    patience_s: float
    restart_rad: float

    def packed(self) -> F64:
        """For the compiled loop."""
        return np.array(astuple(self))


class Samples(NamedTuple):
    """Samples of one sensor in order of time.

    Attributes:
        stamp_ns: (n,) increasing. values: (columns, n), finite.
        unusable, late: how many were left out: not a number; stamp not after the one before.
    """

    stamp_ns: I64
    values: F64
    unusable: int
    late: int


def usable(name: str, stamps: ArrayLike, columns: ArrayLike, clock_step_s: float) -> Samples:
    """Samples whose (columns, n) values are numbers and whose (n,) integer stamps increase.

    Raises:
        ValueError: shapes that do not fit, stamps that are not integers, or a clock that steps back by more than `clock_step_s`.
    """
    given, values = np.asarray(stamps), np.array(columns, np.float64)
    if given.ndim != 1 or values.shape[1:] != given.shape:
        raise ValueError(f"{name} has stamps of shape {given.shape} and values of shape {values.shape[::-1]}")
    if not given.size:
        return Samples(np.empty(0, np.int64), values, 0, 0)
    if not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"stamps of {name} are {given.dtype}, expected integer nanoseconds")
    stamp_ns = given.astype(np.int64)
    newest_ns = np.maximum.accumulate(stamp_ns)
    back_ns = newest_ns - stamp_ns
    if back_ns.max() > clock_step_s * 1e9:
        at = int(np.argmax(back_ns > clock_step_s * 1e9))
        raise ValueError(f"the clock of {name} steps back by {back_ns[at] / 1e9:.3f} s at its sample {at}: cut the recording there")
    finite = np.isfinite(values).all(axis=0)
    on_time = np.ones(len(stamp_ns), np.bool_)
    on_time[1:] = stamp_ns[1:] > newest_ns[:-1]
    kept = finite & on_time
    return Samples(stamp_ns[kept], np.ascontiguousarray(values[:, kept]), int((~finite).sum()), int((finite & ~on_time).sum()))


def stated_std(gnss: F64, fix_types: ArrayLike, config: FusionConfig) -> F64:
    """(n,) horizontal standard deviations of (n, 4) fixes, by fix type where the receiver states none; NaN where there is no fix.

    Latitude and longitude that are both exactly 0 are a receiver's word for none.

    Raises:
        ValueError: a type that is none of `FixType`, or not (n,) of them.
    """
    kinds = np.asarray(fix_types, np.int64)
    known = {int(kind): config.std_m.get(kind.name.lower(), math.nan) for kind in FixType}
    strange = sorted(set(kinds.ravel().tolist()) - set(known))
    if strange or kinds.shape != gnss.shape[:1]:
        raise ValueError(f"fix_types has shape {kinds.shape} and holds {strange}; expected {gnss.shape[:1]} of {sorted(known)}")
    typical = np.array([known[kind] for kind in kinds.tolist()], np.float64)
    latitude, longitude, _, stated = gnss.T
    std = np.where(np.isnan(stated), typical, stated)
    somewhere = (np.abs(latitude) <= 90.0) & (np.abs(longitude) <= 180.0) & ((latitude != 0.0) | (longitude != 0.0))
    return np.where((std >= 0.0) & ~np.isnan(typical) & somewhere, std, math.nan)


def shared_time(imu: Samples, speed: Samples, config: FusionConfig) -> tuple[int, int]:
    """First and last stamp that IMU and speed share; without an IMU the speed's.

    Raises:
        ValueError: there is no such time, or one of them is silent for too long within.
    """
    sensors = {name: each.stamp_ns for name, each in (("the IMU", imu), ("the speed", speed)) if len(each.stamp_ns) or each is speed}
    spans = [stamps for stamps in sensors.values() if len(stamps)]
    begin_ns, end_ns = max((int(each[0]) for each in spans), default=0), min((int(each[-1]) for each in spans), default=0)
    if len(spans) < len(sensors) or begin_ns >= end_ns:
        raise ValueError(f"{len(imu.stamp_ns)} samples of the IMU and {len(speed.stamp_ns)} of the speed share no time: there is nothing to fuse")
    for name, stamps in sensors.items():
        gaps_s = np.where((stamps[1:] > begin_ns) & (stamps[:-1] < end_ns), np.diff(stamps), 0) / 1e9
        if gaps_s.max() > config.silence_max_s:
            at = int(np.argmax(gaps_s))
            raise ValueError(
                f"{name} is silent for {gaps_s[at]:.1f} s after {stamps[at]} ns, allowed {config.silence_max_s:g} s: cut the recording there"
            )
    return begin_ns, end_ns


def grid(stamps: list[I64], begin_ns: int, end_ns: int, grid_s: float) -> I64:
    """(N,) all stamps from `begin_ns` to `end_ns`, and equal steps of at most `grid_s` between those further apart."""
    every = np.unique(np.concatenate(stamps))
    every = every[(every >= begin_ns) & (every <= end_ns)]
    gaps_ns = np.diff(every)
    parts = -(-gaps_ns // round(grid_s * 1e9))
    number = np.arange(int(parts.sum())) - np.repeat(np.cumsum(parts) - parts, parts)
    between = np.repeat(every[:-1], parts) + np.repeat(gaps_ns, parts) * number // np.repeat(parts, parts)
    return np.append(between, every[-1])


def build_steps(stamp_ns: I64, imu: Samples, speed: Samples, fixes: Samples, place_m: F64, config: FusionConfig) -> tuple[Steps, F64, F64]:
    """Steps between the points of the grid, and (N,) measured speeds and their standard deviations.

    A sensor that is sampled every T s tells nothing of what happens between. With white acceleration of density a, the integral of the straight line
    between two samples errs by a² T³ / 12 (a Brownian bridge's), here spread over the steps between them.
    """
    time_s = (stamp_ns - stamp_ns[0]) / 1e9
    dt_s = np.diff(time_s, prepend=0.0)
    speeds, speed_gap_s = _sampled(time_s, stamp_ns, speed)
    rates, imu_gap_s = _sampled(time_s, stamp_ns, imu) if len(imu.stamp_ns) else (np.zeros_like(time_s), np.zeros_like(time_s))
    rate = (rates + np.roll(rates, 1)) / 2.0
    mean = (speeds + np.roll(speeds, 1)) / 2.0
    along_m2ps = config.speed_density**2 + (config.speed_share * mean) ** 2 + (config.accel_density * speed_gap_s) ** 2 / 12.0
    yaw_rad2ps = config.yaw_density**2 + (config.yaw_accel_density * imu_gap_s) ** 2 / 12.0 + config.turn_density**2 * np.abs(rate)
    still = np.abs(speeds) <= config.still_mps
    stands = still & np.roll(still, 1) & (speed_gap_s <= config.gap_s)
    stands[0] = False
    moved_s = np.maximum.accumulate(np.where(stands, 0.0, time_s))
    rests = stands & (time_s - moved_s > _RESTING_S) & (np.abs(rate) <= config.rest_rate_max_rps)
    kind = np.where(rests, RESTS, np.where(stands, STANDS, MOVES)).astype(np.int8)
    at = np.searchsorted(stamp_ns, fixes.stamp_ns)
    fix = np.full(len(stamp_ns), -1, np.int64)
    fix[at] = np.arange(len(at))
    std, types = fixes.values[3], fixes.values[4]
    least = _least_near(fixes.stamp_ns / 1e9, std, types, config.fix_alike_s)
    lasting = least * math.sqrt(1.0 - config.white_share**2)
    white = np.sqrt(np.maximum(std**2 - lasting**2, 0.0) + config.fix_floor_m**2)
    # Other satellites, another error: none of it is left in another kind of fix, and not all of it where deviations have changed.
    keep = np.exp(-dt_s / config.fix_correlation_s)
    keep[at[1:]] *= np.where(types[1:] == types[:-1], np.minimum(least[1:], least[:-1]) / np.maximum(np.maximum(least[1:], least[:-1]), 1e-9), 0.0)
    along_m2, yaw_rad2 = (np.where(stands, 0.0, each * dt_s) for each in (along_m2ps, yaw_rad2ps))
    steps = Steps(dt_s, mean, rate, kind, along_m2, yaw_rad2, keep, fix, np.ascontiguousarray(place_m), lasting, white)
    return steps, speeds, np.where(still, 0.0, np.sqrt(along_m2ps / np.maximum(speed_gap_s, 1e-3)))


def _least_near(time_s: F64, std: F64, types: F64, near_s: float) -> F64:
    """(n,) the least deviation that fixes of the same type state within `near_s`.

    Satellites come and go behind houses, and stated deviations jump with them ten times a second; the error that lasts does not. It is taken to be as
    small as the receiver claims at its best, and what it claims beyond that to be new with each fix: else each jump would make a new witness.
    """
    least = std.copy()
    for apart in range(1, len(std)):
        near = time_s[apart:] - time_s[:-apart] <= near_s
        if not near.any():
            break
        near &= types[apart:] == types[:-apart]
        least[apart:] = np.where(near, np.minimum(least[apart:], std[:-apart]), least[apart:])
        least[:-apart] = np.where(near, np.minimum(least[:-apart], std[apart:]), least[:-apart])
    return least


def build_laws(config: FusionConfig, blind: bool) -> Laws:
    """Constants of the filter; `blind`: without IMU, its bias is the yaw rate itself."""
    return Laws(
        config.slip_share**2,
        (config.blind_accel_density if blind else config.bias_density) ** 2,
        config.scale_density**2,
        config.yaw_density**2,
        config.lever_x_m,
        config.lever_y_m,
        -2.0 * math.log(config.gate_probability),  # quantile of chi-square with two degrees of freedom
        config.patience_s,
        config.restart_yaw_rad,
    )


def first_pose(steps: Steps, config: FusionConfig, blind: bool) -> tuple[F64, F64]:
    """(7,) state and (7, 7) covariance before the first point: the one whose dead reckoning meets the first fixes (least squares, Horn 1987).

    Without fixes it is 0 with nothing to learn.
    """
    state, deviation = np.zeros(STATES), np.zeros(STATES)
    deviation[3:] = config.blind_rate_rps if blind else config.bias_std_rps, config.scale_std, 1.0, 1.0
    points = np.flatnonzero(steps.fix >= 0)
    if len(points):
        resting = steps.kind == RESTS
        bias = float(np.median(steps.rate_rps[resting])) if resting.any() else 0.0
        turn = np.where(steps.kind == MOVES, (steps.rate_rps - bias) * steps.dt_s, 0.0)
        yaw, distance = np.cumsum(turn) - turn / 2.0, steps.speed_mps * steps.dt_s
        path = np.cumsum(np.stack([distance * np.cos(yaw), distance * np.sin(yaw)], axis=1), axis=0)[points]
        driven = np.cumsum(np.abs(distance))[points]
        std = np.hypot(steps.std_m, steps.white_m)
        near = driven - driven[0] <= _ALIGN_M
        typical = float(np.median(std[near]))
        near = driven - driven[0] <= max(_ALIGN_M, _ALIGN_STDS * typical)
        heading, x, y, spread = _aligned(path[near], steps.place_m[near], std[near])
        state[:4] = x, y, heading, bias
        place_std = _START_M + 3.0 * typical + _START_DRIFT * driven[0]
        deviation[:3] = place_std, place_std, min(max(_START_YAW_RAD, 2.0 * typical / max(spread, 1e-3)), ANY_YAW_RAD)
    return state, np.diag(deviation**2)


def _sampled(time_s: F64, stamp_ns: I64, samples: Samples) -> tuple[F64, F64]:
    """Values at the points, and the distance in time of the samples on either side of each step."""
    known_s = (samples.stamp_ns - stamp_ns[0]) / 1e9
    after = np.clip(np.searchsorted(samples.stamp_ns, stamp_ns), 1, len(known_s) - 1)
    return np.interp(time_s, known_s, samples.values[0]), np.diff(known_s)[after - 1]


def _aligned(path: F64, place: F64, std: F64) -> tuple[float, float, float, float]:
    """Rotation (rad) and shift (m) that take (n, 2) path to place, and how far the path spreads; those that fit worst are left out."""
    used = np.ones(len(path), np.bool_)
    for _ in range(_ROUNDS):
        weight = 1.0 / std[used] ** 2
        weight = weight / weight.sum()
        middle, goal = weight @ path[used], weight @ place[used]
        a, b = path[used] - middle, place[used] - goal
        heading = math.atan2(float(weight @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])), float(weight @ (a * b).sum(axis=1)))
        c, s = math.cos(heading), math.sin(heading)
        x, y = goal - np.array([[c, -s], [s, c]]) @ middle
        spread = math.sqrt(float(weight @ (a * a).sum(axis=1)))
        misfit = np.hypot(*(path @ np.array([[c, s], [-s, c]]) + (x, y) - place).T) / std
        used = misfit <= max(3.0 * float(np.median(misfit)), 1.0)
    return heading, float(x), float(y), spread
