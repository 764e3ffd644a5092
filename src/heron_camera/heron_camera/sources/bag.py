"""Camera topics of a recording, at the times when they were recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from heron_bag.native import camera_frames, camera_topics
from heron_bag.reader import open_bag, telling
from heron_camera.sources.pacing import Frames
from heron_core.errors import InputError
from heron_core.rig import Rig


def bag_frames(path: Path, rig: Rig, realtime: bool = True, say: Callable[[str], None] = lambda text: None) -> Frames:
    """Frames of all cameras of `rig` that the recording holds, in order of log time; `say` is told what is damaged in it.

    Raises:
        InputError: the recording has no images of any camera of the rig.
    """
    with open_bag(path) as bag:
        cameras = {f"/camera/{camera.topic_name}": camera.name for camera in rig.cameras.values()}
        topics = {topic: cameras[root] for topic in camera_topics(bag) for root in cameras if topic.startswith(root + "/")}
        if not topics:
            raise InputError(f"{path}: no images of {', '.join(rig.cameras)}; it has {', '.join(bag.topics)}")
        for log_ns, frame in telling(bag, camera_frames(bag, topics), say):
            yield (log_ns if realtime else None), dataclasses.replace(frame, received_ns=log_ns)
