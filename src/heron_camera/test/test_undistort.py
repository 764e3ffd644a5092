"""Undistorting images: real chessboards and fisheyes, drawn boards, and calibrations that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from camera_fixtures import REPOSITORY, real_data

from heron_camera.calibration import flat_view, load_lens
from heron_camera.straightness import bend, find_board
from heron_camera.undistort import undistort_files, undistort_image
from heron_core.camera import Lens, LensModel
from heron_core.errors import HeronError, InputError

LENS = Lens(LensModel.EQUIDISTANT, 640, 480, 300.0, 300.0, 322.0, 238.0, (0.02, -0.01, 0.003, -0.0008))


def board_through(lens: Lens) -> np.ndarray:
    """A picture of a 9x6 chessboard taken through `lens`."""
    squares = np.kron(np.indices((7, 10)).sum(axis=0) % 2, np.ones((60, 60))) * 200 + 30
    paper = np.pad(squares, 60, constant_values=230).astype(np.uint8)
    u, v = np.meshgrid(np.arange(lens.width), np.arange(lens.height))
    rays = lens.unproject(np.stack([u.ravel(), v.ravel()], axis=1))
    plane = rays[:, :2] / np.maximum(rays[:, 2:], 1e-3)
    pixels = (plane * 330 + (paper.shape[1] / 2, paper.shape[0] / 2)).reshape(lens.height, lens.width, 2).astype(np.float32)
    return cv2.cvtColor(cv2.GaussianBlur(cv2.remap(paper, pixels, None, cv2.INTER_LINEAR, borderValue=230), (0, 0), 0.8), cv2.COLOR_GRAY2BGR)


def opencv_yml(path: Path, lens: Lens, d: tuple[float, ...] | None = None) -> Path:
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("camera_matrix", lens.k)
    storage.write("dist_coeffs", np.array(lens.distortion if d is None else d))
    storage.release()
    return path


def test_a_drawn_board_becomes_straight(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "board.png"), board_through(LENS))
    (tmp_path / "notes.txt").write_text("no image")
    report = undistort_files([tmp_path], opencv_yml(tmp_path / "k.yml", LENS), None, 100.0, tmp_path / "out")
    assert report["boards"] == 1 and report["straighter"] > 20
    assert json.loads((tmp_path / "out" / "report.json").read_text())["straighter"] == report["straighter"]
    assert cv2.imread(str(tmp_path / "out" / "board.png")).shape == (480, 1280, 3)


def test_real_chessboards_bend_five_times_less(tmp_path: Path) -> None:
    boards = real_data("chessboards")
    report = undistort_files([boards], boards / "left_intrinsics.yml", None, None, tmp_path)
    assert report["boards"] == 13
    assert report["straighter"] >= 5.0
    worst = {when: max(entry[when]["max_px"] for entry in report["images"].values()) for when in ("before", "after")}
    assert worst["before"] > 5 * worst["after"]


def test_a_straight_edge_seen_by_a_real_fisheye_becomes_straight() -> None:
    """The edge between the white sheet and the dark squares on the ground, a wide arc in the raw picture."""
    folder = real_data("fisheye_surround")
    grey = cv2.imread(str(folder / "images" / "front.png"), cv2.IMREAD_GRAYSCALE).astype(int)
    lens = load_lens(folder / "yaml" / "front.yaml", None, (960, 640))
    edge = []
    for column in (*range(280, 325, 5), *range(405, 525, 5), *range(645, 705, 5)):
        below = grey[440:560, column]
        edge.append((column, 441.5 + int(np.flatnonzero((below[:-3] > 140) & (below[3:] < 110))[0])))
    bent = np.array(edge, dtype=np.float64)
    straight = flat_view(lens, None).project(lens.unproject(bent))
    assert bend([bent]).rms_ratio > 5 * bend([straight]).rms_ratio


def test_a_rig_serves_as_calibration() -> None:
    rig = REPOSITORY / "config" / "vehicle" / "demo" / "rig.yaml"
    assert load_lens(rig, "CAM_BACK", (1, 1)).model is LensModel.EQUIDISTANT
    with pytest.raises(InputError, match="choose with --camera one of CAM_FRONT"):
        load_lens(rig, None, (1, 1))
    with pytest.raises(InputError, match="it has no CAM_ROOF"):
        load_lens(rig, "CAM_ROOF", (1, 1))


def test_undistortion_is_that_of_opencv() -> None:
    lens = Lens(LensModel.PLUMB_BOB, 640, 480, 500.0, 500.0, 320.0, 240.0, (-0.27, 0.05, 1e-3, -1e-3, 0.0))
    image = board_through(lens)
    expected = cv2.undistort(image, lens.k, np.array(lens.distortion))
    assert cv2.PSNR(undistort_image(image, lens, flat_view(lens, None)), expected) > 35
    assert find_board(np.zeros((48, 64, 3), np.uint8)) is None


def test_impossible_calibrations_and_inputs(tmp_path: Path) -> None:
    image = tmp_path / "board.png"
    cv2.imwrite(str(image), board_through(LENS))
    good = opencv_yml(tmp_path / "good.yml", LENS)
    cases: list[tuple[str, list[Path], Path, float | None]] = [
        ("3 distortion coefficients; known are 4", [image], opencv_yml(tmp_path / "3.yml", LENS, (0.1, 0.1, 0.1)), None),
        ("turns back on itself", [image], opencv_yml(tmp_path / "fold.yml", LENS, (-3.0, 0.0, 0.0, 0.0, 0.0)), None),
        ("finite", [image], opencv_yml(tmp_path / "nan.yml", LENS, (float("nan"), 0.0, 0.0, 0.0)), None),
        ("no such calibration file", [image], tmp_path / "none.yml", None),
        ("no such file or folder", [tmp_path / "none.png"], good, None),
        ("not an image", [good], good, None),
        ("--fov 180: a flat picture can span 1 to 170", [image], good, 180.0),
    ]
    for says, inputs, calibration, fov in cases:
        with pytest.raises(HeronError, match=says):
            undistort_files(inputs, calibration, None, fov, tmp_path / "out")
    broken = tmp_path / "broken.yml"
    broken.write_text("%YAML:1.0\n---\ncamera_matrix: 3\nimage_width: 640\n")
    with pytest.raises(InputError, match="needs a 3x3 camera_matrix"):
        load_lens(broken, None, (640, 480))
    broken.write_text("hello: 1\n")
    with pytest.raises(InputError, match="neither an OpenCV calibration"):
        load_lens(broken, None, (640, 480))
    with pytest.raises(InputError, match="no images in it"):
        (tmp_path / "empty").mkdir()
        undistort_files([tmp_path / "empty"], good, None, None, tmp_path / "out")
