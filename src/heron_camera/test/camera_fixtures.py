"""Rigs, pictures and frames that the tests share."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from heron_core.arrays import read_only
from heron_core.frames import CameraFrame
from heron_core.rig import Rig, load_rig

REPOSITORY = Path(__file__).resolve().parents[3]
NAMES = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT", "CAM_FRONT_NARROW")


def demo_rig() -> Rig:
    return load_rig(REPOSITORY / "config" / "vehicle" / "demo" / "rig.yaml")


def real_data(part: str) -> Path:
    """A folder of real recordings; skips the test where there is none."""
    path = Path(os.environ.get("HERON_REAL_DATA", REPOSITORY / ".." / "shared" / "data")).resolve() / part
    if not path.exists():
        pytest.skip(f"no real recordings at {path}; set HERON_REAL_DATA")
    return path


def picture_of(name: str, width: int = 1920, height: int = 1280) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: soft texture and hard edges, seeded by `name`."""
    rng = np.random.default_rng(list(name.encode()))
    coarse = rng.uniform(0, 255, (height // 32, width // 32, 3)).astype(np.float32)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    for _ in range(40):
        corners = rng.integers(-60, 60, (4, 2)) + rng.integers(0, (width, height))
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        cv2.fillConvexPoly(image, cv2.convexHull(corners.astype(np.int32)), colour, cv2.LINE_AA)
    return image


def frozen(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return read_only(np.ascontiguousarray(array))


def jpeg(image: NDArray[np.uint8], quality: int = 92) -> NDArray[np.uint8]:
    return frozen(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].ravel())


def frame(camera: str, stamp_ns: int, data: NDArray[np.uint8], encoding: str = "jpeg", received_ns: int | None = None) -> CameraFrame:
    return CameraFrame(camera, stamp_ns, stamp_ns if received_ns is None else received_ns, encoding, frozen(data))


def h264_stream(pictures: list[NDArray[np.uint8]], keyframe_every: int = 10) -> list[NDArray[np.uint8]]:
    """Annex B access units without B frames, parameter sets before every keyframe; `pictures` are (h, w, 3) RGB."""
    height, width = pictures[0].shape[:2]
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = width, height, "yuv420p", Fraction(1, 25)  # type: ignore[attr-defined]
    codec.options = {"bf": "0", "g": str(keyframe_every), "preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0:repeat-headers=1"}
    units = []
    for i, picture in enumerate([*pictures, None]):
        image = None if picture is None else av.VideoFrame.from_ndarray(picture, "rgb24")
        if image is not None:
            image.pts = i
        units += [frozen(np.frombuffer(bytes(packet), np.uint8)) for packet in codec.encode(image)]  # type: ignore[attr-defined]
    return units
