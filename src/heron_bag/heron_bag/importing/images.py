"""Image files of one camera."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_bag.errors import BagError
from heron_bag.importing.config import ImagesSource
from heron_bag.importing.recording import Item, Tally, find_files
from heron_core.arrays import read_only
from heron_core.frames import CameraFrame
from heron_core.rig import default_topic


class ImagesRecording:
    """Images with times from their names, at a rate, or a single one at time 0."""

    def __init__(self, source: ImagesSource, base: Path) -> None:
        self._source = source
        self.files = find_files(source.files, base)
        self.label = f"images of {source.camera}"
        self.offset_s = source.offset_s
        self.absolute = source.name_unit_ns is not None
        self._stamps = self._times()
        self.first_ns = self._stamps[0]
        self.expected: int | None = len(self.files)

    def _times(self) -> list[int]:
        source = self._source
        if source.name_unit_ns is not None:
            names = [file.stem for file in self.files]
            bad = next((name for name in names if not name.isascii() or not name.isdigit()), None)
            if bad is not None:
                raise BagError(f"{source.files}: {bad!r} is not a time; with name_unit_ns a file name is a whole number of {source.name_unit_ns} ns")
            self.files.sort(key=lambda file: int(file.stem))
            return [int(file.stem) * source.name_unit_ns for file in self.files]
        if source.fps is not None:
            period = Fraction(1_000_000_000) / Fraction(str(source.fps))
            return [round(index * period) for index in range(len(self.files))]
        if len(self.files) > 1:
            raise BagError(f"{source.files}: {len(self.files)} images without times; give name_unit_ns or fps")
        return [0]

    def items(self, shift_ns: int, tally: Tally) -> Iterator[Item]:
        """See `Recording.items`."""
        topic = f"/camera/{default_topic(self._source.camera)}/image/compressed"
        for file, own_ns in zip(self.files, self._stamps, strict=True):
            stamp_ns = own_ns + shift_ns
            data = self._jpeg(file, tally)
            tally.counts[f"frames of {self._source.camera}"] += 1
            yield stamp_ns, topic, CameraFrame(self._source.camera, stamp_ns, stamp_ns, "jpeg", data)

    def _jpeg(self, file: Path, tally: Tally) -> NDArray[np.uint8]:
        raw = np.fromfile(file, dtype=np.uint8)
        if raw[:2].tobytes() == b"\xff\xd8":
            return read_only(raw)
        import cv2

        image = cv2.imdecode(raw, cv2.IMREAD_COLOR)
        if image is None:
            raise BagError(f"{file}: cannot be read as an image")
        quality = self._source.jpeg_quality
        done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise BagError(f"{file}: cannot be encoded as JPEG")
        tally.remark(f"images of {self._source.camera} are not JPEG ({file.suffix}); encoded as JPEG of quality {quality}")
        return read_only(np.ascontiguousarray(jpeg).reshape(-1))
