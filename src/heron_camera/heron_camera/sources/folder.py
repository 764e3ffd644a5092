"""Folders of images, in the order of their names."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from heron_camera.sources.pacing import Frames, Lost
from heron_core.arrays import read_only
from heron_core.errors import InputError
from heron_core.frames import CameraFrame

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
# Names made of digits only are times since 1970, in the unit that their length tells.
_UNIT_NS = {13: 1_000_000, 16: 1_000, 19: 1}


def image_files(folder: Path) -> list[Path]:
    """Image files in `folder`, sorted by name.

    Raises:
        InputError: no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{folder}: no images in it (looked for {', '.join(SUFFIXES)})")
    return files


def time_of_name(path: Path) -> int | None:
    """Nanoseconds since 1970 when the name is a time in ms, µs or ns (13, 16 or 19 digits), else None."""
    unit = _UNIT_NS.get(len(path.stem)) if path.stem.isdecimal() else None
    return None if unit is None else int(path.stem) * unit


def folder_frames(camera: str, folder: Path, start_ns: int, rate_hz: float, lost: Lost, realtime: bool = True, loop: bool = False) -> Frames:
    """Frames of a folder; the first is exposed at `start_ns`.

    The spacing is that of the times in the file names when all have one, else `rate_hz`. JPEG files pass through undecoded, other images as bgr8;
    a file that is no image is passed over and told to `lost`.

    Raises:
        InputError: no such folder, no images in it, or neither times in the names nor a rate.
    """
    files = image_files(folder)
    times = [time_of_name(path) for path in files]
    named = [time for time in times if time is not None]
    if len(named) == len(files):
        offsets = [time - named[0] for time in named]
    elif rate_hz > 0:
        offsets = [round(i * 1e9 / rate_hz) for i in range(len(files))]
    else:
        raise InputError(f"{folder}: file names hold no times and rate_hz is 0")
    period_ns = offsets[-1] - offsets[-2] if len(offsets) > 1 else round(1e9 / (rate_hz or 1.0))
    while True:
        for path, offset_ns in zip(files, offsets, strict=True):
            stamp_ns = start_ns + offset_ns
            frame = _read(camera, path, stamp_ns)
            if frame is None:
                lost(camera, f"{path}: not an image")
            else:
                yield (stamp_ns if realtime else None), frame
        if not loop:
            return
        start_ns += offsets[-1] + period_ns


def _read(camera: str, path: Path, stamp_ns: int) -> CameraFrame | None:
    data = np.fromfile(path, np.uint8)
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return CameraFrame(camera, stamp_ns, stamp_ns, "jpeg", read_only(data))
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    return None if image is None else CameraFrame(camera, stamp_ns, stamp_ns, "bgr8", read_only(image))
