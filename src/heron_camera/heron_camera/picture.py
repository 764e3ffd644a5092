"""Decoded pictures, kept in the planes that their decoder gives: most are shrunk long before anyone needs RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from heron_core.errors import InputError
from heron_core.frames import CameraFrame

Layout = Literal["rgb", "bgr", "mono", "yuv"]


class PictureError(InputError):
    """An image cannot be decoded, or only in part; the text says why."""


@dataclass(frozen=True)
class Plane:
    """One plane of a picture.

    Attributes:
        pixels: (h, w) or (h, w, channels) uint8.
        step_x, step_y: how many pixels of the camera's full image one pixel covers (2 for the chroma of 4:2:0, or at half resolution).
    """

    pixels: NDArray[np.uint8]
    step_x: int = 1
    step_y: int = 1


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        layout: rgb, bgr, mono: one plane; yuv: luma plane, then one plane of (u, v) pairs or one plane each.
        planes: see `layout`.
        full_range: yuv only: luma spans 0..255 (JPEG) instead of 16..235 (video).
        bt709: yuv only: colour matrix of HD video instead of BT.601.
    """

    layout: Layout
    planes: tuple[Plane, ...]
    full_range: bool = False
    bt709: bool = False

    def check_size(self, width: int, height: int) -> None:
        """PictureError unless this is a picture of a `width` x `height` camera."""
        plane = self.planes[0]
        found = (plane.pixels.shape[1], plane.pixels.shape[0])
        if found != (-(-width // plane.step_x), -(-height // plane.step_y)):
            raise PictureError(f"image is {found[0] * plane.step_x}x{found[1] * plane.step_y}, the rig says {width}x{height}")


@dataclass(frozen=True)
class DecodedFrame:
    """A picture of a camera whose stream had to be decoded as a whole (H.264); fields as in `CameraFrame`."""

    camera: str
    stamp_ns: int
    received_ns: int
    picture: Picture


def raw_picture(frame: CameraFrame) -> Picture:
    """The planes of a frame that is not encoded, without copying pixels where the layout allows.

    Raises:
        PictureError: the array does not have the shape of its encoding, or the encoding is a compressed one.
    """
    data: NDArray[Any] = frame.data
    kind = frame.encoding
    if kind in ("rgb8", "bgr8") and data.ndim == 3 and data.shape[2] == 3:
        return Picture("rgb" if kind == "rgb8" else "bgr", (Plane(data),))
    if kind == "mono8" and data.ndim == 2:
        return Picture("mono", (Plane(data),))
    if kind == "nv12" and data.ndim == 2 and data.shape[0] % 3 == 0 and data.shape[1] % 2 == 0:
        height = data.shape[0] * 2 // 3
        chroma = data[height:].reshape(height // 2, data.shape[1] // 2, 2)
        return Picture("yuv", (Plane(data[:height]), Plane(chroma, 2, 2)))
    if kind == "yuyv" and data.ndim == 3 and data.shape[2] == 2 and data.shape[1] % 2 == 0:
        quads = data.reshape(data.shape[0], data.shape[1] // 2, 4)
        return Picture("yuv", (Plane(np.ascontiguousarray(data[..., 0])), Plane(np.ascontiguousarray(quads[..., 1::2]), 2, 1)))
    raise PictureError(f"{kind} data of shape {data.shape} is not an image")
