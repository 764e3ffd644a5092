"""The plan on the picture: a ribbon on the ground, seen through the camera's own lens."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.rig import RigCamera
from heron_core.trajectory import STEP_S

STATION_M = 0.2  # the ribbon is cut this fine, so that it bends with the lens
ACROSS = 7  # points across it
NEAR_M = 0.2  # nearer to the lens nothing is drawn
REACH_M = 500.0  # of way; farther along the plan nothing is drawn
SHIFT = 4  # fractional bits of cv2's drawing coordinates
NEAR_BGR, FAR_BGR = np.array([90.0, 230.0, 60.0]), np.array([255.0, 170.0, 40.0])

F64 = NDArray[np.float64]


def stations(points: NDArray[np.float32], spacing_m: float = STATION_M) -> tuple[F64, F64]:
    """A plan cut fine.

    Args:
        points: (N, 4) x, y, yaw, speed in base_link at the plan's stamp, as in `Trajectory`.
        spacing_m: largest distance between stations.

    Returns:
        (n, 3) x, y, yaw from the car's own place on, and (n,) seconds after the stamp. One station where the plan stands still; what a plan
        says beyond `REACH_M` of way is left out.
    """
    poses = np.vstack([np.zeros((1, 3)), points[:, :3].astype(np.float64)])
    poses[:, 2] = np.unwrap(poses[:, 2])
    times = STEP_S * np.arange(len(poses))
    steps = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    moving = np.concatenate([[True], steps > 1e-6])
    kept = max(int(np.searchsorted(along, REACH_M)), 1)  # a bad policy's plan may go anywhere
    poses, times, along, moving = poses[:kept], times[:kept], along[:kept], moving[:kept]
    fine = np.linspace(0.0, along[-1], 1 + int(np.ceil(along[-1] / spacing_m)))
    columns = [np.interp(fine, along[moving], column[moving]) for column in (*poses.T, times)]
    return np.stack(columns[:3], axis=1), columns[3]


def ribbon(path: F64, half_width_m: float) -> F64:
    """(n, ACROSS, 3) points on the ground, from the left edge to the right, for (n, 3) stations x, y, yaw."""
    side = np.linspace(half_width_m, -half_width_m, ACROSS)
    x = path[:, :1] - side * np.sin(path[:, 2:])
    y = path[:, 1:2] + side * np.cos(path[:, 2:])
    return np.stack([x, y, np.zeros_like(x)], axis=2)


def project(camera: RigCamera, points: F64, scale: float) -> F64:
    """(…, 2) pixels at `scale` times the camera's resolution of (…, 3) points in base_link.

    NaN where nothing may be drawn: beyond the lens's field (behind a pinhole camera above all), nearer than `NEAR_M`, or farther outside
    the image than its own size, where the lens model means little.
    """
    optical = camera.pose.inverse().apply(points.reshape(-1, 3))
    pixels = camera.lens.project(optical)
    size = np.array([camera.lens.width, camera.lens.height], np.float64)
    with np.errstate(invalid="ignore"):
        wild = ~((pixels > -size) & (pixels < 2 * size)).all(axis=1)
    pixels[wild | (np.linalg.norm(optical, axis=1) < NEAR_M)] = np.nan
    return ((pixels + 0.5) * scale - 0.5).reshape(*points.shape[:-1], 2)


def runs(visible: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each unbroken stretch of two or more True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], visible, [False]]).astype(np.int8)))
    return [(int(first), int(end) - 1) for first, end in zip(edges[::2], edges[1::2], strict=True) if end - first >= 2]


def draw_plan(image: NDArray[np.uint8], camera: RigCamera, points: NDArray[np.float32], half_width_m: float) -> None:
    """Draws the ribbon of a plan ((N, 4), see `stations`) into the camera's picture (h, w, 3) BGR, of any resolution, in place."""
    path, times = stations(points)
    pixels = project(camera, ribbon(path, half_width_m), image.shape[1] / camera.lens.width)
    height, width = image.shape[:2]
    visible = np.isfinite(pixels).all(axis=(1, 2))
    veil = image.copy()
    drawn = []
    for first, last in runs(visible):
        stretch = pixels[first : last + 1]
        if (stretch.reshape(-1, 2).max(axis=0) < 0).any() or (stretch.reshape(-1, 2).min(axis=0) > (width, height)).any():
            continue
        drawn.append((first, last))
        for start in range(first, last, 4):
            end = min(start + 4, last)
            part = pixels[start : end + 1]
            outline = np.concatenate([part[:, 0], part[-1], part[::-1, -1], part[0, ::-1]])
            cv2.fillPoly(veil, [_fixed(outline)], _colour(times[start]), cv2.LINE_8, SHIFT)
    if not drawn:
        return
    cv2.addWeighted(veil, 0.42, image, 0.58, 0, dst=image)
    thick = max(1, round(width / 400))
    for first, last in drawn:
        for edge in (0, -1):
            for start in range(first, last, 4):
                line = pixels[start : min(start + 4, last) + 1, edge]
                cv2.polylines(image, [_fixed(line)], False, _colour(times[start]), thick, cv2.LINE_AA, SHIFT)
        for second in range(1, int(times[-1] + 1e-6) + 1):
            index = int(np.searchsorted(times, second - 1e-6))
            if first <= index <= last:
                cv2.polylines(image, [_fixed(pixels[index])], False, (255, 255, 255), thick, cv2.LINE_AA, SHIFT)


def _fixed(pixels: F64) -> NDArray[np.int32]:
    fixed: NDArray[np.int32] = np.round(pixels * (1 << SHIFT)).astype(np.int32)
    return fixed


def _colour(time_s: float) -> tuple[float, float, float]:
    blue, green, red = (NEAR_BGR + min(1.0, time_s / 4.0) * (FAR_BGR - NEAR_BGR)).tolist()
    return blue, green, red
