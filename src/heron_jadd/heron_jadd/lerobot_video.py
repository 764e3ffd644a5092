"""Videos of a LeRobot dataset: one per episode and camera, encoded of the stored JPEGs, then many to a file without encoding again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2

from heron_core.errors import InputError
from heron_jadd.lerobot_stats import Pictures, Stats

# Every second image is a key frame, as LeRobot's own encoder has it: training reads images in any order. One thread: more would change the bytes.
# No macroblock tree: x264's read memory that nobody had set, and one video in a hundred differed by some bytes.
ENCODER = {"preset": "veryfast", "crf": "23", "g": "2", "bf": "0", "mbtree": "0"}
EXACT = {"fflags": "+bitexact", "movflags": "+faststart"}


def made_by() -> str:
    """What the bytes of a video depend on, beside its images."""
    return f"PyAV {av.__version__} {ENCODER}"


def encode(root: Path, files: Sequence[str], fps: int, path: Path) -> Stats:
    """Writes a video of images, and the statistics of what was encoded beside it; nothing is done where both are there.

    Args:
        root: of the dataset.
        files: of the images, relative to it; equal ones that follow each other are decoded once.
        fps: images per second.
        path: an .mp4, which appears when it is whole.

    Raises:
        InputError: an image is missing or damaged, or not as large as the others.
    """
    told = path.with_suffix(".json")
    if path.is_file() and told.is_file():
        known: Stats = json.loads(told.read_text(encoding="utf-8"))
        return known
    part, pictures = path.with_suffix(".part"), Pictures(len(files))
    with av.open(str(part), "w", format="mp4", options=EXACT) as container:
        stream: Any = container.add_stream("libx264", rate=fps, options=ENCODER)
        stream.thread_count, stream.pix_fmt = 1, "yuv420p"
        last, image = "", None
        for k, file in enumerate(files):
            if file != last:
                last, image = file, cv2.imread(str(root / file), cv2.IMREAD_COLOR)
            if image is None:
                raise InputError(f"{root / file}: is missing or damaged; ./heron jadd check {root} tells what else is")
            height, width = (size & ~1 for size in image.shape[:2])  # H.264 has no odd sizes: an odd row or column goes
            if k == 0:
                stream.width, stream.height = width, height
            elif (width, height) != (stream.width, stream.height):
                raise InputError(f"{root / file}: is {width}x{height}, the images before it {stream.width}x{stream.height}")
            pictures.see(k, image)
            frame = av.VideoFrame.from_ndarray(image[:height, :width], format="bgr24")
            frame.pts, frame.time_base = k, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    stats = pictures.stats()
    told.write_text(json.dumps(stats), encoding="utf-8")
    part.rename(path)
    return stats


class Reel:
    """A file of several episodes' videos of one camera, one after the other.

    Args:
        path: an .mp4.
        fps: images per second of all of them.
    """

    def __init__(self, path: Path, fps: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.frames, self.bytes = path, 0, 0
        self._fps = fps
        self._container: Any = av.open(str(path), "w", format="mp4", options=EXACT)
        self._stream: Any = None

    def add(self, video: Path) -> tuple[float, float]:
        """Copies the packets of a video; from when to when in seconds it is in this file."""
        begin = self.frames
        with av.open(str(video)) as source:
            stream = source.streams.video[0]
            if self._stream is None:
                self._stream = self._container.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.dts is None:  # the last, empty one
                    continue
                packet.pts = packet.dts = round(Fraction(self.frames, self._fps) / packet.time_base)  # without B-frames both are the same
                packet.stream = self._stream
                self._container.mux(packet)
                self.frames += 1
        self.bytes += video.stat().st_size
        return begin / self._fps, self.frames / self._fps

    def close(self) -> None:
        """The file is whole."""
        self._container.close()
