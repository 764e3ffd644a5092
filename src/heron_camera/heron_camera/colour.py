"""Pictures in the planes of their decoder → BGR at full size, for whoever stores or shows images; driving never needs it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_camera.picture import Picture
from heron_camera.preprocess import rgb_matrix

Image = NDArray[np.uint8]


def bgr_of(picture: Picture) -> Image:
    """(h, w, 3) uint8 B, G, R of a picture at full resolution."""
    pixels = picture.planes[0].pixels
    if picture.layout == "bgr":
        return pixels
    if picture.layout == "rgb":
        return _image(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if picture.layout == "mono":
        return _image(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_GRAY2BGR))
    if _is_plain_video(picture):  # what most cameras send, and OpenCV has a loop of its own for
        return _image(
            cv2.cvtColor(np.concatenate([plane.pixels.ravel() for plane in picture.planes]).reshape(-1, pixels.shape[1]), cv2.COLOR_YUV2BGR_I420)
        )
    size = (pixels.shape[1], pixels.shape[0])
    chroma = [np.ascontiguousarray(part) for plane in picture.planes[1:] for part in _channels(plane.pixels)]
    merged = cv2.merge([np.ascontiguousarray(pixels), *(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in chroma)])
    return _image(cv2.transform(merged, rgb_matrix(picture.full_range, picture.bt709)[::-1]))


def _is_plain_video(picture: Picture) -> bool:
    """4:2:0 in three planes of even size, video range, BT.601."""
    planes = picture.planes
    even = not any(size % 2 for size in planes[0].pixels.shape)
    return len(planes) == 3 and planes[1].step_x == planes[1].step_y == 2 and even and not (picture.full_range or picture.bt709)


def _channels(pixels: Image) -> tuple[Image, ...]:
    return (pixels,) if pixels.ndim == 2 else tuple(pixels[..., k] for k in range(pixels.shape[2]))


def _image(found: NDArray[np.generic]) -> Image:
    return found.astype(np.uint8, copy=False)
