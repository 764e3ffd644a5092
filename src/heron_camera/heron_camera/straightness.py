"""How straight the lines of a chessboard are in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.camera import Lens

Image = NDArray[np.uint8]
Corners = NDArray[np.float64]  # (rows, columns, 2) pixels
# Inner corners (columns, rows) of common boards; the first that is found counts.
BOARDS = ((9, 6), (8, 6), (7, 6), (11, 8), (10, 7), (8, 5), (7, 5), (9, 7), (6, 4), (5, 4))


@dataclass(frozen=True)
class Bend:
    """How far the corners of straight lines lie from straight lines fitted to them.

    Attributes:
        rms_px: root mean square over all corners.
        max_px: the largest.
        rms_ratio, max_ratio: the same over the length of the line that the corner belongs to, so that pictures of other scale compare.
    """

    rms_px: float
    max_px: float
    rms_ratio: float
    max_ratio: float


def find_board(image: Image, boards: Sequence[tuple[int, int]] = BOARDS) -> Corners | None:
    """Inner corners of a chessboard in a BGR or grey image, to a fraction of a pixel; None when there is no board."""
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    for columns, rows in boards:
        found, corners = cv2.findChessboardCorners(grey, (columns, rows), flags=flags)
        if found:
            criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 60, 1e-4)
            grid = corners.reshape(rows, columns, 2)
            square_px = min(float(np.linalg.norm(np.diff(grid, axis=axis), axis=2).min()) for axis in (0, 1))
            half = int(np.clip(square_px * 0.35, 2, 8))  # the window must hold one corner only
            fine: Corners = cv2.cornerSubPix(grey, corners, (half, half), (-1, -1), criteria).reshape(rows, columns, 2).astype(np.float64)
            return fine
    return None


def board_lines(corners: Corners) -> list[Corners]:
    """Rows, then columns, each (n, 2)."""
    return [*corners, *corners.transpose(1, 0, 2)]


def fit_line(points: Corners) -> tuple[Corners, Corners]:
    """(centre, unit direction) of the line nearest to (n, 2) points (total least squares)."""
    centre = points.mean(axis=0)
    return centre, np.linalg.svd(points - centre)[2][0]


def bend(lines: Sequence[Corners]) -> Bend:
    """How bent `lines` are; each (n, 2) pixels."""
    distances, ratios = [], []
    for points in lines:
        centre, direction = fit_line(points)
        away = np.abs((points - centre) @ np.array([-direction[1], direction[0]]))
        distances.append(away)
        ratios.append(away / np.linalg.norm(points[-1] - points[0]))
    flat, relative = np.concatenate(distances), np.concatenate(ratios)
    return Bend(float(np.sqrt((flat**2).mean())), float(flat.max()), float(np.sqrt((relative**2).mean())), float(relative.max()))


def straighten(corners: Corners, lens: Lens, view: Lens) -> Corners:
    """Where corners (rows, columns, 2) of the lens's image lie in the undistorted picture."""
    return view.project(lens.unproject(corners.reshape(-1, 2))).reshape(corners.shape)


def draw_lines(image: Image, lines: Sequence[Corners]) -> Image:
    """A copy of a BGR image with the corners (red) and the straight lines fitted to them (green)."""
    drawn = image.copy()
    for points in lines:
        centre, direction = fit_line(points)
        along = (points - centre) @ direction
        ends = [centre + direction * (t * 1.15) for t in (along.min(), along.max())]
        start, end = ((np.clip(p, -1e5, 1e5) * 16).round().astype(int).tolist() for p in ends)
        cv2.line(drawn, start, end, (0, 220, 0), 1, cv2.LINE_AA, shift=4)
        for point in points:
            cv2.circle(drawn, (point * 16).round().astype(int).tolist(), 32, (0, 0, 255), -1, cv2.LINE_AA, shift=4)
    return drawn
