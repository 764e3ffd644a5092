"""Video4Linux devices: frames as the camera delivers them; a device that goes is opened again until it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from heron_camera.sources.pacing import Frames, Lost
from heron_core.arrays import read_only
from heron_core.frames import CameraFrame

# (exposure in ns on the wall clock or None when the driver does not say, data in the layout of CameraFrame)
DeviceFrame = tuple[int | None, NDArray[np.uint8]]
OpenDevice = Callable[[], AbstractContextManager[Iterator[DeviceFrame]]]

_FORMATS = {"jpeg": "mjpeg", "yuyv": "yuyv422", "nv12": "nv12"}


def device_frames(camera: str, encoding: str, open_device: OpenDevice, now_ns: Callable[[], int], lost: Lost, retry_s: float, stop: Event) -> Frames:
    """Frames of a device as they come, until `stop`.

    Args:
        camera: name in the rig.
        encoding: jpeg, yuyv or nv12.
        open_device: opens it; raises OSError (or a child, as FFmpeg's errors are) when it is not there. Iteration ends or raises when it goes.
        now_ns: the one clock.
        lost: told each time that the device cannot be opened or goes.
        retry_s: pause before it is opened again.
        stop: ends the iterator.
    """
    while not stop.is_set():
        try:
            with open_device() as frames:
                for exposure_ns, data in frames:
                    received_ns = now_ns()
                    yield None, CameraFrame(camera, exposure_ns or received_ns, received_ns, encoding, read_only(data))
                    if stop.is_set():
                        return
            lost(camera, "the device stopped sending")
        except (OSError, ValueError) as error:
            lost(camera, str(error))
        stop.wait(retry_s)


def v4l2_device(path: str, encoding: str, width: int, height: int, rate_hz: float) -> OpenDevice:
    """Opens /dev/videoN through FFmpeg; frames are the driver's bytes, stamped by the driver."""
    options = {"input_format": _FORMATS[encoding], "video_size": f"{width}x{height}", "timestamps": "abs"}
    if rate_hz:
        options["framerate"] = f"{rate_hz:g}"

    @contextmanager
    def opened() -> Iterator[Iterator[DeviceFrame]]:
        with av.open(path, format="v4l2", options=options) as container:
            stream = container.streams.video[0]
            size = (stream.codec_context.width, stream.codec_context.height)
            if size != (width, height):
                raise ValueError(f"{path} sends {size[0]}x{size[1]}, the rig says {width}x{height}")
            yield (_frame(packet, encoding, width, height) for packet in container.demux(stream) if packet.size)

    return opened


def _frame(packet: Any, encoding: str, width: int, height: int) -> DeviceFrame:
    exposure_ns = None if packet.pts is None else round(packet.pts * float(packet.time_base) * 1e9)
    return exposure_ns, shaped(np.frombuffer(bytes(packet), np.uint8), encoding, width, height)


def shaped(data: NDArray[np.uint8], encoding: str, width: int, height: int) -> NDArray[np.uint8]:
    """A driver's buffer in the layout of `CameraFrame`.

    Raises:
        ValueError: it is too short for its size.
    """
    if encoding == "jpeg":
        return data
    shape = (height, width, 2) if encoding == "yuyv" else (height * 3 // 2, width)
    size = int(np.prod(shape))
    if len(data) < size:
        raise ValueError(f"{encoding} frame of {len(data)} bytes, {width}x{height} needs {size}")
    return data[:size].reshape(shape)
