"""How much preprocessing costs, against `cv2.undistort` and a resize: seven 1920x1280 images to 448x448, one thread, ratios in one run.

Image quality is measured against the truth: a scene painted at eight times the target's resolution, seen through each lens to make the camera's
image, and area-averaged to make the picture that preprocessing should give.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_camera.preprocess import Preprocessor, limit_opencv_threads
from heron_camera.views import Mode, same_axes_view
from heron_core.arrays import read_only
from heron_core.camera import LensModel
from heron_core.frames import CameraFrame
from heron_core.rig import Rig, RigCamera, load_rig

TARGET = 448
SUPERSAMPLING = 8
ROUNDS = 7
Image = NDArray[np.uint8]


def run(rig: Rig | None = None, rounds: int = ROUNDS, target: int = TARGET) -> dict[str, float]:
    """Measures and returns the figures of `preprocess.*` in bench.json.

    Args:
        rig: cameras; the demonstration car's by default (found above this file in a clone).
        rounds: interleaved repetitions; the median of each counts.
        target: width and height in pixels of the pictures.

    Returns:
        quality_speedup, fast_speedup: CPU time of undistort + INTER_AREA over ours. quality_psnr_delta_db, fast_psnr_delta_db: our PSNR minus that
        of undistort + INTER_AREA, mean of all cameras. undistort_ms, quality_ms, fast_ms: per set of all cameras. undistort_psnr_db.
    """
    limit_opencv_threads()
    rig = rig or load_rig(demonstration_rig())
    scene = paint_scene(0, target * SUPERSAMPLING)
    truth = cv2.resize(scene, (target, target), interpolation=cv2.INTER_AREA)
    images = {camera.name: seen_by(camera, scene, target) for camera in rig.cameras.values()}
    frames = {name: CameraFrame(name, 1, 1, "rgb8", read_only(image)) for name, image in images.items()}
    views = [same_axes_view(camera, target, target) for camera in rig.cameras.values()]
    modes: tuple[Mode, ...] = ("quality", "fast")
    ours = {mode: Preprocessor(rig, views, mode) for mode in modes}

    def ours_of(mode: Mode) -> dict[str, Image]:
        stacked = ours[mode].run(frames).images["images"]
        return {view.camera: stacked[i].transpose(1, 2, 0) for i, view in enumerate(views)}

    ways: dict[str, Callable[[], Mapping[str, Image]]] = {
        "undistort": lambda: {name: undistort_and_shrink(rig.cameras[name], image, target) for name, image in images.items()},
        "quality": lambda: ours_of("quality"),
        "fast": lambda: ours_of("fast"),
    }
    psnr = {way: float(np.mean([psnr_db(picture, truth) for picture in made.values()])) for way, made in ((w, f()) for w, f in ways.items())}
    cost = interleaved_cpu_ms(ways, rounds)
    return {
        "quality_speedup": cost["undistort"] / cost["quality"],
        "quality_psnr_delta_db": psnr["quality"] - psnr["undistort"],
        "fast_speedup": cost["undistort"] / cost["fast"],
        "fast_psnr_delta_db": psnr["fast"] - psnr["undistort"],
        "undistort_psnr_db": psnr["undistort"],
        **{f"{way}_ms": value for way, value in cost.items()},
    }


def demonstration_rig() -> Path:
    """rig.yaml of the demonstration car in the clone that holds this file.

    Raises:
        FileNotFoundError: this file does not lie in a clone.
    """
    for folder in Path(__file__).resolve().parents:
        path = folder / "config" / "vehicle" / "demo" / "rig.yaml"
        if path.is_file():
            return path
    raise FileNotFoundError("config/vehicle/demo/rig.yaml is not above heron_camera; give run() a rig")


def interleaved_cpu_ms(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of this thread for each way, taken in turns so that a noisy host disturbs all alike."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.thread_time()
            way()
            taken[name].append((time.thread_time() - start) * 1e3)
    return {name: median(values) for name, values in taken.items()}


def undistort_and_shrink(camera: RigCamera, image: Image, target: int) -> Image:
    """The plain way: undistort at full resolution, then area-average."""
    lens, d = camera.lens, np.array(camera.lens.distortion)
    flat = cv2.fisheye.undistortImage(image, lens.k, d, Knew=lens.k) if lens.model is LensModel.EQUIDISTANT else cv2.undistort(image, lens.k, d)
    small: Image = cv2.resize(flat, (target, target), interpolation=cv2.INTER_AREA)
    return small


def paint_scene(seed: int, size: int) -> Image:
    """(size, size, 3) uint8: texture at all scales under hard-edged shapes and lines."""
    rng = np.random.default_rng(seed)
    scene = np.full((size, size, 3), 128.0, np.float32)
    for octave in (3, 5, 7, 9, 11):
        noise = rng.normal(size=(2**octave, 2**octave, 3)).astype(np.float32)
        scene += cv2.resize(noise, (size, size), interpolation=cv2.INTER_LINEAR) * np.float32(36 * 0.75 ** (octave - 3))
    painted: Image = np.clip(scene, 0, 255).astype(np.uint8)
    for _ in range(400):
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        corners = (rng.integers(0, size, 2) + rng.integers(-size // 30, size // 30, (5, 2))).astype(np.int32)
        if rng.random() < 0.4:
            end = 3 * corners[1] - 2 * corners[0]
            thickness = int(rng.integers(size // 900 + 1, size // 150 + 2))
            cv2.line(painted, corners[0].tolist(), end.tolist(), colour, thickness, cv2.LINE_AA)
        else:
            cv2.fillConvexPoly(painted, cv2.convexHull(corners), colour, cv2.LINE_AA)
    return painted


def seen_by(camera: RigCamera, scene: Image, target: int) -> Image:
    """What the camera's sensor records of `scene`: two by two rays through the lens averaged in each pixel."""
    lens, picture = camera.lens, same_axes_view(camera, target, target).lens.scaled(SUPERSAMPLING)
    # The way through both lenses is smooth: exact at nodes four pixels apart, linear between them.
    columns, rows = lens.width // 4 + 1, lens.height // 4 + 1
    u, v = np.meshgrid(np.linspace(-0.5, lens.width - 0.5, columns), np.linspace(-0.5, lens.height - 0.5, rows))
    nodes = picture.project(lens.unproject(np.stack([u.ravel(), v.ravel()], axis=1))).reshape(rows, columns, 2)
    nodes = np.nan_to_num(nodes, nan=-1e4).clip(-1e4, 2e4).astype(np.float32)
    x = ((np.arange(2 * lens.width) + 0.5) / (2 * lens.width) * (columns - 1)).astype(np.float32)
    y = ((np.arange(2 * lens.height) + 0.5) / (2 * lens.height) * (rows - 1)).astype(np.float32)
    where = cv2.remap(nodes, np.tile(x, (len(y), 1)), np.tile(y[:, None], (1, len(x))), cv2.INTER_LINEAR)
    fine = cv2.remap(scene, where, None, cv2.INTER_LINEAR)
    recorded: Image = cv2.resize(fine, (lens.width, lens.height), interpolation=cv2.INTER_AREA)
    return recorded


def psnr_db(image: Image, truth: Image) -> float:
    """Peak signal-to-noise ratio of 8-bit images."""
    error = float(np.mean((image.astype(np.float64) - truth) ** 2))
    return float(10 * np.log10(255.0**2 / error))
