"""Preprocessing: geometry, encodings, buffers, digest, damaged input."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest
from camera_fixtures import demo_rig, frame, frozen, jpeg, picture_of

from heron_camera.picture import DecodedFrame, PictureError
from heron_camera.preprocess import Preprocessor
from heron_camera.views import Mode, VirtualCamera, pinhole, same_axes_view
from heron_core.camera import Lens, LensModel
from heron_core.errors import RigMismatchError
from heron_core.rig import FORWARD_OPTICAL, Rig, RigCamera
from heron_core.se3 import SE3
from heron_core.stages import Stages

RIG = demo_rig()
MODES: list[Mode] = ["quality", "fast"]


def ideal_rig(width: int, height: int, focal: float) -> Rig:
    """One camera without distortion that looks ahead."""
    lens = Lens(LensModel.PLUMB_BOB, width, height, focal, focal, (width - 1) / 2, (height - 1) / 2, (0.0,) * 5)
    return Rig("ideal", {"C": RigCamera("C", "c", lens, FORWARD_OPTICAL, "c_optical")})


def rgb_of(preprocessor: Preprocessor, image: np.ndarray, encoding: str = "rgb8") -> np.ndarray:
    prepared = preprocessor.run({"C": frame("C", 5, image, encoding)})
    assert prepared.valid == (True,), prepared.faults
    return prepared.images["images"][0].transpose(1, 2, 0).astype(int)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_pixel_centres(mode: Mode, factor: int) -> None:
    """Ramps shrink to ramps whose values say where each view pixel looked. Rounding shifts both alike, a drift would pull them apart."""
    width, height = 64 * factor, 48 * factor
    rig = ideal_rig(width, height, 50.0 * factor)
    preprocessor = Preprocessor(rig, [same_axes_view(rig.cameras["C"], 64, 48)], mode)
    errors = []
    for ramp in (np.linspace(7, 241, width), np.linspace(241, 7, width)):
        image = np.tile(np.round(ramp)[None, :, None], (height, 1, 3)).astype(np.uint8)
        out = rgb_of(preprocessor, image)[4:-4, 4:-4, 0].mean(axis=0)
        expected = np.interp((np.arange(64) + 0.5) * factor - 0.5, np.arange(width), ramp)[4:-4]
        errors.append(out - expected)
        assert np.abs(errors[-1]).max() < 1.5
    levels_per_source_pixel = 234 / (width - 1)
    assert abs((errors[0] - errors[1]).mean() / 2 / levels_per_source_pixel) < 0.05


@pytest.mark.parametrize("mode", MODES)
def test_a_turned_view_looks_where_it_says(mode: Mode) -> None:
    """A dot painted at a point in space appears in every view at the view's own projection of that point."""
    camera = RIG.cameras["CAM_FRONT"]
    target = np.array([[20.0, 6.0, 1.0]])
    image = np.zeros((1280, 1920, 3), np.uint8)
    u, v = camera.lens.project(camera.pose.inverse().apply(target))[0]
    cv2.circle(image, (round(u * 16), round(v * 16)), 14 * 16, (255, 255, 255), -1, cv2.LINE_AA, shift=4)
    for yaw in (0.0, 0.2, -0.3):
        axes = SE3.from_rpy(0.05, 0.02, yaw).compose(FORWARD_OPTICAL)
        view = pinhole("CAM_FRONT", 448, 320, 100.0, rotation_wxyz=axes.to_quaternion_wxyz())
        out = Preprocessor(RIG, [view], mode).run({"CAM_FRONT": frame("CAM_FRONT", 1, image, "bgr8")}).images["images"][0, 0].astype(float)
        rows, columns = np.mgrid[:320, :448]
        centre = np.array([(columns * out).sum(), (rows * out).sum()]) / out.sum()
        expected = view.lens.project(view.pose_in(camera).inverse().apply(target))[0]
        assert np.abs(centre - expected).max() < 0.3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("encoding", ["bgr8", "nv12", "yuyv", "jpeg", "mono8"])
def test_every_encoding_gives_the_same_picture(mode: Mode, encoding: str) -> None:
    rig = ideal_rig(640, 480, 400.0)
    rgb = cv2.GaussianBlur(picture_of("soft", 640, 480), (0, 0), 3)
    if encoding == "mono8":
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    bgr = rgb[..., ::-1].copy()
    i420 = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    u, v = i420[480:600].reshape(240, 320), i420[600:].reshape(240, 320)
    data = {
        "bgr8": bgr,
        "mono8": rgb[..., 0].copy(),
        "jpeg": jpeg(bgr, 98),
        "nv12": np.vstack([i420[:480], np.stack([u, v], axis=2).reshape(240, 640)]),
        "yuyv": np.stack([i420[:480], np.repeat(np.stack([u, v], axis=2).reshape(240, 640), 2, axis=0)], axis=2),
    }[encoding]
    preprocessor = Preprocessor(rig, [same_axes_view(rig.cameras["C"], 224, 168)], mode)
    difference = np.abs(rgb_of(preprocessor, data, encoding) - rgb_of(preprocessor, rgb))
    halved_chroma = encoding in ("nv12", "yuyv")
    assert difference.mean() < (3.0 if halved_chroma else 1.5) and np.percentile(difference, 99) < (20 if halved_chroma else 8)


def test_jpeg_is_decoded_at_the_scale_that_the_view_needs() -> None:
    rig = ideal_rig(1920, 1280, 900.0)
    small = Preprocessor(rig, [same_axes_view(rig.cameras["C"], 192, 128)], "fast")
    sampler = small._samplers[0]
    assert sampler is not None and sampler.reduce == 8
    rgb = cv2.GaussianBlur(picture_of("dct"), (0, 0), 8)
    assert np.abs(rgb_of(small, jpeg(rgb[..., ::-1].copy(), 95), "jpeg") - rgb_of(small, rgb)).mean() < 1.5


@pytest.mark.parametrize("mode", MODES)
def test_threads_and_repetition_do_not_change_a_bit(mode: Mode) -> None:
    views = [pinhole(name, 96, 64, 80.0) for name in RIG.cameras]
    frames = {name: frame(name, 1, jpeg(picture_of(name))) for name in RIG.cameras}
    one, many = Preprocessor(RIG, views, mode, threads=1), Preprocessor(RIG, views, mode, threads=3)
    expected = one.run(frames).images["images"].copy()
    for _ in range(2):
        assert np.array_equal(many.run(frames).images["images"], expected)
    many.close()


def test_images_are_read_only_and_their_buffer_rests_while_anyone_holds_a_part() -> None:
    rig = ideal_rig(64, 48, 50.0)
    preprocessor = Preprocessor(rig, [same_axes_view(rig.cameras["C"], 32, 24)])
    white, black = np.full((48, 64, 3), 255, np.uint8), np.zeros((48, 64, 3), np.uint8)

    def images(pixels: np.ndarray) -> np.ndarray:
        return preprocessor.run({"C": frame("C", 1, pixels, "rgb8")}).images["images"]

    held = images(white)[0, :, 4:20]
    for _ in range(10):
        images(black)
    assert held.min() == 255 and preprocessor.buffers == 2
    assert not held.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        images(white)[0, 0, 0, 0] = 1
    del held
    kept = [images(black) for _ in range(4)]
    assert preprocessor.buffers == 4 and len({id(image.base) for image in kept}) == 4


def test_views_are_stacked_by_input_in_the_policys_order() -> None:
    views = [
        pinhole("CAM_BACK", 64, 48, 90.0, "wide"),
        pinhole("CAM_FRONT_NARROW", 32, 32, 30.0, "narrow"),
        pinhole("CAM_FRONT", 64, 48, 90.0, "wide"),
    ]
    preprocessor = Preprocessor(RIG, views)
    colours = {"CAM_BACK": 50, "CAM_FRONT": 150, "CAM_FRONT_NARROW": 250}
    frames = {name: frame(name, value, np.full((1280, 1920, 3), value, np.uint8), "rgb8") for name, value in colours.items()}
    result = preprocessor.frame_set(preprocessor.run(frames), Stages())
    assert {name: images.shape for name, images in result.images.items()} == {"wide": (2, 3, 48, 64), "narrow": (1, 3, 32, 32)}
    assert [int(result.images["wide"][i, 0, 24, 32]) for i in (0, 1)] == [50, 150]
    assert result.cameras == ("CAM_BACK", "CAM_FRONT_NARROW", "CAM_FRONT")
    assert result.exposure_ns == (50, 250, 150) and result.stamp_ns == 50
    assert result.digest == preprocessor.digest()
    assert result.addresses["wide"] == result.images["wide"].ctypes.data


@pytest.mark.parametrize("mode", MODES)
def test_a_frame_that_cannot_be_used_leaves_its_view_black_and_says_why(mode: Mode) -> None:
    views = [pinhole(name, 64, 48, 90.0) for name in ("CAM_FRONT", "CAM_BACK")]
    preprocessor = Preprocessor(RIG, views, mode)
    whole = jpeg(picture_of("x"))
    good = {name: frame(name, 7, whole) for name in ("CAM_FRONT", "CAM_BACK")}
    bad: dict[str, np.ndarray] = {
        "truncated": whole[: len(whole) // 2],
        "image is 320x192": jpeg(picture_of("x", 320, 192)),
    }
    for says, data in bad.items():
        assert preprocessor.run(good).valid == (True, True)
        prepared = preprocessor.run({**good, "CAM_BACK": frame("CAM_BACK", 7, data)})
        assert prepared.valid == (True, False) and prepared.exposure_ns == (7, 0)
        assert says in prepared.faults["CAM_BACK"]
        assert not prepared.images["images"][1].any() and prepared.images["images"][0].any()
    with pytest.raises(PictureError, match=r"no camera of the set has a usable image: .*CAM_BACK: .*truncated"):
        preprocessor.frame_set(preprocessor.run({"CAM_BACK": frame("CAM_BACK", 7, bad["truncated"])}), Stages())


def test_a_camera_that_the_rig_lacks() -> None:
    missing = pinhole("CAM_ROOF", 64, 48, 90.0)
    with pytest.raises(RigMismatchError, match="requires CAM_ROOF, rig 'demo' has CAM_FRONT,"):
        Preprocessor(RIG, [missing])
    preprocessor = Preprocessor(RIG, [pinhole("CAM_FRONT", 64, 48, 90.0), dataclasses.replace(missing, required=False)])
    prepared = preprocessor.run({"CAM_FRONT": frame("CAM_FRONT", 1, picture_of("y"), "bgr8")})
    assert prepared.valid == (True, False) and not prepared.images["images"][1].any()
    assert preprocessor.cameras == ("CAM_FRONT",)


def test_the_digest_covers_what_decides_the_pixels_and_nothing_else() -> None:
    view = pinhole("CAM_FRONT", 64, 48, 90.0)
    camera = RIG.cameras["CAM_FRONT"]
    base = Preprocessor(RIG, [view]).digest()

    def with_camera(**change: Any) -> str:
        return Preprocessor(Rig("demo", {**RIG.cameras, "CAM_FRONT": dataclasses.replace(camera, **change)}), [view]).digest()

    same = [Preprocessor(RIG, [dataclasses.replace(view, required=False)], threads=2).digest(), with_camera(frame_id="other")]
    others = [
        Preprocessor(RIG, [view], "fast").digest(),
        Preprocessor(RIG, [dataclasses.replace(view, fx=view.fx + 1e-9)]).digest(),
        Preprocessor(RIG, [view, view]).digest(),
        with_camera(lens=dataclasses.replace(camera.lens, cx=960.0)),
        with_camera(pose=camera.pose.compose(SE3.from_rpy(0, 0, 1e-6))),
    ]
    assert set(same) == {base}
    assert len({base, *others}) == len(others) + 1


def test_a_decoded_video_frame_is_used_as_it_is() -> None:
    rig = ideal_rig(64, 48, 50.0)
    view: VirtualCamera = same_axes_view(rig.cameras["C"], 32, 24)
    from heron_camera.picture import Picture, Plane

    planes = (Plane(frozen(np.full((48, 64), 81, np.uint8))), Plane(frozen(np.full((24, 32), 90, np.uint8)), 2, 2),
              Plane(frozen(np.full((24, 32), 240, np.uint8)), 2, 2))  # fmt: skip
    out = Preprocessor(rig, [view]).run({"C": DecodedFrame("C", 9, 9, Picture("yuv", planes))}).images["images"][0, :, 12, 16]
    assert np.abs(out.astype(int) - (255, 0, 0)).max() <= 2, "BT.601 red is (81, 90, 240)"
