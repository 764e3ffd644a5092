"""Video files, at the times that the file states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from numpy.typing import NDArray

from heron_camera.sources.pacing import Frames
from heron_core.arrays import read_only
from heron_core.errors import InputError
from heron_core.frames import CameraFrame

Timed = tuple[int, str, NDArray[np.uint8]]  # ns since the file's first frame, encoding, data


def video_frames(camera: str, path: Path, start_ns: int, realtime: bool = True, loop: bool = False) -> Frames:
    """Frames of a video file; the first is exposed at `start_ns`.

    JPEG and H.264 (without B frames) pass through untouched; anything else is decoded to nv12.

    Args:
        camera: name in the rig.
        path: any container and codec that FFmpeg reads.
        start_ns: stamp of the first frame.
        realtime: frames are due at their stamp; else at once.
        loop: begin anew at the end, time going on.

    Raises:
        InputError: no such file, no video in it, or it breaks off.
    """
    offset_ns = start_ns
    while True:
        last_ns, step_ns = offset_ns, 0
        for time_ns, encoding, data in _read(path):
            stamp_ns = offset_ns + time_ns
            step_ns, last_ns = stamp_ns - last_ns or step_ns, stamp_ns
            yield (stamp_ns if realtime else None), CameraFrame(camera, stamp_ns, stamp_ns, encoding, data)
        if not loop:
            return
        offset_ns = last_ns + step_ns


def _read(path: Path) -> Iterator[Timed]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(f"{path}: no video in it")
            stream = container.streams.video[0]
            first: int | None = None
            for pts, encoding, data in _passed(container, stream) if _passes(stream) else _decoded(container, stream):
                first = pts if first is None else first
                yield round((pts - first) * float(cast(Any, stream.time_base)) * 1e9), encoding, read_only(data)
    except (FFmpegError, OSError) as error:
        raise InputError(f"{path}: {error}") from error
    if first is None:
        raise InputError(f"{path}: holds no frame")


def _passes(stream: Any) -> bool:
    name = stream.codec_context.name
    return name == "mjpeg" or (name == "h264" and not stream.codec_context.has_b_frames)


def _passed(container: Any, stream: Any) -> Iterator[tuple[int, str, NDArray[np.uint8]]]:
    """Packets as they are; H.264 in Annex B form with its parameter sets before each keyframe."""
    jpeg = stream.codec_context.name == "mjpeg"
    annex_b = None if jpeg else BitStreamFilterContext("h264_mp4toannexb", stream)
    for packet in container.demux(stream):
        for part in [packet] if annex_b is None else annex_b.filter(packet):
            if part.size and part.pts is not None:
                yield part.pts, "jpeg" if jpeg else "h264", np.frombuffer(bytes(part), np.uint8)


def _decoded(container: Any, stream: Any) -> Iterator[tuple[int, str, NDArray[np.uint8]]]:
    stream.codec_context.thread_count = 1
    for picture in container.decode(stream):
        if picture.pts is not None:
            yield picture.pts, "nv12", picture.reformat(format="nv12").to_ndarray()
