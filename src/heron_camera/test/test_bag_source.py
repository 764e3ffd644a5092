"""Frames of a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from camera_fixtures import demo_rig, frame, jpeg, picture_of

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_camera.sources.bag import bag_frames
from heron_core.errors import InputError
from heron_core.rig import Rig

MS = 1_000_000
START = 1_700_000_000_000 * MS


def test_a_recording_gives_its_frames_in_order_of_log_time(tmp_path: Path) -> None:
    image = jpeg(picture_of("bag", 64, 32))
    with BagWriter(tmp_path / "bag") as writer:
        for i in range(3):
            for name, topic in (("CAM_FRONT", "/camera/front/image/compressed"), ("CAM_BACK", "/camera/back/image/compressed")):
                message = frame(name, START + i * 100 * MS, image)
                writer.add_topic(topic, ros_type_of(message))
                writer.write(topic, START + (i * 100 + 7) * MS, serialise(message))
    rig = demo_rig()
    frames = list(bag_frames(tmp_path / "bag", rig))
    assert [due for due, _ in frames] == [START + (i * 100 + 7) * MS for i in range(3) for _ in range(2)]
    assert {item.camera for _, item in frames} == {"CAM_FRONT", "CAM_BACK"}
    assert all(item.received_ns - item.stamp_ns == 7 * MS and np.array_equal(item.data, image) for _, item in frames)
    assert all(due is None for due, _ in bag_frames(tmp_path / "bag", rig, realtime=False))
    left = Rig("left", {"CAM_FRONT_LEFT": rig.cameras["CAM_FRONT_LEFT"]})
    with pytest.raises(InputError, match="no images of CAM_FRONT_LEFT; it has /camera/"):
        next(bag_frames(tmp_path / "bag", left))
