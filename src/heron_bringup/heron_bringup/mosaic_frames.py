"""The cameras' pictures of a recording at given times, decoded at a reduced size."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_bag.native import camera_frames
from heron_bag.reader import Bag
from heron_core.frames import CameraFrame

KEEP_NS = 700_000_000  # pictures this much older than the newest are forgotten
WAIT_NS = 300_000_000  # a picture that arrives later than this after its plan's stamp is not waited for
APART_NS = 60_000_000  # farther from the plan's stamp a picture is not its own

U8 = NDArray[np.uint8]
_COLOURS = {
    "rgb8": cv2.COLOR_RGB2BGR, "mono8": cv2.COLOR_GRAY2BGR, "nv12": cv2.COLOR_YUV2BGR_NV12, "yuyv": cv2.COLOR_YUV2BGR_YUYV,
}  # fmt: skip


@dataclass
class _Picture:
    stamp_ns: int
    frame: CameraFrame | None = None
    image: U8 | None = None


class CameraPictures:
    """Decodes one camera: H.264 packet by packet as it must, anything else only when asked for."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._kept: deque[_Picture] = deque()
        self._codec: Any = None

    def add(self, frame: CameraFrame) -> None:
        """Takes the next frame as recorded."""
        if frame.encoding == "h264":
            self._kept.extend(self._decode_packet(frame))
        else:
            self._kept.append(_Picture(frame.stamp_ns, frame))
        while self._kept and self._kept[0].stamp_ns < frame.stamp_ns - KEEP_NS:
            self._kept.popleft()

    def nearest(self, stamp_ns: int) -> U8 | None:
        """The picture (h, w, 3) BGR nearest to a time, at least as wide as asked for where the camera is; None when none is near or it is broken."""
        if not self._kept:
            return None
        picture = min(self._kept, key=lambda each: abs(each.stamp_ns - stamp_ns))
        if abs(picture.stamp_ns - stamp_ns) > APART_NS:
            return None
        return picture.image if picture.frame is None else _decode(picture.frame, self._width)

    def _decode_packet(self, frame: CameraFrame) -> list[_Picture]:
        import av

        if self._codec is None:
            self._codec = av.CodecContext.create("h264", "r")
            self._codec.thread_count = 1
        packet = av.Packet(frame.data.tobytes())
        packet.pts = frame.stamp_ns
        try:
            decoded = self._codec.decode(packet)
        except av.FFmpegError:  # a broken or not yet decodable packet: the tile stays dark, as the report's counters say
            return []
        found = []
        for picture in decoded:
            width = min(self._width, picture.width)
            height = max(2, round(picture.height * width / picture.width))
            found.append(_Picture(int(picture.pts), None, picture.to_ndarray(format="bgr24", width=width, height=height)))
        return found


def _decode(frame: CameraFrame, width: int) -> U8 | None:
    if frame.encoding != "jpeg":
        pixels = np.ascontiguousarray(frame.data)
        converted: U8 = pixels if frame.encoding == "bgr8" else cv2.cvtColor(pixels, _COLOURS[frame.encoding])
        return converted
    full = _jpeg_width(frame.data)
    reduced = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))
    flag = next((flag for factor, flag in reduced if full >= width * factor), cv2.IMREAD_COLOR)
    image: U8 | None = cv2.imdecode(frame.data, flag)
    return image


def _jpeg_width(data: U8) -> int:
    """Width that a JPEG's frame header states (ITU T.81 B.2.2); 0 when there is none."""
    raw, at = data.tobytes()[:65536], 2
    while at + 9 < len(raw) and raw[at] == 0xFF:
        marker, length = raw[at + 1], int.from_bytes(raw[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(raw[at + 7 : at + 9], "big")
        at += 2 + length
    return 0


def pictures_at(bag: Bag, topics: Mapping[str, str], stamps_ns: Sequence[int], widths: Mapping[str, int]) -> Iterator[dict[str, U8]]:
    """For each time, in rising order, camera → picture nearest to it; cameras without one are missing.

    Args:
        bag: an open recording.
        topics: image topic → camera.
        stamps_ns: exposure times.
        widths: camera → width in pixels that is enough.
    """
    cameras = {camera: CameraPictures(widths[camera]) for camera in topics.values()}
    waiting = deque(stamps_ns)

    def found(stamp_ns: int) -> dict[str, U8]:
        images = {camera: pictures.nearest(stamp_ns) for camera, pictures in cameras.items()}
        return {camera: image for camera, image in images.items() if image is not None}

    for _, frame in camera_frames(bag, topics):
        while waiting and frame.stamp_ns > waiting[0] + WAIT_NS:
            yield found(waiting.popleft())
        if not waiting:
            return
        cameras[frame.camera].add(frame)
    while waiting:
        yield found(waiting.popleft())
