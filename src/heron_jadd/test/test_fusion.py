"""The fused track against the truth of simulated drives, against a real receiver, against a textbook smoother, and on bad input."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from driven import OPEN, ORIGIN, TICK_NS, Given, drive, houses
from numpy.typing import NDArray

from heron_core.signals import FixType
from heron_jadd.fusion import FusionConfig, fuse
from heron_sim.roads.geo import LocalFrame

REAL_DATA = Path(os.environ.get("HERON_REAL_DATA", Path(__file__).resolve().parents[4] / "shared/data")) / "can_drive"
NOTHING: NDArray[np.int64] = np.empty(0, np.int64)


@pytest.fixture(scope="module")
def kilometre() -> Given:
    return drive(0)


@pytest.fixture(scope="module")
def short() -> Given:
    return drive(3, 300.0)


@pytest.mark.parametrize("after_s", [10, 40, 80])
def test_a_kilometre_with_ten_seconds_without_gnss_is_within_30_cm(kilometre: Given, after_s: int) -> None:
    corners = np.flatnonzero((np.abs(kilometre.rate) > 0.3) & (kilometre.imu_ns > after_s * 10**9))
    begin_s = corners[0] / 100.0 - 4.0
    given = kilometre.without_fixes(begin_s, begin_s + 10.0)
    track = given.fused()
    position, yaw = given.errors(track)
    gap = (given.imu_ns > begin_s * 1e9) & (given.imu_ns < (begin_s + 10.0) * 1e9)
    assert np.ptp(np.unwrap(given.truth[gap, 2])) > 1.4 and given.truth[gap, 3].sum() / 100.0 > 40.0, "it drives and turns in the gap"
    assert track.counts.gnss_gaps == 1 and track.counts.gnss_gap_max_s > 10.0
    assert position.max() < 0.05 and yaw.max() < math.radians(0.3)  # asked for: 0.3 m
    assert np.abs(track.speed_mps[np.searchsorted(track.stamp_ns, given.imu_ns)] - given.truth[:, 3]).max() < 0.15
    assert track.bias_rps[-1] == pytest.approx(0.0005, abs=1e-4) and 1.0 / (1.0 + track.scale[-1]) == pytest.approx(1.003, abs=1e-3)


def test_among_houses_too(kilometre: Given) -> None:
    given = kilometre.received(houses(), 7).without_fixes(60.0, 70.0)
    assert {FixType.RTK_FIXED, FixType.RTK_FLOAT, FixType.NONE} <= set(given.fix.tolist())
    track = given.fused()
    position, yaw = given.errors(track)
    assert position.max() < 0.3 and yaw.max() < math.radians(1.0)
    std = np.hypot(track.x_std_m, track.y_std_m)[np.searchsorted(track.stamp_ns, given.imu_ns)]
    assert 0.1 < np.sqrt((position**2 / std**2).mean()) < 1.3, "the deviations that it states are those that it has"


@pytest.mark.parametrize(("share", "bound_m"), [(0.5, 0.3), (1.0, 0.5)])
def test_sensors_of_an_ordinary_car(kilometre: Given, share: float, bound_m: float) -> None:
    """The simulated ones are kind: here the gyro's scale is off and its bias wanders, wheels slip, above all when they brake, and count pulses."""
    random = np.random.default_rng(2)
    count = len(kilometre.rate)
    wander = 3e-6 * np.cumsum(random.standard_normal(count))
    rate = (1.0 + 0.005 * share) * kilometre.rate + 0.006 + share * (wander + 0.004 * random.standard_normal(count))
    pulls = np.abs(np.gradient(kilometre.truth[:, 3], 0.01)) > 1.2
    slip = 1.0 + share * (0.02 + 0.01 * np.sin(kilometre.imu_ns / 7e9) + 0.02 * pulls)
    rough = kilometre._replace(rate=rate, speed=np.round(slip * kilometre.speed / 0.03) * 0.03)
    for begin_s in (20.0, 40.0, 60.0, 80.0, 100.0):
        given = rough.without_fixes(begin_s, begin_s + 10.0)
        track = given.fused()
        position = given.errors(track)[0]
        std = np.hypot(track.x_std_m, track.y_std_m)[np.searchsorted(track.stamp_ns, given.imu_ns)]
        assert position.max() < bound_m and track.counts.gated == 0 and np.sqrt((position**2 / std**2).mean()) < 1.0


def test_a_receiver_that_wakes_late_places_the_start_too() -> None:
    """40 s of weaving at 10 m/s with a gyro that is 1.1 degrees per second off, before the first fix: far from linear about any first guess."""
    stamps = np.arange(6000) * TICK_NS
    rate = 0.2 * np.sin(stamps / 5e9)
    yaw = np.cumsum(rate) * 0.01
    truth = np.column_stack([0.1 * np.cumsum(np.cos(yaw)), 0.1 * np.cumsum(np.sin(yaw)), yaw, np.full(6000, 10.0)])
    known = slice(4000, None, 10)
    places = np.array([LocalFrame(ORIGIN).to_wgs84(x, y) for x, y in truth[known, :2]])
    gnss = np.column_stack([places[:, :2], np.full(200, math.nan), np.full(200, 0.02)])
    given = Given(stamps[known], gnss, np.full(200, FixType.RTK_FIXED), stamps, rate + 0.02, stamps, truth[:, 3], truth)
    track = given.fused()
    assert given.errors(track)[0].max() < 3.0 < math.hypot(track.x_std_m[0], track.y_std_m[0])
    assert track.bias_rps[0] == pytest.approx(0.02, abs=5e-4)


def test_forwards_alone_drifts_where_smoothing_does_not(kilometre: Given) -> None:
    """In the middle of a gap a filter only knows what was before it."""
    gap = kilometre.without_fixes(40.0, 70.0)
    cut = gap.imu_ns <= 70 * 10**9
    before = gap.without_fixes(40.0, 1e9)._replace(imu_ns=gap.imu_ns[cut], rate=gap.rate[cut], speed_ns=gap.imu_ns[cut], speed=gap.speed[cut])
    at_70 = np.searchsorted(kilometre.imu_ns, 69 * 10**9)
    std = [
        float(np.interp(kilometre.imu_ns[at_70], track.stamp_ns, np.hypot(track.x_std_m, track.y_std_m))) for track in (before.fused(), gap.fused())
    ]
    assert std[1] < 0.5 * std[0]


def test_fixes_far_off_are_gated_and_counted(short: Given) -> None:
    gnss = short.gnss.copy()
    gnss[50:60, 0] += 5.0 / 111_000.0
    gnss[[100, 140], 1] += 0.1
    track = short._replace(gnss=gnss).fused()
    assert track.counts.gated == 12 and track.counts.used == len(gnss) - 12 and track.counts.restarts == 0
    assert short.errors(track)[0].max() < 0.05


def test_reflections_for_longer_than_any_patience_do_not_win(short: Given) -> None:
    gnss, fix = short.gnss.copy(), short.fix.copy()
    gnss[60:180, 0] += 12.0 / 111_000.0
    gnss[60:180, 3], fix[60:180] = 0.6, FixType.DGPS
    track = short._replace(gnss=gnss, fix=fix).fused()
    assert track.counts.gated > 100 and track.counts.restarts == 0
    assert short.errors(track)[0].max() < 0.2


def test_wheels_that_slip_for_long_restart_the_position(short: Given) -> None:
    """A speed that reads half for three seconds: the dead reckoning is off by more than its deviation allows, and the fixes are right."""
    speed = short.speed.copy()
    speed[800:1100] *= 0.5
    given = short._replace(speed=speed)
    track = given.fused(FusionConfig(patience_s=3.0))
    assert track.counts.restarts >= 1
    position = given.errors(track)[0]
    assert position[1600:].max() < 0.1 < position[:1600].max()
    assert given.fused(FusionConfig(patience_s=1000.0)).counts.gated > 2 * track.counts.gated


def test_a_fix_weighs_what_its_deviation_says(short: Given) -> None:
    """Every second fix is 3 m off: to be ignored when it says so, to be believed when it claims to be the better one."""
    gnss = short.gnss.copy()
    gnss[::2, 0] += 3.0 / 111_000.0
    gnss[::2, 3], gnss[1::2, 3] = 30.0, 0.02
    assert short.errors(short._replace(gnss=gnss).fused())[0].max() < 0.1
    gnss[:, 3] = gnss[:, 3][::-1]
    gnss[::2, 3], gnss[1::2, 3] = 0.02, 30.0
    assert np.median(short.errors(short._replace(gnss=gnss).fused())[0]) == pytest.approx(3.0, abs=0.2)


def test_an_error_that_lasts_is_one_witness_however_its_deviation_jumps(short: Given) -> None:
    """Fifteen seconds of RTK float, all 0.4 m off: a mean of 150 fixes would be believed to centimetres."""
    gnss, fix = short.gnss.copy(), short.fix.copy()
    gnss[100:250, 0] += 0.4 / 111_000.0
    fix[100:250] = FixType.RTK_FLOAT
    for stated in ((0.3, 0.3), (0.2, 0.6)):
        gnss[100:250, 3] = np.resize(stated, 150)
        assert short.errors(short._replace(gnss=gnss, fix=fix).fused())[0].max() < 0.1


def test_unstated_deviations_follow_the_fix_type(short: Given) -> None:
    gnss = short.gnss.copy()
    gnss[:, 3] = math.nan
    tracks = [short._replace(gnss=gnss, fix=np.full(len(gnss), kind)).fused() for kind in (FixType.RTK_FIXED, FixType.AUTONOMOUS)]
    assert 10.0 * np.median(tracks[0].x_std_m) < np.median(tracks[1].x_std_m) < 4.0


def test_standing_freezes_yaw_and_place_and_teaches_the_bias(short: Given) -> None:
    ticks = np.arange(1, 2001) * TICK_NS
    random = np.random.default_rng(1)
    rate = 0.004 + 0.002 * random.standard_normal(2000)
    track = fuse(NOTHING, [], [], ticks, rate, ticks, np.zeros(2000))
    assert np.ptp(track.yaw_rad) == np.ptp(track.x_m) == 0.0
    assert track.bias_rps[-1] == pytest.approx(0.004, abs=2e-4)
    moving = fuse(NOTHING, [], [], ticks, rate, ticks, np.full(2000, 1.0))
    assert abs(moving.yaw_rad[-1]) > 0.07, "without standing nobody knows the bias"
    still = short.truth[:, 3] == 0.0
    assert still.sum() > 200
    yaw = np.interp(short.imu_ns, short.fused().stamp_ns, short.fused().yaw_rad)
    runs = np.split(yaw[still], np.flatnonzero(np.diff(np.flatnonzero(still)) > 1) + 1)
    assert max(np.ptp(run[5:-5]) for run in runs if len(run) > 20) < 1e-3, "corrections aside, which smoothing spreads"


def test_an_antenna_away_from_the_rear_axle(short: Given) -> None:
    config = FusionConfig(lever_x_m=1.5, lever_y_m=-0.4)
    c, s = np.cos(short.truth[:, 2]), np.sin(short.truth[:, 2])
    antenna = short.truth.copy()
    antenna[:, 0] += c * config.lever_x_m - s * config.lever_y_m
    antenna[:, 1] += s * config.lever_x_m + c * config.lever_y_m
    given = short.received(OPEN, 3, antenna)
    assert given.errors(given.fused(config))[0].max() < 0.05
    assert given.errors(given.fused())[0].max() > 0.5


def test_without_an_imu_the_fixes_give_the_yaw(short: Given) -> None:
    track = short._replace(imu_ns=NOTHING, rate=np.empty(0)).fused()
    position, yaw = short.errors(track)
    assert position.max() < 0.2 and np.median(yaw) < math.radians(0.5) and yaw.max() < math.radians(6.0)


def test_without_any_fix_it_reckons_and_says_so(short: Given) -> None:
    track = short.without_fixes(0.0, 1e9).fused()
    assert track.dead_reckoned and track.origin is None and track.counts.used == 0
    assert (track.x_m[0], track.y_m[0], track.yaw_rad[0], track.x_std_m[0]) == (0.0, 0.0, 0.0, 0.0)
    c, s = math.cos(short.truth[0, 2]), math.sin(short.truth[0, 2])
    wanted = (short.truth[:, :2] - short.truth[0, :2]) @ np.array([[c, -s], [s, c]])
    off = np.hypot(*(track.at(short.imu_ns)[:, :2] - wanted).T)
    assert 0.1 < off[-1] < 5.0 and off[-1] < 3.0 * math.hypot(track.x_std_m[-1], track.y_std_m[-1])


def test_the_frame_is_where_its_origin_says(short: Given) -> None:
    own = fuse(*short[:7])
    assert own.origin is not None and (own.origin.latitude_deg, own.origin.longitude_deg) == tuple(short.gnss[0, :2])
    place = LocalFrame(own.origin).to_wgs84(float(own.x_m[-1]), float(own.y_m[-1]))
    assert LocalFrame(ORIGIN).to_local(*place)[:2] == pytest.approx(short.truth[-1, :2], abs=0.05)


def test_poses_between_stamps_and_beyond_the_ends(short: Given) -> None:
    track = short.fused()
    poses = track.at([track.stamp_ns[0] - 1, track.stamp_ns[0], (track.stamp_ns[700] + track.stamp_ns[701]) // 2, track.stamp_ns[-1] + 1])
    assert np.isnan(poses[[0, 3]]).all() and not np.isnan(poses[1:3]).any()
    assert poses[2, 0] == pytest.approx((track.x_m[700] + track.x_m[701]) / 2.0, abs=1e-6)
    assert np.abs(track.at(track.stamp_ns)[:, 2]).max() <= math.pi
    coarse = slice(None, None, 50)
    sparse = short._replace(imu_ns=short.imu_ns[coarse], rate=short.rate[coarse], speed_ns=short.speed_ns[coarse], speed=short.speed[coarse]).fused()
    assert np.diff(sparse.stamp_ns).max() <= 50_000_000, "two a second would cut corners"


def test_bad_samples_are_dropped_and_counted(short: Given) -> None:
    gnss, fix, gnss_ns, rate, speed_ns = short.gnss.copy(), short.fix.copy(), short.gnss_ns.copy(), short.rate.copy(), short.speed_ns.copy()
    gnss[10, 0], gnss[11, 3], fix[12], gnss[13, 0], gnss[14, :2] = math.nan, -1.0, FixType.NONE, 91.0, 0.0
    gnss_ns[20] = gnss_ns[19]
    rate[[5, 6, 7]] = math.nan, math.inf, -math.inf
    speed_ns[300:303] -= 3 * TICK_NS
    gnss[30, 2] = math.nan
    track = short._replace(gnss=gnss, fix=fix, gnss_ns=gnss_ns, rate=rate, speed_ns=speed_ns).fused()
    counts = track.counts
    assert (counts.invalid, counts.late, counts.imu_dropped, counts.speed_dropped) == (5, 1, 3, 3)
    assert counts.used + counts.gated + counts.invalid + counts.late + counts.outside == len(gnss)
    assert short.errors(track)[0].max() < 0.05 and all(
        np.isfinite(each).all() for each in (track.x_m, track.yaw_rad, track.x_std_m, track.speed_std_mps)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"imu_ns": lambda given: np.where(given.imu_ns > 10**10, given.imu_ns - 5 * 10**9, given.imu_ns)},
            "clock of imu steps back by .* at its sample 1000",
        ),
        ({"gnss_ns": lambda given: given.gnss_ns / 1e9}, "stamps of gnss are float64"),
        ({"gnss": lambda given: given.gnss[:, :3]}, r"gnss has shape \(\d+, 3\)"),
        ({"fix": lambda given: given.fix + 5}, "fix_types .* holds"),
        ({"rate": lambda given: given.rate[1:]}, "imu has stamps of shape"),
        ({"speed": lambda given: given.speed * math.nan}, "0 of the speed share no time"),
        ({"speed_ns": lambda given: given.speed_ns + 10**13}, "share no time"),
        (
            {"imu_ns": lambda given: given.imu_ns + 10**11 * (given.imu_ns > 10**10), "speed_ns": lambda given: given.speed_ns * 5},
            "IMU is silent for 100.0 s",
        ),
    ],
)
def test_input_that_cannot_be_used_is_refused(short: Given, change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        short._replace(**{name: value(short) for name, value in change.items()}).fused()  # type: ignore[arg-type, operator]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"yaw_density": 0.0}, "yaw_density = 0.0"),
        ({"lever_x_m": math.nan}, "lever_x_m"),
        ({"std_m": {"rtk": 0.1}}, "std_m"),
        ({"white_share": 1.5}, "white_share"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FusionConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["00000002-60FEB8E3", "00000003-60FEBB3B"])
def test_a_real_drive_agrees_with_its_receiver(name: str) -> None:
    """Ten minutes in Denmark: fixes and speed once a second, a gyro with 0.36 degrees per second of bias. The receiver's heading is not used."""
    if not (REAL_DATA / f"{name}.MF4").exists():
        pytest.skip(f"no recordings in {REAL_DATA}; set HERON_REAL_DATA")
    from asammdf import MDF

    log = MDF(REAL_DATA / f"{name}.MF4").extract_bus_logging({"CAN": [(str(REAL_DATA / "canmod-gps.dbc"), 0)]})
    signals = {each: log.get(each) for each in ("Latitude", "Longitude", "PositionAccuracy", "Speed", "AngularRateX", "Heading")}
    stamps = {each: np.round(signal.timestamps * 1e9).astype(np.int64) for each, signal in signals.items()}
    values = {each: np.asarray(signal.samples, np.float64) for each, signal in signals.items()}
    gnss_ns, std = stamps["Latitude"], values["PositionAccuracy"]
    gnss = np.column_stack([values["Latitude"], values["Longitude"], np.full(len(std), math.nan), std])
    rate = np.radians(values["AngularRateX"])  # the module is mounted on its side: config/vehicle/csselectronics/can.yaml
    track = fuse(gnss_ns, gnss, np.ones(len(std), np.int64), stamps["AngularRateX"], rate, stamps["Speed"], values["Speed"])
    assert track.counts.gated <= 3 and track.counts.used > 560 and track.counts.speed_gaps > 20
    assert track.origin is not None
    frame = LocalFrame(track.origin)
    fixes = np.array([frame.to_local(latitude, longitude)[:2] for latitude, longitude in gnss[:, :2]])
    residual = np.hypot(*(track.at(gnss_ns)[:, :2] - fixes).T) / std
    assert np.nanmedian(residual) < 1.0 and np.nanpercentile(residual, 95) < 3.0
    assert math.degrees(track.bias_rps[-1]) == pytest.approx(0.36, abs=0.06)
    heading = math.pi / 2.0 - np.radians(values["Heading"])
    off = np.abs(np.angle(np.exp(1j * (track.at(stamps["Heading"])[:, 2] - heading))))
    assert math.degrees(np.nanmedian(off)) < 0.5 and math.degrees(np.nanpercentile(off, 95)) < 2.5
