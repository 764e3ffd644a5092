"""Video files: H.264 packets as they are, one access unit a message."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from heron_bag.errors import BagError
from heron_bag.importing.config import VideoSource
from heron_bag.importing.recording import Item, Tally, find_file
from heron_core.arrays import read_only
from heron_core.frames import CameraFrame
from heron_core.rig import default_topic


class VideoRecording:
    """A video file; its time starts at its first frame."""

    def __init__(self, source: VideoSource, base: Path) -> None:
        file = find_file(source.file, base)
        self.label = f"video {file.name}"
        self.files = [file]
        self.offset_s = source.offset_s
        self.absolute = False
        self._camera = source.camera
        self._stamps = _presentation_times(file)
        self.first_ns = self._stamps[0]
        self.expected: int | None = len(self._stamps)

    def items(self, shift_ns: int, tally: Tally) -> Iterator[Item]:
        """See `Recording.items`."""
        import av
        from av.bitstream import BitStreamFilterContext

        topic = f"/camera/{default_topic(self._camera)}/video"
        with av.open(str(self.files[0])) as container:
            stream = container.streams.video[0]
            annex_b = BitStreamFilterContext("h264_mp4toannexb", stream)
            for packet in container.demux(stream):
                for unit in annex_b.filter(packet if packet.size else None):
                    if unit.pts is None:
                        raise BagError(f"{self.files[0]}: a packet lost its time")
                    stamp_ns = _to_ns(unit.pts, stream.time_base) + shift_ns
                    data = read_only(np.frombuffer(bytes(unit), dtype=np.uint8))
                    tally.counts[f"frames of {self._camera}"] += 1
                    yield stamp_ns, topic, CameraFrame(self._camera, stamp_ns, stamp_ns, "h264", data)


def _to_ns(pts: int, time_base: Any) -> int:
    return round(pts * Fraction(time_base) * 1_000_000_000)


def _presentation_times(file: Path) -> list[int]:
    """Times of all frames; refuses what cannot be taken packet by packet.

    Raises:
        BagError: not H.264, B frames, or packets without time.
    """
    import av

    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise BagError(f"{file}: has no video stream")
            stream = container.streams.video[0]
            codec, base = stream.codec_context.name, stream.time_base
            pts = [packet.pts for packet in container.demux(stream) if packet.size]
    except av.error.FFmpegError as error:
        raise BagError(f"{file}: cannot be read as a video: {error}") from error
    if codec != "h264":
        raise BagError(f"{file}: is {codec}, only H.264 is taken without re-encoding; convert it: ffmpeg -i {file.name} -c:v libx264 -bf 0 out.mp4")
    if not pts or base is None or any(each is None for each in pts):
        raise BagError(f"{file}: {'its packets have no times' if pts else 'holds no frame'}")
    back = next((i for i in range(1, len(pts)) if pts[i] <= pts[i - 1]), None)
    if back is not None:
        raise BagError(
            f"{file}: has B frames (packet {back} is shown before its predecessor), so one packet is not one image in order of time; "
            f"convert it: ffmpeg -i {file.name} -c:v libx264 -bf 0 out.mp4"
        )
    return [_to_ns(each, base) for each in pts]
