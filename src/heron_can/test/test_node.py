"""The component in lock-step on a replayed bus, and live on a virtual one."""

import dataclasses
import time
from pathlib import Path

import can
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("heron_msgs", reason="needs the built workspace")

from rclpy.parameter import Parameter  # noqa: E402

from heron_can.buses import to_message  # noqa: E402
from heron_can.config import CanConfig  # noqa: E402
from heron_can.ecu import CarEcus  # noqa: E402
from heron_can.frame import to_batch  # noqa: E402
from heron_can.node import CanNode  # noqa: E402
from heron_core.errors import ConfigError  # noqa: E402
from heron_core.signals import ControlStatus, Engagement  # noqa: E402
from heron_runtime.domain import own_domain  # noqa: E402
from heron_runtime.lockstep import Scheduler  # noqa: E402
from heron_runtime.node import HeronNode  # noqa: E402

pytestmark = pytest.mark.alone

MS = 1_000_000
T0 = 1_700_000_000_000_000_000
ROOT = Path(__file__).resolve().parents[3]
VALUES = {"state.speed": 12.5, "state.yaw_rate": 0.2, "state.steer": 0.05, "gnss.latitude_deg": 55.0, "gnss.longitude_deg": 12.0, "gnss.fix": 1.0}


@pytest.fixture
def ros():
    with own_domain({}) as domain:
        rclpy.init(domain_id=domain)
        yield
        rclpy.try_shutdown()


@pytest.fixture
def replay(ros, demo, tmp_path, monkeypatch):
    """Runs the node over a second of the demonstration car; returns (messages by topic, report)."""

    def run(spoil=lambda frames: frames, seconds=1.0, others=()):
        frames = spoil([frame for _, frame in CarEcus(demo, T0).frames(T0 + int(seconds * 1e9), VALUES)])
        batches = [
            (T0 + (k + 1) * 10 * MS, to_batch("vehicle", [frame for frame in frames if k * 10 * MS <= frame.stamp_ns - T0 < (k + 1) * 10 * MS]))
            for k in range(int(seconds * 100))
        ]
        monkeypatch.setattr("heron_can.node.bag_batches", lambda path, say: iter(batches))
        scheduler, seen = Scheduler(T0, {}), {}
        scheduler.tap(lambda topic, now_ns, message: seen.setdefault(topic, []).append(message))
        values = {"vehicle": str(ROOT / "config/vehicle/demo"), "interface": "bag", "source": "x"}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        nodes = [cls(lockstep=lambda node: scheduler.host(node, "actuation")) for cls in others]
        node = CanNode(lockstep=lambda node: scheduler.host(node, "actuation"), parameter_overrides=overrides)
        scheduler.run()
        report = node.report()
        for made in (*nodes, node):
            made.destroy_node()
        return seen, report

    return run


def test_lockstep_publishes_state_odometry_gnss_and_tap(replay):
    seen, report = replay()
    states = seen["/vehicle/state"]
    assert 98 <= len(states) <= 101 and states[-1]["speed"].valid and states[-1]["speed"].value == pytest.approx(12.5, abs=0.002)
    assert seen["/odom"][-1].valid and seen["/odom"][-1].x_m == pytest.approx(12.2, abs=0.4)
    assert 9 <= len(seen["/gnss/fix"]) <= 10 and len(seen["/imu"]) >= 97
    taps = seen["/can/tap"]
    assert all(np.ptp(batch.stamp_ns) <= 10 * MS for batch in taps)
    assert sum(len(batch) for batch in taps) >= 0.97 * report["can"]["rx"]
    assert report["can"]["faults"] == {} and report["can"]["tx"] == 0
    assert "/events" not in seen


@dataclasses.dataclass(frozen=True)
class Nothing:
    pass


class Control(HeronNode):
    """Stands for heron_control: engages at half a second."""

    NAME, Config = "control", Nothing

    def setup(self):
        status = self.advertise("/control/status")
        began = self.now_ns()

        def say():
            engaged = self.now_ns() - began > 500 * MS
            who = Engagement.ENGAGED if engaged else Engagement.READY
            status.publish(ControlStatus(self.now_ns(), who, "", engaged, 0, 0.0, 0.0, 0, 0, steer_request=engaged, accel_request=engaged))

        self.every(50 * MS, say)


def test_the_state_says_who_drives(replay):
    seen, _ = replay(others=[Control])
    modes = [(state.stamp_ns - T0, state["driving_mode"]) for state in seen["/vehicle/state"]]
    assert not modes[0][1].valid, "nobody has said anything yet"
    assert {signal.value for at, signal in modes if 100 * MS < at <= 550 * MS} == {0.0}
    assert {signal.value for at, signal in modes if at > 560 * MS} == {1.0}
    assert max(signal.age_ns for at, signal in modes if at > 100 * MS) <= 50 * MS


def test_two_runs_are_equal_to_the_bit(replay):
    first, second = replay()[0], replay()[0]
    assert set(first) == set(second)
    for topic in ("/vehicle/state", "/odom", "/imu", "/gnss/fix"):
        assert repr(first[topic]) == repr(second[topic])


def test_silence_is_an_event_and_invalidates(replay):
    def fall_silent(frames):
        return [frame for frame in frames if frame.stamp_ns < T0 + 300 * MS or frame.stamp_ns > T0 + 1500 * MS]

    seen, report = replay(fall_silent, seconds=2.0)
    texts = [event.text for event in seen["/events"] if event.kind == "can"]
    assert any("bus vehicle is silent" in text for text in texts) and any("bus vehicle speaks again" in text for text in texts)
    assert any(text.startswith("no valid") and "speed" in text for text in texts)
    assert sum(text.startswith("valid again") for text in texts) >= 1
    assert report["can"]["faults"]["silence_timeout vehicle"] == 1
    lost = next(state for state in seen["/vehicle/state"] if state.stamp_ns > T0 + 500 * MS)
    assert not lost["speed"].valid and lost["speed"].age_ns > 100 * MS
    assert not seen["/odom"][60].valid and report["odometry"]["gaps"] == 1


def test_wrong_checksums_are_counted(replay):
    def spoil(frames):
        wrong = [frame._replace(data=frame.data[:7] + bytes([frame.data[7] ^ 1])) for frame in frames]
        return [bad if good.id == 0xB0 and n % 2 else good for n, (good, bad) in enumerate(zip(frames, wrong, strict=True))]

    _, report = replay(spoil)
    assert report["can"]["faults"]["checksum_error VEHICLE_SPEED"] > 10


def test_a_wrong_signal_name_stops_the_component(ros, tmp_path):
    text = (ROOT / "config/vehicle/demo/can.yaml").read_text().replace("signal: SPEED,", "signal: SPED,")
    (tmp_path / "can.yaml").write_text(text)
    (tmp_path / "demo.dbc").write_bytes((ROOT / "config/vehicle/demo/demo.dbc").read_bytes())
    with pytest.raises(ConfigError, match=r"state\.speed\.signal: message VEHICLE_SPEED has no signal 'SPED'; nearest: SPEED"):
        CanNode(parameter_overrides=[Parameter("vehicle", value=str(tmp_path)), Parameter("interface", value="virtual")])


@pytest.mark.parametrize(
    ("values", "words"),
    [({"interface": "bag"}, "source"), ({"source": "x"}, "source"), ({"tick_ms": 0}, "tick_ms = 0"), ({"queue_frames": 1}, "queue")],
)
def test_impossible_parameters(values, words):
    with pytest.raises(ValueError, match=words):
        CanConfig(**values)


def test_live_on_a_virtual_bus(ros, demo):
    overrides = [Parameter("vehicle", value=str(ROOT / "config/vehicle/demo")), Parameter("interface", value="virtual")]
    car = can.Bus(interface="virtual", channel="can0")
    node = CanNode(parameter_overrides=overrides)
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(node)
    states = []
    node.subscribe("/vehicle/state", states.append)
    ecus, began = CarEcus(demo, time.time_ns()), time.monotonic()
    while time.monotonic() - began < 10.0 and not (states and states[-1]["speed"].valid and states[-1]["gear"].age_ns == -1):
        for _, frame in ecus.frames(time.time_ns(), VALUES):
            car.send(to_message(frame))
        executor.spin_once(timeout_sec=0.005)
    assert states[-1]["speed"].valid and states[-1]["speed"].age_ns < 100 * MS
    node.destroy_node()
    executor.shutdown()
    car.shutdown()
