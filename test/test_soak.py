"""Ten minutes of the perception container: its memory stays flat, and nothing is lost."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from drives import component, container, kinematic
from heron_msgs.msg import Signal, VehicleState
from outside import RELIABLE, Outside
from recordings import noise_jpeg

SOAK_S = float(os.environ.get("HERON_SOAK_S", "600"))
WARM_UP_S = 0.2 * SOAK_S
"""Allocators settle: pools of buffers fill, threads take their arenas."""
MOST_GROWTH_BYTES = 16 << 20
"""After the warm-up. One frame set of seven views holds 4.2 MB: a leak of one set in a thousand would be seen."""
RATE_HZ = 10.0


def _cameras(car: Path, folder: Path) -> list[str]:
    """A folder of ten images for each camera; entries `camera=folder`."""
    inputs = []
    for name, camera in yaml.safe_load((car / "rig.yaml").read_text())["cameras"].items():
        (folder / name).mkdir()
        for seed in range(10):
            (folder / name / f"{seed}.jpg").write_bytes(noise_jpeg(camera["width"], camera["height"], seed))
        inputs.append(f"{name}={folder / name}")
    return inputs


def _state(outside: Outside) -> VehicleState:
    sample = {name: Signal(value=value, age_ns=0, valid=True) for name, value in (("speed", 10.0), ("yaw_rate", 0.1), ("accel_x", 0.0))}
    message = VehicleState(**sample)
    message.header.stamp = outside.node.get_clock().now().to_msg()
    return message


@pytest.mark.slow
@pytest.mark.timeout(SOAK_S + 120)
def test_memory_of_perception_stays_flat(car: Path, tmp_path: Path) -> None:
    both = {"rig": str(car / "rig.yaml"), "policy": str(kinematic()), "report_dir": str(tmp_path / "reports")}
    camera = {"rig": both["rig"], "source": "folder", "loop": True, "rate_hz": RATE_HZ, "inputs": _cameras(car, tmp_path)}
    parts = (
        component("heron_camera", "CameraNode", "camera", camera),
        component("heron_camera", "FramesNode", "frames", both),
        component("heron_vla", "PolicyNode", "policy", both),
    )
    samples: list[tuple[float, int]] = []
    with container(tmp_path, *parts) as box, Outside(box.domain) as outside:
        outside.listen("/plan/trajectory")
        states = outside.node.create_publisher(VehicleState, "/vehicle/state", RELIABLE)
        outside.node.create_timer(0.01, lambda: states.publish(_state(outside)))
        outside.node.create_timer(1.0, lambda: samples.append((len(samples), box.rss_bytes())))
        stopped = outside.spin(lambda: box.process.poll() is not None, SOAK_S)
        assert not stopped, box.text()
        box.process.terminate()
        assert box.process.wait(15) == 0, box.text()
        plans = outside.seen["/plan/trajectory"]
    settled = np.array([row for row in samples if row[0] >= WARM_UP_S], dtype=np.float64)
    fitted = np.polyfit(settled[:, 0], settled[:, 1], 1)[0] * np.ptp(settled[:, 0])
    print(f"RSS {settled[0, 1] / 2**20:.1f} MiB after warm-up, {settled[-1, 1] / 2**20:.1f} at the end, trend {fitted / 2**20:+.2f} MiB")
    assert fitted < MOST_GROWTH_BYTES and settled[-1, 1] - settled[0, 1] < 2 * MOST_GROWTH_BYTES
    report = json.loads((tmp_path / "reports" / "policy.json").read_text())["report"]
    frames = json.loads((tmp_path / "reports" / "frames.json").read_text())["report"]
    assert report["image_copies"] == 0 and report["plans"] > 0.9 * RATE_HZ * (SOAK_S - 10.0)
    assert frames["image_buffers"] < 10
    assert all(after.sequence > before.sequence for before, after in pairwise(plans))
