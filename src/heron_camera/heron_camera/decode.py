"""JPEG images and H.264 streams → pictures. Damage is an error, never a grey guess."""

from __future__ import annotations

from typing import Any, cast

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from heron_camera.h264 import FrameGap, contains_keyframe
from heron_camera.picture import DecodedFrame, Picture, PictureError, Plane
from heron_core.frames import CameraFrame

REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_PADDING = 4096  # trailing zeros that drivers leave behind the end marker
# What may follow 0xFF after the first scan began: stuffing, fill, further scans, their tables and comments (progressive JPEG).
_IN_SCAN = (0x00, 0xFF, 0xDA, 0xC4, 0xDD, 0xFE, *range(0xD0, 0xD8))
_FOREIGN = np.isin(np.arange(256), _IN_SCAN, invert=True)  # looked up: `np.isin` on every image costs more than all else here
_EXPLODE = "explode+bitstream+buffer+careful"
_BT709, _FULL_RANGE = 1, 2  # values of AVColorSpace and AVColorRange


def jpeg_tear(data: NDArray[np.uint8]) -> str | None:
    """Why these bytes cannot be a whole JPEG, from their ends only (costs nothing); None when both markers are there."""
    if len(data) < 4 or data[0] != 0xFF or data[1] != 0xD8:
        return f"JPEG of {len(data)} bytes has no start marker"
    if not (data[-2] == 0xFF and data[-1] == 0xD9) and not data[-_PADDING:].tobytes().rstrip(b"\0").endswith(b"\xff\xd9"):
        return f"JPEG of {len(data)} bytes has no end marker: truncated"
    return None


def jpeg_fault(data: NDArray[np.uint8]) -> str | None:
    """Why these bytes are a damaged JPEG: a marker that cannot stand where it stands. None when the structure is right.

    Flipped bits that leave the structure intact cannot be told from a picture without decoding it, and often not even then.
    """
    tear = jpeg_tear(data)
    if tear:
        return tear
    position = 2
    while True:  # segments up to the start of the scan
        if position + 4 > len(data) or data[position] != 0xFF:
            return f"JPEG header is damaged at byte {position}"
        marker = int(data[position + 1])
        position += 2 + (int(data[position + 2]) << 8) + int(data[position + 3])
        if marker == 0xDA:
            break
    scan = data[position:]
    at = np.flatnonzero(scan[:-1] == 0xFF)
    codes = scan[at + 1]
    restarts = codes[(codes >= 0xD0) & (codes <= 0xD7)]
    if len(restarts) and not np.array_equal(restarts - 0xD0, np.arange(len(restarts)) % 8):
        return "JPEG restart markers are out of order"
    bad = at[_FOREIGN[codes]]
    if len(bad) and not (scan[bad[0] + 1] == 0xD9 and not scan[bad[0] + 2 :].any()):
        return f"JPEG data is damaged at byte {position + int(bad[0])}"
    return None


def decode_jpeg(data: NDArray[np.uint8], reduce: int = 1) -> Picture:
    """Decodes `data`, (n,) uint8, at 1/`reduce` of its resolution (1, 2, 4 or 8); the DCT does the shrinking.

    Raises:
        PictureError: truncated, damaged or no JPEG at all.
    """
    fault = jpeg_fault(data)
    if fault:
        raise PictureError(fault)
    try:
        image = cv2.imdecode(data, REDUCED[reduce] | cv2.IMREAD_IGNORE_ORIENTATION)  # the rig knows how the camera is mounted, not EXIF
    except cv2.error as error:
        raise PictureError(f"JPEG cannot be decoded: {error.err}") from error
    if image is None:
        raise PictureError("JPEG cannot be decoded")
    return Picture("bgr", (Plane(image, reduce, reduce),))


class VideoDecoder:
    """H.264 access units of one camera → pictures, one in, one out (streams have no B frames).

    After damage, or where a frame is missing, everything up to the next keyframe is dropped and counted: it would refer to a guess.

    Attributes:
        errors: packets that were damaged or came after a gap.
        dropped: packets passed over while waiting for a keyframe.
    """

    def __init__(self, camera: str) -> None:
        self.camera = camera
        self.errors = 0
        self.dropped = 0
        self._gap = FrameGap()
        self._codec: VideoCodecContext | None = None

    def decode(self, frame: CameraFrame) -> DecodedFrame | None:
        """The picture of `frame`, or None while the stream waits for a keyframe.

        Raises:
            PictureError: this packet is damaged, or a packet before it is missing. The decoder goes on at the next keyframe.
        """
        data = frame.data
        if self._codec is None and not contains_keyframe(data):
            self.dropped += 1
            return None
        if self._codec is None:
            self._codec, self._gap = _codec("h264"), FrameGap()
        missing = self._gap.check(data)
        if missing:
            raise self._broken(missing)
        try:
            frames = self._codec.decode(_packet(data))
        except (FFmpegError, ValueError) as error:
            raise self._broken(f"damaged H.264 packet of {len(data)} bytes: {error}") from error
        if len(frames) != 1 or frames[0].is_corrupt:
            raise self._broken(f"H.264 packet of {len(data)} bytes gives {'a damaged picture' if frames else 'no picture'}")
        return DecodedFrame(frame.camera, frame.stamp_ns, frame.received_ns, planes_of(frames[0]))

    def _broken(self, reason: str) -> PictureError:
        self.errors += 1
        self._codec = None
        return PictureError(reason)


def planes_of(frame: VideoFrame) -> Picture:
    """The planes of a decoded frame, without copying them."""
    name = frame.format.name
    full_range = name.startswith("yuvj") or int(frame.color_range) == _FULL_RANGE
    if name.startswith("gray"):
        return Picture("mono", (Plane(_pixels(frame, 0)),))
    steps = {"420p": (2, 2), "422p": (2, 1), "444p": (1, 1), "440p": (1, 2)}.get(name.removeprefix("yuvj").removeprefix("yuv"))
    if steps is None:
        raise PictureError(f"pixel format {name} is not supported; known: 8-bit yuv 4:2:0, 4:2:2, 4:4:0, 4:4:4 and grey")
    chroma = tuple(Plane(_pixels(frame, i), *steps) for i in (1, 2))
    return Picture("yuv", (Plane(_pixels(frame, 0)), *chroma), full_range, int(frame.colorspace) == _BT709)


def _pixels(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    plane = frame.planes[index]
    rows: NDArray[np.uint8] = np.frombuffer(cast(bytes, plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _packet(data: NDArray[np.uint8]) -> av.Packet[Any]:
    return av.Packet(cast(bytes, data))  # takes any buffer


def _codec(name: str) -> VideoCodecContext:
    """One thread (the caller spreads cameras over threads), no reordering delay, and every error is raised."""
    codec = cast(VideoCodecContext, av.CodecContext.create(name, "r"))
    codec.thread_count = 1
    codec.flags |= Flags.low_delay
    codec.options = {"err_detect": _EXPLODE}
    return codec
