"""The real drive: our state against cantools and python-can alone, frame by frame."""

import math

import can
import cantools
import numpy as np
import pytest

from heron_can.bridge import CanBridge, log_items
from heron_can.ecu import CarEcus
from heron_can.frame import Frame
from heron_can.logfile import log_frames
from heron_core.errors import ConfigError, InputError

SECONDS = 60


@pytest.fixture(scope="module")
def run(recorded, real_logs):
    """(ticks at 100 Hz of the first minute, report)."""
    now, _ = next(iter(log_items(real_logs[0], recorded)))
    bridge = CanBridge(recorded, recorded.buses("log"), now)
    ticks = []
    for stamp_ns, (bus, frame) in log_items(real_logs[0], recorded):
        while now < stamp_ns:
            ticks.append(bridge.tick(now, 0, False))
            now += 10_000_000
        if len(ticks) >= SECONDS * 100:
            break
        bridge.push(bus, [frame])
    report = bridge.report()
    bridge.close()
    return ticks, report


@pytest.fixture(scope="module")
def independent(real_logs):
    """Times (s) and values of GNSS speed, OBD speed and yaw rate, decoded by cantools."""
    database = cantools.database.load_file(real_logs[0].parent / "canmod-gps.dbc")
    found = {"gnss": [], "obd": [], "gyro": []}
    for message in can.LogReader(real_logs[0]):
        if message.arbitration_id == 7:
            found["gnss"].append((message.timestamp, database.decode_message(7, message.data, decode_choices=False)["Speed"]))
        elif message.arbitration_id == 9:
            found["gyro"].append((message.timestamp, database.decode_message(9, message.data, decode_choices=False)["AngularRateX"]))
        elif message.arbitration_id == 0x7E8 and message.data[1:3] == b"\x41\x0d":
            found["obd"].append((message.timestamp, message.data[3] / 3.6))
        if message.timestamp - found["gyro"][0][0] > SECONDS:
            return {name: np.array(values) for name, values in found.items()}
    raise AssertionError("the log is too short")


def _latest(series, t):
    row = series[np.searchsorted(series[:, 0], t, side="right") - 1] if t >= series[0, 0] else None
    return row


def test_speed_equals_an_independent_decode(run, independent):
    sources = {"gnss": 0, "obd": 0}
    for tick in run[0]:
        now_s = tick.state.stamp_ns / 1e9
        gnss, obd = _latest(independent["gnss"], now_s), _latest(independent["obd"], now_s)
        speed = tick.state["speed"]
        if gnss is not None and now_s - gnss[0] < 1.4999:
            assert speed.valid and speed.value == gnss[1]
            assert speed.age_ns / 1e9 == pytest.approx(now_s - gnss[0], abs=1e-5)
            sources["gnss"] += 1
        elif obd is not None and (gnss is None or now_s - gnss[0] > 1.5001):
            assert speed.valid and speed.value == pytest.approx(obd[1], rel=1e-12)
            sources["obd"] += 1
    assert sources["gnss"] > 5000 and sources["obd"] > 30  # before the first fix and where fixes are missing


def test_yaw_rate_equals_an_independent_decode(run, independent, recorded):
    source = recorded.mapping.state["yaw_rate"]
    for tick in run[0][100::7]:
        raw = _latest(independent["gyro"], tick.state.stamp_ns / 1e9)[1]
        assert tick.state["yaw_rate"].value == pytest.approx(math.radians(raw) + source.offset, abs=1e-12)


def test_odometry_turns_and_goes_as_gnss_says(run):
    ticks, report = run
    fixes = [tick.gnss for tick in ticks if tick.gnss is not None]
    assert 50 <= len(fixes) <= SECONDS and all(fix.fix == 1 for fix in fixes)
    metres = 111_195.0
    east = [(fix.longitude_deg - fixes[0].longitude_deg) * metres * math.cos(math.radians(fixes[0].latitude_deg)) for fix in fixes]
    north = [(fix.latitude_deg - fixes[0].latitude_deg) * metres for fix in fixes]
    travelled = sum(math.hypot(a, b) for a, b in zip(np.diff(east), np.diff(north), strict=True))
    assert report["odometry"]["distance_m"] == pytest.approx(travelled, rel=0.05)
    turned = math.atan2(north[-1] - north[-2], east[-1] - east[-2]) - math.atan2(north[1] - north[0], east[1] - east[0])
    assert abs(math.remainder(ticks[-1].odometry.yaw_rad - ticks[100].odometry.yaw_rad - turned, math.tau)) < math.radians(15)


def test_imu_points_up(run):
    imus = [tick.imu for tick in run[0] if tick.imu is not None]
    assert len(imus) > 5000
    assert np.mean([imu.accel_z for imu in imus]) == pytest.approx(9.8, abs=0.3)


def test_nothing_is_wrong_with_the_log(run):
    assert not run[1]["can"]["faults"] and not run[1]["can"]["silent"]
    assert run[1]["can"]["tx"] == 0 and run[1]["can"]["rx"] > 7000


@pytest.mark.parametrize("suffix", [".log", ".asc", ".blf"])
def test_other_log_formats(demo, tmp_path, suffix):
    values = {"state.speed": 12.5, "state.brake": 0.5}
    sent = [frame for _, frame in CarEcus(demo, 1_700_000_000_000_000_000).frames(1_700_000_000_050_000_000, values)]
    with can.Logger(tmp_path / f"x{suffix}") as logger:
        for frame in sent:
            logger(can.Message(frame.stamp_ns / 1e9, frame.id, is_extended_id=False, data=frame.data, channel=0))
    read = list(log_frames(tmp_path / f"x{suffix}", {"*": "vehicle"}))
    assert [(bus, frame.id, frame.data) for _, (bus, frame) in read] == [("vehicle", frame.id, frame.data) for frame in sent]
    assert [stamp - read[0][0] for stamp, _ in read] == pytest.approx([frame.stamp_ns - sent[0].stamp_ns for frame in sent], abs=2_000_000)


def test_bad_logs_are_named(demo, tmp_path):
    with pytest.raises(InputError, match="no such log file"):
        list(log_frames(tmp_path / "x.log", {"*": "vehicle"}))
    (tmp_path / "x.blf").write_bytes(b"not a log")
    with pytest.raises(InputError, match=r"x\.blf: cannot be read"):
        list(log_frames(tmp_path / "x.blf", {"*": "vehicle"}))
    (tmp_path / "x.xyz").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read as a CAN log"):
        list(log_frames(tmp_path / "x.xyz", {"*": "vehicle"}))


def test_a_log_of_two_nameless_buses_is_refused(demo):
    import dataclasses
    from pathlib import Path

    bus = demo.mapping.buses["vehicle"]
    two = dataclasses.replace(demo, mapping=dataclasses.replace(demo.mapping, buses={"vehicle": bus, "other": bus}))
    with pytest.raises(ConfigError, match="no log_channel"):
        list(log_items(Path("x.mf4"), two))


def test_frames_of_an_unknown_bus_are_counted(demo):
    bridge = CanBridge(demo, demo.buses("bag"), 0, 2.8)
    bridge.push("elsewhere", [Frame(1, 2, b"")])
    assert bridge.report()["can"]["faults"] == {"frames of unknown bus elsewhere": 1}
    bridge.close()
