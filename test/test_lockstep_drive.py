"""A real recording drives in lock-step: the same bytes each time, and what it says agrees with other tools' reading of the log."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cantools
import numpy as np
import pytest
import yaml
from asammdf import MDF
from drives import ROOT, cpu_load, heron, report_of
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

DIGESTS = ("trajectory_sha256", "can_tx_sha256", "bag_sha256")
FLAG_TX = 1
STEER_DATA_ID = 0x3E0  # can.yaml; a data id belongs to the message, not to the code


@dataclass(frozen=True)
class Drive:
    """One run: its folder and its report."""

    out: Path
    report: dict[str, Any]


def _drive(bag: Path, out: Path, hash_seed: int) -> Drive:
    ended = heron("drive", "--bag", bag, "--policy", "kinematic", "--lockstep", "--no-images", "--out", out, PYTHONHASHSEED=str(hash_seed))
    assert ended.code == 0, ended.text
    return Drive(out, report_of(out))


@pytest.fixture(scope="module")
def drive(front_and_can: Path, tmp_path_factory: pytest.TempPathFactory) -> Drive:
    return _drive(front_and_can, tmp_path_factory.mktemp("lockstep") / "one", 1)


def _messages(drive: Drive, topic: str) -> Iterator[Any]:
    """Messages of the run's recording, read by rosbags alone."""
    with AnyReader([drive.out / "bag"]) as reader:
        for connection, _, raw in reader.messages([entry for entry in reader.connections if entry.topic == topic]):
            yield reader.deserialize(raw, connection.msgtype)


def _stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def test_every_frame_is_planned_on(drive: Drive) -> None:
    report = drive.report
    assert report["plans"] == 221
    assert report["cameras"]["CAM_FRONT"]["frames"] == 221 and report["cameras"]["CAM_FRONT"]["dropped"] == 0
    assert report["frame_sets_dropped"] == 0 and report["queue_dropped"] == {} and report["image_copies"] == 0
    assert report["plans_refused"] == {} and not any(report["plans_rejected"].values())
    assert report["can"]["rx"] > 1400 and report["can"]["tx"] > 2000
    assert len(list(_messages(drive, "/plan/trajectory"))) == 221


def test_two_processes_give_the_same_bytes_and_another_recording_does_not(drive: Drive, front_and_can: Path, small: Path, tmp_path: Path) -> None:
    with cpu_load(2):
        again = _drive(front_and_can, tmp_path / "again", 2)
    other = _drive(small, tmp_path / "other", 1)
    for name in DIGESTS:
        assert again.report[name] == drive.report[name], name
        assert other.report[name] != drive.report[name], name
    assert other.report["plans"] == 20 and len(other.report["cameras"]) == 7


class Log:
    """The MF4 read by asammdf: payloads by id, on the recording's time line."""

    def __init__(self, folder: Path) -> None:
        config = yaml.safe_load((ROOT / "config" / "import" / "front_and_can.yaml").read_text())
        self.start_ns = int(np.datetime64(config["timeline"]["start"].rstrip("Z"), "ns").astype(np.int64))
        with MDF(folder / Path(config["sources"][0]["can"]["files"][0]).name) as file:
            signal = file.get("CAN_DataFrame", group=0)
        frames = signal.samples
        self.ids = frames["CAN_DataFrame.ID"] & 0x1FFFFFFF
        self.data = frames["CAN_DataFrame.DataBytes"]
        self.seconds = signal.timestamps - signal.timestamps[0] - config["sources"][0]["can"]["from_s"]
        taken = self.seconds >= -1e-6
        self.ids, self.data, self.seconds = self.ids[taken], self.data[taken], self.seconds[taken]

    def decoded(self, arbitration_id: int, decode: Any) -> NDArray[np.float64]:
        """(n, 2): time in s, value; frames that `decode` turns into None are left out."""
        chosen = self.ids == arbitration_id
        rows = [(t, decode(bytes(data))) for t, data in zip(self.seconds[chosen], self.data[chosen], strict=True)]
        return np.array([(t, value) for t, value in rows if value is not None])


@pytest.fixture(scope="module")
def log(real_data: Path) -> Log:
    return Log(real_data / "can_drive")


def _latest(series: NDArray[np.float64], t: float) -> tuple[float, float]:
    at = int(np.searchsorted(series[:, 0], t + 1e-6, side="right")) - 1
    return (float(series[at, 0]), float(series[at, 1])) if at >= 0 else (-math.inf, math.nan)


def test_vehicle_speed_is_that_of_an_independent_decode(drive: Drive, log: Log, real_data: Path) -> None:
    database = cantools.database.load_file(real_data / "can_drive" / "canmod-gps.dbc")

    def gnss_speed(data: bytes) -> float | None:
        values = database.decode_message(7, data, decode_choices=False)
        return float(values["Speed"]) if values["SpeedValid"] else None

    gnss = log.decoded(7, gnss_speed)
    obd = log.decoded(0x7E8, lambda data: data[3] / 3.6 if data[1:3] == b"\x41\x0d" else None)  # answer of service 1, PID 0x0D: km/h
    speeds = []
    for state in _messages(drive, "/vehicle/state"):
        t = (_stamp_ns(state) - log.start_ns) / 1e9
        (gnss_s, gnss_mps), (obd_s, obd_mps) = _latest(gnss, t), _latest(obd, t)
        edge = min(abs(t - gnss_s - 1.5), abs(t - obd_s - 1.5), *np.abs(gnss[:, 0] - t), *np.abs(obd[:, 0] - t)) < 2e-5
        if edge:  # within the log's resolution of a frame or of a timeout
            continue
        assert state.speed.valid == (t - gnss_s < 1.5 or t - obd_s < 1.5), t
        if state.speed.valid:
            assert state.speed.value == pytest.approx(gnss_mps if t - gnss_s < 1.5 else obd_mps, rel=1e-9), t
            speeds.append(state.speed.value)
    assert len(speeds) > 1100
    assert len(set(np.round(speeds, 3))) > 5, "the speed changes"


def _crc8_j1850(data: bytes) -> int:
    """Remainder of the division by x^8 + x^4 + x^3 + x^2 + 1, bit by bit."""
    number = int.from_bytes(data, "big") << 8
    for bit in range(len(data) * 8 - 1, -1, -1):
        if number >> (bit + 8) & 1:
            number ^= 0x11D << bit
    return number & 0xFF


def test_commands_on_the_shadow_bus_are_those_of_the_car(drive: Drive) -> None:
    database = cantools.database.load_file(ROOT / "config" / "vehicle" / "demo" / "demo.dbc")
    steer, accel = (database.get_message_by_name(name) for name in ("STEER_CMD", "ACCEL_CMD"))
    sent: dict[int, list[tuple[int, bytes]]] = {steer.frame_id: [], accel.frame_id: []}
    for batch in _messages(drive, "/can/tap"):
        ends = np.cumsum(batch.length, dtype=np.int64)
        for stamp, arbitration_id, flags, end, size in zip(batch.stamp_ns, batch.id, batch.flags, ends, batch.length, strict=True):
            if flags & FLAG_TX:
                assert batch.channel == "command", "a command left on a bus of the recorded car"
                sent[int(arbitration_id)].append((int(stamp), batch.data[end - size : end].tobytes()))
            else:
                assert batch.channel in ("gps", "obd")
    assert 0 <= drive.report["can"]["tx"] - sum(map(len, sent.values())) <= 2  # those of the last tick are not tapped any more
    for frames in sent.values():
        assert np.all(np.diff([stamp for stamp, _ in frames]) == 10_000_000), "commands go out at 100 Hz"
    angles, accelerations = [], []
    for count, (_, data) in enumerate(sent[steer.frame_id]):
        values = steer.decode(data)
        assert values["COUNTER"] == count % 15 and values["CRC"] == _crc8_j1850(STEER_DATA_ID.to_bytes(2, "little") + data[1:])
        angles.append((values["REQUEST"], values["WHEEL_ANGLE_REQUEST"]))
    for count, (_, data) in enumerate(sent[accel.frame_id]):
        values = accel.decode(data)
        assert values["COUNTER"] == count % 16 and values["CHECKSUM"] == (sum(accel.frame_id.to_bytes(2, "big")) + len(data) + sum(data[:7])) & 0xFF
        accelerations.append((values["REQUEST"], values["ACCEL_REQUEST"]))
    asked = [value for request, value in angles if request]
    assert len(asked) > 800 and max(map(abs, asked)) < 15.0 and np.std(asked) > 0.1, "a motorway: small angles, but not none"
    assert all(-3.5 <= value <= 2.0 for request, value in accelerations if request)
    assert not any(request for request, _ in angles[:150]), "nothing is asked for before the first frame"


def test_images_stay_in_the_recording_that_they_came_from(drive: Drive) -> None:
    with AnyReader([drive.out / "bag"]) as reader:
        types = {connection.topic: connection.msgtype for connection in reader.connections}
    image_like = ("CompressedImage", "CompressedVideo", "Image", "FrameSet")
    assert not [topic for topic, ros_type in types.items() if ros_type.rpartition("/")[2] in image_like]
    assert {"/plan/trajectory", "/vehicle/state", "/odom", "/control/status", "/can/tap", "/tf_static"} <= set(types)
