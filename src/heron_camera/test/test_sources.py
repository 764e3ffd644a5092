"""Sources: video files, image folders, and a device that goes and returns (a fake one: there is no camera here)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import cv2
import numpy as np
import pytest
from camera_fixtures import jpeg, picture_of, real_data

from heron_camera.decode import VideoDecoder
from heron_camera.sources.device import DeviceFrame, device_frames, shaped, v4l2_device
from heron_camera.sources.folder import folder_frames, time_of_name
from heron_camera.sources.pacing import at_exposure
from heron_camera.sources.video import video_frames
from heron_core.errors import InputError

MS = 1_000_000


def never(camera: str, reason: str) -> None:
    raise AssertionError(f"{camera}: {reason}")


def write_video(path: Path, codec: str, b_frames: int = 0, count: int = 12) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(20))
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuvj420p" if codec == "mjpeg" else "yuv420p"  # type: ignore[union-attr]
        if codec == "libx264":
            stream.options = {"bf": str(b_frames), "g": "5"}
        for i in range(count):
            image = np.roll(picture_of("video", 160, 96), 3 * i, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))  # type: ignore[union-attr]
        container.mux(stream.encode(None))  # type: ignore[union-attr]
    return path


@pytest.mark.parametrize(("codec", "b_frames", "encoding"), [("libx264", 0, "h264"), ("libx264", 2, "nv12"), ("mjpeg", 0, "jpeg")])
def test_video_files_come_at_their_own_times(tmp_path: Path, codec: str, b_frames: int, encoding: str) -> None:
    path = write_video(tmp_path / "v.mkv", codec, b_frames)
    frames = list(video_frames("CAM_FRONT", path, 1000 * MS))
    assert [frame.stamp_ns for _, frame in frames] == [(1000 + 50 * i) * MS for i in range(12)]
    assert [due for due, _ in frames] == [frame.stamp_ns for _, frame in frames]
    assert {frame.encoding for _, frame in frames} == {encoding}
    if encoding == "h264":
        decoder = VideoDecoder("CAM_FRONT")
        assert all(decoder.decode(frame) is not None for _, frame in frames)
    assert all(due is None for due, _ in video_frames("CAM_FRONT", path, 0, realtime=False))


def test_a_video_that_loops_goes_on_in_time(tmp_path: Path) -> None:
    frames = video_frames("C", write_video(tmp_path / "v.mkv", "mjpeg", count=3), 0, loop=True)
    assert [next(frames)[0] for _ in range(8)] == [50 * i * MS for i in range(8)]


def test_the_real_video() -> None:
    frames = [frame for _, frame in video_frames("CAM_FRONT", real_data("front_video") / "solidWhiteRight.mp4", 0)]
    assert len(frames) == 221
    assert frames[-1].stamp_ns == 220 * 40 * MS


def test_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"nothing")
    for name in ("x.mp4", "none.mp4"):
        with pytest.raises(InputError, match=name):
            next(video_frames("C", tmp_path / name, 0))


def test_folders(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "c.JPG"):
        cv2.imwrite(str(tmp_path / name), picture_of("f", 64, 32))
    (tmp_path / "readme.txt").write_text("")
    frames = list(folder_frames("C", tmp_path, 7, 10.0, never))
    assert [(due, frame.encoding) for due, frame in frames] == [(7, "jpeg"), (7 + 100 * MS, "bgr8"), (7 + 200 * MS, "jpeg")]
    (tmp_path / "b.png").write_bytes(b"broken")
    told: list[str] = []
    assert len(list(folder_frames("C", tmp_path, 7, 10.0, lambda camera, reason: told.append(reason)))) == 2
    assert len(told) == 1 and "b.png: not an image" in told[0]
    with pytest.raises(InputError, match="no times and rate_hz is 0"):
        next(folder_frames("C", tmp_path, 7, 0.0, never))
    with pytest.raises(InputError, match="no such folder"):
        next(folder_frames("C", tmp_path / "none", 7, 1.0, never))


def test_times_in_file_names(tmp_path: Path) -> None:
    assert time_of_name(Path("1700000000123.jpg")) == 1_700_000_000_123 * MS
    assert time_of_name(Path("1700000000123456.jpg")) == 1_700_000_000_123_456_000
    assert time_of_name(Path("000123.jpg")) is None
    for ms in (0, 33, 71):
        (tmp_path / f"{1_700_000_000_000 + ms}.jpg").write_bytes(jpeg(picture_of("t", 32, 32)).tobytes())
    frames = folder_frames("C", tmp_path, 0, 0.0, never, loop=True)
    assert [next(frames)[1].stamp_ns // MS for _ in range(4)] == [0, 33, 71, 109]


def test_a_device_that_goes_and_returns() -> None:
    told: list[str] = []
    stop, clock, opened = Event(), iter(range(1000, 9000)), 0

    @contextmanager
    def device() -> Iterator[Iterator[DeviceFrame]]:
        nonlocal opened
        opened += 1
        if opened == 2:
            raise OSError(19, "No such device")

        def frames() -> Iterator[DeviceFrame]:
            for i in range(3):
                yield (None if i == 0 else 500 + i), np.zeros(4, np.uint8)
            if opened == 1:
                raise OSError(5, "Input/output error")

        yield frames()

    frames = device_frames("C", "jpeg", device, lambda: next(clock), lambda camera, reason: told.append(reason), 0.001, stop)
    got = [next(frames)[1] for _ in range(7)]
    stop.set()
    assert list(frames) == []
    assert [frame.stamp_ns for frame in got[:3]] == [1000, 501, 502] and got[1].received_ns == 1001
    assert told == ["[Errno 5] Input/output error", "[Errno 19] No such device", "the device stopped sending"]


def test_a_device_that_is_not_there() -> None:
    told: list[str] = []
    stop = Event()

    def lost(camera: str, reason: str) -> None:
        told.append(reason)
        stop.set()

    assert list(device_frames("C", "jpeg", v4l2_device("/dev/video99", "jpeg", 640, 480, 30.0), lambda: 1, lost, 0.001, stop)) == []
    assert len(told) == 1 and told[0]


def test_driver_buffers() -> None:
    assert shaped(np.zeros(4 * 6 * 2 + 5, np.uint8), "yuyv", 6, 4).shape == (4, 6, 2)
    assert shaped(np.zeros(4 * 6 * 3 // 2, np.uint8), "nv12", 6, 4).shape == (6, 6)
    with pytest.raises(ValueError, match="nv12 frame of 3 bytes, 6x4 needs 36"):
        shaped(np.zeros(3, np.uint8), "nv12", 6, 4)


def test_exposure_offset(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(picture_of("t", 32, 32)).tobytes())
    ((due, frame),) = at_exposure(folder_frames("C", tmp_path, 100, 1.0, never), -30)
    assert (due, frame.stamp_ns) == (100, 70)
