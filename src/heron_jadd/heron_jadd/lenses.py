"""What becomes of images: passed through as they are, or undistorted; a profile names which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_camera.calibration import flat_view
from heron_camera.colour import bgr_of
from heron_camera.decode import VideoDecoder, decode_jpeg, jpeg_tear
from heron_camera.picture import DecodedFrame, Picture, PictureError, raw_picture
from heron_core.camera import Lens
from heron_core.frames import CameraFrame
from heron_core.rig import Rig
from heron_jadd.checksum import crc32
from heron_jadd.config import JaddConfig
from heron_jadd.tokens import digest

BAND = 64  # rows of a map that are made at once
TORN, DAMAGED, BEFORE_KEYFRAME = "torn", "damaged", "before a key frame"  # why images cannot be used


@dataclass(frozen=True)
class Stored:
    """An image as it will lie on disk.

    Attributes:
        data: a JPEG.
        crc32: of it.
    """

    data: bytes | memoryview
    crc32: int


def profile_of(config: JaddConfig) -> str:
    """16 hex digits: datasets with the same share image files."""
    return digest(("undistorted", config.fov_deg, config.quality) if config.undistort else ("as recorded", config.quality))


def lenses_of(rig: Rig, config: JaddConfig, cameras: tuple[str, ...]) -> dict[str, Lens]:
    """Camera → lens of its stored images."""
    real = {name: rig.cameras[name].lens for name in cameras}
    return {name: flat_view(lens, config.fov_deg or None) for name, lens in real.items()} if config.undistort else real


Taken = CameraFrame | DecodedFrame
"""An image that may be stored: as it came, or decoded where that cannot wait (video)."""


class Developer:
    """Makes stored images of recorded ones.

    Args:
        rig: of the recording.
        config: what to make.
    """

    def __init__(self, rig: Rig, config: JaddConfig) -> None:
        self._rig, self._config = rig, config
        self._videos: dict[str, VideoDecoder] = {}

    def take(self, frame: CameraFrame) -> Taken | str:
        """The image, or why it cannot be used, as far as that costs nothing to know.

        Every image of a video must be given, in order, from before the first that is wanted: it is decoded here.
        """
        if frame.encoding == "h264":
            video = self._videos.setdefault(frame.camera, VideoDecoder(frame.camera))
            try:
                return video.decode(frame) or BEFORE_KEYFRAME
            except PictureError:
                return DAMAGED
        if frame.encoding == "jpeg" and jpeg_tear(frame.data):
            return TORN
        return frame

    def develop(self, taken: Taken) -> Stored:
        """The stored image.

        Raises:
            PictureError: damaged, or not of the lens's size.
        """
        if isinstance(taken, CameraFrame) and taken.encoding == "jpeg" and not self._config.undistort:
            recorded = taken.data.data
            return Stored(recorded, crc32(recorded))
        picture = _picture(taken)
        lens = self._rig.cameras[taken.camera].lens
        picture.check_size(lens.width, lens.height)
        image = bgr_of(picture)
        if self._config.undistort:
            image = cv2.remap(image, *rectify_maps(lens, self._config.fov_deg), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._config.quality])[1].tobytes()
        return Stored(data, crc32(data))


def _picture(taken: Taken) -> Picture:
    if isinstance(taken, DecodedFrame):
        return taken.picture
    return decode_jpeg(taken.data) if taken.encoding == "jpeg" else raw_picture(taken)


@lru_cache(maxsize=16)
def rectify_maps(lens: Lens, fov_deg: float) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """OpenCV's fixed-point maps from the stored image's pixels to the recorded one's; `fov_deg` as in `JaddConfig`."""
    view = flat_view(lens, fov_deg or None)
    fixed = np.empty((view.height, view.width, 2), np.int16)
    fraction = np.empty((view.height, view.width), np.uint16)
    rays = np.empty((BAND, view.width, 3))
    rays[..., 0], rays[..., 2] = (np.arange(view.width) - view.cx) / view.fx, 1.0
    for top in range(0, view.height, BAND):  # all rows at once would take hundreds of megabytes
        rows = min(BAND, view.height - top)
        rays[:rows, :, 1] = ((np.arange(top, top + rows) - view.cy) / view.fy)[:, None]
        where = np.nan_to_num(lens.project(rays[:rows].reshape(-1, 3)), nan=-1e4).astype(np.float32).reshape(rows, view.width, 2)
        fixed[top : top + rows], fraction[top : top + rows] = cv2.convertMaps(where, None, cv2.CV_16SC2)
    return fixed, fraction
