"""Undistorts single images or folders of them, and measures what it did where a chessboard is in view."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_camera.calibration import flat_view, load_lens
from heron_camera.sources.folder import SUFFIXES, image_files
from heron_camera.straightness import bend, board_lines, draw_lines, find_board
from heron_camera.views import pixel_coordinates
from heron_core.camera import Lens
from heron_core.errors import InputError

Image = NDArray[np.uint8]


def undistort_image(image: Image, lens: Lens, view: Lens) -> Image:
    """The picture that the ideal lens `view` would have taken, black where `lens` sees nothing."""
    where = np.nan_to_num(pixel_coordinates(lens, view, np.eye(3)), nan=-1e4)
    flat: Image = cv2.remap(image, where, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    return flat


def undistort_files(
    inputs: Sequence[Path],
    calibration: Path,
    camera: str | None,
    fov_deg: float | None,
    out: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Undistorts `inputs` (images, or folders of images) and writes NAME.png (before | after) for each, and report.json.

    Args:
        inputs: images and folders.
        calibration: see `load_lens`.
        camera: which camera of a rig.yaml.
        fov_deg: see `flat_view`.
        out: folder for the pictures and the report.
        progress: gets a line for each image.

    Returns:
        What report.json holds: per image the bend of chessboard lines before and after (None without a board), and over all boards `straighter`: the
        RMS bend over line length of all boards together, before / after.

    Raises:
        InputError: nothing to read, a file that is no image, images of another size than the calibration's.
    """
    files = [file for path in inputs for file in (image_files(path) if path.is_dir() else [path])]
    out.mkdir(parents=True, exist_ok=True)
    images: dict[str, Any] = {}
    skipped = {}
    lens: Lens | None = None
    for path in files:
        image = _read(path)
        size = (image.shape[1], image.shape[0])
        lens = lens or load_lens(calibration, camera, size)
        if size != (lens.width, lens.height):
            skipped[path.name] = f"{size[0]}x{size[1]}, the calibration is for {lens.width}x{lens.height}"
            progress(f"{path.name}: skipped: {skipped[path.name]}")
            continue
        images[path.name] = entry = _one(path, image, lens, flat_view(lens, fov_deg), out)
        progress(_line(path.name, entry))
    if not images:
        raise InputError(f"no image fits {calibration}: " + "; ".join(f"{name} is {why}" for name, why in skipped.items()))
    boards = [entry for entry in images.values() if entry["straighter"] is not None]
    report = {
        "calibration": str(calibration),
        "images": images,
        "skipped": skipped,
        "boards": len(boards),
        "straighter": _pooled(boards, "before") / _pooled(boards, "after") if boards else None,
        "straighter_least": min(entry["straighter"] for entry in boards) if boards else None,
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _one(path: Path, image: Image, lens: Lens, view: Lens, out: Path) -> dict[str, Any]:
    flat = undistort_image(image, lens, view)
    boards = (find_board(image), find_board(flat))
    entry: dict[str, Any] = {"before": None, "after": None, "straighter": None}
    shown = [image, flat]
    if boards[0] is not None and boards[1] is not None:
        lines = [board_lines(board) for board in boards if board is not None]
        before, after = (bend(of) for of in lines)
        entry = {"before": asdict(before), "after": asdict(after), "straighter": before.rms_ratio / after.rms_ratio}
        shown = [draw_lines(picture, of) for picture, of in zip(shown, lines, strict=True)]
    picture = out / f"{path.stem}.png"
    if not cv2.imwrite(str(picture), np.hstack(shown)):
        raise InputError(f"{picture}: cannot be written")
    entry["picture"] = picture.name
    return entry


def _pooled(boards: Sequence[dict[str, Any]], when: str) -> float:
    return float(np.sqrt(np.mean([board[when]["rms_ratio"] ** 2 for board in boards])))


def _line(name: str, entry: dict[str, Any]) -> str:
    if entry["straighter"] is None:
        return f"{name}: no chessboard in both pictures"
    before, after = entry["before"], entry["after"]
    return (
        f"{name}: lines bend {before['rms_px']:.2f} px rms ({before['max_px']:.2f} max) before, "
        f"{after['rms_px']:.2f} ({after['max_px']:.2f}) after: {entry['straighter']:.1f}x straighter"
    )


def _read(path: Path) -> Image:
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder")
    data = np.fromfile(path, np.uint8)
    image: Image | None = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise InputError(f"{path}: not an image ({', '.join(SUFFIXES)} are read)")
    return image
