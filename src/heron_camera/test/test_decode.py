"""Damaged JPEG and H.264 are errors, never grey pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from camera_fixtures import frame, frozen, h264_stream, jpeg, picture_of

from heron_camera.decode import VideoDecoder, decode_jpeg, jpeg_fault, jpeg_tear
from heron_camera.h264 import FrameGap, contains_keyframe
from heron_camera.picture import DecodedFrame, Picture, PictureError, raw_picture

IMAGE = picture_of("decode", 320, 192)
JPEG = jpeg(IMAGE)


def moving(count: int) -> list[np.ndarray]:
    return [frozen(np.roll(IMAGE, 6 * i, axis=1)) for i in range(count)]


def luma(picture: Picture) -> np.ndarray:
    return picture.planes[0].pixels.astype(int)


@pytest.mark.parametrize("reduce", [1, 2, 4, 8])
def test_jpeg_at_every_scale(reduce: int) -> None:
    picture = decode_jpeg(JPEG, reduce)
    picture.check_size(320, 192)
    assert picture.planes[0].pixels.shape[:2] == (192 // reduce, 320 // reduce)
    with pytest.raises(PictureError, match="the rig says"):
        picture.check_size(640, 384)


def test_grey_progressive_and_restarting_jpeg() -> None:
    grey = frozen(cv2.imencode(".jpg", IMAGE[..., 0])[1].ravel())
    assert np.abs(luma(decode_jpeg(grey))[..., 0] - IMAGE[..., 0]).mean() < 2.0
    progressive = frozen(cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].ravel())
    restarts = frozen(cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2])[1].ravel())
    for data in (progressive, restarts):
        assert np.abs(luma(decode_jpeg(data)) - luma(decode_jpeg(JPEG))).mean() < 3.0


@pytest.mark.parametrize("reduce", [1, 2])
def test_damaged_jpeg(reduce: int) -> None:
    broken = JPEG.copy()
    broken[len(broken) // 2 : len(broken) // 2 + 2] = (0xFF, 0xC1)
    header = JPEG.copy()
    header[20] = 0
    header[2:4] = 0
    middle_end = JPEG.copy()
    middle_end[len(JPEG) // 2 : len(JPEG) // 2 + 2] = (0xFF, 0xD9)
    cases = {
        "no end marker: truncated": JPEG[: len(JPEG) // 2],
        "no start marker": JPEG[1:],
        "header is damaged at byte 2": header,
        "data is damaged at byte": broken,
        f"damaged at byte {len(JPEG) // 2}": middle_end,
        "JPEG of 0 bytes has no start marker": JPEG[:0],
        "header is damaged": frozen(np.array([0xFF, 0xD8, 0xFF, 0xD9], np.uint8)),
    }
    for says, data in cases.items():
        with pytest.raises(PictureError, match=says):
            decode_jpeg(frozen(data), reduce)
        decode_jpeg(JPEG, reduce).check_size(320, 192)  # the next whole image is read as if nothing had been


def test_padding_behind_the_end_marker_is_no_tear() -> None:
    padded = frozen(np.concatenate([JPEG, np.zeros(700, np.uint8)]))
    assert jpeg_tear(padded) is None and jpeg_fault(padded) is None
    assert jpeg_tear(frozen(JPEG[:-2])) is not None


def test_restart_markers_out_of_order() -> None:
    data = cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2])[1].ravel()
    at = [i for i in range(700, len(data) - 1) if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7]
    data[at[3] + 1] = 0xD0
    assert jpeg_fault(frozen(data)) == "JPEG restart markers are out of order"


def test_h264_gives_one_picture_for_each_packet() -> None:
    pictures = moving(12)
    decoder = VideoDecoder("CAM_FRONT")
    for i, unit in enumerate(h264_stream(pictures)):
        decoded = decoder.decode(frame("CAM_FRONT", 1000 + i, unit, "h264", 2000 + i))
        assert decoded is not None and (decoded.stamp_ns, decoded.received_ns) == (1000 + i, 2000 + i)
        expected = cv2.cvtColor(pictures[i], cv2.COLOR_RGB2GRAY) * (219 / 255) + 16
        assert np.abs(luma(decoded.picture) - expected).mean() < 4.0
    assert (decoder.errors, decoder.dropped) == (0, 0)


def run(decoder: VideoDecoder, units: list[np.ndarray]) -> list[str | np.ndarray | None]:
    out: list[str | np.ndarray | None] = []
    for i, unit in enumerate(units):
        try:
            decoded = decoder.decode(frame("C", i, unit, "h264"))
            out.append(luma(decoded.picture) if isinstance(decoded, DecodedFrame) else None)
        except PictureError as error:
            out.append(str(error))
    return out


def test_h264_waits_for_a_keyframe() -> None:
    units = h264_stream(moving(14))
    decoder = VideoDecoder("C")
    results = run(decoder, units[3:])
    assert results[:7] == [None] * 7 and all(isinstance(result, np.ndarray) for result in results[7:])
    assert decoder.dropped == 7


def test_a_lost_packet_is_seen_and_nothing_guessed_until_the_next_keyframe() -> None:
    units = h264_stream(moving(20))
    whole = run(VideoDecoder("C"), units)
    decoder = VideoDecoder("C")
    results = run(decoder, units[:4] + units[5:])
    assert results[4] == "H.264 frame is missing: frame_num 5 after 3"
    assert results[5:9] == [None] * 4
    for got, expected in zip(results[9:], whole[10:], strict=True):
        assert np.array_equal(got, expected)
    assert (decoder.errors, decoder.dropped) == (1, 4)


@pytest.mark.parametrize("seed", range(8))
def test_damage_in_a_packet_never_becomes_a_picture_of_later_ones(seed: int) -> None:
    """Cut packets are always seen. (Flipped bits may decode to another legal picture; a cut one must not.)"""
    rng = np.random.default_rng(seed)
    units = h264_stream(moving(22))
    whole = run(VideoDecoder("C"), units)
    at = int(rng.integers(1, 9))
    cut = units[at][: int(len(units[at]) * rng.uniform(0.1, 0.8))]
    results = run(VideoDecoder("C"), [*units[:at], cut, *units[at + 1 :]])
    assert not isinstance(results[at], np.ndarray)
    assert results[at + 1 : 10] == [None] * (9 - at)
    for got, expected in zip(results[10:], whole[10:], strict=True):
        assert np.array_equal(got, expected)


def test_bytes_that_are_no_h264() -> None:
    assert not contains_keyframe(JPEG)
    assert VideoDecoder("C").decode(frame("C", 1, JPEG, "h264")) is None
    assert FrameGap().check(JPEG) is not None
    assert FrameGap().check(frozen(np.zeros(0, np.uint8))) == "H.264 packet without a picture"


def test_raw_layouts() -> None:
    rgb = raw_picture(frame("C", 1, IMAGE, "rgb8"))
    assert rgb.layout == "rgb"
    nv12 = raw_picture(frame("C", 1, np.zeros((288, 320), np.uint8), "nv12"))
    assert [plane.pixels.shape for plane in nv12.planes] == [(192, 320), (96, 160, 2)]
    yuyv = raw_picture(frame("C", 1, np.arange(8, dtype=np.uint8).reshape(1, 4, 2), "yuyv"))
    assert yuyv.planes[0].pixels.tolist() == [[0, 2, 4, 6]] and yuyv.planes[1].pixels.tolist() == [[[1, 3], [5, 7]]]
    for encoding, shape in {"nv12": (100, 320), "yuyv": (4, 3, 2), "rgb8": (4, 4), "mono8": (4, 4, 3), "jpeg": (100,)}.items():
        with pytest.raises(PictureError, match="is not an image"):
            raw_picture(frame("C", 1, np.zeros(shape, np.uint8), encoding))
