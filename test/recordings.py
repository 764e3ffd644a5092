"""A small recording of seven cameras, and damaged copies of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from drives import ROOT

from heron_bag.native import camera_frames, camera_topics, can_batches
from heron_bag.reader import open_bag
from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_bringup import generated
from heron_bringup.config import GeneratedConfig
from heron_core.arrays import read_only
from heron_core.canbus import CanBatch
from heron_core.frames import CameraFrame

SMALLER = 6
FRAMES = 20
RATE_HZ = 10.0
LEAD_NS = 1_000_000_000
CAMERAS = 7

FrameChange = Callable[[int, CameraFrame], Iterable[tuple[int, CameraFrame]]]
BatchChange = Callable[[int, CanBatch], Iterable[tuple[int, CanBatch]]]


def small_car(folder: Path) -> Path:
    """Copies the demonstration car into `folder`, its cameras `SMALLER` times smaller."""
    shutil.copytree(ROOT / "config" / "vehicle" / "demo", folder)
    rig = yaml.safe_load((folder / "rig.yaml").read_text())
    for camera in rig["cameras"].values():
        camera.update(width=camera["width"] // SMALLER, height=camera["height"] // SMALLER, k=[value / SMALLER for value in camera["k"]])
    (folder / "rig.yaml").write_text(yaml.safe_dump(rig, sort_keys=False))
    return folder


def small_drive(out: Path, car: Path) -> Path:
    """The generated recording with noise for pictures: its street takes longer to draw than all these tests to run."""
    config = GeneratedConfig(seconds=FRAMES / RATE_HZ, rate_hz=RATE_HZ, lead_s=LEAD_NS / 1e9)
    drawn, generated.Painter = generated.Painter, _Noise  # type: ignore[misc, assignment]
    try:
        generated.generate(out, car, config, lambda done, total: None, workers=1)
    finally:
        generated.Painter = drawn  # type: ignore[misc]
    return out


class _Noise:
    """In the place of `generated.Painter`."""

    def __init__(self, rig: Any, config: GeneratedConfig) -> None:
        self._rig = rig

    def jpeg(self, shot: generated.Shot) -> bytes:
        lens = self._rig.cameras[shot.camera].lens
        return noise_jpeg(lens.width, lens.height, shot.exposure_ns % 97)


@cache
def noise_jpeg(width: int, height: int, seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", cv2.resize(coarse, (width, height)))[1].tobytes()


def unchanged(log_ns: int, message: Any) -> Iterable[tuple[int, Any]]:
    return [(log_ns, message)]


def copy(
    source: Path,
    out: Path,
    frames: FrameChange = unchanged,
    batches: BatchChange = unchanged,
    keep: Callable[[str], bool] = lambda topic: True,
    attach: bool = True,
) -> Path:
    """Copies a recording.

    Args:
        source: a recording.
        out: folder of the copy.
        frames: (log_ns, camera frame) → what is written in its place.
        batches: the same for CAN.
        keep: topic → whether it is copied.
        attach: whether the attachments are copied.
    """
    with open_bag(source) as bag, BagWriter(out) as writer:
        if attach:
            for name, data in bag.attachments.items():
                writer.attach(name, data)
        images = {topic: name for topic, name in camera_topics(bag).items() if keep(topic)}
        written = [(due, topic, new) for topic in images for log_ns, frame in camera_frames(bag, [topic]) for due, new in frames(log_ns, frame)]
        if keep("/can/tap"):
            written += [(due, "/can/tap", new) for log_ns, batch in can_batches(bag) for due, new in batches(log_ns, batch)]
        entries = [(due, topic, ros_type_of(new), serialise(new)) for due, topic, new in written]
        others = [topic for topic in bag.topics if topic not in camera_topics(bag) and topic != "/can/tap" and keep(topic)]
        entries += [(log_ns, topic, ros_type, raw) for topic, ros_type, log_ns, raw in bag.messages(others)]
        for log_ns, topic, ros_type, raw in sorted(entries, key=lambda entry: entry[0]):
            writer.add_topic(topic, ros_type)
            writer.write(topic, log_ns, raw)
    return out


def frame_index(frame: CameraFrame, start_ns: int) -> int:
    """Which of the small recording's frames of its camera this is, 0 … FRAMES - 1."""
    return round((frame.stamp_ns - start_ns - LEAD_NS) / 1e9 * RATE_HZ)


def start_of(recording: Path) -> int:
    with open_bag(recording) as bag:
        return bag.start_ns


def bytes_of(data: bytes) -> Any:
    return read_only(np.frombuffer(data, np.uint8))
