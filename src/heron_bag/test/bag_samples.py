"""Small recordings for tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_core.arrays import read_only
from heron_core.camera import Lens, LensModel
from heron_core.canbus import CanBatch
from heron_core.frames import CameraFrame
from heron_core.rig import FORWARD_OPTICAL, Rig, RigCamera

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
FRONT = "/camera/front/image/compressed"
REPOSITORY = Path(__file__).resolve().parents[3]


def real_data() -> Path:
    """The folder of real recordings; skips the test without it."""
    folder = Path(os.environ.get("HERON_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder}; set HERON_REAL_DATA")
    return folder


def frame(index: int, size: int = 2000, camera: str = "CAM_FRONT") -> CameraFrame:
    """A frame whose bytes tell its index (it is no image)."""
    stamp_ns = START_NS + index * PERIOD_NS
    data = np.random.default_rng(index).integers(0, 256, size, dtype=np.uint8)
    return CameraFrame(camera, stamp_ns, stamp_ns, "jpeg", read_only(data))


def batch(index: int, frames: int = 3) -> CanBatch:
    """A CAN batch at the time of frame `index`."""
    stamps = START_NS + index * PERIOD_NS + np.arange(frames, dtype=np.int64) * 1_000_000
    length = np.arange(frames, dtype=np.uint8) % 9
    data = np.arange(int(length.sum()), dtype=np.uint8)
    arrays = (stamps, np.arange(frames, dtype=np.uint32) + 0x100, np.zeros(frames, np.uint8), length, data)
    return CanBatch("vehicle", *(read_only(array) for array in arrays))


def rig() -> Rig:
    """One camera that looks ahead."""
    lens = Lens(LensModel.PLUMB_BOB, 960, 540, 800.0, 790.0, 480.0, 270.0, (0.1, 0.01, 0.0, 0.0, 0.0))
    return Rig("test", {"CAM_FRONT": RigCamera("CAM_FRONT", "front", lens, FORWARD_OPTICAL, "camera_front_optical")})


def put(writer: BagWriter, topic: str, log_ns: int, native: object) -> None:
    """Adds a native message."""
    writer.add_topic(topic, ros_type_of(native))
    writer.write(topic, log_ns, serialise(native))


def write_frames(path: Path, count: int, chunk_bytes: int = 8192, first: int = 0) -> Path:
    """A recording of `count` frames and CAN batches."""
    with BagWriter(path, chunk_bytes=chunk_bytes) as writer:
        for index in range(first, first + count):
            put(writer, FRONT, START_NS + index * PERIOD_NS, frame(index))
            put(writer, "/can/tap", START_NS + index * PERIOD_NS + 2_000_000, batch(index))
    return path


def mcap_of(path: Path) -> Path:
    """The mcap file of a recording of ours."""
    return path / f"{path.name}_0.mcap"
