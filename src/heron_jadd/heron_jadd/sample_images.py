"""A few images of recordings, taken and developed as a run would: how large they are, and what developing one costs on this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from heron_bag.native import camera_frame
from heron_bag.reader import Bag
from heron_bag.serialise import COMPRESSED_VIDEO
from heron_camera.picture import PictureError
from heron_jadd.config import NS, JaddConfig
from heron_jadd.lenses import Developer, Taken, rectify_maps
from heron_jadd.recording import Recording

WINDOWS = 6  # stretches of a recording that images are taken of
REACH_NS = 2 * NS  # a window lasts no longer; a camera that is slower is not sampled there
VIDEO_REACH_NS = 6 * NS  # a key frame comes before that
VIDEO_FRAMES = 4  # decoded in a row


@dataclass
class CameraSample:
    """What was found of one camera.

    Attributes:
        recorded: bytes of images as they lie in the recording.
        stored: (bytes of the recorded image, bytes of the developed one).
        lag_ns: log time less exposure.
        take_s: CPU seconds to take an image, wanted or not: decoding, where it is video.
        develop_s: CPU seconds to develop one.
        maps_s: CPU seconds of its rectification maps, once in a process.
    """

    recorded: list[int] = field(default_factory=list)
    stored: list[tuple[int, int]] = field(default_factory=list)
    lag_ns: list[int] = field(default_factory=list)
    take_s: list[float] = field(default_factory=list)
    develop_s: list[float] = field(default_factory=list)
    maps_s: float = 0.0

    @property
    def bytes_each(self) -> float:
        """Mean bytes of a stored image: those that were developed tell by how much others shrink or grow."""
        if not self.stored:
            return fmean(self.recorded)
        if len(self.recorded) <= len(self.stored):
            return fmean(stored for _, stored in self.stored)
        return fmean(self.recorded) * sum(stored for _, stored in self.stored) / sum(recorded for recorded, _ in self.stored)

    def add(self, other: CameraSample) -> None:
        """What was found of it in another recording."""
        for name in ("recorded", "stored", "lag_ns", "take_s", "develop_s"):
            getattr(self, name).extend(getattr(other, name))
        self.maps_s = max(self.maps_s, other.maps_s)

    @property
    def usual_develop_s(self) -> float:
        """CPU seconds to develop one image; 0 where it passes through."""
        return fmean(self.develop_s) if self.develop_s else 0.0

    @property
    def usual_take_s(self) -> float:
        """CPU seconds to take one image of a video; 0 for other images."""
        return fmean(self.take_s) if self.take_s else 0.0


def sample_images(bag: Bag, recording: Recording, config: JaddConfig, developed: int) -> dict[str, CameraSample]:
    """Camera → what was found.

    Args:
        bag: the recording, open.
        recording: what is known of it.
        config: what is to be made.
        developed: images of each camera that are developed, where they do not pass through.
    """
    names = {topic: camera for camera, topic in recording.cameras.items()}
    videos = {camera for camera, topic in recording.cameras.items() if bag.topics[topic].ros_type == COMPRESSED_VIDEO}
    found = {camera: CameraSample() for camera in recording.cameras}
    if config.undistort:
        _map(found, recording, config)
    begin, end = recording.first_ns + recording.lag_ns, recording.last_ns + recording.lag_ns
    windows = max(min(WINDOWS, developed), 1) if videos else WINDOWS
    for number in range(windows):
        at = begin + round((number + 0.5) / windows * (end - begin))
        if videos:
            at = min(at, max(end - VIDEO_REACH_NS, begin))
        developer = Developer(recording.rig, config)  # a video is decoded from a key frame on, in every window anew
        missing = {camera: VIDEO_FRAMES if camera in videos else 1 for camera in recording.cameras}
        for message in bag.messages(list(names), at, at + (VIDEO_REACH_NS if videos else REACH_NS)):
            camera = names[message[0]]
            if not missing.get(camera):
                continue
            frame = camera_frame(bag, message, camera)
            sample = found[camera]
            began = time.process_time()
            taken = developer.take(frame)
            spent = time.process_time() - began
            if isinstance(taken, str):
                continue
            if camera in videos:
                sample.take_s.append(spent)
            sample.recorded.append(len(frame.data))
            sample.lag_ns.append(message[2] - frame.stamp_ns)
            missing[camera] -= 1
            if missing[camera] == 0:
                del missing[camera]
                if (config.undistort or frame.encoding != "jpeg") and len(sample.stored) < developed:
                    _develop(sample, developer, taken, len(frame.data), not any(each.develop_s for each in found.values()))
            if not missing:
                break
    return found


def _map(samples: Mapping[str, CameraSample], recording: Recording, config: JaddConfig) -> None:
    """Computes rectification maps: of all cameras before any image is developed, so that none finds its own in the processor's cache."""
    for camera, sample in samples.items():
        began = time.process_time()
        rectify_maps(recording.rig.cameras[camera].lens, config.fov_deg)
        sample.maps_s = time.process_time() - began


def _develop(sample: CameraSample, developer: Developer, taken: Taken, recorded: int, first: bool) -> None:
    try:
        if first:  # libraries are loaded and memory is taken for the first time
            developer.develop(taken)
        began = time.process_time()
        stored = developer.develop(taken)
        sample.develop_s.append(time.process_time() - began)
    except PictureError:  # a run counts it; the next window has another
        return
    sample.stored.append((recorded, len(stored.data)))


def merged(samples: Sequence[dict[str, CameraSample]]) -> dict[str, CameraSample]:
    """Camera → what was found in all recordings that have it."""
    found: dict[str, CameraSample] = {}
    for each in samples:
        for camera, sample in each.items():
            found.setdefault(camera, CameraSample()).add(sample)
    return found
