"""Fused poses in a dataset: where the fixes say the car was, in a frame that neighbouring recordings share."""

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from toy_drive import START_NS, S

from heron_core.errors import InputError
from heron_core.signals import GnssFix
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_sim.roads.geo import LocalFrame
from heron_sim.roads.town import GeoOrigin

CONFIG = JaddConfig(undistort=False, scene_s=5.0, shortest_s=4.0, rate_hz=2.0, cameras=("CAM_FRONT",))
MAP = LocalFrame(GeoOrigin(35.0, 139.0, 100.0))  # corner of the cell that toy_drive.PLACE lies in


def frames(out):
    return pq.read_table(out / "tables" / "frames.parquet").to_pylist()


def away_m(rows):
    """How far each image's pose is from where the world's truth had the car."""
    wanted = [MAP.to_local(*toy.PLACE.to_wgs84(*toy.pose((row["stamp_ns"] - START_NS) / S)[:2]))[:2] for row in rows]
    return np.hypot(*(np.array([(row["x_m"], row["y_m"]) for row in rows]) - wanted).T)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    drives = [toy.drive(folder / "one", 12.0, cameras=("CAM_FRONT",)), toy.drive(folder / "two", 6.0, cameras=("CAM_FRONT",))]
    return folder / "out", create(drives, folder / "out", CONFIG), drives


def test_poses_are_where_the_fixes_say_in_a_frame_that_recordings_share(made):
    out, result, _ = made
    rows = frames(out)
    assert not result.problems
    assert len({row["scene_token"] for row in rows}) == 3
    assert away_m(rows).max() < 0.05
    assert max(abs(math.remainder(row["yaw_rad"] - toy.pose((row["stamp_ns"] - START_NS) / S)[2], 2 * math.pi)) for row in rows) < 0.01
    recordings = pq.read_table(out / "tables" / "recordings.parquet").to_pylist()
    assert {(row["pose"], row["origin_latitude_deg"], row["origin_longitude_deg"], row["origin_altitude_m"]) for row in recordings} == {
        ("fusion", 35.0, 139.0, 100.0)
    }
    assert [json.loads(row["counts"])["used"] for row in sorted(recordings, key=lambda row: row["scenes"])] == [60, 120]


def test_a_track_is_made_once_and_boxes_stand_in_it(made):
    out, _, drives = made
    tracks = sorted((out / "poses").iterdir())
    times = [path.stat().st_mtime_ns for path in tracks]
    assert create(drives, out, CONFIG).reused == 3
    assert [path.stat().st_mtime_ns for path in tracks] == times
    car = next(row for row in pq.read_table(out / "tables" / "boxes.parquet").to_pylist() if row["height_m"] == 1.5)
    assert (car["x_m"], car["y_m"]) == pytest.approx(MAP.to_local(*toy.PLACE.to_wgs84(40.0, 3.0))[:2], abs=0.1)


def test_without_fixes_odometry_serves_unless_fusion_is_asked_for(tmp_path):
    messages = [each for each in toy.entries(6.0, cameras=("CAM_FRONT",)) if each[1] != "/gnss/fix"]
    drive = toy.write(tmp_path / "drive", messages)
    create([drive], tmp_path / "out", CONFIG)
    assert [row["pose"] for row in pq.read_table(tmp_path / "out" / "tables" / "recordings.parquet").to_pylist()] == ["odometry"]
    assert (frames(tmp_path / "out")[0]["x_m"], frames(tmp_path / "out")[0]["y_m"]) == pytest.approx((0.0, 0.0), abs=1e-6)
    with pytest.raises(InputError, match=r"no fused poses: it has no topic /gnss/fix; choose another source of poses \(odometry, truth\)"):
        create([drive], tmp_path / "asked", JaddConfig(pose="fusion", shortest_s=4.0))


def test_outliers_are_not_believed_and_are_counted(tmp_path):
    messages = toy.entries(9.0, cameras=("CAM_FRONT",))
    fixes = [k for k, each in enumerate(messages) if each[1] == "/gnss/fix"]
    for k in fixes[40:45]:
        log_ns, topic, fix = messages[k]
        messages[k] = log_ns, topic, GnssFix(fix.stamp_ns, fix.latitude_deg + 2e-4, fix.longitude_deg, fix.altitude_m, fix.fix, fix.horizontal_std_m)
    made = create([toy.write(tmp_path / "drive", messages)], tmp_path / "out", CONFIG)
    assert [problem.partition(": ")[2] for problem in made.problems] == ["GNSS fixes: 85 used, 5 outliers"]
    assert away_m(frames(tmp_path / "out")).max() < 0.1


def test_a_clock_that_jumps_back_is_refused_by_name(tmp_path):
    messages = toy.entries(6.0, cameras=("CAM_FRONT",))
    at = [k for k, each in enumerate(messages) if each[1] == "/imu"][150]
    log_ns, topic, imu = messages[at]
    messages[at] = log_ns, topic, type(imu)(imu.stamp_ns - 3 * S, 0.0, 0.0, 0.05, 0.0, 0.0, 9.81)
    with pytest.raises(InputError, match=r"drive: its GNSS, IMU and speed cannot be fused: .*back"):
        create([toy.write(tmp_path / "drive", messages)], tmp_path / "out", CONFIG)
