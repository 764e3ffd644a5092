"""The generated recording: the same bytes for the same seed, and a bus that agrees with the pictures."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from heron_bag.digest import bag_digest
from heron_bag.native import camera_frames, can_batches
from heron_bag.reader import open_bag
from heron_bringup.config import GeneratedConfig
from heron_bringup.ego_motion import EgoMotion
from heron_bringup.generated import ensure_generated, generate
from heron_can.car import load_car
from heron_can.frame import from_batch
from heron_can.odometry import OdometryIntegrator
from heron_can.state import VehicleStateAssembler
from heron_core.vehicle_model import load_vehicle_model

DEMO = Path(__file__).parents[3] / "config" / "vehicle" / "demo"
TINY = GeneratedConfig(seconds=0.3, scale=1.0)


@pytest.fixture(scope="module")
def tiny_car(tmp_path_factory):
    """The demonstration car with three cameras of 160x107."""
    folder = tmp_path_factory.mktemp("vehicle") / "tiny"
    shutil.copytree(DEMO, folder)
    rig = yaml.safe_load((folder / "rig.yaml").read_text())
    names = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_BACK")
    rig["cameras"] = {name: rig["cameras"][name] for name in names}
    for entry in rig["cameras"].values():
        entry.update(width=160, height=107, k=[value / 12 for value in entry["k"]])
    (folder / "rig.yaml").write_text(yaml.safe_dump(rig))
    return folder


@pytest.fixture(scope="module")
def recording(tiny_car, tmp_path_factory):
    out = tmp_path_factory.mktemp("bag") / "street"
    generate(out, tiny_car, TINY, lambda done, total: None, workers=1)
    return out


def test_same_seed_same_bytes_whatever_draws(recording, tiny_car, tmp_path):
    generate(tmp_path / "again", tiny_car, TINY, lambda done, total: None, workers=2)
    generate(tmp_path / "other", tiny_car, GeneratedConfig(seconds=0.1, scale=1.0, seed=3), lambda done, total: None, workers=1)
    assert bag_digest(tmp_path / "again") == bag_digest(recording)
    assert bag_digest(tmp_path / "other") != bag_digest(recording)


def test_it_explains_itself_and_the_bus_comes_first(recording):
    with open_bag(recording) as bag:
        assert {"vehicle/rig.yaml", "vehicle/can.yaml", "vehicle/demo.dbc", "vehicle/vehicle.yaml", "vehicle/limits.yaml"} <= set(bag.attachments)
        frames = [frame for _, frame in camera_frames(bag)]
        batches = list(can_batches(bag))
        assert [bag.topics[f"/camera/{name}/camera_info"].count for name in ("front", "front_left", "back")] == [1, 1, 1]
    assert len(frames) == 9
    assert frames[0].stamp_ns - batches[0][1].stamp_ns[0] > 1_000_000_000
    assert all(frame.received_ns - frame.stamp_ns == 12_000_000 for frame in frames)
    first = [frame.stamp_ns for frame in frames[:3]]
    assert max(first) - min(first) <= 8_000_000


def test_the_bus_tells_the_motion_that_was_drawn(recording):
    motion = EgoMotion(-TINY.lead_s - 0.1, TINY.seconds + 1.0, TINY.seed)
    assembler, odometry = VehicleStateAssembler(load_car(DEMO)), None
    zero_ns = TINY.start_ns + round(TINY.lead_s * 1e9)
    integrator = OdometryIntegrator(load_car(DEMO).mapping.odometry, load_vehicle_model(DEMO / "vehicle.yaml").wheelbase_m)
    start = None
    with open_bag(recording) as bag:
        for log_ns, batch in can_batches(bag):
            assembler.ingest(batch.channel, from_batch(batch))
            state = assembler.state(log_ns)
            odometry = integrator.update(state)
            if start is None and odometry.valid:
                start = motion.at((log_ns - zero_ns) / 1e9).pose
    end = motion.at((odometry.stamp_ns - zero_ns) / 1e9)
    assert all(signal.valid for name, signal in state.signals.items())
    assert state["speed"].value == pytest.approx(end.speed_mps, abs=0.05)
    assert state["steer"].value == pytest.approx(math.atan(2.8 * end.curvature_per_m), abs=2e-3)
    travelled = math.hypot(end.pose.x - start.x, end.pose.y - start.y)
    assert math.hypot(odometry.x_m, odometry.y_m) == pytest.approx(travelled, rel=0.02)


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_the_drive_is_gentle_and_stays_in_its_lane(seed):
    motion = EgoMotion(-1.3, 12.0, seed)
    samples = [motion.at(t) for t in np.arange(-1.2, 12.0, 0.05)]
    assert all(4.9 < sample.speed_mps < 12.1 for sample in samples)
    assert all(abs(sample.speed_mps**2 * sample.curvature_per_m) < 1.6 for sample in samples)
    assert all(-2.6 < sample.pose.y < -1.0 for sample in samples)
    a, b = motion.at(3.0).pose, motion.at(3.01).pose
    assert (b.yaw - a.yaw) / 0.01 == pytest.approx(motion.at(3.005).yaw_rate_rps, abs=1e-4)


def test_it_is_made_once_and_an_interruption_leaves_nothing(tiny_car, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_generated(tmp_path, GeneratedConfig(seconds=0.1, scale=1.0), interrupt, tiny_car)
    assert list((tmp_path / ".heron" / "generated").iterdir()) == []
    calls = []
    first = ensure_generated(tmp_path, GeneratedConfig(seconds=0.1, scale=1.0), lambda done, total: calls.append(done), tiny_car)
    again = ensure_generated(tmp_path, GeneratedConfig(seconds=0.1, scale=1.0), lambda done, total: calls.append(done), tiny_car)
    assert first == again
    assert calls == [1, 2, 3]


def test_impossible_settings_are_refused_with_the_range():
    with pytest.raises(ValueError, match=r"scale = 2.0, allowed 0.1"):
        GeneratedConfig(scale=2.0)
