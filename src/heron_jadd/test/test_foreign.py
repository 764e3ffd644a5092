"""Bags of others: other topic names, no rig, CAN frame by frame; by a map they become the dataset that ours would have become."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_drive as toy
import yaml
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg
from typer.testing import CliRunner

from heron_bag.definitions import require
from heron_bag.errors import BagError
from heron_bag.foreign import load_topic_map
from heron_bag.native import can_batches
from heron_bag.reader import open_bag
from heron_bag.serialise import ros_type_of, serialise
from heron_bringup.verbs.jadd_create import app
from heron_core.canbus import FLAG_EXTENDED, CanBatch
from heron_core.errors import ConfigError
from heron_core.rig import CameraInfo, StaticTransforms, dump_rig
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.recording import probe

CONFIG = JaddConfig(undistort=False, scene_s=5.0, shortest_s=4.0, rate_hz=5.0, cameras=("CAM_FRONT", "CAM_BACK"))
THEIRS = {
    "/camera/front/image/compressed": "/sensing/front/image_raw/compressed",
    "/camera/back/image/compressed": "/sensing/rear/image_raw/compressed",
    "/gnss/fix": "/ublox/fix",
    "/imu": "/xsens/imu",
    "/odom": "/localization/odometry",
    "/can/tap": "/can0/received",
}
FRAME = "std_msgs/Header header\nuint32 id\nbool is_rtr\nbool is_extended\nbool is_error\nuint8 dlc\nuint8[8] data\n"
MAP = """
cameras:
  CAM_FRONT: {image: /sensing/front/image_raw/compressed, info: /sensing/front/camera_info}
  CAM_BACK: {image: /sensing/rear/image_raw/compressed, info: /sensing/rear/camera_info}
gnss: /ublox/fix
imu: /xsens/imu
odometry: /localization/odometry
can: {vehicle: /can0/received}
vehicle: car
"""


def entries():
    return [*toy.entries(6.0, CONFIG.cameras, truth=False), *toy.can_frames(6.0)]


def calibration():
    """What a rig announces, under their names."""
    rig = toy.rig(CONFIG.cameras)
    for name, topic in (("CAM_FRONT", "/sensing/front"), ("CAM_BACK", "/sensing/rear")):
        camera = rig.cameras[name]
        yield toy.START_NS - toy.S, f"{topic}/camera_info", CameraInfo(name, camera.frame_id, camera.lens, toy.START_NS)
    yield toy.START_NS - toy.S, "/tf_static", StaticTransforms(rig.transforms().transforms, toy.START_NS)


def foreign_bag(path: Path, storage=StoragePlugin.MCAP) -> Path:
    """By the library's own writer, with the stock message of a CAN driver."""
    store = require("std_msgs/msg/Header")
    if "can_msgs/msg/Frame" not in store.types:
        store.register(get_types_from_msg(FRAME, "can_msgs/msg/Frame"))
    header, time, frame = (store.types[name] for name in ("std_msgs/msg/Header", "builtin_interfaces/msg/Time", "can_msgs/msg/Frame"))
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}

        def write(topic, ros_type, log_ns, data):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, ros_type, typestore=store)
            writer.write(connections[topic], log_ns, data)

        for log_ns, topic, message in sorted([*entries(), *calibration()], key=lambda each: each[:2]):
            if isinstance(message, CanBatch):
                for k, (stamp_ns, payload) in enumerate(zip(message.stamp_ns.tolist(), message.payloads(), strict=True)):
                    stamp, data = time(stamp_ns // toy.S, stamp_ns % toy.S), np.frombuffer(payload.ljust(8, b"\0"), np.uint8)
                    told = frame(header(stamp, ""), int(message.ids[k]), False, bool(message.flags[k] & FLAG_EXTENDED), False, len(payload), data)
                    write(THEIRS[topic], "can_msgs/msg/Frame", stamp_ns, store.serialize_cdr(told, "can_msgs/msg/Frame"))
            elif topic in THEIRS or topic.startswith(("/sensing", "/tf")):
                require(ros_type_of(message))
                write(THEIRS.get(topic, topic), ros_type_of(message), log_ns, serialise(message))
    return path


def map_file(folder: Path, text=MAP) -> Path:
    (folder / "car").mkdir(exist_ok=True)
    for name in ("can.yaml", "vehicle.yaml", "demo.dbc"):
        (folder / "car" / name).write_bytes((toy.DEMO / name).read_bytes())
    (folder / "map.yaml").write_text(text)
    return folder / "map.yaml"


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return foreign_bag(tmp_path_factory.mktemp("foreign") / "bag")


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    return map_file(tmp_path_factory.mktemp("map"))


def rows(out, name):
    return pq.read_table(out / f"tables/{name}.parquet").drop_columns(["scene_token"]).to_pylist()


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, pytest.param(StoragePlugin.SQLITE3, marks=pytest.mark.slow)])
def test_a_foreign_bag_becomes_what_ours_would_have_become(mapping, tmp_path, storage):
    bag = foreign_bag(tmp_path / "bag", storage)
    ours = toy.write(tmp_path / "ours", [each for each in entries() if each[1] in THEIRS], vehicle=("can.yaml", "vehicle.yaml", "demo.dbc"))
    config = dataclasses.replace(CONFIG, pose="odometry")
    told = CliRunner().invoke(
        app,
        ["--input", str(bag), "--topics", str(mapping), "--out", str(tmp_path / "theirs"), "--rate", "5", "--workers", "1"]
        + [part for name in ("undistort=false", "pose=odometry", "scene_s=5", "shortest_s=4") for part in ("--set", name)]
        + ["--camera", "CAM_FRONT", "--camera", "CAM_BACK"],
        catch_exceptions=False,
    )
    assert told.exit_code == 0, told.stdout
    create([ours], tmp_path / "mine", config)
    for name in ("poses", "imu", "gnss"):
        assert rows(tmp_path / "theirs", name) == rows(tmp_path / "mine", name)
    signals = {(row["stamp_ns"], row["message"], row["signal"], row["value"]) for row in rows(tmp_path / "mine", "signals")}
    assert {(row["stamp_ns"], row["message"], row["signal"], row["value"]) for row in rows(tmp_path / "theirs", "signals")} == signals
    assert len(signals) > 100
    images = [(row["channel"], row["stamp_ns"], row["crc32"], row["is_key_frame"]) for row in rows(tmp_path / "mine", "frames")]
    assert [(row["channel"], row["stamp_ns"], row["crc32"], row["is_key_frame"]) for row in rows(tmp_path / "theirs", "frames")] == images
    sensors = [
        {key: value for key, value in row.items() if key not in ("token", "recording")}
        for row in pq.read_table(tmp_path / "mine/tables/sensors.parquet").to_pylist()
    ]
    theirs = [
        {key: value for key, value in row.items() if key not in ("token", "recording")}
        for row in pq.read_table(tmp_path / "theirs/tables/sensors.parquet").to_pylist()
    ]
    assert [row["k"] for row in theirs] == [row["k"] for row in sensors]
    assert np.allclose([row["translation_m"] for row in theirs], [row["translation_m"] for row in sensors])
    assert np.allclose(np.abs([row["rotation_wxyz"] for row in theirs]), np.abs([row["rotation_wxyz"] for row in sensors]))


def test_messages_stay_in_order_and_frames_come_in_batches(bag, mapping):
    with load_topic_map(mapping).open(bag) as mapped:
        logs = [log_ns for _, _, log_ns, _ in mapped.messages()]
        assert logs == sorted(logs)
        batches = [batch for _, batch in can_batches(mapped)]
        assert sum(map(len, batches)) == 120 == len(mapped.log_times("/can/tap"))
        assert max(map(len, batches)) == 2
        assert {batch.channel for batch in batches} == {"vehicle"}
    with open_bag(bag) as plain:
        assert "/imu" not in plain.topics


def test_another_map_makes_another_recording(bag, mapping, tmp_path):
    first = load_topic_map(mapping)
    known = probe(bag, foreign=first)
    assert known.steer_ratio == yaml.safe_load((toy.DEMO / "vehicle.yaml").read_text())["steer_ratio"]
    assert known.identity == probe(bag, foreign=load_topic_map(map_file(tmp_path))).identity, "wherever the map lies"
    assert known.identity != probe(bag, foreign=load_topic_map(map_file(tmp_path, MAP.replace("imu: /xsens/imu\n", "")))).identity
    (tmp_path / "rig.yaml").write_text(dump_rig(toy.rig(CONFIG.cameras)).replace("toy", "theirs"))
    rigged = probe(bag, foreign=load_topic_map(map_file(tmp_path, MAP + "rig: rig.yaml\n")))
    assert rigged.rig.name == "theirs"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("/ublox/fix", "/gps/fix", r"map.yaml: gnss: it has no topic /gps/fix; it has /can0/received, .*/xsens/imu"),
        ("gnss: /ublox/fix", "gnss: /can0/received", "named twice"),
        (
            "imu: /xsens/imu",
            "imu: /sensing/front/camera_info",
            r"imu: /sensing/front/camera_info is sensor_msgs/msg/CameraInfo, expected sensor_msgs/msg/Imu",
        ),
        ("CAM_FRONT", "front", "a camera is called CAM_"),
        ("odometry:", "odometri:", "odometri"),
        ("vehicle: car", "vehicle: nowhere", "no such folder of a car's configuration"),
        ("vehicle: car", "rig: rig.yaml", "rig.yaml is not there"),
    ],
)
def test_what_is_wrong_with_a_map_is_named(bag, tmp_path, old, new, told):
    assert old in MAP
    with pytest.raises((BagError, ConfigError), match=told):
        load_topic_map(map_file(tmp_path, MAP.replace(old, new))).open(bag)
