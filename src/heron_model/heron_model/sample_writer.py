"""Samples → a folder of Parquet files with the `samples.yaml` that explains them; the counterpart of `heron_model.sample_reader`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from heron_camera.views import VirtualCamera
from heron_core.errors import InputError
from heron_core.trajectory import POINTS
from heron_model.layout import EGO_COLUMNS, EGO_STEPS
from heron_model.plain_yaml import plain
from heron_model.samples import FILE, SCHEMA

_TEXTS = ("manoeuvre", "text", "signal", "ahead", "turn", "reason", "english", "japanese")


def blank(stamp_ns: int) -> dict[str, Any]:
    """A row that knows nothing yet and teaches nothing."""
    unknown = {"ego_hist": [np.nan] * (EGO_STEPS * len(EGO_COLUMNS)), "trajectory": [np.nan] * (POINTS * 4)}  # Parquet has no missing arrays
    plain = {"stamp_ns": stamp_ns, "labelled": False, "past": -1, "weight": 1.0}
    return dict.fromkeys(SCHEMA.names, b"") | dict.fromkeys(_TEXTS, "") | unknown | plain


def encode(image: NDArray[np.uint8], quality: int) -> bytes:
    """An RGB picture (3, h, w) as JPEG."""
    return encode_bgr(np.ascontiguousarray(image.transpose(1, 2, 0)[..., ::-1]), quality)


def encode_bgr(image: NDArray[np.uint8], quality: int) -> bytes:
    """A picture (h, w, 3) as OpenCV has it → JPEG, colours at full resolution: lamps are small."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    encoded: bytes = cv2.imencode(".jpg", image, settings)[1].tobytes()
    return encoded


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A Parquet file, complete or not there."""
    beside = path.with_suffix(".part")
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), beside, compression="none")
    beside.replace(path)


def begin_folder(folder: Path) -> None:
    """Makes the folder.

    Raises:
        InputError: it holds samples already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; give another --out, or remove it")
    folder.mkdir(parents=True, exist_ok=True)


def describe_folder(folder: Path, views: Sequence[VirtualCamera], source: str, **more: Any) -> None:
    """Writes `samples.yaml`: what the samples are for and how they were made.

    Args:
        folder: of the samples.
        views: that the pictures were made for.
        source: kind of source: recording, text, …
        more: whatever explains them; plain yaml.
    """
    described = {"source": source, "views": [plain(dataclasses.asdict(view)) for view in views], **more}
    (folder / FILE).write_text(yaml.safe_dump(described, sort_keys=False, allow_unicode=True), encoding="utf-8")
