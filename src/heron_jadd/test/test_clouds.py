"""Clouds of a LiDAR become LIDAR_TOP: the devkit has them where the world's things are, and boxes know how many points are theirs."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy
from toy_drive import MS, START_NS

from heron_bag.clouds import point_cloud
from heron_bag.definitions import require
from heron_bag.errors import BagError
from heron_bag.reader import open_bag
from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_core.rig import StaticTransform, StaticTransforms, dump_rig
from heron_core.se3 import SE3
from heron_jadd.boxes import Box
from heron_jadd.check import check
from heron_jadd.clouds import points_inside, read_cloud
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.estimate import estimate, jobs_of_all
from heron_jadd.job import Job
from heron_jadd.prices import Prices
from heron_jadd.recording import probe
from heron_jadd.scene import run_scene
from heron_jadd.selection import select
from heron_jadd.split import split

CLOUD = "sensor_msgs/msg/PointCloud2"
TOPIC, CAMERAS = "/lidar/top/points", ("CAM_FRONT", "CAM_BACK")
ROOF, SENSOR = SE3.from_rpy(0.0, 0.0, 0.5, (0.9, 0.0, 1.5)), SE3.from_rpy(0.02, 0.0, 0.0, (0.2, 0.1, 0.3))
POSE = ROOF.compose(SENSOR)
LATE_MS = 30  # of a cloud, after the images
CONFIG = JaddConfig(pose="odometry", undistort=False, scene_s=3.0, shortest_s=2.0, rate_hz=5.0, val_share=0.0)
FIELDS = {"x": ("<f4", 7), "y": ("<f4", 7), "z": ("<f4", 7), "intensity": ("u1", 2), "ring": ("<u2", 4), "time": ("<f8", 8)}


def seen(t_s):
    """(n, 5) points in the sensor's frame: 7 of the standing car, 3 of the walker, 4 of nothing, and one that is not finite."""
    things = list(zip(toy.actors(t_s)[::2], (7, 3), strict=True))
    along = {7: -2.2, 3: 0.0}  # the car's are at its very rear: a box of another moment would miss some
    ahead = [(a, along[n] + 0.1 * k, 0.3 + 0.1 * k) for a, n in things for k in range(n)]
    world = [(a.x_m + s * math.cos(a.yaw_rad), a.y_m + s * math.sin(a.yaw_rad), z) for a, s, z in ahead]
    world += [(20.0, 8.0 + k, 0.0) for k in range(4)]
    x, y, yaw = toy.pose(t_s)
    base = SE3.from_rpy(0.0, 0.0, yaw, (x, y, 0.0)).inverse().apply(np.array(world))
    local = POSE.inverse().apply(base)
    numbers = np.arange(len(local))
    return np.vstack([np.column_stack([local, 10.0 + numbers, numbers % 4]), np.full(5, math.nan)])


def cloud(stamp_ns, points, fields=FIELDS, order="<", cut=0):
    """CDR of a message in two rows, each with 8 bytes behind it that mean nothing."""
    store = require(CLOUD)
    kinds = {name: kind.replace("<", order) for name, (kind, _) in fields.items()}
    record = np.dtype({"names": list(kinds), "formats": list(kinds.values()), "offsets": [4 + 8 * k for k in range(len(kinds))], "itemsize": 64})
    rows = np.zeros(len(points) + len(points) % 2, record)
    for name in kinds:
        column = ["x", "y", "z", "intensity", "ring"].index(name) if name != "time" else 0
        values = np.nan_to_num(points[:, column]) if rows.dtype[name].kind == "u" else points[:, column]
        rows[name][: len(points)] = values
        if len(rows) > len(points) and rows.dtype[name].kind == "f":
            rows[name][len(points) :] = math.nan
    rows = rows.reshape(2, -1)
    data = np.frombuffer(b"".join(row.tobytes() + b"\xff" * 8 for row in rows), np.uint8)
    types = store.types
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9), "lidar_top")
    told = [types["sensor_msgs/msg/PointField"](name, 4 + 8 * k, fields[name][1], 1) for k, name in enumerate(fields)]
    step = rows.shape[1] * 64 + 8
    message = types[CLOUD](header, 2, rows.shape[1], told, order == ">", 64, step, data[: len(data) - cut], False)
    return bytes(store.serialize_cdr(message, CLOUD))


def write(path, seconds=3.4, broken=(), lost=(), child="lidar_top"):
    """A drive with a LiDAR: 10 clouds a second, 30 ms after the images; some are cut short, or missing."""
    messages = [(log_ns, topic, ros_type_of(each), serialise(each)) for log_ns, topic, each in toy.entries(seconds, cameras=CAMERAS)]
    links = StaticTransforms((StaticTransform("base_link", "roof", ROOF), StaticTransform("roof", child, SENSOR)), START_NS)
    messages.append((START_NS - 400 * MS, "/tf_static", ros_type_of(links), serialise(links)))
    for index in range(round(seconds * 10)):
        stamp_ns = START_NS + (index * 100 + LATE_MS) * MS
        if index not in lost:
            raw = cloud(stamp_ns, seen(index / 10 + LATE_MS / 1000), cut=1 if index in broken else 0)
            messages.append((stamp_ns + 20 * MS, TOPIC, CLOUD, raw))
    with BagWriter(path) as writer:
        writer.attach("vehicle/rig.yaml", dump_rig(toy.rig(CAMERAS)).encode(), "application/yaml")
        for log_ns, topic, ros_type, raw in sorted(messages, key=lambda each: each[:2]):
            writer.add_topic(topic, ros_type)
            writer.write(topic, log_ns, raw)
    return path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clouds")
    made = create([write(folder / "drive", broken=(8,))], folder / "out", CONFIG)
    assert not [problem for problem in made.problems if "left out" in problem and "images" not in problem]
    return folder / "out"


def rows(dataset, name):
    return pq.read_table(dataset / "tables" / f"{name}.parquet").to_pylist()


def test_a_sample_has_the_cloud_nearest_to_it_and_sweeps_lie_between(dataset):
    samples, clouds = {row["token"]: row["stamp_ns"] for row in rows(dataset, "samples")}, rows(dataset, "clouds")
    keys = [row for row in clouds if row["is_key_frame"]]
    assert [samples[row["sample_token"]] for row in keys] == list(samples.values())
    assert {row["apart_ns"] for row in keys} == {LATE_MS * MS}
    at = [0, 200, 400, 500, 600, 1000, 1200, 1400, 1500, 1600, 1800, 2000, 2200, 2400, 2500, 2600, 2800, 3000]  # that of 800 ms is cut short
    assert [(row["stamp_ns"] - START_NS) // MS - LATE_MS for row in clouds] == at
    for row in clouds:
        t_s = (row["stamp_ns"] - START_NS) / 1e9
        assert (row["x_m"], row["y_m"], row["yaw_rad"]) == pytest.approx(toy.pose(t_s), abs=1e-3)
        points = read_cloud(dataset / row["file"])
        assert len(points) == row["points"] == 14
        assert points == pytest.approx(seen(t_s)[:14], abs=1e-4)


def test_clouds_are_in_the_estimate(dataset, tmp_path):
    """Their bytes, as those of a stretch that is made for it and goes again."""
    recording = probe(write(tmp_path / "drive", broken=(8,)))
    jobs, left_out_s = jobs_of_all([recording], tmp_path / "out", CONFIG)
    found = estimate(jobs, Prices("JPY", 1.0, 1.0, 1.0, 1.0), 1, left_out_s)
    actual = sum(row["bytes"] for row in rows(dataset, "clouds"))
    assert found.cloud_bytes == pytest.approx(actual, rel=0.05)
    assert found.written_bytes >= found.cloud_bytes + found.image_bytes
    assert "of clouds" in dict(found.lines())["bytes"]
    assert {path.name for path in tmp_path.iterdir()} == {"drive"}
    without = estimate(jobs_of_all([recording], tmp_path / "out", replace(CONFIG, lidar=False))[0], Prices("JPY", 1.0, 1.0, 1.0, 1.0))
    assert without.cloud_bytes == 0


def test_points_are_counted_where_the_box_was_when_the_cloud_was(dataset):
    boxes = {row["token"]: row for row in rows(dataset, "boxes")}
    found = rows(dataset, "points")
    assert {row["box_token"] for row in found} == set(boxes)
    counts = {(boxes[row["box_token"]]["category"], boxes[row["box_token"]]["height_m"]): set() for row in found}
    for row in found:
        counts[boxes[row["box_token"]]["category"], boxes[row["box_token"]]["height_m"]].add(row["points"])
    assert counts == {("vehicle.car", 1.5): {7}, ("vehicle.car", 1.4): {0}, ("human.pedestrian.adult", 1.7): {3}}


def test_a_cloud_that_is_cut_short_is_counted(dataset):
    quality = json.loads(rows(dataset, "scenes")[0]["quality"])["cameras"]["LIDAR_TOP"]
    assert quality == {"recorded": 33, "damaged": 1, "jitter_ms": 100.0, "apart_ms": float(LATE_MS)}


def test_a_sample_without_a_cloud_is_dropped(tmp_path):
    recording = probe(write(tmp_path / "drive", lost=range(9, 12)))
    manifest = run_scene(Job(recording, split(recording, CONFIG).scenes[0], CONFIG, tmp_path / "store"))
    assert manifest["quality"]["dropped"] == {"no image of LIDAR_TOP": 1}
    assert manifest["tables"]["samples"] == 6


def test_without_a_pose_the_clouds_are_left_out_and_it_is_said(tmp_path):
    recording = probe(write(tmp_path / "drive", 2.4, child="elsewhere"))
    (warning,) = recording.warnings
    assert warning.startswith("clouds of /lidar/top/points are left out: ")
    assert "'lidar_top' has no parent in /tf_static" in warning
    assert recording.lidar is None


def test_who_does_not_want_clouds_has_none(dataset, tmp_path):
    create([dataset.parent / "drive"], tmp_path / "out", replace(CONFIG, lidar=False, lidar_placeholder=True))
    assert not rows(tmp_path / "out", "clouds")
    records = json.loads((tmp_path / "out/nuscenes/v1.0-trainval/sample_data.json").read_text())
    assert {each["filename"] for each in records if each["fileformat"] == "pcd"} == {"samples/LIDAR_TOP/empty.pcd.bin"}
    assert not check(tmp_path / "out").findings


def test_check_finds_clouds_that_are_damaged_or_missing(dataset, tmp_path):
    assert not check(dataset).findings
    shutil.copytree(dataset, tmp_path / "out", symlinks=True)
    file = tmp_path / "out" / rows(dataset, "clouds")[3]["file"]
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    assert set(check(tmp_path / "out").findings) == {"image_crc"}
    file.unlink()
    assert set(check(tmp_path / "out").findings) == {"image_missing"}


def test_a_selection_has_its_clouds(dataset, tmp_path):
    select(dataset, [rows(dataset, "scenes")[0]["token"]], tmp_path / "chosen", "all")
    assert [(tmp_path / "chosen" / row["file"]).stat().st_size for row in rows(tmp_path / "chosen", "clouds")] == [14 * 20] * 18
    records = (json.loads((each / "nuscenes/v1.0-trainval/sample_data.json").read_text()) for each in (dataset, tmp_path / "chosen"))
    assert len({json.dumps(each, sort_keys=True) for each in records}) == 1


def test_the_devkit_reads_them(dataset):
    pytest.importorskip("nuscenes", reason="nuscenes-devkit is not installed")
    from nuscenes.nuscenes import NuScenes
    from nuscenes.utils.data_classes import LidarPointCloud
    from nuscenes.utils.geometry_utils import points_in_box

    nusc = NuScenes("v1.0-trainval", str(dataset / "nuscenes"), verbose=False)
    for sample in nusc.sample:
        path, boxes, _ = nusc.get_sample_data(sample["data"]["LIDAR_TOP"])
        points = LidarPointCloud.from_file(path).points
        assert points.shape == (4, 14)
        assert points[3].tolist() == [10.0 + k for k in range(14)]
        for box in boxes:
            annotation = nusc.get("sample_annotation", box.token)
            assert points_in_box(box, points[:3]).sum() == annotation["num_lidar_pts"]
    first = nusc.get("sample", nusc.scene[0]["first_sample_token"])["data"]["LIDAR_TOP"]
    gathered, times = LidarPointCloud.from_file_multisweep(nusc, nusc.sample[2], "LIDAR_TOP", "LIDAR_TOP", nsweeps=4)
    assert gathered.points.shape[1] == 4 * 14
    assert times.max() == pytest.approx(0.6, abs=1e-6)
    assert nusc.get("sample_data", first)["fileformat"] == "pcd"


def test_fields_may_be_few_and_bytes_in_the_other_order(tmp_path):
    path, points = write(tmp_path / "drive", 0.2), seen(0.0)
    with open_bag(path) as bag:
        few = point_cloud(bag, (TOPIC, CLOUD, 0, memoryview(cloud(5, points, {name: FIELDS[name] for name in "xyz"}))))
        assert few.points == pytest.approx(np.column_stack([points[:14, :3], np.zeros((14, 2))]), abs=1e-4)
        assert (few.stamp_ns, few.frame_id) == (5, "lidar_top")
        assert point_cloud(bag, (TOPIC, CLOUD, 0, memoryview(cloud(5, points, order=">")))).points == pytest.approx(points[:14], abs=1e-4)
        with pytest.raises(BagError, match="has no z; its fields are x, y, ring"):
            point_cloud(bag, (TOPIC, CLOUD, 0, memoryview(cloud(5, points, {name: FIELDS[name] for name in ("x", "y", "ring")}))))
        with pytest.raises(BagError, match="which are not 2 rows"):
            point_cloud(bag, (TOPIC, CLOUD, 0, memoryview(cloud(5, points, cut=1))))


def test_points_in_a_turned_box():
    box = Box(4, "vehicle.car", "", (5.0, 0.0, 1.0), math.pi / 2, (2.0, 4.0, 2.0), math.nan)
    points = np.array([(5.0, 1.9, 1.0, 0, 0), (6.9, 0.0, 1.0, 0, 0), (5.9, -1.9, 0.1, 0, 0), (5.0, 0.0, 2.1, 0, 0)], np.float32)
    assert points_inside(points, SE3.identity(), [box]) == {4: 2}
